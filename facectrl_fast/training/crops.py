"""Training crops: labelled pictures through the kernel that feeds inference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from torch.utils.data import Dataset

from facectrl_fast.dataset.folder import LabelledPicture
from facectrl_fast.errors import UserError
from facectrl_fast.training.augment import Augmentation
from facectrl_fast.types import Box, Float32Array, PixelFormat, UInt8Array
from facectrl_fast.vision.preprocess import Preprocessing

SIDE = 64


@dataclass(frozen=True)
class Jitter:
    """How much boxes differ from detector to detector and from frame to frame, as spreads."""

    shift: float = 0.04
    """Of the centre, as a share of the face's sides."""
    scale: float = 0.1
    aspect: float = 0.07
    roll: float = 4.0
    """Of the head, in degrees."""


@dataclass(frozen=True)
class _Picture:
    image: UInt8Array
    pixel_format: PixelFormat
    box: Box
    cut: Preprocessing
    face: tuple[float, float]
    """Width and height of the face, in pixels."""


class Crops(Dataset[tuple[torch.Tensor, int]]):
    """Crops (1, 64, 64) float32 and labels; the same epoch gives the same crops again."""

    def __init__(
        self,
        pictures: Sequence[LabelledPicture],
        cut: Preprocessing,
        jitter: Jitter | None = None,
        augmentation: Augmentation | None = None,
        seed: int = 0,
    ) -> None:
        """Read all pictures.

        Args:
            pictures: crops, or wider pictures that tell where the face is.
            cut: how ``run`` will cut and resize.
            jitter: how boxes vary; None for exact ones.
            augmentation: what is done to each crop.
            seed: of both.

        Raises:
            UserError: a picture cannot be decoded, or shows too little around the face.
        """
        self.labels = np.array([picture.label for picture in pictures], np.int64)
        self.epoch = 0
        self._pictures = [_read(picture, cut) for picture in pictures]
        self._jitter = jitter
        self._augmentation = augmentation
        self._seed = seed

    def __len__(self) -> int:
        return len(self._pictures)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return torch.from_numpy(self.crop(index)), int(self.labels[index])

    def crop(self, index: int) -> Float32Array:
        """The crop (1, 64, 64) of one picture in this epoch."""
        picture = self._pictures[index]
        image, box = picture.image, picture.box
        out = np.empty((1, SIDE, SIDE), np.float32)
        if self._jitter is None and self._augmentation is None:
            picture.cut(image, picture.pixel_format, box, out)
            return out
        rng = np.random.default_rng((self._seed, self.epoch, index))
        if self._jitter is not None:
            image, box = _jittered(picture, self._jitter, rng)
        picture.cut(image, picture.pixel_format, box, out)
        if self._augmentation is not None:
            out[0] = self._augmentation(out[0], rng)
        return out


def _read(picture: LabelledPicture, cut: Preprocessing) -> _Picture:
    decoded = cv2.imread(str(picture.path), cv2.IMREAD_ANYCOLOR)
    if decoded is None:
        raise UserError(f"{picture.path} is not a readable picture; remove or replace it")
    image: UInt8Array = np.asarray(decoded, np.uint8)
    pixel_format = PixelFormat.GRAY8 if image.ndim == 2 else PixelFormat.BGR24
    beyond = cut.expansion[0]
    if picture.box is None:
        height, width = image.shape[:2]
        face = (width / (1 + beyond), height / (1 + beyond))
        whole = replace(cut, expansion=(0.0, 0.0))
        return _Picture(image, pixel_format, (0, 0, width, height), whole, face)
    if picture.expansion is not None and picture.expansion < beyond:
        raise UserError(
            f"{picture.path} shows {picture.expansion:g} of the face's sides around it, "
            f"--expansion {beyond:g} needs more; collect again, or train with less"
        )
    return _Picture(image, pixel_format, picture.box, cut, picture.box[2:])


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
    scale, aspect = np.exp(rng.normal(0, (jitter.scale, jitter.aspect)))
    shift = rng.normal(0, jitter.shift, 2) * picture.face
    sides = (width * scale * aspect, height * scale)
    left, top = centre[0] + shift[0] - sides[0] / 2, centre[1] + shift[1] - sides[1] / 2
    return image, (float(left), float(top), float(sides[0]), float(sides[1]))
