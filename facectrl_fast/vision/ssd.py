"""Faces by a single-shot network with anchors, as ``train detector`` makes them.

What the network is not sure of is looked at again, closely: cut out, and so large that a face can
be told from what looks like one from afar. For the smallest faces that is up to four times as large
as in the search, for three fifths of its work; to search all of the picture so closely would be
sixteen times.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from facectrl_fast._native import BoxDecoder
from facectrl_fast.config import LEAST_SHARE
from facectrl_fast.errors import UserError
from facectrl_fast.models import PACKAGED_DETECTOR
from facectrl_fast.types import (
    Box,
    Face,
    Float32Array,
    PixelFormat,
    UInt8Array,
    holds_middle,
    overlap,
)
from facectrl_fast.vision.detect import DRAWN_SMALL, JUST_TOO_SMALL
from facectrl_fast.vision.detector_file import DetectorDescription
from facectrl_fast.vision.preprocess import WHOLE_IMAGE, Preprocessing
from facectrl_fast.vision.runtime import BoundInput, open_session, run_session

MOST_PIXELS, MOST_SIDE = 1 << 20, 4096
"""Of an input, whatever picture is looked at."""
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
CLOSE_LOOK = Preprocessing(expansion=(0.5, 0.5))
"""What of a picture is seen then."""
CLOSE = 4.0
"""Height of the face then, in those of the smallest face that a search finds."""
MOST_ENLARGED = 2.0
"""Times, at most, that a picture is enlarged for that, or what the search saw where that was larger
than the picture: more would show nothing more."""
MOST_SIZES = 16
"""Of inputs, that are kept."""
ROWS_READ = 3
"""Of a picture, at least, for each row of the network's input."""
SAME = 0.4
"""Overlap of what a close look finds with the box that it was for."""


class SsdDetector:
    """Feeds the image to the network at the smallest size at which the faces wanted are found."""

    def __init__(
        self,
        path: Path = PACKAGED_DETECTOR,
        least_share: float = LEAST_SHARE,
        sensitive: bool = False,
    ) -> None:
        """Load the model.

        Args:
            path: its .onnx file.
            least_share: the smallest face to find, as a share of the image's height.
            sensitive: see ``open_detector``.

        Raises:
            UserError: there is no such file, or it is no face detector of ours.
        """
        self._session = open_session(path)
        self.description = DetectorDescription.from_metadata(
            self._session.get_modelmeta().custom_metadata_map, path
        )
        self.name = self.description.network
        self.used_score = self.description.score
        self._least_share = least_share
        self._least_box = JUST_TOO_SMALL if sensitive else DRAWN_SMALL
        """Height of the smallest box given, as a share of that of the smallest face."""
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        self._input_name = inputs[0].name if inputs else ""
        self._output_names = [output.name for output in outputs]
        levels = self.description.levels
        if not (
            [i.type for i in inputs] == ["tensor(float)"]
            and all(o.type == "tensor(float)" for o in outputs)
            and len(inputs[0].shape) == 4
            and inputs[0].shape[1] == self.description.channels
            # None of a fixed size.
            and not any(isinstance(side, int) for side in inputs[0].shape[2:])
            and self._gives_its_levels()
        ):
            raise UserError(
                f"{path}: its input or output does not fit its metadata; train it again"
            )
        self._least_score = LOWEST_SCORE if sensitive else self.used_score
        self._decoder = BoxDecoder(
            [(level.stride, level.shapes) for level in levels],
            min(DOUBTFUL, self._least_score),
            self.description.overlap,
        )
        self._inputs: dict[tuple[int, int], BoundInput] = {}
        """By their rows and columns."""

    def detect(
        self, image: UInt8Array, pixel_format: PixelFormat, least_share: float | None = None
    ) -> list[Face]:
        """See ``Detector.detect``."""
        return self._faces(image, pixel_format, least_share, SURE)

    def find_again(
        self, image: UInt8Array, pixel_format: PixelFormat, least_share: float | None = None
    ) -> list[Face]:
        """See ``QuickDetector.find_again``: what scores like a face is not looked at closely."""
        likely = min(max(self.used_score, LIKELY), SURE)
        return self._faces(image, pixel_format, least_share, likely)

    def run(self, batch: Float32Array) -> list[Float32Array]:
        """The network's outputs for an input (1, channels, h, w), one a level."""
        return run_session(self._session, self._output_names, {self._input_name: batch})

    def _faces(
        self,
        image: UInt8Array,
        pixel_format: PixelFormat,
        least_share: float | None,
        sure: float,
    ) -> list[Face]:
        """All faces, biggest first; boxes that score less than ``sure`` are looked at closely."""
        share = least_share or self._least_share
        rows, width = image.shape[:2]
        height = rows * 2 // 3 if pixel_format is PixelFormat.NV12 else rows
        picture = _Picture(image, pixel_format, width, height, share * height)
        size = self._input_size(height, width, share)
        faces = self._decided(picture, self._look(picture, (0, 0, width, height), size), sure)
        wanted = [
            face
            for face in faces
            if face.score >= self._least_score and face.box[3] >= self._least_box * picture.least
        ]
        return sorted(wanted, key=lambda face: face.box[2] * face.box[3], reverse=True)

    def _decided(self, picture: _Picture, found: Sequence[Face], sure: float) -> list[Face]:
        """Of what a search found, best first, the sure and what close looks make of the doubtful.

        The rest keeps the score of a doubt at most, and is for those who judge by all scores.
        """
        faces: list[Face] = []
        settled: list[Box] = []
        doubts = 0
        for known in found:
            face: Face | None = known
            if known.score < sure:
                if doubts < MOST_DOUBTS and _is_worth_a_close_look(picture, known, settled):
                    doubts += 1
                    face = self._looked_at_closely(picture, known)
                else:
                    face = Face(known.box, min(known.score, DOUBTFUL))
            if face is None:
                continue
            faces.append(face)
            if face.score >= self.used_score:
                settled.append(face.box)
        return self._apart(faces)

    def _apart(self, faces: Sequence[Face]) -> list[Face]:
        """The best of those that lie on one another: close looks may find the same face."""
        kept: list[Face] = []
        for face in sorted(faces, key=lambda face: face.score, reverse=True):
            if all(overlap(face.box, other.box) <= self.description.overlap for other in kept):
                kept.append(face)
        return kept

    def _looked_at_closely(self, picture: _Picture, doubtful: Face) -> Face | None:
        try:
            crop = CLOSE_LOOK.crop_box(doubtful.box, picture.width, picture.height)
        except ValueError:  # it lies outside of the picture
            return None
        face = self.description.face
        enlarged = MOST_ENLARGED * max(face / picture.least, 1.0)
        scale = min(CLOSE * face / doubtful.box[3], enlarged)
        found = self._look(picture, crop, self._fitting(scale * crop[3], scale * crop[2]))
        same = [face for face in found if overlap(face.box, doubtful.box) >= SAME]
        return max(same, key=lambda face: face.score, default=None)

    def _look(
        self, picture: _Picture, crop: tuple[int, int, int, int], size: tuple[int, int]
    ) -> list[Face]:
        """What the network finds in a part of a picture, best first.

        Args:
            picture: the whole one.
            crop: x, y, width, height of the part.
            size: rows and columns of the network's input.
        """
        bound = self._input(*size)
        self._fill(bound.array, picture, crop)
        found = self._decoder.decode(bound.run())
        left, top, width, height = crop
        # Both ways by what it was shrunk by, which rounding to whole cells makes differ a little.
        across, down = width / size[1], height / size[0]
        return [
            Face((left + x * across, top + y * down, w * across, h * down), score)
            for x, y, w, h, score in found.tolist()
        ]

    def _input_size(self, height: int, width: int, share: float) -> tuple[int, int]:
        """Rows and columns at which the smallest face is just big enough."""
        rows = self.description.face / share
        return self._fitting(rows, rows * width / height)

    def _fitting(self, rows: float, columns: float) -> tuple[int, int]:
        """The nearest size that the network takes."""
        if rows * columns > MOST_PIXELS or max(rows, columns) > MOST_SIDE:
            shrink = min((MOST_PIXELS / (rows * columns)) ** 0.5, 1.0)
            rows, columns = min(rows * shrink, MOST_SIDE), min(columns * shrink, MOST_SIDE)
        multiple = self.description.multiple
        return _to_multiple(rows, multiple), _to_multiple(columns, multiple)

    def _input(self, rows: int, columns: int) -> BoundInput:
        """An input of that size, which is used again."""
        known = self._inputs.get((rows, columns))
        if known is None:
            if len(self._inputs) >= MOST_SIZES:
                self._inputs.clear()
            shape = (1, self.description.channels, rows, columns)
            outputs = dict(zip(self._output_names, self._shapes(rows, columns), strict=True))
            known = BoundInput(self._session, self._input_name, shape, outputs)
            self._inputs[rows, columns] = known
        return known

    def _shapes(self, rows: int, columns: int) -> list[tuple[int, ...]]:
        """Of the outputs for such an input."""
        return [
            (1, 5 * len(level.shapes), *level.grid(rows, columns))
            for level in self.description.levels
        ]

    def _gives_its_levels(self) -> bool:
        """Whether the outputs are those that the metadata tells of."""
        side = self.description.multiple
        smallest = np.zeros((1, self.description.channels, side, side), np.float32)
        try:
            outputs = self.run(smallest)
        except MemoryError:
            raise
        except Exception:  # ONNX Runtime raises a class of its own for each status
            return False
        return [output.shape for output in outputs] == self._shapes(side, side)

    def _fill(
        self, batch: Float32Array, picture: _Picture, crop: tuple[int, int, int, int]
    ) -> None:
        left, top, width, height = crop
        if self.description.channels == 3 and picture.pixel_format is PixelFormat.BGR24:
            import cv2  # late: gray networks need nothing of it

            rows, columns = batch.shape[2:]
            part = picture.image[top : top + height, left : left + width]
            small = cv2.resize(part, (columns, rows), interpolation=cv2.INTER_AREA)
            batch[0] = np.moveaxis(small, 2, 0) / np.float32(255)
            return
        image = picture.image
        # Of a large picture more rows than these would be read for nothing to be seen.
        step = height // (ROWS_READ * batch.shape[2])
        if step > 1 and picture.pixel_format is not PixelFormat.NV12:  # has rows of chroma, too
            image = image[top + (step - 1) // 2 : top + height : step]
            top, height = 0, len(image)
        box = (float(left), float(top), float(width), float(height))
        WHOLE_IMAGE(image, picture.pixel_format, box, batch[:, :1])
        if self.description.channels > 1:
            batch[:, 1:] = batch[:, :1]


@dataclass(slots=True)
class _Picture:
    """A picture that faces are looked for in."""

    image: UInt8Array
    pixel_format: PixelFormat
    width: int
    height: int
    least: float
    """Height of the smallest face wanted."""


def _is_worth_a_close_look(picture: _Picture, face: Face, settled: Sequence[Box]) -> bool:
    return (
        face.score >= (ANOTHER if settled else DOUBTFUL)
        and face.box[3] >= JUST_TOO_SMALL * picture.least
        and not any(_on_one_another(face.box, box) for box in settled)
    )


def _on_one_another(first: Box, second: Box) -> bool:
    """Whether the middle of one is in the other."""
    return holds_middle(first, second) or holds_middle(second, first)


def _to_multiple(pixels: float, multiple: int) -> int:
    return max(round(pixels / multiple), 1) * multiple
