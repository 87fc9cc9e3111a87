"""Makes this process a quiet and a small one."""

from __future__ import annotations

import ctypes
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

TIMER_SLACK = 0.01
"""Seconds by which the kernel may wake it late, together with somebody else."""
_PR_SET_TIMERSLACK = 29
_MADV_DONTNEED = 4


def prepare_process() -> None:
    """Start no threads that do nothing, and let timers wait for company.

    Comes before the heavy imports.
    """
    # NumPy's linear algebra starts a thread a core when it is imported; nothing here uses it.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # Threads started from now on inherit it. Where the kernel refuses, nothing is lost.
    _libc().prctl(_PR_SET_TIMERSLACK, ctypes.c_ulong(int(TIMER_SLACK * 1e9)))


@contextmanager
def ending_at_once() -> Iterator[None]:
    """Around starting up: a signal that asks the process to end does so, with status 0.

    Nothing has to be closed by then; libraries that are just being imported would make a traceback
    of it. Signals that the process was started to ignore stay ignored.
    """
    asking = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {s: signal.getsignal(s) for s in asking}
    for s in (s for s, handler in before.items() if handler is not signal.SIG_IGN):
        signal.signal(s, lambda *_: os._exit(0))
    try:
        yield
    finally:
        for s, handler in before.items():
            signal.signal(s, handler)


def release_start_up_memory() -> None:
    """Give back what only start-up needed: freed memory, and the pages of libraries' code.

    Loading and initialising touches more of both than running ever does. Pages that are still
    needed come back at a touch; the kernel would take the others back only once memory is short.
    """
    libc = _libc()
    if hasattr(libc, "malloc_trim"):  # of glibc
        libc.malloc_trim(0)
    libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    try:
        maps = Path("/proc/self/maps").read_bytes()
    except OSError:
        return  # no /proc: nothing is lost
    for line in maps.splitlines():
        addresses, rights, _, _, inode, *_ = line.split()
        # Code of files alone: what may have been written to would be lost.
        if rights == b"r-xp" and inode != b"0":
            start, end = (int(address, 16) for address in addresses.split(b"-"))
            libc.madvise(start, end - start, _MADV_DONTNEED)


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None)
