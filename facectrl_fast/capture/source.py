"""Where frames come from: cameras, video files, URLs."""

from __future__ import annotations

import re
import stat
from pathlib import Path
from typing import Protocol

from facectrl_fast._native import FrameRing
from facectrl_fast.errors import UserError


class Stream(Protocol):
    """An open source: frames arrive in its ring until it ends or is closed."""

    ring: FrameRing
    """Closed by the producer when no more frames come."""
    error: UserError | None
    """Once the ring is closed: why the frames ended, None for the regular end of a file."""

    def position(self, timestamp: float) -> float | None:
        """Seconds into the recording of a frame's timestamp; None where it is no recording."""
        ...

    def close(self) -> None:
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
            UserError: it cannot be opened; the message says what to do.
        """
        ...


def open_source(text: str, realtime: bool = True) -> Source:
    """The source that a user means.

    Args:
        text: a camera's number, a device path, a video file or a URL.
        realtime: play recordings at their own pace, else as fast as they are read.
    """
    from facectrl_fast.capture.opencv_source import OpenCvSource

    return OpenCvSource(text, realtime)


def device_path(text: str) -> Path | None:
    """The device that ``0`` or ``/dev/video0`` names; None for files and URLs."""
    if re.fullmatch(r"\d{1,3}", text):
        return Path(f"/dev/video{int(text)}")
    path = Path(text)
    return path if path.parts[:2] == ("/", "dev") and not path.is_file() else None


def _group(path: Path) -> str:
    try:
        return path.group()
    except KeyError:
        return "video"


def check_device(path: Path) -> None:
    """Find out whether a camera device can be opened at all.

    Raises:
        UserError: no such device, no permission, or no device.
    """
    try:
        mode = path.stat().st_mode
        if not stat.S_ISCHR(mode):
            raise UserError(f"{path} is not a camera device; check --source")
        with path.open("rb", buffering=0):
            pass
    except FileNotFoundError:
        there = sorted(str(p) for p in Path("/dev").glob("video*"))
        hint = f"there is {', '.join(there)}" if there else "no camera is connected"
        raise UserError(f"no camera at {path}: {hint}; check --source") from None
    except PermissionError:
        raise UserError(
            f"no permission to open {path}: add yourself to its group "
            f"(usermod -aG {_group(path)} $USER) and log in again"
        ) from None
    except OSError as error:
        raise UserError(f"cannot open the camera {path}: {error.strerror}") from None
