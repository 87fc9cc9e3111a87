"""What an endless recording shows, and when."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from facectrl_fast.demo import SCENES
from facectrl_fast.types import Verdict

WORDS = {
    Verdict.HEADPHONES_ON: "on",
    Verdict.HEADPHONES_OFF: "off",
    Verdict.NO_FACE: "away",
}


@dataclass
class Truth:
    """What the recording shows."""

    changes: tuple[tuple[float, str], ...]
    seconds: float

    def stretch(self, now: float) -> tuple[int, str, float]:
        """Number since the beginning of time, state and end of the stretch at a clip time."""
        rounds, within = divmod(now, self.seconds)
        k = max(i for i, (start, _) in enumerate(self.changes) if start <= within)
        ends = [start for start, _ in self.changes[1:]] + [self.seconds]
        number = int(rounds) * len(self.changes) + k
        return number, self.changes[k][1], rounds * self.seconds + ends[k]


def _demo() -> Truth:
    changes, at = [], 0.0
    for scene in SCENES:
        changes.append((at, WORDS[scene.shows]))
        at += scene.seconds
    return Truth(tuple(changes), at)


DEMO = _demo()
"""Of the clip that the demo writes."""


def truth_of(clip: Path, truth: Path) -> Truth:
    """Of a recording, as ``evaluation.video`` has it."""
    import cv2

    changes = [(s["t"], s["state"]) for s in json.loads(truth.read_text())["schedule"]]
    capture = cv2.VideoCapture(str(clip))
    frames, rate = (capture.get(what) for what in (cv2.CAP_PROP_FRAME_COUNT, cv2.CAP_PROP_FPS))
    capture.release()
    return Truth(tuple(changes), frames / rate)
