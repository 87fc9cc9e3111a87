"""Runs the whole program for a long time at speed, with faults thrown in, and judges it.

    python tests/soak/run.py [--minutes N] [--seed N] [--speed N] [--clip FILE --truth FILE]

A real mpv plays on a message bus of its own; the camera shows a recording of known truth again and
again, several times as fast as it was made. Camera, player, bus, user and operating system
misbehave at random; the same seed gives the same faults. Where a stretch of the recording passes
without any of that, the player has to be as the truth wants it at its end. Memory, descriptors and
threads are watched throughout. The exit status is 1 where something is wrong.
"""

from __future__ import annotations

import argparse
import contextlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

import numpy as np

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from facectrl_fast.demo import write_clip  # noqa: E402
from facectrl_fast.errors import UserError  # noqa: E402
from tests.soak.camera import (  # noqa: E402
    BUSY,
    CORRUPT,
    GONE,
    PLUGS,
    STALLED,
    WORKS,
    clip_time,
)
from tests.soak.desktop import Desktop  # noqa: E402
from tests.soak.truth import DEMO, Truth, truth_of  # noqa: E402

STEP = 0.03
"""Seconds between two looks at everything."""
CALM = 1.5
"""Seconds after a fault's end from which on the program has to be as ever."""
WARM = 0.25
"""Share of the run after which memory is expected to grow no more."""
MOST_GROWTH = 4.0
"""MiB from then on."""
MOST_SLACK = 3
"""Descriptors or threads more than then: one is open for a moment now and then."""
LEAST_JUDGED = 0.1
"""Share of the stretches."""
MOST_LINES = 12
"""In the log, for each fault and each change of the truth."""


Fault = Iterator[float]
"""A generator: yields for how many seconds to leave things so; what follows mends them."""


class Faults:
    """What may go wrong."""

    def __init__(self, desktop: Desktop, rng: np.random.Generator) -> None:
        self._desktop, self._rng = desktop, rng
        self.kinds: dict[str, tuple[float, Callable[[], Fault]]] = {
            "camera unplugged": (0.5, lambda: self._camera(GONE, 1, 4)),
            "camera busy": (0.3, lambda: self._camera(BUSY, 1, 3)),
            "camera stalls": (2, lambda: self._camera(STALLED, 0.5, 2)),
            "camera gives noise": (2, lambda: self._camera(CORRUPT, 0.5, 2)),
            "player killed": (1, self._player_killed),
            "player hangs": (1, lambda: self._stopped("player", 0.5, 4)),
            "by hand": (2, self._by_hand),
            "program stopped": (1, lambda: self._stopped("program", 0.3, 2)),
            "bus gone": (0.5, self._bus_gone),
            "hold": (0.5, self._hold),
            "asked for its status": (1, self._status),
        }

    def draw(self) -> tuple[str, Fault]:
        """One of them."""
        names = list(self.kinds)
        weights = np.array([weight for weight, _ in self.kinds.values()])
        name = names[int(self._rng.choice(len(names), p=weights / weights.sum()))]
        return name, self.kinds[name][1]()

    def _camera(self, state: int, least: float, most: float) -> Fault:
        control = self._desktop.control
        if state == BUSY:  # somebody took it in the moment in which it was gone
            control[0] = GONE
            yield 0.2
        control[0] = state
        yield float(self._rng.uniform(least, most))
        control[0] = WORKS
        plug = self._desktop.folder / PLUGS / "video0"
        plug.unlink(missing_ok=True)
        plug.touch()

    def _player_killed(self) -> Fault:
        self._desktop.end("player")
        yield float(self._rng.uniform(0, 2))
        self._desktop.start_player()
        yield 1.0

    def _stopped(self, name: str, least: float, most: float) -> Fault:
        process = self._desktop.processes[name]
        process.send_signal(signal.SIGSTOP)
        yield float(self._rng.uniform(least, most))
        process.send_signal(signal.SIGCONT)

    def _by_hand(self) -> Fault:
        self._desktop.player("PlayPause")
        yield 0.1

    def _bus_gone(self) -> Fault:
        self._desktop.end("bus")
        self._desktop.forget_connection()
        yield float(self._rng.uniform(0.1, 1))
        self._desktop.end("player")  # which does not find back to a bus
        self._desktop.start_bus()
        self._desktop.start_player()
        yield 3.0

    def _hold(self) -> Fault:
        with contextlib.suppress(UserError), self._desktop.remote() as remote:
            remote.hold(60)
        yield 1.0
        with contextlib.suppress(UserError), self._desktop.remote() as remote:
            remote.release()

    def _status(self) -> Fault:
        with contextlib.suppress(UserError), self._desktop.remote() as remote:
            remote.status()
        yield 0.0


class Soak:
    """One run, and what came of it."""

    def __init__(self, desktop: Desktop, truth: Truth, rng: np.random.Generator) -> None:
        self._desktop, self._truth, self._rng = desktop, truth, rng
        self._faults = Faults(desktop, rng)
        self.counts: Counter[str] = Counter()
        self.judged: Counter[str] = Counter()
        self.used: list[tuple[float, float, int, int]] = []
        self.wrong: list[str] = []

    def run(self, seconds: float) -> None:
        """Let it run for so long."""
        desktop = self._desktop
        begun = time.monotonic()
        fault: Fault | None = None
        fault_until = next_fault = begun + 5.0
        calm_since = begun + 5.0
        current = -1
        state, clean, playing = "", False, None
        while (now := time.monotonic()) < begun + seconds:
            if desktop.processes["program"].poll() is not None:
                self.wrong.append("the program ended")
                return
            if fault is not None and now >= fault_until:
                pause = next(fault, None)
                fault_until = now + (pause or 0)
                calm_since = now
                if pause is None:
                    fault, next_fault = None, now + float(self._rng.uniform(1, 9))
            if fault is None and now >= next_fault:
                name, fault = self._faults.draw()
                self.counts[name] += 1
                fault_until = now + next(fault)
                clean = False
            if fault is not None or not desktop.camera_shows():
                calm_since = now
            number, shown, end = self._truth.stretch(clip_time(desktop.speed))
            calm = now - calm_since > CALM
            if number != current:
                if current >= 0 and state:
                    self._judge(state, playing if clean else None, now - begun)
                current, state, clean, playing = number, shown, calm, None
            clean = clean and calm
            if end / desktop.speed - now < 6 * STEP:
                playing = desktop.playing()
            else:
                playing = playing if fault is None else None
            if not self.used or now - begun - self.used[-1][0] >= 1:
                self.used.append((now - begun, *desktop.used()))
            time.sleep(STEP)
        if fault is not None:
            for pause in fault:
                time.sleep(pause)

    def _judge(self, state: str, playing: bool | None, at: float) -> None:
        if playing is None:
            self.judged["not judged"] += 1
        elif playing == (state == "on"):
            self.judged["right"] += 1
        else:
            self.judged["wrong"] += 1
            does = "plays" if playing else "is paused"
            self.wrong.append(f"{at:.1f} s: {state} is shown, and the player {does}")

    def end(self) -> None:
        """End the program as a session would, and look at what it leaves."""
        program = self._desktop.processes["program"]
        program.send_signal(signal.SIGTERM)
        try:
            status = program.wait(10)
        except subprocess.TimeoutExpired:
            status = None
        if status != 0:
            self.wrong.append(f"it ended with {status} upon SIGTERM")
        lines = self._desktop.log.read_text(errors="replace").splitlines()
        self.wrong += [f"logged: {line}" for line in lines if line.startswith("Traceback")]
        most = MOST_LINES * (self.counts.total() + self.judged.total() + 1)
        if len(lines) > most:
            self.wrong.append(f"{len(lines)} lines were logged, {most} would be many")
        if self.judged["right"] < LEAST_JUDGED * self.judged.total():
            self.wrong.append("hardly anything could be judged: did the camera show nothing?")
        self._judge_usage()

    def _judge_usage(self) -> None:
        late = self.used[int(WARM * len(self.used)) :]
        part = max(len(late) // 4, 1)
        first, last = late[:part], late[-part:]
        times, memory = np.array([(u[0], u[1]) for u in late]).T
        self.slope = float(np.polyfit(times / 60, memory, 1)[0]) if len(late) > 2 else 0.0
        self.growth = median(u[1] for u in last) - median(u[1] for u in first)
        if self.growth > MOST_GROWTH:
            self.wrong.append(f"memory grew by {self.growth:.1f} MiB")
        for index, what in ((2, "descriptors"), (3, "threads")):
            before, after = (int(median(u[index] for u in some)) for some in (first, last))
            if after > before + MOST_SLACK:
                self.wrong.append(f"{what} went from {before} to {after}")

    def lines(self) -> Iterator[str]:
        """What came of it."""
        decided = self.judged["right"] + self.judged["wrong"]
        yield f"minutes              {self.used[-1][0] / 60:.1f}"
        yield "faults               " + ", ".join(f"{n} {c}" for n, c in self.counts.most_common())
        yield f"stretches judged     {decided}: {self.judged['right']} right"
        yield f"  disturbed          {self.judged['not judged']}, not judged"
        memory, descriptors, threads = self.used[-1][1:]
        yield f"memory at the end    {memory:.1f} MiB; {self.slope:+.3f} MiB a minute"
        yield f"descriptors, threads {descriptors}, {threads} at the end"
        yield from (f"WRONG: {text}" for text in self.wrong)


def soak(
    minutes: float,
    seed: int,
    speed: float = 4.0,
    clip: Path | None = None,
    truth: Path | None = None,
    module: str = "facectrl_fast",
) -> Soak:
    """Run it.

    Args:
        minutes: how long.
        seed: of the faults.
        speed: the recording's, as many times as fast.
        clip: the demo's by default.
        truth: of the clip, see ``evaluation.video``.
        module: what runs as the program.
    """
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        work = Path(folder)
        if clip is None or truth is None:
            clip, shown = work / "demo.mp4", DEMO
            write_clip(clip)
        else:
            shown = truth_of(clip, truth)
        desktop = Desktop(work, clip, speed, module)
        try:
            run = Soak(desktop, shown, np.random.default_rng(seed))
            run.run(60 * minutes)
            run.end()
            if run.wrong:
                kept = Path(tempfile.gettempdir()) / "soak-log.txt"
                shutil.copyfile(desktop.log, kept)
                run.wrong.append(f"what the program said is in {kept}")
            return run
        finally:
            desktop.close()


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Run the program for long, with faults.")
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--speed", type=float, default=4)
    parser.add_argument("--clip", type=Path)
    parser.add_argument("--truth", type=Path)
    arguments = parser.parse_args()
    run = soak(arguments.minutes, arguments.seed, arguments.speed, arguments.clip, arguments.truth)
    print("\n".join(run.lines()))
    return 1 if run.wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
