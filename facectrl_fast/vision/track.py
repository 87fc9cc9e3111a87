"""Trackers that follow a face between detections, chosen by name.

CSRT and KCF go on reporting a box long after the face has gone, so a tracker says only where a
face is, never whether there is one: the locator asks the detector on a schedule.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import cv2
import numpy as np

from facectrl_fast.config import TRACKERS
from facectrl_fast.errors import UserError
from facectrl_fast.types import Box, PixelFormat, UInt8Array
from facectrl_fast.vision.detect import to_gray


class Tracker(Protocol):
    """Follows one box from frame to frame."""

    def start(self, image: UInt8Array, pixel_format: PixelFormat, box: Box) -> None:
        """Follow what is in ``box`` from now on."""
        ...

    def update(self, image: UInt8Array, pixel_format: PixelFormat) -> Box | None:
        """Where it is in this frame; None if the tracker lost it."""
        ...


def open_tracker(name: str) -> Tracker | None:
    """The tracker of that name; None for ``none``, which detects in each analysed frame.

    Raises:
        UserError: there is no such tracker.
    """
    if name == "none":
        return None
    makers: dict[str, Callable[[], Any]] = {
        "csrt": lambda: cv2.TrackerCSRT.create(),
        "kcf": lambda: cv2.TrackerKCF.create(),
        "mosse": lambda: cv2.legacy.TrackerMOSSE.create(),
    }
    if name not in makers:
        raise UserError(f"unknown tracker '{name}'; choose one of {', '.join(TRACKERS)}")
    return OpenCvTracker(makers[name])


class OpenCvTracker:
    """A tracker of opencv-contrib."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make
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
