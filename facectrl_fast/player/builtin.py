"""A small MPRIS player that plays nothing: for the demo, and for trying the program out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dbus
import dbus.service

from facectrl_fast.decide.policy import Status
from facectrl_fast.desktop.bus import PROPERTIES_INTERFACE
from facectrl_fast.player.mpris import OBJECT_PATH, PLAYER_INTERFACE
from facectrl_fast.player.names import PREFIX

_ROOT_INTERFACE = "org.mpris.MediaPlayer2"


class BuiltinPlayer(dbus.service.Object):  # type: ignore[misc]
    """Owns a player name on a bus and does what MPRIS clients ask.

    Attributes:
        status: what it does now.
        can_play, can_pause: what it says that it can do; it refuses what it cannot.
    """

    def __init__(
        self,
        bus: Any,
        name: str = "builtin",
        status: Status = Status.PLAYING,
        on_status: Callable[[Status], None] | None = None,
    ) -> None:
        """Take the name.

        Args:
            bus: a dbus-python connection with a main loop.
            name: the last part of the bus name.
            status: what it does at the start.
            on_status: called after each change of status.
        """
        self.status = status
        self.can_play = True
        self.can_pause = True
        self._on_status = on_status
        self._bus_name = dbus.service.BusName(PREFIX + name, bus, do_not_queue=True)
        super().__init__(bus, OBJECT_PATH)

    def become(self, status: Status) -> None:
        """Change the status, as a click on the player would."""
        if status is self.status:
            return
        self.status = status
        self.PropertiesChanged(PLAYER_INTERFACE, {"PlaybackStatus": status.value}, [])
        if self._on_status is not None:
            self._on_status(status)

    def close(self) -> None:
        """Give the name back."""
        self.remove_from_connection()
        del self._bus_name

    @dbus.service.method(PLAYER_INTERFACE)  # type: ignore[untyped-decorator]
    def Play(self) -> None:  # noqa: N802
        """See MPRIS."""
        if self.can_play:
            self.become(Status.PLAYING)

    @dbus.service.method(PLAYER_INTERFACE)  # type: ignore[untyped-decorator]
    def Pause(self) -> None:  # noqa: N802
        """See MPRIS."""
        if self.can_pause and self.status is Status.PLAYING:
            self.become(Status.PAUSED)

    @dbus.service.method(PLAYER_INTERFACE)  # type: ignore[untyped-decorator]
    def PlayPause(self) -> None:  # noqa: N802
        """See MPRIS."""
        (self.Pause if self.status is Status.PLAYING else self.Play)()

    @dbus.service.method(PLAYER_INTERFACE)  # type: ignore[untyped-decorator]
    def Stop(self) -> None:  # noqa: N802
        """See MPRIS."""
        self.become(Status.STOPPED)

    @dbus.service.method(PROPERTIES_INTERFACE, "ss", "v")  # type: ignore[untyped-decorator]
    def Get(self, interface: str, name: str) -> Any:  # noqa: N802
        """See org.freedesktop.DBus.Properties."""
        return self.GetAll(interface)[name]

    @dbus.service.method(PROPERTIES_INTERFACE, "s", "a{sv}")  # type: ignore[untyped-decorator]
    def GetAll(self, interface: str) -> dict[str, Any]:  # noqa: N802
        """See org.freedesktop.DBus.Properties."""
        if str(interface) == _ROOT_INTERFACE:
            return {"Identity": "facectrl-fast's built-in player", "CanQuit": False}
        return {
            "PlaybackStatus": self.status.value,
            "CanControl": True,
            "CanPlay": self.can_play,
            "CanPause": self.can_pause,
        }

    @dbus.service.signal(PROPERTIES_INTERFACE, "sa{sv}as")  # type: ignore[untyped-decorator]
    def PropertiesChanged(  # noqa: N802
        self, interface: str, changed: dict[str, Any], invalidated: list[str]
    ) -> None:
        """See org.freedesktop.DBus.Properties."""
