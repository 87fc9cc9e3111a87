"""The vote window: single verdicts flicker, decisions must not."""

from __future__ import annotations

from facectrl_fast.decide._vote import VoteCounter
from facectrl_fast.types import Decision, Verdict

WINDOW = 1.0
"""Seconds for which all verdicts must agree."""
NO_FACE_WINDOW = 2.0
"""Seconds without a face before nobody is there: people bend down and turn round."""
LEAST_VOTES = 3
"""Fewer verdicts in the window decide nothing."""


class VoteWindow:
    """Turns stamped verdicts into decisions.

    A decision falls when all verdicts of the last window agree and there are enough of them.
    UNSURE abstains. Only times count, never frames: the same decision comes after the same time
    at any frame rate.
    """

    def __init__(
        self,
        window: float = WINDOW,
        no_face_window: float = NO_FACE_WINDOW,
        least_votes: int = LEAST_VOTES,
    ) -> None:
        """Args are in seconds, least_votes is 1 to 64.

        Raises:
            ValueError: a window is not positive, or least_votes is out of range.
        """
        self._windows = (window, window, no_face_window)
        self._counter = VoteCounter(self._windows, least_votes)

    def add(self, verdict: Verdict, timestamp: float) -> Decision | None:
        """Count a verdict; the decision while it has held for the whole window, else None.

        Args:
            verdict: what the frame shows.
            timestamp: the frame's, in seconds.

        Raises:
            ValueError: the timestamp is not finite.
        """
        if verdict is Verdict.UNSURE:
            return None
        if not self._counter.add(verdict, timestamp):
            return None
        return Decision(verdict, self._counter.streak_start)

    @property
    def leaning(self) -> tuple[Verdict, float] | None:
        """The running streak's verdict and start, for display."""
        verdict = self._counter.verdict
        return None if verdict is None else (Verdict(verdict), self._counter.streak_start)

    @property
    def decides_at(self) -> float | None:
        """When the running streak will have held for its window, or has; None without one."""
        verdict = self._counter.verdict
        return None if verdict is None else self._counter.streak_start + self._windows[verdict]

    def clear(self) -> None:
        """Forget all verdicts: the camera was away."""
        self._counter.clear()
