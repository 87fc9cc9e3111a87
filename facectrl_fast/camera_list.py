"""Lists the video devices of this computer, and marks what would be used."""

from __future__ import annotations

import sys

from facectrl_fast.capture.camera_mode import CameraMode, rank_modes
from facectrl_fast.capture.cameras import CameraDirectory
from facectrl_fast.capture.video_node import NodeKind, VideoNode
from facectrl_fast.errors import UserError


def list_cameras(rate: float, directory: CameraDirectory | None = None) -> int:
    """Print every video device: what it is, its stable name, formats, sizes and rates.

    Args:
        rate: the frames a second that are needed; decides which mode is marked.
        directory: where to look; this computer's devices by default.

    Returns:
        The exit status: 1 where there is no camera to be used without naming it.
    """
    directory = directory or CameraDirectory()
    nodes = directory.nodes()
    problem = None
    chosen = None
    try:
        chosen = directory.automatic(nodes)
    except UserError as error:
        problem = error
    for node in nodes:
        _print_node(node, rate, chosen is not None and node.path == chosen.path)
    if problem is not None:
        print(f"facectrl-fast: {problem}", file=sys.stderr)
    return 0 if problem is None else 1


def _print_node(node: VideoNode, rate: float, chosen: bool) -> None:
    what = "" if node.kind is NodeKind.CAMERA else f": {node.kind.value}"
    if node.error is not None:
        what += f" ({node.error.strerror})"
    print(f"{node.path}  {node.card}{what}{'  <- used by default' if chosen else ''}")
    if node.by_id:
        print(f"    --source {node.by_id}")
    choices = rank_modes(node.modes, rate)
    best = choices[0].mode if choices else None
    for pixel_format in dict.fromkeys(mode.pixel_format for mode in node.modes):
        modes = [mode for mode in node.modes if mode.pixel_format == pixel_format]
        print(f"    {pixel_format}  {', '.join(_size(mode) for mode in modes)}")
        if best in modes:
            print(f"          <- {choices[0]}")
    others = [name for name in node.formats if name not in {m.pixel_format for m in node.modes}]
    if others and node.kind is not NodeKind.METADATA:
        more = f" and {len(others) - 8} more" if len(others) > 8 else ""
        print(f"    not read here: {', '.join(name.strip() for name in others[:8])}{more}")


def _size(mode: CameraMode) -> str:
    rates = " ".join(f"{rate:.3g}" for rate in mode.rates)
    return f"{mode.width}x{mode.height}" + (f" ({rates}/s)" if rates else "")
