"""From a face in a frame to the classifier's input, in one native pass.

The numerics are a contract between training and inference, so both call this:

- the box grows by the expansion, half on each side of its centre, is clipped to the frame and
  rounded to whole pixels;
- gray is BT.601; YUYV, UYVY and NV12 are limited range and stretched to the full one;
- resized with half-pixel centres to float32 in [0, 1]. ``bilinear`` does no antialiasing and
  equals ``tf.image.resize``; ``area`` is the exact mean of the area each pixel covers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from facectrl_fast import _native
from facectrl_fast.types import Box, Float32Array, PixelFormat, UInt8Array

Resampling = Literal["bilinear", "area"]
ExpansionUnit = Literal["relative", "pixels"]


@dataclass(frozen=True)
class Preprocessing:
    """How crops are cut and resized; stands in the model that was trained with it."""

    expansion: tuple[float, float] = (0.9, 0.9)
    """Added to the box's width and height: a share of its side, or pixels."""
    expansion_unit: ExpansionUnit = "relative"
    resampling: Resampling = "area"

    def crop_box(self, box: Box, frame_width: int, frame_height: int) -> tuple[int, int, int, int]:
        """The whole pixels (x, y, width, height) that a box's crop covers.

        Raises:
            ValueError: the box is not finite, empty, or wholly outside the frame.
        """
        return _native.crop_box(box, frame_width, frame_height, self.expansion, self.expansion_unit)

    def __call__(
        self, image: UInt8Array, pixel_format: PixelFormat, box: Box, out: Float32Array
    ) -> None:
        """Write the crop of ``box`` to ``out``.

        Args:
            image: uint8; (h, w, 3) BGR24, (h, w) GRAY8, (h, w, 2) YUYV or UYVY, (h * 3 / 2, w)
                NV12. Rows may lie any distance apart, their pixels must be packed.
            pixel_format: how to read ``image``.
            box: the face, in pixels; may lie partly outside.
            out: float32, C-contiguous, writable, shape (..., h, w) with leading dimensions of 1;
                receives gray values in [0, 1].

        Raises:
            ValueError: an argument does not fit; the message names it.
        """
        _native.preprocess(
            image,
            pixel_format,
            box,
            out,
            expansion=self.expansion,
            expansion_unit=self.expansion_unit,
            resampling=self.resampling,
        )


WHOLE_IMAGE = Preprocessing(expansion=(0.0, 0.0))
"""For pictures that are crops already, with the whole picture as the box."""
