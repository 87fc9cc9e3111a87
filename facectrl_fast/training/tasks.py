"""What can be trained, and how one step of each goes, as Lightning modules."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from facectrl_fast.dataset.augment import Augmentation, seed_augmentation, strong_augmentation
from facectrl_fast.dataset.folder import LABELS
from facectrl_fast.evaluation.metrics import ON, Judgement
from facectrl_fast.training.engine import OptimizerChoice, TrainedModule
from facectrl_fast.training.networks import (
    Autoencoder,
    Classifier,
    Standardized,
    VariationalAutoencoder,
    seed_classifier,
    small_cnn,
)
from facectrl_fast.vision.classify import logistic
from facectrl_fast.vision.model_file import ErrorThreshold

TEMPERATURE = 2.0
"""By which a teacher's logits are softened, so that its doubts are learnt, too."""


class TrainingModule(TrainedModule):
    """What all headphone models share: validation as a judgement."""

    SELECTED_BY = "val_balanced_accuracy"
    SELECTED_BY_NAME = "balanced accuracy"
    network: nn.Module

    def __init__(self, optimizer: OptimizerChoice) -> None:
        super().__init__(optimizer)
        self._outputs: list[tuple[torch.Tensor, torch.Tensor]] = []
        self._loss_sum = self._loss_count = 0.0

    def judge(self, outputs: torch.Tensor, labels: torch.Tensor) -> Judgement:
        """The judgement on what ``validation_step`` returned."""
        raise NotImplementedError

    def loss(self, crops: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """What training makes small, for one batch."""
        raise NotImplementedError

    def validation_output(self, crops: torch.Tensor) -> torch.Tensor:
        """What ``judge`` needs of a batch."""
        raise NotImplementedError

    def learnt(self, labels: torch.Tensor) -> torch.Tensor:
        """Which pictures (n,) are of a label that is learnt, and so count in the loss."""
        return torch.ones_like(labels, dtype=torch.bool)

    def training_step(self, batch: tuple[torch.Tensor, torch.Tensor], _: int) -> torch.Tensor:
        """One step."""
        loss = self.loss(*batch)
        self.log("train_loss", loss, on_step=False, on_epoch=True, prog_bar=True, sync_dist=True)
        return loss

    def validation_step(self, batch: tuple[torch.Tensor, torch.Tensor], _: int) -> None:
        """Keep what is judged once all batches are through."""
        crops, labels = batch
        self._outputs.append((self.validation_output(crops), labels))
        learnt = self.learnt(labels)
        count = int(learnt.sum())
        if count:
            self._loss_sum += count * float(self.loss(crops[learnt], labels[learnt]))
            self._loss_count += count

    def on_validation_epoch_end(self) -> None:
        """Judge; where several processes validate, each holds a part."""
        outputs, labels = (torch.cat(parts) for parts in zip(*self._outputs, strict=True))
        self._outputs.clear()
        loss = self._loss_sum / max(self._loss_count, 1)
        self._loss_sum = self._loss_count = 0.0
        self.log("val_loss", loss, prog_bar=True, sync_dist=True)
        if self.trainer.world_size > 1:
            outputs, labels = self.gathered(outputs), self.gathered(labels)
        judgement = self.judge(outputs.cpu(), labels.cpu())
        self.log(self.SELECTED_BY, judgement.balanced_accuracy, prog_bar=True, rank_zero_only=True)
        self.log("val_accuracy", judgement.accuracy, rank_zero_only=True)


class ClassifierModule(TrainingModule):
    """Cross-entropy on logits."""

    def __init__(
        self, network: Classifier, label_weights: torch.Tensor, optimizer: OptimizerChoice
    ) -> None:
        super().__init__(optimizer)
        self.network: Classifier = network
        self._loss = nn.CrossEntropyLoss(label_weights, label_smoothing=optimizer.label_smoothing)

    def loss(self, crops: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Weighted so that both labels count as much; or held against a teacher's logits."""
        logits = self.network(crops)[0]
        if labels.is_floating_point():
            return _distance(logits, labels)
        loss: torch.Tensor = self._loss(logits, labels)
        return loss

    def validation_output(self, crops: torch.Tensor) -> torch.Tensor:
        """Probabilities of on, (n,)."""
        logits: torch.Tensor = self.network(crops)[0]
        return logits.softmax(1)[:, ON]

    def judge(self, outputs: torch.Tensor, labels: torch.Tensor) -> Judgement:
        """The likelier label."""
        return Judgement(labels.numpy(), outputs.numpy())


def _distance(logits: torch.Tensor, lesson: torch.Tensor) -> torch.Tensor:
    """From a teacher's logits (n, 2), as Hinton et al. 2015 measure it."""
    ours, theirs = ((each / TEMPERATURE).log_softmax(1) for each in (logits, lesson))
    apart = nn.functional.kl_div(ours, theirs, log_target=True, reduction="batchmean")
    return apart * TEMPERATURE**2


class ReconstructionModule(TrainingModule):
    """Trained on one label; what comes back with a larger error is the other."""

    def __init__(
        self, network: Autoencoder | VariationalAutoencoder, optimizer: OptimizerChoice
    ) -> None:
        super().__init__(optimizer)
        self.network: Autoencoder | VariationalAutoencoder = network
        self.threshold = ErrorThreshold(0.0, 1.0)

    def loss(self, crops: torch.Tensor, _labels: torch.Tensor) -> torch.Tensor:
        """How badly they come back."""
        return self.network.losses(crops).mean()

    def learnt(self, labels: torch.Tensor) -> torch.Tensor:
        """The ``on`` pictures."""
        return labels == ON

    def validation_output(self, crops: torch.Tensor) -> torch.Tensor:
        """Errors (n,)."""
        errors: torch.Tensor = self.network(crops)
        return errors[:, 0]

    def judge(self, outputs: torch.Tensor, labels: torch.Tensor) -> Judgement:
        """On up to the mean error of the ``on`` pictures and three of its spreads."""
        self.threshold = error_threshold(outputs.numpy(), labels.numpy())
        margin = self.threshold.margin(outputs.numpy())
        return Judgement(labels.numpy(), logistic(margin))


def error_threshold(errors: np.ndarray, labels: np.ndarray) -> ErrorThreshold:
    """Mean and spread of the errors (n,) of the pictures whose label is ``on``."""
    of_on = errors[labels == ON].astype(np.float64)
    return ErrorThreshold(float(of_on.mean()), max(float(of_on.std()), 1e-6))


@dataclass(frozen=True)
class Task:
    """A kind of model that can be trained."""

    name: str
    kind: str
    """As in the model file: softmax or reconstruction."""
    network: Callable[[], nn.Module]
    optimizer: OptimizerChoice
    augmentation: Augmentation
    epochs: int
    patience: int
    """Epochs without a better one after which training ends."""
    only: str | None = None
    """The label trained on, where it is one."""

    def module(self, counts: dict[str, int], crops: torch.Tensor) -> TrainingModule:
        """The module to train.

        Args:
            counts: as HeadphoneData counts.
            crops: typical training crops (n, 1, 64, 64).
        """
        network = self.network()
        for layer in network.modules():
            if isinstance(layer, Standardized):
                layer.fit(crops)
        if isinstance(network, Classifier):
            shown = torch.tensor([counts[f"training_{name}"] for name in LABELS], dtype=torch.float)
            weights = shown.sum() / (len(LABELS) * shown)
            return ClassifierModule(network, weights, self.optimizer)
        assert isinstance(network, Autoencoder | VariationalAutoencoder)
        return ReconstructionModule(network, self.optimizer)


TASKS = {
    task.name: task
    for task in (
        Task(
            "classifier",
            "softmax",
            seed_classifier,
            OptimizerChoice(5e-3),
            seed_augmentation,
            epochs=40,
            patience=40,
        ),
        Task(
            "cnn",
            "softmax",
            small_cnn,
            OptimizerChoice(4e-3, weight_decay=0.02, one_cycle=True, label_smoothing=0.05),
            strong_augmentation,
            epochs=30,
            patience=15,
        ),
        Task(
            "autoencoder",
            "reconstruction",
            Autoencoder,
            OptimizerChoice(1e-3),
            seed_augmentation,
            epochs=100,
            patience=30,
            only="on",
        ),
        Task(
            "vae",
            "reconstruction",
            VariationalAutoencoder,
            OptimizerChoice(1e-3),
            seed_augmentation,
            epochs=100,
            patience=30,
            only="on",
        ),
    )
}
