"""Decides how often to look: seldom while nothing changes, at once when something does."""

from __future__ import annotations

from dataclasses import dataclass

from facectrl_fast.types import Decision, Verdict
from facectrl_fast.vision.analyze import Sighting

LEAST_RATE = 4.0
"""Looks a second that are always needed: a decision is to fall within 0.3 s of its vote window."""
MOTION = 0.25
"""Share of the picture that moves when somebody does more than talk."""
ALERT = 1.0
"""Seconds of looking closely after that."""
EARLY = 0.01
"""Seconds by which a frame may come too early: the camera's next one would be much too late."""


@dataclass(frozen=True)
class Rates:
    """Looks a second."""

    busy: float
    """While the verdict changes, or much moves."""
    steady: float
    """While it does not."""
    resting: float
    """While nobody is there, nothing moves, it is dark, or energy is to be saved."""

    @classmethod
    def below(cls, rate: float) -> Rates:
        """At most ``rate``; half of it is enough while nothing changes."""
        least = min(rate, LEAST_RATE)
        return cls(rate, max(rate / 2, least), least)


class Governor:
    """Says when the next frame is due. Has no clock of its own: all times are the frames'."""

    def __init__(self, rates: Rates) -> None:
        self._rates = rates
        self._nominal = float("-inf")
        self._due = float("-inf")
        self._alert_until = float("-inf")
        self.saving = False
        """Whether energy is to be saved: on battery, or in the power-saver profile."""

    @property
    def due(self) -> float:
        """The time before which no frame is needed."""
        return self._due

    def looked(
        self, sighting: Sighting, decision: Decision | None, decides_at: float | None
    ) -> None:
        """A frame was looked at.

        Args:
            sighting: what it showed.
            decision: the one that holds.
            decides_at: when the running vote will decide, if it goes on.
        """
        now = sighting.timestamp
        if sighting.missed:
            # Once more with the very next frame: somebody left, or the detector slipped.
            self._nominal = self._due = now
            return
        if sighting.moved > MOTION:
            self._alert_until = now + ALERT
        interval = 1 / self._rate(sighting, decision)
        # From when it was due, so that the rate holds between a camera's frames.
        in_time = now - self._nominal < interval
        self._nominal = (self._nominal if in_time else now) + interval
        self._due = self._nominal - EARLY
        if decides_at is not None and now < decides_at < self._due:
            self._nominal = self._due = decides_at

    def forget(self) -> None:
        """The camera was away: the next frame is due at once."""
        self._nominal = self._due = self._alert_until = float("-inf")

    def _rate(self, sighting: Sighting, decision: Decision | None) -> float:
        if sighting.blind or sighting.still:
            # More looks would show nothing else.
            return self._rates.resting
        # Others abstain for as long as they sit there: that is no change to come.
        changing = decision is None or sighting.verdict is not decision.verdict
        changing &= not sighting.stranger
        if changing or sighting.timestamp < self._alert_until:
            return self._rates.busy
        if self.saving or sighting.verdict is Verdict.NO_FACE:
            return self._rates.resting
        return self._rates.steady
