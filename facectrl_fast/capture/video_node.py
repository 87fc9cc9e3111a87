"""One video device: what it says of itself, and what that makes it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction
from pathlib import Path

from facectrl_fast._native import V4l2Device
from facectrl_fast.capture.camera_mode import (
    READABLE,
    WANTED_SIZE,
    CameraMode,
    Interval,
)

# From linux/videodev2.h.
_VIDEO_CAPTURE = 0x00000001
_VIDEO_OUTPUT = 0x00000002 | 0x00002000 | 0x08000000
_CONVERTS = 0x00008000 | 0x00004000
_META_CAPTURE = 0x00800000
_STREAMING = 0x04000000
_MEDIA_CONTROLLER = 0x20000000

_INFRARED_FORMATS = {"GREY", "Y8I ", "Y10 ", "Y10B", "Y12 ", "Y12I", "Y14 ", "Y16 ", "INZI", "Z16 "}
# What an image sensor gives before anybody made a picture of it.
_RAW_FORMATS = re.compile(
    r"BA81|GBRG|GRBG|RGGB|(BG|GB|BA|RG|GR|BY)(10|12|14|16|R2)|p[BGgR](AA|CC|EE)|ip3[bgGr]"
)
_INFRARED_NAME = re.compile(r"(?<![A-Za-z])IR(?![A-Za-z])|infrared", re.IGNORECASE)
LOOPBACK_DRIVER = "v4l2 loopback"
"""Of cameras that other programs play."""
_TYPICAL_SIZES = ((320, 240), WANTED_SIZE, (1280, 720), (1920, 1080))


class NodeKind(Enum):
    """What a video device is."""

    CAMERA = "camera"
    INFRARED = "infrared camera"
    RAW = "camera that needs libcamera"
    METADATA = "a camera's metadata, no pictures"
    OUTPUT = "output, no camera"
    OTHER = "no camera"
    UNREACHABLE = "cannot be opened"


@dataclass(frozen=True)
class Description:
    """What a device says of itself."""

    driver: str
    card: str
    bus: str
    capabilities: int
    formats: tuple[str, ...]
    modes: tuple[CameraMode, ...]


@dataclass(frozen=True)
class VideoNode:
    """One video device."""

    path: Path
    card: str
    """Its name for people."""
    kind: NodeKind
    driver: str = ""
    bus: str = ""
    """Where it is plugged in."""
    formats: tuple[str, ...] = ()
    modes: tuple[CameraMode, ...] = ()
    by_id: str | None = None
    """Its name under /dev/v4l/by-id, which it keeps wherever it is plugged in; twins share one."""
    identity: str = ""
    """What it is known by when it comes back, perhaps under another number."""
    error: OSError | None = None
    """Why it cannot be opened."""

    def __str__(self) -> str:
        return f"{self.card} ({self.path})"


def describe(path: Path) -> Description:
    """Ask a device what it is; that does not switch a camera on.

    Raises:
        OSError: it cannot be opened, or is no video device (ENOTTY).
    """
    device = V4l2Device(str(path))
    try:
        formats = tuple(dict.fromkeys(device.formats()))
        readable = [name for name in formats if name in READABLE]
        return Description(
            device.driver,
            device.card,
            device.bus,
            device.capabilities,
            formats,
            tuple(mode for name in readable for mode in _modes(device, name)),
        )
    finally:
        device.close()


def _modes(device: V4l2Device, pixel_format: str) -> Iterator[CameraMode]:
    ranges = device.sizes(pixel_format)
    sizes = [size for across, down in ranges for size in _sizes(across, down)]
    for width, height in dict.fromkeys(sizes if ranges else [WANTED_SIZE]):
        intervals = tuple(
            Interval(Fraction(*least), Fraction(*most))
            for least, most in device.intervals(pixel_format, width, height)
            if least[0] and least[1] and most[0] and most[1]
        )
        yield CameraMode(pixel_format, width, height, intervals)


def _sizes(across: tuple[int, int, int], down: tuple[int, int, int]) -> Iterator[tuple[int, int]]:
    """The sizes of a range (least, most, step) that are of interest."""
    for width, height in _TYPICAL_SIZES if across[0] < across[1] else [(across[0], down[0])]:
        fits = across[0] <= width <= across[1] and down[0] <= height <= down[1]
        if fits or (width, height) == WANTED_SIZE:
            yield _on_grid(width, *across), _on_grid(height, *down)


def _on_grid(side: int, least: int, most: int, step: int) -> int:
    step = max(step, 1)
    return least + (min(max(side, least), most) - least) // step * step


def kind_of(told: Description) -> NodeKind:
    """What a device is, from what it says."""
    # Old versions of v4l2loopback call themselves converters.
    converts = told.capabilities & _CONVERTS and told.driver != LOOPBACK_DRIVER
    if not told.capabilities & _VIDEO_CAPTURE or converts:
        if told.capabilities & _META_CAPTURE:
            return NodeKind.METADATA
        return NodeKind.OUTPUT if told.capabilities & _VIDEO_OUTPUT else NodeKind.OTHER
    raw = any(_RAW_FORMATS.fullmatch(name) for name in told.formats)
    if told.capabilities & _MEDIA_CONTROLLER or (raw and not told.modes):
        return NodeKind.RAW
    only_gray = bool(told.formats) and set(told.formats) <= _INFRARED_FORMATS
    named_so = _INFRARED_NAME.search(told.card) and "RGB" not in told.card
    if only_gray or named_so:
        return NodeKind.INFRARED
    readable = told.modes and told.capabilities & _STREAMING
    return NodeKind.CAMERA if readable else NodeKind.OTHER
