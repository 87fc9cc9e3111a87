"""Where the time of a run goes, stage by stage."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import wraps
from typing import Any


@dataclass
class _Stage:
    calls: int = 0
    seconds: float = 0.0
    """CPU time of the thread that calls."""


class Profile:
    """Times the methods that it is shown, from when it is made."""

    def __init__(self) -> None:
        self._stages: dict[str, _Stage] = {}
        self._start = time.monotonic()
        self._process = time.process_time()
        self._thread = time.thread_time()
        self._wakes = _wake_ups()

    def watch(self, owner: object, method: str, name: str) -> None:
        """Time each call of ``owner.method`` as the stage ``name``."""
        stage = self._stages.setdefault(name, _Stage())
        original: Callable[..., Any] = getattr(owner, method)

        @wraps(original)
        def timed(*args: Any, **more: Any) -> Any:
            begin = time.thread_time()
            try:
                return original(*args, **more)
            finally:
                stage.seconds += time.thread_time() - begin
                stage.calls += 1

        setattr(owner, method, timed)

    def lines(self) -> Iterator[str]:
        """A line a stage, then the whole process. Call it on the thread that the stages ran on."""
        elapsed = max(time.monotonic() - self._start, 1e-9)
        process = time.process_time() - self._process
        thread = time.thread_time() - self._thread
        yield f"{'stage':<22}{'calls':>8}{'ms each':>10}{'% of a core':>13}"
        for name, stage in self._stages.items():
            each = stage.seconds / stage.calls * 1e3 if stage.calls else 0.0
            yield f"{name:<22}{stage.calls:>8}{each:>10.3f}{stage.seconds / elapsed:>13.3%}"
        yield f"{'all of this thread':<40}{thread / elapsed:>13.3%}"
        yield f"{'capture and decoding':<40}{(process - thread) / elapsed:>13.3%}"
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        wakes = (_wake_ups() - self._wakes) / elapsed
        yield (
            f"{elapsed:.1f} s, {process:.3f} s of CPU time, {wakes:.1f} wake-ups a second, "
            f"at most {memory:.0f} MiB of memory"
        )


def _wake_ups() -> int:
    """Of all threads: how often they went to sleep of their own will."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_nvcsw
