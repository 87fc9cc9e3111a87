"""The video devices of this computer: which are cameras, how they are called, what they offer."""

from __future__ import annotations

import errno
import re
from collections.abc import Callable, Iterator
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
from facectrl_fast.errors import UserError

AUTO = "auto"
"""The source that means: the first camera that is one."""

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
_INFRARED_NAME = re.compile(r"\bIR\b|infrared", re.IGNORECASE)
_LOOPBACK_DRIVER = "v4l2 loopback"
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
    formats: tuple[str, ...] = ()
    modes: tuple[CameraMode, ...] = ()
    by_id: str | None = None
    """Its name under /dev/v4l/by-id, which it keeps wherever it is plugged in."""
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
    sizes = [
        size
        for (left, right, across), (top, bottom, down) in ranges
        for size in (
            [(left, top)] if (left, top) == (right, bottom)
            else _TYPICAL_SIZES
        )
        if left <= size[0] <= right and top <= size[1] <= bottom
        and (size[0] - left) % (across or 1) == 0 and (size[1] - top) % (down or 1) == 0
    ]  # fmt: skip
    for width, height in dict.fromkeys(sizes if ranges else [WANTED_SIZE]):
        intervals = tuple(
            Interval(Fraction(*least), Fraction(*most))
            for least, most in device.intervals(pixel_format, width, height)
            if least[0] and least[1] and most[0] and most[1]
        )
        yield CameraMode(pixel_format, width, height, intervals)


def kind_of(told: Description) -> NodeKind:
    """What a device is, from what it says."""
    if told.capabilities & _META_CAPTURE:
        return NodeKind.METADATA
    if not told.capabilities & _VIDEO_CAPTURE or told.capabilities & _CONVERTS:
        return NodeKind.OUTPUT if told.capabilities & _VIDEO_OUTPUT else NodeKind.OTHER
    raw = any(_RAW_FORMATS.fullmatch(name) for name in told.formats)
    if told.capabilities & _MEDIA_CONTROLLER or (raw and not told.modes):
        return NodeKind.RAW
    only_gray = bool(told.formats) and set(told.formats) <= _INFRARED_FORMATS
    if only_gray or _INFRARED_NAME.search(told.card):
        return NodeKind.INFRARED
    readable = told.modes and told.capabilities & _STREAMING
    return NodeKind.CAMERA if readable else NodeKind.OTHER


class CameraDirectory:
    """Finds video devices, by whatever a user calls them."""

    def __init__(
        self,
        dev: Path = Path("/dev"),
        sysfs: Path = Path("/sys/class/video4linux"),
        describe: Callable[[Path], Description] = describe,
    ) -> None:
        self._dev = dev
        self._sysfs = sysfs
        self._describe = describe

    def nodes(self) -> list[VideoNode]:
        """All video devices, in the order of their numbers."""
        paths = [p for p in self._dev.glob("video*") if re.fullmatch(r"video\d+", p.name)]
        paths.sort(key=lambda path: int(path.name[len("video") :]))
        found = (self.node(path) for path in paths)
        return [node for node in found if node is not None]

    def node(self, path: Path) -> VideoNode | None:
        """The video device of that path; None where there is none."""
        try:
            told = self._describe(path)
        except FileNotFoundError:
            return None
        except OSError as error:
            card = self._read(path, "name") or path.name
            return VideoNode(path, card, NodeKind.UNREACHABLE, error=error)
        return VideoNode(
            path,
            told.card,
            kind_of(told),
            told.driver,
            told.formats,
            told.modes,
            self._by_id(path),
            self._identity(path, told),
        )

    def find(self, text: str) -> VideoNode:
        """The camera that a user means.

        Args:
            text: ``auto``, a number, a path, a name under /dev/v4l/by-id or a part of it, or a
                part of the card's name.

        Raises:
            UserError: it is not there, cannot be opened, or gives no pictures.
        """
        path = self.device_path(text)
        if path is not None:
            return self._at(path)
        nodes = self.nodes()
        if text == AUTO:
            return _automatic(nodes)
        wanted = text.casefold()
        named = [
            node
            for node in nodes
            if wanted in node.card.casefold() or wanted in (node.by_id or "").casefold()
        ]
        for node in sorted(named, key=_preference):
            return _usable(node, lambda: nodes)
        raise UserError(
            f"no camera is called '{text}' and no file either ({_there(nodes)}); check --source"
        )

    def find_again(self, identity: str, path: Path) -> VideoNode | None:
        """A camera that was at ``path`` and may be plugged in again, under whatever number."""
        node = self.node(path)
        if node is not None and node.identity == identity:
            return node
        return next((node for node in self.nodes() if node.identity == identity), None)

    def automatic(self) -> VideoNode | None:
        """What ``auto`` stands for now."""
        try:
            return _automatic(self.nodes())
        except UserError:
            return None

    def device_path(self, text: str) -> Path | None:
        """The path that ``0`` or ``/dev/video0`` names; None for other ways to say it."""
        if re.fullmatch(r"\d{1,3}", text):
            return self._dev / f"video{int(text)}"
        path = Path(text)
        if path.is_absolute() and path.is_relative_to(self._dev) and not path.is_file():
            return path
        return None

    def _at(self, path: Path) -> VideoNode:
        if not path.exists():
            raise UserError(f"no camera at {path}: {_there(self.nodes())}; check --source")
        path = path.resolve()
        node = self.node(path)
        if node is None:
            raise UserError(f"{path} is not a camera; check --source")
        return _usable(node, self.nodes)

    def _by_id(self, path: Path) -> str | None:
        for link in sorted((self._dev / "v4l" / "by-id").glob("*")):
            if link.resolve() == path.resolve():
                return link.name
        return None

    def _identity(self, path: Path, told: Description) -> str:
        index = self._read(path, "index")
        usb = self._read(path, "device/../idVendor")
        if not usb:
            return f"{told.driver} {told.bus} {told.card} {index}"
        parts = ("idProduct", "serial", "product")
        device = " ".join(self._read(path, f"device/../{part}") for part in parts)
        interface = self._read(path, "device/bInterfaceNumber")
        return f"usb {usb} {device} {interface} {index}"

    def _read(self, path: Path, what: str) -> str:
        try:
            # Resolved step by step: 'device' is a link, and '..' means its target's parent.
            folder = (self._sysfs / path.name / what).parent.resolve()
            return (folder / Path(what).name).read_text().strip()
        except OSError:
            return ""


def _preference(node: VideoNode) -> tuple[bool, bool]:
    """Cameras first, and those that other programs play last."""
    return node.kind is not NodeKind.CAMERA, node.driver == _LOOPBACK_DRIVER


def _automatic(nodes: list[VideoNode]) -> VideoNode:
    for node in sorted(nodes, key=_preference):
        if node.kind is NodeKind.CAMERA:
            return node
    for kind, words in (
        (NodeKind.UNREACHABLE, ""),
        (NodeKind.INFRARED, "only infrared cameras are connected ({}); name one with --source"),
        (NodeKind.RAW, ""),
    ):
        there = [node for node in nodes if node.kind is kind]
        if there and not words:
            return _usable(there[0], lambda: nodes)
        if there:
            raise UserError(words.format(", ".join(map(str, there))))
    raise UserError("no camera is connected; connect one, or give --source")


def _usable(node: VideoNode, nodes: Callable[[], list[VideoNode]]) -> VideoNode:
    if node.error is not None:
        raise opening_error(node.path, str(node.path), node.error)
    if node.kind is NodeKind.RAW:
        raise UserError(
            f"{node} gives raw sensor data: it needs libcamera, which 'libcamerify facectrl-fast "
            "run' may bring in"
        )
    if not node.modes:
        if node.kind is NodeKind.OTHER and node.formats:
            known = ", ".join(name.strip() for name in node.formats[:8])
            raise UserError(f"{node} gives none of the formats read here ({known})")
        raise UserError(f"{node} is {node.kind.value}: {_there(nodes())}; check --source")
    return node


def _there(nodes: list[VideoNode]) -> str:
    kinds = (NodeKind.CAMERA, NodeKind.INFRARED, NodeKind.UNREACHABLE)
    cameras = ", ".join(str(node) for node in nodes if node.kind in kinds)
    return f"there is {cameras}" if cameras else "no camera is connected"


def opening_error(path: Path, name: str, error: OSError) -> UserError:
    """What an error on opening a camera means for the user."""
    if isinstance(error, PermissionError):
        return UserError(
            f"no permission to open {path}: add yourself to its group "
            f"(usermod -aG {_group(path)} $USER) and log in again"
        )
    if error.errno in (errno.ENOTTY, errno.EISDIR):
        return UserError(f"{path} is not a camera; check --source")
    if error.errno in (errno.ENODEV, errno.ENXIO, errno.ENOENT):
        return UserError(f"{name} was unplugged")
    if error.errno == errno.ENOSPC:
        return UserError(
            f"{name}: its USB bus has no room for pictures; plug it, or others, in elsewhere"
        )
    return UserError(f"cannot open the camera {name}: {error.strerror}")


def _group(path: Path) -> str:
    try:
        return path.group()
    except (KeyError, OSError):
        return "video"
