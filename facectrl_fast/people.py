"""The people that the program knows: their faces as points, in files only their user reads."""

from __future__ import annotations

import glob
import json
import os
import re
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from facectrl_fast.errors import NONSENSE, UserError
from facectrl_fast.files import whole_file
from facectrl_fast.models import user_data, user_identity_models
from facectrl_fast.types import Float32Array

_NAME = re.compile(r"[\w][\w .'-]{0,63}")
_SUFFIX = ".json"


@dataclass(frozen=True)
class Person:
    """Somebody who was enrolled."""

    name: str
    model: str
    """Digest of the model whose points these are."""
    points: Float32Array
    """(n, d), n > 0."""


class People:
    """Enrolled people, a file each; and the models that they were enrolled with."""

    def __init__(self, folder: Path | None = None) -> None:
        """Use a folder; the user's own by default. It need not be there."""
        self._folder = user_data() / "people" if folder is None else folder
        self._models = user_identity_models()

    def names(self) -> list[str]:
        """In alphabetical order.

        Raises:
            UserError: the folder cannot be read.
        """
        try:
            return sorted(
                path.stem
                for path in self._folder.iterdir()
                if path.suffix == _SUFFIX and not path.name.startswith(".")
            )
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise UserError(f"cannot read {self._folder}: {error.strerror}") from None

    def get(self, name: str) -> Person:
        """Somebody.

        Raises:
            UserError: nobody of that name was enrolled, or the file cannot be used.
        """
        path = self._path(name)
        try:
            stored = json.loads(path.read_bytes())
            points = np.array(stored["points"], np.float32)
            model = stored["model"]
        except FileNotFoundError:
            known = ", ".join(self.names()) or "nobody"
            raise UserError(
                f"there is no '{name}' (enrolled: {known}); see 'facectrl-fast enroll --help'"
            ) from None
        except OSError as error:
            raise UserError(f"cannot read {path}: {error.strerror}") from None
        except NONSENSE:
            raise self._damaged(path, name) from None
        whole = points.ndim == 2 and points.size > 0 and np.isfinite(points).all()
        if not whole or not isinstance(model, str):
            raise self._damaged(path, name)
        return Person(name, model, points)

    def others(self, person: Person) -> list[Person]:
        """Who else was enrolled with the same model; damaged files are nobody's."""
        found = []
        for name in self.names():
            with suppress(UserError):
                if name != person.name and (other := self.get(name)).model == person.model:
                    found.append(other)
        return [o for o in found if o.points.shape[1] == person.points.shape[1]]

    def keep_model(self, model: Path, called: str) -> None:
        """Keep a copy of the model that somebody is to be enrolled with; those before it stay.

        Args:
            model: its file.
            called: its digest.

        Raises:
            UserError: it cannot be written.
        """
        kept = self._models / f"{called}.onnx"
        try:
            if kept.exists():
                kept.touch()  # the newest one is what the next is enrolled with
                return
            self._models.mkdir(parents=True, exist_ok=True)
            with whole_file(kept) as draft:
                shutil.copyfile(model, draft)
        except OSError as error:
            raise UserError(f"cannot keep the model: {error.strerror}") from None

    def keep(self, person: Person) -> None:
        """Write somebody, in place of whoever had the name; only the user can read it.

        Raises:
            UserError: it cannot be written, or the name is none.
        """
        path = self._path(person.name)
        told = {"model": person.model, "points": person.points.round(6).tolist()}
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._folder.chmod(0o700)
            with whole_file(path) as draft:
                # Never readable by others, not even for a moment.
                descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
                with os.fdopen(descriptor, "w") as file:
                    os.fchmod(descriptor, 0o600)
                    json.dump(told, file)
        except OSError as error:
            raise UserError(f"cannot write {path}: {error.strerror}") from None

    def remove(self, name: str) -> None:
        """Forget somebody.

        Raises:
            UserError: there is nobody of that name, or the file cannot be removed.
        """
        path = self._path(name)
        try:
            # What a kill left half written shows their face as well.
            for draft in self._folder.glob(f".{glob.escape(path.name)}.*.draft"):
                draft.unlink(missing_ok=True)
            path.unlink()
        except FileNotFoundError:
            raise UserError(f"there is no '{name}'; see 'facectrl-fast people list'") from None
        except OSError as error:
            raise UserError(f"cannot remove {path}: {error.strerror}") from None

    def check_name(self, name: str) -> None:
        """Find out early whether somebody may be called so.

        Raises:
            UserError: it is no name.
        """
        self._path(name)

    def _path(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise UserError(
                f"'{name[:64]}' is no name: use letters, digits, spaces and . _ ' -, at most 64"
            )
        return self._folder / f"{name}{_SUFFIX}"

    def _damaged(self, path: Path, name: str) -> UserError:
        return UserError(f"{path} is damaged; enroll '{name}' again")
