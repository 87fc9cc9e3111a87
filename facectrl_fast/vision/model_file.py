"""Self-describing model files: one .onnx whose metadata says what it is and how to feed it.

Metadata keys, all strings:

=================  ================================================================
task               ``headphones``
kind               ``softmax``: the output ``logits`` holds one a label;
                   ``reconstruction``: the output ``error`` (n, 1) is small for what is ``on``
network            what was trained: ``classifier``, ``cnn``, ``autoencoder``, ``vae``
labels             JSON list, in the order of the logits
input              JSON: ``height``, ``width``
preprocessing      JSON: ``expansion``, ``expansion_unit``, ``resampling``
thresholds         JSON: ``confidence``, below which the verdict is UNSURE; for reconstruction
                   ``mean``, ``sigma`` and ``sigmas``: ``on`` up to mean + sigmas * sigma
data               JSON: counts of the training and validation pictures
validation         JSON: figures on the validation pictures
version            of the program that made it
=================  ================================================================

A softmax model may have a second output, ``embedding`` (n, d): what its logits are made of.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from facectrl_fast.errors import NONSENSE, UserError
from facectrl_fast.vision.preprocess import Preprocessing

TASK = "headphones"
KINDS = ("softmax", "reconstruction")


@dataclass(frozen=True)
class ErrorThreshold:
    """Which reconstruction errors still count as ``on``."""

    mean: float
    """Of the errors of validation pictures that are ``on``."""
    sigma: float
    """Their standard deviation."""
    sigmas: float = 3.0

    @property
    def limit(self) -> float:
        """The largest error that counts as ``on``."""
        return self.mean + self.sigmas * self.sigma

    def margin(self, errors: np.ndarray) -> np.ndarray:
        """How far errors (n,) stay below the limit, in sigmas."""
        return np.asarray((self.limit - errors) / self.sigma)


@dataclass(frozen=True)
class ModelDescription:
    """What a model file says about itself."""

    labels: tuple[str, ...] = ("on", "off")
    kind: str = "softmax"
    network: str = ""
    input_height: int = 64
    input_width: int = 64
    preprocessing: Preprocessing = field(default_factory=Preprocessing)
    confidence: float = 0.6
    """The least probability of the likelier label; below it the verdict is UNSURE. Low, since
    all verdicts of a second have to agree before anything happens."""
    error: ErrorThreshold | None = None
    """Of reconstruction models."""
    data: Mapping[str, int] = field(default_factory=dict)
    validation: Mapping[str, float] = field(default_factory=dict)
    version: str = ""

    def to_metadata(self) -> dict[str, str]:
        """The metadata entries to store in the .onnx file."""
        thresholds = {"confidence": self.confidence}
        if self.error is not None:
            thresholds |= asdict(self.error)
        return {
            "task": TASK,
            "kind": self.kind,
            "network": self.network,
            "labels": json.dumps(self.labels),
            "input": json.dumps({"height": self.input_height, "width": self.input_width}),
            "preprocessing": json.dumps(asdict(self.preprocessing)),
            "thresholds": json.dumps(thresholds),
            "data": json.dumps(dict(self.data)),
            "validation": json.dumps(dict(self.validation)),
            "version": self.version,
        }

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str], path: Path) -> ModelDescription:
        """Read the entries back.

        Args:
            metadata: key to value, from the .onnx file.
            path: the file, for the messages.

        Raises:
            UserError: the model is not one of ours, is for another task, or its entries do not
                make sense.
        """
        with reading(metadata, path, TASK):
            thresholds = json.loads(metadata["thresholds"])
            kind = _one_of(metadata["kind"], KINDS)
            return cls(
                labels=_labels(json.loads(metadata["labels"])),
                kind=kind,
                input_height=read_side(json.loads(metadata["input"])["height"]),
                input_width=read_side(json.loads(metadata["input"])["width"]),
                preprocessing=read_preprocessing(json.loads(metadata["preprocessing"])),
                confidence=_probability(thresholds["confidence"]),
                error=_error(thresholds) if kind == "reconstruction" else None,
                **common_entries(metadata),
            )


def check_task(metadata: Mapping[str, str], path: Path, wanted: str) -> None:
    """Tell a model of ours for one task from all others.

    Raises:
        UserError: it is another one.
    """
    task = metadata.get("task")
    if task is None:
        raise UserError(
            f"{path} does not describe itself: it was not made by 'facectrl-fast train'"
        )
    if task != wanted:
        raise UserError(f"{path} is a model for the task '{task}', not for '{wanted}'")


@contextmanager
def reading(metadata: Mapping[str, str], path: Path, wanted: str) -> Iterator[None]:
    """Around what reads a file's metadata.

    Raises:
        UserError: the model is not one of ours, is for another task, or its entries do not make
            sense.
    """
    check_task(metadata, path, wanted)
    try:
        yield
    except NONSENSE as error:
        raise UserError(f"{path}: its metadata is damaged ({error}); train it again") from None


def common_entries(metadata: Mapping[str, str]) -> dict[str, Any]:
    """What all descriptions hold: network, data, validation and version.

    Raises:
        ValueError, TypeError, AttributeError, OverflowError: they make no sense.
    """
    return {
        "network": metadata.get("network", ""),
        "data": {k: int(v) for k, v in figures(metadata, "data")},
        "validation": dict(figures(metadata, "validation")),
        "version": metadata.get("version", ""),
    }


def figures(metadata: Mapping[str, str], key: str) -> Iterator[tuple[str, float]]:
    """Names and numbers of an entry that may be missing.

    Raises:
        ValueError, TypeError, AttributeError: it holds something else.
    """
    for name, value in json.loads(metadata.get(key, "{}")).items():
        yield name, float(value)


def _labels(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or sorted(map(str, value)) != ["off", "on"]:
        raise ValueError("labels must be 'on' and 'off'")
    return tuple(map(str, value))


def _one_of(value: str, allowed: tuple[str, ...]) -> str:
    if value not in allowed:
        raise ValueError(f"'{value}' is none of {', '.join(allowed)}")
    return value


def read_side(value: Any) -> int:
    """Pixels of an input's side.

    Raises:
        ValueError: it is no whole number of them, or far too large.
    """
    if not isinstance(value, int) or not 1 <= value <= 4096:
        raise ValueError("input sides must be 1 to 4096")
    return value


def _probability(value: Any) -> float:
    if not isinstance(value, float | int) or not 0 <= value <= 1:
        raise ValueError("confidence must be 0 to 1")
    return float(value)


def _error(value: Any) -> ErrorThreshold:
    error = ErrorThreshold(*(float(value[key]) for key in ("mean", "sigma", "sigmas")))
    if not (error.sigma > 0 and math.isfinite(error.limit)):
        raise ValueError("sigma must be positive")
    return error


def read_preprocessing(value: Any) -> Preprocessing:
    """Reads back what ``asdict`` made of one.

    Raises:
        ValueError, KeyError, TypeError: it makes no sense.
    """
    across, down = (float(side) for side in value["expansion"])
    if not (0 <= across < 1e4 and 0 <= down < 1e4):
        raise ValueError("expansion must not be negative")
    unit = _one_of(value["expansion_unit"], ("relative", "pixels"))
    resampling = _one_of(value["resampling"], ("bilinear", "area"))
    return Preprocessing((across, down), unit, resampling)  # type: ignore[arg-type]
