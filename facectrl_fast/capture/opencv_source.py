"""Frames through OpenCV: video files, URLs, and cameras of any kind."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import cv2
import numpy as np

from facectrl_fast._native import FrameRing, LumaGate
from facectrl_fast.capture.cameras import CameraDirectory
from facectrl_fast.capture.hotplug import DeviceArrivals
from facectrl_fast.capture.source import names_camera
from facectrl_fast.errors import UserError
from facectrl_fast.types import PixelFormat

SLOTS = 4
"""One being written, one the newest, one being analysed, one to spare."""
ANY_TIME = float("inf")
ONE_THREAD = [cv2.CAP_PROP_N_THREADS, 1]
"""More threads decode no cheaper, and wake each other several times a frame."""
CUT_OFF = 0.02
"""A file whose end, this share of it, cannot be read counts as damaged."""


class OpenCvSource:
    """See ``source.Source``."""

    def __init__(self, text: str, realtime: bool = True) -> None:
        self.name = text
        # Found once: OpenCV knows cameras by their numbers only.
        self._device = (
            CameraDirectory().find(text, any_format=True).path if names_camera(text) else None
        )
        self._is_url = "://" in text
        self.live = self._device is not None or self._is_url
        self._realtime = realtime
        # Their complaints go to stderr past Python; ours say the same in one line.
        os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)

    def check(self) -> None:
        """See ``source.Source``."""
        if self._device is not None:
            CameraDirectory().find(str(self._device), any_format=True)
        elif not self._is_url:
            path = Path(self.name)
            if not path.exists():
                raise UserError(f"video file {path} does not exist; check --source")
            if not path.is_file():
                raise UserError(f"{path} is not a video file; check --source")
            if not os.access(path, os.R_OK):
                raise UserError(f"no permission to read {path}")
            self._probe()[0].release()

    def open(self) -> OpenCvStream:
        """See ``source.Source``. Reads one frame to learn the size."""
        capture, width, height = self._probe()
        # A recording may come from a URL, too: it has an end.
        self.live = self._device is not None or (
            self._is_url and capture.get(cv2.CAP_PROP_FRAME_COUNT) <= 0
        )
        if not self.live:
            # The probe took the first frame: begin again, so that it is shown, too.
            capture.release()
            capture = self._capture()
        ring = FrameRing(SLOTS, PixelFormat.BGR24, width, height)
        pace = None if self.live else self._realtime
        return OpenCvStream(self.name, capture, ring, pace)

    def arrivals(self) -> DeviceArrivals | None:
        """See ``source.Source``."""
        return None if self._device is None else DeviceArrivals()

    def _capture(self) -> cv2.VideoCapture:
        if self._device is not None:
            return cv2.VideoCapture(str(self._device), cv2.CAP_V4L2)
        if self._is_url:
            # The default is half a minute, in which the program would be deaf.
            limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, 3000, cv2.CAP_PROP_READ_TIMEOUT_MSEC, 3000]
            return cv2.VideoCapture(self.name, cv2.CAP_FFMPEG, limits + ONE_THREAD)
        capture = cv2.VideoCapture(self.name, cv2.CAP_FFMPEG, ONE_THREAD)
        # What FFmpeg cannot read may be a series of pictures, or what another backend knows.
        return capture if capture.isOpened() else cv2.VideoCapture(self.name)

    def _probe(self) -> tuple[cv2.VideoCapture, int, int]:
        capture = self._capture()
        image = capture.read()[1] if capture.isOpened() else None
        if image is None:
            capture.release()
            if self._device is not None:
                raise UserError(
                    f"the camera {self._device} gives no picture: another program uses it, or it "
                    "is no camera; close the other program or choose another --source"
                )
            what = "no video comes from" if self._is_url else "cannot read video from"
            raise UserError(f"{what} {self.name}; check --source")
        height, width = image.shape[:2]
        too_small = width < LumaGate.COLUMNS or height < LumaGate.ROWS
        if too_small or max(width, height) > 16384:
            capture.release()
            raise UserError(
                f"{self.name}: pictures of {width} x {height} are no use; check --source"
            )
        return capture, width, height


class OpenCvStream:
    """See ``source.Stream``. Owns the capture and the thread that reads it."""

    def __init__(
        self, name: str, capture: cv2.VideoCapture, ring: FrameRing, pace: bool | None
    ) -> None:
        """Start reading.

        Args:
            name: for messages.
            capture: open; released by the thread, which alone uses it from now on.
            ring: of the capture's frame size, BGR24.
            pace: None for a live source; a recording runs at its own pace (True) or waits for
                the reader (False), so that no frame is lost however fast it runs.
        """
        self.ring = ring
        self.error: UserError | None = None
        self._name = name
        self._capture = capture
        self._live = pace is None
        self._realtime = bool(pace)
        self._start = time.monotonic()
        self._stop = threading.Event()
        # A daemon, since OpenCV may block in a driver for seconds and exit must not wait for it.
        self._thread = threading.Thread(target=self._produce, name="capture", daemon=True)
        self._thread.start()

    def position(self, timestamp: float) -> float | None:
        """See ``source.Stream``."""
        return None if self._live else timestamp - self._start

    def close(self) -> None:
        """See ``source.Stream``. Waits for the thread for two seconds at most."""
        self._stop.set()
        self.ring.close()
        self._thread.join(timeout=2.0)

    def _produce(self) -> None:
        try:
            (self._read_live if self._live else self._read_recording)()
        except Exception as error:
            # Whatever it was, the reader must learn that no more frames come.
            self.error = UserError(f"{self._name}: reading failed ({error})")
        finally:
            # First, since releasing a device that was pulled out may take its time.
            self.ring.close()
            self._capture.release()

    def _read_live(self) -> None:
        while not self._stop.is_set():
            # cv2 releases the GIL while it waits for the device and while it decodes.
            if not self._capture.grab():
                if not self._stop.is_set():
                    self.error = UserError(f"{self._name} stopped giving pictures")
                return
            now = time.monotonic()
            if self.ring.wanted(now) and not self._hand_over(now):
                return

    def _read_recording(self) -> None:
        rate = self._capture.get(cv2.CAP_PROP_FPS) or 30.0
        frames = 0
        position = 0.0
        while not self._stop.is_set():
            if not self._realtime and not self.ring.wait_wanted(timeout=1.0):
                continue
            if not self._capture.grab():
                self._check_length(position + 1 / rate, rate)
                if self._realtime:
                    self._sleep_until(self._start + position + 1 / rate)
                return
            # Bare streams carry no times: there the nominal rate has to do.
            told = self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
            position = told if told > position or frames == 0 else position + 1 / rate
            frames += 1
            due = self._start + position
            # A frame that nobody waits for is decoded, since others build on it, but not converted.
            if not self._is_wanted(due):
                continue
            if not self._hand_over(due):
                return
            if self._realtime:
                # The reader judges now: to be woken by what it asks for next, long before there is
                # anything to do, would only make both wait for the interpreter.
                self._sleep_until(due + 0.5 / rate)

    def _is_wanted(self, due: float) -> bool:
        """Whether the frame is to be handed over; in real time, waits for its time to come.

        Frames before the one that is waited for are passed over at once, together: to sleep until
        the time of each would wake the processor for nothing.
        """
        if not self._realtime:
            return self.ring.wanted(due)
        while not self.ring.wanted(ANY_TIME):
            left = due - time.monotonic()
            if left <= 0 or self._stop.is_set():
                return False
            self.ring.wait_wanted(left)
        return self.ring.wanted(due) and self._sleep_until(due)

    def _sleep_until(self, due: float) -> bool:
        """False where the stream was stopped meanwhile."""
        return not self._stop.wait(max(due - time.monotonic(), 0))

    def _hand_over(self, timestamp: float) -> bool:
        """Convert the grabbed frame into a slot; False where the stream has to end."""
        slot = self.ring.begin_write()
        if slot is None:
            return not self.ring.closed
        target = slot.array
        there, image = self._capture.retrieve(target)
        if not there:
            return True  # a broken frame is a dropped frame
        # OpenCV allocates anew where its picture does not fit into the slot.
        if np.asarray(image).ctypes.data != target.ctypes.data:
            if image.shape != target.shape:
                self.error = UserError(f"{self._name} changed its picture size; start again")
                return False
            # OpenCV turns the pictures of phones in memory of its own.
            target[:] = image
        slot.publish(timestamp)
        return True

    def _check_length(self, seconds: float, rate: float) -> None:
        expected = self._capture.get(cv2.CAP_PROP_FRAME_COUNT) / rate
        if expected > 0 and seconds < expected - max(CUT_OFF * expected, 0.2):
            self.error = UserError(
                f"{self._name} ends after {seconds:.1f} s of {expected:.1f} s: "
                "the file is damaged or cut off"
            )
