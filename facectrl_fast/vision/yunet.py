"""Faces by OpenCV Zoo's YuNet, from any of its .onnx files."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from facectrl_fast.config import LEAST_SHARE
from facectrl_fast.errors import UserError
from facectrl_fast.types import Face, PixelFormat, UInt8Array
from facectrl_fast.vision.detect import DRAWN_SMALL, JUST_TOO_SMALL
from facectrl_fast.vision.luma import to_gray
from facectrl_fast.vision.opencv_input import biggest_first, shrunk


class YuNetDetector:
    """YuNet, on a picture in which the smallest face wanted is 26 pixels high."""

    def __init__(
        self,
        path: Path,
        least_share: float = LEAST_SHARE,
        least_pixels: int = 26,
        sensitive: bool = False,
    ) -> None:
        """Load the model.

        Args:
            path: its .onnx file.
            least_share: the smallest face to find, as a share of the image's height.
            least_pixels: its height in the picture that is searched.
            sensitive: see ``open_detector``.

        Raises:
            UserError: the file is no YuNet.
        """
        self.name = "yunet"
        self.used_score = 0.6
        self._least_share = least_share
        self._least_pixels = least_pixels
        self._least_box = JUST_TOO_SMALL if sensitive else DRAWN_SMALL
        score = 0.05 if sensitive else self.used_score
        try:
            self._net = cv2.FaceDetectorYN.create(str(path), "", (160, 160), score, 0.3, 50)
            # A foreign model loads without complaint and fails when it runs.
            self._net.detect(np.zeros((160, 160, 3), np.uint8))
        except cv2.error:
            raise UserError(f"{path} is not a YuNet face detector model") from None

    def detect(
        self, image: UInt8Array, pixel_format: PixelFormat, least_share: float | None = None
    ) -> list[Face]:
        """See ``Detector.detect``. Finds five landmarks, too."""
        if pixel_format is not PixelFormat.BGR24:
            image = to_gray(image, pixel_format)
        share = least_share or self._least_share
        small, scale = shrunk(image, self._least_pixels / share)
        if small.ndim == 2:
            small = np.asarray(cv2.cvtColor(small, cv2.COLOR_GRAY2BGR), np.uint8)
        self._net.setInputSize((small.shape[1], small.shape[0]))
        found = self._net.detect(small)[1]
        if found is None:
            return []
        least = self._least_box * share * image.shape[0]
        faces = []
        for row in np.asarray(found, np.float64):
            box = (row[0] * scale, row[1] * scale, row[2] * scale, row[3] * scale)
            if box[3] >= least and box[2] > 0:
                points = row[4:14].reshape(5, 2) * scale
                landmarks = tuple((float(px), float(py)) for px, py in points)
                faces.append(Face(tuple(map(float, box)), float(row[14]), landmarks))  # type: ignore[arg-type]
        return biggest_first(faces)
