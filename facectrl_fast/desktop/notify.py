"""Tells on the desktop what was done, with a way to stop it for a while."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

import dbus

from facectrl_fast.decide.policy import RESULT, Status, brings_about
from facectrl_fast.desktop.bus import SessionBus, guarded
from facectrl_fast.mainloop import MainLoop
from facectrl_fast.player.names import short_name
from facectrl_fast.report import Report
from facectrl_fast.types import Command

if TYPE_CHECKING:
    from facectrl_fast.watch import Watcher

log = logging.getLogger(__name__)

SERVICE = "org.freedesktop.Notifications"
PATH = "/org/freedesktop/Notifications"
TIMEOUT = 5.0
"""Seconds that the desktop may take to answer."""
FRESH = 10.0
"""Seconds in which a player must have done what it was asked, to be told of."""
SHOWN = 8000
"""Milliseconds."""
HOLD = "hold"
HOLD_SECONDS = 3600.0
_TITLES = {Command.PLAY: "Playing", Command.PAUSE: "Paused"}


class Notifications:
    """One notification, replaced by the next. A desktop that shows none is no error."""

    def __init__(self, loop: MainLoop, bus: SessionBus, watcher: Watcher) -> None:
        self._loop = loop
        self._watcher = watcher
        self._connection: Any = None
        self._number = 0
        self._told: tuple[float, list[str]] = (0.0, [])
        self._closed = False
        bus.add(self)

    def connected(self, connection: Any) -> None:
        """See ``BusClient``."""
        self._connection = connection
        self._number = 0
        connection.add_signal_receiver(
            self._guarded(self._clicked), "ActionInvoked", SERVICE, SERVICE, PATH
        )

    def disconnected(self) -> None:
        """See ``BusClient``."""
        self._connection = None

    def reported(self, report: Report) -> None:
        """See ``Companion``."""
        # A change that comes later is not what was asked for.
        fresh = time.time() - report.acted_at < FRESH
        if self._connection is None or not fresh:
            return
        statuses = dict(report.players)
        done = [
            name
            for name, action in ((short_name(a.player), a) for a in report.actions)
            if name in statuses and brings_about(Status(statuses[name]), RESULT[action.command])
        ]
        if not done or (report.acted_at, done) == self._told:
            return
        self._told = (report.acted_at, done)
        first = report.actions[0]
        buttons = [HOLD, "Hold for an hour"] if first.command is Command.PAUSE else []
        self._connection.call_async(
            SERVICE,
            PATH,
            SERVICE,
            "Notify",
            "susssasa{sv}i",
            (
                "facectrl-fast",
                dbus.UInt32(self._number),
                "audio-headphones",
                f"{_TITLES[first.command]}: {first.reason}",
                ", ".join(done),
                buttons,
                # Nobody wants to find a list of these later.
                {"transient": dbus.Boolean(True), "category": "device"},
                SHOWN,
            ),
            self._guarded(self._shown),
            lambda error: log.debug("no notification: %s", error),
            timeout=TIMEOUT,
        )

    def close(self) -> None:
        """See ``Companion``."""
        self._closed = True

    def _shown(self, number: Any) -> None:
        if isinstance(number, int):
            self._number = int(number)

    def _clicked(self, number: Any, action: Any) -> None:
        if number == self._number and str(action) == HOLD:
            self._watcher.hold(HOLD_SECONDS)

    def _guarded(self, callback: Any) -> Any:
        return guarded(self._loop, callback, lambda: self._closed)
