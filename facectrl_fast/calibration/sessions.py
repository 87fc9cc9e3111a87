"""The user's calibration sessions on disk: one folder each, as ``collect`` writes them.

    DATA/sessions/20260131-201500/on, off, away

A session appears under its name once it is whole; what a kill left is removed by the next one.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from facectrl_fast.dataset.folder import LABELS, LabelledPicture, read_label
from facectrl_fast.errors import UserError

AWAY = "away"
"""Folder of what was taken for a face while nobody was there; counts as off."""
_DRAFT = ".draft-"
_REJECTED = "rejected-"


@dataclass(frozen=True)
class Sessions:
    """All sessions below one folder."""

    folder: Path

    def begin(self) -> Path:
        """A new, empty folder to record into; ``keep``, ``reject`` or ``discard`` it.

        Raises:
            UserError: it cannot be made.
        """
        name = f"{datetime.now():%Y%m%d-%H%M%S}"
        draft = self.folder / f"{_DRAFT}{name}-{os.getpid()}"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            for left in self.folder.glob(f"{_DRAFT}*"):
                if not _alive(left):
                    shutil.rmtree(left)
            draft.mkdir()
        except OSError as error:
            raise UserError(f"cannot write to {self.folder}: {error.strerror}") from None
        return draft

    def keep(self, draft: Path) -> Path:
        """The session counts from now on; returns where it is."""
        return self._settle(draft, "")

    def reject(self, session: Path) -> Path:
        """The session does not count; returns where it can be looked at."""
        return self._settle(session, _REJECTED)

    def discard(self, draft: Path) -> None:
        """Remove what was recorded."""
        shutil.rmtree(draft, ignore_errors=True)

    def add_dataset(self, dataset: Path) -> Path:
        """Copy a collected dataset; ``keep`` it as a session, or ``discard`` it.

        Raises:
            UserError: it is no folder with on/ and off/, or cannot be copied.
        """
        for label in LABELS:
            if not (dataset / label).is_dir():
                raise UserError(f"dataset {dataset} has no {label}/; make it with 'collect'")
        draft = self.begin()
        try:
            for label in LABELS:
                shutil.copytree(dataset / label, draft / label)
        except shutil.Error as error:
            self.discard(draft)
            source, _, reason = error.args[0][0]
            raise UserError(f"cannot copy {source} to {self.folder}: {reason}") from None
        except OSError as error:
            self.discard(draft)
            raise UserError(f"cannot copy {dataset} to {self.folder}: {error.strerror}") from None
        return draft

    def all(self) -> list[Path]:
        """The whole sessions, oldest first."""
        if not self.folder.is_dir():
            return []
        return sorted(
            entry
            for entry in self.folder.iterdir()
            if entry.is_dir() and not entry.name.startswith((".", _REJECTED))
        )

    def pictures(self) -> list[LabelledPicture]:
        """All pictures of all sessions, see ``session_pictures``."""
        found: list[LabelledPicture] = []
        seen: set[tuple[int, bytes]] = set()
        for session in self.all():
            for picture in session_pictures(session):
                # The same dataset may have been added twice.
                content = hashlib.sha256(picture.path.read_bytes()).digest()
                if (picture.label, content) not in seen:
                    seen.add((picture.label, content))
                    found.append(picture)
        return found

    def _settle(self, session: Path, prefix: str) -> Path:
        stem = session.name.removeprefix(_DRAFT)
        if session.name.startswith(_DRAFT):
            stem = stem.rpartition("-")[0]
        target = self.folder / f"{prefix}{stem}"
        number = 1
        while target.exists():
            number += 1
            target = self.folder / f"{prefix}{stem}-{number}"
        try:
            return session.rename(target)
        except OSError as error:
            raise UserError(f"cannot write to {self.folder}: {error.strerror}") from None


def session_pictures(session: Path) -> list[LabelledPicture]:
    """The pictures of one session; the source is the session's name."""
    return [
        replace(picture, group=f"{session.name} {picture.group}", source=session.name)
        for name, label in ((LABELS[0], 0), (LABELS[1], 1), (AWAY, 1))
        for picture in read_label(session / name, label)
    ]


def _alive(draft: Path) -> bool:
    """Another calibration is recording into it."""
    number = draft.name.rpartition("-")[2]
    return number.isdecimal() and int(number) != os.getpid() and Path("/proc", number).exists()
