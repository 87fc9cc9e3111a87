"""Reads pictures with a number each, in SCUT-FBP5500's layout: a folder, or the zip of it.

All_labels.txt             lines 'NAME SCORE'
train_test_files/train.txt, test.txt (or val.txt)    the same, the published split
Images/NAME                anywhere below
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from facectrl_fast.dataset.archive import unpack_once
from facectrl_fast.dataset.wider import SUFFIXES, Problems
from facectrl_fast.errors import UserError

LABELS = "All_labels.txt"
PUBLISHED = (("train.txt",), ("test.txt", "val.txt"))
MOST_PROBLEMS = 0.1
"""Share of the lines that may name no picture or no number."""


@dataclass(frozen=True)
class ScoredPicture:
    """A picture and its number."""

    path: Path
    score: float


@dataclass(frozen=True)
class ScoreSet:
    """All pictures of a set."""

    pictures: list[ScoredPicture]
    published: tuple[list[ScoredPicture], list[ScoredPicture]] | None
    """Those to train on and to test by, where the set says so."""
    problems: Problems


def read_scores(given: Path, published: bool = False) -> ScoreSet:
    """Read a set.

    Args:
        given: its folder, or a zip, which is unpacked beside itself once: pictures and lists, and
            nothing else.
        published: read the published split as well.

    Raises:
        UserError: it is none, too much of it is wrong, or the zip is not to be trusted.
    """
    folder = _unpacked(given) if given.suffix.lower() == ".zip" else given
    if not folder.is_dir():
        raise UserError(f"{folder} is no folder of pictures with scores, and no zip")
    lists = sorted(folder.rglob(LABELS), key=lambda path: (len(path.parts), path))
    if not lists:
        raise UserError(f"{folder} has no {LABELS}: lines 'NAME SCORE'")
    images: dict[str, list[Path]] = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in SUFFIXES:
            images.setdefault(path.name, []).append(path)
    problems = Problems(lists[0])
    pictures = _read(lists[0], images, problems)
    problems.check(len(pictures), MOST_PROBLEMS)
    if len(pictures) < 10:
        raise UserError(f"{lists[0]} names {len(pictures)} pictures; at least 10 are needed")
    split = _published(folder, images, problems) if published else None
    return ScoreSet(pictures, split, problems)


def _unpacked(archive: Path) -> Path:
    out = archive.with_suffix("")

    def wanted(name: PurePosixPath) -> bool:
        return name.suffix.lower() in (*SUFFIXES, ".txt")

    unpack_once(archive, out, wanted)
    return out


def _published(
    folder: Path, images: dict[str, list[Path]], problems: Problems
) -> tuple[list[ScoredPicture], list[ScoredPicture]]:
    """The first folder with lists of both sides."""
    for train in sorted(folder.rglob(PUBLISHED[0][0]), key=lambda path: (len(path.parts), path)):
        for name in PUBLISHED[1]:
            test = train.with_name(name)
            if test.is_file():
                sides = _read(train, images, problems), _read(test, images, problems)
                problems.check(len(sides[0]) + len(sides[1]), MOST_PROBLEMS)
                if min(map(len, sides)) < 5:
                    raise UserError(f"{train} and {test.name} name fewer than 5 pictures each")
                if {p.path for p in sides[0]} & {p.path for p in sides[1]}:
                    raise UserError(f"{train} and {test.name} share pictures")
                return sides
    raise UserError(f"{folder} has no train.txt and test.txt; use --split random")


def _read(path: Path, images: dict[str, list[Path]], problems: Problems) -> list[ScoredPicture]:
    found: dict[str, ScoredPicture] = {}
    for number, line in enumerate(_lines(path), 1):
        if not line.strip():
            continue
        name, _, text = line.strip().rpartition(" ")
        name = PurePosixPath(name.strip()).name
        score = _number(text)
        if not name or score is None:
            problems.found.append(f"{path}, line {number}: not 'NAME SCORE'")
        elif name not in images:
            problems.found.append(f"{path}, line {number}: there is no picture {name}")
        elif len(images[name]) > 1:
            problems.found.append(f"{path}, line {number}: several pictures are called {name}")
        elif name in found and found[name].score != score:
            problems.found.append(f"{path}, line {number}: {name} has another score above")
        else:
            found[name] = ScoredPicture(images[name][0], score)
    return list(found.values())


def _lines(path: Path) -> Sequence[str]:
    try:
        return path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UserError(f"{path} is no text in UTF-8") from None


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
