"""A network with anchors in use: what it finds in a part of a picture, at any size of its input."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np

from facectrl_fast._native import AnchorLooks, BoxDecoder
from facectrl_fast.errors import UserError
from facectrl_fast.types import Float32Array, PixelFormat, UInt8Array
from facectrl_fast.vision.detector_file import DetectorDescription
from facectrl_fast.vision.preprocess import WHOLE_IMAGE
from facectrl_fast.vision.runtime import BoundInput, open_session, run_session

MOST_PIXELS, MOST_SIDE = 1 << 20, 4096
"""Of an input, whatever picture is looked at."""
MOST_SIZES = 16
"""Of inputs, that are kept."""
ROWS_READ = 3
"""Of a picture, at least, for each row of the network's input."""


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

    def looks(self, least_score: float) -> AnchorLooks:
        """Looks at pictures, that find what scores that or more, with inputs of their own."""
        described = self.description
        levels = [(level.stride, level.shapes) for level in described.levels]
        return AnchorLooks(
            BoxDecoder(levels, least_score, described.overlap),
            lru_cache(MOST_SIZES)(self._input),
            fill_colours if described.channels > 1 else None,
            described.multiple,
            MOST_PIXELS,
            MOST_SIDE,
            ROWS_READ,
        )

    def run(self, batch: Float32Array) -> list[Float32Array]:
        """The outputs for an input (1, channels, h, w), one a level."""
        return run_session(self._session, self._output_names, {self._input_name: batch})

    def _input(self, rows: int, columns: int) -> BoundInput:
        """An input of that size."""
        shape = (1, self.description.channels, rows, columns)
        outputs = dict(zip(self._output_names, self._shapes(rows, columns), strict=True))
        return BoundInput(self._session, self._input_name, shape, outputs)

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


def fill_colours(
    batch: Float32Array,
    image: UInt8Array,
    pixel_format: PixelFormat,
    part: tuple[int, int, int, int],
) -> None:
    """Write a part of a picture to an input of three channels."""
    left, top, width, height = part
    if pixel_format is not PixelFormat.BGR24:
        WHOLE_IMAGE(image, pixel_format, part, batch[:, :1])
        batch[:, 1:] = batch[:, :1]
        return
    import cv2  # late: gray networks need nothing of it

    rows, columns = batch.shape[2:]
    shown = image[top : top + height, left : left + width]
    small = cv2.resize(shown, (columns, rows), interpolation=cv2.INTER_AREA)
    batch[0] = np.moveaxis(small, 2, 0) / np.float32(255)
