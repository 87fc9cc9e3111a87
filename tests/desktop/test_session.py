"""Sleep, lock and switched users: python-dbusmock's logind on a private bus."""

import os
import subprocess
import time

import dbus
import pytest

from facectrl_fast.decide.policy import Status
from facectrl_fast.desktop.bus import open_session_bus
from facectrl_fast.desktop.session import SERVICE, SessionWatch
from facectrl_fast.player.builtin import BuiltinPlayer
from facectrl_fast.player.mpris import PLAYER_INTERFACE
from facectrl_fast.player.private_bus import PrivateBus
from facectrl_fast.report import State
from facectrl_fast.types import Command, Verdict
from tests.desk import Desk

ON, OFF, AWAY, _, _ = Verdict
PLAYING, PAUSED, STOPPED = Status
PLAY, PAUSE = Command.PLAY, Command.PAUSE
MANAGER = ("/org/freedesktop/login1", "org.freedesktop.login1.Manager")
SESSION = ("/org/freedesktop/login1/session/c1", "org.freedesktop.login1.Session")
MOCK = "org.freedesktop.DBus.Mock"
AT_ONCE = 2.0
"""Seconds after a signal in which the camera must be off."""


class Logind:
    """The template, with one session of this user."""

    def __init__(self, address):
        # The package of the system, since its templates need PyGObject.
        command = ["/usr/bin/python3", "-m", "dbusmock", "--system", "--template", "logind"]
        env = {**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": address}
        self.process = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL)
        self.bus = open_session_bus(address)
        limit = time.monotonic() + 20
        while not self.bus.name_has_owner(SERVICE):
            assert self.process.poll() is None, "python3-dbusmock is missing: make test installs it"
            assert time.monotonic() < limit
            time.sleep(0.02)
        self._call(MANAGER[0], MOCK, "AddSession", "c1", "seat0", os.getuid(), "user", True)

    def _call(self, path, interface, method, *args):
        proxy = self.bus.get_object(SERVICE, path, introspect=False)
        return proxy.get_dbus_method(method, interface)(*args)

    def _signal(self, signal, signature, *args):
        self._call(MANAGER[0], MOCK, "EmitSignal", MANAGER[1], signal, signature, list(args))

    def sleeps(self, begins):
        self._signal("PrepareForSleep", "b", dbus.Boolean(begins))

    def lock(self):
        self._call(*SESSION, "Lock")

    def unlock(self):
        self._call(*SESSION, "Unlock")

    def hint(self, locked):
        self._call(*SESSION, "SetLockedHint", locked)

    def active(self, active):
        properties = {"Active": dbus.Boolean(active)}
        self._call(SESSION[0], MOCK, "UpdateProperties", SESSION[1], properties)

    def session_ends(self):
        path = dbus.ObjectPath(SESSION[0])
        self._call(MANAGER[0], MOCK, "RemoveObject", SESSION[0])
        self._signal("SessionRemoved", "so", "c1", path)

    def inhibitors(self):
        return [tuple(map(str, i[:4])) for i in self._call(*MANAGER, "ListInhibitors")]

    def end(self):
        self.process.terminate()
        self.process.wait()
        self.bus.close()


@pytest.fixture
def logind():
    with PrivateBus() as address:
        made = Logind(address)
        made.address = address
        yield made
        made.end()


@pytest.fixture
def desk(loop, bus_address, logind):
    def companions(watcher):
        return [SessionWatch(loop, watcher, logind.address)]

    return Desk(loop, bus_address, companions)


def known(logind):
    """Until the program has introduced itself to logind."""
    return lambda: logind.inhibitors() != []


def off_at_once(desk):
    """For ``yield``: until the camera is off; asserts that it did not take long."""
    begin = time.monotonic()

    def look():
        assert time.monotonic() - begin < AT_ONCE, "the camera is still on"
        return not desk.camera.is_open

    return look


SUSPENDING = {
    "sleep": (lambda it: it.sleeps(True), lambda it: it.sleeps(False), State.ASLEEP),
    "the request to lock": (lambda it: it.lock(), lambda it: it.unlock(), State.LOCKED),
    "the lock itself": (lambda it: it.hint(True), lambda it: it.hint(False), State.LOCKED),
    "another user": (lambda it: it.active(False), lambda it: it.active(True), State.INACTIVE),
}


@pytest.fixture(params=SUSPENDING.values(), ids=SUSPENDING.keys())
def suspending(request):
    return request.param


def test_the_camera_is_off_at_once_and_on_again_afterwards(desk, logind, builtin, suspending):
    begin, end, state = suspending
    builtin("a", PLAYING)

    def story():
        yield known(logind)
        yield desk.shows(ON)
        begin(logind)
        yield off_at_once(desk)
        assert desk.watcher.report.state is state
        yield 0.1
        assert not desk.camera.is_open
        end(logind)
        yield lambda: desk.watcher.report.state is State.WATCHING

    desk.play(story())
    assert desk.asked == []


def test_what_we_had_paused_plays_once_the_user_is_seen_again(desk, logind, builtin, suspending):
    begin, end, _ = suspending
    player = builtin("a", PLAYING)

    def story():
        yield known(logind)
        yield desk.shows(OFF)
        begin(logind)
        yield off_at_once(desk)
        end(logind)
        yield desk.shows(AWAY)
        assert player.status is PAUSED
        yield desk.shows(ON)

    desk.play(story())
    assert desk.asked == [PAUSE, PLAY]


@pytest.mark.parametrize("when", ["before", "meanwhile"])
def test_what_the_user_paused_stays_paused(desk, logind, builtin, suspending, when):
    begin, end, _ = suspending
    player = builtin("a", PLAYING)

    def story():
        yield known(logind)
        yield desk.shows(ON)
        if when == "before":
            player.become(PAUSED)
            yield desk.status("a", PAUSED)
        begin(logind)
        yield off_at_once(desk)
        player.become(PAUSED)
        yield desk.status("a", PAUSED)
        end(logind)
        for verdict in (ON, AWAY, ON):
            yield desk.shows(verdict)

    desk.play(story())
    assert desk.asked == []


def test_what_the_user_plays_afterwards_is_followed_as_ever(desk, logind, builtin):
    player = builtin("a", PAUSED)

    def story():
        yield known(logind)
        logind.lock()
        yield off_at_once(desk)
        logind.unlock()
        yield desk.shows(ON)
        assert desk.asked == []
        player.become(PLAYING)
        yield desk.status("a", PLAYING)
        yield desk.shows(OFF)
        yield desk.shows(ON)

    desk.play(story())
    assert desk.asked == [PAUSE, PLAY]


def test_locked_on_the_way_to_sleep_it_stays_off_after_waking(desk, logind, builtin):
    builtin("a", PLAYING)

    def story():
        yield known(logind)
        yield desk.shows(ON)
        logind.sleeps(True)
        yield off_at_once(desk)
        logind.hint(True)
        logind.sleeps(False)
        yield lambda: desk.watcher.report.state is State.LOCKED
        assert desk.camera.opened == 1
        logind.hint(False)
        yield lambda: desk.watcher.report.state is State.WATCHING

    desk.play(story())


def test_sleep_waits_until_the_camera_is_off(desk, logind, builtin):
    builtin("a", PLAYING)

    def story():
        yield known(logind)
        assert logind.inhibitors() == [("sleep", "facectrl-fast", "closes the camera", "delay")]
        yield desk.shows(ON)
        logind.sleeps(True)
        yield lambda: logind.inhibitors() == []
        assert not desk.camera.is_open
        logind.sleeps(False)
        yield known(logind)

    desk.play(story())


def test_a_desktop_that_never_says_that_it_is_unlocked(desk, logind, builtin, monkeypatch):
    """It was told to lock, but keeps no hint of it: to be off forever would be worse."""
    monkeypatch.setattr("facectrl_fast.desktop.session.LOCKS_WITHIN", 0.2)
    builtin("a", PLAYING)

    def story():
        yield known(logind)
        yield desk.shows(ON)
        logind.lock()
        yield off_at_once(desk)
        yield lambda: desk.watcher.report.state is State.WATCHING

    desk.play(story())


def test_a_session_that_ends_while_locked_holds_nothing_up(desk, logind, builtin):
    """It will never say that it is unlocked."""
    builtin("a", PLAYING)

    def story():
        yield known(logind)
        yield desk.shows(ON)
        logind.hint(True)
        yield off_at_once(desk)
        logind.session_ends()
        yield lambda: desk.watcher.report.state is State.WATCHING

    desk.play(story())


def test_music_played_by_hand_without_headphones_survives_a_lock(desk, logind, builtin):
    player = builtin("a", PLAYING)

    def story():
        yield known(logind)
        yield desk.shows(OFF)
        player.become(PLAYING)
        yield desk.status("a", PLAYING)
        logind.lock()
        yield off_at_once(desk)
        logind.unlock()
        yield lambda: desk.watcher.report.state is State.WATCHING
        yield desk.shows(OFF)

    desk.play(story())
    assert desk.asked == [PAUSE]
    assert player.status is PLAYING


class Slow(BuiltinPlayer):
    """Does what it is asked only when it is told to."""

    @dbus.service.method(PLAYER_INTERFACE)
    def Pause(self):  # noqa: N802
        pass


def test_a_pause_that_was_under_way_is_made_up_for(desk, logind, connect):
    """It was decided and not done: headphones are still off, and music plays."""
    Slow(connect(), "a", PLAYING)

    def story():
        yield known(logind)
        desk.says.verdict = OFF
        yield lambda: desk.asked == [PAUSE]
        logind.lock()
        yield off_at_once(desk)
        logind.unlock()
        yield lambda: desk.asked == [PAUSE, PAUSE]

    desk.play(story())


def test_asleep_again_before_it_is_known_what_was_locked(desk, logind, builtin):
    builtin("a", PLAYING)

    def story():
        yield known(logind)
        yield desk.shows(ON)
        for begins in (True, False, True):
            logind.sleeps(begins)
        yield 0.3
        assert desk.watcher.report.state is State.ASLEEP
        assert not desk.camera.is_open
        assert logind.inhibitors() == []

    desk.play(story())


def test_logind_that_goes_away_holds_nothing_up(desk, logind, builtin):
    builtin("a", PLAYING)

    def story():
        yield known(logind)
        yield desk.shows(ON)
        logind.lock()
        yield off_at_once(desk)
        logind.end()
        yield lambda: desk.watcher.report.state is State.WATCHING

    desk.play(story())


def test_without_logind_all_goes_on(loop, bus_address, builtin):
    desk = Desk(loop, bus_address, lambda watcher: [SessionWatch(loop, watcher)])
    builtin("a", PLAYING)

    def story():
        yield desk.shows(OFF)

    desk.play(story())
    assert desk.asked == [PAUSE]
