"""The user's hand on a real mpv, by playerctl: what they do wins."""

import shutil
import subprocess

import pytest

from facectrl_fast.decide.policy import Status
from facectrl_fast.types import Verdict
from tests.decide.test_policy import ROWS
from tests.desk import Desk

PLAYING, PAUSED, STOPPED = Status
ASKS = {PLAYING: "play", PAUSED: "pause", STOPPED: "stop"}


def by_hand(status):
    assert shutil.which("playerctl"), "playerctl is not installed: make test installs it"
    subprocess.run(["playerctl", "--player=mpv", ASKS[status]], check=True, timeout=20)


# mpv forgets what it played when it is stopped: such rows need another player.
POSSIBLE = {name: row for name, row in ROWS.items() if row[0] != "stopped"}


@pytest.mark.parametrize(("at_start", "steps", "asked"), POSSIBLE.values(), ids=POSSIBLE.keys())
def test_each_row_of_the_policy(loop, bus_address, mpv, at_start, steps, asked):
    mpv(*(["--pause"] if at_start == "paused" else []))
    desk = Desk(loop, bus_address)

    def story():
        yield desk.status("mpv", Status(at_start.capitalize()))
        for step in steps:
            if isinstance(step, Verdict):
                yield desk.shows(step)
            else:
                by_hand(step)
                yield desk.status("mpv", step)

    desk.play(story())
    assert desk.asked == asked
