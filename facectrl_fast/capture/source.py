"""Where frames come from: cameras, video files, URLs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Protocol

from facectrl_fast import plugins
from facectrl_fast._native import FrameRing
from facectrl_fast.capture.cameras import AUTO, CameraDirectory
from facectrl_fast.capture.hotplug import DeviceArrivals
from facectrl_fast.config import BACKENDS
from facectrl_fast.errors import UserError

_OF_PLUGIN = re.compile(r"(?P<name>[a-z][\w-]+):(?!//)(?P<what>.*)")
_VIDEO_SUFFIX = re.compile(r"\.[a-z][a-z0-9]{1,4}", re.IGNORECASE)


class Stream(Protocol):
    """An open source: frames arrive in its ring until it ends or is closed."""

    ring: FrameRing
    """Closed by the producer when no more frames come."""

    @property
    def error(self) -> UserError | None:
        """Once the ring is closed: why the frames ended, None for the regular end of a file."""
        ...

    def position(self, timestamp: float) -> float | None:
        """Seconds into the recording of a frame's timestamp; None where it is no recording."""
        ...

    def close(self) -> object:
        """Stop the producer and release the device. May be called again."""
        ...


class Source(Protocol):
    """Something that can be opened, and opened again."""

    name: str
    live: bool
    """A camera, which may come back after a failure; else a recording, which has an end."""

    def check(self) -> None:
        """Find out whether it is there and of use; a camera is not switched on for it.

        Raises:
            UserError: it is not.
        """
        ...

    def open(self) -> Stream:
        """Start the frames.

        Raises:
            CameraBusyError: another program has the camera.
            UserError: it cannot be opened; the message says what to do.
        """
        ...

    def arrivals(self) -> DeviceArrivals | None:
        """Tells when a lost camera may be back; None where nothing tells.

        Raises:
            OSError: it cannot be told now.
        """
        ...


def open_source(
    text: str, realtime: bool = True, backend: str = BACKENDS[0], rate: float = 10.0
) -> Source:
    """The source that a user means.

    Args:
        text: a camera (see ``CameraDirectory.find``), a video file, a URL, or NAME:WHAT of a
            plug-in.
        realtime: play recordings at their own pace, else as fast as they are read.
        backend: one of ``BACKENDS``, for cameras.
        rate: the frames a second that are needed of a camera.

    Raises:
        UserError: OpenCV is to open a camera that is not there, or a plug-in cannot be used.
    """
    if (plugin := _plugin(text)) is not None:
        return plugin
    if names_camera(text) and backend == "v4l2":
        from facectrl_fast.capture.v4l2_source import V4l2Source

        return V4l2Source(text, rate)
    from facectrl_fast.capture.opencv_source import OpenCvSource

    return OpenCvSource(text, realtime)


def _plugin(text: str) -> Source | None:
    told = _OF_PLUGIN.fullmatch(text)
    if told is None:
        return None
    made: Source | None = plugins.make(plugins.SOURCES, told["name"], told["what"])
    return made


def names_camera(text: str) -> bool:
    """Whether it names a camera rather than a file or a URL."""
    if text == AUTO or CameraDirectory().device_path(text) is not None:
        return True
    path = Path(text)
    looks_like_file = "/" in text or _VIDEO_SUFFIX.fullmatch(path.suffix) is not None
    return not looks_like_file and not path.exists()
