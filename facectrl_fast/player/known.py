"""Is there a player of that name at all, on the bus or installed?"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from facectrl_fast.errors import UsageError
from facectrl_fast.files import base_folder
from facectrl_fast.player.names import is_called, matches, short_name


def running_players(bus: Any) -> list[str]:
    """The bus names of all players that are there."""
    names = bus.call_blocking(
        "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "ListNames", "", ()
    )
    return sorted(str(name) for name in names if matches(str(name)))


def check_player_exists(wanted: str, running: Iterable[str]) -> None:
    """Find out whether it makes sense to wait for a player.

    It need not run yet, but something on this machine should be called so.

    Raises:
        UsageError: no such player runs, and no program or desktop entry has that name.
    """
    names = list(running)
    if any(is_called(name, wanted) for name in names) or _is_installed(wanted.split(".")[0]):
        return
    there = ", ".join(short_name(name) for name in names) or "none"
    raise UsageError(
        f"no player '{wanted}' runs (running: {there}) and no program of that name is installed; "
        "start it first, or check --player"
    )


def _is_installed(name: str) -> bool:
    if shutil.which(name) or shutil.which(name.lower()):
        return True
    return any(name.lower() in entry.stem.lower() for entry in _desktop_entries())


def _desktop_entries() -> Iterator[Path]:
    home = base_folder("XDG_DATA_HOME", ".local/share")
    system = os.environ.get("XDG_DATA_DIRS") or "/usr/local/share:/usr/share"
    extra = "/var/lib/flatpak/exports/share:/var/lib/snapd/desktop"
    for folder in f"{home}:{system}:{extra}".split(":"):
        yield from Path(folder).expanduser().glob("applications/**/*.desktop")
