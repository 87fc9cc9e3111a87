"""Cuts the face out of a picture as ``run`` cuts it out of a frame."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from facectrl_fast.dataset.picture_file import decode_picture
from facectrl_fast.errors import UserError
from facectrl_fast.files import digest
from facectrl_fast.models import PACKAGED_CLOSE_LOOKS, PACKAGED_DETECTOR
from facectrl_fast.types import Face, Float32Array, PixelFormat
from facectrl_fast.vision.preprocess import Preprocessing
from facectrl_fast.vision.ssd import SsdDetector

LEAST_SHARE = 1 / 8
"""Height of the smallest faces, as a share of the picture's."""


class FaceCutter:
    """Cuts crops of one size, with the packaged detector."""

    def __init__(self, preprocessing: Preprocessing, height: int, width: int) -> None:
        self.preprocessing = preprocessing
        self._height = height
        self._width = width
        self._detector = SsdDetector(least_share=LEAST_SHARE)
        detector = f"{digest(PACKAGED_DETECTOR)} {digest(PACKAGED_CLOSE_LOOKS)}"
        self.key = f"{preprocessing} {height}x{width} {detector}"
        """What crops depend on besides the picture."""

    def cut(self, picture: bytes) -> Float32Array | None:
        """The crop (1, 1, height, width) of the face in the middle of a coded picture.

        Returns:
            Gray values in [0, 1]; None where there is no face or no picture.
        """
        shown = decode_picture(np.frombuffer(picture, np.uint8))
        if shown is None or min(shown.shape[:2]) < 32:
            return None
        faces = self._detector.detect(shown, PixelFormat.BGR24)
        if not faces:
            return None
        rows, columns = shown.shape[:2]
        middle = np.array([columns, rows]) / 2

        def away(face: Face) -> float:
            x, y, width, height = face.box
            return float(np.abs((x + width / 2, y + height / 2) - middle).max() / height)

        crop = np.zeros((1, 1, self._height, self._width), np.float32)
        self.preprocessing(shown, PixelFormat.BGR24, min(faces, key=away).box, crop)
        return crop

    def cut_file(self, path: Path) -> Float32Array | None:
        """The same of a picture's file, see ``cut``.

        Raises:
            UserError: it cannot be read.
        """
        try:
            return self.cut(path.read_bytes())
        except OSError as error:
            raise UserError(f"cannot read {path}: {error.strerror}") from None
