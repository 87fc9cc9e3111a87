"""Shows what the program sees: in a window, or recorded to a video file."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from facectrl_fast.desktop.display import View
from facectrl_fast.errors import UserError
from facectrl_fast.types import Face, Frame, PixelFormat, UInt8Array, Verdict
from facectrl_fast.vision.analyze import Sighting

Colour = tuple[int, int, int]
"""Blue, green, red."""

_COLOURS: dict[Verdict, Colour] = {
    Verdict.HEADPHONES_ON: (80, 200, 80),
    Verdict.HEADPHONES_OFF: (60, 60, 230),
    Verdict.NO_FACE: (180, 180, 180),
    Verdict.PRESENT: (80, 200, 80),
    Verdict.UNSURE: (60, 190, 230),
}
LONGEST_GAP = 2.0
"""Seconds without a frame that a recording shows as they were."""
_CODES = {
    PixelFormat.YUYV: cv2.COLOR_YUV2BGR_YUYV,
    PixelFormat.UYVY: cv2.COLOR_YUV2BGR_UYVY,
    PixelFormat.NV12: cv2.COLOR_YUV2BGR_NV12,
}


def draw_overlay(frame: Frame, sighting: Sighting, view: View) -> UInt8Array:
    """A BGR copy of the frame with box, verdict, vote and rates drawn in."""
    colour = _COLOURS[sighting.verdict]
    words = str(sighting.verdict)
    if sighting.on_probability is not None:
        words += f" ({sighting.on_probability:.0%} on)"
    lines = [(words + (", still" if sighting.still else ""), colour)]
    if view.leaning is not None:
        verdict, since = view.leaning
        held = max(sighting.timestamp - since, 0)
        lines.append((f"vote: {verdict} for {held:.1f} s", _COLOURS[verdict]))
    if view.decision is not None:
        verdict = view.decision.verdict
        lines.append((f"decided: {verdict}", _COLOURS[verdict]))
    lines.append((f"{view.rate:.1f} analyses a second", (230, 230, 230)))
    return draw_face(frame, sighting.face, colour, lines)


def draw_face(
    frame: Frame, face: Face | None, colour: Colour, lines: Sequence[tuple[str, Colour]]
) -> UInt8Array:
    """A BGR copy of the frame with a face's box and lines of text drawn in."""
    image = bgr_copy(frame)
    if face is not None:
        x, y, width, height = (round(side) for side in face.box)
        cv2.rectangle(image, (x, y), (x + width, y + height), colour, 2)
    for row, (text, text_colour) in enumerate(lines):
        at = (10, 22 + 20 * row)
        for shade, thickness in (((0, 0, 0), 3), (text_colour, 1)):
            cv2.putText(
                image, text, at, cv2.FONT_HERSHEY_SIMPLEX, 0.5, shade, thickness, cv2.LINE_AA
            )
    return image


def bgr_copy(frame: Frame) -> UInt8Array:
    """A frame of any pixel format as BGR, (height, width, 3)."""
    if frame.pixel_format is PixelFormat.BGR24:
        return frame.array.copy()
    code = _CODES.get(frame.pixel_format, cv2.COLOR_GRAY2BGR)
    return np.asarray(cv2.cvtColor(frame.array, code), np.uint8)


class PreviewWindow:
    """A window; q or Escape in it, or closing it, quits."""

    TITLE = "facectrl-fast"

    def __init__(self) -> None:
        """Open the window.

        Raises:
            UserError: there is no screen.
        """
        # Qt would end the process where it finds no screen. OpenCV's wheels speak X11 only.
        if not screen_answers():
            raise UserError(
                "--preview needs a screen (X11 or XWayland); use --record FILE.mp4 without one"
            )
        cv2.namedWindow(self.TITLE, cv2.WINDOW_AUTOSIZE)

    def show(self, frame: Frame, sighting: Sighting, view: View) -> bool:
        """See ``Display``."""
        return self.show_image(draw_overlay(frame, sighting, view))

    def show_image(self, image: UInt8Array) -> bool:
        """Show a BGR picture; False once the user wants to quit."""
        cv2.imshow(self.TITLE, image)
        if cv2.waitKey(1) & 0xFF in (ord("q"), 27):
            return False
        return cv2.getWindowProperty(self.TITLE, cv2.WND_PROP_VISIBLE) >= 1

    def close(self) -> None:
        """See ``Display``."""
        cv2.destroyAllWindows()


def screen_answers() -> bool:
    """Whether a preview can be shown."""
    if not os.environ.get("DISPLAY"):
        return False
    try:
        x11 = ctypes.CDLL("libX11.so.6")
    except OSError:
        return True  # nobody to ask: let OpenCV try with what it brings
    x11.XOpenDisplay.restype = ctypes.c_void_p
    display = x11.XOpenDisplay(None)
    if display:
        x11.XCloseDisplay(ctypes.c_void_p(display))
    return bool(display)


class Recorder:
    """Writes the overlay to a video file, each analysed frame for as long as it lasted.

    Longer gaps, in which the camera was off, are left out.
    """

    def __init__(self, path: Path, rate: float) -> None:
        """Prepare to write ``path`` at ``rate`` frames a second.

        Raises:
            UserError: the file cannot be written.
        """
        if path.suffix.lower() != ".mp4":
            raise UserError(f"--record {path}: the name must end in .mp4")
        if not path.parent.is_dir():
            raise UserError(f"--record {path}: the folder {path.parent} does not exist")
        if not os.access(path if path.exists() else path.parent, os.W_OK):
            raise UserError(f"--record {path}: no permission to write there")
        self._path = path
        self._rate = rate
        self._writer: cv2.VideoWriter | None = None
        self._last: UInt8Array | None = None
        self._until = 0.0

    def show(self, frame: Frame, sighting: Sighting, view: View) -> bool:
        """See ``Display``."""
        self.add(draw_overlay(frame, sighting, view), sighting.timestamp)
        return True

    def add(self, image: UInt8Array, timestamp: float) -> None:
        """Write a BGR picture that was there from ``timestamp`` on.

        Raises:
            UserError: the file cannot be written.
        """
        if self._writer is None:
            size = (image.shape[1], image.shape[0])
            fourcc = cv2.VideoWriter.fourcc(*"mp4v")
            self._writer = cv2.VideoWriter(str(self._path), fourcc, self._rate, size)
            if not self._writer.isOpened():
                raise UserError(f"cannot write the recording {self._path}")
        if not 0 <= timestamp - self._until < LONGEST_GAP:
            self._until = timestamp
        while self._last is not None and self._until + 1 / self._rate <= timestamp:
            self._writer.write(self._last)
            self._until += 1 / self._rate
        self._last = image

    def close(self) -> None:
        """See ``Display``."""
        if self._writer is not None:
            if self._last is not None:
                self._writer.write(self._last)
            self._writer.release()
