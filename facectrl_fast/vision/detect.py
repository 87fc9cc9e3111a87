"""Face detectors, chosen by name.

Every detector returns boxes in one convention, the one that models are trained with: forehead to
chin and temple to temple.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from facectrl_fast.config import DETECTORS
from facectrl_fast.errors import UserError
from facectrl_fast.types import Box, Face, PixelFormat, UInt8Array

CASCADES = Path(cv2.__file__).parent / "data"


class Detector(Protocol):
    """Finds faces in an image."""

    name: str

    def detect(
        self, image: UInt8Array, pixel_format: PixelFormat, least_share: float | None = None
    ) -> list[Face]:
        """All faces, biggest first.

        Args:
            image: uint8 in the layout of ``pixel_format`` (see ``types.Frame``); a view of a
                part of a frame will do.
            pixel_format: how to read it.
            least_share: the smallest face to find, as a share of the image's height; the
                detector's own by default.
        """
        ...


def open_detector(
    name: str = "auto", path: Path | None = None, least_share: float = 1 / 6
) -> Detector:
    """The detector of that name.

    Args:
        name: one of ``DETECTORS``; ``auto`` is YuNet where a model file is given, else Haar.
        path: the detector's file: an .onnx for YuNet, a cascade .xml for Haar (OpenCV's frontal
            face by default).
        least_share: the smallest face to find, as a share of the image's height; ``haar-seed``
            has its own, a quarter.

    Raises:
        UserError: the file is missing or is not what the detector needs.
    """
    if path is not None and not path.is_file():
        raise UserError(f"detector file {path} does not exist; check --detector-model")
    if name == "auto":
        name = "yunet" if path is not None and path.suffix == ".onnx" else "haar"
    if name == "yunet":
        if path is None:
            raise UserError("the yunet detector needs its model: give --detector-model FILE.onnx")
        return YuNetDetector(path, least_share)
    if name == "haar":
        return HaarDetector(path, least_share)
    if name == "haar-seed":
        path = path or CASCADES / "haarcascade_frontalface_default.xml"
        return HaarDetector(path, 1 / 4, scale_factor=1.5, neighbours=4, width=None, name=name)
    raise UserError(f"unknown detector '{name}'; choose one of {', '.join(DETECTORS)}")


def to_gray(image: UInt8Array, pixel_format: PixelFormat) -> UInt8Array:
    """The luma of an image as (h, w) uint8; a view where the format allows it."""
    if pixel_format is PixelFormat.GRAY8:
        return image
    if pixel_format is PixelFormat.YUYV:
        return image[:, :, 0]
    if pixel_format is PixelFormat.UYVY:
        return image[:, :, 1]
    if pixel_format is PixelFormat.NV12:
        return image[: image.shape[0] * 2 // 3]
    gray = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    return np.asarray(gray, np.uint8)


def _shrunk(image: UInt8Array, width: int | None) -> tuple[UInt8Array, float]:
    """The image at most ``width`` pixels wide, and how many of its pixels one of those spans."""
    if width is None or image.shape[1] <= width:
        return image, 1.0
    scale = image.shape[1] / width
    height = max(round(image.shape[0] / scale), 1)
    small = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.uint8), scale


def _biggest_first(faces: list[Face]) -> list[Face]:
    return sorted(faces, key=lambda face: face.box[2] * face.box[3], reverse=True)


class HaarDetector:
    """OpenCV's cascade classifier.

    The default looks at a 320 pixel wide picture in fine steps, with OpenCV's second alternative
    frontal face: its boxes are steadier than those of the better known default cascade, and it
    takes fewer things for faces. The seed's way (that default, steps of 1.5, a quarter of the
    picture, full size) finds few faces; it is kept for comparison as ``haar-seed``.
    """

    def __init__(
        self,
        path: Path | None = None,
        least_share: float = 1 / 6,
        scale_factor: float = 1.1,
        neighbours: int = 4,
        width: int | None = 320,
        name: str = "haar",
    ) -> None:
        self.name = name
        self._cascade = _load_cascade(path or CASCADES / "haarcascade_frontalface_alt2.xml")
        self._least_share = least_share
        self._scale_factor = scale_factor
        self._neighbours = neighbours
        self._width = width

    def detect(
        self, image: UInt8Array, pixel_format: PixelFormat, least_share: float | None = None
    ) -> list[Face]:
        """See ``Detector.detect``. The score is a squashed count of agreeing windows."""
        small, scale = _shrunk(to_gray(image, pixel_format), self._width)
        height, width = small.shape[:2]
        least = max(int((least_share or self._least_share) * height), 20)
        boxes, votes = self._cascade.detectMultiScale2(
            small,
            scaleFactor=self._scale_factor,
            minNeighbors=self._neighbours,
            minSize=(least, least),
            maxSize=(width, height),
        )
        return _biggest_first(
            [
                Face(_from_haar_box(box, scale), float(n) / (float(n) + self._neighbours))
                for box, n in zip(boxes, np.ravel(votes), strict=True)
            ]
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
    the face is 0.85 times as wide, 1.12 times as high, its centre 0.018 of the side lower.
    """
    x, y, side = (float(v) * scale for v in box[:3])
    centre_x, centre_y = x + side / 2, y + side * 0.518
    return (centre_x - side * 0.425, centre_y - side * 0.56, side * 0.85, side * 1.12)


class YuNetDetector:
    """OpenCV Zoo's YuNet, from any of its .onnx files, on a 160 pixel wide picture."""

    def __init__(self, path: Path, least_share: float = 1 / 6, width: int = 160) -> None:
        self.name = "yunet"
        self._least_share = least_share
        self._width = width
        try:
            self._net = cv2.FaceDetectorYN.create(str(path), "", (width, width), 0.6, 0.3, 50)
            # A foreign model loads without complaint and fails when it runs.
            self._net.detect(np.zeros((width, width, 3), np.uint8))
        except cv2.error:
            raise UserError(f"{path} is not a YuNet face detector model") from None

    def detect(
        self, image: UInt8Array, pixel_format: PixelFormat, least_share: float | None = None
    ) -> list[Face]:
        """See ``Detector.detect``. Finds five landmarks, too."""
        if pixel_format is not PixelFormat.BGR24:
            image = to_gray(image, pixel_format)
        small, scale = _shrunk(image, self._width)
        if small.ndim == 2:
            small = np.asarray(cv2.cvtColor(small, cv2.COLOR_GRAY2BGR), np.uint8)
        self._net.setInputSize((small.shape[1], small.shape[0]))
        found = self._net.detect(small)[1]
        if found is None:
            return []
        least = (least_share or self._least_share) * image.shape[0]
        faces = []
        for row in np.asarray(found, np.float64):
            box = (row[0] * scale, row[1] * scale, row[2] * scale, row[3] * scale)
            if box[3] >= least and box[2] > 0:
                points = row[4:14].reshape(5, 2) * scale
                landmarks = tuple((float(px), float(py)) for px, py in points)
                faces.append(Face(tuple(map(float, box)), float(row[14]), landmarks))  # type: ignore[arg-type]
        return _biggest_first(faces)
