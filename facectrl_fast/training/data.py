"""The pictures of a training run: an honest split, and loaders that a resumed run repeats."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence, Sized
from typing import Any, Protocol

import numpy as np
import torch
from torch.utils.data import DataLoader, Sampler

from facectrl_fast.dataset.augment import Augmentation
from facectrl_fast.dataset.crops import Crops, Jitter
from facectrl_fast.dataset.folder import LABELS, LabelledPicture
from facectrl_fast.training.engine import TrainingData, loader_workers
from facectrl_fast.types import Float32Array
from facectrl_fast.vision.preprocess import Preprocessing

FEW = 4096
"""Up to so many pictures, loading them takes no processes of its own."""


class Shuffled(Sampler[tuple[int, int]]):
    """(epoch, index) of all pictures, in an order that seed and epoch alone decide.

    So a run that was killed and resumed sees what it would have seen.
    """

    def __init__(self, pictures: Sized, seed: int, epoch: Callable[[], int]) -> None:
        self._pictures = pictures
        self._seed = seed
        self._epoch = epoch

    def __len__(self) -> int:
        return len(self._pictures)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        epoch = self._epoch()
        order = np.random.default_rng((self._seed, epoch)).permutation(len(self._pictures))
        return iter([(epoch, int(index)) for index in order])


class TrainingCrops(Protocol):
    """Crops (1, 64, 64) and what is to be said of them, by (epoch, index)."""

    labels: np.ndarray
    """The true ones, (n,)."""

    def __len__(self) -> int: ...

    def __getitem__(self, key: tuple[int, int]) -> tuple[Float32Array, Any]: ...

    def plain_crops(self, indices: np.ndarray) -> Float32Array:
        """Crops (n, 1, 64, 64) as they are."""
        ...


class HeadphoneData(TrainingData):
    """The pictures to train on and those to validate on."""

    def __init__(
        self,
        training: Sequence[LabelledPicture],
        validation: Sequence[LabelledPicture],
        cut: Preprocessing,
        batch_size: int | None,
        augmentation: Augmentation,
        only: str | None,
        seed: int,
    ) -> None:
        """Read all pictures.

        Args:
            training: pictures to train on.
            validation: pictures of other people or moments, of both labels.
            cut: how ``run`` will cut and resize.
            batch_size: pictures a step; None for a twentieth of them all, 16 to 256.
            augmentation: for training crops.
            only: the label to train on, where it is one.
            seed: of order, jitter and augmentation.

        Raises:
            UserError: a picture cannot be used.
        """
        super().__init__()
        self.training_pictures = training
        self.validation_pictures = validation
        if only is not None:
            training = [p for p in training if p.label == LABELS.index(only)]
        self.training: TrainingCrops = Crops(training, cut, Jitter(), augmentation, seed)
        self.validation = Crops(validation, cut)
        self._seed = seed
        self.batch_size = batch_size or min(max(len(training) // 20, 16), 256)

    def counts(self) -> dict[str, int]:
        """How many pictures of each label are on each side."""
        sides = (("training", self.training), ("validation", self.validation))
        return {
            f"{side}_{name}": int((crops.labels == label).sum())
            for side, crops in sides
            for label, name in enumerate(LABELS)
        }

    def typical_crops(self, most: int = 4096) -> torch.Tensor:
        """Training crops (n, 1, 64, 64) as they are, evenly chosen."""
        count = len(self.training)
        chosen = np.linspace(0, count - 1, min(most, count)).astype(int)
        return torch.from_numpy(self.training.plain_crops(chosen))

    def train_dataloader(self) -> DataLoader[tuple[Float32Array, int]]:
        """Shuffled batches; a last one that is smaller is left out where there are others."""
        order = Shuffled(self.training, self._seed, lambda: self.epoch)
        return self.loader(self.training, order, drop_last=self._share() >= self.batch_size)

    def val_dataloader(self) -> DataLoader[tuple[Float32Array, int]]:
        """All validation crops, in order."""
        order = [(0, index) for index in range(len(self.validation))]
        return self.loader(self.validation, order, drop_last=False)

    def _share(self) -> int:
        """Training pictures of each process."""
        processes = self.trainer.world_size if self.trainer is not None else 1
        return len(self.training) // processes

    def loader(
        self,
        crops: TrainingCrops,
        order: Sampler[tuple[int, int]] | Sequence[tuple[int, int]],
        drop_last: bool,
    ) -> DataLoader[tuple[Float32Array, int]]:
        """Batches of these crops, in that order of (epoch, index)."""
        workers = 0 if len(crops) <= FEW else loader_workers()
        return DataLoader(
            crops,  # type: ignore[arg-type]  # its own class is what torch knows
            self.batch_size,
            sampler=order,
            num_workers=workers,
            drop_last=drop_last,
        )
