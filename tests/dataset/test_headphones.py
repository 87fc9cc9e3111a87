"""The headphones that are drawn onto heads."""

from dataclasses import replace

import numpy as np
import pytest

from facectrl_fast.dataset import distractors
from facectrl_fast.dataset.head_pose import HeadPose, rotation_about
from facectrl_fast.dataset.headphones import (
    FRONT_LIGHT,
    HeadphoneStyle,
    around_the_neck,
    build_headphones,
    draw_headphones,
)
from facectrl_fast.dataset.mesh import paint
from tests.pictures import PHOTO, PHOTO_FACE

SIZE = (300, 300)
FACE = (110.0, 90.0, 74.0, 100.0)


def cover_of(meshes, yaw=0.0):
    pose = HeadPose.facing(FACE).turned(rotation_about(1, yaw), np.zeros(2), 1.0)
    return paint(meshes, pose, FRONT_LIGHT, SIZE)[1][..., 0]


def test_headphones_are_drawn_around_the_face_and_not_on_it():
    drawn = draw_headphones(PHOTO, PHOTO_FACE, HeadphoneStyle())
    changed = (np.abs(drawn.astype(int) - PHOTO) > 12).any(axis=2)
    x, y, width, height = (int(v) for v in PHOTO_FACE)
    middle = changed[y : y + height, x + width // 4 : x + 3 * width // 4]
    assert changed[: y + height].mean() > 0.01
    assert middle.mean() < 0.05
    assert not changed[y + 2 * height :].any()


def test_a_pair_has_a_cup_on_either_side_and_a_band_above():
    cover = cover_of(build_headphones(HeadphoneStyle()))
    x, y, width, height = (int(v) for v in FACE)
    ears = slice(y + height // 3, y + 2 * height // 3)
    assert cover[ears, x - width // 2 : x + width // 6].mean() > 0.1
    assert cover[ears, x + 5 * width // 6 : x + 3 * width // 2].mean() > 0.1
    assert cover[: y - 5, x + width // 3 : x + 2 * width // 3].max() == 1


@pytest.mark.parametrize("yaw", [55, -55])
def test_of_a_turned_head_the_far_cup_is_hidden(yaw):
    """Its face looks to the picture's right for a positive yaw: that ear is the far one."""
    cover = cover_of(build_headphones(replace(HeadphoneStyle(), rise=13.0)), yaw)
    rows = cover[120:160]
    halves = rows[:, :147].sum(), rows[:, 147:].sum()
    near, far = halves if yaw > 0 else halves[::-1]
    assert near > 2 * far


def test_around_the_neck_is_below_the_face():
    rng = np.random.default_rng(0)
    for _ in range(10):
        style = replace(HeadphoneStyle.random(rng), microphone=0.0)
        cover = cover_of(around_the_neck(build_headphones(style), rng))
        assert cover[: int(FACE[1] + 0.6 * FACE[3])].max() == 0
        assert cover.max() > 0


def test_every_random_style_can_be_drawn_and_no_two_are_alike():
    rng = np.random.default_rng(0)
    drawn = [draw_headphones(PHOTO, PHOTO_FACE, HeadphoneStyle.random(rng)) for _ in range(30)]
    assert all((image != PHOTO).any() for image in drawn)
    assert len({image.tobytes() for image in drawn}) == 30


@pytest.mark.parametrize("name", ["hat", "hood", "headband", "glasses", "earbuds", "hand"])
def test_every_distractor_shows_at_any_pose(name):
    rng = np.random.default_rng(1)
    skin = (np.float32([0.5, 0.5, 0.6]),) if name == "hand" else ()
    shown = [
        cover_of(getattr(distractors, name)(rng, *skin), yaw).max() > 0
        for yaw in (-40, 0, 40)
        for _ in range(5)
    ]
    assert np.mean(shown) > 0.8
