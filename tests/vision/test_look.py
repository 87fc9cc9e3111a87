"""What a network is shown of pictures, and where in them what it finds lies."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facectrl_fast._native import AnchorLooks, BoxDecoder
from facectrl_fast.types import PixelFormat
from facectrl_fast.vision.anchor_network import fill_colours
from tests.pictures import convert
from tests.reference import crop_box, decode_boxes, fitting, intersection_over_union, shown

LEVELS = [(8, [(14.0, 18.0)])]
LIMITS = 16, 4000, 100
"""Multiple of an input's sides, most pixels and longest side."""
ROWS_READ = 2
EXPANSION = (0.5, 0.25)


class Input:
    """Stands in for a network: keeps what it is shown, and gives these outputs."""

    def __init__(self, rows, columns, seed):
        self.array = np.full((1, 1, rows, columns), -1, np.float32)
        rng = np.random.default_rng(seed)
        grid = rows // 8, columns // 8
        self.outputs = np.concatenate(
            [rng.normal(-1, 2, (1, 1, *grid)), rng.normal(0, 3, (1, 4, *grid))], 1
        ).astype(np.float32)

    def run(self):
        return [self.outputs]


def looks(seed=0, fill=None, kind=Input):
    """Looks that find boxes anywhere, and the inputs of that kind that they make."""
    made = []

    def make(rows, columns):
        made.append(kind(rows, columns, seed))
        return made[-1]

    return AnchorLooks(BoxDecoder(LEVELS, 0.2, 1.0), make, fill, *LIMITS, ROWS_READ), made


def found_in(part, made):
    """Boxes and scores of the input's outputs, best first, in pixels of the picture."""
    rows, columns = made.array.shape[2:]
    across, down = part[2] / columns, part[3] / rows
    boxes = decode_boxes(LEVELS, [made.outputs], 0.2)
    boxes = boxes[np.argsort(-boxes[:, 4], kind="stable")]
    return boxes * [across, down, across, down, 1] + [part[0], part[1], 0, 0, 0]


def as_rows(found):
    return np.array([(*box, score) for box, score in found]).reshape(-1, 5)


def pictures(seed, width, height, pixel_format):
    image = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    return convert(image, pixel_format)


sides = st.integers(1, 70).map(lambda half: 2 * half)
any_picture = st.builds(
    lambda *given: (pictures(*given), given[3], given[1], given[2]),
    st.integers(0, 2**32 - 1), sides, sides, st.sampled_from(list(PixelFormat)),
)  # fmt: skip


@given(st.floats(0.01, 1e4), st.floats(0.01, 1e4))
def test_an_input_is_of_the_nearest_size_that_is_not_too_large(rows, columns):
    assert looks()[0].fitting(rows, columns) == fitting(rows, columns, *LIMITS)


@given(any_picture, st.integers(1, 3), st.integers(1, 3), st.integers(0, 2**32 - 1))
def test_a_search_shows_all_of_a_picture(picture, rows, columns, seed):
    image, pixel_format, width, height = picture
    shape, part = (16 * rows, 16 * columns), (0, 0, width, height)
    searched, made = looks(seed)
    found = searched.search(image, pixel_format, *shape)
    expected = shown(image, pixel_format, part, shape, ROWS_READ)
    np.testing.assert_allclose(made[0].array[0, 0], expected, atol=1e-4)
    np.testing.assert_allclose(as_rows(found), found_in(part, made[0]), rtol=1e-4, atol=1e-2)


@given(
    any_picture,
    st.tuples(st.floats(-40, 150), st.floats(-40, 150), st.floats(1, 120), st.floats(1, 120)),
    st.floats(4, 200),
    st.floats(0.1, 4),
    st.integers(0, 2**32 - 1),
)
def test_a_close_look_shows_what_is_around_a_box(picture, box, face, most_enlarged, seed):
    """As large as the face is to be, or as it may be; it finds the likeliest that is that box's."""
    image, pixel_format, width, height = picture
    close, made = looks(seed)
    found = close.look_closely(image, pixel_format, box, face, most_enlarged, EXPANSION, 0.3)
    part = crop_box(box, width, height, EXPANSION, "relative")
    if part is None:
        assert (found, made) == (None, [])
        return
    scale = min(face / box[3], most_enlarged)
    shape = fitting(scale * part[3], scale * part[2], *LIMITS)
    expected = shown(image, pixel_format, part, shape, ROWS_READ)
    np.testing.assert_allclose(made[0].array[0, 0], expected, atol=1e-4)
    candidates = found_in(part, made[0])
    overlaps = np.array([intersection_over_union(each, box) for each in candidates])
    if (np.abs(overlaps - 0.3) < 1e-4).any():  # one on the limit may fall on either side of it
        return
    same = candidates[overlaps >= 0.3] if len(candidates) else candidates
    assert (found is None) == (len(same) == 0)
    if found:
        np.testing.assert_allclose(as_rows([found])[0], same[0], rtol=1e-4, atol=1e-2)


@pytest.mark.parametrize("pixel_format", list(PixelFormat))
def test_colours_are_shown_where_there_are_some(pixel_format):
    image, part = pictures(1, 60, 40, pixel_format), (15, 8, 30, 20)
    batch = np.zeros((1, 3, 16, 32), np.float32)
    fill_colours(batch, image, pixel_format, part)
    for channel, plane in enumerate(batch[0]):
        if pixel_format is PixelFormat.BGR24:
            expected = shown(image[:, :, channel], PixelFormat.GRAY8, part, plane.shape, 3)
            np.testing.assert_allclose(plane, expected, atol=1 / 255)
        else:
            expected = shown(image, pixel_format, part, plane.shape, 3)
            np.testing.assert_allclose(plane, expected, atol=1e-4)


def test_what_takes_no_gray_is_filled_by_its_own_means():
    filled = []
    colours, made = looks(fill=lambda *given: filled.append(given))
    image = np.zeros((40, 60, 3), np.uint8)
    colours.look_closely(image, PixelFormat.BGR24, (20, 10, 20, 16), 32, 4, EXPANSION, 0.3)
    ((array, shown_image, pixel_format, part),) = filled
    assert array is made[0].array
    assert shown_image is image
    assert (pixel_format, part) == (PixelFormat.BGR24, (15, 8, 30, 20))


IMAGE = np.zeros((40, 60), np.uint8)


def looked_closely(box=(20, 10, 20, 16), face=32, most_enlarged=4, expansion=EXPANSION):
    gray = PixelFormat.GRAY8
    return looks()[0].look_closely(IMAGE, gray, box, face, most_enlarged, expansion, 0.3)


@pytest.mark.parametrize(
    ("use", "complaint"),
    [
        (lambda: looks()[0].fitting(0, 5), "rows, columns"),
        (lambda: looks()[0].fitting(5, float("nan")), "rows, columns"),
        (lambda: looks()[0].fitting(1e200, 1e200), "rows, columns"),
        (lambda: looks()[0].search(IMAGE, PixelFormat.BGR24, 16, 16), "image"),
        (lambda: looked_closely(box=(9, 9, 0, 9)), "box"),
        (lambda: looked_closely(box=(9, float("inf"), 9, 9)), "box"),
        (lambda: looked_closely(face=0), "face"),
        (lambda: looked_closely(face=float("inf")), "face"),
        (lambda: looked_closely(most_enlarged=0), "most_enlarged"),
        (lambda: looked_closely(most_enlarged=float("inf")), "most_enlarged"),
        (lambda: looked_closely(expansion=(-1, 0)), "expansion"),
    ],
)
def test_impossible_looks_are_refused(use, complaint):
    with pytest.raises(ValueError, match=complaint):
        use()


@pytest.mark.parametrize(
    ("limits", "complaint"),
    [
        ((0, 100, 100, 3), "multiple"),
        ((5000, 100, 100, 3), "multiple"),
        ((8, 100, 100, 0), "rows_read"),
        ((8, 100, 100, 5000), "rows_read"),
        ((8, 0, 100, 3), "most_pixels"),
        ((8, 1e9, 100, 3), "most_pixels"),
        ((8, 100, 5000, 3), "most_side"),
        ((8, 100, float("nan"), 3), "most_side"),
    ],
)
def test_impossible_limits_are_refused(limits, complaint):
    with pytest.raises(ValueError, match=complaint):
        AnchorLooks(BoxDecoder(LEVELS, 0.2, 1.0), Input, None, *limits)


def test_an_input_of_another_size_is_refused():
    wrong, _ = looks(kind=lambda *_: Input(8, 8, 0))
    with pytest.raises(ValueError, match="another size"):
        wrong.search(IMAGE, PixelFormat.GRAY8, 16, 16)


def test_what_a_network_raises_comes_through():
    class Broken(Input):
        def run(self):
            raise MemoryError

    broken, _ = looks(kind=Broken)
    with pytest.raises(MemoryError):
        broken.search(IMAGE, PixelFormat.GRAY8, 16, 16)
