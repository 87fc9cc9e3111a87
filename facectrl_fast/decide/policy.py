"""Decides what to ask of which player. A pure state machine: no clock, no bus.

Decisions and player events go in, actions come out. The rules:

- Only a change of decision acts; while it lasts, the user's hand wins.
- Headphones on (or somebody there, where only that is asked for): play, unless a player plays
  already. What we paused is resumed, else the player that was active last is played.
- Headphones off, or nobody there: pause what plays.
- After a while in which nobody was watched, only what we paused is resumed, until something plays.
- A status change that we did not ask for is the user's: whatever it was, we leave it until the
  decision next changes, and what we had paused is no longer ours to resume. A player that was
  paused by hand before the first decision is left alone by that one, too.
"""

from __future__ import annotations

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
    late: Status | None = None
    """What we had asked for before that, also not seen yet."""
    paused_by_us: bool = False
    """And nobody touched it since."""
    held: bool = False
    """Paused by hand before the first decision."""

    @property
    def plays(self) -> bool:
        """Whether it plays, or will once it has done what we asked of it."""
        return (self.expected or self.status) is Status.PLAYING


RESULT = {Command.PLAY: Status.PLAYING, Command.PAUSE: Status.PAUSED}
"""What a player does once it has obeyed."""


def brings_about(status: Status, wanted: Status) -> bool:
    """Whether a status is what was asked for; radios stop where they are to pause."""
    return status is wanted or (status is Status.STOPPED and wanted is Status.PAUSED)


class Policy:
    """See the module. Feed it every player event and every decision, in their order."""

    def __init__(self) -> None:
        self._players: dict[str, _Player] = {}
        self._plays = 0
        self._decided: Verdict | None = None
        self._only_ours = False
        """To be resumed; nothing else is played."""

    @property
    def paused_by_us(self) -> frozenset[str]:
        """The players that we paused and nobody touched since."""
        return frozenset(name for name, p in self._players.items() if p.paused_by_us)

    def appeared(self, player: str, status: Status) -> None:
        """A player came to the bus with this status."""
        self._players[player] = _Player(status, self._next_play(status))

    def vanished(self, player: str) -> None:
        """A player left the bus; what we did to it is forgotten."""
        self._players.pop(player, None)

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
        was_playing = known.status is Status.PLAYING
        known.status = status
        known.active = max(known.active, self._next_play(status))
        late = known.late is not None and brings_about(status, known.late)
        ours = late or (known.expected is not None and brings_about(status, known.expected))
        if late:
            known.late = None
        else:
            known.expected = None
        if not ours or (status is Status.PLAYING and known.expected is None):
            known.paused_by_us = False
        if not ours:
            # A player that loads its last track goes from stopped to paused: nobody's hand.
            known.held = self._decided is None and was_playing
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
        known.expected = known.late = None
        if known.status is Status.PLAYING:
            known.paused_by_us = False

    def given_up(self, player: str) -> None:
        """What we asked of a player is waited for no more; comes it yet, it is ours."""
        known = self._players.get(player)
        if known is not None:
            known.late, known.expected = known.expected, None

    def decide(self, decision: Decision) -> list[Action]:
        """What a decision calls for; nothing where it is the one in force already."""
        if decision.verdict is self._decided:
            return []
        self._decided = decision.verdict
        if decision.verdict in (Verdict.HEADPHONES_ON, Verdict.PRESENT):
            actions = self._play(str(decision.verdict))
        else:
            actions = self._pause(str(decision.verdict))
        for player in self._players.values():
            player.held = False
        return actions

    def restart(self) -> None:
        """What was decided does not hold any more: the next decision is a new one."""
        self._decided = None
        self._only_ours = False

    def looked_away(self) -> None:
        """Nobody was watched for a while: resume what we paused, and no other, until one plays."""
        self._only_ours = True

    def _play(self, reason: str) -> list[Action]:
        if any(player.plays for player in self._players.values()):
            # The user listens to something else: what was paused before that is theirs again.
            for player in self._players.values():
                player.paused_by_us = False
            return []
        chosen = [name for name, p in self._players.items() if p.paused_by_us]
        if not chosen and not self._only_ours:
            free = [name for name, p in self._players.items() if not p.held]
            chosen = sorted(free, key=lambda name: self._players[name].active)[-1:]
        return [self._ask(Command.PLAY, name, reason) for name in chosen]

    def _pause(self, reason: str) -> list[Action]:
        playing = [name for name, p in self._players.items() if p.plays]
        return [self._ask(Command.PAUSE, name, reason) for name in playing]

    def _ask(self, command: Command, name: str, reason: str) -> Action:
        player = self._players[name]
        player.late, player.expected = player.expected, RESULT[command]
        # What is to be resumed is ours until it plays: it may fail.
        player.paused_by_us = player.paused_by_us or command is Command.PAUSE
        return Action(command, name, reason)

    def _next_play(self, status: Status) -> int:
        if status is Status.PLAYING:
            self._only_ours = False
            self._plays += 1
            return self._plays
        return 0
