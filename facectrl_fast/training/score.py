"""Trains a number for faces: a regression on labelled pictures, in two stages.

First the head alone on frozen features, then everything, at a tenth of the rate.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import lightning
import numpy as np
import onnx
import torch
from sklearn.model_selection import train_test_split
from torch import nn
from torch.utils.data import DataLoader, Dataset

from facectrl_fast import __version__
from facectrl_fast.dataset.picture_file import decode_picture
from facectrl_fast.dataset.scores import ScoredPicture, ScoreSet, read_scores
from facectrl_fast.errors import UserError
from facectrl_fast.files import digest
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
    last_checkpoint,
)
from facectrl_fast.training.export import to_onnx, write_checked
from facectrl_fast.training.mobilenet import IMAGENET_DEVIATION, IMAGENET_MEAN, MobileNetV2
from facectrl_fast.training.score_report import Errors, write_report
from facectrl_fast.types import PixelFormat, UInt8Array
from facectrl_fast.vision.score import ScoreDescription, ScoreModel, whole_picture
from facectrl_fast.vision.ssd import SsdDetector

STAGES = ("stage1", "stage2")
"""Their folders in the run's."""
LEFT_OUT, TO_TEST = 0.3, 1 / 3
"""Share of the pictures that is not trained on, and of those, that which nothing is chosen by."""
VALIDATION_SHARE = 2 / 9
"""Of the pictures to train on, where the set says itself by which to test."""
LEAST_GAIN = 2e-3
"""Of the squared error, as a share of the labels' variance, with which an epoch counts as better:
the seed's 1e-3, whose labels' variance is about a half."""
FRAMED = 100
"""Pictures by which it is found out how large faces are in them."""
TOLERANCE = 1e-4
"""Between PyTorch and ONNX Runtime, as a share of the range of the numbers."""

Batch = tuple[torch.Tensor, torch.Tensor]


@dataclass(frozen=True)
class ScoreOptions:
    """What can be chosen about such a run; the defaults are the seed's."""

    label: str = "score"
    """What the number tells, in words."""
    split: str = "random"
    """``random``: 70 % to train on, 20 % to choose the epoch by, 10 % to test by. ``published``:
    the set's own files."""
    side: int = 224
    """Pixels of the crops."""
    epochs: int = 30
    """Of each stage, at most."""
    patience: int = 7
    batch_size: int = 32
    learning_rate: float = 1e-3
    """Of the first stage; a tenth of it in the second."""
    devices: int | None = None
    seed: int = 42


@dataclass(frozen=True)
class ScoreResult(RunResult):
    """How such a run ended."""

    errors: Errors
    """On the test pictures, which nothing was chosen by."""


class ScoreNetwork(nn.Module):
    """MobileNetV2, averaged, and one linear output."""

    mean: torch.Tensor
    deviation: torch.Tensor

    def __init__(self, weights: Path | None) -> None:
        """Make one.

        Args:
            weights: torchvision's, of the backbone; None for random ones.
        """
        super().__init__()
        self.backbone = MobileNetV2(1.0, 3)
        if weights is not None:
            self.backbone.load(weights)
        for name, values in (("mean", IMAGENET_MEAN), ("deviation", IMAGENET_DEVIATION)):
            blue_first = torch.tensor(values[::-1])
            self.register_buffer(name, blue_first.reshape(1, 3, 1, 1))
        self.head = nn.Linear(self.backbone.channels[-1], 1)

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """(n, 3, h, w) BGR in [0, 1] to (n, 1)."""
        features: torch.Tensor = self.backbone((pictures - self.mean) / self.deviation)
        numbers: torch.Tensor = self.head(features.mean((2, 3)))
        return numbers


class ScoreModule(TrainedModule):
    """Mean squared error."""

    SELECTED_BY = "val_minus_error"
    SELECTED_BY_NAME = "minus squared error"

    def __init__(self, network: ScoreNetwork, head_alone: bool, optimizer: OptimizerChoice) -> None:
        super().__init__(optimizer)
        self.network = network
        self._head_alone = head_alone
        network.backbone.requires_grad_(not head_alone)
        self._outputs: list[tuple[torch.Tensor, torch.Tensor]] = []

    def on_train_epoch_start(self) -> None:
        """What is frozen does not learn what batches look like on average, either."""
        if self._head_alone:
            self.network.backbone.eval()

    def training_step(self, batch: Batch, _: int) -> torch.Tensor:
        """One step."""
        loss = nn.functional.mse_loss(self.network(batch[0])[:, 0], batch[1])
        self.log("train_loss", loss, on_step=False, on_epoch=True, prog_bar=True, sync_dist=True)
        return loss

    def validation_step(self, batch: Batch, _: int) -> None:
        """Keep what is judged once all batches are through."""
        self._outputs.append((self.network(batch[0])[:, 0], batch[1]))

    def on_validation_epoch_end(self) -> None:
        """Judge; where several processes validate, each holds a part."""
        numbers, truth = (torch.cat(parts) for parts in zip(*self._outputs, strict=True))
        self._outputs.clear()
        if self.trainer.world_size > 1:
            numbers, truth = self.gathered(numbers), self.gathered(truth)
        error = nn.functional.mse_loss(numbers, truth)
        self.log("val_loss", error, prog_bar=True, rank_zero_only=True)
        self.log(self.SELECTED_BY, -error, rank_zero_only=True)


class _Pictures(Dataset[Batch]):
    """Pictures by (epoch, index), varied anew each epoch where there is a seed."""

    def __init__(self, pictures: Sequence[ScoredPicture], side: int, seed: int | None) -> None:
        self._pictures = pictures
        self._side = side
        self._seed = seed

    def __len__(self) -> int:
        return len(self._pictures)

    def __getitem__(self, key: tuple[int, int]) -> Batch:
        epoch, index = key
        picture = self._pictures[index]
        image = read_picture(picture.path)
        if self._seed is not None:
            image = varied(image, np.random.default_rng((self._seed, epoch, index)))
        crop = whole_picture(image, self._side)
        return torch.from_numpy(crop), torch.tensor(np.float32(picture.score))


def read_picture(path: Path) -> UInt8Array:
    """BGR (h, w, 3).

    Raises:
        UserError: it cannot be read.
    """
    try:
        coded = np.fromfile(path, np.uint8)
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None
    image = decode_picture(coded)
    if image is None:
        raise UserError(f"{path} is no picture")
    return image


def varied(image: UInt8Array, rng: np.random.Generator) -> UInt8Array:
    """The seed's augmentation: mirrored, turned by up to 40 degrees, moved, sheared, zoomed."""
    height, width = image.shape[:2]
    angle = np.deg2rad(rng.uniform(-40, 40))
    shear = np.deg2rad(rng.uniform(-0.2, 0.2))
    zoom = rng.uniform(0.8, 1.2, 2)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    turn = turn @ np.array([[1, -np.sin(shear)], [0, np.cos(shear)]]) @ np.diag(zoom)
    if rng.random() < 0.5:
        turn = turn @ np.diag([-1.0, 1.0])
    middle = np.array([width, height]) / 2
    moved = middle + rng.uniform(-0.2, 0.2, 2) * (width, height)
    move = np.hstack([turn, (moved - turn @ middle)[:, None]])
    return np.asarray(
        cv2.warpAffine(image, move, (width, height), borderMode=cv2.BORDER_REPLICATE), np.uint8
    )


class ScoreData(TrainingData):
    """Pictures to train on, to choose the epoch by, and to test by."""

    def __init__(self, given: ScoreSet, options: ScoreOptions) -> None:
        """Split the pictures, as was published where the set tells that."""
        super().__init__()
        everything = sorted(given.pictures, key=lambda picture: picture.path.name)
        if given.published is not None:
            everything, self.test = given.published
            training, validation = train_test_split(
                everything, test_size=VALIDATION_SHARE, random_state=options.seed
            )
        else:
            training, others = train_test_split(
                everything, test_size=LEFT_OUT, random_state=options.seed
            )
            validation, self.test = train_test_split(
                others, test_size=TO_TEST, random_state=options.seed
            )
        self.training: list[ScoredPicture] = training
        self._training = _Pictures(training, options.side, options.seed)
        self._validation = _Pictures(validation, options.side, None)
        self._batch_size = options.batch_size
        self._seed = options.seed
        self.counts = {
            "training": len(training),
            "validation": len(validation),
            "test": len(self.test),
        }

    def train_dataloader(self) -> DataLoader[Batch]:
        """Shuffled."""
        order = Shuffled(self._training, self._seed, lambda: self.epoch)
        return DataLoader(self._training, self._batch_size, sampler=order)

    def val_dataloader(self) -> DataLoader[Batch]:
        """In order."""
        order = [(0, index) for index in range(len(self._validation))]
        return DataLoader(self._validation, self._batch_size, sampler=order)


def train_score(
    dataset: Path,
    weights: Path | None,
    out: Path,
    options: ScoreOptions,
    say: Callable[[str], None],
    progress_bar: bool = False,
) -> ScoreResult:
    """Train on labelled pictures and write model and report into the folder ``out``.

    Args:
        dataset: see ``read_scores``.
        weights: torchvision's MobileNetV2's, to begin with; None for random ones.
        out: the run's folder; one that a killed run with the same options left is continued.
        options: the same ones give the same model.
        say: receives a line now and then.
        progress_bar: draw one on the terminal.

    Raises:
        UserError: the pictures cannot be used, or ``out`` cannot be written or holds another run.
    """
    say = first_alone(say)
    given = read_scores(dataset, options.split == "published")
    if given.problems.found:
        say(f"left out: {given.problems}")
    data = ScoreData(given, options)
    listed = "".join(f"{p.path.name} {p.score}\n" for p in (*given.pictures, *data.test))
    chosen = {
        "task": "score",
        "weights": None if weights is None else digest(weights),
        "pictures": hashlib.sha256(listed.encode()).hexdigest(),
        **asdict(options),
    }
    lightning.seed_everything(options.seed, verbose=False)
    network = ScoreNetwork(weights)
    labels = [picture.score for picture in data.training]
    mean, least_gain = float(np.mean(labels)), LEAST_GAIN * float(np.var(labels))
    nn.init.constant_(network.head.bias, mean)
    begin_run(out, chosen, options.devices, say)
    counts = data.counts
    say(
        f"{counts['training']} pictures to train on, {counts['validation']} to choose the epoch "
        f"by, {counts['test']} to test by"
    )
    schedule = Schedule(options.epochs, options.patience, options.seed, options.devices, least_gain)
    histories, errors = [], {"the mean of all": _errors(data.test, lambda _: mean)}
    for number, stage in enumerate(STAGES, 1):
        folder = out / stage
        checkpoint = last_checkpoint(folder)
        say(f"stage {number}: {'the head alone' if number == 1 else 'everything'}")
        rate = options.learning_rate * (1 if number == 1 else 0.1)
        module = ScoreModule(network, number == 1, OptimizerChoice(rate, epoch_factor=1.0))
        last = number == len(STAGES)
        fit_module(module, data, folder, schedule, say, checkpoint, progress_bar, last)
        histories.append(module.history)
        errors[f"stage {number}"] = _errors(data.test, _judge(network, options.side))
    description = ScoreDescription(
        network="mobilenet-v2",
        label=options.label,
        side=options.side,
        expansion=_framing(data.training),
        least=min(picture.score for picture in data.training),
        most=max(picture.score for picture in data.training),
        data=counts,
        validation={
            "rmse": round(errors["stage 2"].rmse, 4),
            "mae": round(errors["stage 2"].mae, 4),
        },
        version=__version__,
    )
    return _finish(network, description, data, out, histories, errors)


def _finish(
    network: ScoreNetwork,
    description: ScoreDescription,
    data: ScoreData,
    out: Path,
    histories: Sequence[Sequence[dict[str, float]]],
    errors: dict[str, Errors],
) -> ScoreResult:
    side = description.side
    sample = torch.zeros(1, 3, side, side)
    proto = to_onnx(network, sample, "pictures", ["score"], {0: torch.export.Dim("n")})
    onnx.helper.set_model_props(proto, description.to_metadata())
    crops = np.stack(
        [whole_picture(read_picture(picture.path), side) for picture in data.test[:16]]
    )
    with torch.no_grad():
        ours = network(torch.from_numpy(crops))[:, 0].numpy()
    span = max(description.most - description.least, 1e-6)

    def disagreement(draft: Path) -> float:
        return float(np.max(np.abs(ScoreModel(draft).scores(crops) - ours)) / span)

    model = out / MODEL
    apart = write_checked(proto, model, disagreement, TOLERANCE)
    report = write_report(out / REPORT, description, histories, errors, apart)
    return ScoreResult(model, report, apart, errors["stage 2"])


def _judge(network: ScoreNetwork, side: int) -> Callable[[UInt8Array], float]:
    def judge(image: UInt8Array) -> float:
        crop = whole_picture(image, side)
        with torch.no_grad():
            return float(network(torch.from_numpy(crop[None]))[0, 0])

    return judge


def _errors(pictures: Sequence[ScoredPicture], judge: Callable[[UInt8Array], float]) -> Errors:
    said = [judge(read_picture(picture.path)) for picture in pictures]
    return Errors(
        np.array([picture.score for picture in pictures], np.float32), np.array(said, np.float32)
    )


def _framing(pictures: Sequence[ScoredPicture]) -> float | None:
    """What pictures show beyond the face, so that a camera's are cut alike; None without faces."""
    detector = SsdDetector()
    shares = []
    for picture in pictures[:FRAMED]:
        image = read_picture(picture.path)
        faces = detector.detect(image, PixelFormat.BGR24)
        if faces:
            shares.append(image.shape[0] / faces[0].box[3])
    if len(shares) < min(len(pictures), FRAMED) / 2:
        return None
    return round(max(float(np.median(shares)) - 1, 0.0), 3)
