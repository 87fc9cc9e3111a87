"""Figures on labelled pictures, from what a model says of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.metrics import roc_auc_score

from facectrl_fast.dataset.folder import LABELS
from facectrl_fast.types import Float32Array

ON = LABELS.index("on")
BINS = 10


@dataclass(frozen=True)
class Confidence:
    """How often a model is right where it is that sure."""

    sureness: Float32Array
    """(b,): mean probability of the likelier label, of the bins that hold pictures."""
    accuracy: Float32Array
    """(b,)"""
    count: np.ndarray
    """(b,)"""

    @property
    def error(self) -> float:
        """Expected calibration error: the mean distance of the two, over pictures."""
        return float(np.average(np.abs(self.sureness - self.accuracy), weights=self.count))


@dataclass(frozen=True)
class Judgement:
    """Labels and a model's probabilities of ``on`` for the same pictures."""

    labels: np.ndarray
    """(n,) int: index into LABELS."""
    on_probabilities: Float32Array
    """(n,)"""
    sources: Sequence[str] = ()
    """Where each picture came from; may be left out."""

    @property
    def predictions(self) -> np.ndarray:
        """(n,) int: the likelier label of each picture."""
        return np.where(self.on_probabilities > 0.5, ON, 1 - ON)

    @property
    def confusion(self) -> np.ndarray:
        """(2, 2) counts: rows are true labels, columns what the model says."""
        table = np.zeros((len(LABELS), len(LABELS)), np.int64)
        np.add.at(table, (self.labels, self.predictions), 1)
        return table

    @property
    def accuracy(self) -> float:
        """The share of right answers."""
        return float((self.predictions == self.labels).mean())

    @property
    def recalls(self) -> dict[str, float]:
        """Of each label that occurs, the share of right answers."""
        return {
            name: float((self.predictions[self.labels == label] == label).mean())
            for label, name in enumerate(LABELS)
            if (self.labels == label).any()
        }

    @property
    def balanced_accuracy(self) -> float:
        """The mean of the labels' shares of right answers: a rare label counts as much."""
        return float(np.mean(list(self.recalls.values())))

    @property
    def roc_auc(self) -> float:
        """The chance that an ``on`` picture gets more than an ``off`` one; NaN for one label."""
        is_on = self.labels == ON
        if is_on.all() or not is_on.any():
            return float("nan")
        return float(roc_auc_score(is_on, self.on_probabilities))

    def confidence(self) -> Confidence:
        """Accuracy by sureness, in bins of equal width from 0.5 to 1."""
        sure = np.maximum(self.on_probabilities, 1 - self.on_probabilities)
        right = (self.predictions == self.labels).astype(np.float64)
        bins = np.clip(((sure - 0.5) * 2 * BINS).astype(int), 0, BINS - 1)
        there = np.unique(bins)
        return Confidence(
            np.array([sure[bins == b].mean() for b in there], np.float32),
            np.array([right[bins == b].mean() for b in there], np.float32),
            np.array([(bins == b).sum() for b in there]),
        )

    def sure(self, confidence: float) -> tuple[float, float]:
        """Of all pictures, the shares that are right and wrong with at least that confidence."""
        sure = np.maximum(self.on_probabilities, 1 - self.on_probabilities) >= confidence
        right = self.predictions == self.labels
        return float((sure & right).mean()), float((sure & ~right).mean())

    def by_source(self) -> dict[str, Judgement]:
        """One judgement for each source, in order of their names."""
        names = np.array(self.sources)
        return {
            str(name): Judgement(self.labels[names == name], self.on_probabilities[names == name])
            for name in np.unique(names)
        }


def best_threshold(judgement: Judgement) -> tuple[float, float]:
    """The probability of ``on`` to ask for that gives the best balanced accuracy, and that."""
    is_on = judgement.labels == ON
    values = np.unique(judgement.on_probabilities)
    thresholds = np.concatenate([[0.0], (values[1:] + values[:-1]) / 2, [1.0]])
    scores = threshold_scores(judgement, thresholds)
    assert is_on.any()
    best = int(np.argmax(scores))
    return float(thresholds[best]), float(scores[best])


def threshold_scores(judgement: Judgement, thresholds: np.ndarray) -> np.ndarray:
    """Balanced accuracy (t,) where ``on`` is said above each of the thresholds (t,)."""
    is_on = judgement.labels == ON
    on = np.sort(judgement.on_probabilities[is_on])
    off = np.sort(judgement.on_probabilities[~is_on])
    hits = 1 - np.searchsorted(on, thresholds, side="right") / max(len(on), 1)
    rejections = np.searchsorted(off, thresholds, side="right") / max(len(off), 1)
    return np.asarray((hits + rejections) / 2)
