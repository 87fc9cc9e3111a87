"""Faces by sliding a classifier of patches over a picture, as the seed did.

It looks at thousands of patches where a detector looks once: for pictures, not for cameras.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from facectrl_fast.errors import UserError
from facectrl_fast.types import Box, Face, Float32Array, PixelFormat, UInt8Array
from facectrl_fast.vision.model_file import check_task
from facectrl_fast.vision.opencv_input import biggest_first
from facectrl_fast.vision.runtime import open_session, run_session

TASK = "faceness"
SIDE = 64
"""Pixels of a patch."""
STEP = 8
"""Pixels from patch to patch."""
SCALE = 0.8
"""From one size of the picture to the next."""
MOST_SIDE = 640
"""Pixels of the largest size that is searched."""
SURE = 0.9
"""Probability from which on a patch is a face."""
OVERLAP = 0.2
"""That two faces may have."""


@dataclass(frozen=True)
class FacenessDescription:
    """What such a model file says about itself."""

    network: str = ""
    data: Mapping[str, int] = field(default_factory=dict)
    validation: Mapping[str, float] = field(default_factory=dict)
    version: str = ""

    def to_metadata(self) -> dict[str, str]:
        """The metadata entries to store in the .onnx file."""
        return {
            "task": TASK,
            "network": self.network,
            "data": json.dumps(dict(self.data)),
            "validation": json.dumps(dict(self.validation)),
            "version": self.version,
        }


class FacenessModel:
    """See ``Detector``; its boxes are squares."""

    def __init__(self, path: Path, least_share: float = 1 / 8) -> None:
        """Load the model.

        Args:
            path: its .onnx file.
            least_share: the smallest face to find, as a share of the image's height; but no
                smaller than a tenth of the longer side.

        Raises:
            UserError: there is no such file, or it is no such model.
        """
        self._session = open_session(path)
        check_task(self._session.get_modelmeta().custom_metadata_map, path, TASK)
        self.name = TASK
        self.used_score = SURE
        self._least_share = least_share
        inputs = self._session.get_inputs()
        outputs = self._session.get_outputs()
        told = [(each.type, each.shape[1:]) for each in (*inputs, *outputs)]
        if told != [("tensor(float)", [3, SIDE, SIDE]), ("tensor(float)", [1])]:
            raise UserError(f"{path}: its input does not fit its metadata; train it again")
        self._input_name = inputs[0].name

    def probabilities(self, batch: Float32Array) -> Float32Array:
        """How sure it is of a face, (n,), for patches (n, 3, 64, 64) of BGR in [0, 1]."""
        (logits,) = run_session(self._session, None, {self._input_name: batch})
        return np.asarray(1 / (1 + np.exp(-logits[:, 0])), np.float32)

    def detect(
        self, image: UInt8Array, pixel_format: PixelFormat, least_share: float | None = None
    ) -> list[Face]:
        """See ``Detector.detect``; BGR pictures alone.

        Raises:
            ValueError: the picture has another format.
        """
        if pixel_format is not PixelFormat.BGR24:
            raise ValueError("pixel_format: faceness is told by colours, in BGR24")
        height, width = image.shape[:2]
        least = (least_share or self._least_share) * height
        # From the largest size, in which the smallest face fills a patch, to one patch.
        scale = min(SIDE / least, MOST_SIDE / max(height, width))
        boxes: list[Box] = []
        scores: list[float] = []
        while min(height, width) * scale >= SIDE:
            size = max(round(width * scale), SIDE), max(round(height * scale), SIDE)
            how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
            small = np.asarray(cv2.resize(image, size, interpolation=how), np.uint8)
            for (x, y), score in self._search(small):
                side = SIDE / scale
                boxes.append((x / scale, y / scale, side, side))
                scores.append(score)
            scale *= SCALE
        kept = cv2.dnn.NMSBoxes(boxes, scores, self.used_score, OVERLAP) if boxes else ()
        return biggest_first([Face(boxes[int(k)], scores[int(k)]) for k in np.ravel(kept)])

    def _search(self, image: UInt8Array) -> list[tuple[tuple[int, int], float]]:
        """Left top corners of the patches that show faces, and how surely."""
        patches = np.lib.stride_tricks.sliding_window_view(image, (SIDE, SIDE), axis=(0, 1))
        patches = patches[::STEP, ::STEP]  # (rows, columns, 3, 64, 64)
        found = []
        # A row at a time: all of them together would be a large copy.
        for y, row in enumerate(patches):
            scores = self.probabilities(row.astype(np.float32) / np.float32(255))
            for x in np.flatnonzero(scores >= self.used_score).tolist():
                found.append(((x * STEP, y * STEP), float(scores[x])))
        return found
