"""Faces by a single-shot network with anchors, as ``train detector`` makes them.

What the network is not sure of is looked at again, closely: cut out, and so large that a face can
be told from what looks like one from afar. For the smallest faces that is up to four times as large
as in the search, for three fifths of the pixels; to search all of the picture so closely would be
sixteen times. A network of its own may do that, which learned from such looks alone: it lies beside
the other, called ``NAME.close.onnx`` where that is ``NAME.onnx``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

from facectrl_fast._native import AnchorLooks
from facectrl_fast.config import LEAST_SHARE
from facectrl_fast.files import is_file
from facectrl_fast.models import PACKAGED_DETECTOR
from facectrl_fast.types import (
    Box,
    Face,
    PixelFormat,
    UInt8Array,
    holds_middle,
    overlap,
)
from facectrl_fast.vision.anchor_network import MOST_SIZES, AnchorNetwork
from facectrl_fast.vision.detect import DRAWN_SMALL, JUST_TOO_SMALL

LOWEST_SCORE = 0.02
"""Of what a sensitive detector gives."""
DOUBTFUL, SURE = 0.2, 0.75
"""Scores between which a box is looked at closely; then that look decides."""
ANOTHER = 0.25
"""Score from which on that is done once a face is found."""
LIKELY = 0.5
"""Score, at least, of a face that was just there, to be one without a close look."""
MOST_DOUBTS = 2
"""So many boxes of a picture, the best, are looked at closely."""
AROUND = 0.5, 0.5
"""Of its width and height is added, half on each side, to be seen then."""
CLOSE = 0.675
"""Height of the face then, in that of the pictures which the network that looks was trained on."""
MOST_ENLARGED = 2.0
"""Times, at most, that a picture is enlarged for that, or what the search saw where that was larger
than the picture: more would show nothing more."""
SAME = 0.4
"""Overlap of what a close look finds with the box that it was for."""


def close_looks_beside(path: Path) -> Path:
    """Where the network lies that looks closely for the detector of that file, if there is one."""
    return path.with_name(f"{path.name.removesuffix('.onnx')}.close.onnx")


@dataclass(slots=True)
class Picture:
    """A picture that faces are looked for in."""

    image: UInt8Array
    pixel_format: PixelFormat
    least: float
    """Height of the smallest face wanted."""


class SsdDetector:
    """Feeds the image to the network at the smallest size at which the faces wanted are found."""

    def __init__(
        self,
        path: Path = PACKAGED_DETECTOR,
        least_share: float = LEAST_SHARE,
        sensitive: bool = False,
        close: Path | None = None,
    ) -> None:
        """Load the model.

        Args:
            path: its .onnx file.
            least_share: the smallest face to find, as a share of the image's height.
            sensitive: see ``open_detector``.
            close: the .onnx of the network for close looks, or ``path`` for the same one; by
                default what lies beside it, or the same one.

        Raises:
            UserError: there is no such file, or it is no face detector of ours.
        """
        self._network = AnchorNetwork(path)
        self.description = self._network.description
        if close is None:
            beside = close_looks_beside(path)
            close = beside if is_file(beside) else path
        self._close = self._network if close == path else AnchorNetwork(close)
        self.name = self.description.network
        # Close looks decide.
        self.used_score = self._close.description.score
        self._sure = max(SURE, self.used_score)
        self._least_share = least_share
        self._least_box = JUST_TOO_SMALL if sensitive else DRAWN_SMALL
        """Height of the smallest box given, as a share of that of the smallest face."""
        self._least_score = LOWEST_SCORE if sensitive else self.used_score
        lowest = min(DOUBTFUL, self._least_score)
        self._looks = self._network.looks(lowest)
        same = self._close is self._network
        self._close_looks = self._looks if same else self._close.looks(lowest)
        self._input_size = lru_cache(MOST_SIZES)(
            partial(_smallest_input, self._looks, self.description.face)
        )

    def detect(
        self, image: UInt8Array, pixel_format: PixelFormat, least_share: float | None = None
    ) -> list[Face]:
        """See ``Detector.detect``."""
        return self._faces(image, pixel_format, least_share, self._sure)

    def find_again(
        self, image: UInt8Array, pixel_format: PixelFormat, least_share: float | None = None
    ) -> list[Face]:
        """See ``QuickDetector.find_again``: what scores like a face is not looked at closely."""
        likely = min(max(self.used_score, self.description.score, LIKELY), self._sure)
        return self._faces(image, pixel_format, least_share, likely)

    def first_look(self, image: UInt8Array, pixel_format: PixelFormat) -> list[Face]:
        """What a search finds before anything is looked at closely, best first.

        What scores less than a doubt is given by sensitive detectors alone.
        """
        return self._searched(*self._picture(image, pixel_format, self._least_share))

    def _faces(
        self,
        image: UInt8Array,
        pixel_format: PixelFormat,
        least_share: float | None,
        sure: float,
    ) -> list[Face]:
        """All faces, biggest first; boxes that score less than ``sure`` are looked at closely."""
        picture, size = self._picture(image, pixel_format, least_share or self._least_share)
        if self.description.face > MOST_ENLARGED * picture.least:
            # So few pixels that the search saw them all, enlarged: a likely face stays one.
            sure = self.used_score
        faces = self._decided(picture, self._searched(picture, size), sure)
        wanted = [
            face
            for face in faces
            if face.score >= self._least_score and face.box[3] >= self._least_box * picture.least
        ]
        return sorted(wanted, key=lambda face: face.box[2] * face.box[3], reverse=True)

    def _picture(
        self, image: UInt8Array, pixel_format: PixelFormat, share: float
    ) -> tuple[Picture, tuple[int, int]]:
        """It, and the size at which to search it for faces from that share of its height on."""
        rows, width = image.shape[:2]
        height = rows * 2 // 3 if pixel_format is PixelFormat.NV12 else rows
        return Picture(image, pixel_format, share * height), self._input_size(height, width, share)

    def _searched(self, picture: Picture, size: tuple[int, int]) -> list[Face]:
        """What the network finds in all of the picture, best first; ``size`` is its input's."""
        found = self._looks.search(picture.image, picture.pixel_format, *size)
        return [Face(box, score) for box, score in found]

    def _decided(self, picture: Picture, found: Sequence[Face], sure: float) -> list[Face]:
        """Of what a search found, best first, the sure and what close looks make of the doubtful.

        For those who judge by all scores, the rest keeps that of a doubt at most.
        """
        faces: list[Face] = []
        settled: list[Box] = []
        doubts = 0
        for known in found:
            face: Face | None = None
            if known.score >= sure:
                face = known
            elif doubts < MOST_DOUBTS and _is_worth_a_close_look(picture, known, settled):
                doubts += 1
                face = self._looked_at_closely(picture, known)
            elif self._least_score <= DOUBTFUL:
                face = Face(known.box, min(known.score, DOUBTFUL))
            if face is None:
                continue
            faces.append(face)
            if face.score >= self.used_score:
                settled.append(face.box)
        return self._apart(faces)

    def _apart(self, faces: Sequence[Face]) -> list[Face]:
        """The best of those that lie on one another: close looks may find the same face."""
        if len(faces) < 2:
            return list(faces)
        kept: list[Face] = []
        for face in sorted(faces, key=lambda face: face.score, reverse=True):
            if all(overlap(face.box, other.box) <= self.description.overlap for other in kept):
                kept.append(face)
        return kept

    def _looked_at_closely(self, picture: Picture, doubtful: Face) -> Face | None:
        found = self._close_looks.look_closely(
            picture.image,
            picture.pixel_format,
            doubtful.box,
            face=CLOSE * self._close.description.height,
            most_enlarged=MOST_ENLARGED * max(self.description.face / picture.least, 1.0),
            expansion=AROUND,
            same=SAME,
        )
        return Face(*found) if found else None


def _smallest_input(
    looks: AnchorLooks, face: float, height: int, width: int, share: float
) -> tuple[int, int]:
    """Rows and columns at which the smallest face is just big enough."""
    rows = face / share
    return looks.fitting(rows, rows * width / height)


def _is_worth_a_close_look(picture: Picture, face: Face, settled: Sequence[Box]) -> bool:
    return (
        face.score >= (ANOTHER if settled else DOUBTFUL)
        and face.box[3] >= JUST_TOO_SMALL * picture.least
        and not any(_on_one_another(face.box, box) for box in settled)
    )


def _on_one_another(first: Box, second: Box) -> bool:
    """Whether the middle of one is in the other."""
    return holds_middle(first, second) or holds_middle(second, first)
