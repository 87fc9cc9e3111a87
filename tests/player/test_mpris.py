"""Players on a real bus: they come and go, obey, refuse, hang and are played by hand."""

import dbus
import pytest

from facectrl_fast.decide.policy import Status
from facectrl_fast.desktop.bus import open_session_bus
from facectrl_fast.errors import UsageError, UserError
from facectrl_fast.player.builtin import BuiltinPlayer
from facectrl_fast.player.mpris import OBJECT_PATH, PLAYER_INTERFACE
from facectrl_fast.player.names import PREFIX, check_player_name, matches
from facectrl_fast.types import Action, Command

PLAYING, PAUSED, STOPPED = Status
A, B = PREFIX + "a", PREFIX + "b"


def pause(player=A):
    return Action(Command.PAUSE, player, "test")


def play(player=A):
    return Action(Command.PLAY, player, "test")


def test_a_player_that_was_there_before_us_is_reported(players, builtin, events):
    builtin("a", PAUSED)
    players()
    assert events.wait_for("appeared", A, PAUSED)


def test_players_come_and_go(players, builtin, events):
    players()
    player = builtin("a", PLAYING)
    assert events.wait_for("appeared", A, PLAYING)
    player.close()
    assert events.wait_for("vanished", A)


def test_a_player_that_dies_is_gone(players, connect, events):
    bus = connect()
    player = BuiltinPlayer(bus, "a")
    players()
    assert events.wait_for("appeared", A, PLAYING)
    del player
    bus.close()
    assert events.wait_for("vanished", A)


def test_only_the_wanted_player_is_followed(players, builtin, events):
    players("b")
    other = builtin("a")
    builtin("b")
    assert events.wait_for("appeared", B, PLAYING)
    other.close()
    other = builtin("a")
    instance = builtin("b.instance7")
    assert events.wait_for("appeared", B + ".instance7", PLAYING)
    instance.close()
    assert events.wait_for("vanished", B + ".instance7")
    assert {event[1] for event in events.log} == {B, B + ".instance7"}


def test_one_player_with_two_names_counts_once(players, connect, events):
    bus = connect()
    BuiltinPlayer(bus, "a")
    second = dbus.service.BusName(A + ".instance1", bus)
    players("a")
    assert events.wait(lambda: any(e[0] == "appeared" for e in events.log))
    del second
    assert events.wait(lambda: len(events.log) > 3, seconds=0.3) is False
    assert [e[0] for e in events.log].count("appeared") == 1 or ("vanished", A) not in events.log


def test_a_name_that_passes_to_another_connection(players, connect, events):
    first, second = connect(), connect()
    old = BuiltinPlayer(first, "a", PLAYING)
    players()
    assert events.wait_for("appeared", A, PLAYING)
    old.close()
    BuiltinPlayer(second, "a", PAUSED)
    assert events.wait_for("appeared", A, PAUSED)
    assert events.log[1] == ("vanished", A)


def test_a_status_changed_by_hand_is_reported(players, builtin, events):
    player = builtin("a", PLAYING)
    players()
    assert events.wait_for("appeared", A, PLAYING)
    player.become(PAUSED)
    assert events.wait_for("status", A, PAUSED)
    player.become(STOPPED)
    assert events.wait_for("status", A, STOPPED)


def test_pause_and_play(players, builtin, events):
    player = builtin("a", PLAYING)
    ours = players()
    assert events.wait_for("appeared", A, PLAYING)
    ours.perform(pause())
    assert events.wait_for("settled", A, PAUSED)
    assert player.status is PAUSED
    ours.perform(play())
    assert events.wait_for("settled", A, PLAYING)
    assert player.status is PLAYING


class Recording(BuiltinPlayer):
    """Notes the calls it gets."""

    def __init__(self, *arguments):
        self.calls = []
        super().__init__(*arguments)

    @dbus.service.method(PLAYER_INTERFACE)
    def Play(self):  # noqa: N802
        self.calls.append("Play")
        self.become(PLAYING)

    @dbus.service.method(PLAYER_INTERFACE)
    def Pause(self):  # noqa: N802
        self.calls.append("Pause")
        self.become(PAUSED)


def test_a_player_that_does_it_already_is_left_alone(players, connect, events):
    player = Recording(connect(), "a", PAUSED)
    ours = players()
    assert events.wait_for("appeared", A, PAUSED)
    ours.perform(pause())
    assert events.wait_for("settled", A, PAUSED)
    assert player.calls == []


@pytest.mark.parametrize("command", [play, pause])
def test_a_player_that_says_it_cannot_is_left_alone(players, builtin, events, caplog, command):
    player = builtin("a", PAUSED if command is play else PLAYING)
    player.can_play = player.can_pause = False
    ours = players()
    assert events.wait_for("appeared", A, player.status)
    ours.perform(command())
    assert events.wait_for("settled", A, player.status)
    assert "left alone" in caplog.text


class Stubborn(BuiltinPlayer):
    """Says yes and does nothing."""

    @dbus.service.method(PLAYER_INTERFACE)
    def Pause(self):  # noqa: N802
        pass


def test_a_player_that_does_not_do_it_is_told_of_once(players, connect, events, caplog):
    Stubborn(connect(), "a", PLAYING)
    ours = players()
    assert events.wait_for("appeared", A, PLAYING)
    ours.perform(pause())
    assert events.wait_for("settled", A, PLAYING)
    assert caplog.text.count("was asked to pause 2 times and is still playing") == 1


class Failing(BuiltinPlayer):
    """Answers with an error."""

    @dbus.service.method(PLAYER_INTERFACE)
    def Pause(self):  # noqa: N802
        raise dbus.DBusException("no track", name="org.example.NoTrack")


def test_an_error_is_told_in_a_line(players, connect, events, caplog):
    Failing(connect(), "a", PLAYING)
    ours = players()
    assert events.wait_for("appeared", A, PLAYING)
    ours.perform(pause())
    assert events.wait_for("settled", A, None)
    assert [r.getMessage() for r in caplog.records if r.name.startswith("facectrl")] == [
        "a did not pause: no track"
    ]


class Late(BuiltinPlayer):
    """Owns its name before it can say what it does."""

    def __init__(self, *arguments):
        self.asked = 0
        super().__init__(*arguments)

    @dbus.service.method("org.freedesktop.DBus.Properties", "s", "a{sv}")
    def GetAll(self, interface):  # noqa: N802
        self.asked += 1
        if self.asked < 3:
            raise dbus.DBusException("starting", name="org.example.NotYet")
        return {"PlaybackStatus": self.status.value}


def test_a_player_that_cannot_answer_yet_is_asked_again(players, connect, events, caplog):
    Late(connect(), "a", PAUSED)
    players()
    assert events.wait_for("appeared", A, PAUSED)
    assert caplog.text.count("does not answer") == 1


def test_a_player_that_stops_answering_later_is_told_of_again(players, connect, events, caplog):
    player = Late(connect(), "a", PLAYING)
    ours = players()
    assert events.wait_for("appeared", A, PLAYING)
    player.asked = 0
    ours.perform(pause())
    assert events.wait_for("settled", A, None)
    assert caplog.text.count("does not answer") == 2


class Slow(BuiltinPlayer):
    """Says yes at once and does it half a second later."""

    def __init__(self, loop, *arguments):
        self.loop = loop
        super().__init__(*arguments)

    @dbus.service.method(PLAYER_INTERFACE)
    def Pause(self):  # noqa: N802
        self.loop.call_later(0.5, lambda: self.become(PAUSED))

    @dbus.service.method(PLAYER_INTERFACE)
    def Play(self):  # noqa: N802
        self.loop.call_later(0.5, lambda: self.become(PLAYING))


def test_a_request_that_overtakes_another_wins(players, connect, events, loop):
    player = Slow(loop, connect(), "a", PLAYING)
    ours = players()
    assert events.wait_for("appeared", A, PLAYING)
    ours.perform(pause())
    loop.call_later(0.2, lambda: ours.perform(play()))
    assert events.wait_for("settled", A, PLAYING)
    assert ("status", A, PAUSED) in events.log
    assert player.status is PLAYING


def test_after_close_nothing_is_reported(players, builtin, events):
    ours = players()
    builtin("a")
    ours.close()
    assert not events.wait(lambda: bool(events.log), seconds=0.3)


class Hanging(BuiltinPlayer):
    """Never answers a call; its status can still be read."""

    @dbus.service.method(PLAYER_INTERFACE, async_callbacks=("reply", "error"))
    def Pause(self, reply, error):  # noqa: N802
        self.kept = (reply, error)


def test_a_player_that_hangs_holds_up_nothing(players, connect, builtin, events, caplog):
    Hanging(connect(), "a", PLAYING)
    quick = builtin("b", PLAYING)
    ours = players()
    assert events.wait(lambda: len(events.log) == 2)
    ours.perform(pause(A))
    ours.perform(pause(B))
    assert events.wait_for("settled", B, PAUSED)
    assert quick.status is PAUSED
    assert ("settled", A, PLAYING) not in events.log
    # It may do it yet: it is looked at, and asked once more.
    assert events.wait_for("settled", A, PLAYING)
    assert "a did not pause: no answer within 2 s" in caplog.text


def test_asking_a_player_that_has_gone_settles_at_once(players, events):
    players().perform(pause())
    assert events.log == [("settled", A, None)]


def test_without_a_bus_one_line_says_so(no_bus):
    with pytest.raises(UserError, match="no session bus"):
        open_session_bus()


@pytest.mark.parametrize(
    ("bus_name", "wanted", "expected"),
    [
        ("org.mpris.MediaPlayer2.vlc", "", True),
        ("org.mpris.MediaPlayer2.vlc", "vlc", True),
        ("org.mpris.MediaPlayer2.vlc.instance12", "vlc", True),
        ("org.mpris.MediaPlayer2.VLC", "vlc", True),
        ("org.mpris.MediaPlayer2.vlc2", "vlc", False),
        ("org.mpris.MediaPlayer2.spotify", "vlc", False),
        ("org.mpris.MediaPlayer2.playerctld", "", False),
        ("org.mpris.MediaPlayer2.playerctld", "playerctld", False),
        ("org.example.vlc", "", False),
    ],
)
def test_which_names_are_the_wanted_player(bus_name, wanted, expected):
    names = [wanted] if wanted else []
    assert matches(bus_name, names) is expected
    assert matches(bus_name, [*names, "other"] if names else []) is expected
    if wanted and expected:
        assert not matches(bus_name, (), names), "ignored"


@pytest.mark.parametrize("name", ["my player", "", "a..b", "9lives", "a/b", "pl;ay"])
def test_impossible_names_are_refused(name):
    with pytest.raises(UsageError, match="cannot be a player's name"):
        check_player_name(name)


def test_a_whole_bus_name_is_a_name_too():
    assert check_player_name("org.mpris.MediaPlayer2.vlc") == "vlc"


MPV = PREFIX + "mpv"


def test_a_real_mpv_is_paused_and_played(players, mpv, events, connect):
    mpv()
    ours = players("mpv")
    assert events.wait_for_playing(MPV)
    ours.perform(pause(MPV))
    assert events.wait_for("settled", MPV, PAUSED)
    ours.perform(play(MPV))
    assert events.wait_for("settled", MPV, PLAYING)
    read = connect().call_blocking(
        MPV,
        OBJECT_PATH,
        "org.freedesktop.DBus.Properties",
        "Get",
        "ss",
        (PLAYER_INTERFACE, "PlaybackStatus"),
    )
    assert read == "Playing"


def test_a_real_mpv_paused_by_another_program_is_reported(players, mpv, events, connect):
    mpv()
    players("mpv")
    assert events.wait_for_playing(MPV)
    other = connect()
    for method, status in (("Pause", PAUSED), ("Play", PLAYING)):
        before = events.log.count(("status", MPV, status))
        other.call_blocking(MPV, OBJECT_PATH, PLAYER_INTERFACE, method, "", ())
        assert events.wait_for("status", MPV, status, times=before + 1)


def test_a_real_mpv_that_is_killed_is_gone_and_may_come_back(players, mpv, events):
    process = mpv()
    players("mpv")
    assert events.wait(lambda: any(e[:2] == ("appeared", MPV) for e in events.log))
    process.kill()
    assert events.wait_for("vanished", MPV)
    mpv()
    assert events.wait(lambda: [e[:2] for e in events.log].count(("appeared", MPV)) == 2)
