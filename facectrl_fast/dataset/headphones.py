"""Draws headphones onto a face: for generated clips and for training pictures."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from facectrl_fast.types import Box, UInt8Array

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class HeadphoneStyle:
    """The look of one pair. Lengths are shares of the face box's height, colours are BGR."""

    band_colour: Colour = (40, 36, 34)
    cup_colour: Colour = (52, 46, 42)
    accent_colour: Colour = (110, 104, 100)
    band_thickness: float = 0.075
    cup_width: float = 0.17
    cup_height: float = 0.34
    cup_roundness: float = 1.0
    """1 is an ellipse, 0 a box."""
    accent: float = 0.5
    """Size of the inner part of the cup, as a share of the cup; 0 for none."""
    band_rise: float = 0.42
    """How far the band's top lies above the face box."""
    ear_height: float = 0.5
    """Where the cups' centres lie, from the top of the face box."""
    spread: float = 0.5
    """Distance of the cups from the middle, as a share of the face box's width."""
    turn: float = 0.0
    """-1 to 1: the head's turn; the farther cup goes behind the face."""
    tilt: float = 0.0
    """The head's roll, in degrees."""
    opacity: float = 1.0

    @classmethod
    def random(cls, rng: np.random.Generator) -> HeadphoneStyle:
        """A pair that might be in a shop: mostly dark, some white, some bright."""
        kind = rng.choice(3, p=[0.8, 0.1, 0.1])
        shade = (
            rng.uniform(10, 75, 3)
            if kind == 0
            else rng.uniform(190, 250, 3)
            if kind == 1
            else rng.uniform(20, 235, 3)
        )
        if kind < 2:
            shade = np.full(3, shade.mean()) + rng.normal(0, 6, 3)
        cup = np.clip(shade + rng.normal(0, 18), 0, 255)
        accent = np.clip(cup + rng.choice([-1, 1]) * rng.uniform(15, 90), 0, 255)
        return cls(
            band_colour=_colour(shade),
            cup_colour=_colour(cup),
            accent_colour=_colour(accent),
            band_thickness=rng.uniform(0.035, 0.13),
            cup_width=rng.uniform(0.1, 0.27),
            cup_height=rng.uniform(0.26, 0.46),
            cup_roundness=float(rng.choice([1.0, 1.0, rng.uniform(0.2, 1.0)])),
            accent=float(rng.choice([0.0, rng.uniform(0.3, 0.8)])),
            band_rise=rng.uniform(0.2, 0.55),
            ear_height=rng.uniform(0.44, 0.62),
            spread=rng.uniform(0.46, 0.64),
            turn=float(np.clip(rng.normal(0, 0.25), -1, 1)),
            tilt=rng.normal(0, 3),
            opacity=rng.uniform(0.85, 1.0),
        )


def _colour(values: np.ndarray) -> Colour:
    blue, green, red = (int(v) for v in np.clip(values, 0, 255))
    return blue, green, red


def draw_headphones(image: UInt8Array, face: Box, style: HeadphoneStyle) -> UInt8Array:
    """A copy of the picture with headphones on the face.

    Args:
        image: BGR, uint8, (h, w, 3).
        face: the face box, forehead to chin, in pixels.
        style: what they look like and how they sit.
    """
    scale = 4 if face[3] < 120 else 2  # drawn larger and averaged down: smooth edges
    x, y, width, height = (side * scale for side in face)
    rows, columns = image.shape[0] * scale, image.shape[1] * scale
    paint = np.zeros((rows, columns, 3), np.uint8)
    mask = np.zeros((rows, columns), np.uint8)
    middle = x + width / 2
    ears = y + style.ear_height * height
    shift = style.turn * 0.12 * width

    def spot(dx: float, dy: float) -> tuple[int, int]:
        angle = np.radians(style.tilt)
        return (
            int(middle + dx * np.cos(angle) - dy * np.sin(angle)),
            int(ears + dx * np.sin(angle) + dy * np.cos(angle)),
        )

    top = style.ear_height * height + style.band_rise * height
    thickness = max(int(style.band_thickness * height), 2)
    arc = [
        spot(
            np.cos(t) * style.spread * width + shift * (1 - np.sin(t)) * 0.5,
            -np.sin(t) * top,
        )
        for t in np.linspace(0, np.pi, 48)
    ]
    points = np.array(arc, np.int32)
    cv2.polylines(paint, [points], False, style.band_colour, thickness, cv2.LINE_AA)
    cv2.polylines(mask, [points], False, 255, thickness, cv2.LINE_AA)

    for side in (-1, 1):
        # Turned to one side, the far cup is seen edge-on and the near one from the front.
        nearness = 1 + 0.6 * side * style.turn
        if nearness < 0.62:
            continue
        half_width = style.cup_width * height / 2 * nearness
        half_height = style.cup_height * height / 2
        for share, colour in ((1.0, style.cup_colour), (style.accent, style.accent_colour)):
            if share == 0:
                continue
            outline = np.array(
                [
                    spot(side * style.spread * width + shift * 0.5 + dx * share, dy * share)
                    for dx, dy in _superellipse(half_width, half_height, style.cup_roundness)
                ],
                np.int32,
            )
            cv2.fillPoly(paint, [outline], colour, cv2.LINE_AA)
            cv2.fillPoly(mask, [outline], 255, cv2.LINE_AA)

    # Light falls from above: the lower half is a little darker.
    shade = np.linspace(1.15, 0.8, rows, dtype=np.float32)[:, None, None]
    paint_small = cv2.resize(
        np.clip(paint * shade, 0, 255).astype(np.uint8),
        (image.shape[1], image.shape[0]),
        interpolation=cv2.INTER_AREA,
    )
    mask_small = cv2.resize(mask, (image.shape[1], image.shape[0]), interpolation=cv2.INTER_AREA)
    cover = mask_small.astype(np.float32)[..., None] / 255
    # The averaged paint holds black where nothing was painted: it is weighted by the cover already.
    blended = image * (1 - cover * style.opacity) + paint_small * style.opacity
    return np.clip(blended, 0, 255).astype(np.uint8)


def _superellipse(
    half_width: float, half_height: float, roundness: float
) -> list[tuple[float, float]]:
    """Points around the origin on an ellipse (roundness 1) to nearly a box (0)."""
    power = 1 / (1 + 3 * (1 - roundness))
    angles = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    cosines, sines = np.cos(angles), np.sin(angles)
    return [
        (float(dx), float(dy))
        for dx, dy in zip(
            half_width * np.sign(cosines) * np.abs(cosines) ** power,
            half_height * np.sign(sines) * np.abs(sines) ** power,
            strict=True,
        )
    ]
