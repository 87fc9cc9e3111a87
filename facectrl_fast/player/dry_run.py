"""A stand-in for the players that touches none: for ``run --dry-run``."""

from __future__ import annotations

from facectrl_fast.decide.policy import RESULT, Status
from facectrl_fast.player.mpris import PlayerEvents
from facectrl_fast.types import Action

NAME = "org.mpris.MediaPlayer2.dry-run"


class DryRunPlayers:
    """One imaginary player that is there from the start, plays, and obeys at once."""

    def __init__(self, events: PlayerEvents) -> None:
        self._events = events

    def start(self) -> None:
        """See MprisPlayers."""
        self._events.player_appeared(NAME, Status.PLAYING)

    def close(self) -> None:
        """See MprisPlayers."""

    def give_up(self) -> None:
        """See MprisPlayers. Nothing is ever under way."""

    def perform(self, action: Action) -> None:
        """See MprisPlayers."""
        status = RESULT[action.command]
        self._events.player_status(NAME, status)
        self._events.player_settled(NAME, status)
