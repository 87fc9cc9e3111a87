"""The gate in front of the analysis: scenes in which nothing moved, and darkness."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from facectrl_fast._native import LumaGate
from facectrl_fast.types import PixelFormat, UInt8Array

STILL_SHARE = 0.004
"""Of the sampled cells: fewer that changed are no motion (3 of 768)."""
REEXAMINE = 2.0
"""Seconds after which a still scene is analysed again."""
DARK = 14.0
"""Mean luma, 0 to 255, below which nobody can be seen."""
FLAT = 3.0
"""Standard deviation of the luma below which there is nothing to see: a lens covered by a hand."""
AT_ONCE = 1.0
"""Seconds in which a picture that could be seen well has to turn blind to count as covered."""


@dataclass(frozen=True)
class Scene:
    """What the gate says of a frame."""

    still: bool
    """Nothing moved since the frame that was analysed last: its verdict holds."""
    moved: float
    """Share of the picture that did."""
    blind: bool
    """Too dark or too flat to see anybody."""
    covered: bool
    """Blind, and it came at once: somebody put a hand or a cover on the lens."""


class Gate:
    """Looks at a sampled luma grid of each frame, for a few microseconds."""

    def __init__(self, still_share: float = STILL_SHARE, reexamine: float = REEXAMINE) -> None:
        self._gate = LumaGate()
        self._still_share = still_share
        self._reexamine = reexamine
        self._analysed = float("-inf")
        self._seeing: deque[tuple[float, float, float]] = deque(maxlen=64)
        self._blind = False
        self._covered = False

    def look(self, image: UInt8Array, pixel_format: PixelFormat, timestamp: float) -> Scene:
        """Compare a frame with the one that was analysed last.

        Args:
            image: the frame, at least 32 x 24 pixels.
            pixel_format: how to read it.
            timestamp: the frame's, in seconds.

        Raises:
            ValueError: the image does not fit its format or is too small.
        """
        change = self._gate.compare(image, pixel_format)
        blind = change.brightness < DARK or change.contrast < FLAT
        if not blind:
            self._covered = False
            self._seeing.append((timestamp, change.brightness, change.contrast))
        elif not self._blind:
            self._covered = any(
                timestamp - when <= AT_ONCE and brightness > 2 * DARK and contrast > 2 * FLAT
                for when, brightness, contrast in self._seeing
            )
            self._seeing.clear()
        self._blind = blind
        fresh = 0 <= timestamp - self._analysed < self._reexamine
        still = fresh and change.moved_share < self._still_share
        return Scene(still, change.moved_share, blind, self._covered)

    def analysed(self, timestamp: float) -> None:
        """The frame looked at last was analysed: compare with it from now on."""
        self._gate.keep()
        self._analysed = timestamp

    def forget(self) -> None:
        """The camera was away: the next frame is new, whatever it shows."""
        self._gate.forget()
        self._analysed = float("-inf")
        self._seeing.clear()
        self._blind = self._covered = False
