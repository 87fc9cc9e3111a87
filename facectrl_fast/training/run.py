"""A training run: from a dataset to a folder with the model, its report and its checkpoints.

A run that was killed goes on where it was when the same command is given again: order, jitter and
augmentation depend on seed and epoch alone, and every epoch ends with a checkpoint.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
import os
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import (
    Callback,
    EarlyStopping,
    LearningRateMonitor,
    ModelCheckpoint,
    TQDMProgressBar,
)
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.plugins.io import TorchCheckpointIO

from facectrl_fast import __version__
from facectrl_fast.dataset.folder import LABELS, LabelledPicture, read_folder, split_by_group
from facectrl_fast.errors import UserError
from facectrl_fast.files import whole_file
from facectrl_fast.training.data import HeadphoneData
from facectrl_fast.training.export import check_writable, export_model
from facectrl_fast.training.report import write_report
from facectrl_fast.training.tasks import (
    SELECTED_BY,
    ReconstructionModule,
    Task,
    TrainingModule,
)
from facectrl_fast.vision.classify import Classifier
from facectrl_fast.vision.model_file import ModelDescription
from facectrl_fast.vision.preprocess import Preprocessing

MODEL = "model.onnx"
REPORT = "report.html"
_OPTIONS = "run.json"
_CHECKPOINTS = "checkpoints"


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
class TrainingResult:
    """How a training run ended."""

    model: Path
    report: Path
    best_epoch: int
    balanced_accuracy: float
    """On the validation pictures."""
    disagreement: float
    """Between PyTorch's and ONNX Runtime's probabilities on the validation pictures."""


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
    _check_devices(options.devices)
    if _process():
        say = _silent
    pictures = read_folder(dataset)
    split = split_by_group(pictures, options.validation_share, options.seed)
    data = prepare(task, *split, options)
    # Where several processes train, the first one began alone.
    first = _process() == 0
    checkpoint = _claim(out, task, dataset, pictures, options) if first else last_checkpoint(out)
    say(
        f"{len(data.training)} pictures to train on, {len(data.validation)} of other people or "
        "moments to validate"
    )
    if checkpoint is not None:
        say(f"continuing the run in {out}")
    counts = data.counts()
    if prepared is not None:
        prepared(data)
    module = fit(task, data, out, options, say, checkpoint, progress_bar)
    if _process():
        raise SystemExit(0)  # the first one does the rest
    return _finish(task, module, data, counts, out, options)


def _check_devices(wanted: int | None) -> None:
    there = torch.cuda.device_count()
    if wanted is not None and 0 < there < wanted:
        raise UserError(f"--devices {wanted}: there are {there} GPUs here")


def _process() -> int:
    """This process's number among those that Lightning started to train together."""
    return int(os.environ.get("LOCAL_RANK", "0"))


def _silent(_line: str) -> None:
    """The first process speaks."""


def last_checkpoint(out: Path) -> Path | None:
    """Where a run in that folder was, when it was last seen.

    Raises:
        UserError: it cannot be read.
    """
    last = out / _CHECKPOINTS / "last.ckpt"
    return _readable(last) if last.exists() else None


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
    _quiet_lightning()
    crops = data.typical_crops()
    if float(crops.std(0).max()) < 1e-3:
        raise UserError("all pictures of the dataset look the same; nothing to learn")
    lightning.seed_everything(options.seed, verbose=False)
    module = task.module(data.counts(), crops)
    best = ModelCheckpoint(
        out / _CHECKPOINTS,
        "best",
        monitor=SELECTED_BY,
        mode="max",
        enable_version_counter=False,
    )
    trainer = _trainer(task, out, options, best, say, progress_bar)
    try:
        trainer.fit(module, datamodule=data, ckpt_path=checkpoint)
    except OSError as error:
        raise UserError(f"cannot write {out}: {error.strerror}") from None
    except SystemExit:
        # Lightning's answer to Ctrl-C.
        raise KeyboardInterrupt from None
    _load_best(module, best)
    return module


def _trainer(
    task: Task,
    out: Path,
    options: TrainingOptions,
    best: ModelCheckpoint,
    say: Callable[[str], None],
    progress_bar: bool,
) -> lightning.Trainer:
    callbacks: list[Callback] = [
        _FreshNoise(options.seed),
        _Stopping(SELECTED_BY, mode="max", patience=options.patience or task.patience),
        LearningRateMonitor(),
        _EpochLines(say),
        # Behind the others, so that a checkpoint holds what they did at the end of the epoch.
        best,
        # Lightning's own "last" is written with each better one only.
        ModelCheckpoint(out / _CHECKPOINTS, "last", enable_version_counter=False),
    ]
    if progress_bar:
        callbacks.append(TQDMProgressBar())
    return lightning.Trainer(
        max_epochs=options.epochs or task.epochs,
        accelerator="auto",
        devices=options.devices or ("auto" if torch.cuda.is_available() else 1),
        callbacks=callbacks,
        plugins=[_WholeCheckpoints()],
        logger=TensorBoardLogger(out, name="tensorboard", version=""),
        enable_progress_bar=progress_bar,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        log_every_n_steps=10,
        deterministic=True,
    )


class _WholeCheckpoints(TorchCheckpointIO):
    """Checkpoints appear whole, or not at all, whenever a kill or a full disk comes."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        whole = Path(path)
        packed = io.BytesIO()
        torch.save(checkpoint, packed)
        whole.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(whole) as draft:
            draft.write_bytes(packed.getvalue())


class _Stopping(EarlyStopping):
    """Ends a run early; one that ended so and was killed before its report trains no further."""

    def on_train_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        if self.wait_count >= self.patience:
            trainer.should_stop = True


class _FreshNoise(Callback):
    """Seeds dropout and noise by the step, so that a resumed run repeats them."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def on_train_batch_start(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        batch: object,
        batch_idx: int,
    ) -> None:
        torch.manual_seed(self._seed * 1_000_003 + trainer.global_step)


class _EpochLines(Callback):
    """A line an epoch."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._best = -1.0

    def on_train_epoch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        metrics = {key: float(value) for key, value in trainer.callback_metrics.items()}
        accuracy = metrics[SELECTED_BY]
        mark = " (best)" if accuracy > self._best else ""
        self._best = max(accuracy, self._best)
        self._say(
            f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}: "
            f"loss {metrics['train_loss']:.4f}, validation loss {metrics['val_loss']:.4f}, "
            f"balanced accuracy {accuracy:.4f}{mark}"
        )

    def state_dict(self) -> dict[str, Any]:
        return {"best": self._best}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._best = state_dict["best"]


def _claim(
    out: Path,
    task: Task,
    dataset: Path,
    pictures: Sequence[LabelledPicture],
    options: TrainingOptions,
) -> Path | None:
    """Prepare the run's folder; the checkpoint to continue from, where there is one."""
    check_writable(out / MODEL)
    chosen = {
        "task": task.name,
        "dataset": str(dataset.resolve()),
        # With other pictures the split would be another, and show what was trained on.
        "pictures": digest_of(pictures),
        **asdict(options),
    }
    notes = out / _OPTIONS
    if notes.exists():
        try:
            there = json.loads(notes.read_text())
        except (OSError, ValueError):
            there = None
        if not isinstance(there, dict):
            raise UserError(f"{notes} is damaged; name another folder with --out")
        if there != chosen:
            differing = ", ".join(k for k in chosen if there.get(k) != chosen[k])
            raise UserError(
                f"{out} holds a run that differs in {differing}; name another folder with --out"
            )
        if (out / REPORT).exists():
            raise UserError(f"{out} holds this run, finished; name another folder with --out")
        return last_checkpoint(out)
    if out.exists() and any(out.iterdir()):
        raise UserError(f"{out} is not empty and holds no run; name another folder with --out")
    draft = out.with_name(f".{out.name}.draft")
    try:
        # The folder is empty until it holds the whole file.
        draft.write_text(json.dumps(chosen, indent=2) + "\n")
        draft.replace(notes)
    except OSError as error:
        raise UserError(f"cannot write {notes}: {error.strerror}") from None
    return None


def digest_of(pictures: Sequence[LabelledPicture]) -> str:
    """Tells whether they are the same ones in the same order."""
    listed = hashlib.sha256()
    for picture in pictures:
        listed.update(f"{picture.path.name} {picture.label} {picture.group}\n".encode())
    return listed.hexdigest()


def _readable(checkpoint: Path) -> Path:
    try:
        torch.load(checkpoint, map_location="cpu", weights_only=False)
    except Exception:  # torch raises many kinds for what is no checkpoint
        raise UserError(
            f"{checkpoint} is damaged; name another folder with --out to begin anew"
        ) from None
    return checkpoint


def _load_best(module: TrainingModule, best: ModelCheckpoint) -> None:
    kept = torch.load(best.best_model_path, map_location="cpu", weights_only=True)
    module.load_state_dict(kept["state_dict"])
    module.cpu().eval()


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
    best = max(module.history, key=lambda entry: entry[SELECTED_BY])
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
            "epoch": best["epoch"] + 1,
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
        model, report, int(best["epoch"]) + 1, judgement.balanced_accuracy, disagreement
    )


def _quiet_lightning() -> None:
    """Its hints are for those who write training code."""
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="lightning.*")
    warnings.filterwarnings("ignore", ".*does not have many workers.*")
