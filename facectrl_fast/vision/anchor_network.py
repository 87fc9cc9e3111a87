"""A network with anchors in use: what it finds in a part of a picture, at any size of its input."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from facectrl_fast._native import BoxDecoder
from facectrl_fast.errors import UserError
from facectrl_fast.types import Face, Float32Array, PixelFormat, UInt8Array
from facectrl_fast.vision.detector_file import DetectorDescription
from facectrl_fast.vision.preprocess import WHOLE_IMAGE
from facectrl_fast.vision.runtime import BoundInput, open_session, run_session

MOST_PIXELS, MOST_SIDE = 1 << 20, 4096
"""Of an input, whatever picture is looked at."""
MOST_SIZES = 16
"""Of inputs, that are kept."""
ROWS_READ = 3
"""Of a picture, at least, for each row of the network's input."""


@dataclass(slots=True)
class Picture:
    """A picture that faces are looked for in."""

    image: UInt8Array
    pixel_format: PixelFormat
    width: int
    height: int
    least: float
    """Height of the smallest face wanted."""


class AnchorNetwork:
    """What ``train detector`` makes, from its file."""

    def __init__(self, path: Path) -> None:
        """Load it.

        Args:
            path: its .onnx file.

        Raises:
            UserError: there is no such file, or it is no face detector of ours.
        """
        self._session = open_session(path)
        self.description = DetectorDescription.from_metadata(
            self._session.get_modelmeta().custom_metadata_map, path
        )
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        self._input_name = inputs[0].name if inputs else ""
        self._output_names = [output.name for output in outputs]
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
        self._inputs: dict[tuple[int, int], BoundInput] = {}
        """By their rows and columns."""

    def decoder(self, least_score: float) -> BoxDecoder:
        """What makes boxes of its outputs, of that score or more."""
        levels = [(level.stride, level.shapes) for level in self.description.levels]
        return BoxDecoder(levels, least_score, self.description.overlap)

    def run(self, batch: Float32Array) -> list[Float32Array]:
        """The outputs for an input (1, channels, h, w), one a level."""
        return run_session(self._session, self._output_names, {self._input_name: batch})

    def look(
        self,
        picture: Picture,
        crop: tuple[int, int, int, int],
        size: tuple[int, int],
        decoder: BoxDecoder,
    ) -> list[Face]:
        """What it finds in a part of a picture, best first.

        Args:
            picture: the whole one.
            crop: x, y, width, height of the part.
            size: rows and columns of the input.
            decoder: one of its own.
        """
        bound = self._input(*size)
        self._fill(bound.array, picture, crop)
        left, top, width, height = crop
        # Both ways by what it was shrunk by, which rounding to whole cells makes differ a little.
        scale = width / size[1], height / size[0]
        found = decoder.decode(bound.run(), scale, (left, top))
        return [Face(box, score) for box, score in found]

    def fitting(self, rows: float, columns: float) -> tuple[int, int]:
        """The nearest size that it takes."""
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

    def _fill(self, batch: Float32Array, picture: Picture, crop: tuple[int, int, int, int]) -> None:
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
        colours = self.description.channels > 1
        WHOLE_IMAGE(image, picture.pixel_format, box, batch[:, :1] if colours else batch)
        if colours:
            batch[:, 1:] = batch[:, :1]


def _to_multiple(pixels: float, multiple: int) -> int:
    return max(round(pixels / multiple), 1) * multiple
