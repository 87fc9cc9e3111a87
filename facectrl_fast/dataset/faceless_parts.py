"""Parts of pictures that show no face: what is around people, and where they were.

Pictures of rooms without anybody are rare; in those of people there are many such parts, with
hands, clothes and whatever else lies about.
"""

from __future__ import annotations

from collections.abc import Iterable

from facectrl_fast.types import Box, shared_area

ASPECT = 4 / 3
"""Width by height of a part, a camera's."""
MARGIN = 0.25
"""Around a face, in its sides, that stays out."""
SMALLER = 0.85
"""Height of the next smaller parts."""
STEPS = 8
"""A part's height, in the steps that it is moved by."""
SHARED = 0.3
"""Of a part, at most, that is also in a larger one."""
MOST_PARTS = 6


def faceless_parts(
    rows: int, columns: int, faces: Iterable[Box], least_rows: int
) -> list[tuple[int, int, int, int]]:
    """The largest parts of a picture, as left, top, width and height, that no face reaches into.

    Args:
        rows: of the picture.
        columns: of the picture.
        faces: all that are in it, also those that may be none.
        least_rows: of a part.
    """
    kept_out = [_with_margin(face) for face in faces]
    parts: list[tuple[int, int, int, int]] = []
    height = int(min(rows, columns / ASPECT))
    while height >= least_rows:
        width, step = int(height * ASPECT), max(height // STEPS, 1)
        for top in range(0, rows - height + 1, step):
            for left in range(0, columns - width + 1, step):
                part = (left, top, width, height)
                if any(shared_area(part, face) > 0 for face in kept_out):
                    continue
                if all(shared_area(part, other) <= SHARED * width * height for other in parts):
                    parts.append(part)
                    if len(parts) == MOST_PARTS:
                        return parts
        height = int(height * SMALLER)
    return parts


def _with_margin(face: Box) -> Box:
    x, y, width, height = face
    wider, higher = MARGIN * width, MARGIN * height
    return x - wider, y - higher, width + 2 * wider, height + 2 * higher
