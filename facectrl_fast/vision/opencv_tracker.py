"""The trackers of opencv-contrib."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np

from facectrl_fast.types import Box, PixelFormat, UInt8Array
from facectrl_fast.vision.luma import to_gray

MAKERS: dict[str, Callable[[], Any]] = {
    "csrt": lambda: cv2.TrackerCSRT.create(),
    "kcf": lambda: cv2.TrackerKCF.create(),
    "mosse": lambda: cv2.legacy.TrackerMOSSE.create(),
}


class OpenCvTracker:
    """One of them, by name."""

    trusted_for = 0.5  # they drift, and do not know it
    notices = False

    def __init__(self, name: str) -> None:
        self._make = MAKERS[name]
        self._tracker: Any = None

    def start(self, image: UInt8Array, pixel_format: PixelFormat, box: Box) -> None:
        """See ``Tracker``."""
        self._tracker = self._make()
        x, y, width, height = (round(side) for side in box)
        try:
            self._tracker.init(_as_bgr(image, pixel_format), (x, y, width, height))
        except cv2.error:  # too small a box, or one over the edge
            self._tracker = None

    def update(self, image: UInt8Array, pixel_format: PixelFormat) -> Box | None:
        """See ``Tracker``."""
        if self._tracker is None:
            return None
        try:
            found, box = self._tracker.update(_as_bgr(image, pixel_format))
        except cv2.error:  # a box that shrank to nothing
            return None
        if not found or box[2] <= 0 or box[3] <= 0:
            return None
        x, y, width, height = (float(side) for side in box)
        return (x, y, width, height)


def _as_bgr(image: UInt8Array, pixel_format: PixelFormat) -> UInt8Array:
    if pixel_format is PixelFormat.BGR24:
        return image
    gray = np.ascontiguousarray(to_gray(image, pixel_format))
    return np.asarray(cv2.cvtColor(gray, cv2.COLOR_GRAY2BGR), np.uint8)
