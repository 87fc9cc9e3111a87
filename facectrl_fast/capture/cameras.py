"""The video devices of this computer, found by whatever a user calls them."""

from __future__ import annotations

import errno
import re
from collections.abc import Callable
from pathlib import Path

from facectrl_fast.capture.holders import holders
from facectrl_fast.capture.video_node import (
    LOOPBACK_DRIVER,
    Description,
    NodeKind,
    VideoNode,
    describe,
    kind_of,
)
from facectrl_fast.errors import CameraAwayError, CameraBusyError, UserError

AUTO = "auto"
"""The source that means: the first camera that is one."""


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
            by_id = self._by_id(path)
            return VideoNode(path, card, NodeKind.UNREACHABLE, by_id=by_id, error=error)
        return VideoNode(
            path,
            told.card,
            kind_of(told),
            told.driver,
            told.bus,
            told.formats,
            told.modes,
            self._by_id(path),
            self._usb_identity(path) or f"{told.driver} {told.bus} {told.card}",
        )

    def find(self, text: str, any_format: bool = False) -> VideoNode:
        """The camera that a user means.

        Args:
            text: ``auto``, a number, a path, a name under /dev/v4l/by-id or a part of it, or a
                part of the card's name.
            any_format: a device that is named may give pictures that cannot be read natively.

        Raises:
            UserError: it is not there, cannot be opened, or gives no pictures.
        """
        path = self.device_path(text)
        if path is not None:
            return self._at(path, any_format)
        nodes = self.nodes()
        if text == AUTO:
            return self.automatic(nodes)
        wanted = text.casefold()
        named = [
            node
            for node in nodes
            if wanted in node.card.casefold() or wanted in (node.by_id or "").casefold()
        ]
        for node in sorted(named, key=_preference):
            return self.require_usable(node, any_format)
        raise UserError(
            f"no camera is called '{text}' and no file either ({_there(nodes)}); check --source"
        )

    def find_again(self, lost: VideoNode, same_bus: bool = False) -> VideoNode | None:
        """A camera that may be plugged in again, under whatever number.

        Args:
            lost: as it was.
            same_bus: only where it was plugged in before, since it had a twin.
        """
        node = self.node(lost.path)
        if node is not None and (node.error is not None or node.identity == lost.identity):
            return node
        for node in self.nodes():
            if node.identity == lost.identity and (node.bus == lost.bus or not same_bus):
                return node
        return None

    def has_twin(self, node: VideoNode) -> bool:
        """Whether another camera cannot be told from it, but by where it is plugged in."""
        others = (
            self._dev / p.name for p in self._sysfs.glob("video*") if p.name != node.path.name
        )
        return any(self._usb_identity(path) == node.identity for path in others)

    def device_path(self, text: str) -> Path | None:
        """The path that ``0`` or ``/dev/video0`` names; None for other ways to say it."""
        if re.fullmatch(r"\d{1,3}", text):
            return self._dev / f"video{int(text)}"
        path = Path(text)
        if path.is_absolute() and path.is_relative_to(self._dev) and not path.is_file():
            return path
        return None

    def require_usable(self, node: VideoNode, any_format: bool = False) -> VideoNode:
        """The node itself.

        Raises:
            UserError: it cannot be opened, or gives no pictures.
        """
        if node.error is not None:
            raise opening_error(node.path, str(node.path), node.error)
        if any_format and node.kind in (NodeKind.RAW, NodeKind.OTHER):
            return node
        if node.kind is NodeKind.RAW:
            raise UserError(
                f"{node} gives raw sensor data: it needs libcamera, which 'libcamerify "
                "facectrl-fast run' may bring in"
            )
        if not node.modes:
            if node.kind is NodeKind.OTHER and node.formats:
                known = ", ".join(name.strip() for name in node.formats[:8])
                raise UserError(
                    f"{node} gives none of the formats read natively ({known}); "
                    "try --backend opencv"
                )
            raise UserError(f"{node} is {node.kind.value}: {_there(self.nodes())}; check --source")
        return node

    def automatic(self, nodes: list[VideoNode]) -> VideoNode:
        """What ``auto`` stands for among these devices.

        Raises:
            UserError: none of them is a camera that can be used without being named.
        """
        for node in sorted(nodes, key=_preference):
            if node.kind is NodeKind.CAMERA:
                return node
        infrared = [str(node) for node in nodes if node.kind is NodeKind.INFRARED]
        for node in nodes:
            if node.kind is NodeKind.UNREACHABLE or (node.kind is NodeKind.RAW and not infrared):
                return self.require_usable(node)
        if infrared:
            raise UserError(
                f"only infrared cameras are connected ({', '.join(infrared)}); "
                "name one with --source"
            )
        raise UserError("no camera is connected; connect one, or give --source")

    def _at(self, path: Path, any_format: bool) -> VideoNode:
        if not path.exists():
            raise UserError(f"no camera at {path}: {_there(self.nodes())}; check --source")
        path = path.resolve()
        node = self.node(path)
        if node is None:
            raise UserError(f"{path} is not a camera; check --source")
        return self.require_usable(node, any_format)

    def _by_id(self, path: Path) -> str | None:
        for link in sorted((self._dev / "v4l" / "by-id").glob("*")):
            if link.resolve() == path.resolve():
                return link.name
        return None

    def _usb_identity(self, path: Path) -> str:
        """What tells a camera from others, from the kernel alone; empty where it is not on USB."""
        vendor = self._read(path, "device/../idVendor")
        if not vendor:
            return ""
        parts = ("../idProduct", "../serial", "../product", "bInterfaceNumber")
        device = " ".join(self._read(path, f"device/{part}") for part in parts)
        return f"usb {vendor} {device} {self._read(path, 'index')}"

    def _read(self, path: Path, what: str) -> str:
        try:
            # Resolved step by step: 'device' is a link, and '..' means its target's parent.
            folder = (self._sysfs / path.name / what).parent.resolve()
            return (folder / Path(what).name).read_text(errors="replace").strip()
        except OSError:
            return ""


def _preference(node: VideoNode) -> tuple[bool, bool]:
    """Cameras first, and those that other programs play last."""
    return node.kind is not NodeKind.CAMERA, node.driver == LOOPBACK_DRIVER


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
        return CameraAwayError(f"{name} was unplugged")
    if error.errno == errno.EBUSY:
        return CameraBusyError(_busy(path, name))
    if error.errno == errno.ENOSPC:
        return UserError(
            f"{name}: its USB bus has no room for pictures; plug it, or others, in elsewhere"
        )
    return UserError(f"cannot open the camera {name}: {error.strerror}")


def _busy(path: Path, name: str) -> str:
    who = ", ".join(holders(path)) or "another program"
    return f"the camera {name} is used by {who}: close it, or choose another --source"


def _group(path: Path) -> str:
    try:
        group = path.group()
    except (KeyError, OSError):
        return "video"
    # Nobody should join root; what is root's alone is no camera that udev has seen to.
    return "video" if group == "root" else group
