"""Cameras through the kernel's V4L2 interface, natively: see csrc/v4l2_capture.hpp."""

from __future__ import annotations

import errno
import os

from facectrl_fast._native import FormatRefusedError, LumaGate, V4l2Capture
from facectrl_fast.capture.camera_mode import ModeChoice, rank_modes
from facectrl_fast.capture.cameras import CameraDirectory, VideoNode, opening_error
from facectrl_fast.capture.holders import holders
from facectrl_fast.capture.hotplug import DeviceArrivals
from facectrl_fast.errors import CameraBusyError, UserError

CLOSING = 0.08
"""Seconds that closing waits for the driver; one that needs longer goes on by itself."""


class V4l2Source:
    """See ``source.Source``. Remembers the camera that it opened, and finds it again."""

    live = True

    def __init__(
        self, text: str, rate: float = 10.0, directory: CameraDirectory | None = None
    ) -> None:
        """Name a camera.

        Args:
            text: see ``CameraDirectory.find``.
            rate: the frames a second that are needed.
            directory: where to look for it; this computer's devices by default.
        """
        self.name = text
        self._text = text
        self._rate = rate
        self._directory = directory or CameraDirectory()
        self._node: VideoNode | None = None
        self._stream: V4l2Stream | None = None

    def check(self) -> None:
        """See ``source.Source``."""
        self._find()

    def open(self) -> V4l2Stream:
        """See ``source.Source``.

        Raises:
            CameraBusyError: another program has it, or its driver has not let go of it yet.
        """
        if self._stream is not None and not self._stream.close():
            raise CameraBusyError(f"the driver of {self.name} does not let go of it")
        node = self._find()
        choices = rank_modes(node.modes, self._rate)
        for choice in choices:
            capture = self._start(node, choice)
            if capture is not None:
                self._node = node
                self.name = str(node)
                self._stream = V4l2Stream(self.name, choice, capture)
                return self._stream
        tried = ", ".join(dict.fromkeys(choice.mode.pixel_format for choice in choices))
        raise UserError(f"{node} refuses the formats it offers ({tried}); try --backend opencv")

    def arrivals(self) -> DeviceArrivals | None:
        """See ``source.Source``."""
        return DeviceArrivals()

    def _find(self) -> VideoNode:
        if self._node is None:
            return self._directory.find(self._text)
        node = self._directory.find_again(self._node.identity, self._node.path)
        if node is None:
            raise UserError(f"{self.name} was unplugged")
        return node

    def _start(self, node: VideoNode, choice: ModeChoice) -> V4l2Capture | None:
        """A running capture; None where the driver refuses the mode."""
        mode = choice.mode
        try:
            capture = V4l2Capture(
                str(node.path),
                mode.pixel_format,
                mode.width,
                mode.height,
                (choice.interval.numerator, choice.interval.denominator),
                shrink=choice.shrink,
            )
        except FormatRefusedError:
            return None
        except OSError as error:
            if error.errno == errno.EINVAL:
                return None
            if error.errno == errno.EBUSY:
                raise CameraBusyError(_busy(node)) from None
            raise opening_error(node.path, str(node), error) from None
        if capture.ring.width < LumaGate.COLUMNS or capture.ring.height < LumaGate.ROWS:
            capture.close(CLOSING)
            return None
        return capture


def _busy(node: VideoNode) -> str:
    others = holders(node.path)
    who = ", ".join(others) if others else "another program"
    return f"the camera {node} is used by {who}: close it, or choose another --source"


class V4l2Stream:
    """See ``source.Stream``. Owns the capture, and with it the thread and the device."""

    def __init__(self, name: str, choice: ModeChoice, capture: V4l2Capture) -> None:
        self.ring = capture.ring
        self.choice = choice
        self._name = name
        self._capture = capture

    @property
    def error(self) -> UserError | None:
        """See ``source.Stream``."""
        end = self._capture.end
        if end == "failed":
            return UserError(f"{self._name} stopped: {os.strerror(self._capture.error)}")
        words = {
            "unplugged": "was unplugged",
            "stalled": "gives no pictures any more",
            "broken": "gives only broken pictures",
        }.get(end)
        return UserError(f"{self._name} {words}") if words else None

    def position(self, timestamp: float) -> float | None:
        """See ``source.Stream``."""
        return None

    def close(self) -> bool:
        """See ``source.Stream``.

        Returns:
            Whether the driver has let go of the camera; else it does so later.
        """
        return self._capture.close(CLOSING)
