"""What else people wear or hold near their heads: no headphones, and no sign of their absence.

A classifier that saw only drawn headphones would learn that drawn things are headphones.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from facectrl_fast.dataset.head_pose import SKULL_CENTRE, SKULL_RADII, rotation_about
from facectrl_fast.dataset.headphones import HeadphoneStyle, build_band
from facectrl_fast.dataset.mesh import Mesh, grid, shell, superellipse, tube, turned_body
from facectrl_fast.types import Float32Array

_EAR = np.array([7.3, 0.6, -0.3])


def random_shade(rng: np.random.Generator) -> Float32Array:
    """(3,) BGR albedo of cloth and plastic: dark, light or coloured."""
    kind = rng.random()
    base = np.full(3, rng.uniform(0.01, 0.2) if kind < 0.4 else rng.uniform(0.45, 0.95))
    if kind > 0.7:
        base = rng.uniform(0.05, 0.9, 3)
    return np.clip(base + rng.normal(0, 0.02, 3), 0.005, 1).astype(np.float32)


def hat(rng: np.random.Generator) -> list[Mesh]:
    """A woollen hat or a cap; headphones may sit over it."""
    colour, looseness = random_shade(rng), rng.uniform(0.2, 1.3)
    radii = SKULL_RADII + looseness
    edge, slope = rng.uniform(-7.5, -4.5), rng.uniform(-0.35, 0.1)
    crown = shell(radii, SKULL_CENTRE, lambda m: m[:, 1] < edge + slope * m[:, 2])
    bands = np.sin(crown.mean(axis=1) @ rng.normal(0, 2, 3)) * rng.choice([0.0, 0.1, 0.25])
    meshes = [Mesh(crown, colour * (1 + bands[:, None]).astype(np.float32), 0.0)]
    if rng.random() < 0.5:
        reach = rng.uniform(3, 8)
        around = np.linspace(-1, 1, 9) if rng.random() < 0.6 else np.linspace(-np.pi, np.pi, 33)
        height = edge + slope * SKULL_RADII[2] + 0.5
        inner, outer = radii * 0.98, radii + reach
        rim = [
            [[np.sin(a) * r[0], height + drop, SKULL_CENTRE[2] + np.cos(a) * r[2]] for a in around]
            for r, drop in ((inner, 0.0), (outer, rng.uniform(0, 2)))
        ]
        meshes.append(Mesh(grid(np.array(rim)), colour * 0.8, 0.0))
    return meshes


def hood(rng: np.random.Generator) -> list[Mesh]:
    """Cloth or hair all around the face: hoods, scarves over the head, long hair."""
    colour = random_shade(rng)
    half_width, top, bottom = rng.uniform(5.2, 7.0), rng.uniform(-8, -5), rng.uniform(8, 12)
    front = rng.uniform(1.0, 6.0)
    radii = SKULL_RADII + rng.uniform(0.3, 1.8) + np.array([0.0, rng.uniform(2, 10), 0.0])
    centre = SKULL_CENTRE + np.array([0.0, radii[1] - SKULL_RADII[1] - 1.0, -1.0])
    middle, half_height = (top + bottom) / 2, (bottom - top) / 2

    def cloth(middles: np.ndarray) -> np.ndarray:
        x, y, z = middles.T
        opening = (x / half_width) ** 2 + ((y - middle) / half_height) ** 2 < 1
        return np.asarray(~(opening & (z > 0)) & (z < front + 20 * (y < top)))

    quads = shell(radii, centre, cloth, steps=56)
    angle = np.arctan2(quads[..., 0].mean(1), quads[..., 2].mean(1))
    strands = 1 + rng.uniform(0, 0.3) * np.sin(angle * rng.uniform(20, 60))[:, None]
    return [Mesh(quads, (colour * strands).astype(np.float32), float(rng.choice([0.0, 0.2])))]


def headband(rng: np.random.Generator) -> list[Mesh]:
    """A band over the head without cups: a hair band, or the strap of something else."""
    style = HeadphoneStyle.random(rng)
    tight = replace(
        style,
        half_width=rng.uniform(7.2, 7.9),
        cushion_depth=0.0,
        rise=rng.uniform(13.2, 15.0),
        band_thickness=rng.uniform(0.3, 1.4),
        band_end_width=style.band_width * rng.uniform(0.5, 1.0),
        lean=rng.normal(8, 14),
        ear=(rng.uniform(-5, 0.5), rng.uniform(-2, 1)),
    )
    return build_band(tight)


def glasses(rng: np.random.Generator) -> list[Mesh]:
    """Spectacles or sunglasses."""
    colour = random_shade(rng) * 0.6
    half_y, half_z = rng.uniform(1.5, 2.6), rng.uniform(2.2, 3.1)
    outline = superellipse(half_y, half_z, rng.uniform(0.5, 1.0))
    to_front = rotation_about(1, -90)
    meshes: list[Mesh] = []
    tinted = rng.random() < 0.4
    frame = rng.uniform(0.15, 0.5)
    for side in (-1, 1):
        place = np.array([side * 3.25, -1.5, 9.4])
        if tinted:
            pane = turned_body([(0.0, 1.0), (0.05, 0.0)], outline) @ to_front.T + place
            meshes.append(Mesh(pane.astype(np.float32), colour * 0.5, 0.4, worn=False))
        ring = np.stack([outline[:, 1], outline[:, 0], np.zeros(len(outline))], axis=1)
        outwards = ring / np.linalg.norm(ring, axis=1, keepdims=True)
        rim = tube(ring + place, np.full(25, 0.3), np.full(25, frame), outwards)
        meshes.append(Mesh(rim, colour, 0.3, worn=False))
        along = np.linspace(0, 1, 8)[:, None]
        start, end = np.array([side * 6.4, -2.0, 8.9]), np.array([side * 7.5, -1.6, -0.5])
        arm = tube(
            start + along * (end - start),
            np.full(8, frame + 0.1),
            np.full(8, 0.2),
            np.tile(np.array([float(side), 0.0, 0.0]), (8, 1)),
        )
        meshes.append(Mesh(arm, colour, 0.3))
    return meshes


def earbuds(rng: np.random.Generator) -> list[Mesh]:
    """Small ones in the ears, with a stem or a cable."""
    colour = random_shade(rng)
    outline = superellipse(rng.uniform(0.5, 1.1), rng.uniform(0.5, 0.9), 1.0, 13)
    cable = rng.random() < 0.6
    meshes: list[Mesh] = []
    for side in (-1, 1):
        place = _EAR * [side, 1, 1]
        bud = turned_body([(0.0, 1.0), (0.8 * side, 0.8), (0.9 * side, 0.0)], outline) + place
        meshes.append(Mesh(bud.astype(np.float32), colour, 0.3))
        along = np.linspace(0, 1, 12)[:, None]
        way = np.array([-side * 4.0, 18.0, 5.0]) if cable else np.array([0.0, 2.4, 0.8])
        bend = np.array([side * rng.uniform(-1, 2), 0, 0]) * np.sin(np.pi * along) * cable
        thick = np.full(12, 0.25 if cable else 0.5)
        line = tube(
            place + np.array([side * 0.5, 0.3, 0.2]) + along * way + bend,
            thick,
            thick,
            np.tile(np.array([float(side), 0.0, 0.0]), (12, 1)),
        )
        meshes.append(Mesh(line, colour, 0.2))
    return meshes


def hand(rng: np.random.Generator, skin: Float32Array) -> list[Mesh]:
    """A hand at an ear, a cheek or the hair: fingers that come from outside and below.

    Args:
        rng: where and how.
        skin: (3,) BGR albedo.
    """
    side = float(rng.choice([-1, 1]))
    tip = np.array([side * rng.uniform(4, 9.5), rng.uniform(-7, 6), rng.uniform(2, 7)])
    root = tip + np.array([side * rng.uniform(1, 6), rng.uniform(5, 10), rng.uniform(-3, 3)])
    along = np.linspace(0, 1, 8)[:, None]
    spread = np.array([0.9, -0.5, 0.3]) * [side, 1, 1]
    meshes: list[Mesh] = []
    for finger in range(4):
        shift = spread * (finger - 1.5) * rng.uniform(1.2, 2.0)
        bend = np.array([side * 1.2, -0.8, 1.5]) * np.sin(np.pi * along) * rng.uniform(0, 1.4)
        path = root + shift * 1.1 + along * (tip - root) * rng.uniform(0.75, 1.05) + bend
        thick = np.linspace(2.0, 1.3, 8)
        outwards = np.tile(np.array([0.0, 0.0, 1.0]), (8, 1))
        shade = skin * np.float32(rng.uniform(0.8, 1.05))
        meshes.append(Mesh(tube(path, thick, thick, outwards), shade, 0.05, worn=False))
    palm = shell(
        np.array([3.6, 4.8, 1.6]),
        root + np.array([side * 0.5, 2.5, 0.0]),
        lambda middles: np.ones(len(middles), bool),
        steps=14,
    )
    arm_end = root + np.array([side * rng.uniform(-2, 8), 25.0, rng.uniform(-4, 2)])
    arm = tube(
        root + np.array([0.0, 4.0, 0.0]) + along * (arm_end - root),
        np.linspace(4.5, 7, 8),
        np.linspace(4.5, 7, 8),
        np.tile(np.array([0.0, 0.0, 1.0]), (8, 1)),
    )
    sleeve = random_shade(rng) if rng.random() < 0.5 else skin
    meshes.append(Mesh(palm, skin * np.float32(0.95), 0.05, worn=False))
    meshes.append(Mesh(arm, sleeve, 0.0, worn=False))
    return meshes
