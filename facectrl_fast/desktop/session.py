"""Whether the user can be there at all: what logind tells of sleep, lock and switched users."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from facectrl_fast.desktop.bus import PROPERTIES_INTERFACE, guarded, open_system_bus
from facectrl_fast.errors import UserError
from facectrl_fast.mainloop import MainLoop
from facectrl_fast.report import Report, State

if TYPE_CHECKING:
    from facectrl_fast.watch import Watcher

log = logging.getLogger(__name__)

SERVICE = "org.freedesktop.login1"
MANAGER = "/org/freedesktop/login1"
MANAGER_INTERFACE = "org.freedesktop.login1.Manager"
SESSION_INTERFACE = "org.freedesktop.login1.Session"
USER_INTERFACE = "org.freedesktop.login1.User"
TIMEOUT = 5.0
"""Seconds that logind may take to answer."""
LOCKS_WITHIN = 10.0
"""Seconds in which a desktop that was told to lock says that it has, if it says so at all."""


class SessionWatch:
    """Suspends the watcher while the computer sleeps, is locked, or shows another user's session.

    Without logind nothing is ever suspended.
    """

    def __init__(self, loop: MainLoop, watcher: Watcher, address: str | None = None) -> None:
        """Start watching.

        Args:
            loop: dispatches what the bus says.
            watcher: is suspended and resumed.
            address: of another bus than the system's.
        """
        self._loop = loop
        self._watcher = watcher
        self._session: str | None = None
        self._session_signals: list[Any] = []
        self._inhibitor: int | None = None
        self._asleep = False
        self._check: int | None = None
        self._closed = False
        # Kept when it is closed, for answers that are still under way.
        self._bus: Any = None
        try:
            self._bus = open_system_bus(address)
        except UserError as error:
            log.debug("nothing is known of sleep and lock: %s", error)
            return
        self._bus.call_on_disconnection(self._guarded(lambda _: self._gone()))
        self._listen(MANAGER, MANAGER_INTERFACE, "PrepareForSleep", self._sleeps)
        self._listen(MANAGER, MANAGER_INTERFACE, "SessionNew", self._session_new)
        self._listen(MANAGER, MANAGER_INTERFACE, "SessionRemoved", self._session_removed)
        self._bus.watch_name_owner(SERVICE, self._guarded(self._owner_changed))

    def reported(self, report: Report) -> None:
        """See ``Companion``."""

    def close(self) -> None:
        """See ``Companion``."""
        self._closed = True
        self._let_sleep()
        self._forget_check()
        if self._bus is not None:
            self._bus.close()

    def _owner_changed(self, owner: str) -> None:
        if not owner:
            self._gone()
            return
        self._ask_to_wait()
        self._find_session()

    def _gone(self) -> None:
        """Who says nothing any more cannot say that it is over, either."""
        self._let_sleep()
        self._watcher.resume(State.ASLEEP)
        self._forget_session()

    # Sleep.

    def _ask_to_wait(self) -> None:
        """Have logind wait, before the computer sleeps, until the camera is closed."""
        self._let_sleep()
        words = ("sleep", "facectrl-fast", "closes the camera", "delay")
        self._ask("Inhibit", "ssss", words, self._waits)

    def _waits(self, inhibitor: Any) -> None:
        self._let_sleep()
        descriptor = getattr(inhibitor, "take", lambda: None)()
        if self._asleep and descriptor is not None:
            os.close(descriptor)
        else:
            self._inhibitor = descriptor

    def _let_sleep(self) -> None:
        if self._inhibitor is not None:
            os.close(self._inhibitor)
            self._inhibitor = None

    def _sleeps(self, begins: Any) -> None:
        self._asleep = bool(begins)
        if begins:
            self._watcher.suspend(State.ASLEEP)
            self._let_sleep()
        else:
            # The screen may have been locked on the way to sleep: to be known before going on.
            self._read_session(self._woken)
            self._ask_to_wait()

    def _woken(self) -> None:
        if not self._asleep:
            self._watcher.resume(State.ASLEEP)

    # The session.

    def _find_session(self) -> None:
        """Ours; for a service of the user, the one at the screen; else any of the user's."""
        number = os.environ.get("XDG_SESSION_ID")
        if number:
            self._ask("GetSession", "s", (number,), self._found, self._find_display)
        else:
            self._find_display()

    def _find_display(self) -> None:
        def user_found(path: Any) -> None:
            def display_found(display: Any) -> None:
                # A user who is at no screen has the session "/".
                self._find_any() if str(display[1]) == "/" else self._found(display[1])

            self._get(str(path), USER_INTERFACE, "Display", display_found)

        self._ask("GetUser", "u", (os.getuid(),), user_found, self._find_any)

    def _find_any(self) -> None:
        def listed(sessions: Any) -> None:
            ours = [path for _, uid, _, seat, path in sessions if uid == os.getuid() and seat]
            if ours:
                self._found(ours[0])

        self._ask("ListSessions", "", (), listed)

    def _session_new(self, _number: Any, _path: Any) -> None:
        if self._session is None:
            self._find_session()

    def _session_removed(self, _number: Any, path: Any) -> None:
        if str(path) == self._session:
            self._forget_session()
            self._find_session()

    def _forget_session(self) -> None:
        """A session that ended says no more that it is unlocked, or at the screen again."""
        self._session = None
        for signal in self._session_signals:
            signal.remove()
        self._session_signals.clear()
        self._forget_check()
        self._watcher.resume(State.LOCKED)
        self._watcher.resume(State.INACTIVE)

    def _found(self, path: Any) -> None:
        path = str(path)
        if path == self._session:
            return
        if self._session is not None:
            self._forget_session()
        self._session = path
        self._session_signals = [
            self._listen(path, SESSION_INTERFACE, "Lock", self._told_to_lock),
            self._listen(path, SESSION_INTERFACE, "Unlock", lambda: self._locked(False)),
            self._listen(path, PROPERTIES_INTERFACE, "PropertiesChanged", self._changed),
        ]
        self._read_session(lambda: None)

    def _changed(self, interface: Any, values: Any, _invalidated: Any) -> None:
        if str(interface) != SESSION_INTERFACE:
            return
        if "LockedHint" in values:
            self._locked(bool(values["LockedHint"]))
        if "Active" in values:
            self._inactive(not values["Active"])

    def _read_session(self, then: Callable[[], None]) -> None:
        if self._session is None:
            then()
            return

        asked = self._session

        def answered(values: Any) -> None:
            if self._session == asked:
                self._changed(SESSION_INTERFACE, values, ())
            then()

        self._call(
            self._session,
            PROPERTIES_INTERFACE,
            "GetAll",
            "s",
            (SESSION_INTERFACE,),
            answered,
            then,
        )

    def _told_to_lock(self) -> None:
        self._locked(True)
        # Not all desktops say when they have locked and unlocked. Better watch than never again.
        self._check = self._loop.call_later(LOCKS_WITHIN, self._check_lock)

    def _check_lock(self) -> None:
        self._check = None
        if self._session is not None:
            self._get(
                self._session,
                SESSION_INTERFACE,
                "LockedHint",
                lambda hint: self._locked(bool(hint)),
            )

    def _locked(self, locked: bool) -> None:
        self._forget_check()
        (self._watcher.suspend if locked else self._watcher.resume)(State.LOCKED)

    def _inactive(self, inactive: bool) -> None:
        (self._watcher.suspend if inactive else self._watcher.resume)(State.INACTIVE)

    def _forget_check(self) -> None:
        if self._check is not None:
            self._loop.remove(self._check)
            self._check = None

    # The bus.

    def _listen(self, path: str, interface: str, signal: str, callback: Callable[..., None]) -> Any:
        return self._bus.add_signal_receiver(
            self._guarded(callback), signal, interface, SERVICE, path
        )

    def _ask(self, *call: Any) -> None:
        self._call(MANAGER, MANAGER_INTERFACE, *call)

    def _get(self, path: str, interface: str, name: str, then: Callable[[Any], None]) -> None:
        self._call(path, PROPERTIES_INTERFACE, "Get", "ss", (interface, name), then)

    def _call(
        self,
        path: str,
        interface: str,
        method: str,
        signature: str,
        args: tuple[Any, ...],
        replied: Callable[..., None],
        failed: Callable[[], None] = lambda: None,
    ) -> None:
        self._bus.call_async(
            SERVICE,
            path,
            interface,
            method,
            signature,
            args,
            self._guarded(replied),
            self._guarded(partial(_quietly, failed)),
            timeout=TIMEOUT,
        )

    def _guarded(self, callback: Callable[..., None]) -> Callable[..., None]:
        return guarded(self._loop, callback, lambda: self._closed)


def _quietly(failed: Callable[[], None], error: Exception) -> None:
    log.debug("logind: %s", error)
    failed()
