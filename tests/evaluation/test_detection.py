"""How detectors are judged."""

import numpy as np
import pytest

from facectrl_fast.evaluation.detection import DetectionJudgement, JudgedPicture
from facectrl_fast.types import Face, overlap

FACE = (10.0, 10.0, 30.0, 40.0)
NEAR = (12.0, 12.0, 30.0, 40.0)
AWAY = (100.0, 10.0, 30.0, 40.0)


def judged(*pictures):
    return DetectionJudgement([JudgedPicture(*picture, height=120) for picture in pictures])


def test_overlap_is_intersection_over_union():
    assert overlap(FACE, FACE) == 1
    assert overlap(FACE, AWAY) == 0
    assert overlap((0, 0, 2, 1), (1, 0, 2, 1)) == pytest.approx(1 / 3)


def test_a_face_is_found_once_by_the_best_box():
    judgement = judged(((Face(NEAR, 0.7), Face(FACE, 0.9), Face(AWAY, 0.8)), (FACE,)))
    np.testing.assert_array_equal(judgement.scores, [0.9, 0.8, 0.7])
    np.testing.assert_array_equal(judgement.right, [True, False, False])
    assert judgement.faces == 1
    assert judgement.overlap == 1


def test_doubtful_faces_count_neither_way():
    judgement = judged(((Face(AWAY, 0.9),), (FACE,), (AWAY,)))
    assert len(judgement.scores) == 0
    assert judgement.recall(0.5) == 0


def test_recall_and_false_boxes_at_a_score():
    judgement = judged(
        ((Face(FACE, 0.9),), (FACE,)),
        ((Face(FACE, 0.4), Face(AWAY, 0.6)), (FACE,)),
        ((Face(AWAY, 0.7),), ()),
        ((), ()),
    )
    assert judgement.recall(0.5) == 0.5
    assert judgement.recall(0.3) == 1
    assert judgement.false_boxes(0.5) == 0.5
    assert judgement.false_boxes(0.65) == 0.25
    assert judgement.false_boxes(0.5, empty=True) == 0.5


def test_the_score_for_so_many_false_boxes():
    judgement = judged(
        ((Face(FACE, 0.9), Face(AWAY, 0.6)), (FACE,)),
        ((Face(FACE, 0.5), Face(AWAY, 0.4)), (FACE,)),
    )
    assert 0.6 < judgement.score_for(0) <= 0.9
    assert judgement.false_boxes(judgement.score_for(0)) == 0
    assert 0.4 < judgement.score_for(0.5) <= 0.5
    assert judgement.recall(judgement.score_for(0.5)) == 1
    assert judgement.score_for(1) == 0.4


def test_faces_are_told_apart_by_their_height():
    small = (0.0, 0.0, 15.0, 20.0)
    judgement = judged(((Face(FACE, 0.9),), (FACE, small)))
    assert judgement.recall(0.5, (0.3, 0.5)) == 1
    assert judgement.recall(0.5, (0, 0.3)) == 0
    assert np.isnan(judgement.recall(0.5, (0.9, 1)))


def test_average_precision_is_coco_s():
    perfect = judged(((Face(FACE, 0.9),), (FACE,)), ((Face(AWAY, 0.8),), (AWAY,)))
    assert perfect.average_precision() == pytest.approx(1)
    # One of two faces found behind a false box: precision a half up to a recall of a half.
    half = judged(((Face(AWAY, 0.9), Face(FACE, 0.8)), (FACE,)), ((), (FACE,)))
    assert half.average_precision() == pytest.approx(0.5 * 51 / 101, abs=0.01)
    assert judged(((), (FACE,))).average_precision() == 0
    assert judged(((Face(FACE, 0.9),), ())).average_precision() == 0


def test_doubtful_faces_do_not_lower_the_average_precision():
    judgement = judged(((Face(AWAY, 0.95), Face(FACE, 0.9)), (FACE,), (AWAY,)))
    assert judgement.average_precision() == pytest.approx(1)
