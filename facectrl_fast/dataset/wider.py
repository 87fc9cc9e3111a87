"""Reads face boxes in WIDER FACE's annotation format."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from facectrl_fast.errors import UserError
from facectrl_fast.files import is_file
from facectrl_fast.types import Box

NAMED = 3
"""Problems that a message names; the others are counted."""
LONGEST_NUMBER = 9
"""Digits: far beyond any picture's."""
SPLIT, ANNOTATIONS = "wider_face_split", "_bbx_gt.txt"
"""The folder of WIDER FACE's annotations, and how their files' names end."""
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")


@dataclass(frozen=True)
class FaceFilter:
    """Which annotated faces are to be found; the others may be found or not."""

    least_height: int = 12
    """In pixels of the picture."""
    most_blur: int = 1
    """0 clear, 1 normal, 2 heavy."""
    most_occlusion: int = 1
    """0 none, 1 partial, 2 heavy."""
    atypical_pose: bool = True

    def accepts(self, height: float, attributes: Sequence[int]) -> bool:
        """Whether a face is to be found.

        Args:
            height: of its box.
            attributes: blur, expression, illumination, invalid, occlusion, pose; those that the
                annotation leaves out count as 0.
        """
        blur, _, _, invalid, occlusion, pose = (*attributes, *(0,) * 6)[:6]
        return (
            height >= self.least_height
            and not invalid
            and blur <= self.most_blur
            and occlusion <= self.most_occlusion
            and (self.atypical_pose or not pose)
        )


EVERY_FACE = FaceFilter(least_height=1, most_blur=2, most_occlusion=2)
"""All but the invalid ones."""


@dataclass(frozen=True)
class AnnotatedPicture:
    """A picture and the faces in it."""

    path: Path
    boxes: tuple[Box, ...]
    """Of the faces to find."""
    doubtful: tuple[Box, ...] = ()
    """Of those that may be found or not."""


@dataclass
class Problems:
    """What is wrong with a set of pictures: counted, and the first ones named."""

    source: Path
    found: list[str] = field(default_factory=list)

    def check(self, pictures: int, limit: float) -> None:
        """Raises an error where more than that share of the pictures has a problem.

        Raises:
            UserError: that many have; it names the first ones.
        """
        if len(self.found) > limit * pictures:
            raise UserError(f"{self}; {pictures} pictures are fine")

    def __str__(self) -> str:
        more = len(self.found) - NAMED
        named = "; ".join(self.found[:NAMED]) + (f"; and {more} more" if more > 0 else "")
        return f"{self.source}: {len(self.found)} problems: {named}"


def is_set(path: Path) -> bool:
    """Whether it looks like a set, see ``locate_set``."""
    return (path / SPLIT).is_dir() or path.name.endswith(ANNOTATIONS)


def locate_set(path: Path) -> tuple[Path, Path]:
    """Annotation file and folder of pictures of a set.

    Args:
        path: a folder in WIDER FACE's layout, of which ``train`` is taken where it is there; an
            annotation file of such a folder; or one ``NAME_bbx_gt.txt`` beside its folder of
            pictures, ``NAME``.

    Raises:
        UserError: it is neither.
    """
    if path.is_dir():
        for part in ("train", "val"):
            annotations = path / SPLIT / f"wider_face_{part}{ANNOTATIONS}"
            images = _images_of(annotations)
            if annotations.is_file() and images.is_dir():
                return annotations, images
    elif path.is_file() and path.name.endswith(ANNOTATIONS):
        images = _images_of(path)
        if images.is_dir():
            return path, images
        raise UserError(f"{path}: its pictures should be in the folder {images}")
    if not path.exists():
        raise UserError(f"dataset {path} does not exist")
    raise UserError(
        f"dataset {path}: neither a folder in WIDER FACE's layout (with wider_face_split/"
        "wider_face_train_bbx_gt.txt and WIDER_train/images) nor a file NAME_bbx_gt.txt"
    )


def _images_of(annotations: Path) -> Path:
    name = annotations.name.removesuffix(ANNOTATIONS)
    if annotations.parent.name == SPLIT:
        return annotations.parent.with_name(name.replace("wider_face", "WIDER")) / "images"
    return annotations.with_name(name)


def read_wider(
    annotations: Path, images: Path, wanted: FaceFilter = EVERY_FACE
) -> tuple[list[AnnotatedPicture], Problems]:
    """The pictures of an annotation file, and what is wrong with the others.

    The format: a line with the picture's path, a line with the number of faces, then a line a
    face, ``x y w h blur expression illumination invalid occlusion pose``. A picture without faces
    has one line of zeros, or none.

    Args:
        annotations: the file.
        images: the folder that its paths are relative to.
        wanted: which faces are to be found.

    Raises:
        UserError: the file cannot be read.
    """
    try:
        lines = annotations.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read the annotations {annotations}: {error}") from None
    problems = Problems(annotations)
    pictures = []
    for number, name, rows in _records(lines, problems):
        path = images / name
        try:
            faces = [[_number(value) for value in row.split()] for row in rows]
            if any(len(face) < 4 for face in faces):
                raise ValueError
        except ValueError:
            problems.found.append(f"line {number}: the faces of {name} are not numbers")
            continue
        if not is_file(path):
            problems.found.append(f"line {number}: there is no {path}")
            continue
        boxes: list[Box] = []
        doubtful: list[Box] = []
        for x, y, width, height, *attributes in faces:
            if width > 0 and height > 0:
                accepted = wanted.accepts(height, attributes)
                (boxes if accepted else doubtful).append((x, y, width, height))
        pictures.append(AnnotatedPicture(path, tuple(boxes), tuple(doubtful)))
    return pictures, problems


def _records(lines: Sequence[str], problems: Problems) -> Iterator[tuple[int, str, Sequence[str]]]:
    """Line number, path and lines of faces of each picture; goes on behind what does not fit."""
    at = 0
    while at < len(lines):
        name = lines[at].strip()
        if not name:
            at += 1
            continue
        number = at + 1
        count = lines[at + 1].strip() if at + 1 < len(lines) else ""
        if not _is_name(name) or not count.isdecimal() or len(count) > LONGEST_NUMBER:
            problems.found.append(f"line {number}: not WIDER FACE's annotation format")
            at += 1
            while at < len(lines) and not _is_name(lines[at].strip()):
                at += 1
            continue
        rows = lines[at + 2 : at + 2 + int(count)]
        following = next((k for k, row in enumerate(rows) if _is_name(row.strip())), len(rows))
        if following < int(count):
            problems.found.append(f"line {number}: {name} has fewer faces than it says")
            at += 2 + following
            continue
        at += 2 + len(rows)
        # The line of zeros of a picture without faces.
        if not rows and at < len(lines) and not _is_name(lines[at].strip()):
            at += 1
        yield number, name, rows


def _number(text: str) -> int:
    if len(text) > LONGEST_NUMBER:
        raise ValueError("no number of pixels is that long")
    return int(text)


def _is_name(line: str) -> bool:
    return line.lower().endswith(SUFFIXES)
