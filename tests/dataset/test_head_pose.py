"""Head poses from landmarks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facectrl_fast.dataset.head_pose import (
    LANDMARKS,
    SKULL_CENTRE,
    SKULL_RADII,
    HeadPose,
    rotation_about,
)
from tests.pictures import PHOTO_FACE


def pose(yaw, pitch, roll, scale=5.0, origin=(80, 90)):
    rotation = rotation_about(2, roll) @ rotation_about(1, yaw) @ rotation_about(0, pitch)
    return HeadPose(np.float32(rotation), np.float32([scale, scale]), np.float32(origin))


@settings(max_examples=60, deadline=None)
@given(st.floats(-60, 60), st.floats(-15, 15), st.floats(-30, 30), st.floats(1, 20))
def test_a_pose_is_found_again_from_its_landmarks(yaw, pitch, roll, scale):
    true = pose(yaw, pitch, roll, scale)
    found = HeadPose.from_landmarks(true.project(LANDMARKS)[:, :2])
    angle = np.degrees(
        np.arccos(np.clip((np.trace(true.rotation.T @ found.rotation) - 1) / 2, -1, 1))
    )
    assert angle < 12, "up to what the leaning towards usual poses costs"
    ears = np.array([[-7.3, 0, 0], [7.3, 0, 0]])
    apart = np.abs(true.project(ears)[:, :2] - found.project(ears)[:, :2]).max()
    assert apart < 2.0 * scale


def test_landmarks_on_one_line_have_no_pose():
    with pytest.raises(ValueError, match="one line"):
        HeadPose.from_landmarks(np.stack([np.arange(5.0), np.arange(5.0)], axis=1))


def test_a_head_that_looks_into_the_camera_fills_its_face_box():
    facing = HeadPose.facing(PHOTO_FACE)
    x, y, width, height = PHOTO_FACE
    seen = facing.project(LANDMARKS)
    assert ((seen[:, 0] > x) & (seen[:, 0] < x + width)).all()
    assert ((seen[:, 1] > y) & (seen[:, 1] < y + height)).all()
    left, right = facing.project(np.array([[-7.3, 0, 0], [7.3, 0, 0]]))[:, 0]
    assert left < x + width * 0.2
    assert right > x + width * 0.8


@pytest.mark.parametrize("yaw", [0, 35, -60])
def test_the_skull_s_surface_is_where_the_ellipsoid_s_is(yaw):
    turned = pose(yaw, 10, 5)
    rng = np.random.default_rng(0)
    directions = rng.normal(size=(2000, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    surface = turned.project(directions * SKULL_RADII + SKULL_CENTRE)
    depth = turned.skull_depth(surface[:, :2])
    visible = np.isfinite(depth)
    assert visible.mean() > 0.99
    assert (surface[visible, 2] <= depth[visible] + 1e-2).all()
    np.testing.assert_allclose(surface[:, 2].max(), depth[visible].max(), atol=0.05)


def test_beside_the_skull_is_nothing():
    assert pose(0, 0, 0).skull_depth(np.array([[500.0, 500.0]]))[0] == -np.inf
