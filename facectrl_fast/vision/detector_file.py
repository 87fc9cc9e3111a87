"""Self-describing face detector files: one .onnx whose metadata says how to feed and read it.

Metadata keys, all strings:

============  ====================================================================
task          ``faces``
network       what was trained: ``tiny``, ``close``, ``mobilenet-v2-ssd``
input         JSON: ``height`` and ``width`` of the pictures that it was trained on, ``channels``
              (1: gray, 3: BGR), ``face``: height in pixels from which on faces are found
anchors       JSON: a list, one entry an output level: ``stride``, ``sizes``, ``aspects``
thresholds    JSON: ``score`` from which on it is a face (of what looks closely for another, that
              of both together), ``overlap`` that two faces may have
data          JSON: counts of the training and validation pictures
validation    JSON: figures on the validation pictures
version       of the program that made it
============  ====================================================================

The input is (1, channels, height, width) of values in [0, 1]; both sides may be any multiples of
the largest stride. The outputs are, for each level, (1, 5 a, rows, columns): the logits of a cell's
a anchors, then four offsets of each.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from facectrl_fast.vision.anchors import AnchorLevel
from facectrl_fast.vision.model_file import common_entries, reading

TASK = "faces"
MOST_ANCHORS = 64
"""A cell's; more are a mistake."""


@dataclass(frozen=True)
class DetectorDescription:
    """What a detector file says about itself."""

    levels: tuple[AnchorLevel, ...]
    network: str
    height: int
    width: int
    channels: int
    face: float
    """Height of the smallest faces that it finds well, in pixels of its input."""
    score: float = 0.5
    overlap: float = 0.3
    data: Mapping[str, int] = field(default_factory=dict)
    validation: Mapping[str, float] = field(default_factory=dict)
    version: str = ""

    @cached_property  # each look asks for it
    def multiple(self) -> int:
        """Of which the sides of the input have to be multiples."""
        return max(level.stride for level in self.levels)

    def to_metadata(self) -> dict[str, str]:
        """The metadata entries to store in the .onnx file."""
        size = {"height": self.height, "width": self.width, "channels": self.channels}
        return {
            "task": TASK,
            "network": self.network,
            "input": json.dumps(size | {"face": self.face}),
            "anchors": json.dumps([asdict(level) for level in self.levels]),
            "thresholds": json.dumps({"score": self.score, "overlap": self.overlap}),
            "data": json.dumps(dict(self.data)),
            "validation": json.dumps(dict(self.validation)),
            "version": self.version,
        }

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str], path: Path) -> DetectorDescription:
        """Read the entries back.

        Args:
            metadata: key to value, from the .onnx file.
            path: the file, for the messages.

        Raises:
            UserError: the model is not one of ours, is for another task, or its entries do not
                make sense.
        """
        with reading(metadata, path, TASK):
            size = json.loads(metadata["input"])
            thresholds = json.loads(metadata["thresholds"])
            levels = tuple(_level(entry) for entry in json.loads(metadata["anchors"]))
            return cls(
                levels=_some(levels),
                height=_side(size["height"]),
                width=_side(size["width"]),
                channels=_channels(size["channels"]),
                face=_number(size["face"], 1, 256),
                score=_number(thresholds["score"], 1e-6, 1 - 1e-6),
                overlap=_number(thresholds["overlap"], 0, 1),
                **common_entries(metadata),
            )


def _number(value: Any, least: float, most: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise ValueError(f"{value} is not from {least} to {most}")
    return float(value)


def _side(value: Any) -> int:
    return int(_number(value, 16, 4096))


def _channels(value: Any) -> int:
    if value not in (1, 3):
        raise ValueError("channels must be 1 or 3")
    return int(value)


def _level(entry: Any) -> AnchorLevel:
    sizes, aspects = entry["sizes"], entry["aspects"]
    if not 0 < len(sizes) * len(aspects) <= MOST_ANCHORS:
        raise ValueError(f"a level has 1 to {MOST_ANCHORS} anchors a cell")
    return AnchorLevel(
        int(_number(entry["stride"], 1, 256)),
        tuple(_number(size, 1, 4096) for size in sizes),
        tuple(_number(aspect, 0.1, 10) for aspect in aspects),
    )


def _some(levels: tuple[AnchorLevel, ...]) -> tuple[AnchorLevel, ...]:
    if not levels:
        raise ValueError("no anchors")
    return levels
