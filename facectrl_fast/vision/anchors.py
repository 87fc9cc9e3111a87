"""Anchors: the boxes that a face detector's outputs are told relative to.

A level of the network gives, for each cell of a grid over the picture, a score and four offsets for
each of its anchors, which are centred on the cell.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from facectrl_fast.types import Float32Array

CENTRE_STEP = 0.1
"""An offset of one moves the centre by this share of the anchor's side."""
SIZE_STEP = 0.2
"""An offset of one makes the side exp(this) times the anchor's."""


@dataclass(frozen=True)
class AnchorLevel:
    """The anchors of one of a network's outputs."""

    stride: int
    """Pixels of the picture from cell to cell."""
    sizes: tuple[float, ...]
    """Square roots of the anchors' areas, in pixels of the picture."""
    aspects: tuple[float, ...]
    """Width by height; every size comes with every aspect."""

    @property
    def shapes(self) -> tuple[tuple[float, float], ...]:
        """Width and height of a cell's anchors, in the order of the outputs."""
        return tuple(
            (size * aspect**0.5, size / aspect**0.5)
            for size in self.sizes
            for aspect in self.aspects
        )

    def grid(self, height: int, width: int) -> tuple[int, int]:
        """Rows and columns of cells over a picture of that size."""
        return -(-height // self.stride), -(-width // self.stride)

    def boxes(self, height: int, width: int) -> Float32Array:
        """All anchors for a picture of that size.

        Returns:
            (anchors of a cell * rows * columns, 4): centre x, centre y, width, height in pixels; in
            the order of the outputs (anchor, row, column).
        """
        rows, columns = self.grid(height, width)
        shapes = np.array(self.shapes, np.float32)
        out = np.empty((len(shapes), rows, columns, 4), np.float32)
        out[..., 0] = (np.arange(columns, dtype=np.float32) + 0.5) * self.stride
        out[..., 1] = ((np.arange(rows, dtype=np.float32) + 0.5) * self.stride)[:, None]
        out[..., 2:] = shapes[:, None, None]
        return out.reshape(-1, 4)
