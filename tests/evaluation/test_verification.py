"""Figures of how well people are told apart, against plain loops."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from facectrl_fast.evaluation.verification import Verification, all_pairs, joined
from facectrl_fast.vision.identity import similarity


def test_all_pairs_are_those_of_a_plain_loop():
    rng = np.random.default_rng(0)
    points = rng.normal(size=(9, 4)).astype(np.float32)
    people = rng.integers(0, 3, 9)
    same, different = [], []
    for i in range(9):
        for k in range(i + 1, 9):
            (same if people[i] == people[k] else different).append(similarity(points[i], points[k]))
    pairs = all_pairs(points, people)
    np.testing.assert_allclose(sorted(pairs.same), sorted(same), atol=1e-5)
    np.testing.assert_allclose(sorted(pairs.different), sorted(different), atol=1e-5)


def test_figures_are_what_they_say():
    pairs = Verification(
        np.array([-0.1, -0.2, -0.9], np.float32), np.array([-0.3, -1, -1.2, -2], np.float32)
    )
    assert pairs.false_accepts(-0.5) == 1 / 4
    assert pairs.false_rejects(-0.5) == pytest.approx(1 / 3)
    assert pairs.accuracy(-0.5) == pytest.approx(1 - (1 / 4 + 1 / 3) / 2)
    right = sum(s > d for s in pairs.same for d in pairs.different)
    assert pairs.roc_auc == pytest.approx(right / 12)
    both = joined([pairs, pairs])
    assert len(both.same) == 6
    assert both.roc_auc == pytest.approx(pairs.roc_auc)
    assert np.isnan(Verification(pairs.same, pairs.same[:0]).roc_auc)


@given(
    *(arrays(np.float32, st.integers(1, 12), elements=st.floats(-4, 0, width=16)) for _ in range(2))
)
def test_no_threshold_is_better_than_the_best_one(same, different):
    pairs = Verification(same, different)
    best = pairs.accuracy(pairs.best_threshold())
    tried = np.concatenate([same, different, [-5, 0]]) - 1e-4
    assert best >= max(pairs.accuracy(threshold) for threshold in tried) - 1e-6
