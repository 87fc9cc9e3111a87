"""Training crops: labelled pictures through the kernel that feeds inference."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from facectrl_fast.dataset.augment import Augmentation
from facectrl_fast.dataset.crop_index import INDEX
from facectrl_fast.dataset.folder import LabelledPicture
from facectrl_fast.dataset.picture_file import decode_picture
from facectrl_fast.errors import UserError
from facectrl_fast.types import Box, Float32Array, PixelFormat, UInt8Array
from facectrl_fast.vision.preprocess import Preprocessing

SIDE = 64
WIDEST = 1024
"""Pixels of a side that a picture without an index keeps in memory: far more than a crop needs."""


@dataclass(frozen=True)
class Jitter:
    """How much boxes differ from detector to detector and from frame to frame."""

    shift: float = 0.04
    """Spread of the centre, as a share of the face's sides."""
    height: tuple[float, float] = (0.88, 1.25)
    """Smallest and largest, as a share of the given box's."""
    aspect: tuple[float, float] = (0.9, 1.3)
    """Smallest and largest width by height, as a share of the given box's."""
    roll: float = 4.0
    """Spread of the head's, in degrees."""


@dataclass(frozen=True)
class _Picture:
    image: UInt8Array
    pixel_format: PixelFormat
    box: Box
    cut: Preprocessing
    """How the crop is cut around the box; without expansion where the picture is the crop."""
    face: tuple[float, float]
    """Width and height of the face, in pixels."""


class Crops:
    """Crops (1, h, w) float32 and labels, by (epoch, index); each epoch varies them anew.

    It is what PyTorch calls a map-style dataset, without PyTorch.
    """

    def __init__(
        self,
        pictures: Sequence[LabelledPicture],
        cut: Preprocessing,
        jitter: Jitter | None = None,
        augmentation: Augmentation | None = None,
        seed: int = 0,
        size: tuple[int, int] = (SIDE, SIDE),
    ) -> None:
        """Read all pictures.

        Args:
            pictures: crops, or wider pictures that tell where the face is.
            cut: how ``run`` will cut and resize.
            jitter: how boxes vary; None for exact ones.
            augmentation: what is done to each crop.
            seed: of both.
            size: height and width of the crops.

        Raises:
            UserError: a picture cannot be decoded, or shows too little around the face.
        """
        self.labels = np.array([picture.label for picture in pictures], np.int64)
        self._pictures = [_read(picture, cut) for picture in pictures]
        self._jitter = jitter
        self._augmentation = augmentation
        self._seed = seed
        self._size = size

    def __len__(self) -> int:
        return len(self._pictures)

    def __getitem__(self, key: tuple[int, int]) -> tuple[Float32Array, int]:
        return self.crop(*key), int(self.labels[key[1]])

    def crop(self, epoch: int, index: int) -> Float32Array:
        """The crop (1, h, w) of one picture; the same epoch gives the same crop again."""
        picture = self._pictures[index]
        rng = np.random.default_rng((self._seed, epoch, index))
        image, box = picture.image, picture.box
        if self._jitter is not None:
            image, box = _jittered(picture, self._jitter, rng)
        out = np.empty((1, *self._size), np.float32)
        picture.cut(image, picture.pixel_format, box, out)
        if self._augmentation is not None:
            out[0] = self._augmentation(out[0], rng)
        return out

    def plain_crop(self, index: int) -> Float32Array:
        """The crop (1, h, w) of one picture, as ``run`` cuts it."""
        picture = self._pictures[index]
        out = np.empty((1, *self._size), np.float32)
        picture.cut(picture.image, picture.pixel_format, picture.box, out)
        return out

    def plain_crops(self, chosen: Iterable[int] | None = None) -> Float32Array:
        """Such crops (n, 1, h, w) of the chosen pictures (indices), or of all."""
        indices = range(len(self)) if chosen is None else chosen
        return np.stack([self.plain_crop(int(index)) for index in indices])


def in_batches(crops: Float32Array) -> list[Float32Array]:
    """Crops (n, 1, h, w) in parts of about a thousand, for networks."""
    return np.array_split(crops, max(len(crops) // 1024, 1))


def _read(picture: LabelledPicture, cut: Preprocessing) -> _Picture:
    image = read_image(picture.path)
    pixel_format = PixelFormat.GRAY8 if image.ndim == 2 else PixelFormat.BGR24
    shown = cut.expansion[0] if cut.expansion_unit == "relative" else 0.0
    height, width = image.shape[:2]
    if picture.box is None:
        if max(height, width) > WIDEST:
            image = _shrunk(image, WIDEST / max(height, width))
            height, width = image.shape[:2]
        face = (width / (1 + shown), height / (1 + shown))
        whole = replace(cut, expansion=(0.0, 0.0))
        return _Picture(image, pixel_format, (0, 0, width, height), whole, face)
    if picture.expansion is not None and picture.expansion < shown:
        raise UserError(
            f"{picture.path} shows {picture.expansion:g} of the face's sides around it, "
            f"an expansion of {shown:g} needs more; collect again, or use less"
        )
    try:
        cut.crop_box(picture.box, width, height)
    except ValueError:
        raise UserError(
            f"{picture.path}: the index says that its face lies outside of it; remove its line "
            f"from {INDEX}, or the picture"
        ) from None
    return _Picture(image, pixel_format, picture.box, cut, picture.box[2:])


def _shrunk(image: UInt8Array, share: float) -> UInt8Array:
    size = tuple(max(round(side * share), 1) for side in image.shape[1::-1])
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def read_image(path: Path) -> UInt8Array:
    """A picture as uint8, (h, w) gray or (h, w, 3) BGR.

    Raises:
        UserError: it cannot be read or decoded.
    """
    try:
        decoded = decode_picture(np.fromfile(path, np.uint8), cv2.IMREAD_ANYCOLOR)
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None
    if decoded is None:
        raise UserError(f"{path} is not a readable picture; remove or replace it")
    return decoded


def _jittered(
    picture: _Picture, jitter: Jitter, rng: np.random.Generator
) -> tuple[UInt8Array, Box]:
    x, y, width, height = picture.box
    image = picture.image
    centre = (x + width / 2, y + height / 2)
    if jitter.roll and rng.random() < 0.5:
        turn = cv2.getRotationMatrix2D(centre, rng.normal(0, jitter.roll), 1.0)
        size = (image.shape[1], image.shape[0])
        image = np.asarray(
            cv2.warpAffine(image, turn, size, borderMode=cv2.BORDER_REPLICATE), np.uint8
        )
    scale, aspect = rng.uniform(*jitter.height), rng.uniform(*jitter.aspect)
    shift = rng.normal(0, jitter.shift, 2) * picture.face
    sides = (width * scale * aspect, height * scale)
    left, top = centre[0] + shift[0] - sides[0] / 2, centre[1] + shift[1] - sides[1] / 2
    return image, (float(left), float(top), float(sides[0]), float(sides[1]))
