from collections.abc import Callable, Sequence

from facectrl_fast.types import Decision, Verdict

class VoteCounter:
    def __init__(
        self,
        windows: Sequence[float],
        least_votes: int,
        make_decision: Callable[[Verdict, float], Decision],
    ) -> None: ...
    def clear(self) -> None: ...
    def add(self, verdict: Verdict, timestamp: float) -> Decision | None: ...
    @property
    def streak(self) -> tuple[int, float] | None: ...
