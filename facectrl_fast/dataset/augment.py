"""What light, lenses, sensors and codecs do to crops, at random, so that training sees it all.

Functions take a float32 (h, w) crop of gray values in [0, 1] and a random generator, and return
such a crop.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from facectrl_fast.types import Float32Array

Augmentation = Callable[[Float32Array, np.random.Generator], Float32Array]


def seed_augmentation(crop: Float32Array, rng: np.random.Generator) -> Float32Array:
    """One of the seed's four: mirrored, less contrast, other brightness, JPEG."""
    kind = rng.integers(4)
    if kind == 0:
        return crop[:, ::-1]
    if kind == 1:
        return _clipped((crop - crop.mean()) * rng.uniform(0.1, 0.6) + crop.mean())
    if kind == 2:
        return _clipped(crop + rng.uniform(-0.2, 0.2))
    return jpeg(crop, int(rng.integers(20, 101)))


def strong_augmentation(crop: Float32Array, rng: np.random.Generator) -> Float32Array:
    """For networks that can take it: light from a side, dark rooms, haze, blur, noise, gaps."""
    chance = rng.random(7)
    if chance[0] < 0.5:
        crop = crop[:, ::-1]
    picture: np.ndarray = crop ** np.float32(np.exp(rng.normal(0, 0.3)))
    if chance[1] < 0.35:
        picture = picture * slope(crop.shape, rng)
    if chance[2] < 0.15:  # haze, backlight, a dark room
        low, high = np.sort(rng.uniform(0, 1, 2))
        if high - low > 0.15:
            picture = low + picture * (high - low)
    picture = (picture - 0.5) * rng.uniform(0.7, 1.3) + 0.5 + rng.normal(0, 0.06)
    if chance[3] < 0.3:
        picture = _coarser(picture, rng)
    if chance[4] < 0.35:
        picture = picture + rng.normal(0, rng.uniform(0.005, 0.06), crop.shape)
    if chance[5] < 0.25:
        picture = _with_gap(picture, rng)
    crop = _clipped(picture)
    if chance[6] < 0.3:
        crop = jpeg(crop, int(rng.integers(20, 101)))
    return crop


def _clipped(crop: np.ndarray) -> Float32Array:
    return np.asarray(np.clip(crop, 0, 1), np.float32)


def slope(shape: tuple[int, ...], rng: np.random.Generator) -> Float32Array:
    """Light from a side: factors (h, w) from 0.15 to 1.85."""
    angle = rng.uniform(0, 2 * np.pi)
    y, x = np.mgrid[-1 : 1 : shape[0] * 1j, -1 : 1 : shape[1] * 1j]
    return np.asarray(1 + rng.uniform(0, 0.6) * (np.cos(angle) * x + np.sin(angle) * y), np.float32)


def _coarser(crop: np.ndarray, rng: np.random.Generator) -> Float32Array:
    height, width = crop.shape
    share = rng.uniform(0.3, 0.9)
    size = (round(width * share), round(height * share))
    small = cv2.resize(crop.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (width, height)), np.float32)


def _with_gap(crop: np.ndarray, rng: np.random.Generator) -> Float32Array:
    height, width = crop.shape
    rows, columns = rng.integers(6, height // 3), rng.integers(6, width // 3)
    top, left = rng.integers(0, height - rows), rng.integers(0, width - columns)
    filled = np.array(crop, np.float32)
    filled[top : top + rows, left : left + columns] = rng.random()
    return filled


def jpeg(crop: Float32Array, quality: int) -> Float32Array:
    """What a JPEG of that quality, 1 to 100, leaves of it."""
    coded = cv2.imencode(
        ".jpg", np.rint(crop * 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, quality]
    )[1]
    decoded = cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE)
    assert decoded is not None
    return np.asarray(decoded, np.float32) / np.float32(255)
