"""Shows the frames of a source to somebody, one now and then, until that is enough."""

from __future__ import annotations

import signal
from collections.abc import Callable

from facectrl_fast.capture.source import Source
from facectrl_fast.mainloop import MainLoop, SignalWatch
from facectrl_fast.types import Frame

TOLERANCE = 0.005
"""Seconds by which a frame may come too early."""


def each_frame(loop: MainLoop, source: Source, every: float, look: Callable[[Frame], bool]) -> bool:
    """Open a source and show its frames, until ``look`` returns False or the source ends.

    Args:
        loop: dispatches everything.
        source: is closed at the end.
        every: seconds between two frames that are shown, at least.
        look: is shown a frame; whether it wants more.

    Returns:
        Whether a signal ended it.

    Raises:
        UserError: the source fails.
    """
    interrupted = False

    def on_signal(_number: int) -> None:
        nonlocal interrupted
        interrupted = True
        loop.quit()

    def on_wake() -> None:
        frame = ring.latest()
        if ring.closed or frame is None or not look(frame):
            loop.quit()
        else:
            ring.arm(frame.seq, frame.timestamp + every - TOLERANCE)

    with SignalWatch(loop, (signal.SIGINT, signal.SIGTERM, signal.SIGHUP), on_signal):
        stream = source.open()
        ring = stream.ring
        watch = loop.watch_fd(ring.fileno(), on_wake)
        ring.arm(0)
        try:
            loop.run()
            if ring.closed and stream.error is not None:
                raise stream.error
        finally:
            loop.remove(watch)
            stream.close()
    return interrupted
