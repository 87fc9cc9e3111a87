"""Small meshes in head coordinates, and painting them into a picture of a head."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from facectrl_fast.dataset.head_pose import HeadPose
from facectrl_fast.types import Float32Array, UInt8Array

_SUBPIXEL_BITS = 4
_HIDDEN_BY = 0.7
"""Centimetres under the skull's surface from which on a part is hidden: hair and skin give way."""


@dataclass(frozen=True)
class Mesh:
    """Quadrilaterals of one material."""

    quads: Float32Array
    """(n, 4, 3): corners in head centimetres, in order around each."""
    colour: Float32Array
    """(3,) or (n, 3): BGR albedo, 0 to 1."""
    gloss: float = 0.2
    """Strength of the highlight."""
    worn: bool = True
    """Hidden where it lies behind the skull's surface."""

    def moved(self, rotation: np.ndarray, shift: np.ndarray) -> Mesh:
        """Rotated about the origin, then shifted by centimetres."""
        return replace(self, quads=np.asarray(self.quads @ rotation.T + shift, np.float32))


@dataclass(frozen=True)
class Light:
    """How a scene is lit."""

    direction: Float32Array
    """(3,): to the light, in the camera's axes (right, down, to the camera)."""
    ambient: float = 0.5
    strength: float = 1.0
    """What a white surface that faces the light shows, 1 being white in the picture."""
    floor: float = 0.0
    """What black shows: haze and flare."""


def grid(points: np.ndarray) -> Float32Array:
    """The quadrilaterals (n, 4, 3) of a surface sampled as (rows, columns, 3) points."""
    corners = (points[:-1, :-1], points[:-1, 1:], points[1:, 1:], points[1:, :-1])
    return np.stack([c.reshape(-1, 3) for c in corners], axis=1).astype(np.float32)


def tube(
    path: np.ndarray, width: np.ndarray, thickness: np.ndarray, outwards: np.ndarray
) -> Float32Array:
    """A strap with rounded edges along a path.

    Args:
        path: (n, 3) its middle.
        width: (n,) across, in the direction that is square to path and ``outwards``.
        thickness: (n,) along ``outwards``.
        outwards: (n, 3) unit vectors.
    """
    along = np.gradient(path, axis=0)
    across = np.cross(along, outwards)
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    thick, wide = superellipse(0.5, 0.5, 0.5, count=11).T
    return grid(
        path[:, None]
        + across[:, None] * (width[:, None] * wide)[..., None]
        + outwards[:, None] * (thickness[:, None] * thick)[..., None]
    )


def turned_body(rings: Sequence[tuple[float, float]], outline: np.ndarray) -> Float32Array:
    """A body around the x axis.

    Args:
        rings: distance along the axis and share of the outline, from one end to the other.
        outline: (m, 2) y and z of the full section, closed.
    """
    points = np.empty((len(rings), len(outline), 3))
    for row, (distance, share) in zip(points, rings, strict=True):
        row[:, 0] = distance
        row[:, 1:] = outline * share
    return grid(points)


def superellipse(half_y: float, half_z: float, power: float, count: int = 25) -> np.ndarray:
    """(count, 2) points of a closed curve: an ellipse at power 1, nearly a box below 0.4."""
    angles = np.linspace(0, 2 * np.pi, count)
    cosine, sine = np.cos(angles), np.sin(angles)
    return np.stack(
        [
            half_y * np.sign(sine) * np.abs(sine) ** power,
            half_z * np.sign(cosine) * np.abs(cosine) ** power,
        ],
        axis=1,
    )


def shell(
    radii: np.ndarray,
    centre: np.ndarray,
    keep: Callable[[np.ndarray], np.ndarray],
    steps: int = 28,
) -> Float32Array:
    """The quadrilaterals of an ellipsoid whose middles (n, 3) ``keep`` returns True for."""
    polar = np.linspace(0, np.pi, steps // 2 + 1)[:, None]
    around = np.linspace(0, 2 * np.pi, steps + 1)[None, :]
    points = np.stack(
        [
            np.sin(polar) * np.sin(around),
            -np.cos(polar) * np.ones_like(around),
            np.sin(polar) * np.cos(around),
        ],
        axis=-1,
    )
    quads = grid(points * radii + centre)
    return np.asarray(quads[keep(quads.mean(axis=1))], np.float32)


def paint(
    meshes: Sequence[Mesh], pose: HeadPose, light: Light, size: tuple[int, int], finer: int = 2
) -> tuple[Float32Array, Float32Array]:
    """What the meshes look like on a head.

    Args:
        meshes: hidden by each other, and where worn by the skull.
        pose: of the head.
        light: of the scene.
        size: (height, width) of the picture.
        finer: painted this many times larger and averaged down, for smooth edges.

    Returns:
        (h, w, 3) float32 BGR, 0 to 1, already weighted by the cover, and the cover (h, w, 1).
    """
    height, width = size
    canvas = np.zeros((height * finer, width * finer, 4), np.float32)
    quads, colours, depths = _visible(meshes, pose, light)
    corners = np.rint((quads * finer + (finer - 1) / 2) * (1 << _SUBPIXEL_BITS)).astype(np.int32)
    for index in np.argsort(depths):
        colour = (*colours[index].tolist(), 1.0)
        cv2.fillConvexPoly(canvas, corners[index], colour, cv2.LINE_8, _SUBPIXEL_BITS)
    small = cv2.resize(canvas, (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(small[..., :3], np.float32), np.asarray(small[..., 3:], np.float32)


def _visible(
    meshes: Sequence[Mesh], pose: HeadPose, light: Light
) -> tuple[Float32Array, Float32Array, Float32Array]:
    """Corners (n, 4, 2) in pixels, colours (n, 3) and depths (n,) of what can be seen."""
    parts: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    for mesh in meshes:
        seen = pose.project(mesh.quads)
        diagonals = mesh.quads[:, 2] - mesh.quads[:, 0], mesh.quads[:, 3] - mesh.quads[:, 1]
        normals = np.cross(*diagonals) @ pose.rotation.T
        normals /= np.linalg.norm(normals, axis=1, keepdims=True) + 1e-6
        # Straps and shells are seen from both sides; what is behind is painted over.
        normals[normals[:, 2] < 0] *= -1
        middles = seen.mean(axis=1)
        there = np.ones(len(seen), bool)
        if mesh.worn:
            there = middles[:, 2] > pose.skull_depth(middles[:, :2]) - _HIDDEN_BY
        facing = np.maximum(normals @ light.direction, 0)
        half = light.direction + np.array([0, 0, 1], np.float32)
        half /= np.linalg.norm(half)
        highlight = mesh.gloss * np.maximum(normals @ half, 0) ** 24
        shade = light.ambient + (1 - light.ambient) * facing
        colours = (mesh.colour * shade[:, None] + highlight[:, None]) * light.strength
        colours = light.floor + (1 - light.floor) * np.clip(colours, 0, 1)
        parts.append((seen[there, :, :2], colours[there], middles[there, 2]))
    quads, colours, depths = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return quads, colours.astype(np.float32), depths


def blend(
    image: UInt8Array, layer: Float32Array, cover: Float32Array, shadow: float = 0.0
) -> UInt8Array:
    """Put a painted layer on a picture, with the shadow it casts around itself.

    Args:
        image: (h, w, 3) uint8 BGR.
        layer: (h, w, 3), as ``paint`` returns it.
        cover: (h, w, 1).
        shadow: how much darker the picture gets right beside the layer, 0 to 1.
    """
    below = image.astype(np.float32) / 255
    if shadow:
        spread = max(image.shape[0] / 60, 0.5)
        dark = cv2.GaussianBlur(cover, (0, 0), spread)[..., None]
        below = below * (1 - shadow * np.roll(dark, int(spread), axis=0))
    mixed = below * (1 - cover) + layer
    return np.asarray(np.clip(mixed * 255 + 0.5, 0, 255), np.uint8)
