"""Runs the whole pipeline on a video of known truth: how soon it reacts, and what it does wrongly.

The truth is a JSON file: ``{"schedule": [{"t": seconds, "state": STATE}, ...]}``, the first
at 0, each later than the one before; STATE is ``on``, ``off`` or ``away`` and holds until the next.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from math import inf
from pathlib import Path
from statistics import median

from facectrl_fast.build import build_analyzer
from facectrl_fast.capture.source import open_source
from facectrl_fast.config import RunOptions
from facectrl_fast.desktop.display import View
from facectrl_fast.errors import NONSENSE, UserError
from facectrl_fast.mainloop import MainLoop
from facectrl_fast.player.dry_run import DryRunPlayers
from facectrl_fast.player.mpris import PlayerEvents
from facectrl_fast.types import Action, Command, Frame, Verdict
from facectrl_fast.vision.analyze import Sighting
from facectrl_fast.watch import Watcher

WANTED = {"on": Command.PLAY, "off": Command.PAUSE, "away": Command.PAUSE}
RIGHT = {
    "on": Verdict.HEADPHONES_ON,
    "off": Verdict.HEADPHONES_OFF,
    "away": Verdict.NO_FACE,
}


@dataclass(frozen=True)
class Truth:
    """What a video shows, from when on."""

    changes: tuple[tuple[float, str], ...]
    """Seconds and states, in order."""

    @classmethod
    def read(cls, path: Path) -> Truth:
        """Read the JSON file.

        Raises:
            UserError: it cannot be read or is no such file.
        """
        try:
            schedule = json.loads(path.read_text(encoding="utf-8"))["schedule"]
            changes = tuple((float(entry["t"]), str(entry["state"])) for entry in schedule)
        except OSError as error:
            raise UserError(f"cannot read the truth {path}: {error.strerror}") from None
        except NONSENSE:
            raise UserError(
                f'{path} is no truth: it needs {{"schedule": [{{"t": 0, "state": "on"}}, ...]}}'
            ) from None
        times = [t for t, _ in changes]
        if not changes or times[0] != 0 or not all(a < b < inf for a, b in pairwise(times)):
            raise UserError(f"{path}: the schedule must begin at 0, and each change come later")
        for _, state in changes:
            if state not in WANTED:
                raise UserError(f"{path}: the state '{state}' is none of {', '.join(WANTED)}")
        return cls(changes)

    def state(self, seconds: float) -> str:
        """What is to be seen then."""
        return next(state for t, state in reversed(self.changes) if t <= max(seconds, 0))

    def commands(self) -> Iterator[tuple[float, float, Command]]:
        """Stretches (from, to) of the same wanted command; a player plays at first."""
        merged: list[tuple[float, Command]] = []
        for seconds, state in self.changes:
            if not merged or merged[-1][1] is not WANTED[state]:
                merged.append((seconds, WANTED[state]))
        ends = [*merged[1:], (inf, Command.PLAY)]
        for (begin, command), (end, _) in zip(merged, ends, strict=True):
            yield begin, end, command


@dataclass
class VideoJudgement:
    """What the pipeline did on a video."""

    truth: Truth
    actions: list[tuple[float, Command]] = field(default_factory=list)
    """Seconds into the video, and what was asked of the player."""
    looks: Counter[tuple[str, Verdict]] = field(default_factory=Counter)
    """How often each verdict fell in each true state."""

    def reactions(self) -> list[tuple[float, Command, float | None]]:
        """When something was due, what, and seconds until it was done; None where it was not."""
        found = []
        for begin, end, command in self.truth.commands():
            if begin == 0 and command is Command.PLAY:
                continue  # it plays already
            done = [t for t, asked in self.actions if begin <= t < end and asked is command]
            found.append((begin, command, done[0] - begin if done else None))
        return found

    def false_actions(self) -> list[tuple[float, Command]]:
        """What was asked of the player while the opposite was right."""
        return [(t, asked) for t, asked in self.actions if asked is not WANTED[self.truth.state(t)]]

    def lines(self) -> Iterator[str]:
        """A line a figure."""
        reactions = self.reactions()
        for due, command, after in reactions:
            words = "MISSED" if after is None else f"after {after:.2f} s"
            yield f"{due:>7.1f} s  {command.value.lower():<6} {words}"
        times = [after for _, _, after in reactions if after is not None]
        if times:
            yield f"reaction       median {median(times):.2f} s, slowest {max(times):.2f} s"
        yield f"missed         {len(reactions) - len(times)} of {len(reactions)}"
        false = self.false_actions()
        when = ", ".join(f"{command.value.lower()} at {t:.1f} s" for t, command in false)
        yield f"false actions  {len(false)}" + (f": {when}" if when else "")
        for state in WANTED:
            counts = {v: n for (s, v), n in self.looks.items() if s == state}
            total = sum(counts.values())
            if total:
                shares = ", ".join(
                    f"{n / total:.1%} {'right' if v is RIGHT[state] else v}"
                    for v, n in sorted(counts.items(), key=lambda item: -item[1])
                )
                yield f"looks, {state:<7} {total}: {shares}"


class _ObservedPlayers(DryRunPlayers):
    """Notes what is asked of it, and when."""

    def __init__(self, events: PlayerEvents, judgement: VideoJudgement) -> None:
        super().__init__(events)
        self._judgement = judgement
        self.watcher: Watcher | None = None

    def perform(self, action: Action) -> None:
        self._judgement.actions.append((_position(self.watcher), action.command))
        super().perform(action)


class _Observer:
    """Notes each verdict, in a display's place."""

    def __init__(self, judgement: VideoJudgement) -> None:
        self._judgement = judgement
        self.watcher: Watcher | None = None

    def show(self, _frame: Frame, sighting: Sighting, _view: View) -> bool:
        state = self._judgement.truth.state(_position(self.watcher))
        self._judgement.looks[state, sighting.verdict] += 1
        return True

    def close(self) -> None:
        """Nothing to close."""


def _position(watcher: Watcher | None) -> float:
    assert watcher is not None, "nothing is judged before the watcher runs"
    position = watcher.position
    assert position is not None, "a file has positions"
    return position


def judge_video(video: Path, truth: Truth, options: RunOptions) -> VideoJudgement:
    """Run the pipeline on a video, as fast as it goes, with an imaginary player.

    Args:
        video: the file.
        truth: what it shows.
        options: model, detector and tracker; the other options do not matter.

    Raises:
        UserError: the video, a model or detector file cannot be used.
    """
    if not video.is_file():
        raise UserError(f"there is no video {video}; --video takes a file")
    judgement = VideoJudgement(truth)
    source = open_source(str(video), realtime=False)
    source.check()
    observer = _Observer(judgement)
    made: list[_ObservedPlayers] = []

    def make_players(events: PlayerEvents) -> _ObservedPlayers:
        made.append(_ObservedPlayers(events, judgement))
        return made[0]

    watcher = Watcher(MainLoop(), source, build_analyzer(options), options, make_players, observer)
    observer.watcher = made[0].watcher = watcher
    watcher.run()
    if watcher.stopped_by is not None:
        raise KeyboardInterrupt
    return judgement
