"""MPRIS media players on the session bus, by dbus-python."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from facectrl_fast.decide.policy import RESULT, Status, brings_about
from facectrl_fast.desktop.bus import PROPERTIES_INTERFACE, SessionBus, guarded, takes
from facectrl_fast.mainloop import MainLoop
from facectrl_fast.player.names import PREFIX, matches, short_name
from facectrl_fast.types import Action, Command

log = logging.getLogger(__name__)

OBJECT_PATH = "/org/mpris/MediaPlayer2"
PLAYER_INTERFACE = "org.mpris.MediaPlayer2.Player"
TIMEOUT = 2.0
"""Seconds that a player may take to answer."""
SETTLE = 1.0
"""Seconds after which a player must show the status that it was asked for."""
NONSENSE = "its answer makes no sense"
ATTEMPTS = 2
"""Times that a player is asked that does not do it; some miss what comes in a bad moment."""
ASK_AGAIN = (0.5, 1.0, 5.0, 30.0)
"""Seconds between the tries to learn a new player's status; the last one repeats."""

_CAPABILITY = {Command.PLAY: "CanPlay", Command.PAUSE: "CanPause"}


class PlayerEvents(Protocol):
    """Who wants to know about players.

    A bus that goes away takes its players with it; they vanish.
    """

    def player_appeared(self, name: str, status: Status) -> None:
        """A matching player came to the bus."""

    def player_vanished(self, name: str) -> None:
        """A matching player left the bus."""

    def player_status(self, name: str, status: Status) -> None:
        """A matching player's status changed, or was read again."""

    def player_settled(self, name: str, status: Status | None) -> None:
        """What was asked of a player is over; its status now, None if it does not say."""

    def player_given_up(self, name: str) -> None:
        """What was asked of a player is not waited for any more; it may do it yet."""


@dataclass
class _Player:
    name: str
    status: Status | None = None
    """None until the player has said it."""
    tries: int = 0
    timer: int | None = None
    """Of the next try to learn the status."""


@dataclass
class _Pending:
    """An action whose effect has not been seen yet."""

    action: Action
    asked: int = 0
    timer: int | None = None


class MprisPlayers:
    """Follows the matching players and does what is asked of them.

    Nothing here blocks: every call has a timeout and its answer comes through the main loop, so
    that a player that hangs holds up nothing. Players are told apart by their connection, since
    one player may own several names.
    """

    def __init__(
        self,
        loop: MainLoop,
        bus: SessionBus,
        events: PlayerEvents,
        wanted: Collection[str] = (),
        ignored: Collection[str] = (),
    ) -> None:
        """Prepare; ``start`` begins.

        Args:
            loop: dispatches everything.
            bus: where the players are.
            events: is told what happens.
            wanted: names as in ``check_player_name``; empty for all players.
            ignored: names of players that are left alone.
        """
        self._loop = loop
        self._wanted = wanted
        self._ignored = ignored
        self._events = events
        self._names: dict[str, str] = {}  # bus name -> connection
        self._players: dict[str, _Player] = {}  # connection -> player
        self._pending: dict[str, _Pending] = {}  # connection -> action
        self._session_bus = bus
        self._bus = bus.connection
        self._closed = False

    def start(self) -> None:
        """Report the players that are there, then all that happens to any of them."""
        self._session_bus.add(self)

    def connected(self, connection: Any) -> None:
        """See ``BusClient``."""
        self._bus = connection
        self._bus.add_signal_receiver(
            self._guarded(self._owner_changed),
            "NameOwnerChanged",
            "org.freedesktop.DBus",
            "org.freedesktop.DBus",
            "/org/freedesktop/DBus",
            arg0namespace=PREFIX.rstrip("."),
        )
        self._bus.add_signal_receiver(
            self._guarded(self._properties_changed),
            "PropertiesChanged",
            PROPERTIES_INTERFACE,
            path=OBJECT_PATH,
            sender_keyword="sender",
            arg0=PLAYER_INTERFACE,
        )
        # Subscribed before the question, so that nobody slips through between the two.
        self._ask_bus("ListNames", (), self._names_listed)

    def give_up(self) -> None:
        """Ask no more for what is under way; ``player_settled`` or ``player_given_up`` follows."""
        for owner, pending in list(self._pending.items()):
            if pending.asked:
                self._forget_pending(owner)
                self._events.player_given_up(pending.action.player)
            else:
                self._settle(owner, pending.action, None)

    def disconnected(self) -> None:
        """See ``BusClient``."""
        if self._closed:
            return
        gone = [player.name for player in self._players.values() if player.status is not None]
        self._forget_all()
        for name in gone:
            self._events.player_vanished(name)

    def close(self) -> None:
        """Report nothing any more."""
        self._closed = True
        self._forget_all()

    def _forget_all(self) -> None:
        for owner in list(self._pending):
            self._forget_pending(owner)
        for player in self._players.values():
            self._stop_asking(player)
        self._players.clear()
        self._names.clear()

    def perform(self, action: Action) -> None:
        """Ask a player to play or pause; ``player_settled`` tells the end of it.

        The status is read just before: a player that does it already is left alone.
        """
        owner = self._names.get(action.player)
        if owner is None:
            self._events.player_settled(action.player, None)
            return
        # While an earlier request is under way, the status says little about what comes of it.
        certain = owner not in self._pending
        self._forget_pending(owner)
        self._pending[owner] = _Pending(action)
        self._read(owner, lambda properties: self._ask_player(owner, action, certain, properties))

    def _ask_player(
        self, owner: str, action: Action, certain: bool, properties: dict[str, Any] | None
    ) -> None:
        if not self._is_pending(owner, action) or properties is None:
            self._settle(owner, action, None)
            return
        name = short_name(action.player)
        status = _status(properties)
        if certain and status is not None and _is_done(action, status):
            self._settle(owner, action, status)
            return
        # CanControl is not asked: players say it wrongly, and these two speak for themselves.
        if not properties.get(_CAPABILITY[action.command], True):
            log.warning(
                "%s cannot %s now (it says %s: false); left alone",
                name,
                action.command.value.lower(),
                _CAPABILITY[action.command],
            )
            self._settle(owner, action, _status(properties))
            return

        self._ask(owner, action)

    def _ask(self, owner: str, action: Action) -> None:
        name, what = short_name(action.player), action.command.value.lower()

        def failed(error: Exception) -> None:
            log.warning("%s did not %s: %s", name, what, _reason(error))
            if _is_late(error):
                # It may do it yet.
                self._await_effect(owner, action)
            else:
                self._settle(owner, action, None)

        self._pending[owner].asked += 1
        self._call(
            owner,
            PLAYER_INTERFACE,
            action.command.value,
            "",
            (),
            lambda: self._await_effect(owner, action),
            failed,
        )

    def _await_effect(self, owner: str, action: Action) -> None:
        if not self._is_pending(owner, action):
            return

        def check(properties: dict[str, Any] | None) -> None:
            if not self._is_pending(owner, action):
                return
            status = None if properties is None else _status(properties)
            if status is not None and not _is_done(action, status):
                asked = self._pending[owner].asked
                if asked < ATTEMPTS:
                    self._ask(owner, action)
                    return
                log.warning(
                    "%s was asked to %s %d times and is still %s; left alone",
                    short_name(action.player),
                    action.command.value.lower(),
                    asked,
                    status.value.lower(),
                )
            self._settle(owner, action, status)

        timer = self._loop.call_later(SETTLE, lambda: self._read(owner, check))
        self._pending[owner].timer = timer

    def _is_pending(self, owner: str, action: Action) -> bool:
        pending = self._pending.get(owner)
        return pending is not None and pending.action is action

    def _settle(self, owner: str, action: Action, status: Status | None) -> None:
        if not self._is_pending(owner, action):
            return
        self._forget_pending(owner)
        if status is not None and owner in self._players:
            self._players[owner].status = status
        self._events.player_settled(action.player, status)

    def _forget_pending(self, owner: str) -> None:
        pending = self._pending.pop(owner, None)
        if pending is not None and pending.timer is not None:
            self._loop.remove(pending.timer)

    def _names_listed(self, names: Any) -> None:
        for name in map(str, names):
            if matches(name, self._wanted, self._ignored):
                self._ask_bus("GetNameOwner", (name,), partial(self._name_owned, name))

    def _name_owned(self, name: str, owner: Any) -> None:
        self._add_name(name, str(owner))

    def _owner_changed(self, name: Any, old: Any, new: Any) -> None:
        name = str(name)
        if not matches(name, self._wanted, self._ignored):
            return
        if old:
            self._drop_name(name)
        if new:
            self._add_name(name, str(new))

    def _add_name(self, name: str, owner: str) -> None:
        if self._names.get(name) == owner:
            return
        self._names[name] = owner
        if owner not in self._players:
            self._players[owner] = _Player(name)
            self._refresh(owner)

    def _drop_name(self, name: str) -> None:
        owner = self._names.pop(name, None)
        player = self._players.get(owner) if owner is not None else None
        if owner is None or player is None or player.name != name:
            return
        self._forget_pending(owner)
        self._stop_asking(player)
        del self._players[owner]
        if player.status is not None:
            self._events.player_vanished(name)
        other = next((n for n, o in self._names.items() if o == owner), None)
        if other is not None:
            self._players[owner] = _Player(other)
            self._refresh(owner)

    def _properties_changed(
        self, _interface: Any, changed: Any, invalidated: Any, sender: str
    ) -> None:
        if sender not in self._players:
            return
        status = _status(changed)
        if status is not None:
            self._status_is(sender, status)
        elif isinstance(invalidated, list) and "PlaybackStatus" in invalidated:
            self._refresh(sender)

    def _refresh(self, owner: str) -> None:
        def answered(properties: dict[str, Any] | None) -> None:
            status = None if properties is None else _status(properties)
            if status is not None:
                self._status_is(owner, status)
            else:
                self._ask_again_later(owner)

        self._read(owner, answered)

    def _ask_again_later(self, owner: str) -> None:
        """Some players own their name before they can answer; until then nobody knows of them."""
        player = self._players.get(owner)
        if player is None or player.status is not None:
            return
        self._stop_asking(player)
        delay = ASK_AGAIN[min(player.tries, len(ASK_AGAIN) - 1)]
        player.tries += 1
        player.timer = self._loop.call_later(delay, lambda: self._refresh(owner))

    def _stop_asking(self, player: _Player) -> None:
        if player.timer is not None:
            self._loop.remove(player.timer)
            player.timer = None

    def _status_is(self, owner: str, status: Status) -> None:
        player = self._players.get(owner)
        if player is None:
            return
        self._stop_asking(player)
        player.tries = 0
        first = player.status is None
        player.status = status
        if first:
            self._events.player_appeared(player.name, status)
            return
        self._events.player_status(player.name, status)
        pending = self._pending.get(owner)
        if pending is not None and _is_done(pending.action, status):
            self._settle(owner, pending.action, status)

    def _read(self, owner: str, then: Callable[[dict[str, Any] | None], None]) -> None:
        """Read all of a player's properties; ``then`` gets None if it does not answer."""
        player = self._players.get(owner)
        name = short_name(player.name) if player else owner

        def failed(error: Exception) -> None:
            known = self._players.get(owner)
            if known is not None and known.tries == 0:
                log.warning("%s does not answer: %s", name, _reason(error))
            then(None)

        def read(properties: Any) -> None:
            if isinstance(properties, Mapping):
                then(dict(properties))
            else:
                failed(ValueError(NONSENSE))

        self._call(owner, PROPERTIES_INTERFACE, "GetAll", "s", (PLAYER_INTERFACE,), read, failed)

    def _ask_bus(self, method: str, args: tuple[str, ...], then: Callable[[Any], None]) -> None:
        # An error here means that the name or the bus is gone, which is told by signals.
        self._bus.call_async(
            "org.freedesktop.DBus",
            "/org/freedesktop/DBus",
            "org.freedesktop.DBus",
            method,
            "s" * len(args),
            args,
            self._guarded(then),
            lambda _: None,
            timeout=TIMEOUT,
        )

    def _call(
        self,
        owner: str,
        interface: str,
        method: str,
        signature: str,
        args: tuple[str, ...],
        replied: Callable[..., None],
        failed: Callable[[Exception], None],
    ) -> None:
        def answered(*values: Any) -> None:
            if takes(replied, *values):
                replied(*values)
            else:
                failed(ValueError(NONSENSE))

        self._bus.call_async(
            owner,
            OBJECT_PATH,
            interface,
            method,
            signature,
            args,
            self._guarded(answered),
            self._guarded(failed),
            timeout=TIMEOUT,
        )

    def _guarded(self, callback: Callable[..., None]) -> Callable[..., None]:
        return guarded(self._loop, callback, lambda: self._closed)


def _is_done(action: Action, status: Status) -> bool:
    return brings_about(status, RESULT[action.command])


def _status(properties: Any) -> Status | None:
    if not isinstance(properties, Mapping):  # whatever it may say
        return None
    try:
        return Status(str(properties["PlaybackStatus"]))
    except (KeyError, ValueError):
        return None


def _is_late(error: Exception) -> bool:
    name = getattr(error, "get_dbus_name", lambda: None)()
    return bool(name == "org.freedesktop.DBus.Error.NoReply")


def _reason(error: Exception) -> str:
    if _is_late(error):
        return f"no answer within {TIMEOUT:g} s"
    return str(error).partition(": ")[2] or str(error) or type(error).__name__
