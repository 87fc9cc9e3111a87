"""Tells the service manager that the program is ready, alive and what it does."""

from __future__ import annotations

import os
import socket

from facectrl_fast.mainloop import MainLoop
from facectrl_fast.report import Report


def is_service() -> bool:
    """Whether a service manager started this process, and nobody is there to read mistakes."""
    return bool(os.environ.get("NOTIFY_SOCKET"))


class ServiceManager:
    """Speaks sd_notify's protocol, to whoever ``NOTIFY_SOCKET`` names; else says nothing.

    Signs of life come twice in the time that the manager allows, from the main loop: a loop that
    hangs gives none.
    """

    def __init__(self, loop: MainLoop) -> None:
        self._loop = loop
        # What is started by the program must not speak in its name.
        self._address = os.environ.pop("NOTIFY_SOCKET", "")
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._interval = _watchdog() / 2
        # Of a loop that runs, not of one that is to run.
        self._timer: int | None = loop.call_later(0, self._ready)

    def reported(self, report: Report) -> None:
        """See ``Companion``."""
        verdict = f", {report.verdict}" if report.verdict else ""
        self._send(f"STATUS={report.state}{verdict}")

    def close(self) -> None:
        """See ``Companion``."""
        if self._timer is not None:
            self._loop.remove(self._timer)
        self._send("STOPPING=1")
        self._socket.close()

    def _ready(self) -> None:
        self._send("READY=1")
        self._alive()

    def _alive(self) -> None:
        self._timer = None
        if self._interval > 0:
            self._send("WATCHDOG=1")
            self._timer = self._loop.call_later(self._interval, self._alive)

    def _send(self, message: str) -> None:
        if not self._address:
            return
        # Abstract names begin with a zero byte, which environments cannot hold.
        address = "\0" + self._address[1:] if self._address[0] == "@" else self._address
        try:
            self._socket.sendto(message.encode(), address)
        except OSError:
            self._address = ""  # nobody listens any more


def _watchdog() -> float:
    """Seconds within which a sign of life is wanted; 0 for none."""
    process = os.environ.pop("WATCHDOG_PID", "")
    microseconds = os.environ.pop("WATCHDOG_USEC", "")
    if not microseconds.isdecimal() or process not in ("", str(os.getpid())):
        return 0.0
    return int(microseconds) / 1e6
