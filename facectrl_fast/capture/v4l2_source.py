"""Cameras through the kernel's V4L2 interface, natively: see csrc/v4l2_capture.hpp."""

from __future__ import annotations

import errno
import os

from facectrl_fast._native import FormatRefusedError, LumaGate, V4l2Capture
from facectrl_fast.capture.camera_mode import ModeChoice, rank_modes
from facectrl_fast.capture.cameras import AUTO, CameraDirectory, opening_error
from facectrl_fast.capture.hotplug import DeviceArrivals
from facectrl_fast.capture.video_node import VideoNode
from facectrl_fast.errors import CameraAwayError, CameraBusyError, UserError

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
        self._twin = False
        self._stream: V4l2Stream | None = None

    def check(self) -> None:
        """See ``source.Source``."""
        self._remember(self._directory.find(self._text))

    def open(self) -> V4l2Stream:
        """See ``source.Source``.

        Raises:
            CameraAwayError: it was there before, but cannot be used now.
        """
        if self._stream is not None and not self._stream.close():
            raise CameraBusyError(f"the driver of {self.name} does not let go of it")
        known = self._node is not None
        try:
            node = self._find()
            stream = self._start(node)
        except CameraAwayError:
            raise
        except UserError as error:
            raise CameraAwayError(str(error)) if known else error from None
        if stream is None:
            formats = ", ".join(dict.fromkeys(mode.pixel_format for mode in node.modes))
            raise UserError(
                f"{node} refuses the formats it offers ({formats}); try --backend opencv"
            )
        self._stream = stream
        self._remember(node)
        return stream

    def arrivals(self) -> DeviceArrivals | None:
        """See ``source.Source``."""
        return DeviceArrivals()

    def _remember(self, node: VideoNode) -> None:
        self._node = node
        self._twin = self._directory.has_twin(node)
        self.name = str(node)

    def _find(self) -> VideoNode:
        if self._node is None:
            return self._directory.find(self._text)
        node = self._directory.find_again(self._node, same_bus=self._twin)
        if node is not None:
            return self._directory.require_usable(node)
        if self._text == AUTO:
            return self._directory.find(AUTO)
        raise CameraAwayError(f"{self.name} was unplugged")

    def _start(self, node: VideoNode) -> V4l2Stream | None:
        """None where the driver refuses every mode."""
        refusal: OSError | None = None
        for choice in rank_modes(node.modes, self._rate):
            try:
                capture = _capture(node, choice)
            except FormatRefusedError:
                continue
            except OSError as error:
                if error.errno not in (errno.EINVAL, errno.ENOSPC):
                    raise opening_error(node.path, str(node), error) from None
                # Compressed, or slower, there may be room for it on its bus.
                refusal = error
                continue
            if capture.ring.width >= LumaGate.COLUMNS and capture.ring.height >= LumaGate.ROWS:
                return V4l2Stream(str(node), capture)
            capture.close(CLOSING)
        if refusal is not None and refusal.errno == errno.ENOSPC:
            raise opening_error(node.path, str(node), refusal)
        return None


def _capture(node: VideoNode, choice: ModeChoice) -> V4l2Capture:
    mode, interval = choice.mode, choice.interval
    return V4l2Capture(
        str(node.path),
        mode.pixel_format,
        mode.width,
        mode.height,
        (interval.numerator, interval.denominator),
        shrink=choice.shrink,
    )


class V4l2Stream:
    """See ``source.Stream``. Owns the capture, and with it the thread and the device."""

    def __init__(self, name: str, capture: V4l2Capture) -> None:
        self.ring = capture.ring
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
