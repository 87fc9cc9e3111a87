"""The camera is left to programs that hold video calls, which are real processes here."""

import shutil
import subprocess
import time
from pathlib import Path

import pytest

from facectrl_fast.decide.policy import Status
from facectrl_fast.desktop.calls import CallWatch, running
from facectrl_fast.report import State
from facectrl_fast.types import Verdict
from tests.desk import Desk

ON, OFF, AWAY, _, _ = Verdict
PLAYING, PAUSED, _ = Status


@pytest.fixture
def conference(tmp_path):
    """Starts a program of that name."""
    started = []

    def start(name):
        path = tmp_path / name
        shutil.copy(shutil.which("sleep"), path)
        started.append(subprocess.Popen([path, "600"]))
        comm = Path(f"/proc/{started[-1].pid}/comm")
        limit = time.monotonic() + 20
        while comm.read_text().strip() != name[:15]:
            assert time.monotonic() < limit
            time.sleep(0.01)
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


@pytest.mark.parametrize("name", ["zoom", "a-name-longer-than-the-kernel-keeps"])
def test_a_program_is_found_by_its_name(conference, name):
    assert not running([name])
    conference(name)
    # While others end, a listing of /proc may miss one.
    assert any(running(["other", name]) for _ in range(20))
    assert not running(["other"])


def test_processes_that_end_meanwhile_are_no_error(tmp_path):
    (tmp_path / "4711").mkdir()
    (tmp_path / "self").mkdir()
    assert not running(["zoom"], tmp_path)


@pytest.fixture
def desk(loop, bus_address):
    def companions(watcher):
        return [CallWatch(loop, watcher, ["zoom"], Path("/proc"), 0.1, 0.3)]

    return Desk(loop, bus_address, companions)


def test_it_keeps_off_while_a_call_may_be_held(desk, builtin, conference):
    builtin("a", PLAYING)

    def story():
        yield desk.shows(ON)
        zoom = conference("zoom")
        yield lambda: desk.watcher.report.state is State.YIELDING
        assert not desk.camera.is_open
        yield 0.5
        assert desk.camera.opened == 1
        zoom.kill()
        zoom.wait()
        yield 0.15
        assert not desk.camera.is_open, "not at once: the camera's light is not to blink"
        again = conference("zoom")
        yield 0.4
        again.kill()
        again.wait()
        yield lambda: desk.camera.is_open
        assert desk.camera.opened == 2

    desk.play(story())
    assert desk.asked == []


def test_a_call_that_is_there_before_it_keeps_it_off_from_the_start(desk, builtin, conference):
    conference("zoom")
    builtin("a", PLAYING)

    def story():
        yield lambda: desk.watcher.report.state is State.YIELDING
        yield desk.status("a", PLAYING)
        yield 0.2
        assert desk.camera.opened == 0

    desk.play(story())


def test_a_call_that_began_while_no_player_was_there(desk, builtin, conference):
    """The camera's light must not even flash."""

    def story():
        yield 0.2
        conference("zoom")
        builtin("a", PLAYING)
        yield lambda: desk.watcher.report.state is State.YIELDING
        yield 0.2
        assert desk.camera.opened == 0

    desk.play(story())


def test_what_others_are_told_stays_in_order(loop, bus_address, builtin, conference):
    class Listener:
        def __init__(self):
            self.heard = []

        def reported(self, report):
            self.heard.append(report.state)

        def close(self):
            pass

    listener = Listener()

    def companions(watcher):
        return [CallWatch(loop, watcher, ["zoom"], Path("/proc"), 0.1, 0.3), listener]

    desk = Desk(loop, bus_address, companions)
    conference("zoom")
    builtin("a", PLAYING)

    def story():
        yield lambda: desk.watcher.report.state is State.YIELDING
        yield 0.1

    desk.play(story())
    assert listener.heard[-1] is State.YIELDING


def test_it_looks_at_nothing_while_no_player_is_there(desk, monkeypatch):
    looks = []
    monkeypatch.setattr("facectrl_fast.desktop.calls.running", lambda *_: bool(looks.append(1)))

    def story():
        yield 0.2
        before = len(looks)
        yield 0.5
        assert len(looks) == before

    desk.play(story())
