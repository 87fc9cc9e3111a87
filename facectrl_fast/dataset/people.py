"""Reads pictures of people in LFW's layout: a folder a person, NAME/NAME_0001.jpg."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from facectrl_fast.dataset.wider import SUFFIXES
from facectrl_fast.errors import UserError
from facectrl_fast.files import is_file

_COLUMNS = ("Anchor", "Positive", "Negative")


@dataclass(frozen=True)
class PersonPicture:
    """A picture of somebody."""

    path: Path
    person: str


@dataclass(frozen=True)
class KnownTriplet:
    """Two decisions to be made: the anchor's person is the positive's, and not the negative's."""

    anchor: Path
    positive: Path
    negative: Path


def read_people(folder: Path) -> list[PersonPicture]:
    """All pictures of people of whom there are at least two; ordered by person and name.

    Raises:
        UserError: the folder cannot be read or shows fewer than two such people.
    """
    if not folder.is_dir():
        raise UserError(f"{folder} is no folder of people")
    found: list[PersonPicture] = []
    try:
        for person in sorted(path for path in folder.iterdir() if path.is_dir()):
            pictures = sorted(p for p in person.iterdir() if p.suffix.lower() in SUFFIXES)
            if len(pictures) > 1:
                found += [PersonPicture(path, person.name) for path in pictures]
    except OSError as error:
        raise UserError(f"cannot read {folder}: {error.strerror}") from None
    if len({picture.person for picture in found}) < 2:
        raise UserError(
            f"{folder} has no two people with two pictures each, as {folder}/NAME/NAME_0001.jpg"
        )
    return found


def read_triplets(path: Path, folder: Path) -> list[KnownTriplet]:
    """The rows of a CSV file with the columns Anchor, Positive and Negative.

    Args:
        path: the file.
        folder: that the names in it are relative to.

    Raises:
        UserError: the file is no such one, or names a picture that is not there.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            if reader.fieldnames is None or not set(_COLUMNS) <= set(reader.fieldnames):
                raise UserError(f"{path} lacks the columns {', '.join(_COLUMNS)}")
            rows = [[row[column] for column in _COLUMNS] for row in reader]
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path} is no CSV file: {error}") from None
    triplets = []
    for number, row in enumerate(rows, 2):
        pictures = [folder / name for name in row if name]
        missing = next((picture for picture in pictures if not is_file(picture)), None)
        if len(pictures) < len(_COLUMNS) or missing is not None:
            what = "a column is empty" if missing is None else f"there is no {missing}"
            raise UserError(f"{path}, line {number}: {what}")
        triplets.append(KnownTriplet(*pictures))
    if not triplets:
        raise UserError(f"{path} holds no rows")
    return triplets
