"""Whether energy is to be saved: what UPower and power-profiles-daemon tell on the system bus."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from facectrl_fast.desktop.bus import PROPERTIES_INTERFACE, guarded, open_system_bus
from facectrl_fast.errors import UserError
from facectrl_fast.mainloop import MainLoop
from facectrl_fast.report import Report

log = logging.getLogger(__name__)

TIMEOUT = 5.0
"""Seconds that a service may take to answer; it may have to be started."""


@dataclass(frozen=True)
class Teller:
    """A property that tells that energy is to be saved."""

    service: str
    path: str
    interface: str
    name: str
    saving: object
    """Its value then."""


TELLERS = (
    Teller(
        "org.freedesktop.UPower",
        "/org/freedesktop/UPower",
        "org.freedesktop.UPower",
        "OnBattery",
        True,
    ),
    Teller(
        "org.freedesktop.UPower.PowerProfiles",
        "/org/freedesktop/UPower/PowerProfiles",
        "org.freedesktop.UPower.PowerProfiles",
        "ActiveProfile",
        "power-saver",
    ),
    # Its name up to version 0.20.
    Teller(
        "net.hadess.PowerProfiles",
        "/net/hadess/PowerProfiles",
        "net.hadess.PowerProfiles",
        "ActiveProfile",
        "power-saver",
    ),
)


class PowerWatch:
    """Tells whenever energy is to be saved, or no longer. Whoever is absent says nothing."""

    def __init__(
        self, loop: MainLoop, changed: Callable[[bool], None], address: str | None = None
    ) -> None:
        """Start watching; without a system bus nothing is ever told.

        Args:
            loop: dispatches what the bus says.
            changed: is told, first once it is known that energy is to be saved.
            address: of another bus than the system's.
        """
        self._loop = loop
        self._changed = changed
        self._saying: set[Teller] = set()
        self._told = False
        self._closed = False
        # Kept when it is closed, for answers that are still under way.
        self._bus: Any = None
        try:
            self._bus = open_system_bus(address)
        except UserError as error:
            log.debug("nothing is known of the battery: %s", error)
            return
        self._bus.call_on_disconnection(self._guarded(lambda _: self._forget()))
        for teller in TELLERS:
            self._follow(teller)

    def reported(self, report: Report) -> None:
        """See ``Companion``."""

    def close(self) -> None:
        """Leave the bus. Nothing is told any more."""
        self._closed = True
        if self._bus is not None:
            self._bus.close()

    def _follow(self, teller: Teller) -> None:
        def changed(interface: str, values: dict[str, object], _gone: object) -> None:
            if interface == teller.interface and teller.name in values:
                self._heard(teller, values[teller.name])

        def owner_changed(owner: str) -> None:
            if owner:
                self._ask(teller)
            else:
                self._heard(teller, None)

        self._bus.add_signal_receiver(
            self._guarded(changed),
            "PropertiesChanged",
            PROPERTIES_INTERFACE,
            teller.service,
            teller.path,
            arg0=teller.interface,
        )
        self._bus.watch_name_owner(teller.service, self._guarded(owner_changed))
        # Asked even where nobody owns the name: the bus starts who can be started.
        self._ask(teller)

    def _ask(self, teller: Teller) -> None:
        self._bus.call_async(
            teller.service,
            teller.path,
            PROPERTIES_INTERFACE,
            "Get",
            "ss",
            (teller.interface, teller.name),
            self._guarded(lambda value: self._heard(teller, value)),
            lambda _error: None,  # it is not there
            timeout=TIMEOUT,
        )

    def _guarded(self, callback: Callable[..., None]) -> Callable[..., None]:
        return guarded(self._loop, callback, lambda: self._closed)

    def _forget(self) -> None:
        self._saying.clear()
        self._tell()

    def _heard(self, teller: Teller, value: object) -> None:
        if value == teller.saving:
            self._saying.add(teller)
        else:
            self._saying.discard(teller)
        self._tell()

    def _tell(self) -> None:
        if bool(self._saying) != self._told:
            self._told = bool(self._saying)
            self._changed(self._told)
