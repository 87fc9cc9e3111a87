"""The program on the bus: asked what it does, held, released, ended; there is one of it."""

import contextlib
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from facectrl_fast import status as status_command
from facectrl_fast.cli import main
from facectrl_fast.decide.policy import Status
from facectrl_fast.desktop.control import Control
from facectrl_fast.desktop.remote import BUS_NAME, INTERFACE, PATH, NoAnswerError, Remote
from facectrl_fast.errors import UserError
from facectrl_fast.report import State
from facectrl_fast.types import Command, Verdict
from tests.desk import Desk

ON, OFF, AWAY, _, _ = Verdict
PLAYING, PAUSED, _ = Status
PLAY, PAUSE = Command.PLAY, Command.PAUSE
PROGRAM = [sys.executable, "-m", "facectrl_fast"]


@pytest.fixture
def desk(loop, bus_address):
    def companions(watcher):
        return [Control(made.bus, watcher, lambda: made.reloaded.append(1))]

    made = Desk(loop, bus_address, companions)
    made.reloaded = []
    return made


@pytest.fixture
def ask():
    """The command line in a process of its own, since the desk's loop has to answer it."""
    started = []

    def start(*arguments):
        command = [*PROGRAM, *arguments]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        started.append(subprocess.Popen(command, text=True, **pipes))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def answered(process):
    return lambda: process.poll() is not None


def test_it_tells_what_it_does(ask, desk, builtin):
    builtin("a", PLAYING)

    def story():
        yield desk.shows(OFF)
        yield desk.status("a", PAUSED)
        asked = ask("status", "--json")
        yield answered(asked)
        told = json.loads(asked.communicate()[0])
        assert told["State"] == "watching"
        assert told["Verdict"] == "headphones off"
        assert told["CameraOpen"] is True
        assert told["HeldUntil"] == 0
        assert told["Players"] == {"a": "Paused"}
        assert told["LastAction"] == "pausing a: headphones off"
        assert told["AnalysesPerSecond"] > 0
        assert abs(told["Since"] - time.time()) < 60
        asked = ask("status")
        yield answered(asked)
        words = asked.communicate()[0]
        begins = r"watching\nheadphones off, for \d s\nplayers: a \(paused\)\ncamera: on"
        assert re.match(begins, words), words
        assert asked.returncode == 0

    desk.play(story())


def test_held_it_looks_away_and_touches_nothing(ask, desk, builtin):
    player = builtin("a", PLAYING)

    def story():
        yield desk.shows(ON)
        asked = ask("hold", "1h30m")
        yield answered(asked)
        assert asked.stdout.read().startswith("held until ")
        assert not desk.camera.is_open
        report = desk.watcher.report
        assert report.state is State.HELD
        assert report.held_until == pytest.approx(time.time() + 5400, abs=60)
        desk.shows(OFF)
        yield 0.2
        assert player.status is PLAYING
        player.become(PAUSED)
        yield desk.status("a", PAUSED)
        asked = ask("release")
        yield answered(asked)
        assert asked.communicate() == ("", "")
        yield desk.shows(ON)

    desk.play(story())
    assert desk.asked == [], "what the user paused meanwhile stays paused"


def test_a_hold_ends_by_itself(desk, builtin):
    builtin("a", PLAYING)

    def story():
        yield desk.shows(ON)
        desk.watcher.hold(0.2)
        assert not desk.camera.is_open
        yield lambda: desk.watcher.report.state is State.WATCHING
        assert desk.watcher.report.held_until == 0
        yield desk.shows(OFF)

    desk.play(story())
    assert desk.asked == [PAUSE]


def test_any_program_may_hold_it_as_the_documentation_says(desk, builtin):
    builtin("a", PLAYING)
    text = (Path(__file__).parents[2] / "docs/desktop.md").read_text()
    command = re.search(r"^    (busctl .*?[^\\])$", text, re.MULTILINE | re.DOTALL)[1]

    def story():
        yield desk.shows(ON)
        asked = subprocess.Popen(shlex.split(command.replace("\\\n", "")), stdout=subprocess.PIPE)
        yield lambda: asked.poll() is not None
        assert asked.communicate()[0].startswith(b"d ")
        assert asked.returncode == 0
        assert desk.watcher.report.state is State.HELD
        desk.watcher.release()

    desk.play(story())


def test_a_player_that_comes_while_it_is_held_switches_no_camera_on(desk, builtin):
    def story():
        desk.watcher.hold(60)
        builtin("a", PLAYING)
        yield desk.status("a", PLAYING)
        yield 0.1
        assert desk.camera.opened == 0
        desk.watcher.release()
        yield lambda: desk.camera.is_open

    desk.play(story())


@pytest.mark.parametrize("seconds", [0.0, -5.0, 1e9, float("nan")])
def test_impossible_times_are_refused(desk, bus_address, loop, connect, seconds):
    asked = connect()
    replies = []

    def story():
        asked.call_async(
            BUS_NAME, PATH, INTERFACE, "Hold", "d", (seconds,), replies.append, replies.append
        )
        yield lambda: replies != []
        assert "30 days at most" in str(replies[0])
        assert desk.watcher.report.state is State.WAITING

    desk.play(story())


def test_it_can_be_ended(ask, desk):
    def story():
        asked.append(ask("quit"))
        yield answered(asked[0])
        yield 15
        pytest.fail("it goes on")

    asked = []
    desk.play(story())
    assert asked[0].wait(20) == 0


def test_it_reads_the_model_again_when_told(desk, bus_address):
    def story():
        code = "from facectrl_fast.desktop.remote import reload_running; reload_running()"
        process = subprocess.Popen([sys.executable, "-c", code])
        yield lambda: process.poll() is not None
        assert process.returncode == 0
        assert desk.reloaded == [1]

    desk.play(story())


AWAY_FROM_IT = """
from facectrl_fast.desktop.remote import looking_away
with looking_away("auto"):
    print("ours", flush=True)
    input()
"""


@pytest.mark.parametrize("held", [False, True])
def test_others_of_us_get_the_camera(desk, builtin, held):
    """As calibrate does it; a hold of the user's stays."""
    builtin("a", PLAYING)
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}

    def story():
        yield lambda: desk.camera.is_open
        if held:
            desk.watcher.hold(60)
        with subprocess.Popen([sys.executable, "-c", AWAY_FROM_IT], text=True, **pipes) as other:
            os.set_blocking(other.stdout.fileno(), False)
            yield lambda: other.stdout.readline() == "ours\n"
            assert not desk.camera.is_open
            other.stdin.write("\n")
            other.stdin.close()
            yield lambda: other.poll() is not None
        yield 0.1
        assert desk.camera.is_open is not held

    desk.play(story())


def test_changes_are_signalled_and_frames_are_not(desk, builtin, connect):
    heard = []
    connect().add_signal_receiver(
        lambda interface, changed, _: heard.append({str(k): v for k, v in changed.items()}),
        "PropertiesChanged",
        "org.freedesktop.DBus.Properties",
        path=PATH,
    )
    builtin("a", PLAYING)

    def story():
        yield desk.shows(ON)
        yield 0.3
        before = len(heard)
        yield 0.3
        assert len(heard) == before, "many frames, no change"
        yield desk.shows(OFF)
        yield lambda: any("LastAction" in each for each in heard)

    desk.play(story())
    assert {"State", "Verdict", "CameraOpen", "Players"} <= set().union(*heard)


def test_watching_the_status_prints_a_line_a_change(ask, desk, builtin):
    builtin("a", PLAYING)
    asked = ask("status", "--watch", "--json")
    os.set_blocking(asked.stdout.fileno(), False)
    told = []

    def tells(verdict):
        def look():
            told.extend(json.loads(line) for line in iter(asked.stdout.readline, ""))
            return any(each.get("Verdict") == verdict for each in told)

        return look

    def story():
        yield desk.shows(ON)
        yield tells("headphones on")
        yield desk.shows(OFF)
        yield tells("headphones off")
        assert told[-1]["text"] == "headphones off"
        assert told[-1]["class"] == "watching"
        assert "headphones off, since " in told[-1]["tooltip"], "true also in an hour"

    desk.play(story())
    asked.terminate()
    assert asked.wait(20) == 0


def test_watching_the_status_goes_on_where_an_answer_does_not_come(capsys, monkeypatch):
    answers = [NoAnswerError("it does not answer: not within 5 s"), {"State": "waiting"}]

    class Slow:
        def status(self):
            answer = answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            rest = {"Verdict": "", "HeldUntil": 0.0, "Players": {}, "CameraOpen": False}
            return answer | rest | {"LastAction": "", "Since": 0.0}

        def follow(self, loop, changed):
            loop.call_later(0, changed)
            loop.call_later(0.5, loop.quit)

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

    monkeypatch.setattr(status_command, "Remote", Slow)
    monkeypatch.setattr(status_command, "ASK_AGAIN", 0.05)
    assert status_command.follow_status(as_json=True) == 0
    told = [json.loads(line)["text"] for line in capsys.readouterr().out.splitlines()]
    assert told == ["silent", "waiting"]


def test_on_a_terminal_it_is_a_view_that_stays_in_place(desk, builtin):
    builtin("a", PLAYING)
    terminal, end = os.openpty()
    os.set_blocking(terminal, False)
    command = [*PROGRAM, "status", "--watch"]
    process = subprocess.Popen(command, stdout=end, env={**os.environ, "TERM": "xterm"})
    shown = bytearray()

    def shows(words):
        def look():
            with contextlib.suppress(BlockingIOError):
                shown.extend(os.read(terminal, 65536))
            return words in shown.decode(errors="replace")

        return look

    def story():
        yield desk.shows(ON)
        yield shows("headphones on, for ")
        yield desk.shows(OFF)
        yield shows("last: pausing a: headphones off")
        desk.watcher.hold(3600)
        yield shows("held until ")
        process.send_signal(signal.SIGINT)
        yield lambda: process.poll() is not None

    desk.play(story())
    os.close(end)
    os.close(terminal)
    assert process.returncode == 0
    assert "\x1b[" in shown.decode(errors="replace"), "the cursor moves"


def test_there_is_one_of_it(ask, desk, make_video):
    def story():
        second = ask("run", "--source", str(make_video()))
        yield answered(second)
        assert second.returncode == 1
        words = second.communicate()[1]
        assert f"it is running already (process {os.getpid()})" in words
        assert len(words.splitlines()) == 1
        rehearsal = ask("run", "--dry-run", "--no-realtime", "--source", str(make_video()))
        yield answered(rehearsal)
        assert rehearsal.returncode == 0, "that touches nothing"
        rehearsal.communicate()

    desk.play(story())


@pytest.mark.parametrize("arguments", [["hold", "1h"], ["release"], ["quit"]])
def test_nobody_there_is_said_in_one_line(ask, arguments, bus_address):
    asked = ask(*arguments)
    _, words = asked.communicate()
    assert asked.returncode == 1
    assert words.startswith("facectrl-fast: it does not run; start it with")
    assert len(words.splitlines()) == 1


def test_the_status_of_nobody(ask, bus_address):
    asked = ask("status")
    assert asked.communicate()[0].startswith("not running")
    assert asked.returncode == 1
    asked = ask("status", "--json")
    assert json.loads(asked.communicate()[0])["State"] == "stopped"


@pytest.mark.parametrize("time", ["", "1", "h", "1x", "-1h", "0s", "31d", "1h 30m", "1e3s"])
def test_what_is_no_time_is_refused(time, capsys):
    assert main(["hold", time] if time else ["hold"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_without_a_bus(no_bus):
    with pytest.raises(UserError, match="no session bus"):
        Remote()
