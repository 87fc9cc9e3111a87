"""Files that are whole or not there, what they are recognised by, and folders to write to."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A name beside ``path`` to write to; becomes ``path`` where the block ends well.

    A link stays one, and what was there before keeps who may read it.

    Raises:
        OSError: it cannot be renamed.
    """
    path = path.resolve()
    draft = path.with_name(f".{path.name}.{os.getpid()}.draft")
    try:
        yield draft
        if path.exists():
            shutil.copymode(path, draft)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def base_folder(variable: str, default: str, environment: Mapping[str, str] = os.environ) -> Path:
    """One of the user's folders for programs' files, as the XDG specification has it.

    Args:
        variable: names it.
        default: below the home folder; also for relative names, which are to be ignored.
        environment: where the variable is looked up.
    """
    named = Path(environment.get(variable, ""))
    return named if named.is_absolute() else Path.home() / default


def is_file(path: Path) -> bool:
    """Whether there is such a file; what cannot be a file's name is none."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def digest(path: Path) -> str:
    """What a file's content is recognised by.

    Raises:
        OSError: it cannot be read.
    """
    return hashlib.sha256(path.read_bytes()).hexdigest()


def make_writable(folder: Path) -> None:
    """Make a folder where it is missing.

    Raises:
        OSError: it cannot be made, or not be written to.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if not os.access(folder, os.W_OK):
        raise PermissionError(errno.EACCES, "no permission", str(folder))
