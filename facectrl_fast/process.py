"""Makes this process a quiet one. Comes before the heavy imports."""

from __future__ import annotations

import ctypes
import os

TIMER_SLACK = 0.01
"""Seconds by which the kernel may wake it late, together with somebody else."""
_PR_SET_TIMERSLACK = 29


def prepare_process() -> None:
    """Start no threads that do nothing, and let timers wait for company."""
    # NumPy's linear algebra starts a thread a core when it is imported; nothing here uses it.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # Threads started from now on inherit it. Where the kernel refuses, nothing is lost.
    ctypes.CDLL(None).prctl(_PR_SET_TIMERSLACK, ctypes.c_ulong(int(TIMER_SLACK * 1e9)))
