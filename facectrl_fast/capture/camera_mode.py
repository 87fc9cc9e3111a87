"""What a camera offers, and which of it is the least work."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

WANTED_SIZE = (640, 480)
"""A face a sixth of the picture high still fills the classifier's 64 pixels."""
LEAST_SIZE = (640, 360)
"""Smaller pictures are chosen only where there is no bigger one."""
BYTES_PER_PIXEL = {"GREY": 1.0, "NV12": 1.5, "YUYV": 2.0, "UYVY": 2.0}
"""The uncompressed formats in which luma can be read as it comes."""
COMPRESSED = "MJPG"
READABLE = (*BYTES_PER_PIXEL, COMPRESSED)


@dataclass(frozen=True)
class Interval:
    """Seconds between frames, from ``least`` to ``most``; mostly both are the same."""

    least: Fraction
    most: Fraction

    def nearest(self, wanted: Fraction) -> Fraction:
        """The longest one that is not longer than ``wanted``, else the shortest."""
        return min(max(wanted, self.least), self.most)


@dataclass(frozen=True)
class CameraMode:
    """A format and size, and the intervals between frames that the camera offers for them."""

    pixel_format: str
    """Four letters, as V4L2 names it."""
    width: int
    height: int
    intervals: tuple[Interval, ...] = ()
    """Empty where the driver does not tell."""

    @property
    def rates(self) -> tuple[float, ...]:
        """Frames a second, fastest first."""
        ends = {i.least for i in self.intervals} | {i.most for i in self.intervals}
        return tuple(float(1 / end) for end in sorted(ends))


@dataclass(frozen=True)
class ModeChoice:
    """A mode at one rate."""

    mode: CameraMode
    interval: Fraction
    """Seconds between frames."""
    shrink: int = 1
    """1, 2, 4 or 8: compressed pictures are decoded to this part of their size."""

    def __str__(self) -> str:
        mode = self.mode
        words = f"{mode.pixel_format} {mode.width}x{mode.height} at {_rounded(1 / self.interval)}/s"
        if self.shrink > 1:
            words += f", decoded at 1/{self.shrink} of its size"
        return words


def rank_modes(modes: Iterable[CameraMode], rate: float) -> list[ModeChoice]:
    """The modes that can be read, at their best rate, least work first.

    Enough frames and a useful size count most; then uncompressed before compressed, the size
    nearest to ``WANTED_SIZE``, the lowest rate (the camera and the bus rest, too), the fewest
    bytes.

    Args:
        modes: what the camera offers.
        rate: the frames a second that are needed.
    """
    wanted = 1 / Fraction(rate).limit_denominator(1000)
    choices = [_at_best_rate(mode, wanted) for mode in modes if mode.pixel_format in READABLE]
    return sorted(choices, key=lambda choice: _work(choice, wanted))


def _at_best_rate(mode: CameraMode, wanted: Fraction) -> ModeChoice:
    offered = [interval.nearest(wanted) for interval in mode.intervals] or [wanted]
    enough = [interval for interval in offered if interval <= wanted]
    shrink = 1
    if mode.pixel_format == COMPRESSED:
        fits = (s for s in (8, 4, 2) if _is_useful(mode.width // s, mode.height // s))
        shrink = next(fits, 1)
    return ModeChoice(mode, max(enough) if enough else min(offered), shrink)


def _work(choice: ModeChoice, wanted: Fraction) -> tuple[object, ...]:
    mode = choice.mode
    too_slow = choice.interval if choice.interval > wanted else Fraction(0)
    area = mode.width * mode.height / choice.shrink**2
    return (
        too_slow,
        not _is_useful(mode.width, mode.height),
        mode.pixel_format == COMPRESSED,
        abs(area - WANTED_SIZE[0] * WANTED_SIZE[1]),
        -choice.interval,
        BYTES_PER_PIXEL.get(mode.pixel_format, 0.0),
    )


def _is_useful(width: int, height: int) -> bool:
    return width >= LEAST_SIZE[0] and height >= LEAST_SIZE[1]


def _rounded(rate: Fraction) -> str:
    return f"{float(rate):.3g}"
