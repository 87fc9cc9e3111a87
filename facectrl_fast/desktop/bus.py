"""Connections to message buses, by dbus-python."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from facectrl_fast.errors import UserError
from facectrl_fast.mainloop import MainLoop

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


def guarded(
    loop: MainLoop, callback: Callable[..., None], closed: Callable[[], bool]
) -> Callable[..., None]:
    """For dbus-python, which logs what a handler raises and goes on: so that it ends the loop.

    Once ``closed``, nothing is called back any more.
    """

    def handler(*args: Any, **keywords: Any) -> None:
        if not closed():
            loop.guard(lambda: callback(*args, **keywords))

    return handler


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
