"""What the running program does, for a terminal, a script or a status bar."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from typing import Any

from facectrl_fast.desktop.remote import NoAnswerError, NotRunningError, Remote
from facectrl_fast.mainloop import MainLoop
from facectrl_fast.report import State

STOPPED = "stopped"
"""The state of a program that does not run."""
SILENT = "silent"
"""Of one that does not answer, perhaps for now."""
ASK_AGAIN = 5.0
"""Seconds after which that is asked again."""


def print_status(as_json: bool) -> int:
    """Print it once.

    Returns:
        The exit status: 1 where the program does not run.
    """
    with Remote() as remote:
        values = _values(remote)
    print(_json(values) if as_json else "\n".join(lines(values)))
    return 1 if values["State"] == STOPPED else 0


def follow_status(as_json: bool) -> int:
    """Print it, and again whenever it changes, until Ctrl-C.

    With JSON a line each; on a terminal a view that stays in place.
    """
    loop = MainLoop()
    with Remote() as remote:
        if as_json or not sys.stdout.isatty():

            def show() -> None:
                values = _values_now(remote)
                print(_json(values) if as_json else _one_line(values), flush=True)
                if values["State"] == SILENT:
                    loop.call_later(ASK_AGAIN, show)

            remote.follow(loop, show)
            _run(loop)
        else:
            _live(loop, remote)
    return 0


def lines(values: dict[str, Any], fresh: bool = True) -> Iterator[str]:
    """What ``Remote.status`` tells, in words.

    Args:
        values: the properties.
        fresh: they are read now, and again soon; else the words are to stay true for a while.
    """
    now = time.time()
    state = values["State"]
    if state == STOPPED:
        yield "not running; 'facectrl-fast run' or 'facectrl-fast service install' starts it"
        return
    if state == SILENT:
        yield "it does not answer"
        return
    until = values["HeldUntil"]
    more = f" until {_clock(until, now)}" if until else ""
    yield f"{State(state)}{more}"
    if values["Verdict"]:
        since = values["Since"]
        when = f"for {_span(now - since)}" if fresh else f"since {_clock(since, now)}"
        yield f"{values['Verdict']}, {when}"
    players = ", ".join(f"{name} ({status.lower()})" for name, status in values["Players"].items())
    yield f"players: {players or 'none'}"
    rate = f", {values['AnalysesPerSecond']:.1f} looks a second" if fresh else ""
    yield f"camera: {'on' + rate if values['CameraOpen'] else 'off'}"
    if values["LastAction"]:
        yield f"last: {values['LastAction']}"


def _values(remote: Remote) -> dict[str, Any]:
    try:
        return remote.status()
    except NotRunningError:
        return {"State": STOPPED}


def _values_now(remote: Remote) -> dict[str, Any]:
    """For whoever goes on asking: one answer that does not come is no end."""
    try:
        return _values(remote)
    except NoAnswerError:
        return {"State": SILENT}


def _json(values: dict[str, Any]) -> str:
    """With the keys that waybar shows."""
    watching = values["State"] == State.WATCHING.value
    shown = {
        "text": (watching and values["Verdict"]) or values["State"],
        "class": values["State"],
        "tooltip": _one_line(values),
    }
    return json.dumps({**values, **shown}, ensure_ascii=False)


def _one_line(values: dict[str, Any]) -> str:
    return " | ".join(lines(values, fresh=False))


def _live(loop: MainLoop, remote: Remote) -> None:
    from rich.live import Live
    from rich.panel import Panel

    with Live(auto_refresh=False) as live:

        def show() -> None:
            first, *rest = lines(_values_now(remote))
            view = Panel("\n".join(rest), title=first, title_align="left", expand=False)
            live.update(view, refresh=True)

        def tick() -> None:
            show()
            loop.call_later(1.0, tick)

        remote.follow(loop, show)
        loop.call_later(1.0, tick)
        _run(loop)


def _run(loop: MainLoop) -> None:
    import signal

    from facectrl_fast.mainloop import SignalWatch

    with SignalWatch(loop, (signal.SIGINT, signal.SIGTERM), lambda _number: loop.quit()):
        loop.run()


def _clock(moment: float, now: float) -> str:
    """The time of day, with the day where it is another one."""
    form = "%H:%M" if time.localtime(moment)[:3] == time.localtime(now)[:3] else "%a %H:%M"
    return time.strftime(form, time.localtime(moment))


def _span(seconds: float) -> str:
    minutes, rest = divmod(int(max(seconds, 0)), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
