"""Being told to do nothing for a while."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

from facectrl_fast.errors import UsageError
from facectrl_fast.mainloop import MainLoop

LONGEST = 30 * 86400.0
"""Seconds."""
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def parse_duration(text: str) -> float:
    """Seconds of ``90s``, ``15m``, ``1h``, ``1h30m`` or ``2d``.

    Raises:
        UsageError: it is none of these, or longer than 30 days.
    """
    parts = re.findall(r"(\d+(?:\.\d+)?)([smhd])", text)
    seconds = sum(float(number) * _UNITS[unit] for number, unit in parts)
    whole = "".join(number + unit for number, unit in parts) == text
    if not whole or not 0 < seconds <= LONGEST:
        raise UsageError(f"'{text}' is no time such as 15m, 1h, 1h30m or 2d (30d at most)")
    return seconds


class Hold:
    """Remembers until when, and tells when that is over; sleep of the computer counts."""

    def __init__(self, loop: MainLoop, over: Callable[[], None]) -> None:
        self._loop = loop
        self._over = over
        self._timer: int | None = None
        self._deadline = 0.0
        self.until = 0.0
        """The end, in seconds of the wall clock; 0 where there is none."""

    def begin(self, seconds: float) -> float:
        """Hold for so long from now on, whatever was before; returns the end.

        Raises:
            ValueError: not a time, or longer than 30 days.
        """
        if not 0 < seconds <= LONGEST:
            raise ValueError(f"cannot hold for {seconds} s: 30 days at most")
        self.cancel()
        self._deadline = _now() + seconds
        self.until = time.time() + seconds
        self._timer = self._loop.call_later(seconds, self._end)
        return self.until

    def cancel(self) -> None:
        """Hold no longer; ``over`` is not called."""
        if self._timer is not None:
            self._loop.remove(self._timer)
        self._timer = None
        self.until = 0.0

    def woken(self) -> None:
        """The computer slept, during which timers stand still."""
        if self._timer is not None:
            self._loop.remove(self._timer)
            self._timer = self._loop.call_later(max(self._deadline - _now(), 0), self._end)

    def _end(self) -> None:
        self.cancel()
        self._over()


def _now() -> float:
    """Of a clock that goes on while the computer sleeps, and is never set."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
