"""Classifies a face crop with ONNX Runtime."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from facectrl_fast.errors import UserError
from facectrl_fast.models import PACKAGED_MODEL
from facectrl_fast.types import Box, Float32Array, PixelFormat, UInt8Array, Verdict
from facectrl_fast.vision.model_file import ModelDescription
from facectrl_fast.vision.runtime import BoundInput, open_session, run_session

EMBEDDING = "embedding"
"""Name of the output that calibration builds on."""
_VERDICTS = {"on": Verdict.HEADPHONES_ON, "off": Verdict.HEADPHONES_OFF}


def logistic(margin: np.ndarray) -> Float32Array:
    """Probabilities (n,) of margins (n,): 0.5 at 0."""
    return np.asarray(1 / (1 + np.exp(np.clip(-margin, -60, 60))), np.float32)


@dataclass(frozen=True)
class Classification:
    """What the classifier makes of one face."""

    verdict: Verdict
    on_probability: float


class Classifier:
    """A headphone model, with the input array that crops are written into."""

    def __init__(self, path: Path = PACKAGED_MODEL) -> None:
        self._session = open_session(path)
        self.description = ModelDescription.from_metadata(
            self._session.get_modelmeta().custom_metadata_map, path
        )
        height, width = self.description.input_height, self.description.input_width
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        shapes = ([i.shape[1:] for i in inputs], outputs[0].shape[1:])
        wanted = ([[1, height, width]], [2 if self.description.kind == "softmax" else 1])
        types = {inputs[0].type, outputs[0].type}
        if shapes != wanted or types != {"tensor(float)"}:
            raise UserError(
                f"{path}: its input or output does not fit its metadata; train it again"
            )
        self.path = path
        self._input_name, self._output_name = inputs[0].name, outputs[0].name
        self.has_embedding = EMBEDDING in (output.name for output in outputs)
        self._on = self.description.labels.index("on")
        self._crop = BoundInput(
            self._session,
            self._input_name,
            (1, 1, height, width),
            {self._output_name: (1, *outputs[0].shape[1:])},
        )

    def classify(self, image: UInt8Array, pixel_format: PixelFormat, box: Box) -> Classification:
        """The verdict on the face in ``box``: HEADPHONES_ON, HEADPHONES_OFF or UNSURE.

        Args:
            image: the frame, uint8, as ``pixel_format`` lays it out.
            pixel_format: how to read it.
            box: the face in pixels of the frame.

        Raises:
            ValueError: the box lies wholly outside the frame.
        """
        self.description.preprocessing(image, pixel_format, box, self._crop.array)
        on = self.on_probability()
        if max(on, 1 - on) < self.description.confidence:
            return Classification(Verdict.UNSURE, on)
        return Classification(_VERDICTS["on" if on > 0.5 else "off"], on)

    def on_probability(self) -> float:
        """How sure it is of ``on``, for the crop that ``classify`` wrote last."""
        return float(self._probabilities(self._crop.run()[0])[0])

    def on_probabilities(self, batch: Float32Array) -> Float32Array:
        """How sure it is of ``on``, (n,), for crops (n, 1, height, width) of gray in [0, 1].

        For reconstruction models 0.5 lies at the largest error that counts as ``on``, and a
        sigma more or less is one step of the logistic function.
        """
        return self._probabilities(self.run(batch))

    def _probabilities(self, output: Float32Array) -> Float32Array:
        error = self.description.error
        if error is not None:
            margin = error.margin(output[:, 0])
        else:
            margin = output[:, self._on] - output[:, 1 - self._on]
        return logistic(margin)

    def run(self, batch: Float32Array) -> Float32Array:
        """The model's output for such crops: logits (n, 2), or errors (n, 1)."""
        return self._run(self._output_name, batch)

    def embed(self, batch: Float32Array) -> Float32Array:
        """What the logits are made of, (n, d), for such crops.

        Raises:
            UserError: the model gives no embedding.
        """
        if not self.has_embedding:
            raise UserError(f"{self.path} gives no embedding to build on; use the packaged model")
        return self._run(EMBEDDING, batch)

    def _run(self, name: str, batch: Float32Array) -> Float32Array:
        # ONNX Runtime releases the GIL while it runs; outputs not asked for are not computed.
        (output,) = run_session(self._session, [name], {self._input_name: batch})
        return np.asarray(output, np.float32)
