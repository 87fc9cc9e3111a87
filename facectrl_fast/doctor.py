"""Checks what the program needs, a line each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from facectrl_fast._native import instruction_sets
from facectrl_fast.capture.source import open_source
from facectrl_fast.desktop.bus import open_session_bus
from facectrl_fast.errors import UserError
from facectrl_fast.models import PACKAGED_MODEL
from facectrl_fast.player.known import running_players
from facectrl_fast.player.mpris import short_name
from facectrl_fast.vision.classify import Classifier
from facectrl_fast.vision.detect import open_detector


def examine(camera: str, model: Path, detector_model: Path | None) -> int:
    """Print a line for each thing the program needs.

    Returns:
        The exit status: 1 where something is wrong.
    """
    checks: tuple[tuple[str, Callable[[], str]], ...] = (
        ("camera", lambda: _camera(camera)),
        ("session bus", _session_bus),
        ("players", _players),
        ("model", lambda: _model(model)),
        ("detector", lambda: _detector(detector_model)),
        ("native code", lambda: f"kernels for {', '.join(instruction_sets())}"),
    )
    wrong = 0
    for name, check in checks:
        try:
            mark, words = "ok", check()
        except UserError as error:
            mark, words = "WRONG", str(error)
            wrong += 1
        print(f"{name:<12}{mark:<7}{words}")
    return 1 if wrong else 0


def _camera(text: str) -> str:
    source = open_source(text)
    stream = source.open()
    try:
        ring = stream.ring
        if ring.wait_newer(0, timeout=5.0) is None:
            raise stream.error or UserError(f"{source.name} gives no pictures")
        return f"{source.name} gives pictures of {ring.width} x {ring.height}"
    finally:
        stream.close()


def _session_bus() -> str:
    open_session_bus().close()
    return "reached"


def _players() -> str:
    try:
        bus = open_session_bus()
    except UserError:
        raise UserError("cannot be seen without a session bus") from None
    names = [short_name(name) for name in running_players(bus)]
    bus.close()
    return f"running: {', '.join(names)}" if names else "none runs now; start one, any MPRIS player"


def _model(path: Path) -> str:
    description = Classifier(path).description
    accuracy = description.validation.get("balanced_accuracy")
    figure = f", validation accuracy {accuracy:.1%}" if accuracy is not None else ""
    origin = "packaged" if path == PACKAGED_MODEL else str(path)
    return f"{origin}{figure}"


def _detector(path: Path | None) -> str:
    name = open_detector("auto", path).name
    hint = "" if name == "yunet" else "; YuNet finds more: --detector-model FILE.onnx"
    return f"{name}{hint}"
