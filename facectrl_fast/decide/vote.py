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


class VoteWindow(VoteCounter):
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
        self._windows = (window, window, no_face_window, window)
        super().__init__(self._windows, least_votes, Decision)

    @property
    def leaning(self) -> tuple[Verdict, float] | None:
        """The running streak's verdict and start, for display."""
        streak = self.streak
        return None if streak is None else (Verdict(streak[0]), streak[1])

    @property
    def decides_at(self) -> float | None:
        """When the running streak will have held for its window, or has; None without one."""
        streak = self.streak
        return None if streak is None else streak[1] + self._windows[streak[0]]
