"""Trains the headphone classifier on a folder of crops and exports it as a model file.

The network is the seed's: 64 x 64 gray, flattened, 64 leaky units, 2 logits; cross-entropy, Adam
at 5e-3 with a decay of 0.98 every 1000 steps, the weights of the best validation accuracy kept.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import nn

from facectrl_fast import __version__
from facectrl_fast.dataset.folder import LABELS, LabelledPicture, read_folder, split_by_group
from facectrl_fast.errors import UserError
from facectrl_fast.training.export import check_writable, export_model
from facectrl_fast.types import Float32Array, PixelFormat, UInt8Array
from facectrl_fast.vision.model_file import ModelDescription
from facectrl_fast.vision.preprocess import WHOLE_IMAGE, Preprocessing

SIDE = 64
LEAKY_SLOPE = 0.2
"""TensorFlow's default, which the seed used."""
NOISE = 0.3
"""Standard deviation of the noise added in training, in standard deviations of the crops: it keeps
the first layer from relying on single pixels, which no two cameras show alike."""


@dataclass(frozen=True)
class TrainingOptions:
    """What can be chosen about a training run."""

    epochs: int = 40
    batch_size: int | None = None
    """Pictures a step; by default a twentieth of them all, 32 to 2048: large batches of many
    pictures train better at this learning rate, and few pictures still make many steps."""
    learning_rate: float = 5e-3
    decay: float = 0.98
    decay_steps: int = 1000
    validation_share: float = 0.15
    expansion: float = 0.9
    """The expansion the dataset's crops were cut with, a share of the face box's sides."""
    seed: int = 0


@dataclass(frozen=True)
class TrainingReport:
    """How a training run ended."""

    model: Path
    best_epoch: int
    validation_accuracy: float
    largest_disagreement: float
    """Between PyTorch's and ONNX Runtime's probabilities on the validation pictures."""


def build_network() -> nn.Sequential:
    """(n, 1, 64, 64) gray in [0, 1] to (n, 2) logits, in the order of LABELS."""
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(SIDE * SIDE, 64),
        nn.LeakyReLU(LEAKY_SLOPE),
        nn.Linear(64, len(LABELS)),
    )


def load_crops(
    pictures: list[LabelledPicture], expansion: float
) -> tuple[Float32Array, np.ndarray]:
    """Crops (n, 1, 64, 64) through the same native kernel that feeds inference, and labels (n,).

    Args:
        pictures: crops, or wider pictures that tell where the face is.
        expansion: what to cut of those beyond the face box, as a share of its sides.

    Raises:
        UserError: a picture cannot be decoded, or shows too little around the face.
    """
    cut = Preprocessing(expansion=(expansion, expansion))
    crops = np.empty((len(pictures), 1, SIDE, SIDE), np.float32)
    for picture, out in zip(pictures, crops, strict=True):
        decoded = cv2.imread(str(picture.path), cv2.IMREAD_COLOR)
        if decoded is None:
            raise UserError(f"{picture.path} is not a readable picture; remove or replace it")
        image: UInt8Array = np.asarray(decoded, np.uint8)
        if picture.box is None:
            height, width = image.shape[:2]
            WHOLE_IMAGE(image, PixelFormat.BGR24, (0, 0, width, height), out)
        elif picture.expansion is not None and picture.expansion < expansion:
            raise UserError(
                f"{picture.path} shows {picture.expansion:g} of the face's sides around it, "
                f"--expansion {expansion:g} needs more; collect again, or train with less"
            )
        else:
            cut(image, PixelFormat.BGR24, picture.box, out)
    return crops, np.array([picture.label for picture in pictures], np.int64)


def flip_half(batch: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Mirror a random half of the crops: headphones look alike from both sides."""
    mirrored = torch.rand((len(batch), 1, 1, 1), generator=generator) < 0.5
    return torch.where(mirrored, batch.flip(3), batch)


class Standardized(nn.Module):
    """The network on crops whose mean picture is 0 and whose spread is 1.

    Gray values from 0 to 1 make Adam's steps hardly ever point the right way. The shift and the
    scale are linear, so ``fold`` puts them into the first layer: the exported network is the
    plain one, on plain crops. In training mode noise is added.
    """

    def __init__(
        self, network: nn.Sequential, crops: torch.Tensor, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.generator = generator
        self.network = network
        self.mean: torch.Tensor
        self.register_buffer("mean", crops.mean(0, keepdim=True))
        self.spread = float(crops.std())

    def forward(self, crops: torch.Tensor) -> torch.Tensor:
        """(n, 1, 64, 64) gray in [0, 1] to (n, 2) logits."""
        crops = (crops - self.mean) / self.spread
        if self.training:
            crops = crops + NOISE * torch.randn(crops.shape, generator=self.generator)
        logits: torch.Tensor = self.network(crops)
        return logits

    def fold(self) -> nn.Sequential:
        """The network that gives the same logits without this."""
        network = copy.deepcopy(self.network)
        first = network[1]
        assert isinstance(first, nn.Linear)
        with torch.no_grad():
            first.weight.div_(self.spread)
            first.bias.sub_(first.weight @ self.mean.flatten())
        return network


def train_classifier(
    dataset: Path, out: Path, options: TrainingOptions, report: Callable[[str], None]
) -> TrainingReport:
    """Train on ``dataset``/on and /off and write the model file ``out``.

    Args:
        dataset: folder of crops, cut with the expansion that ``options`` names.
        out: the .onnx to write; replaced only when all went well.
        options: see TrainingOptions; the same options give the same model.
        report: receives a line now and then.

    Raises:
        UserError: the dataset cannot be used, or ``out`` cannot be written.
    """
    check_writable(out)
    pictures = read_folder(dataset)
    training, validation = split_by_group(pictures, options.validation_share, options.seed)
    report(f"{len(training)} pictures to train on, {len(validation)} of other groups to validate")
    generator = torch.Generator().manual_seed(options.seed)
    torch.manual_seed(options.seed)
    crops, labels = (torch.from_numpy(a) for a in load_crops(training, options.expansion))
    held_crops, held_labels = (
        torch.from_numpy(a) for a in load_crops(validation, options.expansion)
    )

    network = Standardized(build_network(), crops, generator)
    if not network.spread > 1e-4:
        raise UserError(f"dataset {dataset}: all pictures look the same; nothing to learn")
    optimizer = torch.optim.Adam(network.parameters(), lr=options.learning_rate)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, options.decay_steps, options.decay)
    loss_of = nn.CrossEntropyLoss(weight=_balance(labels))
    best = (-1.0, 0)
    best_weights = copy.deepcopy(network.state_dict())
    batch_size = options.batch_size or min(max(len(labels) // 20, 32), 2048)
    for epoch in range(1, options.epochs + 1):
        network.train()
        total = 0.0
        for chosen in _batches(len(labels), batch_size, generator):
            optimizer.zero_grad()
            loss = loss_of(network(flip_half(crops[chosen], generator)), labels[chosen])
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item() * len(chosen)
        accuracy = balanced_accuracy(_logits(network, held_crops), held_labels)
        if accuracy > best[0]:
            best = (accuracy, epoch)
            best_weights = copy.deepcopy(network.state_dict())
        report(
            f"epoch {epoch}/{options.epochs}: loss {total / len(labels):.4f}, "
            f"validation accuracy {accuracy:.4f}" + (" (best)" if best[1] == epoch else "")
        )
    network.load_state_dict(best_weights)
    expansion = (options.expansion, options.expansion)
    description = ModelDescription(
        labels=LABELS,
        preprocessing=Preprocessing(expansion=expansion),
        data={
            "training_on": int((labels == 0).sum()),
            "training_off": int((labels == 1).sum()),
            "validation_on": int((held_labels == 0).sum()),
            "validation_off": int((held_labels == 1).sum()),
        },
        validation={"balanced_accuracy": round(best[0], 4), "epoch": best[1]},
        version=__version__,
    )
    disagreement = export_model(network.fold(), description, out, held_crops.numpy())
    report(f"PyTorch and ONNX Runtime agree to {disagreement:.1e} on the validation pictures")
    return TrainingReport(out, best[1], best[0], disagreement)


def balanced_accuracy(logits: torch.Tensor, labels: torch.Tensor) -> float:
    """The mean of both labels' shares of right answers: a rare label counts as much."""
    right = logits.argmax(1) == labels
    return float(
        np.mean([float(right[labels == label].float().mean()) for label in range(len(LABELS))])
    )


def _logits(network: nn.Module, crops: torch.Tensor) -> torch.Tensor:
    network.eval()
    with torch.no_grad():
        return torch.cat([network(part) for part in torch.split(crops, 1024)])


def _balance(labels: torch.Tensor) -> torch.Tensor:
    counts = torch.bincount(labels, minlength=len(LABELS)).float()
    return counts.sum() / (len(LABELS) * counts)


def _batches(count: int, size: int, generator: torch.Generator) -> Iterator[torch.Tensor]:
    yield from torch.split(torch.randperm(count, generator=generator), size)
