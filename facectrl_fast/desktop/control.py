"""The program on the session bus: what it does can be read, and told."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import dbus
import dbus.service

from facectrl_fast.desktop.bus import PROPERTIES_INTERFACE, SessionBus
from facectrl_fast.desktop.remote import BUS_NAME, INTERFACE, PATH
from facectrl_fast.errors import UserError
from facectrl_fast.report import Report

if TYPE_CHECKING:
    from facectrl_fast.watch import Watcher

_OURS = (
    dbus.bus.REQUEST_NAME_REPLY_PRIMARY_OWNER,
    dbus.bus.REQUEST_NAME_REPLY_ALREADY_OWNER,
)


class Control(dbus.service.Object):  # type: ignore[misc]
    """Owns the program's name: there is one of it a session.

    Properties: State (s), Verdict (s), Since (d), CameraOpen (b), HeldUntil (d), Players (a{ss},
    name to status), AnalysesPerSecond (d, changes are not signalled), LastAction (s). Times are
    seconds since 1970, 0 for none.
    """

    SUPPORTS_MULTIPLE_CONNECTIONS = True  # one after the other, as the bus comes and goes

    def __init__(self, bus: SessionBus, watcher: Watcher, reload: Callable[[], None]) -> None:
        """Take the name.

        Args:
            bus: where.
            watcher: is asked, held, released and ended.
            reload: reads the model again.

        Raises:
            UserError: another one runs already.
        """
        super().__init__()
        self._bus = bus
        self._watcher = watcher
        self._reload = reload
        self._told: dict[str, Any] = {}
        self._started = False
        bus.add(self)
        self._started = True

    def connected(self, connection: Any) -> None:
        """See ``BusClient``."""
        self.add_to_connection(connection, PATH)
        reply = connection.request_name(BUS_NAME, dbus.bus.NAME_FLAG_DO_NOT_QUEUE)
        # One that was started while the bus was away has the name now: both can live with that.
        if reply not in _OURS and not self._started:
            self._leave()
            raise UserError(_running_already(connection))

    def disconnected(self) -> None:
        """See ``BusClient``."""
        self._leave()

    def reported(self, report: Report) -> None:
        """See ``Companion``."""
        now = _properties(report)
        changed = {name: value for name, value in now.items() if self._told.get(name) != value}
        self._told = now
        if changed:
            self.PropertiesChanged(INTERFACE, changed, dbus.Array(signature="s"))

    def close(self) -> None:
        """See ``Companion``."""
        self._leave()

    def _leave(self) -> None:
        # dbus-python complains where there is nothing to be removed.
        if any(True for _ in self.locations):
            self.remove_from_connection()

    @dbus.service.method(INTERFACE, "d", "d")  # type: ignore[untyped-decorator]
    def Hold(self, seconds: float) -> float:  # noqa: N802
        """Look away for so long; returns the end."""
        try:
            return self._watcher.hold(float(seconds))
        except ValueError as error:
            raise _InvalidArgumentsError(str(error)) from None

    @dbus.service.method(INTERFACE)  # type: ignore[untyped-decorator]
    def Release(self) -> None:  # noqa: N802
        """End a hold."""
        self._bus.later(self._watcher.release)

    @dbus.service.method(INTERFACE)  # type: ignore[untyped-decorator]
    def Reload(self) -> None:  # noqa: N802
        """Read the model again; where it cannot be used, the old one stays."""
        self._bus.later(self._reload)

    @dbus.service.method(INTERFACE)  # type: ignore[untyped-decorator]
    def Quit(self) -> None:  # noqa: N802
        """End the program."""
        self._watcher.stop()

    @dbus.service.method(PROPERTIES_INTERFACE, "ss", "v")  # type: ignore[untyped-decorator]
    def Get(self, interface: str, name: str) -> Any:  # noqa: N802
        """See org.freedesktop.DBus.Properties."""
        properties = self.GetAll(interface)
        if str(name) not in properties:
            raise _InvalidArgumentsError(f"there is no property {name}")
        return properties[str(name)]

    @dbus.service.method(PROPERTIES_INTERFACE, "s", "a{sv}")  # type: ignore[untyped-decorator]
    def GetAll(self, interface: str) -> dict[str, Any]:  # noqa: N802
        """See org.freedesktop.DBus.Properties."""
        if str(interface) != INTERFACE:
            return {}
        return {
            **_properties(self._watcher.report),
            "AnalysesPerSecond": dbus.Double(self._watcher.rate),
        }

    @dbus.service.method(PROPERTIES_INTERFACE, "ssv")  # type: ignore[untyped-decorator]
    def Set(self, _interface: str, name: str, _value: Any) -> None:  # noqa: N802
        """See org.freedesktop.DBus.Properties."""
        raise _InvalidArgumentsError(f"{name} cannot be set")

    @dbus.service.signal(PROPERTIES_INTERFACE, "sa{sv}as")  # type: ignore[untyped-decorator]
    def PropertiesChanged(  # noqa: N802
        self, interface: str, changed: dict[str, Any], invalidated: list[str]
    ) -> None:
        """See org.freedesktop.DBus.Properties."""


class _InvalidArgumentsError(dbus.DBusException):  # type: ignore[misc]
    _dbus_error_name = "org.freedesktop.DBus.Error.InvalidArgs"


def _properties(report: Report) -> dict[str, Any]:
    return {
        "State": dbus.String(report.state.value),
        "Verdict": dbus.String(report.verdict),
        "Since": dbus.Double(report.since),
        "CameraOpen": dbus.Boolean(report.camera_open),
        "HeldUntil": dbus.Double(report.held_until),
        "Players": dbus.Dictionary(dict(report.players), signature="ss"),
        "LastAction": dbus.String(report.last_action),
    }


def _running_already(connection: Any) -> str:
    bus = "org.freedesktop.DBus"
    try:
        number = connection.call_blocking(
            bus, "/org/freedesktop/DBus", bus, "GetConnectionUnixProcessID", "s", (BUS_NAME,)
        )
        process = f" (process {int(number)})"
    except dbus.DBusException:
        process = ""  # it ended just now
    return (
        f"it is running already{process}; 'facectrl-fast status' says what it does, "
        "'facectrl-fast quit' ends it"
    )
