"""Faces by a single-shot network with anchors, as ``train detector`` makes them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from facectrl_fast._native import BoxDecoder
from facectrl_fast.config import LEAST_SHARE
from facectrl_fast.errors import UserError
from facectrl_fast.models import PACKAGED_DETECTOR
from facectrl_fast.types import Face, Float32Array, PixelFormat, UInt8Array
from facectrl_fast.vision.detect import JUST_TOO_SMALL
from facectrl_fast.vision.detector_file import DetectorDescription
from facectrl_fast.vision.preprocess import WHOLE_IMAGE
from facectrl_fast.vision.runtime import open_session, run_session

MOST_PIXELS, MOST_SIDE = 1 << 20, 4096
"""Of an input, whatever picture is looked at."""
LOWEST_SCORE = 0.02
"""Of what a sensitive detector gives."""


class SsdDetector:
    """Feeds the image to the network at the smallest size at which the faces wanted are found."""

    def __init__(
        self,
        path: Path = PACKAGED_DETECTOR,
        least_share: float = LEAST_SHARE,
        sensitive: bool = False,
    ) -> None:
        """Load the model.

        Args:
            path: its .onnx file.
            least_share: the smallest face to find, as a share of the image's height.
            sensitive: see ``open_detector``.

        Raises:
            UserError: there is no such file, or it is no face detector of ours.
        """
        self._session = open_session(path)
        self.description = DetectorDescription.from_metadata(
            self._session.get_modelmeta().custom_metadata_map, path
        )
        self.name = self.description.network
        self.used_score = self.description.score
        self._least_share = least_share
        self._least_box = JUST_TOO_SMALL if sensitive else 1.0
        """Height of the smallest box given, as a share of that of the smallest face."""
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        levels = self.description.levels
        planes = [count * len(level.shapes) for level in levels for count in (1, 4)]
        fits = (
            [i.type for i in inputs] == ["tensor(float)"]
            and all(o.type == "tensor(float)" and len(o.shape) == 4 for o in outputs)
            and len(inputs[0].shape) == 4
            and inputs[0].shape[1] == self.description.channels
            and [o.shape[1] for o in outputs] == planes
        )
        # None of a fixed size.
        if not fits or any(isinstance(side, int) for side in inputs[0].shape[2:]):
            raise UserError(
                f"{path}: its input or output does not fit its metadata; train it again"
            )
        self._input_name = inputs[0].name
        self._output_names = [output.name for output in outputs]
        self._decoder = BoxDecoder(
            [(level.stride, level.shapes) for level in levels],
            LOWEST_SCORE if sensitive else self.description.score,
            self.description.overlap,
        )
        self._inputs: dict[tuple[int, int], Float32Array] = {}

    def detect(
        self, image: UInt8Array, pixel_format: PixelFormat, least_share: float | None = None
    ) -> list[Face]:
        """See ``Detector.detect``."""
        share = least_share or self._least_share
        rows, width = image.shape[:2]
        height = rows * 2 // 3 if pixel_format is PixelFormat.NV12 else rows
        batch = self._input(*self._input_size(height, width, share))
        self._fill(batch, image, pixel_format, (height, width))
        found = self._decoder.decode(self.run(batch))
        # Both ways by what it was shrunk by, which rounding to whole cells makes differ a little.
        across, down = width / batch.shape[3], height / batch.shape[2]
        faces = [
            Face((x * across, y * down, w * across, h * down), score)
            for x, y, w, h, score in found.tolist()
            if h * down >= self._least_box * share * height
        ]
        return sorted(faces, key=lambda face: face.box[2] * face.box[3], reverse=True)

    def run(self, batch: Float32Array) -> list[Float32Array]:
        """The network's outputs for an input (1, channels, h, w): logits and offsets by level."""
        return run_session(self._session, self._output_names, {self._input_name: batch})

    def _input_size(self, height: int, width: int, share: float) -> tuple[int, int]:
        """Rows and columns at which the smallest face is just big enough."""
        multiple = self.description.multiple
        rows = self.description.face / share
        columns = rows * width / height
        shrink = min((MOST_PIXELS / (rows * columns)) ** 0.5, 1.0)
        rows, columns = min(rows * shrink, MOST_SIDE), min(columns * shrink, MOST_SIDE)
        return _to_multiple(rows, multiple), _to_multiple(columns, multiple)

    def _input(self, rows: int, columns: int) -> Float32Array:
        """An input of that size, which is used again."""
        known = self._inputs.get((rows, columns))
        if known is None:
            if len(self._inputs) >= 16:
                self._inputs.clear()
            known = np.zeros((1, self.description.channels, rows, columns), np.float32)
            self._inputs[rows, columns] = known
        return known

    def _fill(
        self,
        batch: Float32Array,
        image: UInt8Array,
        pixel_format: PixelFormat,
        size: tuple[int, int],
    ) -> None:
        if self.description.channels == 3 and pixel_format is PixelFormat.BGR24:
            import cv2  # late: gray networks need nothing of it

            rows, columns = batch.shape[2:]
            small = cv2.resize(image, (columns, rows), interpolation=cv2.INTER_AREA)
            batch[0] = np.moveaxis(small, 2, 0) / np.float32(255)
            return
        whole = (0.0, 0.0, float(size[1]), float(size[0]))
        WHOLE_IMAGE(image, pixel_format, whole, batch[:, :1])
        batch[:, 1:] = batch[:, :1]


def _to_multiple(pixels: float, multiple: int) -> int:
    return max(round(pixels / multiple), 1) * multiple
