"""Headphones of many shapes and colours, drawn onto heads at any pose."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from facectrl_fast.dataset.head_pose import HeadPose, rotation_about
from facectrl_fast.dataset.mesh import Light, Mesh, blend, paint, superellipse, tube, turned_body
from facectrl_fast.types import Box, Float32Array, UInt8Array

Colour = tuple[float, float, float]
"""BGR albedo, 0 to 1."""

_FRONT = np.array([-0.2, -0.55, 0.8], np.float32)
FRONT_LIGHT = Light(_FRONT / np.linalg.norm(_FRONT))


@dataclass(frozen=True)
class HeadphoneStyle:
    """The look of one pair and how it sits. Lengths in centimetres, angles in degrees."""

    band_colour: Colour = (0.05, 0.045, 0.04)
    cup_colour: Colour = (0.07, 0.06, 0.055)
    cushion_colour: Colour = (0.03, 0.03, 0.03)
    plate_colour: Colour = (0.3, 0.28, 0.27)
    gloss: float = 0.25
    half_width: float = 7.9
    """From the head's middle to the cushions' inner side."""
    rise: float = 13.8
    """From the ears to the band's top."""
    band_width: float = 2.6
    band_end_width: float = 1.5
    band_thickness: float = 1.2
    band_power: float = 0.9
    """1: the band is half an ellipse; less: flatter on top, steeper at the sides."""
    lean: float = 4.0
    """How far the band leans forward."""
    cup_height: float = 8.5
    cup_width: float = 7.5
    cup_power: float = 1.0
    """1: round cups; 0.4: nearly boxes."""
    cup_depth: float = 2.2
    cushion_depth: float = 1.6
    plate: float = 0.6
    """Size of the disc on the cup, as a share of it; 0 for none."""
    toe: float = 8.0
    """How far the cups' outer sides look forward."""
    ear: tuple[float, float] = (0.3, -0.6)
    """Where the cups' middles sit: y and z in head coordinates."""
    tilt: float = 0.0
    """The pair sits askew by this much."""
    microphone: float = 0.0
    """Length of a boom in front of the left cup; 0 for none."""

    @classmethod
    def random(cls, rng: np.random.Generator) -> HeadphoneStyle:
        """A pair that might be in a shop, and worn as people wear them."""
        over_ear = rng.random() < 0.7
        cup_height = rng.uniform(7.0, 9.6) if over_ear else rng.uniform(5.0, 7.2)
        band, cup, cushion, plate = _random_colours(rng)
        band_width = rng.uniform(1.0, 4.4)
        return cls(
            band_colour=band,
            cup_colour=cup,
            cushion_colour=cushion,
            plate_colour=plate,
            gloss=float(rng.choice([0.05, rng.uniform(0.1, 0.7)])),
            half_width=rng.uniform(6.4, 7.7),
            rise=rng.uniform(12.5, 15.8),
            band_width=band_width,
            band_end_width=band_width * rng.uniform(0.35, 1.0),
            band_thickness=rng.uniform(0.5, 2.2),
            band_power=rng.uniform(0.65, 1.0),
            lean=rng.normal(2, 10),
            cup_height=cup_height,
            cup_width=cup_height * rng.uniform(0.72, 1.02),
            cup_power=float(rng.choice([1.0, rng.uniform(0.5, 1.0)])),
            cup_depth=rng.uniform(0.7, 2.4),
            cushion_depth=rng.uniform(0.3, 1.7),
            plate=float(rng.choice([0.0, rng.uniform(0.3, 0.85)])),
            toe=rng.normal(8, 7),
            ear=(rng.normal(0.3, 0.6), rng.normal(-0.6, 0.7)),
            tilt=rng.normal(0, 2.5),
            microphone=float(rng.uniform(7, 11) if rng.random() < 0.06 else 0.0),
        )


def _random_colours(rng: np.random.Generator) -> tuple[Colour, Colour, Colour, Colour]:
    """Band, cups, cushions and plates: mostly of one family, sometimes of two."""
    band = _random_shade(rng)
    cup = _near(band, rng) if rng.random() < 0.7 else _random_shade(rng)
    cushion = _near(cup, rng) if rng.random() < 0.35 else _random_shade(rng, dark=0.75)
    plate = _near(cup, rng) if rng.random() < 0.5 else _random_shade(rng)
    return band, cup, cushion, plate


def _random_shade(rng: np.random.Generator, dark: float = 0.5) -> Colour:
    if rng.random() < dark:
        base = np.full(3, rng.uniform(0.01, 0.14))
    elif rng.random() < 0.5:
        base = np.full(3, rng.uniform(0.55, 0.98))
    else:
        base = rng.uniform(0.05, 0.95, 3)
    return _clipped(base + rng.normal(0, 0.02, 3))


def _near(colour: Colour, rng: np.random.Generator) -> Colour:
    return _clipped(np.array(colour) * rng.uniform(0.7, 1.4) + rng.normal(0, 0.02))


def _clipped(values: np.ndarray) -> Colour:
    blue, green, red = (float(v) for v in np.clip(values, 0.005, 1))
    return blue, green, red


@dataclass(frozen=True)
class _Parts:
    meshes: list[Mesh] = field(default_factory=list)

    def add(self, quads: Float32Array, colour: Colour, gloss: float) -> None:
        self.meshes.append(Mesh(quads, np.array(colour, np.float32), gloss))


def build_headphones(style: HeadphoneStyle) -> list[Mesh]:
    """The meshes of a pair that sits on the ears, band over the head."""
    parts = _Parts()
    parts.meshes.extend(build_band(style))
    middle = np.array([0.0, *style.ear])
    outline = superellipse(style.cup_height / 2, style.cup_width / 2, style.cup_power)
    cushion = [
        (0.0, 0.8),
        (0.1, 0.95),
        (style.cushion_depth * 0.5, 1.0),
        (style.cushion_depth, 0.94),
    ]
    inner, outer = style.cushion_depth, style.cushion_depth + style.cup_depth
    shell = [(inner, 0.9), (inner + 0.1, 0.96), (outer * 0.6 + inner * 0.4, 0.94)]
    shell += [(outer - 0.25, 0.8), (outer, 0.62), (outer + 0.05, 0.0)]
    for side in (-1, 1):
        turn = rotation_about(1, side * (90 - style.toe) - side * 90)
        place = np.array([side * style.half_width, 0, 0]) + middle
        mirror = np.diag([side, 1.0, 1.0])
        bodies = [(cushion, style.cushion_colour, 0.05), (shell, style.cup_colour, style.gloss)]
        if style.plate:
            lid = outer + 0.12
            disc = [(outer, style.plate), (lid, style.plate), (lid + 0.02, 0.0)]
            bodies.append((disc, style.plate_colour, style.gloss))
        for rings, colour, gloss in bodies:
            quads = turned_body(rings, outline) @ mirror @ turn.T + place
            parts.add(np.asarray(quads, np.float32), colour, gloss)
        parts.add(_yoke(style, side, place), style.band_colour, style.gloss)
    if style.microphone:
        parts.add(_boom(style, middle), style.cup_colour, 0.1)
    tilt = rotation_about(2, style.tilt)
    return [mesh.moved(tilt, np.zeros(3)) for mesh in parts.meshes]


def build_band(style: HeadphoneStyle) -> list[Mesh]:
    """The band alone: what is left of a pair without its cups."""
    angle = np.linspace(0.06, np.pi - 0.06, 33)
    across = style.half_width + style.cushion_depth * 0.6
    upright = style.rise + style.ear[0]
    cosine, sine = np.cos(angle), np.sin(angle)
    x = np.sign(cosine) * np.abs(cosine) ** style.band_power * across
    y = -(sine**style.band_power) * upright
    path = np.stack([x, y, np.zeros_like(x)], axis=1)
    outwards = np.stack([cosine / across, -sine / upright, np.zeros_like(x)], axis=1)
    outwards /= np.linalg.norm(outwards, axis=1, keepdims=True)
    width = style.band_end_width + (style.band_width - style.band_end_width) * sine**2
    thickness = style.band_thickness * (0.5 + 0.5 * sine)
    lean = rotation_about(0, style.lean)
    quads = tube(path, width, thickness, outwards) @ lean.T + np.array([0.0, *style.ear])
    return [
        Mesh(np.asarray(quads, np.float32), np.array(style.band_colour, np.float32), style.gloss)
    ]


def _yoke(style: HeadphoneStyle, side: int, place: np.ndarray) -> Float32Array:
    """The arm that holds a cup, from the band's end to the cup's middle."""
    out = side * style.cushion_depth * 0.9
    length = style.cup_height * 0.62
    along = np.linspace(0, 1, 5)
    path = np.stack([np.full(5, out), -length * (1 - along), np.zeros(5)], axis=1)
    path = path @ rotation_about(0, style.lean * 0.5).T + place
    outwards = np.tile(np.array([side, 0.0, 0.0]), (5, 1))
    return tube(path, np.full(5, style.band_end_width), np.full(5, 0.6), outwards)


def _boom(style: HeadphoneStyle, middle: np.ndarray) -> Float32Array:
    along = np.linspace(0, 1, 9)
    path = np.stack(
        [
            -(style.half_width + 1.5) + 5.5 * along**2,
            2.0 + 3.5 * along,
            1.0 + style.microphone * along,
        ],
        axis=1,
    )
    outwards = np.tile(np.array([-0.6, 0.8, 0.0]), (9, 1))
    size = np.where(along > 0.8, 1.1, 0.45)
    return tube(path + middle, size, size, outwards)


def around_the_neck(meshes: list[Mesh], rng: np.random.Generator) -> list[Mesh]:
    """The same pair hung around the neck, the band behind it."""
    turn = rotation_about(0, rng.uniform(95, 125)) @ rotation_about(2, rng.normal(0, 6))
    shift = np.array([rng.normal(0, 0.8), rng.uniform(11.0, 15.0), rng.uniform(-1.0, 4.0)])
    return [mesh.moved(turn, shift) for mesh in meshes]


def draw_headphones(image: UInt8Array, face: Box, style: HeadphoneStyle) -> UInt8Array:
    """A copy of the picture with headphones on a face that looks into the camera.

    Args:
        image: BGR, uint8, (h, w, 3).
        face: the face box, forehead to chin, in pixels.
        style: what they look like and how they sit.
    """
    pose = HeadPose.facing(face)
    layer, cover = paint(build_headphones(style), pose, FRONT_LIGHT, image.shape[:2])
    return blend(image, layer, cover, shadow=0.35)
