"""Trains a classifier of patches: is this a face?"""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import lightning
import numpy as np
import onnx
import torch
from matplotlib.figure import Figure
from sklearn.metrics import accuracy_score, roc_auc_score, roc_curve
from sklearn.model_selection import train_test_split
from torch import nn
from torch.utils.data import DataLoader, Dataset

from facectrl_fast import __version__
from facectrl_fast.errors import NONSENSE, UserError
from facectrl_fast.training.data import Shuffled
from facectrl_fast.training.engine import (
    MODEL,
    REPORT,
    OptimizerChoice,
    RunResult,
    Schedule,
    TrainedModule,
    TrainingData,
    begin_run,
    first_alone,
    fit_module,
)
from facectrl_fast.training.export import to_onnx, write_checked
from facectrl_fast.training.report_page import BLUE, GRAY, Shown, curves, write_page
from facectrl_fast.types import UInt8Array
from facectrl_fast.vision.faceness import SIDE, FacenessDescription, FacenessModel

VALIDATION_SHARE = TEST_SHARE = 0.15
WORST = 32
"""Mistakes shown."""


@dataclass(frozen=True)
class FacenessOptions:
    """What can be chosen about such a run."""

    architecture: str = "small"
    """One of ARCHITECTURES."""
    epochs: int = 30
    patience: int = 10
    batch_size: int = 32
    devices: int | None = None
    seed: int = 0


@dataclass(frozen=True)
class FacenessResult(RunResult):
    """How such a run ended."""

    roc_auc: float
    """On the test patches, which nothing was chosen by."""
    accuracy: float


def seed_network() -> nn.Module:
    """The seed's: what colours there are and where, more than shapes."""
    half = SIDE // 2
    return nn.Sequential(
        nn.Conv2d(3, 16, 1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(32 * half * half, 1),
    )


def small_network() -> nn.Module:
    """Ours: filters that see shapes, with less than half of the weights."""

    def block(inputs: int, outputs: int) -> nn.Sequential:
        return nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, 2, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()
        )

    return nn.Sequential(
        block(3, 12),
        block(12, 16),
        block(16, 24),
        block(24, 32),
        nn.Flatten(),
        nn.Dropout(0.3),
        nn.Linear(32 * 16, 1),
    )


ARCHITECTURES: dict[str, Callable[[], nn.Module]] = {"seed": seed_network, "small": small_network}


def read_patches(path: Path) -> tuple[UInt8Array, np.ndarray]:
    """The patches (n, 64, 64, 3) BGR and the labels (n,), 1 for faces, of an .npz file.

    Raises:
        UserError: it holds no ``input`` and ``target`` of that kind.
    """
    if not path.is_file():
        raise UserError(f"dataset {path} does not exist or is no file")
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            patches, target = stored["input"], stored["target"]
    # An array that is none of an archive knows no 'with': TypeError.
    except (OSError, *NONSENSE, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise UserError(f"{path} is no .npz file with 'input' and 'target': {error}") from None
    if patches.dtype != np.uint8 or patches.shape[1:] != (SIDE, SIDE, 3):
        raise UserError(
            f"{path}: input is {patches.dtype} {patches.shape}; wanted is uint8 (n, 64, 64, 3)"
        )
    labels = np.asarray(target).reshape(-1)
    if len(labels) != len(patches) or not np.isin(labels, (0, 1)).all():
        raise UserError(f"{path}: target has to be a 0 or a 1 for each of {len(patches)} patches")
    counts = np.bincount(labels.astype(np.int64), minlength=2)
    if counts.min() < 10:
        raise UserError(f"{path}: at least 10 faces and 10 others are needed, not {counts.min()}")
    return patches, labels.astype(np.int64)


class _Patches(Dataset[tuple[torch.Tensor, torch.Tensor]]):
    """Patches by (epoch, index), varied anew each epoch."""

    def __init__(self, patches: UInt8Array, labels: np.ndarray, seed: int | None) -> None:
        self._patches = patches
        self._labels = labels
        self._seed = seed

    def __len__(self) -> int:
        return len(self._patches)

    def __getitem__(self, key: tuple[int, int]) -> tuple[torch.Tensor, torch.Tensor]:
        epoch, index = key
        patch = self._patches[index].astype(np.float32) / np.float32(255)
        if self._seed is not None:
            patch = _varied(patch, np.random.default_rng((self._seed, epoch, index)))
        tensor = torch.from_numpy(np.ascontiguousarray(np.moveaxis(patch, 2, 0)))
        return tensor, torch.tensor(float(self._labels[index]))


def _varied(patch: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Mirrored, moved, larger or smaller, in other light."""
    if rng.random() < 0.5:
        patch = patch[:, ::-1]
    zoom = np.exp(rng.normal(0, 0.08))
    move = np.array([[zoom, 0, 0], [0, zoom, 0]])
    move[:, 2] = SIDE / 2 * (1 - zoom) + rng.uniform(-5, 5, 2)
    patch = cv2.warpAffine(
        np.ascontiguousarray(patch), move, (SIDE, SIDE), borderMode=cv2.BORDER_REPLICATE
    )
    patch = (patch - patch.mean()) * rng.uniform(0.6, 1.3) + patch.mean() + rng.normal(0, 0.08)
    return np.asarray(np.clip(patch, 0, 1), np.float32)


class FacenessData(TrainingData):
    """Patches to train on, to choose the epoch by, and to test by."""

    def __init__(
        self, patches: UInt8Array, labels: np.ndarray, varied: bool, batch_size: int, seed: int
    ) -> None:
        """Split the patches, each label alike."""
        super().__init__()
        everything = np.arange(len(labels))
        rest, self._test = train_test_split(
            everything, test_size=TEST_SHARE, stratify=labels, random_state=seed
        )
        share = VALIDATION_SHARE / (1 - TEST_SHARE)
        training, validation = train_test_split(
            rest, test_size=share, stratify=labels[rest], random_state=seed
        )
        self._patches = patches
        self._labels = labels
        vary = seed if varied else None
        self._training = _Patches(patches[training], labels[training], vary)
        self._validation = _Patches(patches[validation], labels[validation], None)
        self._batch_size = batch_size
        self._seed = seed
        self.counts = {
            "training": len(training),
            "validation": len(validation),
            "test": len(self._test),
        }

    @property
    def test(self) -> tuple[UInt8Array, np.ndarray]:
        """Patches and labels that nothing is chosen by."""
        return self._patches[self._test], self._labels[self._test]

    def train_dataloader(self) -> DataLoader[tuple[torch.Tensor, torch.Tensor]]:
        """Shuffled."""
        order = Shuffled(self._training, self._seed, lambda: self.epoch)
        return DataLoader(self._training, self._batch_size, sampler=order)

    def val_dataloader(self) -> DataLoader[tuple[torch.Tensor, torch.Tensor]]:
        """In order."""
        order = [(0, index) for index in range(len(self._validation))]
        return DataLoader(self._validation, 256, sampler=order)


class FacenessModule(TrainedModule):
    """Binary cross-entropy; selected by the probability that it gives to the right answers.

    Their geometric mean, that is: the area under the ROC curve is often 1 long before it is sure.
    """

    SELECTED_BY = "val_likelihood"
    SELECTED_BY_NAME = "likelihood"

    def __init__(self, network: nn.Module, optimizer: OptimizerChoice) -> None:
        super().__init__(optimizer)
        self.network = network
        self._outputs: list[tuple[torch.Tensor, torch.Tensor]] = []

    def training_step(self, batch: tuple[torch.Tensor, torch.Tensor], _: int) -> torch.Tensor:
        """One step."""
        loss = self._loss(*batch)[0]
        self.log("train_loss", loss, on_step=False, on_epoch=True, prog_bar=True, sync_dist=True)
        return loss

    def validation_step(self, batch: tuple[torch.Tensor, torch.Tensor], _: int) -> None:
        """Keep what is judged once all batches are through."""
        loss, logits = self._loss(*batch)
        self.log("val_loss", loss, prog_bar=True, sync_dist=True)
        self._outputs.append((logits, batch[1]))

    def on_validation_epoch_end(self) -> None:
        """Judge; where several processes validate, each holds a part."""
        logits, labels = (torch.cat(parts) for parts in zip(*self._outputs, strict=True))
        self._outputs.clear()
        if self.trainer.world_size > 1:
            logits, labels = (self.gathered(part) for part in (logits, labels))
        loss = nn.functional.binary_cross_entropy_with_logits(logits, labels)
        self.log(self.SELECTED_BY, torch.exp(-loss), rank_zero_only=True)
        truth, sure = labels.cpu().numpy(), logits.cpu().numpy()
        self.log("val_roc_auc", float(roc_auc_score(truth, sure)), rank_zero_only=True)
        self.log("val_accuracy", float(accuracy_score(truth, sure > 0)), rank_zero_only=True)

    def _loss(
        self, patches: torch.Tensor, labels: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        logits = self.network(patches)[:, 0]
        return nn.functional.binary_cross_entropy_with_logits(logits, labels), logits


def train_faceness(
    dataset: Path,
    out: Path,
    options: FacenessOptions,
    say: Callable[[str], None],
    progress_bar: bool = False,
) -> FacenessResult:
    """Train on an .npz file of patches and write model and report into the folder ``out``.

    Args:
        dataset: see ``read_patches``.
        out: the run's folder; one that a killed run with the same options left is continued.
        options: the same ones give the same model.
        say: receives a line now and then.
        progress_bar: draw one on the terminal.

    Raises:
        UserError: the patches cannot be used, or ``out`` cannot be written or holds another run.
    """
    say = first_alone(say)
    patches, labels = read_patches(dataset)
    ours = options.architecture == "small"
    data = FacenessData(patches, labels, ours, options.batch_size, options.seed)
    chosen = {
        "task": "faceness",
        "patches": hashlib.sha256(patches.tobytes() + labels.tobytes()).hexdigest(),
        **asdict(options),
    }
    checkpoint = begin_run(out, chosen, options.devices, say)
    counts = data.counts
    say(
        f"{counts['training']} patches to train on, {counts['validation']} to validate, "
        f"{counts['test']} to test"
    )
    lightning.seed_everything(options.seed, verbose=False)
    optimizer = (
        OptimizerChoice(3e-3, weight_decay=0.01, one_cycle=True) if ours else OptimizerChoice(1e-3)
    )
    module = FacenessModule(ARCHITECTURES[options.architecture](), optimizer)
    schedule = Schedule(options.epochs, options.patience, options.seed, options.devices)
    fit_module(module, data, out, schedule, say, checkpoint, progress_bar)
    return _finish(module, data, out, options)


def _finish(
    module: FacenessModule, data: FacenessData, out: Path, options: FacenessOptions
) -> FacenessResult:
    patches, labels = data.test
    batch = np.ascontiguousarray(np.moveaxis(patches, 3, 1)).astype(np.float32) / np.float32(255)
    with torch.no_grad():
        ours = module.network(torch.from_numpy(batch))[:, 0].sigmoid().numpy()
    proto = to_onnx(
        module.network,
        torch.zeros(1, 3, SIDE, SIDE),
        "patches",
        ["logits"],
        {0: torch.export.Dim("n")},
    )
    accuracy = float(accuracy_score(labels, ours > 0.5))
    auc = float(roc_auc_score(labels, ours))
    description = FacenessDescription(
        network=options.architecture,
        data=data.counts,
        validation={"accuracy": round(accuracy, 4), "roc_auc": round(auc, 4)},
        version=__version__,
    )
    onnx.helper.set_model_props(proto, description.to_metadata())

    def disagreement(draft: Path) -> float:
        return float(np.max(np.abs(FacenessModel(draft).probabilities(batch) - ours)))

    model = out / MODEL
    apart = write_checked(proto, model, disagreement)
    report = _write_report(out / REPORT, description, module, patches, labels, ours, apart)
    return FacenessResult(model, report, apart, auc, accuracy)


def _write_report(
    out: Path,
    description: FacenessDescription,
    module: FacenessModule,
    patches: UInt8Array,
    labels: np.ndarray,
    sure: np.ndarray,
    apart: float,
) -> Path:
    figures, counts = description.validation, description.data
    card = "\n".join(
        [
            f"# Model card: faceness, {description.network}",
            "",
            "Says whether a patch of 64 x 64 pixels, BGR, shows a face.",
            "",
            "| | |",
            "|---|---|",
            f"| trained on | {counts['training']} patches; the epoch was chosen by "
            f"{counts['validation']} others |",
            f"| weights | {sum(p.numel() for p in module.network.parameters())} |",
            f"| made by | facectrl-fast {description.version} |",
            f"| PyTorch and ONNX Runtime differ by | {apart:.1e} at most |",
            f"| binary accuracy on {counts['test']} test patches | {figures['accuracy']:.1%} |",
            f"| area under the ROC curve | {figures['roc_auc']:.4f} |",
            "",
            "The patches are split at random: what shows one person may be on both sides.",
            "",
        ]
    )
    title = "Likelihood, validation"
    return write_page(
        out,
        f"faceness, {description.network}: ROC AUC {figures['roc_auc']:.4f}",
        f"On {counts['test']} patches that nothing was chosen by.",
        card,
        [
            Shown(
                "curves",
                "Loss and metric by epoch",
                lambda: curves(module.history, module.SELECTED_BY, title),
            ),
            Shown("roc", "ROC on the test patches", lambda: _roc(labels, sure, figures["roc_auc"])),
            Shown(
                "mistakes",
                "The worst mistakes among the test patches",
                lambda: _mistakes(patches, labels, sure),
            ),
        ],
    )


def _roc(labels: np.ndarray, sure: np.ndarray, area: float) -> Figure:
    figure = Figure((4, 3), layout="constrained")
    axes = figure.subplots()
    wrong, right, _ = roc_curve(labels, sure)
    axes.plot(wrong, right, color=BLUE, label=f"area {area:.4f}")
    axes.plot([0, 1], [0, 1], ":", color=GRAY)
    axes.set(title="ROC", xlabel="others taken for faces", ylabel="faces found")
    axes.legend(frameon=False)
    return figure


def _mistakes(patches: UInt8Array, labels: np.ndarray, sure: np.ndarray) -> Figure:
    truth = np.where(labels == 1, sure, 1 - sure)
    worst: Sequence[int] = [int(i) for i in np.argsort(truth)[:WORST] if truth[i] < 0.5]
    columns = 8
    rows = max(-(-len(worst) // columns), 1)
    figure = Figure((10, 1.5 * rows), layout="constrained")
    grid = np.atleast_1d(figure.subplots(rows, columns)).ravel()
    for axes in grid:
        axes.axis("off")
    for axes, index in zip(grid, worst, strict=False):
        axes.imshow(patches[index][:, :, ::-1])
        axes.set_title(f"{'face' if labels[index] else 'none'}: {truth[index]:.0%}", fontsize=7)
    if not worst:
        grid[0].text(0, 0, "no mistakes")
    return figure
