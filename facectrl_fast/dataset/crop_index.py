"""Collected crops on disk: numbered pictures, and an index of where each came from.

A kill or a full disk at any moment leaves a folder that opens: pictures appear whole under their
names, the index is only appended to, and what was half written is passed over.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import asdict, dataclass
from math import inf, isfinite
from pathlib import Path
from types import TracebackType

import cv2

from facectrl_fast.errors import NONSENSE, UserError
from facectrl_fast.types import Box, UInt8Array

INDEX = "index.jsonl"
_PART = ".part"


@dataclass(frozen=True)
class CropRecord:
    """Where a crop came from."""

    source: str
    session: str
    """One run of ``collect``."""
    time: str
    """When it was collected, ISO 8601."""
    seconds: float
    """Into the session, by the frames' clock."""
    box: Box
    """The face in the crop, in pixels."""
    expansion: float
    """What the crop shows beyond the face, as a share of its sides."""


class CropWriter:
    """Adds crops to a folder, continuing its numbers; a context manager."""

    def __init__(self, folder: Path, keeps: bool = True) -> None:
        """Prepare the folder; it is made where it is missing.

        Args:
            folder: to write into.
            keeps: what is written stays there after an error, and the message may say so.

        Raises:
            UserError: it cannot be written to.
        """
        self._folder = folder
        self._keeps = keeps
        self.written = 0
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for part in folder.glob(f".*{_PART}"):
                part.unlink()
            self._next = 1 + max(map(_number, _names(folder)), default=0)
            self._index = (folder / INDEX).open("a+b")
            self._end_torn_line()
        except OSError as error:
            raise self._failure(error) from None

    def add(self, image: UInt8Array, record: CropRecord) -> Path:
        """Write one crop.

        Args:
            image: (h, w) gray or (h, w, 3) BGR, uint8.
            record: its line of the index.

        Raises:
            UserError: it cannot be written; what was written before is kept.
        """
        path = self._folder / f"{self._next:05}.png"
        part = self._folder / f".{path.name}{_PART}"
        line = json.dumps({"file": path.name, **asdict(record)}) + "\n"
        try:
            part.write_bytes(cv2.imencode(".png", image)[1].tobytes())
            # First the line: without its picture it counts for nothing.
            self._index.write(line.encode())
            self._index.flush()
            part.replace(path)
        except OSError as error:
            part.unlink(missing_ok=True)
            raise self._failure(error) from None
        self._next += 1
        self.written += 1
        return path

    def __enter__(self) -> CropWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            self._index.close()
        except OSError as late:
            # What a full disk kept in memory; the first error has told of it already.
            if error is None:
                raise self._failure(late) from None

    def _end_torn_line(self) -> None:
        size = self._index.seek(0, os.SEEK_END)
        if size == 0:
            return
        self._index.seek(size - 1)
        if self._index.read(1) != b"\n":
            self._index.write(b"\n")

    def _failure(self, error: OSError) -> UserError:
        kept = (
            f"; the {self.written} crops written so far are kept"
            if self.written and self._keeps
            else ""
        )
        return UserError(f"cannot write to {self._folder}: {error.strerror}{kept}")


def read_index(folder: Path) -> dict[str, CropRecord]:
    """The records of a folder's crops, by file name; lines that are none are passed over."""
    try:
        lines = (folder / INDEX).read_text(errors="replace").splitlines()
    except OSError:
        return {}
    return dict(entry for line in lines if (entry := _parsed(line)) is not None)


def _parsed(line: str) -> tuple[str, CropRecord] | None:
    try:
        told = json.loads(line)
        x, y, width, height = map(float, told["box"])
        expansion = float(told["expansion"])
        if not (all(map(isfinite, (x, y, expansion))) and 0 < width < inf and 0 < height < inf):
            return None
        record = CropRecord(
            str(told["source"]),
            str(told["session"]),
            str(told["time"]),
            float(told["seconds"]),
            (x, y, width, height),
            expansion,
        )
        return str(told["file"]), record
    except NONSENSE:
        return None


def _names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()] + list(read_index(folder))


def _number(name: str) -> int:
    match = re.fullmatch(r"(\d+)\.\w+", name)
    return int(match[1]) if match else 0
