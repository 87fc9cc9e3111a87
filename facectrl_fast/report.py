"""What the program tells about itself: to the bus, the desktop and the service manager."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from facectrl_fast.types import Action


class State(Enum):
    """What the program is doing."""

    WAITING = "waiting"
    WATCHING = "watching"
    CAMERA_AWAY = "camera-away"
    HELD = "held"
    ASLEEP = "asleep"
    LOCKED = "locked"
    INACTIVE = "inactive"
    YIELDING = "yielding"

    def __str__(self) -> str:
        return _WORDS[self]


_WORDS = {
    State.WAITING: "waiting for a player",
    State.WATCHING: "watching",
    State.CAMERA_AWAY: "waiting for the camera",
    State.HELD: "held",
    State.ASLEEP: "the computer sleeps",
    State.LOCKED: "the screen is locked",
    State.INACTIVE: "another user is at the screen",
    State.YIELDING: "a call may need the camera",
}
SUSPENSIONS = (State.HELD, State.ASLEEP, State.LOCKED, State.INACTIVE, State.YIELDING)
"""Why the camera is off although a player is there; the first one counts."""


@dataclass(frozen=True)
class Report:
    """The state of the program. Times are seconds of the wall clock since 1970."""

    state: State = State.WAITING
    verdict: str = ""
    """The decision in force; empty before the first."""
    since: float = 0.0
    """When it fell."""
    camera_open: bool = False
    held_until: float = 0.0
    """0 where it is not held."""
    players: tuple[tuple[str, str], ...] = ()
    """Names and statuses."""
    last_action: str = ""
    """What was asked of which players last, and why."""
    actions: tuple[Action, ...] = field(default=())
    """The same, one by one."""
    acted_at: float = 0.0


class Companion(Protocol):
    """Somebody who goes on beside the watching until told to stop."""

    def reported(self, report: Report) -> None:
        """Something changed."""
        ...

    def close(self) -> None:
        """Stop."""
        ...
