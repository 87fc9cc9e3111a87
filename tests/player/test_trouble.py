"""Buses that go and come back, players that hang, lie and die in the middle of it."""

import os
import shutil
import signal
import subprocess
import time

import dbus
import pytest

from facectrl_fast.decide.policy import Status
from facectrl_fast.desktop.bus import PROPERTIES_INTERFACE, open_session_bus
from facectrl_fast.desktop.control import Control
from facectrl_fast.desktop.remote import BUS_NAME
from facectrl_fast.player.builtin import BuiltinPlayer
from facectrl_fast.player.mpris import PLAYER_INTERFACE
from facectrl_fast.report import State
from facectrl_fast.types import Command, Verdict
from tests.desk import Desk

ON, OFF, AWAY, _, _ = Verdict
PLAYING, PAUSED, STOPPED = Status
PLAY, PAUSE = Command.PLAY, Command.PAUSE


class BusAtAPlace:
    """A message bus that can be ended and started anew at the same address."""

    def __init__(self, folder):
        self.address = f"unix:path={folder}/bus"
        self._process = None
        self.start()

    def start(self):
        command = [shutil.which("dbus-daemon"), "--session", "--nofork", "--nopidfile"]
        command += [f"--address={self.address}", "--print-address=1"]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert self._process.stdout.readline()

    def end(self):
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()


@pytest.fixture
def bus(tmp_path):
    made = BusAtAPlace(tmp_path)
    yield made
    made.end()


@pytest.fixture
def at_once(monkeypatch):
    monkeypatch.setattr("facectrl_fast.desktop.bus.RECONNECT", (0.05,))


def test_a_bus_that_goes_and_comes_back(loop, bus, at_once, caplog):
    def companions(watcher):
        return [Control(desk.bus, watcher, lambda: None)]

    desk = Desk(loop, bus.address, companions)
    connections = []

    def player(status):
        connections.append(open_session_bus(bus.address))
        return BuiltinPlayer(connections[-1], "a", status)

    def story():
        player(PLAYING)
        yield desk.shows(ON)
        assert desk.camera.is_open
        bus.end()
        yield lambda: desk.watcher.report.state is State.WAITING
        assert not desk.camera.is_open
        yield 0.2
        bus.start()
        back = player(PLAYING)
        yield lambda: desk.camera.is_open
        assert connections[-1].name_has_owner(BUS_NAME), "and the program is on it again"
        yield desk.shows(OFF)
        assert back.status is PAUSED

    desk.play(story())
    for connection in connections:
        connection.close()
    assert desk.asked == [PAUSE]
    assert caplog.text.count("the session bus has gone") == 1


def test_a_bus_that_goes_in_the_middle_of_a_call(loop, bus, at_once):
    desk = Desk(loop, bus.address)
    connection = open_session_bus(bus.address)
    BuiltinPlayer(connection, "a", PLAYING)

    def story():
        yield desk.status("a", PLAYING)
        desk.says.verdict = OFF
        yield lambda: desk.asked == [PAUSE]
        bus.end()
        yield lambda: desk.watcher.report.state is State.WAITING
        assert not desk.watcher._unsettled

    desk.play(story())
    connection.close()


def test_a_player_that_hangs_holds_nothing_up(loop, bus_address, mpv, builtin):
    """mpv is stopped by a signal; the loop, the camera and another player go on."""
    process = mpv()
    other = builtin("a", PLAYING)
    desk = Desk(loop, bus_address)

    def story():
        yield desk.status("mpv", PLAYING)
        os.kill(process.pid, signal.SIGSTOP)
        begin, looks = time.monotonic(), desk.watcher.analyses
        desk.says.verdict = OFF
        yield lambda: other.status is PAUSED
        assert time.monotonic() - begin < 1.5
        yield 0.3
        assert desk.watcher.analyses > looks + 10
        yield desk.shows(OFF)
        assert time.monotonic() - begin < 4, "the timeout of one call, and no more"
        os.kill(process.pid, signal.SIGCONT)
        yield desk.shows(ON)

    desk.play(story())


def test_a_player_that_dies_in_the_middle_of_a_call(loop, bus_address, mpv):
    process = mpv()
    desk = Desk(loop, bus_address)

    def story():
        yield desk.status("mpv", PLAYING)
        os.kill(process.pid, signal.SIGSTOP)
        desk.says.verdict = OFF
        yield lambda: desk.asked == [PAUSE]
        process.kill()
        yield lambda: desk.watcher.report.state is State.WAITING
        assert not desk.watcher._unsettled

    desk.play(story())


class Toggling(BuiltinPlayer):
    """Its Pause is PlayPause, and what it says of itself lags behind."""

    def __init__(self, bus, name, says, does):
        super().__init__(bus, name, does)
        self.says = says
        self.calls = 0

    @dbus.service.method(PLAYER_INTERFACE)
    def Pause(self):  # noqa: N802
        self.calls += 1
        self.status = PAUSED if self.status is PLAYING else PLAYING
        self.says = self.status

    def GetAll(self, interface):  # noqa: N802
        return {**super().GetAll(interface), "PlaybackStatus": self.says.value}


def test_a_player_whose_pause_toggles_ends_up_paused(loop, bus_address, connect):
    """It said that it played, and did not: pausing started it, and is seen and done again."""
    player = Toggling(connect(), "a", says=PLAYING, does=PAUSED)
    desk = Desk(loop, bus_address)

    def story():
        yield desk.status("a", PLAYING)
        yield desk.shows(OFF)
        assert player.status is PAUSED
        assert player.calls == 2

    desk.play(story())


class Deaf(BuiltinPlayer):
    """Says that it can be controlled, and does nothing."""

    asked = 0

    @dbus.service.method(PLAYER_INTERFACE)
    def Pause(self):  # noqa: N802
        self.asked += 1


def test_a_player_that_does_nothing_is_asked_twice_and_left_alone(
    loop, bus_address, connect, caplog
):
    player = Deaf(connect(), "a", PLAYING)
    desk = Desk(loop, bus_address)

    def story():
        yield desk.shows(OFF)
        yield 0.3

    desk.play(story())
    assert player.asked == 2
    assert caplog.text.count("was asked to pause 2 times and is still playing; left alone") == 1


class Modest(BuiltinPlayer):
    """Says that nobody may control it, and that it can pause."""

    def GetAll(self, interface):  # noqa: N802
        return {**super().GetAll(interface), "CanControl": False}


def test_a_player_that_says_wrongly_that_it_cannot_be_controlled(loop, bus_address, connect):
    player = Modest(connect(), "a", PLAYING)
    desk = Desk(loop, bus_address)

    def story():
        yield desk.shows(OFF)
        assert player.status is PAUSED

    desk.play(story())


class Talking(BuiltinPlayer):
    """Sends what makes no sense, when told to."""

    answer = None

    @dbus.service.method(PROPERTIES_INTERFACE, "s", "v")
    def GetAll(self, interface):  # noqa: N802
        return super().GetAll(interface) if self.answer is None else self.answer

    @dbus.service.signal("org.freedesktop.DBus.Properties", "s")
    def PropertiesChanged(self, interface, *_):  # noqa: N802
        pass


@pytest.mark.parametrize("answer", ["nothing", dbus.Array([1], signature="i"), dbus.UInt32(3)])
def test_a_player_that_talks_nonsense_is_wrong_about_itself_alone(
    loop, bus_address, connect, builtin, caplog, answer
):
    odd = Talking(connect(), "odd", PLAYING)
    odd.answer = answer
    other = builtin("a", PLAYING)
    desk = Desk(loop, bus_address)

    def story():
        yield desk.status("a", PLAYING)
        odd.PropertiesChanged(PLAYER_INTERFACE)
        yield desk.shows(OFF)
        assert other.status is PAUSED
        odd.PropertiesChanged(PLAYER_INTERFACE)
        yield desk.shows(ON)
        assert other.status is PLAYING

    desk.play(story())
    assert caplog.text.count("odd does not answer: its answer makes no sense") == 1


class Hesitant(BuiltinPlayer):
    """Pauses when it is told to: a while after it was asked."""

    asked = False

    @dbus.service.method(PLAYER_INTERFACE)
    def Pause(self):  # noqa: N802
        self.asked = True


def test_a_pause_that_comes_when_we_look_away_already_is_ours(loop, bus_address, connect):
    player = Hesitant(connect(), "a", PLAYING)
    desk = Desk(loop, bus_address)

    def story():
        yield desk.shows(ON)
        desk.says.verdict = OFF
        yield lambda: player.asked
        desk.watcher.suspend(State.LOCKED)
        player.become(PAUSED)
        yield desk.status("a", PAUSED)
        desk.watcher.resume(State.LOCKED)
        yield desk.shows(ON)
        assert player.status is PLAYING

    desk.play(story())
