"""Two real mpv and a browser on one bus: who is paused, and who is resumed."""

import dbus
import pytest

from facectrl_fast.decide.policy import Status
from facectrl_fast.player.builtin import BuiltinPlayer
from facectrl_fast.player.mpris import PLAYER_INTERFACE
from facectrl_fast.player.names import PREFIX
from facectrl_fast.types import Verdict
from tests.desk import Desk

ON, OFF, AWAY, PRESENT, _ = Verdict
PLAYING, PAUSED, STOPPED = Status
TAB = "chromium.instance4711"


@pytest.fixture
def desk(loop, bus_address):
    return lambda **options: Desk(loop, bus_address, **options)


@pytest.fixture
def two_mpv(mpv):
    """The second one that starts calls itself an instance."""
    mpv()
    mpv()


def are(desk, **wanted):
    """By the beginning of the name; several of a name are told in their order."""

    def look():
        found = {}
        for name, status in desk.watcher.report.players:
            found.setdefault(name.split(".")[0], []).append(Status(status))
        return found == {name: list(statuses) for name, statuses in wanted.items()}

    return look


def test_all_that_plays_is_paused_and_exactly_that_resumed(desk, two_mpv, builtin):
    it = desk()
    tab = builtin(TAB, PAUSED)

    def story():
        yield are(it, mpv=[PLAYING, PLAYING], chromium=[PAUSED])
        yield it.shows(ON)
        yield it.shows(OFF)
        yield are(it, mpv=[PAUSED, PAUSED], chromium=[PAUSED])
        yield it.shows(AWAY)
        yield it.shows(ON)
        yield are(it, mpv=[PLAYING, PLAYING], chromium=[PAUSED])
        assert tab.status is PAUSED

    it.play(story())


def test_only_the_chosen_one_is_touched(desk, two_mpv, builtin):
    it = desk(player=("chromium",))
    builtin(TAB, PLAYING)

    def story():
        yield are(it, chromium=[PLAYING])
        yield it.shows(OFF)
        yield are(it, chromium=[PAUSED])
        yield it.shows(ON)
        yield are(it, chromium=[PLAYING])

    it.play(story())


def test_an_ignored_one_is_never_touched(desk, two_mpv, builtin):
    it = desk(ignore=("chromium",))
    tab = builtin(TAB, PLAYING)

    def story():
        yield are(it, mpv=[PLAYING, PLAYING])
        yield it.shows(OFF)
        yield are(it, mpv=[PAUSED, PAUSED])
        assert tab.status is PLAYING

    it.play(story())


def test_a_tab_that_opens_and_one_that_closes_in_between(desk, two_mpv, builtin):
    it = desk()
    tab = builtin(TAB, PLAYING)

    def story():
        yield are(it, mpv=[PLAYING, PLAYING], chromium=[PLAYING])
        yield it.shows(OFF)
        yield are(it, mpv=[PAUSED, PAUSED], chromium=[PAUSED])
        tab.close()
        yield are(it, mpv=[PAUSED, PAUSED])
        # Another one plays a film without sound, and is left alone: so said the user's hand.
        other = builtin("chromium.instance4712", PLAYING)
        yield are(it, mpv=[PAUSED, PAUSED], chromium=[PLAYING])
        other.become(PAUSED)
        yield are(it, mpv=[PAUSED, PAUSED], chromium=[PAUSED])
        yield it.shows(ON)
        yield are(it, mpv=[PLAYING, PLAYING], chromium=[PAUSED])

    it.play(story())


def test_the_proxy_of_playerctld_is_not_counted_twice(desk, mpv, connect):
    mpv()
    it = desk()
    BuiltinPlayer(connect(), "playerctld", PLAYING)

    def story():
        yield are(it, mpv=[PLAYING])
        yield it.shows(OFF)
        yield are(it, mpv=[PAUSED])

    it.play(story())


class Call(BuiltinPlayer):
    """A browser's tab with a video call: it plays nothing, and notes what it is asked."""

    def __init__(self, bus, name):
        super().__init__(bus, name, STOPPED)
        self.can_play = self.can_pause = False
        self.asked = []

    @dbus.service.method(PLAYER_INTERFACE)
    def Play(self):  # noqa: N802
        self.asked.append("Play")

    @dbus.service.method(PLAYER_INTERFACE)
    def Pause(self):  # noqa: N802
        self.asked.append("Pause")


def test_a_call_that_plays_nothing_is_never_touched(desk, connect):
    it = desk()
    call = Call(connect(), TAB)

    def story():
        yield are(it, chromium=[STOPPED])
        for verdict in (ON, OFF, AWAY, ON):
            yield it.shows(verdict)
        yield 0.2
        assert call.asked == []

    it.play(story())


def test_presence_alone_can_decide(desk, mpv):
    mpv()
    it = desk(mode="presence")

    def story():
        yield are(it, mpv=[PLAYING])
        yield it.shows(AWAY)
        yield are(it, mpv=[PAUSED])
        yield it.shows(PRESENT)
        yield are(it, mpv=[PLAYING])
        assert it.watcher.report.actions[0].player == PREFIX + "mpv"

    it.play(story())
