"""Decides what to ask of which player. A pure state machine: no clock, no bus.

Decisions and player events go in, actions come out. The rules:

- Only a change of decision acts; while it lasts, the user's hand wins.
- Headphones on: play, unless a player plays already. What we paused is resumed, else the player
  that was active last is played.
- Headphones off, or nobody there: pause the active player if it plays.
- A status change that we did not ask for is the user's: whatever it was, we leave it until the
  decision next changes, and what we had paused is no longer ours to resume. Paused by hand before
  the first decision, it stays paused through that one, too.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from facectrl_fast.types import Action, Command, Decision, Verdict


class Status(Enum):
    """MPRIS PlaybackStatus."""

    PLAYING = "Playing"
    PAUSED = "Paused"
    STOPPED = "Stopped"


@dataclass
class _Player:
    status: Status
    active: int
    """Rises each time a player plays: the highest is the one that played last."""
    expected: Status | None = None
    """What we asked for and have not seen yet."""


_RESULT = {Command.PLAY: Status.PLAYING, Command.PAUSE: Status.PAUSED}


class Policy:
    """See the module. Feed it every player event and every decision, in their order."""

    def __init__(self) -> None:
        self._players: dict[str, _Player] = {}
        self._plays = 0
        self._decided: Verdict | None = None
        self._hold_first = False
        self._paused_by_us: str | None = None

    @property
    def decided(self) -> Verdict | None:
        """The decision in force, None before the first."""
        return self._decided

    @property
    def paused_by_us(self) -> str | None:
        """The player that we paused and nobody touched since."""
        return self._paused_by_us

    def appeared(self, player: str, status: Status) -> None:
        """A player came to the bus with this status."""
        self._players[player] = _Player(status, self._next_play(status))

    def vanished(self, player: str) -> None:
        """A player left the bus; what we did to it is forgotten."""
        self._players.pop(player, None)
        if self._paused_by_us == player:
            self._paused_by_us = None

    def status_changed(self, player: str, status: Status) -> bool:
        """A player's status is now this.

        Returns:
            Whether it was the user's hand: a change that we did not ask for.
        """
        known = self._players.get(player)
        if known is None:
            self.appeared(player, status)
            return False
        if status is known.status:
            return False
        known.status = status
        known.active = max(known.active, self._next_play(status))
        ours = status is known.expected
        known.expected = None
        if not ours and self._paused_by_us == player:
            self._paused_by_us = None
        if not ours and self._decided is None and status is not Status.PLAYING:
            self._hold_first = True
        return not ours

    def settled(self, player: str, status: Status | None) -> None:
        """What we asked of a player is over: this is what it does now, None where nobody knows.

        Its next change of status is the user's again, also where our call changed nothing.
        """
        known = self._players.get(player)
        if known is None:
            return
        if status is not None:
            self.status_changed(player, status)
        known.expected = None
        if known.status is Status.PLAYING and self._paused_by_us == player:
            self._paused_by_us = None

    def decide(self, decision: Decision) -> Action | None:
        """What a decision calls for; None where it changes nothing."""
        if decision.verdict is self._decided:
            return None
        self._decided = decision.verdict
        if self._hold_first:
            self._hold_first = False
            return None
        if decision.verdict is Verdict.HEADPHONES_ON:
            return self._play(str(decision.verdict))
        return self._pause(str(decision.verdict))

    def restart(self) -> None:
        """The players went: the next decision is a new one, whatever it is."""
        self._decided = None
        self._hold_first = False

    def _play(self, reason: str) -> Action | None:
        if not self._players or self._playing():
            return None
        player = self._paused_by_us or max(self._players, key=lambda p: self._players[p].active)
        self._paused_by_us = None
        return self._ask(Command.PLAY, player, reason)

    def _pause(self, reason: str) -> Action | None:
        playing = list(self._playing())
        if not playing:
            return None
        player = max(playing, key=lambda p: self._players[p].active)
        self._paused_by_us = player
        return self._ask(Command.PAUSE, player, reason)

    def _ask(self, command: Command, player: str, reason: str) -> Action:
        self._players[player].expected = _RESULT[command]
        return Action(command, player, reason)

    def _playing(self) -> Iterable[str]:
        return [name for name, p in self._players.items() if p.status is Status.PLAYING]

    def _next_play(self, status: Status) -> int:
        if status is Status.PLAYING:
            self._plays += 1
            return self._plays
        return 0
