"""Whose face it is: a network whose outputs for one person's faces lie close together.

Metadata keys of such a file, all strings:

==============  ============================================================================
task            ``identity``
network         the backbone, and the head on it
input           JSON: ``height``, ``width`` of the gray crops (n, 1, height, width) in [0, 1]
preprocessing   JSON: ``expansion``, ``expansion_unit``, ``resampling``
thresholds      JSON: ``similarity`` above which two faces are one person's
data            JSON: counts of the people and pictures
validation      JSON: figures on people left out
version         of the program that made it
==============  ============================================================================
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from facectrl_fast.errors import UserError
from facectrl_fast.files import digest
from facectrl_fast.models import user_identity_models
from facectrl_fast.types import Box, Float32Array, PixelFormat, UInt8Array
from facectrl_fast.vision.model_file import (
    common_entries,
    read_preprocessing,
    read_side,
    reading,
)
from facectrl_fast.vision.preprocess import Preprocessing
from facectrl_fast.vision.runtime import open_session, run_session

TASK = "identity"


@dataclass(frozen=True)
class IdentityDescription:
    """What such a model file says about itself."""

    network: str = ""
    height: int = 112
    width: int = 112
    preprocessing: Preprocessing = field(default_factory=Preprocessing)
    similarity: float = -0.8
    """Above it two faces are one person's: the seed's T."""
    data: Mapping[str, int] = field(default_factory=dict)
    validation: Mapping[str, float] = field(default_factory=dict)
    version: str = ""

    def to_metadata(self) -> dict[str, str]:
        """The metadata entries to store in the .onnx file."""
        return {
            "task": TASK,
            "network": self.network,
            "input": json.dumps({"height": self.height, "width": self.width}),
            "preprocessing": json.dumps(asdict(self.preprocessing)),
            "thresholds": json.dumps({"similarity": self.similarity}),
            "data": json.dumps(dict(self.data)),
            "validation": json.dumps(dict(self.validation)),
            "version": self.version,
        }

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str], path: Path) -> IdentityDescription:
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
            similarity = float(json.loads(metadata["thresholds"])["similarity"])
            if not (math.isfinite(similarity) and similarity <= 0):
                raise ValueError("similarities are at most 0")
            return cls(
                height=read_side(size["height"]),
                width=read_side(size["width"]),
                preprocessing=read_preprocessing(json.loads(metadata["preprocessing"])),
                similarity=similarity,
                **common_entries(metadata),
            )


class IdentityModel:
    """Turns faces into points: one person's lie close together."""

    def __init__(self, path: Path, known: str | None = None) -> None:
        """Load the model.

        Args:
            path: its .onnx file.
            known: the file's digest, where the name of a kept one tells it.

        Raises:
            UserError: there is no such file, or it is no identity model.
        """
        self._session = open_session(path)
        self.description = IdentityDescription.from_metadata(
            self._session.get_modelmeta().custom_metadata_map, path
        )
        height, width = self.description.height, self.description.width
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        shapes = [each.shape[1:] for each in (*inputs, *outputs)]
        fits = len(shapes) == 2 and shapes[0] == [1, height, width] and len(shapes[1]) == 1
        if not fits or not isinstance(shapes[1][0], int) or inputs[0].type != "tensor(float)":
            raise UserError(
                f"{path}: its input or output does not fit its metadata; train it again"
            )
        self.path = path
        self.digest = known or digest(path)
        """What the file is recognised by: points of two models have nothing in common."""
        self.dimensions: int = shapes[1][0]
        """Of a point."""
        self._input_name = inputs[0].name
        self._input: Float32Array = np.zeros((1, 1, height, width), np.float32)

    def embed_face(self, image: UInt8Array, pixel_format: PixelFormat, box: Box) -> Float32Array:
        """The point (d,) of the face in ``box``.

        Args:
            image: the frame, uint8, as ``pixel_format`` lays it out.
            pixel_format: how to read it.
            box: the face in pixels of the frame.

        Raises:
            ValueError: the box lies wholly outside the frame.
        """
        self.description.preprocessing(image, pixel_format, box, self._input)
        return np.asarray(self.embed(self._input)[0])

    def embed(self, batch: Float32Array) -> Float32Array:
        """The points (n, d) of crops (n, 1, height, width) of gray in [0, 1]."""
        # ONNX Runtime releases the GIL while it runs.
        (points,) = run_session(self._session, None, {self._input_name: batch})
        return np.asarray(points, np.float32)

    def confuses(self, one: Float32Array, other: Float32Array) -> bool:
        """Whether it takes two people, of points (n, d) and (m, d), for one."""
        return bool(similarity(one[:, None], other[None]).mean() > self.description.similarity)


def open_identity_model(path: Path | None, kept: str | None = None) -> IdentityModel:
    """A model that recognises people.

    Args:
        path: its file; None for one that ``enroll`` kept.
        kept: the digest of that; None for the newest one.

    Raises:
        UserError: it cannot be used, or there is none.
    """
    if path is None:
        found = user_identity_models().glob(f"{kept or '[0-9a-f]*'}.onnx")
        path = max(found, key=lambda p: p.stat().st_mtime, default=None)
        if path is None:
            raise UserError(
                "there is no model that recognises people: make one with 'facectrl-fast train "
                "identity', and enroll with it (--identity-model FILE)"
            )
        return IdentityModel(path, path.stem)
    return IdentityModel(path)


def similarity(one: Float32Array, other: Float32Array) -> Float32Array:
    """How alike points (..., d) are: minus their squared distance, so 0 at most."""
    return np.asarray(-np.square(one - other).sum(-1), np.float32)
