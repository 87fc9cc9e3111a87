"""How well two faces are told to be one person's: same or different."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.metrics import roc_auc_score, roc_curve

from facectrl_fast.types import Float32Array


@dataclass(frozen=True)
class Verification:
    """Similarities of pairs of faces whose people are known."""

    same: Float32Array
    """Of pairs that show one person, (n,)."""
    different: Float32Array
    """Of pairs that show two, (m,)."""

    @property
    def roc_auc(self) -> float:
        """The chance that a pair of one person is more alike than one of two; NaN without pairs."""
        if not len(self.same) or not len(self.different):
            return float("nan")
        return float(roc_auc_score(*self._labelled))

    @property
    def curve(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Shares of false and of right acceptances, by threshold."""
        return tuple(roc_curve(*self._labelled))

    def best_threshold(self) -> float:
        """The similarity above which a pair is best taken for one person's.

        Both kinds of pairs count the same, however many there are of them.
        """
        false, right, thresholds = self.curve
        best = int(np.argmax(right - false))
        # roc_curve accepts from a threshold on, the program above it; and begins with infinity.
        above = thresholds[best]
        below = self._next_below(above)
        return float(min((above + below) / 2, 0.0))

    def accuracy(self, threshold: float) -> float:
        """The share of right answers, both kinds of pairs counting the same."""
        return 1 - (self.false_accepts(threshold) + self.false_rejects(threshold)) / 2

    def false_accepts(self, threshold: float) -> float:
        """The share of pairs of two people that are taken for one's."""
        return float((self.different > threshold).mean())

    def false_rejects(self, threshold: float) -> float:
        """The share of pairs of one person that are taken for two's."""
        return float((self.same <= threshold).mean())

    @property
    def _labelled(self) -> tuple[np.ndarray, Float32Array]:
        truth = np.concatenate([np.ones(len(self.same)), np.zeros(len(self.different))])
        return truth, np.concatenate([self.same, self.different])

    def _next_below(self, similarity: float) -> float:
        everything = np.concatenate([self.same, self.different])
        below = everything[everything < similarity]
        return float(below.max()) if len(below) else similarity


def all_pairs(points: Float32Array, people: np.ndarray) -> Verification:
    """The pairs that can be made of points.

    Args:
        points: (n, d), of pictures.
        people: (n,), whose they are.
    """
    squares = np.square(points).sum(1)
    distances = squares[:, None] + squares[None] - 2 * points @ points.T
    first, second = np.triu_indices(len(points), 1)
    alike = -np.maximum(distances[first, second], 0).astype(np.float32)
    same = people[first] == people[second]
    return Verification(alike[same], alike[~same])


def joined(parts: list[Verification]) -> Verification:
    """The pairs of several."""
    return Verification(
        np.concatenate([part.same for part in parts]),
        np.concatenate([part.different for part in parts]),
    )
