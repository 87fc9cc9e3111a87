"""Checks what the program needs and where it stands, a line each; ends with what to do first."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from facectrl_fast import service
from facectrl_fast._native import instruction_sets
from facectrl_fast.capture.source import Stream, open_source
from facectrl_fast.config import RunOptions
from facectrl_fast.desktop.bus import PROPERTIES_INTERFACE, open_session_bus, open_system_bus
from facectrl_fast.desktop.power import TELLERS, Teller
from facectrl_fast.desktop.remote import Remote
from facectrl_fast.desktop.session import SERVICE
from facectrl_fast.errors import UserError
from facectrl_fast.models import PACKAGED_MODEL, default_model
from facectrl_fast.player.known import running_players
from facectrl_fast.player.mpris import OBJECT_PATH, PLAYER_INTERFACE, TIMEOUT
from facectrl_fast.player.names import matches, short_name
from facectrl_fast.report import State
from facectrl_fast.settings import config_path, read_config
from facectrl_fast.vision.classify import Classifier
from facectrl_fast.vision.detect import open_detector
from facectrl_fast.vision.gate import Gate

SETTLED = 1.0
"""Seconds of a camera's pictures after which it has found its exposure."""


def examine(options: RunOptions) -> int:
    """Print a line for each thing the program needs, and what to do first about those amiss.

    Args:
        options: of the run that is to work.

    Returns:
        The exit status: 1 where something is wrong.
    """
    running = _running_program()
    checks: tuple[tuple[str, Callable[[], str]], ...] = (
        ("camera", lambda: _camera(options, running)),
        ("session bus", _session_bus),
        ("players", lambda: _players(options)),
        ("model", lambda: _model(options.model or default_model())),
        ("detector", lambda: open_detector(options.detector, options.detector_model).name),
        ("owner", lambda: _owner(options)),
        ("native code", lambda: f"kernels for {', '.join(instruction_sets())}"),
        ("options", _options),
        ("program", lambda: _program(running)),
        ("service", _service),
        ("lock, sleep", _logind),
        ("power", _power),
    )
    wrong = []
    for name, check in checks:
        try:
            mark, words = "ok", check()
        except UserError as error:
            mark, words = "WRONG", str(error)
            wrong.append(f"{name}: {words}")
        print(f"{name:<12}{mark:<7}{words}", flush=True)
    print(f"\nFirst: {wrong[0]}" if wrong else "\nAll that is needed is there.")
    return 1 if wrong else 0


def _camera(options: RunOptions, running: dict[str, Any]) -> str:
    if running.get("CameraOpen"):
        return "in use by the running facectrl-fast, as it should be"
    source = open_source(options.source, backend=options.backend)
    with closing(source.open()) as stream:
        size = f"{source.name} gives pictures of {stream.ring.width} x {stream.ring.height}"
        light = _has_light(stream, source.name)
    if not light:
        raise UserError(f"{size}, but it is too dark to see anybody: make light")
    return size


def _has_light(stream: Stream, name: str) -> bool:
    """Whether it can see anything, once it has set its exposure."""
    gate, seq, first, light = Gate(), 0, None, False
    while (frame := stream.ring.wait_newer(seq, timeout=5.0)) is not None:
        seq = frame.seq
        first = frame.timestamp if first is None else first
        light = not gate.look(frame.array, frame.pixel_format, frame.timestamp).blind
        if light or frame.timestamp - first > SETTLED:
            break
    if seq == 0:
        raise stream.error or UserError(f"{name} gives no pictures")
    return light


def _session_bus() -> str:
    open_session_bus().close()
    return "reached"


def _players(options: RunOptions) -> str:
    try:
        bus = open_session_bus()
    except UserError:
        raise UserError("cannot be seen without a session bus") from None
    with closing(bus):
        names = [n for n in running_players(bus) if matches(n, options.player, options.ignore)]
        told = [f"{short_name(name)} ({_player(bus, name)})" for name in names]
    wanted = " or ".join(options.player) or "any MPRIS player"
    return ", ".join(told) or f"none runs now; start {wanted}"


def _player(bus: Any, name: str) -> str:
    import dbus

    try:
        properties = bus.call_blocking(
            name,
            OBJECT_PATH,
            PROPERTIES_INTERFACE,
            "GetAll",
            "s",
            (PLAYER_INTERFACE,),
            timeout=TIMEOUT,
        )
    except dbus.DBusException:
        return "does not answer"
    if not isinstance(properties, dict):
        return "answers nonsense"
    cannot = [
        what for what in ("play", "pause") if not properties.get(f"Can{what.capitalize()}", True)
    ]
    status = str(properties.get("PlaybackStatus", "of unknown status")).lower()
    return status + "".join(f", cannot {what} now" for what in cannot)


def _model(path: Path) -> str:
    description = Classifier(path).description
    accuracy = description.validation.get("balanced_accuracy")
    figure = f", validation accuracy {accuracy:.1%}" if accuracy is not None else ""
    if path == PACKAGED_MODEL:
        return f"packaged{figure}; 'facectrl-fast calibrate' teaches it your headphones"
    days = (time.time() - path.stat().st_mtime) / 86400
    return f"{path}{figure}, {days:.0f} days old"


def _owner(options: RunOptions) -> str:
    from facectrl_fast.build import open_recognizer

    known = open_recognizer(options)
    return "everybody's headphones count" if known is None else f"only {options.owner}'s count"


def _options() -> str:
    path = config_path()
    said = read_config(path)
    return f"{', '.join(said)} from {path}" if said else f"defaults; {path} can change them"


def _service() -> str:
    state = service.state()
    if state == "failed":
        raise UserError("failed; 'facectrl-fast service logs' says why")
    return state


def _program(running: dict[str, Any]) -> str:
    return str(State(running["State"])) if running else "not running; 'facectrl-fast run' starts it"


def _running_program() -> dict[str, Any]:
    """What the program that runs tells; nothing where none does, or where there is no bus."""
    try:
        with Remote() as remote:
            return remote.status()
    except UserError:
        return {}


def _logind() -> str:
    try:
        bus = open_system_bus()
    except UserError:
        return "not known: there is no system bus; locking and sleep change nothing"
    with closing(bus):
        there = bus.name_has_owner(SERVICE)
    return "known from logind" if there else "not known: logind is not there"


def _power() -> str:
    try:
        bus = open_system_bus()
    except UserError:
        return "not known: there is no system bus; it never saves energy by itself"
    with closing(bus):
        saying = [teller.name for teller in TELLERS if _value(bus, teller) == teller.saving]
    if saying:
        return f"looks less often, to save energy ({', '.join(saying)})"
    return "looks as often as usual"


def _value(bus: Any, teller: Teller) -> object:
    import dbus

    try:
        return bus.call_blocking(
            teller.service,
            teller.path,
            PROPERTIES_INTERFACE,
            "Get",
            "ss",
            (teller.interface, teller.name),
            timeout=TIMEOUT,
        )
    except dbus.DBusException:
        return None
