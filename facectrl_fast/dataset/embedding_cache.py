"""Keeps what a frozen network makes of pictures, so that each is looked at once.

An SQLite file: whatever kill comes, a row is there whole or not at all. Rows are found by the
content of the picture and by what made them, so that changed pictures are looked at anew.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

import numpy as np

from facectrl_fast.errors import UserError
from facectrl_fast.types import Float32Array

_TABLE = (
    "CREATE TABLE IF NOT EXISTS embeddings "
    "(maker TEXT, content TEXT, vector BLOB, PRIMARY KEY (maker, content)) WITHOUT ROWID"
)
WRITTEN_TOGETHER = 64
"""Rows: a kill loses at most so many."""


class EmbeddingCache:
    """Vectors by picture; a context manager."""

    def __init__(self, path: Path, maker: str, say: Callable[[str], None]) -> None:
        """Open the file, or make it.

        Args:
            path: the file; one that is damaged is made anew.
            maker: what the vectors depend on besides the picture: others are not found.
            say: is told of damage.

        Raises:
            UserError: it cannot be written.
        """
        self._path = path
        self._maker = maker
        self._fresh = 0
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                self._rows = self._open()
            except sqlite3.DatabaseError as error:
                if isinstance(error, sqlite3.OperationalError):
                    raise
                # Somebody else's file is left alone.
                if path.read_bytes()[:16] != b"SQLite format 3\0":
                    raise UserError(
                        f"{path} is no cache of embeddings; name another file"
                    ) from None
                say(f"{path} is damaged; it is made anew")
                path.unlink()
                self._rows = self._open()
        except (OSError, sqlite3.Error) as error:
            raise UserError(f"cannot use {path}: {error}") from None

    def __enter__(self) -> EmbeddingCache:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        try:
            self._rows.commit()
            self._rows.close()
        except sqlite3.Error as failure:
            if error is None:
                raise UserError(f"cannot write {self._path}: {failure}") from None

    def get(
        self, picture: Path, make: Callable[[bytes], Float32Array | None]
    ) -> Float32Array | None:
        """The vector (d,) of a picture, None where ``make`` found nothing in it.

        Args:
            picture: its file.
            make: makes the vector of the file's content, where it is not known.

        Raises:
            UserError: the picture cannot be read, or the cache cannot be used.
        """
        try:
            content = picture.read_bytes()
        except OSError as error:
            raise UserError(f"cannot read {picture}: {error.strerror}") from None
        key = (self._maker, hashlib.sha256(content).hexdigest())
        try:
            row = self._rows.execute(
                "SELECT vector FROM embeddings WHERE maker = ? AND content = ?", key
            ).fetchone()
            if row is None:
                vector = make(content)
                stored = b"" if vector is None else np.asarray(vector, "<f4").tobytes()
                self._rows.execute(
                    "INSERT OR REPLACE INTO embeddings VALUES (?, ?, ?)", (*key, stored)
                )
                self._fresh += 1
                if self._fresh % WRITTEN_TOGETHER == 0:
                    self._rows.commit()
                return vector
        except sqlite3.Error as error:
            raise UserError(f"cannot use {self._path}: {error}; remove it to begin anew") from None
        return np.frombuffer(row[0], "<f4").astype(np.float32) if row[0] else None

    def _open(self) -> sqlite3.Connection:
        rows = sqlite3.connect(self._path, timeout=60)
        try:
            rows.execute(_TABLE)
            if rows.execute("PRAGMA quick_check").fetchone() != ("ok",):
                raise sqlite3.DatabaseError("damaged")
            rows.commit()
        except sqlite3.Error:
            rows.close()
            raise
        return rows
