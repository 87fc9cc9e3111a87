"""A training run of a headphone model: from a dataset to a folder with the model and its report."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import lightning
import torch

from facectrl_fast import __version__
from facectrl_fast.dataset.folder import LABELS, LabelledPicture, read_folder, split_by_group
from facectrl_fast.errors import UserError
from facectrl_fast.training.data import HeadphoneData
from facectrl_fast.training.engine import (
    MODEL,
    REPORT,
    RunResult,
    Schedule,
    begin_run,
    first_alone,
    fit_module,
)
from facectrl_fast.training.export import export_model
from facectrl_fast.training.report import write_report
from facectrl_fast.training.tasks import ReconstructionModule, Task, TrainingModule
from facectrl_fast.vision.classify import Classifier
from facectrl_fast.vision.model_file import ModelDescription
from facectrl_fast.vision.preprocess import Preprocessing


@dataclass(frozen=True)
class TrainingOptions:
    """What can be chosen about a training run."""

    epochs: int | None = None
    """At most; None for what suits the task."""
    batch_size: int | None = None
    validation_share: float = 0.15
    expansion: float = 0.9
    """What crops show beyond the face box, as a share of its sides."""
    patience: int | None = None
    """Epochs without a better one that end it; None for what suits the task."""
    devices: int | None = None
    """GPUs, or processes where there are none; None for all GPUs, or one process."""
    seed: int = 0


@dataclass(frozen=True)
class TrainingResult(RunResult):
    """How a training run ended."""

    best_epoch: int
    balanced_accuracy: float
    """On the validation pictures."""


def train(
    task: Task,
    dataset: Path,
    out: Path,
    options: TrainingOptions,
    say: Callable[[str], None],
    progress_bar: bool = False,
    prepared: Callable[[HeadphoneData], None] | None = None,
) -> TrainingResult:
    """Train on a dataset and write model and report into the folder ``out``.

    Args:
        task: one of TASKS.
        dataset: folder with on/ and off/.
        out: the run's folder; one that a killed run with the same options left is continued.
        options: the same ones give the same model.
        say: receives a line now and then.
        progress_bar: draw one on the terminal.
        prepared: may change the data before it is trained on.

    Raises:
        UserError: the dataset cannot be used, or ``out`` cannot be written or holds another run.
    """
    say = first_alone(say)
    pictures = read_folder(dataset)
    split = split_by_group(pictures, options.validation_share, options.seed)
    data = prepare(task, *split, options)
    chosen = {
        "task": task.name,
        "dataset": str(dataset.resolve()),
        # With other pictures the split would be another, and show what was trained on.
        "pictures": digest_of(pictures),
        **asdict(options),
    }
    checkpoint = begin_run(out, chosen, options.devices, say)
    say(
        f"{len(data.training)} pictures to train on, {len(data.validation)} of other people or "
        "moments to validate"
    )
    counts = data.counts()
    if prepared is not None:
        prepared(data)
    module = fit(task, data, out, options, say, checkpoint, progress_bar)
    return _finish(task, module, data, counts, out, options)


def prepare(
    task: Task,
    training: Sequence[LabelledPicture],
    validation: Sequence[LabelledPicture],
    options: TrainingOptions,
) -> HeadphoneData:
    """The pictures as a task wants them.

    Raises:
        UserError: one cannot be read, or shows too little around the face.
    """
    return HeadphoneData(
        training,
        validation,
        Preprocessing(expansion=(options.expansion, options.expansion)),
        options.batch_size,
        task.augmentation,
        task.only,
        options.seed,
    )


def fit(
    task: Task,
    data: HeadphoneData,
    out: Path,
    options: TrainingOptions,
    say: Callable[[str], None],
    checkpoint: Path | None = None,
    progress_bar: bool = False,
) -> TrainingModule:
    """Train and return the module with the weights of the best epoch.

    Raises:
        UserError: there is nothing to learn, ``out`` cannot be written, or it was interrupted.
    """
    crops = data.typical_crops()
    if float(crops.std(0).max()) < 1e-3:
        raise UserError("all pictures of the dataset look the same; nothing to learn")
    lightning.seed_everything(options.seed, verbose=False)
    module = task.module(data.counts(), crops)
    schedule = Schedule(
        options.epochs or task.epochs,
        options.patience or task.patience,
        options.seed,
        options.devices,
    )
    fit_module(module, data, out, schedule, say, checkpoint, progress_bar)
    return module


def digest_of(pictures: Sequence[LabelledPicture]) -> str:
    """Tells whether they are the same ones in the same order."""
    listed = hashlib.sha256()
    for picture in pictures:
        listed.update(f"{picture.path.name} {picture.label} {picture.group}\n".encode())
    return listed.hexdigest()


def _finish(
    task: Task,
    module: TrainingModule,
    data: HeadphoneData,
    counts: dict[str, int],
    out: Path,
    options: TrainingOptions,
) -> TrainingResult:
    """Export the best weights and write the report."""
    crops = torch.from_numpy(data.validation.plain_crops())
    labels = torch.from_numpy(data.validation.labels)
    with torch.no_grad():
        outputs = torch.cat([module.validation_output(part) for part in torch.split(crops, 1024)])
    judgement = module.judge(outputs, labels)
    error = module.threshold if isinstance(module, ReconstructionModule) else None
    description = ModelDescription(
        labels=LABELS,
        kind=task.kind,
        network=task.name,
        preprocessing=Preprocessing(expansion=(options.expansion, options.expansion)),
        # Errors are not probabilities: past the threshold is past it.
        confidence=0.6 if error is None else 0.5,
        error=error,
        data=counts,
        validation={
            "balanced_accuracy": round(judgement.balanced_accuracy, 4),
            "roc_auc": round(judgement.roc_auc, 4),
            "epoch": module.best["epoch"] + 1,
        },
        version=__version__,
    )
    model = out / MODEL
    disagreement = export_model(module.network, description, model, crops.numpy())
    # The report judges what was written, not what was meant to be.
    report = write_report(
        out / REPORT,
        Classifier(model),
        data.validation_pictures,
        crops.numpy(),
        module.history,
        disagreement,
    )
    return TrainingResult(
        model, report, disagreement, int(module.best["epoch"]) + 1, judgement.balanced_accuracy
    )
