"""What a display of the run is told, and is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from facectrl_fast.types import Decision, Frame, Verdict
from facectrl_fast.vision.analyze import Sighting


@dataclass(frozen=True)
class View:
    """What the overlay tells beside the sighting."""

    leaning: tuple[Verdict, float] | None
    """The running vote: its verdict and since when."""
    decision: Decision | None
    rate: float
    """Analyses a second."""


class Display(Protocol):
    """Takes each analysed frame."""

    def show(self, frame: Frame, sighting: Sighting, view: View) -> bool:
        """Show it; False once the user wants to quit."""
        ...

    def close(self) -> None:
        """No more frames come."""
        ...
