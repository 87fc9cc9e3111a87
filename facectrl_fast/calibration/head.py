"""Fits a new last layer on the packaged model's embedding and writes the model with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import onnx
from onnx import numpy_helper
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold

from facectrl_fast import __version__
from facectrl_fast.dataset.augment import strong_augmentation
from facectrl_fast.dataset.crops import Crops, Jitter
from facectrl_fast.dataset.folder import LABELS, LabelledPicture
from facectrl_fast.errors import UserError
from facectrl_fast.evaluation.metrics import ON, Judgement
from facectrl_fast.files import digest
from facectrl_fast.models import ANCHORS, PACKAGED_MODEL
from facectrl_fast.types import Float32Array
from facectrl_fast.vision.classify import Classifier, logistic

VARIATIONS = 8
"""Of each picture, beside the picture as it is: boxes, light and noise of other days."""
FOLDS = 5
REGULARISATION = 1.0
"""scikit-learn's C, of a fit whose weights sum to the number of pictures."""
USER_SHARE = 0.5
"""Weight of the user's pictures beside that of the strangers' that keep the head in place."""


@dataclass(frozen=True)
class Head:
    """The last layer: on where embedding @ weights + bias is positive."""

    weights: Float32Array
    """(d,)"""
    bias: float

    def on_probabilities(self, embedding: Float32Array) -> Float32Array:
        """(n,) of (n, d)."""
        return logistic(embedding @ self.weights + self.bias)


@dataclass(frozen=True)
class Anchors:
    """Embeddings of strangers: what the packaged model knows, so that it is not forgotten."""

    embedding: Float32Array
    """(n, d)"""
    labels: np.ndarray
    """(n,)"""

    @classmethod
    def packaged(cls) -> Anchors:
        """Those that belong to the packaged model."""
        with np.load(ANCHORS) as stored:
            if str(stored["model"]) != digest(PACKAGED_MODEL):
                raise RuntimeError(f"{ANCHORS} belongs to another model than {PACKAGED_MODEL}")
            return cls(stored["embedding"].astype(np.float32), stored["labels"].astype(np.int64))


class Calibrator:
    """Fits heads for one set of pictures."""

    def __init__(self, base: Classifier, pictures: Sequence[LabelledPicture]) -> None:
        """Embed the pictures, as they are and varied.

        Raises:
            UserError: a picture cannot be read, or there are too few moments of a label.
        """
        self.base = base
        self.pictures = pictures
        self.labels = np.array([picture.label for picture in pictures])
        groups = [{p.group for p in pictures if p.label == label} for label in range(len(LABELS))]
        for name, those in zip(LABELS, groups, strict=True):
            if len(those) < 2:
                raise UserError(
                    f"too little was seen of '{name}': {len(those)} stretches of five seconds, "
                    "at least 2 are needed to check what was learnt; record for longer"
                )
        self._folds = min(FOLDS, *map(len, groups))
        cut = base.description.preprocessing
        crops = Crops(pictures, cut, Jitter(), strong_augmentation)
        self.crops = crops.plain_crops()
        self._plain = base.embed(self.crops)
        self._varied = np.stack(
            [
                base.embed(np.stack([crops.crop(turn, index) for index in range(len(crops))]))
                for turn in range(VARIATIONS)
            ]
        )
        self._anchors = Anchors.packaged()

    def fit(self, chosen: np.ndarray | None = None) -> Head:
        """The head for the chosen pictures (indices), or for all."""
        chosen = np.arange(len(self.labels)) if chosen is None else chosen
        own = np.concatenate([self._plain[chosen], *self._varied[:, chosen]])
        own_labels = np.tile(self.labels[chosen], 1 + VARIATIONS)
        embedding = np.concatenate([own, self._anchors.embedding])
        labels = np.concatenate([own_labels, self._anchors.labels])
        weights = np.concatenate(
            [
                USER_SHARE * _balanced(own_labels),
                (1 - USER_SHARE) * _balanced(self._anchors.labels),
            ]
        )
        scale = embedding.std(0) + 1e-3
        model = LogisticRegression(C=REGULARISATION, max_iter=2000)
        model.fit(embedding / scale, labels == ON, weights * len(labels))
        head = (model.coef_[0] / scale).astype(np.float32)
        return Head(head, float(model.intercept_[0]))

    def held_back(self) -> Judgement:
        """What heads say of the stretches of time that they were not fitted to."""
        groups = [picture.group for picture in self.pictures]
        folds = StratifiedGroupKFold(self._folds, shuffle=True, random_state=0)
        on = np.full(len(self.labels), 0.5, np.float32)
        for training, held in folds.split(self._plain, self.labels, groups):
            on[held] = self.fit(training).on_probabilities(self._plain[held])
        return self._judgement(on)

    def before(self) -> Judgement:
        """What the packaged model says of the same pictures."""
        return self._judgement(self.base.on_probabilities(self.crops))

    def _judgement(self, on: Float32Array) -> Judgement:
        return Judgement(self.labels, on, [picture.source for picture in self.pictures])


def _balanced(labels: np.ndarray) -> np.ndarray:
    """Weights (n,) that sum to 1, half of it for each label that occurs."""
    counts = np.bincount(labels, minlength=len(LABELS)).astype(float)
    present = (counts > 0).sum()
    return np.asarray(1 / (present * counts[labels]))


def calibrated_model(base: Classifier, head: Head, judgement: Judgement) -> bytes:
    """The base model's file with another head.

    Args:
        base: the model whose embedding the head was fitted to.
        head: the new last layer.
        judgement: its figures on held-back pictures, for the metadata.
    """
    model = onnx.load(str(base.path))
    last = next(node for node in model.graph.node if model.graph.output[0].name in node.output)
    if last.op_type != "Gemm" or len(last.input) != 3:
        raise UserError(f"{base.path} does not end in a layer that can be replaced")
    rows = np.zeros((len(LABELS), len(head.weights)), np.float32)
    bias = np.zeros(len(LABELS), np.float32)
    on = base.description.labels.index("on")
    rows[on], bias[on] = head.weights, head.bias
    transposed = any(a.name == "transB" and a.i == 1 for a in last.attribute)
    for name, values in ((last.input[1], rows if transposed else rows.T), (last.input[2], bias)):
        (stored,) = (tensor for tensor in model.graph.initializer if tensor.name == name)
        stored.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(values), name))
    counts = {
        f"calibrated_{name}": int((judgement.labels == label).sum())
        for label, name in enumerate(LABELS)
    }
    description = replace(
        base.description,
        network=f"{base.description.network}, calibrated",
        data={**base.description.data, **counts},
        validation={"balanced_accuracy": round(judgement.balanced_accuracy, 4)},
        version=__version__,
    )
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, description.to_metadata())
    return bytes(model.SerializeToString())
