"""Keeps what a frozen network makes of pictures, so that each is looked at once.

An SQLite file: whatever kill comes, a row is there whole or not at all. Rows are found by the
content of the picture and by what made them, so that changed pictures are looked at anew; each has
a check sum, since SQLite does not see what a disk changed within a row.
"""

from __future__ import annotations

import hashlib
import sqlite3
import zlib
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

import numpy as np

from facectrl_fast.errors import UserError
from facectrl_fast.types import Float32Array

_TABLE = (
    "CREATE TABLE IF NOT EXISTS checked_embeddings (maker TEXT, content TEXT, vector BLOB, "
    "sum INTEGER, PRIMARY KEY (maker, content)) WITHOUT ROWID"
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
        self._say = say
        self._fresh: dict[str, bytes] = {}
        """Not written yet; by content."""
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
            self._write()
        except sqlite3.Error as failure:
            if error is None:
                raise UserError(f"cannot write {self._path}: {failure}") from None
        finally:
            self._rows.close()

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
        key = hashlib.sha256(content).hexdigest()
        try:
            stored = self._stored(key)
            if stored is None:
                vector = make(content)
                stored = b"" if vector is None else np.asarray(vector, "<f4").tobytes()
                self._fresh[key] = stored
                if len(self._fresh) >= WRITTEN_TOGETHER:
                    self._write()
        except sqlite3.Error as error:
            raise UserError(f"cannot use {self._path}: {error}; remove it to begin anew") from None
        return np.frombuffer(stored, "<f4").astype(np.float32) if stored else None

    def _stored(self, key: str) -> bytes | None:
        """What is known of a picture's content; empty where nothing was found in it."""
        if key in self._fresh:
            return self._fresh[key]
        query = "SELECT vector, sum FROM checked_embeddings WHERE maker = ? AND content = ?"
        row = self._rows.execute(query, (self._maker, key)).fetchone()
        if row is None:
            return None
        vector, known = row
        if not isinstance(vector, bytes) or zlib.crc32(vector) != known:
            self._say(f"{self._path}: what it says of a picture is damaged; it is looked at anew")
            return None
        return vector

    def _write(self) -> None:
        """Write together: the file is locked for a moment, not while pictures are looked at."""
        rows = [
            (self._maker, key, stored, zlib.crc32(stored)) for key, stored in self._fresh.items()
        ]
        self._rows.executemany(
            "INSERT OR REPLACE INTO checked_embeddings VALUES (?, ?, ?, ?)", rows
        )
        self._rows.commit()
        self._fresh.clear()

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
