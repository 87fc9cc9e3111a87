"""A camera that shows a recording again and again, many times as fast, and fails as it is told.

A source for ``run --source soak:FILE``: FILE is JSON of ``clip``, ``speed`` and ``control``, a file
that is shared with whoever throws in the faults.
"""

from __future__ import annotations

import json
import mmap
import struct
import threading
import time
from pathlib import Path

import cv2
import numpy as np

from facectrl_fast._native import FrameRing
from facectrl_fast.capture.hotplug import DeviceArrivals
from facectrl_fast.errors import CameraAwayError, CameraBusyError
from facectrl_fast.types import PixelFormat

WORKS, GONE, BUSY, STALLED, CORRUPT = range(5)
"""What the first byte of the control file says; the double at 8 is when a frame came last."""
CONTROL_BYTES = 16
BEAT = 8
PLUGS = "plugs"
"""A folder beside the control file, in which a device appears when the camera is back."""


def clip_time(speed: float) -> float:
    """Seconds of the endless recording that have passed by now."""
    return time.monotonic() * speed


class SoakCamera:
    """See ``facectrl_fast.capture.source.Source``."""

    live = True

    def __init__(self, told: str) -> None:
        """What stands behind the colon."""
        given = json.loads(Path(told).read_text())
        self.name = "the soak's camera"
        self._clip, self._speed = given["clip"], float(given["speed"])
        capture = cv2.VideoCapture(self._clip)
        sides = (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT)
        self._size = tuple(int(capture.get(side)) for side in sides)
        capture.release()
        self._folder = Path(given["control"]).parent
        with Path(given["control"]).open("r+b") as file:
            self._control = mmap.mmap(file.fileno(), CONTROL_BYTES)

    def check(self) -> None:
        """See ``Source``."""

    def arrivals(self) -> DeviceArrivals:
        """See ``Source``."""
        return DeviceArrivals(self._folder / PLUGS)

    def open(self) -> SoakStream:
        """See ``Source``."""
        state = self._control[0]
        if state == GONE:
            raise CameraAwayError(f"{self.name} is not there")
        if state == BUSY:
            raise CameraBusyError(f"{self.name} is used by another program")
        # First the ring, then the decoder: whatever is short, our own parts are to notice.
        ring = FrameRing(4, PixelFormat.BGR24, *self._size)
        capture = cv2.VideoCapture(self._clip)
        if not capture.isOpened():
            raise CameraAwayError(f"{self.name} does not open")
        return SoakStream(self.name, ring, capture, self._speed, self._control)


class SoakStream:
    """See ``facectrl_fast.capture.source.Stream``. Owns the thread that fills the ring."""

    def __init__(
        self,
        name: str,
        ring: FrameRing,
        capture: cv2.VideoCapture,
        speed: float,
        control: mmap.mmap,
    ) -> None:
        """Begin where an endless recording would be by now."""
        self.ring = ring
        self._capture = capture
        self._frames = int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT))
        self._rate = self._capture.get(cv2.CAP_PROP_FPS)
        self.error: CameraAwayError | None = None
        self._name, self._speed, self._control = name, speed, control
        self._noise = np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._produce, name="soak camera")
        self._thread.start()

    def position(self, timestamp: float) -> None:
        """See ``Stream``: it is no recording for the program."""

    def close(self) -> None:
        """See ``Stream``."""
        self._stop.set()
        self.ring.close()
        self._thread.join()

    def _produce(self) -> None:
        number = int(clip_time(self._speed) * self._rate)
        self._capture.set(cv2.CAP_PROP_POS_FRAMES, number % self._frames)
        while not self._stop.is_set() and self._control[0] != GONE:
            now = int(clip_time(self._speed) * self._rate)
            while number <= now and not self._stop.is_set():
                if number % self._frames == 0:
                    self._capture.set(cv2.CAP_PROP_POS_FRAMES, 0)
                self._capture.grab()
                number += 1
            if self._control[0] != STALLED:
                self._show((number - 1) / self._rate)
            left = number / self._rate / self._speed - time.monotonic()
            self._stop.wait(max(left, 0))
        if not self._stop.is_set():
            self.error = CameraAwayError(f"{self._name} was unplugged")
        self.ring.close()
        self._capture.release()

    def _show(self, timestamp: float) -> None:
        struct.pack_into("d", self._control, BEAT, time.monotonic())
        slot = self.ring.begin_write() if self.ring.wanted(timestamp) else None
        if slot is None:
            return
        if self._control[0] == CORRUPT:
            noise = np.roll(self._noise, int(timestamp * 1000), 0)
            slot.array[:] = cv2.resize(noise, slot.array.shape[1::-1])
        else:
            _, image = self._capture.retrieve()
            slot.array[:] = image
        slot.publish(timestamp)
