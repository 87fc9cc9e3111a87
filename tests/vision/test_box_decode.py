"""From a detector's outputs to boxes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facectrl_fast._native import BoxDecoder
from tests.reference import decode_boxes, intersection_over_union, suppress

LEVELS = [(8, [(14.0, 18.0), (22.0, 30.0)]), (16, [(57.0, 76.0)])]


def outputs(rng, rows, columns, spread=2.0):
    """Random logits and offsets for a picture of 16 ``rows`` x 16 ``columns`` pixels."""
    made = []
    for stride, shapes in LEVELS:
        grid = (rows * 16 // stride, columns * 16 // stride)
        logits = rng.normal(-2, spread, (1, len(shapes), *grid))
        offsets = rng.normal(0, 3, (1, 4 * len(shapes), *grid))
        made.append(np.concatenate([logits, offsets], 1).astype(np.float32))
    return made


def decoded(decoder, outputs):
    """Rows of x, y, width, height and score."""
    found = [(*box, score) for box, score in decoder.decode(outputs)]
    return np.array(found, np.float64).reshape(-1, 5)


@given(
    seed=st.integers(0, 2**32 - 1),
    rows=st.integers(1, 6),
    columns=st.integers(1, 6),
    least_score=st.floats(0.05, 0.95),
    most_overlap=st.floats(0, 1),
)
def test_boxes_are_those_of_the_reference(seed, rows, columns, least_score, most_overlap):
    given_outputs = outputs(np.random.default_rng(seed), rows, columns)
    found = decoded(BoxDecoder(LEVELS, least_score, most_overlap), given_outputs)
    known = suppress(decode_boxes(LEVELS, given_outputs, least_score), most_overlap)
    # A score or an overlap on the limit may fall on either side of it.
    if len(found) == len(known):
        np.testing.assert_allclose(found, known, rtol=1e-4, atol=1e-3)
    else:
        candidates = decode_boxes(LEVELS, given_outputs, 1e-6)
        near = np.abs(candidates[:, 4] - least_score) < 1e-5
        those = candidates[candidates[:, 4] >= least_score - 1e-5].tolist()
        overlaps = [intersection_over_union(a, b) for k, a in enumerate(those) for b in those[:k]]
        assert near.any() or any(abs(each - most_overlap) < 1e-4 for each in overlaps)


def test_the_best_comes_first_and_the_kept_do_not_overlap():
    found = decoded(BoxDecoder(LEVELS, 0.1, 0.3), outputs(np.random.default_rng(0), 8, 10))
    assert len(found) > 10
    assert (np.diff(found[:, 4]) <= 0).all()
    for k, box in enumerate(found[:40]):
        assert all(intersection_over_union(box, other) <= 0.3 for other in found[:k])


def test_nothing_scores_enough():
    found = BoxDecoder(LEVELS, 0.5, 0.3).decode(
        [np.full_like(part, -9) for part in outputs(np.random.default_rng(0), 2, 2)]
    )
    assert found == []


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_outputs_that_are_no_numbers_are_no_boxes(value):
    broken = [np.full_like(part, value) for part in outputs(np.random.default_rng(0), 2, 2)]
    assert len(BoxDecoder(LEVELS, 0.5, 0.3).decode(broken)) == 0
    broken[0][:, : len(LEVELS[0][1])] = 5.0
    boxes = decoded(BoxDecoder(LEVELS, 0.5, 0.3), broken)
    assert np.isfinite(boxes).all()


def with_offsets(value, which):
    """Outputs whose offsets of those kinds (centre x, y, width, height) all have that value."""
    made = outputs(np.random.default_rng(0), 2, 2)
    for part, (_, shapes) in zip(made, LEVELS, strict=True):
        for kind in which:
            part[:, len(shapes) + kind :: 4] = value
    return made


def test_a_wild_offset_makes_no_endless_box():
    boxes = decoded(BoxDecoder(LEVELS, 0.1, 1.0), with_offsets(1e30, [2, 3]))
    assert len(boxes) > 5
    assert (boxes[:, 2:4] < 2000).all()


def test_what_lies_beyond_all_pictures_is_no_box():
    assert BoxDecoder(LEVELS, 0.1, 1.0).decode(with_offsets(1e30, [0])) == []
    assert BoxDecoder(LEVELS, 0.1, 1.0).decode(with_offsets(-1e30, [1])) == []


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda made: made[:-1], "one for each level"),
        (lambda made: [made[0][0], *made[1:]], "shapes"),
        (lambda made: [made[0][:, :-1], made[1]], "shapes"),
        (lambda made: [np.concatenate([made[0]] * 2), made[1]], "shapes"),
    ],
)
def test_outputs_that_do_not_fit_are_refused(change, complaint):
    with pytest.raises(ValueError, match=complaint):
        BoxDecoder(LEVELS, 0.5, 0.3).decode(change(outputs(np.random.default_rng(0), 2, 2)))


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ((LEVELS, 0.0, 0.3), "least_score"),
        ((LEVELS, float("nan"), 0.3), "least_score"),
        ((LEVELS, 0.5, 1.5), "most_overlap"),
        (([(0, [(1.0, 1.0)])], 0.5, 0.3), "levels"),
        (([(8, [])], 0.5, 0.3), "levels"),
        (([(8, [(0.0, 1.0)])], 0.5, 0.3), "levels"),
    ],
)
def test_impossible_decoders_are_refused(arguments, complaint):
    with pytest.raises(ValueError, match=complaint):
        BoxDecoder(*arguments)
