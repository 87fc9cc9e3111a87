"""One loop for everything that wakes the program: frames, the bus, signals, deadlines.

It is GLib's main context, which dbus-python dispatches on, used through ctypes: the few calls
needed are part of GLib's stable interface, and PyGObject would cost memory and start-up time.
The process sleeps in a single poll; ctypes releases the GIL meanwhile.
"""

from __future__ import annotations

import ctypes
import os
import signal
from collections.abc import Callable, Iterable
from types import FrameType

from facectrl_fast.errors import UserError

_G_IO_IN_HUP_ERR = 1 | 16 | 8
_G_SOURCE_CONTINUE = 1
_G_SOURCE_REMOVE = 0

_FdCallback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_void_p)
_TimerCallback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p)


def _load_glib() -> ctypes.CDLL:
    try:
        # By its name, since ctypes' search runs other programs.
        glib = ctypes.CDLL("libglib-2.0.so.0")
    except OSError:
        raise UserError("GLib is missing: install libglib2.0-0 (or your system's glib2)") from None
    glib.g_main_context_iteration.argtypes = [ctypes.c_void_p, ctypes.c_int]
    glib.g_source_remove.argtypes = [ctypes.c_uint]
    glib.g_unix_fd_add.argtypes = [ctypes.c_int, ctypes.c_int, _FdCallback, ctypes.c_void_p]
    glib.g_unix_fd_add.restype = ctypes.c_uint
    glib.g_timeout_add.argtypes = [ctypes.c_uint, _TimerCallback, ctypes.c_void_p]
    glib.g_timeout_add.restype = ctypes.c_uint
    return glib


class MainLoop:
    """Runs callbacks, on the thread that calls ``run``, until ``quit``.

    An exception in a callback ends ``run``, which raises it.
    """

    def __init__(self) -> None:
        # GLib knows callbacks only by address: they live here until their source is removed, and
        # on to the end of the iteration, since a callback may remove itself.
        self._callbacks: dict[int, object] = {}
        self._glib = _load_glib()
        self._finished: list[object] = []
        self._running = False
        self._error: BaseException | None = None

    def __del__(self) -> None:
        # GLib's context outlives this object, and would call back into memory that is free.
        for handle in self._callbacks:
            self._glib.g_source_remove(handle)

    def watch_fd(self, fd: int, callback: Callable[[], None]) -> int:
        """Call back each time ``fd`` is readable; returns a handle for ``remove``."""

        def ready(_fd: int, _condition: int, _data: int | None) -> int:
            self.guard(callback)
            return _G_SOURCE_CONTINUE

        wrapped = _FdCallback(ready)
        handle = int(self._glib.g_unix_fd_add(fd, _G_IO_IN_HUP_ERR, wrapped, None))
        self._callbacks[handle] = wrapped
        return handle

    def call_later(self, seconds: float, callback: Callable[[], None]) -> int:
        """Call back once after ``seconds``; returns a handle for ``remove``."""
        handle = 0

        def due(_data: int | None) -> int:
            self._finished.append(self._callbacks.pop(handle, None))
            self.guard(callback)
            return _G_SOURCE_REMOVE

        wrapped = _TimerCallback(due)
        handle = int(self._glib.g_timeout_add(max(round(seconds * 1000), 0), wrapped, None))
        self._callbacks[handle] = wrapped
        return handle

    def remove(self, handle: int) -> None:
        """Forget a watch or a call; one that is over already is no error."""
        callback = self._callbacks.pop(handle, None)
        if callback is not None:
            self._finished.append(callback)
            self._glib.g_source_remove(handle)

    def run(self) -> None:
        """Dispatch until ``quit`` is called or a callback raises."""
        self._running = True
        while self._running:
            self._glib.g_main_context_iteration(None, 1)
            self._finished.clear()
        if self._error is not None:
            error, self._error = self._error, None
            raise error

    def quit(self) -> None:
        """End ``run`` after the callback that is being dispatched."""
        self._running = False

    def guard(self, callback: Callable[[], None]) -> None:
        """Call back now, and let what it raises end ``run``: for callers that would swallow it."""
        try:
            callback()
        except BaseException as error:
            # What follows from the first error would only hide it.
            self._error = self._error or error
            self._running = False


class SignalWatch:
    """Calls back from the loop when one of the signals arrives; a context manager.

    Python handles a signal only once it executes Python code, and the loop sleeps in C: the
    wake-up descriptor ends that sleep. Signals that the process was started to ignore, as nohup
    does with SIGHUP, stay ignored.
    """

    def __init__(
        self, loop: MainLoop, signals: Iterable[signal.Signals], callback: Callable[[int], None]
    ) -> None:
        self._loop = loop
        self._signals = tuple(signals)
        self._callback = callback

    def __enter__(self) -> SignalWatch:
        self._reader, self._writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._old_fd = signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        self._old_handlers = {
            s: signal.signal(s, _leave_to_wakeup_fd)
            for s in self._signals
            if signal.getsignal(s) is not signal.SIG_IGN
        }
        self._handle = self._loop.watch_fd(self._reader, self._read)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.remove(self._handle)
        signal.set_wakeup_fd(self._old_fd)
        for number, handler in self._old_handlers.items():
            signal.signal(number, handler)
        os.close(self._reader)
        os.close(self._writer)

    def _read(self) -> None:
        for number in os.read(self._reader, 64):
            if number in self._signals:
                self._callback(number)


def _leave_to_wakeup_fd(_number: int, _frame: FrameType | None) -> None:
    """Being handled at all is what makes Python write to the wake-up descriptor."""
