"""Connections to message buses, by dbus-python."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable
from typing import Any, Protocol

from facectrl_fast.errors import UserError
from facectrl_fast.mainloop import MainLoop
from facectrl_fast.report import Report

log = logging.getLogger(__name__)

RECONNECT = (1.0, 2.0, 5.0, 10.0, 30.0)
"""Seconds between the tries to reach a bus that went away; the last one repeats."""
PROPERTIES_INTERFACE = "org.freedesktop.DBus.Properties"


def open_session_bus(address: str | None = None) -> Any:
    """A private connection to the session bus, dispatched by whichever MainLoop runs.

    Args:
        address: of another bus instead.

    Raises:
        UserError: there is no bus, or dbus-python is not installed.
    """
    return _open(
        "session", address, "run this inside your desktop session, or under dbus-run-session"
    )


def open_system_bus(address: str | None = None) -> Any:
    """The same for the system bus."""
    return _open("system", address, "your desktop's services are not there")


class BusClient(Protocol):
    """Somebody who uses the session bus."""

    def connected(self, connection: Any) -> None:
        """The bus is there, maybe again: nothing on it is known."""
        ...

    def disconnected(self) -> None:
        """The bus went away, and all that was on it."""
        ...


class SessionBus:
    """One connection to the session bus for all who need it, made anew when the bus comes back."""

    def __init__(self, loop: MainLoop, address: str | None = None) -> None:
        """Connect.

        Args:
            loop: dispatches everything.
            address: of another bus than the session's.

        Raises:
            UserError: there is no bus.
        """
        self._loop = loop
        self._address = address
        self._clients: list[BusClient] = []
        self._failures = 0
        self._timer: int | None = None
        self._closed = False
        self.connection = self._connect()
        """A dbus-python connection; after a loss, the one that was lost."""

    def add(self, client: BusClient) -> None:
        """Tell it that the bus is there, and from now on when it comes and goes."""
        self._clients.append(client)
        if self._timer is None:
            client.connected(self.connection)

    def later(self, callback: Callable[[], None]) -> None:
        """Call back from the loop, which hears of what is raised: dbus-python would swallow it."""
        self._loop.call_later(0, callback)

    def reported(self, report: Report) -> None:
        """See ``Companion``."""

    def close(self) -> None:
        """Leave the bus; nobody is told anything any more."""
        self._closed = True
        if self._timer is not None:
            self._loop.remove(self._timer)
        self.connection.close()

    def _connect(self) -> Any:
        connection = open_session_bus(self._address)
        connection.call_on_disconnection(guarded(self._loop, self._lost, lambda: self._closed))
        return connection

    def _lost(self, connection: Any) -> None:
        if connection is not self.connection or self._timer is not None:
            return
        log.warning("the session bus has gone; waiting for it to come back")
        for client in self._clients:
            client.disconnected()
        self._later()

    def _later(self) -> None:
        delay = RECONNECT[min(self._failures, len(RECONNECT) - 1)]
        self._failures += 1
        self._timer = self._loop.call_later(delay, self._try)

    def _try(self) -> None:
        import dbus

        try:
            self.connection = self._connect()
            for client in self._clients:
                client.connected(self.connection)
        except (UserError, dbus.DBusException):
            # Not there yet, or gone again already.
            for client in self._clients:
                client.disconnected()
            self.connection.close()
            self._later()
            return
        self._timer = None
        self._failures = 0
        log.info("the session bus is back")


def guarded(
    loop: MainLoop, callback: Callable[..., None], closed: Callable[[], bool]
) -> Callable[..., None]:
    """For dbus-python, which logs what a handler raises and goes on: so that it ends the loop.

    Once ``closed``, nothing is called back any more; nor is it for a message with more or fewer
    values than the callback takes: anybody may send anything.
    """

    def handler(*args: Any, **keywords: Any) -> None:
        if closed():
            return
        if takes(callback, *args, **keywords):
            loop.guard(lambda: callback(*args, **keywords))
        else:
            log.debug("a message without sense: %s", args)

    return handler


def takes(callback: Callable[..., None], *args: Any, **keywords: Any) -> bool:
    """Whether something can be called with these."""
    try:
        inspect.signature(callback).bind(*args, **keywords)
    except TypeError:
        return False
    return True


def _open(which: str, address: str | None, advice: str) -> Any:
    try:
        import dbus.bus
        from dbus.mainloop.glib import DBusGMainLoop
    except ImportError as error:
        raise UserError(f"dbus-python is missing ({error}); install facectrl-fast again") from None
    kinds = {
        "session": dbus.bus.BusConnection.TYPE_SESSION,
        "system": dbus.bus.BusConnection.TYPE_SYSTEM,
    }
    try:
        bus = dbus.bus.BusConnection(address or kinds[which], mainloop=DBusGMainLoop())
    except dbus.DBusException as error:
        raise UserError(f"no {which} bus ({error.get_dbus_message()}); {advice}") from None
    # libdbus would end the process without a word.
    bus.set_exit_on_disconnect(False)
    return bus
