"""A number for a face: what ``train score`` learnt of labelled pictures.

Metadata keys of such a file, all strings:

=============  =============================================================================
task           ``score``
network        the backbone
label          what the number tells, in words
input          JSON: ``height``, ``width`` of the BGR crops (n, 3, height, width) in [0, 1]
expansion      JSON: what crops show beyond the face box, as a share of its height; null for
               whole pictures
range          JSON: the least and the largest number that was trained on
data           JSON: counts of the pictures
validation     JSON: errors on pictures left out
version        of the program that made it
=============  =============================================================================
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from facectrl_fast.errors import UserError
from facectrl_fast.types import Box, Float32Array, UInt8Array
from facectrl_fast.vision.model_file import common_entries, read_side, reading
from facectrl_fast.vision.runtime import open_session, run_session

TASK = "score"


@dataclass(frozen=True)
class ScoreDescription:
    """What such a model file says about itself."""

    network: str = ""
    label: str = "score"
    side: int = 224
    expansion: float | None = None
    least: float = 0.0
    most: float = 1.0
    data: Mapping[str, int] = field(default_factory=dict)
    validation: Mapping[str, float] = field(default_factory=dict)
    version: str = ""

    def to_metadata(self) -> dict[str, str]:
        """The metadata entries to store in the .onnx file."""
        return {
            "task": TASK,
            "network": self.network,
            "label": self.label,
            "input": json.dumps({"height": self.side, "width": self.side}),
            "expansion": json.dumps(self.expansion),
            "range": json.dumps([self.least, self.most]),
            "data": json.dumps(dict(self.data)),
            "validation": json.dumps(dict(self.validation)),
            "version": self.version,
        }

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str], path: Path) -> ScoreDescription:
        """Read the entries back.

        Args:
            metadata: key to value, from the .onnx file.
            path: the file, for the messages.

        Raises:
            UserError: the model is not one of ours, is for another task, or its entries do not
                make sense.
        """
        with reading(metadata, path, TASK):
            size = json.loads(metadata["input"])
            expansion = json.loads(metadata["expansion"])
            if expansion is not None and not 0 <= float(expansion) <= 10:
                raise ValueError("expansion is from 0 to 10")
            least, most = (float(value) for value in json.loads(metadata["range"]))
            if not (math.isfinite(least) and math.isfinite(most) and least <= most):
                raise ValueError("range is least and most")
            return cls(
                label=metadata.get("label", "score"),
                side=_square(size),
                expansion=None if expansion is None else float(expansion),
                least=least,
                most=most,
                **common_entries(metadata),
            )


class ScoreModel:
    """Gives faces a number."""

    def __init__(self, path: Path) -> None:
        """Load the model.

        Raises:
            UserError: there is no such file, or it is no such model.
        """
        self._session = open_session(path)
        self.description = ScoreDescription.from_metadata(
            self._session.get_modelmeta().custom_metadata_map, path
        )
        size = [3, self.description.side, self.description.side]
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        told = [(each.type, each.shape[1:]) for each in (*inputs, *outputs)]
        if told != [("tensor(float)", size), ("tensor(float)", [1])]:
            raise UserError(
                f"{path}: its input or output does not fit its metadata; train it again"
            )
        self._input_name = inputs[0].name

    def score(self, image: UInt8Array, face: Box) -> float:
        """The number of a face.

        Args:
            image: BGR (h, w, 3).
            face: its box, in pixels.
        """
        given = self.description
        if given.expansion is None:
            crop = whole_picture(image, given.side)
        else:
            crop = cut_face(image, face, given.expansion, given.side)
        return float(self.scores(crop[None])[0])

    def scores(self, batch: Float32Array) -> Float32Array:
        """The numbers (n,) of crops (n, 3, height, width) of BGR in [0, 1]."""
        # ONNX Runtime releases the GIL while it runs.
        (numbers,) = run_session(self._session, None, {self._input_name: batch})
        return np.asarray(numbers[:, 0], np.float32)


def _square(size: Any) -> int:
    side = read_side(size["height"])
    if size["width"] != side:
        raise ValueError("crops are squares")
    return side


def whole_picture(image: UInt8Array, side: int) -> Float32Array:
    """A picture as such models take it, (3, side, side) in [0, 1].

    Args:
        image: BGR (h, w, 3).
        side: pixels.
    """
    how = cv2.INTER_AREA if min(image.shape[:2]) > side else cv2.INTER_LINEAR
    return _planes(np.asarray(cv2.resize(image, (side, side), interpolation=how)))


def cut_face(image: UInt8Array, face: Box, expansion: float, side: int) -> Float32Array:
    """The same of a face and what is around it.

    Args:
        image: BGR (h, w, 3); beyond its edges they are repeated.
        face: its box, in pixels.
        expansion: what the crop shows beyond the box, as a share of its height.
        side: pixels.
    """
    x, y, wide, tall = face
    scale = side / (tall * (1 + expansion))
    shift = side / 2 - scale * np.array([x + wide / 2, y + tall / 2])
    part = image
    while scale < 0.5 and min(part.shape[:2]) > 1:  # warping does not average
        part = np.asarray(cv2.resize(part, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA))
        scale *= 2
    shift = shift + (scale - 1) / 2  # warping counts from the middle of the first pixel
    move = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])
    return _planes(
        np.asarray(cv2.warpAffine(part, move, (side, side), borderMode=cv2.BORDER_REPLICATE))
    )


def _planes(image: np.ndarray) -> Float32Array:
    return np.ascontiguousarray(np.moveaxis(image, 2, 0)).astype(np.float32) / np.float32(255)
