"""Whether energy is to be saved: what UPower and power-profiles-daemon tell on the system bus."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from facectrl_fast.desktop.bus import PROPERTIES_INTERFACE, open_system_bus
from facectrl_fast.errors import UserError
from facectrl_fast.mainloop import MainLoop

log = logging.getLogger(__name__)

TIMEOUT = 5.0
"""Seconds that a service may take to answer; it may have to be started."""


@dataclass(frozen=True)
class _Teller:
    """A property that tells that energy is to be saved."""

    service: str
    path: str
    interface: str
    name: str
    saving: object
    """Its value then."""


TELLERS = (
    _Teller(
        "org.freedesktop.UPower",
        "/org/freedesktop/UPower",
        "org.freedesktop.UPower",
        "OnBattery",
        True,
    ),
    _Teller(
        "org.freedesktop.UPower.PowerProfiles",
        "/org/freedesktop/UPower/PowerProfiles",
        "org.freedesktop.UPower.PowerProfiles",
        "ActiveProfile",
        "power-saver",
    ),
    # Its name up to version 0.20.
    _Teller(
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
        self._saying: set[_Teller] = set()
        self._told = False
        self._bus: Any = None
        try:
            self._bus = open_system_bus(address)
        except UserError as error:
            log.debug("nothing is known of the battery: %s", error)
            return
        for teller in TELLERS:
            self._follow(teller)

    def close(self) -> None:
        """Leave the bus. Nothing is told any more."""
        if self._bus is not None:
            self._bus.close()
            self._bus = None

    def _follow(self, teller: _Teller) -> None:
        def changed(interface: str, values: dict[str, object], _gone: object) -> None:
            if interface == teller.interface and teller.name in values:
                self._loop.guard(lambda: self._heard(teller, values[teller.name]))

        def answered(value: object) -> None:
            self._loop.guard(lambda: self._heard(teller, value))

        def owner_changed(owner: str) -> None:
            if owner:
                ask()
            else:
                self._loop.guard(lambda: self._heard(teller, None))

        def ask() -> None:
            self._bus.call_async(
                teller.service,
                teller.path,
                PROPERTIES_INTERFACE,
                "Get",
                "ss",
                (teller.interface, teller.name),
                answered,
                lambda _error: None,  # it is not there
                timeout=TIMEOUT,
            )

        self._bus.add_signal_receiver(
            changed,
            "PropertiesChanged",
            PROPERTIES_INTERFACE,
            teller.service,
            teller.path,
            arg0=teller.interface,
        )
        # Asks for the owner's name at once, too.
        self._bus.watch_name_owner(teller.service, owner_changed)

    def _heard(self, teller: _Teller, value: object) -> None:
        if self._bus is None:
            return
        if value == teller.saving:
            self._saying.add(teller)
        else:
            self._saying.discard(teller)
        if bool(self._saying) != self._told:
            self._told = bool(self._saying)
            self._changed(self._told)
