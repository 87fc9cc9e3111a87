"""The main job on an embedded default: a generated clip, the packaged model, a built-in player."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from facectrl_fast.build import build_watcher
from facectrl_fast.config import RunOptions
from facectrl_fast.dataset.headphones import HeadphoneStyle, draw_headphones
from facectrl_fast.decide.policy import Status
from facectrl_fast.desktop.bus import open_session_bus
from facectrl_fast.errors import UserError
from facectrl_fast.mainloop import MainLoop
from facectrl_fast.models import DEMO_PHOTO, PACKAGED_MODEL
from facectrl_fast.player.private_bus import PrivateBus
from facectrl_fast.types import UInt8Array, Verdict

RATE = 15
SIZE = (640, 480)
FACE = (183.0, 61.0, 82.0, 110.0)
"""The face in the photograph."""
STYLE = HeadphoneStyle(rise=16.0, half_width=8.2)
PLAYER = "demo"


@dataclass(frozen=True)
class Scene:
    """A stretch of the clip and what the player has to do in it."""

    seconds: float
    shows: Verdict
    words: str
    expected: Status


SCENES = (
    Scene(4, Verdict.HEADPHONES_ON, "headphones on", Status.PLAYING),
    Scene(4, Verdict.HEADPHONES_OFF, "headphones off", Status.PAUSED),
    Scene(4, Verdict.HEADPHONES_ON, "headphones on again", Status.PLAYING),
    Scene(5, Verdict.NO_FACE, "nobody there", Status.PAUSED),
    Scene(4, Verdict.HEADPHONES_ON, "back with headphones", Status.PLAYING),
)


def write_clip(path: Path) -> None:
    """Write the clip: a photograph that sways a little, headphones drawn on and off.

    Raises:
        UserError: the file cannot be written.
    """
    photo = np.asarray(cv2.imread(str(DEMO_PHOTO)), np.uint8)
    room = np.asarray(cv2.GaussianBlur(photo[:, ::-1], (0, 0), 40), np.uint8)
    pictures: dict[Verdict, UInt8Array] = {
        Verdict.HEADPHONES_ON: draw_headphones(photo, FACE, STYLE),
        Verdict.HEADPHONES_OFF: photo,
        Verdict.NO_FACE: room,
    }
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), RATE, SIZE)
    if not writer.isOpened():
        raise UserError(f"cannot write the clip {path}")
    rng = np.random.default_rng(0)
    number = 0
    for scene in SCENES:
        for _ in range(round(scene.seconds * RATE)):
            writer.write(_frame(pictures[scene.shows], number / RATE, rng))
            number += 1
    writer.release()


def _frame(picture: UInt8Array, time: float, rng: np.random.Generator) -> UInt8Array:
    """A webcam's view of a picture: swaying, with a camera's noise."""
    scale = 1.9
    sway_x, sway_y = 14 * np.sin(1.3 * time), 6 * np.sin(2.1 * time)
    x, y = FACE[0] + FACE[2] / 2, FACE[1] + FACE[3] / 2
    move = np.array(
        [
            [scale, 0, SIZE[0] / 2 - scale * x + sway_x],
            [0, scale, SIZE[1] * 0.45 - scale * y + sway_y],
        ]
    )
    frame = cv2.warpAffine(picture, move, SIZE, borderMode=cv2.BORDER_REPLICATE)
    noise = rng.normal(0, 2, (SIZE[1], SIZE[0], 1))
    return np.clip(frame + noise, 0, 255).astype(np.uint8)


def run_demo(keep: Path | None = None) -> int:
    """Run the main job on the clip and compare what the player did with what it had to do.

    Args:
        keep: write the clip there and leave it, else it is deleted.

    Returns:
        The exit status: 0 only if the player played and paused as the clip demands, 130 where a
        signal ended it before.
    """
    from facectrl_fast.player.builtin import BuiltinPlayer

    with tempfile.TemporaryDirectory() as folder, PrivateBus() as address:
        clip = keep or Path(folder) / "demo.mp4"
        write_clip(clip)
        loop = MainLoop()
        options = RunOptions(source=str(clip), player=(PLAYER,), model=PACKAGED_MODEL)
        watcher = build_watcher(loop, options, bus_address=address)
        seen: list[tuple[float, Status]] = []
        bus = open_session_bus(address)
        player = BuiltinPlayer(
            bus,
            PLAYER,
            Status.PLAYING,
            lambda status: seen.append((watcher.position or 0.0, status)),
        )
        print(
            f"A clip of {sum(s.seconds for s in SCENES):.0f} seconds; the player plays.", flush=True
        )
        try:
            watcher.run()
        finally:
            player.close()
            bus.close()
    return 130 if watcher.stopped_by else _summary(seen, watcher.analyses)


def _summary(seen: list[tuple[float, Status]], analyses: int) -> int:
    print(f"\n{'clip':>12}  {'what it shows':<22}{'the player has to':<20}and did")
    start, status, good = 0.0, Status.PLAYING, True
    for scene in SCENES:
        end = start + scene.seconds
        changes = [(at, to) for at, to in seen if start <= at < end]
        expected = [] if scene.expected is status else [scene.expected]
        right = [to for _, to in changes] == expected
        good = good and right
        did = ", ".join(f"{to.value.lower()} after {at - start:.1f} s" for at, to in changes)
        span = f"{start:.0f}-{end:.0f} s"
        print(
            f"{span:>12}  {scene.words:<22}{'be ' + scene.expected.value.lower():<20}"
            f"{did or 'stayed ' + status.value.lower()}{'' if right else '   <- wrong'}"
        )
        status = changes[-1][1] if changes else status
        start = end
    print(
        f"\n{analyses} frames analysed. "
        + ("All as it should be." if good else "NOT as it should be.")
    )
    return 0 if good else 1
