"""Faces by OpenCV's cascade classifier."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from facectrl_fast.config import LEAST_SHARE
from facectrl_fast.errors import UserError
from facectrl_fast.types import Box, Face, PixelFormat, UInt8Array
from facectrl_fast.vision.detect import JUST_TOO_SMALL
from facectrl_fast.vision.luma import to_gray
from facectrl_fast.vision.opencv_input import biggest_first, shrunk

CASCADES = Path(cv2.__file__).parent / "data"


FACE_HEIGHT = 1.12
"""Of a face, in sides of the cascade's window."""
LEAST_HEIGHT = 120
"""Of the picture that is searched, in pixels: in smaller ones anything big looks like a face."""


class HaarDetector:
    """The cascade, on a picture in which the smallest face wanted is 30 pixels high, or more.

    By default OpenCV's second alternative frontal face: its boxes are steadier than those of the
    better known default cascade, and it takes fewer things for faces.
    """

    def __init__(
        self,
        path: Path | None = None,
        least_share: float = LEAST_SHARE,
        least_pixels: int | None = 30,
        scale_factor: float = 1.1,
        neighbours: int = 4,
        name: str = "haar",
        sensitive: bool = False,
    ) -> None:
        """Load the cascade.

        Args:
            path: a cascade .xml; OpenCV's by default.
            least_share: the smallest face to find, as a share of the image's height.
            least_pixels: its height in the picture that is searched; None for full size.
            scale_factor: from one size of faces to the next.
            neighbours: windows that have to agree.
            name: see ``Detector``.
            sensitive: see ``open_detector``.

        Raises:
            UserError: the file is no cascade.
        """
        self.name = name
        self._cascade = _load_cascade(path or CASCADES / "haarcascade_frontalface_alt2.xml")
        self._least_share = least_share
        self._least_pixels = least_pixels
        self._scale_factor = scale_factor
        self._neighbours = neighbours
        self._least_votes = 1 if sensitive else neighbours
        self._least_box = JUST_TOO_SMALL if sensitive else 1.0
        # OpenCV keeps what has more of them.
        self.used_score = self._score(neighbours + 1)

    def detect(
        self, image: UInt8Array, pixel_format: PixelFormat, least_share: float | None = None
    ) -> list[Face]:
        """See ``Detector.detect``. The score is a squashed count of agreeing windows."""
        share = least_share or self._least_share
        small, scale = to_gray(image, pixel_format), 1.0
        if self._least_pixels is not None:
            small, scale = shrunk(small, max(self._least_pixels / share, LEAST_HEIGHT))
        height, width = small.shape[:2]
        least = max(int(self._least_box * share * height / FACE_HEIGHT), 20)
        boxes, votes = self._cascade.detectMultiScale2(
            small,
            scaleFactor=self._scale_factor,
            minNeighbors=self._least_votes,
            minSize=(least, least),
            maxSize=(width, height),
        )
        return biggest_first(
            [
                Face(_from_haar_box(box, scale), self._score(float(n)))
                for box, n in zip(boxes, np.ravel(votes), strict=True)
            ]
        )

    def _score(self, votes: float) -> float:
        return votes / (votes + self._neighbours)


def seed_detector(path: Path | None = None, sensitive: bool = False) -> HaarDetector:
    """The seed's way, for comparison; it finds few faces.

    The default cascade on the full size, in steps of 1.5, from a quarter of the picture on.
    """
    path = path or CASCADES / "haarcascade_frontalface_default.xml"
    return HaarDetector(
        path,
        1 / 4,
        least_pixels=None,
        scale_factor=1.5,
        name="haar-seed",
        sensitive=sensitive,
    )


def _load_cascade(path: Path) -> cv2.CascadeClassifier:
    cascade = cv2.CascadeClassifier()
    try:
        loaded = cascade.load(str(path))
    except cv2.error:
        loaded = False
    if not loaded:
        raise UserError(f"{path} is not a Haar cascade; give an OpenCV cascade .xml file")
    return cascade


def _from_haar_box(box: Sequence[int], scale: float) -> Box:
    """A Haar box is square and wider than the face.

    Median over the 661 pictures of 60 people on which the cascade and YuNet find the same face:
    the face is 0.85 times as wide, FACE_HEIGHT times as high, its centre 0.018 of the side lower.
    """
    x, y, side = (float(v) * scale for v in box[:3])
    centre_x, centre_y = x + side / 2, y + side * 0.518
    face_height = side * FACE_HEIGHT
    return (centre_x - side * 0.425, centre_y - face_height / 2, side * 0.85, face_height)
