"""Reads labelled pictures from a folder with on/ and off/, and splits them honestly."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from facectrl_fast.dataset.crop_index import read_index
from facectrl_fast.errors import UserError
from facectrl_fast.types import Box

LABELS = ("on", "off")
"""Folder names, in the order of the class numbers."""
SUFFIXES = (".png", ".jpg", ".jpeg")
SECONDS = 5.0
"""Of a collected session form a group."""
_NUMBER = re.compile(r"(?i)(frame|img|image|pic|picture|photo|snapshot|dsc)?[-_ ]?\d+")
_DATE = re.compile(r"\D*(19|20)\d\d-?[01]\d-?[0-3]\d(?!\d)")
STRETCH = 50
"""Numbered pictures without a group: this many in a row count as one recording."""


@dataclass(frozen=True)
class LabelledPicture:
    """One training picture, a crop of a face."""

    path: Path
    label: int
    """Index into LABELS."""
    group: str
    """Pictures of one group show the same person or the same moments."""
    box: Box | None = None
    """The face in the picture, where an index tells; else the picture is the crop."""
    expansion: float | None = None
    """What such a picture shows beyond the box, as a share of its sides."""
    source: str = ""
    """The camera, file or collection it came from, where that is known."""


def read_folder(folder: Path) -> list[LabelledPicture]:
    """All pictures of a dataset, in natural order.

    What ``collect`` wrote is grouped by session and stretch of time. Else names tell: numbered
    files (``17.png``, ``frame_17.png``) are frames of a recording, and neighbours form a group;
    ``GROUP__REST.png`` and ``GROUP-17-REST.png`` belong to that group; other files are groups of
    their own. A ``manifest.csv`` with the columns ``file`` and ``source`` names the sources.

    Raises:
        UserError: no folder, or a class is missing or has a single picture.
    """
    if not folder.is_dir():
        raise UserError(
            f"dataset {folder} is not a folder; it should hold on/ and off/ with pictures"
        )
    pictures: list[LabelledPicture] = []
    sources = read_manifest(folder)
    for label, name in enumerate(LABELS):
        found = read_label(folder / name, label, sources)
        if len(found) < 2:
            raise UserError(
                f"dataset {folder}: {name}/ has {len(found)} pictures (png or jpg); "
                "both on/ and off/ need at least 2"
            )
        pictures += found
    return pictures


def read_label(
    folder: Path, label: int, sources: Mapping[str, str] | None = None
) -> list[LabelledPicture]:
    """The pictures of one folder of a dataset, see ``read_folder``; none if there is no folder.

    Args:
        folder: such as DATASET/on.
        label: index into LABELS.
        sources: by file, as ``on/1.png``.
    """
    files = sorted((p for p in folder.glob("*") if p.suffix.lower() in SUFFIXES), key=natural_order)
    stretch = min(STRETCH, max(len(files) // 10, 1))
    records = read_index(folder)
    pictures = []
    frames = 0
    for path in files:
        record = records.get(path.name)
        if record is not None:
            group = f"{record.session} {record.seconds // SECONDS:.0f}"
            pictures.append(
                LabelledPicture(path, label, group, record.box, record.expansion, record.source)
            )
            continue
        named = name_group(path.stem)
        if named is None:
            named = f"{folder.name}-stretch-{frames // stretch}"
            frames += 1
        source = (sources or {}).get(f"{folder.name}/{path.name}", "")
        pictures.append(LabelledPicture(path, label, named, source=source))
    return pictures


def name_group(stem: str) -> str | None:
    """The group that a picture's name tells of; None for a number, a date or a time."""
    if _NUMBER.fullmatch(stem) or _DATE.match(stem):
        return None
    return re.split(r"__|-\d+-", stem, maxsplit=1)[0]


def read_manifest(folder: Path) -> dict[str, str]:
    """The sources of a dataset's pictures by their names, as its manifest.csv tells, if any.

    Raises:
        UserError: it cannot be read.
    """
    try:
        with (folder / "manifest.csv").open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"cannot read {folder / 'manifest.csv'}: {error}") from None
    return {row["file"]: row["source"] for row in rows if row.get("file") and row.get("source")}


def natural_order(path: Path) -> list[tuple[int, str]]:
    """To sort by: 10.png comes behind 2.png."""
    return [
        (int(part), "") if part.isdecimal() else (-1, part)
        for part in re.split(r"(\d+)", path.stem)
    ]


def split_by_group(
    pictures: list[LabelledPicture], validation_share: float, seed: int
) -> tuple[list[LabelledPicture], list[LabelledPicture]]:
    """Training and validation pictures; no group is on both sides, both labels are on each.

    Near-duplicates on both sides make any model look perfect.

    Raises:
        UserError: the pictures have too few groups to be split so.
    """
    rng = np.random.default_rng(seed)
    by_group: dict[str, list[LabelledPicture]] = {}
    for picture in pictures:
        by_group.setdefault(picture.group, []).append(picture)
    groups = sorted(by_group)
    rng.shuffle(groups)
    wanted = [
        max(1, round(validation_share * sum(p.label == label for p in pictures)))
        for label in range(len(LABELS))
    ]
    total = [sum(p.label == label for p in pictures) for label in range(len(LABELS))]
    # Some of each label has to be left to train on.
    most = [t - 1 for t in total]
    about_right = [min(2 * w, m) for w, m in zip(wanted, most, strict=True)]
    held_back = [0] * len(LABELS)
    validation_groups: set[str] = set()
    by_size = sorted(groups, key=lambda group: len(by_group[group]))
    # Large groups, which would take too much from training, only if nothing smaller serves.
    for candidates, limit in ((groups, about_right), (by_size, most)):
        for group in candidates:
            counts = [
                sum(p.label == label for p in by_group[group]) for label in range(len(LABELS))
            ]
            helps = any(c and h < w for c, h, w in zip(counts, held_back, wanted, strict=True))
            fits = all(h + c <= top for c, h, top in zip(counts, held_back, limit, strict=True))
            if helps and fits and group not in validation_groups:
                validation_groups.add(group)
                held_back = [h + c for h, c in zip(held_back, counts, strict=True)]
        if 0 not in held_back:
            break
    if 0 in held_back:
        raise UserError(
            "the dataset cannot be split into training and validation: on/ and off/ need pictures "
            "of at least two persons or recordings each"
        )
    training = [p for p in pictures if p.group not in validation_groups]
    validation = [p for p in pictures if p.group in validation_groups]
    return training, validation
