"""Leaves the camera to programs that hold video calls."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from facectrl_fast.mainloop import MainLoop
from facectrl_fast.report import Report, State

if TYPE_CHECKING:
    from facectrl_fast.watch import Watcher

LOOK_EVERY = 5.0
"""Seconds between two looks at what runs: nothing tells that without asking for root."""
AFTERWARDS = 20.0
"""Seconds that such a program must be gone: a camera light that blinks is worse than waiting."""
_KERNEL_KEEPS = 15
"""Characters of a process's name."""


def running(names: Collection[str], proc: Path = Path("/proc")) -> bool:
    """Whether a process has one of these names."""
    wanted = {name[:_KERNEL_KEEPS] for name in names}
    return any(_name(process) in wanted for process in proc.iterdir() if process.name.isdecimal())


class CallWatch:
    """Suspends the watcher while one of some programs runs; looks only while that matters."""

    def __init__(
        self,
        loop: MainLoop,
        watcher: Watcher,
        names: Collection[str],
        proc: Path = Path("/proc"),
        look_every: float = LOOK_EVERY,
        afterwards: float = AFTERWARDS,
    ) -> None:
        self._loop = loop
        self._watcher = watcher
        self._names = names
        self._proc = proc
        self._look_every = look_every
        self._looks_after = round(afterwards / look_every)
        self._gone = 0  # looks in a row that found none
        self._yielding = False
        self._timer: int | None = None
        watcher.before_looking.append(self._look)

    def reported(self, report: Report) -> None:
        """See ``Companion``."""
        if not report.camera_open and not self._yielding:
            self.close()

    def close(self) -> None:
        """See ``Companion``."""
        if self._timer is not None:
            self._loop.remove(self._timer)
            self._timer = None

    def _look_again(self) -> None:
        self._timer = None
        if self._watcher.report.camera_open or self._yielding:
            self._look()

    def _look(self) -> None:
        self.close()
        self._timer = self._loop.call_later(self._look_every, self._look_again)
        if running(self._names, self._proc):
            self._gone = 0
            self._yielding = True
            self._watcher.suspend(State.YIELDING)
        elif self._yielding:
            self._gone += 1
            if self._gone >= self._looks_after:
                self._yielding = False
                self._watcher.resume(State.YIELDING)


def _name(process: Path) -> str:
    try:
        return (process / "comm").read_text(errors="replace").strip()
    except OSError:
        return ""  # it ended meanwhile
