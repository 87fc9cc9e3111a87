"""Parts of pictures that show no face."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from facectrl_fast.dataset.faceless_parts import MOST_PARTS, SHARED, faceless_parts
from facectrl_fast.types import overlap

sides = st.integers(1, 400)
boxes = st.tuples(
    st.integers(-100, 400), st.integers(-100, 400), st.integers(1, 200), st.integers(1, 200)
)


@settings(deadline=None)
@given(sides, sides, st.lists(boxes, max_size=4), st.integers(24, 120))
def test_no_face_reaches_into_them(rows, columns, faces, least_rows):
    parts = faceless_parts(rows, columns, faces, least_rows)
    assert len(parts) <= MOST_PARTS
    for number, part in enumerate(parts):
        left, top, width, height = part
        assert left >= 0
        assert top >= 0
        assert left + width <= columns
        assert top + height <= rows
        assert height >= least_rows
        assert width == int(height * 4 / 3)
        for x, y, wide, tall in faces:
            around = (x - wide / 4, y - tall / 4, 1.5 * wide, 1.5 * tall)
            assert overlap(part, around) == 0
        seen = np.zeros((rows, columns), bool)
        seen[top : top + height, left : left + width] = True
        for x, y, wide, tall in parts[:number]:
            assert seen[y : y + tall, x : x + wide].sum() <= SHARED * width * height


def test_the_largest_come_first():
    parts = faceless_parts(240, 320, [(0, 0, 60, 80)], 40)
    heights = [height for _, _, _, height in parts]
    assert heights == sorted(heights, reverse=True)
    assert heights[0] > 130


def test_a_picture_of_nobody_is_one_itself():
    assert faceless_parts(240, 320, [], 80) == [(0, 0, 320, 240)]


def test_beside_a_face_that_fills_its_picture_there_is_none():
    assert faceless_parts(240, 320, [(80, 20, 160, 210)], 40) == []
