"""Collects crops of the face that a source shows, for training: the seed's dataset builder."""

from __future__ import annotations

import secrets
import sys
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone

import cv2
import numpy as np

from facectrl_fast.capture.each_frame import each_frame
from facectrl_fast.capture.source import Source, open_source
from facectrl_fast.config import CollectOptions
from facectrl_fast.dataset.crop_index import CropRecord, CropWriter
from facectrl_fast.desktop.preview import PreviewWindow, draw_face, screen_answers
from facectrl_fast.mainloop import MainLoop
from facectrl_fast.types import Face, Float32Array, Frame, PixelFormat, UInt8Array
from facectrl_fast.vision.detect import open_detector
from facectrl_fast.vision.locate import Locator
from facectrl_fast.vision.luma import to_gray
from facectrl_fast.vision.preprocess import Preprocessing

EVERY = 0.2
"""Seconds between two looks: crops are spread over time."""
ALIKE = 2.5
"""Mean difference of gray values below which two crops count as the same picture."""
REMEMBERED = 50
"""Crops that a new one must differ from."""
_THUMBNAIL = (32, 32)
_FULL_RANGE = np.clip(np.rint((np.arange(256) - 16) * (255 / 219)), 0, 255).astype(np.uint8)


@dataclass
class Tally:
    """How collecting goes."""

    kept: int = 0
    alike: int = 0
    """Passed over, since a kept crop shows the same."""
    faceless: int = 0
    """Frames without a face."""

    def __str__(self) -> str:
        return (
            f"{self.kept} crops kept, {self.alike} passed over as too alike, "
            f"{self.faceless} frames without a face"
        )


Show = Callable[[Frame, Face | None, Tally], bool]
"""Shows the progress; False once the user wants to stop."""


class Collector:
    """Looks at frames and keeps the crops that add something."""

    def __init__(
        self,
        loop: MainLoop,
        source: Source,
        locator: Locator,
        options: CollectOptions,
        show: Show,
    ) -> None:
        self._loop = loop
        self._source = source
        self._locator = locator
        self._options = options
        self._show = show
        self._cut = Preprocessing(expansion=(options.expansion, options.expansion))
        self._session = f"{datetime.now():%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
        self._seen: deque[Float32Array] = deque(maxlen=REMEMBERED)
        self._begin: float | None = None
        self.tally = Tally()
        self.interrupted = False
        """A signal ended ``run``."""

    def run(self, writer: CropWriter) -> Tally:
        """Collect until the source ends, enough is there, or the user stops it.

        Raises:
            UserError: the source fails, or a crop cannot be written; what was written is kept.
        """
        self._writer = writer
        self.interrupted = each_frame(self._loop, self._source, EVERY, self._look)
        return self.tally

    def _look(self, frame: Frame) -> bool:
        if self._begin is None:
            self._begin = frame.timestamp
        seconds = frame.timestamp - self._begin
        if self._options.seconds is not None and seconds >= self._options.seconds:
            return False
        face = self._locator.locate(frame)
        if face is None:
            self.tally.faceless += 1
        else:
            self._consider(frame, face, seconds)
        wants_more = self._show(frame, face, self.tally)
        return wants_more and self.tally.kept != self._options.count

    def _consider(self, frame: Frame, face: Face, seconds: float) -> None:
        left, top, width, height = self._cut.crop_box(face.box, frame.width, frame.height)
        crop = full_range_gray(frame)[top : top + height, left : left + width]
        small = cv2.resize(crop, _THUMBNAIL, interpolation=cv2.INTER_AREA)
        thumbnail = np.asarray(small, np.float32)
        if any(float(np.abs(thumbnail - other).mean()) < ALIKE for other in self._seen):
            self.tally.alike += 1
            return
        x, y, face_width, face_height = face.box
        record = CropRecord(
            source=self._source.name,
            session=self._session,
            time=datetime.now(timezone.utc).isoformat(timespec="milliseconds"),
            seconds=round(seconds, 3),
            box=(x - left, y - top, face_width, face_height),
            expansion=self._options.expansion,
        )
        self._writer.add(crop, record)
        self._seen.append(thumbnail)
        self.tally.kept += 1


def full_range_gray(frame: Frame) -> UInt8Array:
    """A frame as (h, w) uint8 gray, as the classifier sees it."""
    gray = to_gray(frame.array, frame.pixel_format)
    if frame.pixel_format in (PixelFormat.BGR24, PixelFormat.GRAY8):
        return gray
    return np.asarray(_FULL_RANGE[gray], np.uint8)


def print_progress(_frame: Frame, _face: Face | None, tally: Tally) -> bool:
    """A counter on the terminal, where there is one."""
    if sys.stderr.isatty():
        print(f"\r{tally}", end="\x1b[K", file=sys.stderr, flush=True)
    return True


def build_collector(loop: MainLoop, options: CollectOptions) -> Collector:
    """What ``collect`` runs.

    Raises:
        UserError: the source or the detector cannot be used.
    """
    cv2.setNumThreads(1)
    # Recordings are read as fast as they can be looked at.
    source = open_source(options.source, realtime=False, backend=options.backend)
    source.check()
    locator = Locator(open_detector(options.detector, options.detector_model))
    show = _collecting_window() if options.preview and screen_answers() else print_progress
    return Collector(loop, source, locator, options, show)


def _collecting_window() -> Show:
    window = PreviewWindow()

    def show(frame: Frame, face: Face | None, tally: Tally) -> bool:
        words = f"{tally.kept} kept, {tally.alike} too alike, {tally.faceless} without a face"
        lines = [(words, (80, 200, 80)), ("q stops", (230, 230, 230))]
        return window.show_image(draw_face(frame, face, (80, 200, 80), lines))

    return show
