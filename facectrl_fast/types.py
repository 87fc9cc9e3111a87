"""The small frozen types that pass from stage to stage."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, IntEnum

import numpy as np
from numpy.typing import NDArray

from facectrl_fast._native import Frame, PixelFormat

__all__ = [
    "Action",
    "Box",
    "Command",
    "Decision",
    "Face",
    "Float32Array",
    "Frame",
    "PixelFormat",
    "UInt8Array",
    "Verdict",
]

UInt8Array = NDArray[np.uint8]
Float32Array = NDArray[np.float32]
Box = tuple[float, float, float, float]
"""x, y, width, height in pixels of the frame."""


@dataclass(frozen=True)
class Face:
    """A face found in a frame: forehead to chin, temple to temple."""

    box: Box
    score: float
    """How sure the detector is, 0 to 1."""
    landmarks: tuple[tuple[float, float], ...] | None = None
    """Right eye, left eye, nose tip, right and left corner of the mouth, in pixels."""


def shared_area(first: Box, second: Box) -> float:
    """What is in both boxes."""
    wide = min(first[0] + first[2], second[0] + second[2]) - max(first[0], second[0])
    tall = min(first[1] + first[3], second[1] + second[3]) - max(first[1], second[1])
    return wide * tall if wide > 0 and tall > 0 else 0.0


def overlap(first: Box, second: Box) -> float:
    """Intersection over union."""
    shared = shared_area(first, second)
    if not shared:
        return 0.0
    return shared / (first[2] * first[3] + second[2] * second[3] - shared)


def holds_middle(box: Box, other: Box) -> bool:
    """Whether the middle of the other box is in the first."""
    x, y = other[0] + other[2] / 2, other[1] + other[3] / 2
    return box[0] <= x < box[0] + box[2] and box[1] <= y < box[1] + box[3]


class Verdict(IntEnum):
    """What one analysed frame shows."""

    HEADPHONES_ON = 0
    HEADPHONES_OFF = 1
    NO_FACE = 2
    PRESENT = 3
    """A face, where nobody asks for headphones."""
    UNSURE = 4
    """Too dark, somebody else, or the classifier cannot tell: abstains from the vote."""

    def __str__(self) -> str:
        return _WORDS[self]


_WORDS = {
    Verdict.HEADPHONES_ON: "headphones on",
    Verdict.HEADPHONES_OFF: "headphones off",
    Verdict.NO_FACE: "nobody there",
    Verdict.PRESENT: "somebody there",
    Verdict.UNSURE: "unsure",
}


@dataclass(frozen=True)
class Decision:
    """A verdict that held for its whole vote window."""

    verdict: Verdict
    since: float
    """When the streak of equal verdicts began, in seconds of the frames' clock."""


class Command(Enum):
    """What can be asked of a player. Never PlayPause: it does the wrong thing in a race."""

    PLAY = "Play"
    PAUSE = "Pause"


@dataclass(frozen=True)
class Action:
    """One thing to ask of one player, and why."""

    command: Command
    player: str
    """The player's bus name."""
    reason: str
