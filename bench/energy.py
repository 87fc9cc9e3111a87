"""What watching costs: CPU time, wake-ups, memory and reactions of the whole program.

    python bench/energy.py [--video FILE --truth JSON] [--from 36] [--seconds 60] [--rounds 3]
                           [--identity-model FILE]

Plays a stretch of a recording at its own pace to a player on a private bus, through the program and
through what it is compared with, one after the other, again and again; prints a table of medians
and writes the single runs as JSON. The columns:

- ours; ours, saving: the program as it comes, and as on battery
- ours, owner: the program with --owner, who is the one in the recording; with --identity-model
- ungoverned: the same with YuNet and a classification for each of 30 frames a second
- seed: a plain Python loop in the seed's manner: a capture thread, Haar, CSRT on each frame
- ours, still room; ours, no player: nobody there and nothing moves; nothing to control
- decoding: what reads the recording, alone

Without --video it is the Talking Face recording, or where that is missing the demo's clip. The
stretch is played from raw pictures, as a camera gives them.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

from facectrl_fast.config import RunOptions
from facectrl_fast.decide.policy import Status
from facectrl_fast.desktop.bus import open_session_bus
from facectrl_fast.enroll import enroll_from_camera
from facectrl_fast.evaluation.video import RIGHT, Truth, VideoJudgement
from facectrl_fast.mainloop import MainLoop
from facectrl_fast.player.builtin import BuiltinPlayer
from facectrl_fast.player.private_bus import PrivateBus
from facectrl_fast.types import Command

HERE = Path(__file__).parent
SHARED = HERE.parents[1] / "shared/data"
REACTING = ("ours", "ours, saving", "ours, owner", "ungoverned", "seed")
NOTHING_DECODED = ("ours, no player", "decoding")
WANTED = {Status.PLAYING: Command.PLAY, Status.PAUSED: Command.PAUSE}


def write_raw(images, path, rate):
    size = images[0].shape[1::-1]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"I420"), rate, size)
    for image in images:
        writer.write(image)
    writer.release()


def cut(video, begin, seconds):
    """The pictures of a stretch of a video, and their rate."""
    capture = cv2.VideoCapture(str(video))
    rate = capture.get(cv2.CAP_PROP_FPS)
    for _ in range(round(begin * rate)):
        capture.grab()
    images = []
    while len(images) < round(seconds * rate) and capture.grab():
        images.append(capture.retrieve()[1])
    return images, rate


def still_room(size, seconds, rate):
    """A textured wall with a camera's noise."""
    rng = np.random.default_rng(0)
    wall = cv2.resize(rng.uniform(60, 180, (12, 16)).astype(np.float32), size)
    some = [np.clip(wall + rng.normal(0, 2, wall.shape), 0, 255).astype(np.uint8) for _ in range(9)]
    some = [cv2.cvtColor(image, cv2.COLOR_GRAY2BGR) for image in some]
    return [some[rng.integers(len(some))] for _ in range(round(seconds * rate))]


class Run:
    """One process and the player that it controls."""

    def __init__(self, program, video, detector_model, player="demo", status=Status.PAUSED):
        self.changes = []
        loop = MainLoop()
        with PrivateBus() as address:
            bus = open_session_bus(address)
            builtin = None
            if player is not None:
                builtin = BuiltinPlayer(bus, player, status, self._changed)
            self.spawned = time.monotonic()
            child = subprocess.Popen(
                [sys.executable, HERE / "energy_programs.py", program, video, detector_model or ""],
                env={**os.environ, "DBUS_SESSION_BUS_ADDRESS": address},
                stdout=subprocess.PIPE,
                text=True,
            )
            ended = os.pidfd_open(child.pid)
            watch = loop.watch_fd(ended, loop.quit)
            loop.run()
            # GLib would go on to poll the number, which will be another file's.
            loop.remove(watch)
            os.close(ended)
            output = child.communicate()[0]
            if child.returncode or not output:
                raise SystemExit(f"{program} failed")
            self.used = json.loads(output.splitlines()[-1])
            if builtin is not None:
                builtin.close()
            bus.close()

    def _changed(self, status):
        self.changes.append((time.monotonic(), WANTED[status]))

    def per_minute(self, key):
        return self.used[key] / self.used["seconds"] * 60

    def judged(self, truth):
        """What the player was asked, held against the truth."""
        first = self.used["first_frame"]
        return VideoJudgement(truth, [(at - first, command) for at, command in self.changes])


def table(runs, truth):
    """The rows of the table, as texts."""
    yield (
        f"{'':18}{'CPU s':>8}{'without':>9}{'wake-':>8}{'MiB':>6}{'MiB':>6}{'analy-':>8}"
        f"{'reaction s':>16}"
    )
    yield (
        f"{'a minute of':18}{'':>8}{'decoding':>9}{'ups':>8}{'peak':>6}{'now':>6}{'ses':>8}"
        f"{'median':>8}{'worst':>8}{'missed':>8}{'false':>7}"
    )
    cpu = {
        name: statistics.median(run.per_minute("cpu") for run in all) for name, all in runs.items()
    }
    decoding = cpu.get("decoding", 0.0)
    for name, all in runs.items():
        middle = {key: statistics.median(r.used[key] for r in all) for key in ("peak", "resident")}
        wakes = statistics.median(run.per_minute("wakes") for run in all)
        looks = statistics.median(run.per_minute("analyses") for run in all)
        without = 0.0 if name in NOTHING_DECODED else cpu[name] - decoding
        row = (
            f"{name:18}{cpu[name]:>8.3f}{without:>9.3f}{wakes:>8.0f}"
            f"{middle['peak']:>6.0f}{middle['resident']:>6.0f}{looks:>8.0f}"
        )
        if name in REACTING:
            judged = [run.judged(truth) for run in all]
            took = [after for each in judged for _, _, after in each.reactions()]
            delays = [after for after in took if after is not None]
            missed = len(took) - len(delays)
            false = sum(len(each.false_actions()) for each in judged)
            median, worst = (statistics.median(delays), max(delays)) if delays else (0, 0)
            row += f"{median:>8.2f}{worst:>8.2f}{missed:>8}{false:>7}"
        yield row
    for other in ("seed", "ungoverned"):
        if other in cpu and "ours" in cpu:
            yield (
                f"ours / {other}: 1/{cpu[other] / cpu['ours']:.0f}, without decoding "
                f"1/{(cpu[other] - decoding) / (cpu['ours'] - decoding):.0f}"
            )
    starts = [run.changes[0][0] - run.spawned for run in runs.get("ours", []) if run.changes]
    if "ours, owner" in cpu:
        yield f"ours, owner / ours: {cpu['ours, owner'] / cpu['ours']:.2f}"
    if starts:
        yield f"start to the first Play: {statistics.median(starts):.2f} s"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--video", type=Path)
    parser.add_argument("--truth", type=Path)
    parser.add_argument("--from", type=float, default=36, dest="begin", metavar="SECOND")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--detector-model", type=Path, help="YuNet, for ungoverned; else as ours")
    parser.add_argument("--identity-model", type=Path, help="of 'train identity'")
    parser.add_argument("--without", nargs="*", default=[], help="columns to leave out")
    parser.add_argument("--json", type=Path, default=Path("build/energy.json"))
    given = parser.parse_args()
    if (given.video is None) != (given.truth is None):
        parser.error("--video and --truth belong together")
    with tempfile.TemporaryDirectory() as folder:
        clip, room, truth = prepare(given, Path(folder))
        model = given.detector_model
        # So that there is something to do at once.
        status = Status.PAUSED if truth.state(0) == "on" else Status.PLAYING
        plan = {
            "ours": lambda: Run("ours", clip, model, status=status),
            "ours, saving": lambda: Run("ours, saving", clip, model, status=status),
            "ours, owner": lambda: Run("ours, owner", clip, model, status=status),
            "ungoverned": lambda: Run("ungoverned", clip, model, status=status),
            "seed": lambda: Run("seed", clip, model, status=status),
            "ours, still room": lambda: Run("ours", room, model),
            "ours, no player": lambda: Run("idle", clip, model, player=None),
            "decoding": lambda: Run("decoding", clip, model),
        }
        if given.identity_model is None:
            del plan["ours, owner"]
        else:
            enroll(clip, given.identity_model, folder)
        runs = {name: [] for name in plan if name not in given.without}
        for number in range(given.rounds):
            for name in runs:
                print(f"round {number + 1}: {name}", file=sys.stderr, flush=True)
                runs[name].append(plan[name]())
    given.json.parent.mkdir(parents=True, exist_ok=True)
    single = {
        name: [run.used | {"reactions": list(run.judged(truth).lines())} for run in all]
        for name, all in runs.items()
    }
    given.json.write_text(json.dumps(single, indent=1))
    print("\n".join(table(runs, truth)))


def enroll(clip, model, folder):
    """Make known whom the clip shows, to the programs that are started from now on."""
    os.environ["XDG_DATA_HOME"] = str(folder)
    options = RunOptions(source=str(clip), identity_model=model)
    enroll_from_camera("owner", options, lambda line: print(line, file=sys.stderr))


def prepare(given, folder):
    """The clip, the still room, and the truth of the clip."""
    video, truth = given.video, given.truth
    if video is None and (SHARED / "video/franck.mp4").exists():
        video, truth = SHARED / "video/franck.mp4", SHARED / "video/franck.json"
        given.detector_model = given.detector_model or SHARED / (
            "models/face_detection_yunet_2023mar.onnx"
        )
    if video is None:
        images, rate, told = demo_clip(folder)
    else:
        told = Truth.read(truth)
        images, rate = cut(video, given.begin, given.seconds)
        states = [(t - given.begin, state) for t, state in told.changes]
        inside = [(t, state) for t, state in states if 0 < t < given.seconds]
        told = Truth(((0.0, told.state(given.begin)), *inside))
    clip, room = folder / "clip.avi", folder / "room.avi"
    write_raw(images, clip, rate)
    size = images[0].shape[1::-1]
    write_raw(still_room(size, len(images) / rate, rate), room, rate)
    return clip, room, told


def demo_clip(folder):
    from facectrl_fast.demo import SCENES, write_clip

    states = {verdict: state for state, verdict in RIGHT.items()}
    video = folder / "demo.mp4"
    write_clip(video)
    at, changes = 0.0, []
    for scene in SCENES:
        changes.append((at, states[scene.shows]))
        at += scene.seconds
    return *cut(video, 0, at), Truth(tuple(changes))


if __name__ == "__main__":
    main()
