"""Figures on labelled pictures."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facectrl_fast.evaluation.metrics import Judgement, best_threshold, threshold_scores
from facectrl_fast.evaluation.text import judgement_lines

# Three on, two off; one of each is wrong.
LABELS = np.array([0, 0, 0, 1, 1])
ON = np.float32([0.9, 0.8, 0.3, 0.2, 0.6])
SOURCES = ["cam", "cam", "file", "file", "file"]


def test_rare_labels_count_as_much():
    judgement = Judgement(LABELS, ON)
    assert judgement.accuracy == pytest.approx(3 / 5)
    assert judgement.recalls == {"on": pytest.approx(2 / 3), "off": pytest.approx(1 / 2)}
    assert judgement.balanced_accuracy == pytest.approx((2 / 3 + 1 / 2) / 2)
    np.testing.assert_array_equal(judgement.confusion, [[2, 1], [1, 1]])


def test_the_roc_auc_is_the_share_of_pairs_in_the_right_order():
    pairs = [on > off for on in ON[:3] for off in ON[3:]]
    assert Judgement(LABELS, ON).roc_auc == pytest.approx(np.mean(pairs))
    assert np.isnan(Judgement(np.zeros(2, int), ON[:2]).roc_auc)


def test_sure_ones_are_right_or_wrong_and_the_rest_abstains():
    assert Judgement(LABELS, ON).sure(0.75) == (pytest.approx(3 / 5), 0)
    assert Judgement(LABELS, ON).sure(0.55) == (pytest.approx(3 / 5), pytest.approx(2 / 5))


def test_confidence_is_compared_with_the_share_of_right_answers():
    """Always 80 % sure and right in 6 of 10: off by 20 %."""
    labels = np.array([0] * 6 + [1] * 4)
    judgement = Judgement(labels, np.full(10, 0.8, np.float32))
    assert judgement.confidence().error == pytest.approx(0.2)


def test_sources_are_judged_apart():
    parts = Judgement(LABELS, ON, SOURCES).by_source()
    assert {name: part.accuracy for name, part in parts.items()} == {
        "cam": 1.0,
        "file": pytest.approx(1 / 3),
    }


@given(
    st.lists(st.tuples(st.integers(0, 1), st.floats(0, 1, width=32)), min_size=2, max_size=40),
    st.lists(st.floats(0, 1), min_size=1, max_size=8),
)
def test_the_score_of_a_threshold_is_that_of_saying_on_above_it(drawn, thresholds):
    labels = np.array([label for label, _ in drawn])
    on = np.float32([value for _, value in drawn])
    if len(set(labels)) < 2:
        return
    for threshold, score in zip(
        thresholds, threshold_scores(Judgement(labels, on), np.array(thresholds)), strict=True
    ):
        said = on.astype(float) > threshold
        assert score == pytest.approx((said[labels == 0].mean() + 1 - said[labels == 1].mean()) / 2)
    best, score = best_threshold(Judgement(labels, on))
    assert score >= threshold_scores(Judgement(labels, on), np.array(thresholds)).max() - 1e-9
    assert 0 <= best <= 1


def test_the_figures_in_words():
    text = "\n".join(judgement_lines(Judgement(LABELS, ON, SOURCES), 0.6))
    for part in ("3 on, 2 off", "58.3%", "ROC AUC", "file", "abstains"):
        assert part in text
