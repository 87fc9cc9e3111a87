"""Notifications: one that is replaced, with a button to be left alone for an hour."""

import dbus
import dbus.service
import pytest

from facectrl_fast.decide.policy import Status
from facectrl_fast.desktop.notify import PATH, SERVICE, Notifications
from facectrl_fast.player.builtin import BuiltinPlayer
from facectrl_fast.player.mpris import PLAYER_INTERFACE
from facectrl_fast.report import State
from facectrl_fast.types import Verdict
from tests.desk import Desk

ON, OFF, AWAY, _, _ = Verdict
PLAYING, PAUSED, _ = Status


class Daemon(dbus.service.Object):
    """A desktop's notifications."""

    def __init__(self, bus):
        self._owned = dbus.service.BusName(SERVICE, bus, do_not_queue=True)
        super().__init__(bus, PATH)
        self.shown = []

    @dbus.service.method(SERVICE, "susssasa{sv}i", "u")
    def Notify(self, app, replaces, icon, title, body, actions, hints, expires):  # noqa: N802
        number = int(replaces) or 7
        self.shown.append((number, str(title), str(body), [str(a) for a in actions]))
        assert (str(app), hints["transient"], int(expires)) == ("facectrl-fast", True, 8000)
        return number

    @dbus.service.signal(SERVICE, "us")
    def ActionInvoked(self, number, action):  # noqa: N802
        pass


@pytest.fixture
def desk(loop, bus_address):
    def companions(watcher):
        return [Notifications(loop, made.bus, watcher)]

    made = Desk(loop, bus_address, companions)
    return made


def test_what_was_done_is_told_in_one_place(desk, builtin, connect):
    daemon = Daemon(connect())
    builtin("a", PLAYING)

    def story():
        yield desk.shows(AWAY)
        yield lambda: len(daemon.shown) == 1
        yield desk.shows(ON)
        yield lambda: len(daemon.shown) == 2
        yield 0.2

    desk.play(story())
    assert daemon.shown == [
        (7, "Paused: nobody there", "a", ["hold", "Hold for an hour"]),
        (7, "Playing: headphones on", "a", []),
    ]


def test_nothing_done_is_nothing_told(desk, builtin, connect):
    daemon = Daemon(connect())
    builtin("a", PLAYING)

    def story():
        yield desk.shows(ON)
        yield 0.2

    desk.play(story())
    assert daemon.shown == []


def test_its_button_holds_for_an_hour(desk, builtin, connect):
    daemon = Daemon(connect())
    builtin("a", PLAYING)

    def story():
        yield desk.shows(OFF)
        yield lambda: len(daemon.shown) == 1
        daemon.ActionInvoked(99, "hold")
        yield 0.1
        assert desk.watcher.report.state is State.WATCHING, "that was somebody else's"
        daemon.ActionInvoked(7, "hold")
        yield lambda: desk.watcher.report.state is State.HELD
        assert not desk.camera.is_open

    desk.play(story())


def test_a_desktop_without_notifications(desk, builtin):
    builtin("a", PLAYING)

    def story():
        yield desk.shows(OFF)
        yield desk.shows(ON)

    desk.play(story())
    assert len(desk.asked) == 2


class Deaf(BuiltinPlayer):
    """Does nothing that it is asked."""

    @dbus.service.method(PLAYER_INTERFACE)
    def Pause(self):  # noqa: N802
        pass


def test_what_was_asked_in_vain_is_not_told(desk, connect):
    daemon = Daemon(connect())
    Deaf(connect(), "a", PLAYING)

    def story():
        yield desk.shows(OFF)
        yield 0.2

    desk.play(story())
    assert daemon.shown == []
