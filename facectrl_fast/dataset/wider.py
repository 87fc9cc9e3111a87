"""Reads face boxes in WIDER FACE's annotation format."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from facectrl_fast.errors import UserError
from facectrl_fast.types import Box


@dataclass(frozen=True)
class AnnotatedImage:
    """A picture and the faces in it."""

    path: Path
    boxes: tuple[Box, ...]


def read_annotations(annotations: Path, images: Path) -> Iterator[AnnotatedImage]:
    """The pictures of an annotation file that have valid faces.

    The format: a line with the picture's path, a line with the number of faces, then a line a
    face, ``x y w h blur expression illumination invalid occlusion pose``. A picture without faces
    still has one line of zeros.

    Raises:
        UserError: a line does not fit; it names the line.
    """
    try:
        lines = annotations.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read the annotations {annotations}: {error}") from None
    at = 0
    while at < len(lines):
        if not lines[at].strip():
            at += 1
            continue
        name = lines[at].strip()
        try:
            count = int(lines[at + 1])
            rows = [[int(v) for v in line.split()] for line in lines[at + 2 : at + 2 + count]]
            boxes: tuple[Box, ...] = tuple(
                (row[0], row[1], row[2], row[3])
                for row in rows
                if row[2] > 0 and row[3] > 0 and not (len(row) > 7 and row[7] == 1)
            )
        except (IndexError, ValueError):
            raise UserError(
                f"{annotations}, line {at + 1}: not WIDER FACE's annotation format"
            ) from None
        at += 2 + max(count, 1)
        if boxes:
            yield AnnotatedImage(images / name, boxes)
