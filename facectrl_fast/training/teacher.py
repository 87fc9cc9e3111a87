"""A big network teaches the small one that ships: MobileNetV2, which has seen a million pictures.

Fine-tuned on the training crops it knows strangers' headphones far better than what a small network
learns from the same labels; what it says of each crop is a better lesson than the label.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import nn

from facectrl_fast.dataset.augment import strong_augmentation
from facectrl_fast.errors import UserError
from facectrl_fast.files import digest, whole_file
from facectrl_fast.training.data import HeadphoneData
from facectrl_fast.training.engine import OptimizerChoice, last_checkpoint
from facectrl_fast.training.mobilenet import MobileNetV2
from facectrl_fast.training.networks import Classifier, EvenLight, small_cnn
from facectrl_fast.training.run import TrainingOptions, digest_of, fit
from facectrl_fast.training.tasks import TASKS, Task
from facectrl_fast.types import Float32Array, UInt8Array

SIDE = 96
"""Pixels that crops are enlarged to: the network halves its input five times."""
VIEWS = 2
"""Crops of each picture that are taught, each cut and varied differently."""
BATCH = 64
TAUGHT_BATCH = 128

TAUGHT_CNN = replace(
    TASKS["cnn"],
    # The lesson is noisy enough, and says how sure to be.
    network=partial(small_cnn, dropout=0.0),
    epochs=12,
    patience=12,
)


class _Backbone(nn.Module):
    """MobileNetV2 on gray crops: what it sees anywhere in them."""

    def __init__(self) -> None:
        super().__init__()
        self.light = EvenLight()
        self.network = MobileNetV2()

    def forward(self, crops: torch.Tensor) -> torch.Tensor:
        """(n, 1, 64, 64) to (n, MobileNetV2.LAST)."""
        enlarged = nn.functional.interpolate(
            self.light(crops), size=(SIDE, SIDE), mode="bilinear", align_corners=False
        )
        features: torch.Tensor = self.network(enlarged)
        return features.mean((2, 3))


def _teacher(weights: Path) -> Classifier:
    body = _Backbone()
    body.network.load(weights)
    # The order of memory in which the processor does it twice as fast.
    body.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return Classifier(body, MobileNetV2.LAST, dropout=0.3)


def teacher_task(weights: Path) -> Task:
    """How the teacher learns."""
    return Task(
        "teacher",
        "softmax",
        partial(_teacher, weights),
        OptimizerChoice(1e-3, weight_decay=0.02, one_cycle=True, label_smoothing=0.05),
        strong_augmentation,
        epochs=2,
        patience=2,
    )


class TaughtCrops:
    """Crops and what the teacher says of them: logits (2,) instead of a label.

    Like ``Crops`` a map-style dataset by (epoch, index); each epoch mirrors others.
    """

    def __init__(self, crops: UInt8Array, logits: Float32Array, labels: np.ndarray) -> None:
        """Args are (n, 64, 64), (n, 2) and the true labels (n,)."""
        self.labels = labels
        self._crops = crops
        self._logits = logits

    def __len__(self) -> int:
        return len(self._crops)

    def __getitem__(self, key: tuple[int, int]) -> tuple[Float32Array, Float32Array]:
        epoch, index = key
        crop = self._plain(index)
        if np.random.default_rng((epoch, index)).random() < 0.5:
            crop = crop[:, :, ::-1].copy()
        return crop, self._logits[index]

    def plain_crops(self, indices: np.ndarray) -> Float32Array:
        """Crops (n, 1, 64, 64) as the teacher saw them."""
        return np.stack([self._plain(int(index)) for index in indices])

    def _plain(self, index: int) -> Float32Array:
        return (self._crops[index, None] * np.float32(1 / 255)).astype(np.float32)


def teach(
    data: HeadphoneData,
    weights: Path,
    work: Path,
    options: TrainingOptions,
    say: Callable[[str], None],
) -> None:
    """Train a teacher on the data's training crops, and put its lessons in their place.

    Args:
        data: changed: what is trained on from now on are ``TaughtCrops``.
        weights: torchvision's MobileNetV2.
        work: gets a folder for these pictures, options and weights, with the teacher's run and
            its lessons; what is there is used again.
        options: of the run that is to come.
        say: receives a line now and then.

    Raises:
        UserError: a file cannot be read or written, or there is nothing to learn.
    """
    folder = work / _identity(data, weights, options)
    lessons = folder / "lessons.npz"
    if not lessons.exists():
        task = teacher_task(weights)
        own = replace(options, epochs=task.epochs, patience=task.patience)
        data.batch_size = BATCH
        module = fit(task, data, folder, own, say, last_checkpoint(folder))
        say("the teacher looks at all crops")
        assert isinstance(module.network, Classifier)
        crops, logits = _lessons(module.network, data)
        with whole_file(lessons) as draft, draft.open("wb") as file:
            np.savez(file, crops=crops, logits=logits)
    with np.load(lessons) as kept:
        labels = np.tile(data.training.labels, VIEWS)
        data.training = TaughtCrops(kept["crops"], kept["logits"], labels)
    data.batch_size = TAUGHT_BATCH


def _identity(data: HeadphoneData, weights: Path, options: TrainingOptions) -> str:
    """Short name for all that lessons depend on."""
    try:
        kept = digest(weights)
    except OSError as error:
        raise UserError(f"cannot read the teacher's weights {weights}: {error.strerror}") from None
    depends = f"{kept} {digest_of(data.training_pictures)} {asdict(options)} {VIEWS} {SIDE}"
    return hashlib.sha256(depends.encode()).hexdigest()[:12]


def _lessons(teacher: Classifier, data: HeadphoneData) -> tuple[UInt8Array, Float32Array]:
    # Views that training has not seen, since what was learnt by heart is no lesson.
    order = [(1000 + view, i) for view in range(VIEWS) for i in range(len(data.training))]
    crops, logits = [], []
    teacher.eval()
    with torch.no_grad():
        for batch, _ in data.loader(data.training, order, drop_last=False):
            # As they will be kept.
            kept = (batch * 255).round()
            logits.append(teacher(kept / 255)[0].numpy())
            crops.append(kept[:, 0].to(torch.uint8).numpy())
    return np.concatenate(crops), np.concatenate(logits)
