"""Webcam pictures at random, for a face detector to learn from.

A face of a picture is put somewhere into a picture of a webcam's shape: of any size from an eighth
of its height to all of it, rolled, mirrored, before something else, partly behind something, in any
light, with what lenses, sensors and codecs do. What is pasted has seams; so that seams say nothing,
pieces of pictures without faces are pasted in the same way, and faces are painted over. Behind it
all is a piece of such a picture, or all of one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from facectrl_fast.dataset.augment import jpeg, slope
from facectrl_fast.types import Float32Array, UInt8Array

ENLARGED = 2.0
"""At most so much are the faces of pictures enlarged: beyond, there is nothing more to see."""
OVERLOOKED = 8 / 15
"""Faces below the smallest down to this share of it may be found or not; smaller ones count as
none."""
WHOLE = 0.4
"""Share of the pictures behind scenes that are seen whole: what fills its picture, a ball before a
wall, would else hardly ever be seen from edge to edge, as faces are."""
SMALLEST_WHOLE = 0.3
"""Height of the smallest of those, as a share of the scene's, if it is not too wide for that."""
VISIBLE = 0.55
"""Share of a face that has to be seen; of one that is to be missed, at most half of that."""


@dataclass(frozen=True)
class Framing:
    """Where in a scene a face is, and how large."""

    smallest: float
    """Height of the smallest face that is to be found, as a share of the picture's."""
    largest: float
    """That of the largest, if they are not squeezed."""
    middle: tuple[float, float]
    """Of faces, on the average: across and down, as shares of the picture's sides."""
    spread: tuple[float, float]
    """Standard deviation of that."""
    empty: float
    """Share of the scenes without anybody."""
    anywhere: float = 0.0
    """Share of the faces that lie anywhere instead."""


WEBCAM = Framing(1 / 8, 1.1, (0.5, 0.48), (0.25, 0.22), 0.2)
"""Somebody before a webcam is near the middle more often than at its edges."""
CLOSE_LOOKS = Framing(1 / 4, 0.85, (0.5, 0.5), (0.09, 0.08), 0.45, anywhere=0.3)
"""What a detector sees when it looks closely at what may be a face, and often is none; at the edge
of a picture it sees less on one side."""


@dataclass(frozen=True)
class FacePicture:
    """A picture and the faces in it."""

    image: UInt8Array
    """(channels, h, w)."""
    boxes: Float32Array
    """(n, 4), n > 0: x, y, width, height; forehead to chin, temple to temple."""
    doubtful: Float32Array
    """(m, 4): faces that may be found or not."""


@dataclass(frozen=True)
class Scene:
    """A picture as a webcam takes it."""

    image: UInt8Array
    """(channels, h, w)."""
    boxes: Float32Array
    """(n, 4) of the faces to find."""
    doubtful: Float32Array
    """(m, 4) of those that may be found or not."""


class WebcamScenes:
    """Scenes by (epoch, index); each epoch varies them anew, the same one gives the same again."""

    def __init__(
        self,
        pictures: Sequence[FacePicture],
        backgrounds: Sequence[UInt8Array],
        size: tuple[int, int],
        seed: int = 0,
        chances: Sequence[float] | None = None,
        framing: Framing = WEBCAM,
    ) -> None:
        """Compose scenes of these.

        Args:
            pictures: each with a face at least; all with as many channels, 1 or 3.
            backgrounds: pictures (channels, h, w) without faces; none for plain ones.
            size: height and width of the scenes.
            seed: of everything.
            chances: how often each background is drawn, beside the others; all alike if not given.
            framing: where faces are.
        """
        self._pictures = pictures
        self._backgrounds = _Backgrounds(backgrounds, chances)
        self._size = size
        self._seed = seed
        self._framing = framing

    def __len__(self) -> int:
        return len(self._pictures)

    def scene(self, epoch: int, index: int) -> Scene:
        """One scene, with a face of picture ``index`` or with nobody."""
        picture = self._pictures[index]
        # The channels differ in nothing but the pixels of the pictures.
        planes = [
            _Composition(
                picture,
                self._backgrounds,
                self._size,
                self._framing,
                channel,
                np.random.default_rng((self._seed, epoch, index)),
            )
            for channel in range(len(picture.image))
        ]
        image = np.stack([plane.image for plane in planes])
        shown = planes[0].shown
        boxes, visible = shown[:, :4], shown[:, 4]
        share = boxes[:, 3] / self._size[0]
        clear = np.arange(len(shown)) < len(picture.boxes)
        smallest = self._framing.smallest
        sought = clear & (share >= smallest) & (visible >= VISIBLE)
        doubtful = ~sought & (share >= OVERLOOKED * smallest) & (visible >= VISIBLE / 2)
        return Scene(image, boxes[sought], boxes[doubtful])


class _Backgrounds:
    """What lies behind and before people."""

    def __init__(self, pictures: Sequence[UInt8Array], chances: Sequence[float] | None) -> None:
        self._pictures = pictures
        shares = np.ones(len(pictures)) if chances is None else np.asarray(chances, float)
        self._up_to = np.cumsum(shares)

    def __bool__(self) -> bool:
        return len(self._pictures) > 0

    def drawn(self, channel: int, rng: np.random.Generator) -> UInt8Array:
        """One channel, (h, w), of one at random."""
        drawn = rng.random() * self._up_to[-1]
        chosen = self._pictures[int(np.searchsorted(self._up_to, drawn, side="right"))]
        return np.asarray(chosen[channel], np.uint8)


class _Composition:
    """One channel of a scene."""

    def __init__(
        self,
        picture: FacePicture,
        backgrounds: _Backgrounds,
        size: tuple[int, int],
        framing: Framing,
        channel: int,
        rng: np.random.Generator,
    ) -> None:
        self._backgrounds = backgrounds
        self._size = size
        self._framing = framing
        self._channel = channel
        canvas = self._background(rng)
        self._paste_pieces(canvas, rng, rng.poisson(0.7))
        shown: Float32Array = np.zeros((0, 5), np.float32)
        if rng.random() >= framing.empty:
            shown = self._paste_face(canvas, picture, rng)
        elif rng.random() < 0.5:
            shown = self._paste_face(canvas, picture, rng)
            self._paint_over(canvas, shown, rng)
            shown = shown[:0]
        image = _photographed(canvas, shown, rng)
        if rng.random() < 0.5:
            image = image[:, ::-1]
            shown[:, 0] = size[1] - shown[:, 0] - shown[:, 2]
        self.image = image
        """(h, w)."""
        self.shown = shown
        """(n, 5): the boxes of its faces, the doubtful ones last, and how much is seen of each."""

    def _background(self, rng: np.random.Generator) -> Float32Array:
        """A piece of a background, or a plain wall in a lamp's light; values 0 to 1."""
        if self._backgrounds and rng.random() < 0.8:
            part = _whole if rng.random() < WHOLE else _piece
            canvas = part(self._any_background(rng), self._size, rng)
        else:
            canvas = np.full(self._size, rng.uniform(0.05, 0.95), np.float32)
        if rng.random() < 0.4:
            canvas = canvas * slope(self._size, rng)
        return np.asarray(np.clip(canvas * rng.uniform(0.5, 1.4), 0, 1), np.float32)

    def _any_background(self, rng: np.random.Generator) -> UInt8Array:
        return self._backgrounds.drawn(self._channel, rng)

    def _paste_pieces(self, canvas: Float32Array, rng: np.random.Generator, count: int) -> None:
        height, width = self._size
        for _ in range(count):
            tall = height * np.exp(rng.uniform(np.log(0.15), np.log(1.2)))
            wide = tall * rng.uniform(0.6, 1.5)
            centre = rng.uniform(0, width), rng.uniform(0, height)
            self._paste_piece(canvas, centre, (wide, tall), rng)

    def _paste_piece(
        self,
        canvas: Float32Array,
        centre: tuple[float, float],
        size: tuple[float, float],
        rng: np.random.Generator,
    ) -> Float32Array:
        """Paste a piece of a background; returns how much of each pixel it covers."""
        if self._backgrounds and rng.random() < 0.85:
            piece = _piece(self._any_background(rng), self._size, rng)
        else:
            piece = np.full(self._size, rng.random(), np.float32)
        mask = np.zeros(self._size, np.float32)
        kind = rng.integers(3)
        if kind == 0:
            _draw_person(mask, centre, (size[0] * 0.6, size[1] * 0.6), rng)
        elif kind == 1:
            axes = (size[0] / 2, size[1] / 2)
            _ellipse(mask, centre, axes, rng.uniform(0, 180))
        else:
            corners = cv2.boxPoints((centre, size, float(rng.normal(0, 15))))
            cv2.fillConvexPoly(mask, np.rint(corners).astype(np.int32), 1.0)
        mask = _feathered(mask, rng)
        canvas += mask * (piece - canvas)
        return mask

    def _paste_face(
        self, canvas: Float32Array, picture: FacePicture, rng: np.random.Generator
    ) -> Float32Array:
        """Put one of the faces of a picture, and what is around it, somewhere.

        Returns:
            (n, 5): the boxes of all faces that came with it, the doubtful ones last, and how much
            is seen of each.
        """
        height, width = self._size
        boxes = np.concatenate([picture.boxes, picture.doubtful])
        chosen = int(rng.integers(len(picture.boxes)))
        subject = boxes[chosen]
        framing = self._framing
        tallest = np.clip(ENLARGED * float(subject[3]) / height, framing.smallest, framing.largest)
        tall = height * np.exp(rng.uniform(np.log(framing.smallest), np.log(tallest)))
        scale = tall / subject[3]
        # Cameras and web sites squeeze 16:9 into 4:3, or into a square.
        stretch = float(np.exp(rng.normal(0, 0.12)))
        angle = np.deg2rad(np.clip(rng.normal(0, 11), -30, 30))
        to_x = width * np.clip(rng.normal(framing.middle[0], framing.spread[0]), 0.02, 0.98)
        to_y = height * np.clip(rng.normal(framing.middle[1], framing.spread[1]), 0.05, 0.95)
        if rng.random() < framing.anywhere:
            to_x, to_y = width * rng.uniform(0.02, 0.98), height * rng.uniform(0.05, 0.95)
        image = picture.image[self._channel]
        shrunk = 1.0
        while scale / shrunk < 0.6 and min(image.shape) > 3:  # warping does not average
            image = np.asarray(
                cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
            )
            shrunk /= 2
        turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        turn = turn @ np.diag([stretch, 1 / stretch])
        centre = subject[:2] + subject[2:] / 2
        warp = np.hstack([turn, (np.array([to_x, to_y]) - turn @ centre)[:, None]])
        of_shrunk = np.hstack([warp[:, :2] / shrunk, warp[:, 2:]])
        person = cv2.warpAffine(image, of_shrunk, (width, height)).astype(np.float32) / 255
        rows, columns = picture.image.shape[1:]
        outline = np.array([[0, 0], [columns, 0], [columns, rows], [0, rows]]) @ warp[:, :2].T
        mask = np.zeros(self._size, np.float32)
        cv2.fillConvexPoly(mask, np.rint(outline + warp[:, 2]).astype(np.int32), 1.0)
        if mask.min() == 0:
            if rng.random() < 0.7:
                shape = np.zeros(self._size, np.float32)
                size = (float(subject[2]) * scale * stretch, float(subject[3]) * scale / stretch)
                _draw_person(shape, (to_x, to_y), size, rng)
                mask *= shape
            mask = np.minimum(_feathered(mask, rng), cv2.erode(mask, np.ones((3, 3), np.uint8)))
        person = np.clip((person - 0.5) * rng.uniform(0.7, 1.3) + 0.5 + rng.normal(0, 0.06), 0, 1)
        canvas += mask * (person.astype(np.float32) - canvas)
        centres = (boxes[:, :2] + boxes[:, 2:] / 2) @ warp[:, :2].T + warp[:, 2]
        sizes = boxes[:, 2:] * scale * np.array([stretch, 1 / stretch])
        if rng.random() < 0.15:
            _draw_headphones(canvas, centres[chosen], tall, angle, rng)
        if rng.random() < 0.3:
            mask = mask * (1 - self._hide(canvas, (to_x, to_y), tall, rng))
        corners = centres - sizes / 2
        seen = [
            _mean_inside(mask, *corner, *size) for corner, size in zip(corners, sizes, strict=True)
        ]
        return np.column_stack([corners, sizes, seen]).astype(np.float32).reshape(-1, 5)

    def _hide(
        self,
        canvas: Float32Array,
        centre: tuple[float, float],
        tall: float,
        rng: np.random.Generator,
    ) -> Float32Array:
        """Hold something before a part of the face: a hand, a cup, a microphone, a mask."""
        angle = rng.uniform(0, 2 * np.pi)
        away = tall * rng.uniform(0.25, 0.6)
        at = centre[0] + away * 0.75 * np.cos(angle), centre[1] + away * np.sin(angle)
        size = tall * rng.uniform(0.15, 0.6), tall * rng.uniform(0.15, 0.6)
        return self._paste_piece(canvas, at, size, rng)

    def _paint_over(
        self, canvas: Float32Array, shown: Float32Array, rng: np.random.Generator
    ) -> None:
        """Leave of faces what surrounds them."""
        for x, y, width, height, _ in shown:
            piece = _piece(self._any_background(rng), self._size, rng) if self._backgrounds else 0.5
            mask = np.zeros(self._size, np.float32)
            axes = (width * rng.uniform(0.55, 0.8), height * rng.uniform(0.55, 0.75))
            _ellipse(mask, (x + width / 2, y + height / 2), axes, 0)
            canvas += _feathered(mask, rng) * (piece - canvas)


def _piece(picture: UInt8Array, size: tuple[int, int], rng: np.random.Generator) -> Float32Array:
    """A part of a picture, mirrored or not, of that size; values 0 to 1."""
    rows, columns = picture.shape
    share = np.sqrt(rng.uniform(0.06, 1))
    tall = max(int(min(rows, columns * size[0] / size[1]) * share), 2)
    wide = max(int(tall * size[1] / size[0]), 2)
    top, left = rng.integers(rows - tall + 1), rng.integers(max(columns - wide, 0) + 1)
    part = picture[top : top + tall, left : left + wide]
    how = cv2.INTER_AREA if tall > size[0] else cv2.INTER_LINEAR
    fitted = np.asarray(cv2.resize(part, size[::-1], interpolation=how), np.float32)
    return (fitted[:, ::-1] if rng.random() < 0.5 else fitted) / np.float32(255)


def _whole(picture: UInt8Array, size: tuple[int, int], rng: np.random.Generator) -> Float32Array:
    """All of a picture, mirrored or not, in a plain wall or one like its edge; values 0 to 1."""
    tall = max(round(size[0] * np.exp(rng.uniform(np.log(SMALLEST_WHOLE), 0))), 2)
    rows, columns = picture.shape
    wide = max(min(round(columns * tall / rows), size[1]), 2)
    tall = max(min(round(rows * wide / columns), tall), 2)
    how = cv2.INTER_AREA if tall * wide < rows * columns else cv2.INTER_LINEAR
    small = cv2.resize(picture, (wide, tall), interpolation=how)
    top, left = int(rng.integers(size[0] - tall + 1)), int(rng.integers(size[1] - wide + 1))
    around = (top, size[0] - tall - top, left, size[1] - wide - left)
    if rng.random() < 0.5:
        fitted = cv2.copyMakeBorder(small, *around, cv2.BORDER_REPLICATE)
    else:
        wall = int(rng.integers(256))
        fitted = cv2.copyMakeBorder(small, *around, cv2.BORDER_CONSTANT, value=wall)
    shown = np.asarray(fitted, np.float32) / np.float32(255)
    return shown[:, ::-1] if rng.random() < 0.5 else shown


def _ellipse(
    mask: Float32Array, centre: tuple[float, float], axes: tuple[float, float], angle: float
) -> None:
    cv2.ellipse(mask, (centre, (2 * axes[0], 2 * axes[1]), float(angle)), 1.0, -1)


def _draw_person(
    mask: Float32Array,
    centre: tuple[float, float],
    face: tuple[float, float],
    rng: np.random.Generator,
) -> None:
    """Cover a head with hair, and shoulders, about a face of that size."""
    x, y = centre
    wide, tall = face
    head = (wide * rng.uniform(0.62, 0.95), tall * rng.uniform(0.62, 0.85))
    _ellipse(mask, (x, y - tall * rng.uniform(0, 0.12)), head, 0)
    neck, shoulder = wide * rng.uniform(0.25, 0.4), wide * rng.uniform(0.9, 1.8)
    down = tall * rng.uniform(0.75, 1.1)
    body = [
        (x - neck, y + tall * 0.35),
        (x + neck, y + tall * 0.35),
        (x + shoulder, y + down),
        (x + shoulder * 1.15, y + 5 * tall),
        (x - shoulder * 1.15, y + 5 * tall),
        (x - shoulder, y + down),
    ]
    cv2.fillConvexPoly(mask, np.rint(body).astype(np.int32), 1.0)


def _feathered(mask: Float32Array, rng: np.random.Generator) -> Float32Array:
    width = rng.uniform(0.3, 3)
    return np.asarray(cv2.GaussianBlur(mask, (0, 0), width), np.float32)


def _draw_headphones(
    canvas: Float32Array,
    centre: np.ndarray,
    tall: float,
    angle: float,
    rng: np.random.Generator,
) -> None:
    gray = float(rng.choice([rng.uniform(0, 0.25), rng.random()]))
    tilt = float(np.rad2deg(angle))
    ear = tall * rng.uniform(0.42, 0.52)
    across, up = np.array([np.cos(angle), np.sin(angle)]), np.array([np.sin(angle), -np.cos(angle)])
    thick = max(round(tall * rng.uniform(0.04, 0.12)), 1)
    middle = np.rint(centre + up * tall * 0.05).astype(int)
    arc = (round(ear), round(tall * rng.uniform(0.65, 0.8)))
    cv2.ellipse(canvas, middle.tolist(), arc, tilt, 180, 360, gray, thick, cv2.LINE_AA)
    cup = (tall * rng.uniform(0.16, 0.3), tall * rng.uniform(0.28, 0.45))
    for side in (-1, 1):
        at = centre + side * across * ear
        cv2.ellipse(canvas, (at.tolist(), cup, tilt), gray, -1, cv2.LINE_AA)


def _mean_inside(mask: Float32Array, x: float, y: float, width: float, height: float) -> float:
    """How much of a box a mask covers; nothing of what lies outside of the mask."""
    left, top = max(round(x), 0), max(round(y), 0)
    right, bottom = max(round(x + width), 0), max(round(y + height), 0)
    return float(mask[top:bottom, left:right].sum() / max(width * height, 1))


def _photographed(
    canvas: Float32Array, shown: Float32Array, rng: np.random.Generator
) -> UInt8Array:
    """What a webcam makes of it."""
    chance = rng.random(7)
    picture: np.ndarray = np.clip(canvas, 0, 1) ** np.float32(np.exp(rng.normal(0, 0.45)))
    if chance[0] < 0.3:
        picture = picture * slope(canvas.shape, rng)
    if chance[1] < 0.15:  # a window behind, or a screen's light on the face alone
        glow = np.zeros_like(picture)
        for x, y, width, height, _ in shown:
            _ellipse(glow, (x + width / 2, y + height / 2), (width * 0.9, height * 0.9), 0)
        glow = cv2.GaussianBlur(glow, (0, 0), 6)
        backlight = rng.uniform(-0.5, 0.5)
        picture = picture * (1 - backlight * glow) + max(backlight, 0) * 0.5 * (1 - glow)
    if chance[2] < 0.4:  # haze, dark rooms
        low, high = np.sort(rng.uniform(0, 1, 2))
        if high - low > 0.08:
            picture = low + picture * (high - low)
    if chance[3] < 0.35:
        share = rng.uniform(0.35, 0.9)
        small = cv2.resize(picture, None, fx=share, fy=share, interpolation=cv2.INTER_AREA)
        picture = cv2.resize(small, canvas.shape[::-1])
    if chance[4] < 0.1:
        length = int(rng.integers(2, 7))
        kernel = np.full((1, length), 1 / length, np.float32)
        picture = cv2.filter2D(picture, -1, kernel if rng.random() < 0.7 else kernel.T)
    if chance[5] < 0.4:
        noise = rng.standard_normal(canvas.shape, np.float32)
        picture = picture + noise * np.float32(rng.uniform(0.005, 0.06))
    picture = np.clip(np.asarray(picture, np.float32), 0, 1)
    if chance[6] < 0.3:
        picture = jpeg(picture, int(rng.integers(20, 101)))
    return np.asarray(np.rint(picture * 255), np.uint8)
