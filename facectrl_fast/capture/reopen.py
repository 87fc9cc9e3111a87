"""Gets a camera back that was lost or is somebody else's for now."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from facectrl_fast.capture.hotplug import DeviceArrivals
from facectrl_fast.capture.source import Source
from facectrl_fast.errors import CameraBusyError, UserError
from facectrl_fast.mainloop import MainLoop

log = logging.getLogger(__name__)

DELAYS = (1.0, 2.0, 5.0, 10.0, 30.0)
"""Seconds between the tries; the last one repeats. A camera that is plugged in is tried at once."""
STEADY = 60.0
"""Seconds of work after which a failure is the first of a row: what fails again and again must
not blink."""

MOODY = 2
"""Times in a row that a camera may last shorter: one that comes and goes more often is not tried at
once when it is back."""


class Reopening:
    """Tries again and again, quietly, until it is told to stop."""

    def __init__(self, loop: MainLoop, source: Source, reopen: Callable[[], None]) -> None:
        """Make one that waits for nothing yet.

        Args:
            loop: calls back.
            source: what was lost.
            reopen: called for each try; calls ``later`` where it fails.
        """
        self._loop = loop
        self._source = source
        self._reopen = reopen
        self._failures = 0
        self._short_lived = 0  # in a row
        self._works_since: float | None = None
        self._timer: int | None = None
        self._arrivals: DeviceArrivals | None = None
        self._watch: int | None = None

    @property
    def pending(self) -> bool:
        """Whether a try is to come."""
        return self._timer is not None

    def later(self, error: UserError) -> None:
        """Try again after a while; the first of a row of failures is logged."""
        worked = self._works_since is not None
        if self._works_since is not None:
            steady = time.monotonic() - self._works_since >= STEADY
            self._short_lived = 0 if steady else self._short_lived + 1
            self._failures = 0 if steady else self._failures
        self._works_since = None
        if worked or self._failures == 0:
            until = "free" if isinstance(error, CameraBusyError) else "back"
            log.warning("%s; trying again until it is %s", error, until)
        delay = DELAYS[min(self._failures, len(DELAYS) - 1)]
        self._failures += 1
        self._timer = self._loop.call_later(delay, self._try)
        if self._arrivals is None:
            self._listen()

    def succeeded(self) -> None:
        """Frames come."""
        if self._works_since is None:
            self._works_since = time.monotonic()
            self._stop_waiting()

    def cancel(self) -> None:
        """Stop trying."""
        self._failures = self._short_lived = 0
        self._works_since = None
        self._stop_waiting()

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._loop.remove(self._timer)
            self._timer = None
        if self._watch is not None:
            self._loop.remove(self._watch)
            self._watch = None
        if self._arrivals is not None:
            self._arrivals.close()
            self._arrivals = None

    def _listen(self) -> None:
        try:
            self._arrivals = self._source.arrivals()
        except OSError:
            return  # the timer alone has to do
        if self._arrivals is not None:
            self._watch = self._loop.watch_fd(self._arrivals.fileno(), self._something_arrived)

    def _something_arrived(self) -> None:
        arrived = self._arrivals is not None and self._arrivals.arrived()
        if self._short_lived > MOODY:
            return  # it comes and goes by itself
        if arrived and self._timer is not None:
            self._loop.remove(self._timer)
            # Whatever made it wait so long is over; devices are often not ready at once.
            self._failures = 1
            self._try()

    def _try(self) -> None:
        self._timer = None
        self._reopen()
