"""Takes pictures and lists out of a downloaded zip, whatever else is in it."""

from __future__ import annotations

import os
import shutil
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from facectrl_fast.errors import UserError

MOST_FILES = 200_000
MOST_BYTES = 8 << 30
"""Of all files together, unpacked."""
MOST_OF_A_FILE = 64 << 20
_BOUNDED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""Compressions that are unpacked piece by piece; of the others a piece may hold gigabytes."""
STAMP = ".unpacked-from"
"""A file that tells size and time of the archive."""
_CHUNK = 1 << 20
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    OverflowError,
    IndexError,
    struct.error,
)
"""What reading a damaged or hostile zip may raise."""


def unpack_once(archive: Path, out: Path, wanted: Callable[[PurePosixPath], bool]) -> None:
    """Unpack what is wanted into a folder, unless it is there.

    What the archive says of sizes is not believed: what is written is counted. The folder is there
    whole or not at all, also where two unpack at once.

    Args:
        archive: a zip.
        out: the folder; its own folder must be there. One that nothing was unpacked into is taken
            for the archive's, too.
        wanted: which files, by their names in the archive; others are passed over.

    Raises:
        UserError: it is no zip or damaged, a wanted file would be written elsewhere or is a link,
            they are too many or too large, the folder is of another archive or cannot be written.
    """
    try:
        state = archive.stat()
        stamp = f"{state.st_size} {state.st_mtime_ns}"
        if out.exists():
            _check_stamp(out, stamp, archive)
            return
    except OSError as error:
        raise UserError(f"cannot read {archive}: {error.strerror or error}") from None
    draft = out.with_name(f".{out.name}.{os.getpid()}.draft")
    try:
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        with zipfile.ZipFile(archive) as packed:
            _unpack(packed, archive, draft, wanted)
        (draft / STAMP).write_text(stamp)
        try:
            draft.rename(out)
        except OSError:
            if not out.is_dir():
                raise
            _check_stamp(out, stamp, archive)  # somebody else was faster
    except _DAMAGE as error:
        raise UserError(f"{archive} is no whole zip: {error}") from None
    except OSError as error:
        raise UserError(f"cannot unpack {archive} to {out}: {error.strerror or error}") from None
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _check_stamp(out: Path, stamp: str, archive: Path) -> None:
    there = out / STAMP
    if there.is_file() and there.read_text(errors="replace") != stamp:
        raise UserError(f"{out} was unpacked from another {archive.name}; remove that folder")


def _unpack(
    packed: zipfile.ZipFile, archive: Path, out: Path, wanted: Callable[[PurePosixPath], bool]
) -> None:
    members = [
        (member, name)
        for member in packed.infolist()
        if not member.is_dir() and wanted(name := PurePosixPath(member.filename.replace("\\", "/")))
    ]
    if len(members) > MOST_FILES:
        raise UserError(f"{archive} holds more than {MOST_FILES} files; nothing was unpacked")
    if sum(member.file_size for member, _ in members) > MOST_BYTES:
        raise UserError(f"{archive} is too large once unpacked; nothing was unpacked")
    written = 0
    for member, name in members:
        if name.is_absolute() or ".." in name.parts or stat.S_ISLNK(member.external_attr >> 16):
            raise UserError(f"{archive}: {name} leads out of the folder; nothing was unpacked")
        if member.compress_type not in _BOUNDED:
            raise UserError(f"{archive}: {name} is packed in a rare way; pack it anew, as usual")
        target = out.joinpath(*name.parts)
        target.parent.mkdir(parents=True, exist_ok=True)
        size = 0
        with packed.open(member) as source, target.open("wb") as file:
            while chunk := source.read(_CHUNK):
                size += len(chunk)
                written += len(chunk)
                if size > MOST_OF_A_FILE or written > MOST_BYTES:
                    raise UserError(
                        f"{archive}: {name} is too large once unpacked; nothing was unpacked"
                    )
                file.write(chunk)
