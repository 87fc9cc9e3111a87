"""Tells when a video device appears, without udev: /dev itself is watched."""

from __future__ import annotations

import ctypes
import os
import struct
from pathlib import Path

_IN_CREATE = 0x100
_IN_MOVED_TO = 0x80
# A new device belongs to root alone, until udev has set its group.
_IN_ATTRIB = 0x4
_EVENT = struct.Struct("iIII")


class DeviceArrivals:
    """An inotify descriptor on a folder of devices."""

    def __init__(self, folder: Path = Path("/dev")) -> None:
        """Begin to watch.

        Raises:
            OSError: the limit of the user's watches is reached.
        """
        libc = ctypes.CDLL(None, use_errno=True)
        self._fd = int(libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))
        mask = _IN_CREATE | _IN_MOVED_TO | _IN_ATTRIB
        if self._fd < 0 or libc.inotify_add_watch(self._fd, os.fsencode(folder), mask) < 0:
            error = ctypes.get_errno()
            self.close()
            raise OSError(error, os.strerror(error), str(folder))

    def fileno(self) -> int:
        """Readable when something happened in the folder."""
        return self._fd

    def arrived(self) -> bool:
        """Whether a video device appeared or changed its permissions since the last call."""
        names = []
        while data := self._read():
            at = 0
            while at < len(data):
                *_, length = _EVENT.unpack_from(data, at)
                at += _EVENT.size
                names.append(data[at : at + length].rstrip(b"\0"))
                at += length
        return any(name.startswith(b"video") for name in names)

    def close(self) -> None:
        """Watch no more; may be called again."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _read(self) -> bytes:
        try:
            return os.read(self._fd, 65536)
        except BlockingIOError:
            return b""
