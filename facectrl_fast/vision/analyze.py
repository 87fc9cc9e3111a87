"""From a frame to a verdict: gate, locate, classify."""

from __future__ import annotations

from dataclasses import dataclass, replace

from facectrl_fast.types import Face, Frame, Verdict
from facectrl_fast.vision.classify import Classifier
from facectrl_fast.vision.gate import Gate
from facectrl_fast.vision.locate import Locator
from facectrl_fast.vision.recognize import Recognizer

CUT = 1 / 3
"""Share of the picture that moved from which on it may show somebody else."""
GRACE = 0.2
"""Seconds for which a face that was just there may be missed before the verdict is NO_FACE."""


@dataclass(frozen=True)
class Sighting:
    """What one frame shows."""

    verdict: Verdict
    timestamp: float
    face: Face | None = None
    on_probability: float | None = None
    """Of wearing headphones; None without a classified face."""
    still: bool = False
    """Repeated from the frame before, since nothing moved."""
    moved: float = 0.0
    """Share of the picture that moved since the frame analysed before."""
    missed: bool = False
    """A face that was just there is not found: look again, soon."""
    stranger: bool = False
    """There are faces, but not the owner's."""
    blind: bool = False
    """Too dark to see anybody."""


class FrameAnalyzer:
    """Judges frames one after the other."""

    def __init__(self, gate: Gate, locator: Locator, classifier: Classifier | None) -> None:
        """Put the stages together; without a classifier, all faces are PRESENT."""
        self._gate = gate
        self._locator = locator
        self._classifier = classifier
        self._last: Sighting | None = None
        self._face_seen = float("-inf")
        self._there = False
        self._misses = 0

    def analyze(self, frame: Frame) -> Sighting:
        """The sighting of a frame; frames come in the order of their timestamps."""
        now = frame.timestamp
        scene = self._gate.look(frame.array, frame.pixel_format, now)
        if scene.blind:
            # Nothing to repeat once there is light again.
            self._last = None
            self._locator.forget()
            verdict = Verdict.NO_FACE if scene.covered else Verdict.UNSURE
            return Sighting(verdict, now, blind=True)
        # What is only missed for now is no verdict to repeat.
        if scene.still and self._last is not None and not self._last.missed:
            return replace(self._last, timestamp=now, still=True, moved=0.0)
        if scene.moved > CUT:
            self._locator.doubt()
        self._last = replace(self._examine(frame), moved=scene.moved)
        self._gate.analysed(now)
        return self._last

    def use(self, classifier: Classifier | None, recognizer: Recognizer | None = None) -> None:
        """Judge by these from now on."""
        self._classifier = classifier
        self._locator.use(recognizer)
        self._last = None

    def forget(self) -> None:
        """The camera was away."""
        self._gate.forget()
        self._locator.forget()
        self._last = None
        self._there = False

    def _examine(self, frame: Frame) -> Sighting:
        now = frame.timestamp
        face = self._locator.locate(frame)
        if face is None and self._locator.others:
            # Other people neither play nor pause, and may be missed for a moment, too.
            self._seen_at(now)
            return Sighting(Verdict.UNSURE, now, stranger=True)
        if face is None:
            # However seldom it is looked, a single miss is no absence.
            if self._there and (self._misses == 0 or now - self._face_seen < GRACE):
                self._misses += 1
                return Sighting(Verdict.UNSURE, now, missed=True)
            self._there = False
            return Sighting(Verdict.NO_FACE, now)
        self._seen_at(now)
        if self._classifier is None:
            return Sighting(Verdict.PRESENT, now, face)
        result = self._classifier.classify(frame.array, frame.pixel_format, face.box)
        return Sighting(result.verdict, now, face, result.on_probability)

    def _seen_at(self, now: float) -> None:
        self._there = True
        self._misses = 0
        self._face_seen = now
