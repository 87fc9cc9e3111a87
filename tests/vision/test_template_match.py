"""Template matching: equals its reference, follows what moves, knows what it does not see."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facectrl_fast._native import TemplateMatch
from facectrl_fast.types import PixelFormat
from tests import reference
from tests.pictures import empty_room, face_in_portrait, portrait
from tests.vision.test_preprocess import make_image

BGR = PixelFormat.BGR24


def smooth(rng, pixel_format, width, height):
    """A picture in which neighbouring pixels are alike, as they are in the world."""
    small, *_ = make_image(rng, pixel_format, -(-width // 16) * 2, -(-height // 16) * 2)
    return np.ascontiguousarray(small.repeat(8, axis=0).repeat(8, axis=1))


@settings(max_examples=80, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    pixel_format=st.sampled_from([PixelFormat.GRAY8, BGR, PixelFormat.NV12]),
    box=st.tuples(st.floats(-30, 120), st.floats(-30, 90), st.floats(5, 90), st.floats(5, 90)),
    noise=st.integers(0, 60),
)
def test_equals_the_reference(seed, pixel_format, box, noise):
    rng = np.random.default_rng(seed)
    first = smooth(rng, pixel_format, 160, 120)
    change = rng.integers(-noise, noise + 1, first.shape)
    second = np.clip(np.roll(first, (4, 8), (0, 1)) + change, 0, 255).astype(np.uint8)
    match = TemplateMatch()
    match.start(first, pixel_format, box)
    found, similarity = match.update(second, pixel_format)
    expected = reference.similarities(first, second, pixel_format, box)
    assert similarity == pytest.approx(expected.max(), abs=1e-3)
    assert found[2:] == pytest.approx(box[2:])
    shift_x, shift_y = ((found[k] - box[k]) / box[k + 2] * cells for k, cells in ((0, 16), (1, 20)))
    if similarity > 0:
        # Between cells, but next to one that is as good as the best.
        best = expected[round(shift_y) + 10, round(shift_x) + 8]
        assert best == pytest.approx(expected.max(), abs=2e-3)


@pytest.fixture
def followed():
    match = TemplateMatch()
    match.start(portrait(1.4), BGR, face_in_portrait(1.4))
    return match


@pytest.mark.parametrize("shift", [(0, 0), (25, 10), (-50, -40), (60, 0)])
def test_a_face_that_moved_is_found_to_a_fraction_of_its_size(followed, shift):
    box, similarity = followed.update(portrait(1.4, shift=shift), BGR)
    assert similarity > 0.85
    truth = face_in_portrait(1.4, shift=shift)
    assert box[:2] == pytest.approx(truth[:2], abs=0.03 * truth[2])


def test_light_that_changes_makes_no_difference(followed):
    darker = (portrait(1.4) * 0.5).astype(np.uint8)
    assert followed.update(darker, BGR)[1] > 0.95


def test_an_empty_room_is_not_like_a_face(followed):
    assert followed.update(empty_room(), BGR)[1] < 0.7


def test_a_flat_picture_is_like_nothing(followed):
    box, similarity = followed.update(np.full_like(portrait(1.4), 90), BGR)
    assert similarity == 0
    assert box == pytest.approx(face_in_portrait(1.4)), "it stays where it was"


def test_it_has_to_be_started():
    with pytest.raises(RuntimeError, match="start comes first"):
        TemplateMatch().update(portrait(1.4), BGR)


@pytest.mark.parametrize("box", [(0, 0, 0, 5), (0, 0, 5, -1), (float("nan"), 0, 5, 5)])
def test_boxes_without_an_inside_are_refused(box):
    with pytest.raises(ValueError, match="box"):
        TemplateMatch().start(portrait(1.4), BGR, box)
