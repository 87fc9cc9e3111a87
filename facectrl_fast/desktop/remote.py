"""Talks to the program that runs, over the session bus."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from facectrl_fast.desktop.bus import PROPERTIES_INTERFACE, guarded, open_session_bus
from facectrl_fast.errors import UserError
from facectrl_fast.mainloop import MainLoop

BUS_NAME = "io.github.facectrl_fast"
INTERFACE = "io.github.facectrl_fast.Watcher1"
PATH = "/io/github/facectrl_fast/Watcher"
TIMEOUT = 5.0
"""Seconds that it may take to answer."""


class NotRunningError(UserError):
    """Nobody has the program's name on the bus."""


class NoAnswerError(UserError):
    """Somebody has it, and does not answer."""


class Remote:
    """The running program; a context manager."""

    def __init__(self, address: str | None = None) -> None:
        """Connect.

        Args:
            address: of another bus than the session's.

        Raises:
            UserError: there is no session bus.
        """
        self._bus = open_session_bus(address)
        self._closed = False

    def __enter__(self) -> Remote:
        return self

    def __exit__(self, *_: object) -> None:
        self._closed = True
        self._bus.close()

    def status(self) -> dict[str, Any]:
        """Its properties, see ``Control``, as plain Python values.

        Raises:
            NotRunningError: it does not run.
            NoAnswerError: it does not answer.
        """
        properties = self._call("GetAll", "s", (INTERFACE,), PROPERTIES_INTERFACE)
        return {str(name): plain(value) for name, value in properties.items()}

    def hold(self, seconds: float) -> float:
        """Make it look away for so long; returns the end. Raises as ``status``."""
        return float(self._call("Hold", "d", (seconds,)))

    def release(self) -> None:
        """End a hold. Raises as ``status``."""
        self._call("Release", "", ())

    def reload(self) -> None:
        """Make it read the model again. Raises as ``status``."""
        self._call("Reload", "", ())

    def quit(self) -> None:
        """End it. Raises as ``status``."""
        self._call("Quit", "", ())

    def follow(self, loop: MainLoop, changed: Callable[[], None]) -> None:
        """Call back from the loop when a property changes, and when the program comes or goes.

        A bus that goes away ends the loop with a UserError.
        """

        def lost(_connection: Any) -> None:
            raise UserError("the session bus has gone")

        self._bus.call_on_disconnection(guarded(loop, lost, lambda: self._closed))
        self._bus.add_signal_receiver(
            guarded(loop, lambda *_: changed(), lambda: self._closed),
            "PropertiesChanged",
            PROPERTIES_INTERFACE,
            BUS_NAME,
            PATH,
        )
        self._bus.watch_name_owner(
            BUS_NAME, guarded(loop, lambda _owner: changed(), lambda: self._closed)
        )

    def _call(
        self, method: str, signature: str, args: tuple[Any, ...], interface: str = INTERFACE
    ) -> Any:
        import dbus

        try:
            return self._bus.call_blocking(
                BUS_NAME, PATH, interface, method, signature, args, timeout=TIMEOUT
            )
        except dbus.DBusException as error:
            name = error.get_dbus_name()
            if name == "org.freedesktop.DBus.Error.ServiceUnknown":
                raise NotRunningError(
                    "it does not run; start it with 'facectrl-fast run' or 'facectrl-fast service "
                    "install'"
                ) from None
            late = name == "org.freedesktop.DBus.Error.NoReply"
            reason = f"not within {TIMEOUT:g} s" if late else error.get_dbus_message()
            raise NoAnswerError(f"it does not answer: {reason}") from None


@contextmanager
def looking_away(source: str, seconds: float = 900.0) -> Iterator[None]:
    """Keep the running program, if there is one, off the camera meanwhile; then have it go on.

    One that is held already stays so; a ``source`` that is no camera disturbs nobody.
    """
    from facectrl_fast.capture.source import names_camera

    try:
        remote = Remote() if names_camera(source) else None
    except UserError:
        remote = None  # no bus, and so nobody on it
    if remote is None:
        yield
        return
    with remote:
        until = 0.0
        with suppress(UserError):
            if not remote.status()["HeldUntil"]:
                until = remote.hold(seconds)
        try:
            yield
        finally:
            with suppress(UserError):
                # A hold that was asked for meanwhile is the user's.
                if until and remote.status()["HeldUntil"] == until:
                    remote.release()


def reload_running() -> None:
    """Have the running program, if there is one, read the model again."""
    with suppress(UserError), Remote() as remote:
        remote.reload()


def plain(value: Any) -> Any:
    """A D-Bus value as Python's own types, which print and encode as one expects."""
    import dbus

    if isinstance(value, dbus.Dictionary):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, dbus.Boolean):
        return bool(value)
    if isinstance(value, dbus.String):
        return str(value)
    return float(value)
