"""Players' names: as the bus has them, and as users give them."""

from __future__ import annotations

import re
from collections.abc import Collection

from facectrl_fast.errors import UsageError

PREFIX = "org.mpris.MediaPlayer2."
# playerctld stands in for the other players, which would be controlled twice.
PROXIES = (PREFIX + "playerctld",)


def check_player_name(name: str) -> str:
    """A player's name as users give it: ``spotify``, or its whole bus name.

    Raises:
        UsageError: it can be no part of a bus name.
    """
    short = name.removeprefix(PREFIX)
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_-]*(\.[A-Za-z_][A-Za-z0-9_-]*)*", short):
        raise UsageError(
            f"'{name}' cannot be a player's name; give the last part of its bus name, "
            "such as spotify, vlc or mpv"
        )
    return short


def short_name(bus_name: str) -> str:
    """The name as users know it."""
    return bus_name.removeprefix(PREFIX)


def is_called(bus_name: str, name: str) -> bool:
    """Whether a player has this name, or is an instance of it (``vlc.instance123``)."""
    short = short_name(bus_name).lower()
    return short == name.lower() or short.startswith(name.lower() + ".")


def matches(bus_name: str, wanted: Collection[str] = (), ignored: Collection[str] = ()) -> bool:
    """Whether it is a player, one of the wanted where there are any, and not to be ignored."""
    if not bus_name.startswith(PREFIX) or bus_name in PROXIES:
        return False
    if any(is_called(bus_name, name) for name in ignored):
        return False
    return not wanted or any(is_called(bus_name, name) for name in wanted)
