"""Painting meshes: what hides what, and how it is blended in."""

import numpy as np
import pytest

from facectrl_fast.dataset.head_pose import HeadPose, rotation_about
from facectrl_fast.dataset.mesh import Light, Mesh, blend, grid, paint, superellipse, turned_body

SIZE = (120, 120)
POSE = HeadPose(np.eye(3, dtype=np.float32), np.float32([4, 4]), np.float32([60, 60]))
LIGHT = Light(np.float32([0, 0, 1]), ambient=1.0)


def plate(depth, half, colour, worn=False):
    corners = np.array(
        [[[-half, -half, depth], [half, -half, depth]], [[-half, half, depth], [half, half, depth]]]
    )
    return Mesh(grid(corners), np.float32(colour), 0.0, worn)


def test_the_nearer_mesh_hides_the_farther_one():
    red, blue = plate(1, 3, (0, 0, 1)), plate(2, 1, (1, 0, 0))
    for meshes in ([red, blue], [blue, red]):
        layer, cover = paint(meshes, POSE, LIGHT, SIZE)
        np.testing.assert_allclose(layer[60, 60], (1, 0, 0), atol=1e-6)
        np.testing.assert_allclose(layer[60, 70], (0, 0, 1), atol=1e-6)
        assert cover[60, 60, 0] == 1
        assert cover[60, 90, 0] == 0


def test_what_is_worn_hides_behind_the_head_and_what_is_held_does_not():
    assert paint([plate(-20, 2, (1, 1, 1), worn=True)], POSE, LIGHT, SIZE)[1].max() == 0
    assert paint([plate(-20, 2, (1, 1, 1), worn=False)], POSE, LIGHT, SIZE)[1].max() == 1
    assert paint([plate(20, 2, (1, 1, 1), worn=True)], POSE, LIGHT, SIZE)[1].max() == 1


def test_edges_are_smooth_and_weighted():
    tilted = plate(1, 2, (0.5, 0.5, 0.5)).moved(rotation_about(2, 20), np.zeros(3))
    layer, cover = paint([tilted], POSE, LIGHT, SIZE)
    assert ((cover > 0) & (cover < 1)).any()
    np.testing.assert_allclose(layer, 0.5 * np.repeat(cover, 3, axis=2), atol=1e-6)


def test_light_from_a_side_leaves_the_other_darker():
    outline = superellipse(5, 5, 1.0)
    ball = turned_body([(5 * np.cos(t), np.sin(t)) for t in np.linspace(0, np.pi, 12)], outline)
    mesh = Mesh(ball, np.float32([0.6, 0.6, 0.6]), 0.0, worn=False)
    light = Light(np.float32([0.8, 0, 0.6]), ambient=0.3)
    layer, _ = paint([mesh], POSE, light, SIZE)
    assert layer[60, 72, 0] > 1.3 * layer[60, 48, 0]


@pytest.mark.parametrize("shadow", [0.0, 0.5])
def test_blending_leaves_the_rest_of_the_picture_alone(shadow):
    image = np.full((*SIZE, 3), 200, np.uint8)
    layer, cover = paint([plate(1, 2, (0.1, 0.1, 0.1))], POSE, LIGHT, SIZE)
    mixed = blend(image, layer, cover, shadow)
    assert (mixed[60, 60] < 40).all()
    assert (mixed[5, 5] == 200).all()
    beside = mixed[60, 60 + 10]
    assert (beside < 200).all() == (shadow > 0)
