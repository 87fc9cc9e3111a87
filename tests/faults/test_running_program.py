"""The running program when what it depends on fails: each time it goes on, or ends as it should.

A real mpv on a bus of its own, a camera that shows the demo's clip four times as fast.
"""

import os
import random
import resource
import shutil
import signal
import time
from pathlib import Path

import pytest

from facectrl_fast.demo import write_clip
from facectrl_fast.models import PACKAGED_DETECTOR, PACKAGED_MODEL
from tests.soak.camera import BUSY, CORRUPT, GONE, PLUGS, STALLED, WORKS, clip_time
from tests.soak.desktop import Desktop
from tests.soak.truth import DEMO

pytestmark = [pytest.mark.faults, pytest.mark.timeout(120)]

SPEED = 4.0
STEP = 0.03
CALM = 1.0
"""Seconds that the end of a fault may take."""


@pytest.fixture(scope="session")
def clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("clip") / "demo.mp4"
    write_clip(path)
    return path


@pytest.fixture
def desktop(tmp_path, clip):
    made = []

    def make(*options, state=WORKS, **more):
        folder = tmp_path / "desktop"
        folder.mkdir()
        made.append(Desktop(folder, clip, SPEED, options=tuple(map(str, options)), **more))
        made[-1].control[0] = state
        return made[-1]

    yield make
    for each in made:
        each.close()


def wait(met, seconds=30.0, what="in vain"):
    limit = time.monotonic() + seconds
    while not met():
        assert time.monotonic() < limit, what() if callable(what) else what
        time.sleep(STEP)


def said(desktop, words, times=1):
    return desktop.log.read_text().count(words) >= times


def told(desktop):
    return desktop.log.read_text()


def stretch():
    return DEMO.stretch(clip_time(SPEED))


def follows(desktop, changes=3):
    """Whether the player does as the recording wants it, over so many of its changes."""
    first = stretch()[0]
    right = []
    while len(right) < changes:
        number, state, end = stretch()
        wait(lambda end=end: end / SPEED - time.monotonic() < 4 * STEP, 10)
        # What had begun when this began is not counted.
        playing = desktop.playing()
        if number > first and playing is not None:
            right.append(playing == (state == "on"))
        wait(lambda number=number: stretch()[0] != number, 10)
    return all(right)


def works(desktop):
    """It watches, and the player follows."""
    wait(lambda: said(desktop, "watching"), what=lambda: told(desktop))
    wait(desktop.camera_shows, what=lambda: told(desktop))
    time.sleep(CALM)
    # Twice more, where the machine has something else to do for a moment.
    wait(lambda: follows(desktop), 30, lambda: told(desktop))


def is_calm(desktop, *expected):
    """It said what was expected, once each, and nothing that only programmers understand."""
    text = told(desktop)
    assert "Traceback" not in text
    for words in expected:
        assert text.count(words) == 1, text


def plays(desktop):
    """Whether the player plays, once it tells."""
    answers = []
    wait(lambda: answers.append(desktop.playing()) or answers[-1] is not None, 5)
    return answers[-1]


def ends_well(desktop, number=signal.SIGTERM):
    """The status that it ends with; the player stays as it was left."""
    program = desktop.processes["program"]
    program.send_signal(number)
    status = program.wait(10)
    left = plays(desktop)
    time.sleep(0.3)
    assert plays(desktop) == left
    assert "Traceback" not in told(desktop), told(desktop)
    return status


def limit(desktop, what, value):
    """Change a limit of the program while it runs; returns what it was."""
    return resource.prlimit(desktop.processes["program"].pid, what, value)


def mapped(desktop):
    """Bytes of address space."""
    statm = Path(f"/proc/{desktop.processes['program'].pid}/statm").read_text()
    return int(statm.split()[0]) * os.sysconf("SC_PAGE_SIZE")


def replug(desktop):
    desktop.control[0] = WORKS
    (desktop.folder / PLUGS / "video0").unlink(missing_ok=True)
    (desktop.folder / PLUGS / "video0").touch()


def test_a_camera_that_is_not_there_at_the_start_is_waited_for(desktop):
    running = desktop(state=GONE)
    wait(lambda: said(running, "is not there"), what=lambda: told(running))
    replug(running)
    works(running)
    is_calm(running, "is not there")


def test_a_camera_that_is_unplugged_comes_back(desktop):
    running = desktop()
    works(running)
    running.control[0] = GONE
    wait(lambda: said(running, "was unplugged"))
    replug(running)
    wait(running.camera_shows)
    works(running)
    is_calm(running, "was unplugged")


def test_a_camera_that_somebody_else_takes_is_waited_for(desktop):
    running = desktop(state=BUSY)
    wait(lambda: said(running, "is used by another program"), what=lambda: told(running))
    replug(running)
    works(running)
    is_calm(running, "is used by another program")


@pytest.mark.parametrize("trouble", [STALLED, CORRUPT], ids=["stalls", "gives noise"])
def test_a_camera_that_shows_nothing_for_a_while(desktop, trouble):
    running = desktop()
    works(running)
    running.control[0] = trouble
    time.sleep(3)
    running.control[0] = WORKS
    works(running)
    is_calm(running)
    assert ends_well(running) == 0


def test_a_model_that_is_overwritten_is_none_of_its_business_until_it_is_told(desktop, tmp_path):
    model = tmp_path / "model.onnx"
    shutil.copyfile(PACKAGED_MODEL, model)
    running = desktop("--model", model)
    works(running)
    whole = model.read_bytes()
    model.write_bytes(whole[: len(whole) // 2])
    works(running)
    with running.remote() as remote:
        remote.reload()
    wait(lambda: said(running, "going on with the model as it was"), what=lambda: told(running))
    works(running)
    model.write_bytes(whole)
    with running.remote() as remote:
        remote.reload()
    wait(lambda: said(running, "the model was read again"))
    works(running)
    is_calm(running, "going on with the model as it was", "the model was read again")


@pytest.mark.parametrize("content", ["half", "another task's", "nothing"])
def test_a_model_that_is_none_ends_it_in_a_line(desktop, tmp_path, content):
    whole = PACKAGED_MODEL.read_bytes()
    model = tmp_path / "model.onnx"
    model.write_bytes(
        {
            "half": whole[: len(whole) // 2],
            "another task's": PACKAGED_DETECTOR.read_bytes(),
            "nothing": b"",
        }[content]
    )
    running = desktop("--model", model)
    assert running.processes["program"].wait(20) == 1
    lines = told(running).splitlines()
    assert len(lines) == 1
    assert str(model) in lines[0]
    assert plays(running), "the player is left alone"


def test_without_descriptors_the_camera_is_tried_again(desktop):
    running = desktop()
    works(running)
    running.control[0] = GONE
    wait(lambda: said(running, "was unplugged"))
    count = running.used()[1]
    before = limit(running, resource.RLIMIT_NOFILE, (count, before_hard(running)))
    replug(running)
    time.sleep(2.5)
    assert not running.camera_shows(), "there were descriptors left"
    limit(running, resource.RLIMIT_NOFILE, before)
    wait(running.camera_shows, 40, lambda: told(running))
    works(running)
    is_calm(running)


def before_hard(desktop):
    pid = desktop.processes["program"].pid
    return resource.prlimit(pid, resource.RLIMIT_NOFILE)[1]


def test_without_memory_it_waits_for_some(desktop):
    running = desktop(state=GONE)
    wait(lambda: said(running, "is not there"), what=lambda: told(running))
    enough = mapped(running) + (1 << 20)
    before = limit(running, resource.RLIMIT_AS, (enough, resource.RLIM_INFINITY))
    replug(running)
    time.sleep(2.5)
    assert not running.camera_shows(), "there was memory left"
    limit(running, resource.RLIMIT_AS, before)
    wait(running.camera_shows, 40, lambda: told(running))
    works(running)
    is_calm(running)


def test_a_log_that_is_full_stops_nothing(desktop):
    running = desktop(log=Path("/dev/full"))
    wait(running.camera_shows)
    time.sleep(2 * CALM)
    wait(lambda: follows(running), 30)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signals_at_random_moments_end_it_and_leave_the_player_alone(desktop, number):
    running = desktop()
    rng = random.Random(int(number))
    for _ in range(4):
        wait(lambda: said(running, "mpv is there"))
        time.sleep(rng.uniform(0, 1.5))
        assert ends_well(running, number) == 0
        running.log.write_text("")
        running.start_program()
    works(running)


def test_stopped_and_continued_it_goes_on(desktop):
    running = desktop()
    works(running)
    program = running.processes["program"]
    rng = random.Random(0)
    for _ in range(3):
        program.send_signal(signal.SIGSTOP)
        time.sleep(rng.uniform(0.2, 2))
        program.send_signal(signal.SIGCONT)
        time.sleep(rng.uniform(0, 0.5))
    works(running)
    is_calm(running)
    assert ends_well(running) == 0


def test_a_clock_that_jumps_changes_nothing(desktop, tmp_path):
    library = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
    assert library, "faketime is not installed: make faults installs it"
    clock = tmp_path / "clock"
    clock.write_text("+0")
    running = desktop(
        environment={
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(clock),
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_NO_CACHE": "1",
        }
    )
    works(running)
    for jump in ("+3d", "-400d", "+0"):
        clock.write_text(jump)
        time.sleep(0.3)
        works(running)
    with running.remote() as remote:
        remote.hold(3)
    wait(lambda: said(running, "held until"))
    clock.write_text("-2h")
    wait(lambda: said(running, "going on"), 10, "the hold lasts as long as it was to")
    works(running)
    is_calm(running)


def test_a_player_that_is_killed_again_and_again_is_followed_again(desktop):
    running = desktop()
    works(running)
    for _ in range(3):
        running.end("player")
        wait(lambda: not running.camera_shows(), what="the camera is off without a player")
        running.start_player()
        wait(running.camera_shows)
    works(running)
    is_calm(running)


def test_a_bus_that_goes_takes_nothing_along(desktop):
    running = desktop()
    works(running)
    running.end("bus")
    running.forget_connection()
    wait(lambda: said(running, "the session bus has gone"))
    running.end("player")
    wait(lambda: not running.camera_shows(), what="the camera is off without a player")
    running.start_bus()
    running.start_player()
    wait(running.camera_shows, 40)
    works(running)
    is_calm(running, "the session bus has gone")


def test_it_may_be_killed_and_started_anew(desktop):
    running = desktop()
    works(running)
    for _ in range(2):
        running.end("program")
        running.start_program()
        works(running)
