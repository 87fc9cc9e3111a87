"""What all training runs share: optimizers, checkpoints, curves, and going on after a kill.

A run that was killed goes on where it was when the same command is given again: all that is random
depends on seed and epoch alone, and every epoch ends with a checkpoint.
"""

from __future__ import annotations

import io
import json
import logging
import os
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

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
from lightning.pytorch.utilities.types import OptimizerLRScheduler

from facectrl_fast.errors import UserError
from facectrl_fast.files import make_writable, whole_file

MODEL = "model.onnx"
REPORT = "report.html"
_OPTIONS = "run.json"
_CHECKPOINTS = "checkpoints"


@dataclass(frozen=True)
class OptimizerChoice:
    """How the weights move."""

    learning_rate: float
    weight_decay: float = 0.0
    one_cycle: bool = False
    """Up and down again once in the whole run; else the seed's: 2 % less every 1000 steps."""
    epoch_factor: float | None = None
    """What the rate is multiplied by with each epoch, instead."""
    label_smoothing: float = 0.0

    def build(self, module: lightning.LightningModule) -> OptimizerLRScheduler:
        """Optimizer and schedule."""
        optimizer = torch.optim.AdamW(
            module.parameters(), lr=self.learning_rate, weight_decay=self.weight_decay
        )
        schedule: torch.optim.lr_scheduler.LRScheduler
        interval = "step"
        if self.epoch_factor is not None:
            schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, self.epoch_factor)
            interval = "epoch"
        elif self.one_cycle:
            steps = int(module.trainer.estimated_stepping_batches)
            schedule = torch.optim.lr_scheduler.OneCycleLR(
                optimizer, self.learning_rate, max(steps, 2), pct_start=0.15
            )
        else:
            schedule = torch.optim.lr_scheduler.StepLR(optimizer, step_size=1000, gamma=0.98)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": interval},
        }


class TrainingData(lightning.LightningDataModule):
    """Data whose order depends on a seed and the epoch alone, so that a resumed run repeats it."""

    @property
    def epoch(self) -> int:
        """The one that begins, from 0 on."""
        return self.trainer.current_epoch if self.trainer is not None else 0


class TrainedModule(lightning.LightningModule):
    """A module that keeps the curves of its run."""

    SELECTED_BY: ClassVar[str]
    """The metric whose highest value tells the best epoch."""
    SELECTED_BY_NAME: ClassVar[str]
    """That in words."""

    def __init__(self, optimizer: OptimizerChoice) -> None:
        super().__init__()
        self._optimizer = optimizer
        self.history: list[dict[str, float]] = []
        """Of each epoch: its number, losses, metrics and learning rate."""

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """As chosen for the task."""
        return self._optimizer.build(self)

    def on_train_epoch_end(self) -> None:
        """Add to the curves."""
        entry = {key: float(value) for key, value in self.trainer.callback_metrics.items()}
        rate = self.trainer.optimizers[0].param_groups[0]["lr"]
        self.history.append({"epoch": self.current_epoch, "learning_rate": rate} | entry)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the curves."""
        checkpoint["history"] = list(self.history)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Go on with the curves."""
        self.history = list(checkpoint["history"])

    def gathered(self, part: torch.Tensor) -> torch.Tensor:
        """What all processes hold parts (n, ...) of."""
        gathered = self.all_gather(part)
        assert isinstance(gathered, torch.Tensor)
        return gathered.flatten(0, 1)

    @property
    def best(self) -> dict[str, float]:
        """The curves' values at the best epoch."""
        return max(self.history, key=lambda entry: entry[self.SELECTED_BY])


@dataclass(frozen=True)
class RunResult:
    """What a run leaves."""

    model: Path
    report: Path
    disagreement: float
    """Between PyTorch's and ONNX Runtime's outputs."""


@dataclass(frozen=True)
class Schedule:
    """How long and where a run trains."""

    epochs: int
    """At most."""
    patience: int
    """Epochs without a better one that end it."""
    seed: int = 0
    devices: int | None = None
    """GPUs, or processes where there are none; None for all GPUs, or one process."""
    least_gain: float = 0.0
    """What an epoch has to be better by to count as better for ``patience``."""


def fit_module(
    module: TrainedModule,
    data: lightning.LightningDataModule,
    out: Path,
    schedule: Schedule,
    say: Callable[[str], None],
    checkpoint: Path | None = None,
    progress_bar: bool = False,
    last: bool = True,
) -> None:
    """Train a module, and leave it with the weights of its best epoch.

    Args:
        module: logs ``train_loss``, ``val_loss`` and its metric each epoch.
        data: what it trains on; the same for the same seed and epoch.
        out: the run's folder, for checkpoints and TensorBoard's logs.
        schedule: how long.
        say: receives a line an epoch.
        checkpoint: where to go on.
        progress_bar: draw one on the terminal.
        last: where several processes train, the first one alone returns; else all of them do, for
            what is trained next.

    Raises:
        UserError: ``out`` cannot be written.
        KeyboardInterrupt: it was interrupted.
    """
    quiet_lightning()
    module.train()  # what was trained before was left as it is used
    best = _MovableCheckpoint(
        out / _CHECKPOINTS,
        "best",
        monitor=module.SELECTED_BY,
        mode="max",
        enable_version_counter=False,
    )
    callbacks: list[Callback] = [
        _FreshNoise(schedule.seed),
        _Stopping(
            module.SELECTED_BY,
            mode="max",
            patience=schedule.patience,
            min_delta=schedule.least_gain,
        ),
        LearningRateMonitor(),
        _EpochLines(say, module),
        # Behind the others, so that a checkpoint holds what they did at the end of the epoch.
        best,
        # Lightning's own "last" is written with each better one only.
        _MovableCheckpoint(out / _CHECKPOINTS, "last", enable_version_counter=False),
    ]
    if progress_bar:
        callbacks.append(TQDMProgressBar())
    trainer = lightning.Trainer(
        max_epochs=schedule.epochs,
        accelerator="auto",
        devices=schedule.devices or ("auto" if torch.cuda.is_available() else 1),
        callbacks=callbacks,
        plugins=[_WholeCheckpoints()],
        logger=TensorBoardLogger(out, name="tensorboard", version=""),
        # Workers fetch ahead: made anew, they see an epoch that is begun, not the one before.
        reload_dataloaders_every_n_epochs=1,
        enable_progress_bar=progress_bar,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        log_every_n_steps=10,
        deterministic=True,
    )
    try:
        trainer.fit(module, datamodule=data, ckpt_path=checkpoint)
    except OSError as error:
        raise UserError(f"cannot write {out}: {error.strerror}") from None
    except SystemExit:
        # Lightning's answer to Ctrl-C.
        raise KeyboardInterrupt from None
    if last and process():
        raise SystemExit(0)  # what follows is the first one's
    kept = torch.load(best.best_model_path, map_location="cpu", weights_only=True)
    module.load_state_dict(kept["state_dict"])
    module.cpu().eval()


def begin_run(
    out: Path, chosen: Mapping[str, Any], devices: int | None, say: Callable[[str], None]
) -> Path | None:
    """Prepare a run; the checkpoint to continue from, where there is one.

    Args:
        out: the run's folder.
        chosen: see ``claim``.
        devices: see ``Schedule``.
        say: is told whether an earlier run goes on.

    Raises:
        UserError: there are too few devices, or see ``claim``.
    """
    check_devices(devices)
    # Where several processes train, the first one began alone.
    checkpoint = claim(out, chosen) if process() == 0 else last_checkpoint(out)
    if checkpoint is not None:
        say(f"continuing the run in {out}")
    return checkpoint


def claim(out: Path, chosen: Mapping[str, Any]) -> Path | None:
    """Prepare a run's folder; the checkpoint to continue from, where there is one.

    Args:
        out: the folder.
        chosen: what the run depends on, as JSON can hold it.

    Raises:
        UserError: it cannot be written, or holds another run, or this one, finished.
    """
    check_writable(out / MODEL)
    notes = out / _OPTIONS
    if notes.exists():
        try:
            there = json.loads(notes.read_text())
        except (OSError, ValueError):
            there = None
        if not isinstance(there, dict):
            raise UserError(f"{notes} is damaged; name another folder with --out")
        # An option that the run's version did not have yet counts as not given.
        names = dict.fromkeys([*chosen, *there])
        differing = ", ".join(name for name in names if there.get(name) != chosen.get(name))
        if differing:
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


def last_checkpoint(out: Path) -> Path | None:
    """Where a run in that folder was, when it was last seen.

    Raises:
        UserError: it cannot be read.
    """
    last = out / _CHECKPOINTS / "last.ckpt"
    return _readable(last) if last.exists() else None


def _readable(checkpoint: Path) -> Path:
    try:
        torch.load(checkpoint, map_location="cpu", weights_only=False)
    except Exception:  # torch raises many kinds for what is no checkpoint
        raise UserError(
            f"{checkpoint} is damaged; name another folder with --out to begin anew"
        ) from None
    return checkpoint


def check_writable(out: Path) -> None:
    """Find out before a long training whether its result can be written.

    Raises:
        UserError: ``out`` is a folder, or its folder cannot be made or written to.
    """
    try:
        make_writable(out.parent)
    except OSError as error:
        raise UserError(f"cannot write {out}: {error.strerror}") from None
    if out.is_dir():
        raise UserError(f"cannot write {out}: it is a folder; name a file in it")


def check_devices(wanted: int | None) -> None:
    """Fail before a training for which there are too few GPUs.

    Raises:
        UserError: there are.
    """
    there = torch.cuda.device_count()
    if wanted is not None and 0 < there < wanted:
        raise UserError(f"--devices {wanted}: there are {there} GPUs here")


def loader_workers() -> int:
    """Processes that make a loader's pictures: on all cores but the one that trains."""
    return min((os.cpu_count() or 1) - 1, 16)


def process() -> int:
    """This process's number among those that Lightning started to train together."""
    return int(os.environ.get("LOCAL_RANK", "0"))


def first_alone(say: Callable[[str], None]) -> Callable[[str], None]:
    """Of the processes that train together, the first one speaks."""
    return (lambda _: None) if process() else say


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


class _MovableCheckpoint(ModelCheckpoint):
    """Knows its files again where the run's folder was moved."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        folder = Path(str(self.dirpath))

        def here(path: str) -> str:
            return str(folder / Path(path).name) if path else path

        moved = dict(state_dict, dirpath=self.dirpath)
        for key in ("best_model_path", "last_model_path", "kth_best_model_path"):
            moved[key] = here(state_dict[key])
        known = state_dict["best_k_models"]
        moved["best_k_models"] = {here(path): score for path, score in known.items()}
        super().load_state_dict(moved)


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

    def __init__(self, say: Callable[[str], None], module: TrainedModule) -> None:
        self._say = say
        self._key, self._name = module.SELECTED_BY, module.SELECTED_BY_NAME
        self._best = float("-inf")

    def on_train_epoch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        metrics = {key: float(value) for key, value in trainer.callback_metrics.items()}
        score = metrics[self._key]
        mark = " (best)" if score > self._best else ""
        self._best = max(score, self._best)
        self._say(
            f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}: "
            f"loss {metrics['train_loss']:.4f}, validation loss {metrics['val_loss']:.4f}, "
            f"{self._name} {score:.4f}{mark}"
        )

    def state_dict(self) -> dict[str, Any]:
        return {"best": self._best}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._best = state_dict["best"]


def quiet_lightning() -> None:
    """Its hints are for those who write training code."""
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="lightning.*")
    warnings.filterwarnings("ignore", ".*does not have many workers.*")
