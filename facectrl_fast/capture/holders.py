"""Which programs use a device, as far as /proc tells."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path


def holders(device: Path, proc: Path = Path("/proc")) -> list[str]:
    """Other programs that hold a camera, as ``name (process 4711)``.

    Those that have its buffers mapped, since they stream; else those that have it open. Only
    processes of the same user can be seen, all by root.
    """
    others = [p for p in proc.iterdir() if p.name.isdecimal() and int(p.name) != os.getpid()]
    others.sort(key=lambda process: int(process.name))
    return _named(p for p in others if _maps(p, device)) or _named(
        p for p in others if _opens(p, device)
    )


def _named(processes: Iterable[Path]) -> list[str]:
    return [f"{_name(p)} (process {p.name})" for p in processes]


def _name(process: Path) -> str:
    try:
        return (process / "comm").read_text(errors="replace").strip()
    except OSError:
        return "a program"


def _maps(process: Path, device: Path) -> bool:
    try:
        # Names may hold any bytes.
        maps = (process / "maps").read_text(errors="replace")
    except OSError:
        return False
    return any(line.endswith(f" {device}") for line in maps.splitlines())


def _opens(process: Path, device: Path) -> bool:
    try:
        links = list((process / "fd").iterdir())
    except OSError:
        return False
    return any(_target(link) == str(device) for link in links)


def _target(link: Path) -> str | None:
    try:
        return str(link.readlink())
    except OSError:
        return None  # closed meanwhile
