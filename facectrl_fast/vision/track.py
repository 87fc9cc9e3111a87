"""Trackers that follow a face between detections, chosen by name.

CSRT and KCF go on reporting a box long after the face has gone, so a tracker says only where a
face is, never whether there is one: the locator asks the detector on a schedule.
"""

from __future__ import annotations

from typing import Protocol

from facectrl_fast import plugins
from facectrl_fast.config import TRACKERS
from facectrl_fast.errors import UserError
from facectrl_fast.types import Box, PixelFormat, UInt8Array
from facectrl_fast.vision.template_tracker import TemplateTracker


class Tracker(Protocol):
    """Follows one box from frame to frame."""

    trusted_for: float
    """Seconds for which it is believed without asking the detector."""
    notices: bool
    """Whether it loses what looks different from what it is to follow."""

    def start(self, image: UInt8Array, pixel_format: PixelFormat, box: Box) -> None:
        """Follow what is in ``box`` from now on."""
        ...

    def update(self, image: UInt8Array, pixel_format: PixelFormat) -> Box | None:
        """Where it is in this frame; None if the tracker lost it."""
        ...


def open_tracker(name: str) -> Tracker | None:
    """The tracker of that name, ours or a plug-in's; None for ``none``: detect in each frame.

    Raises:
        UserError: there is no such tracker.
    """
    if name == "none":
        return None
    if name == "template":
        return TemplateTracker()
    if name in TRACKERS:
        # Late: it needs OpenCV.
        from facectrl_fast.vision.opencv_tracker import OpenCvTracker

        return OpenCvTracker(name)
    made: Tracker | None = plugins.make(plugins.TRACKERS, name)
    if made is None:
        raise UserError(f"unknown tracker '{name}'; choose one of {', '.join(TRACKERS)}")
    return made
