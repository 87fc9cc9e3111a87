"""What is asked of which player, row by row."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facectrl_fast.decide.policy import Policy, Status
from facectrl_fast.types import Command, Decision, Verdict

ON, OFF, AWAY, PRESENT, _ = Verdict
PLAYING, PAUSED, STOPPED = Status


@dataclass
class Desk:
    """A person, their players and the policy; players obey at once unless told otherwise."""

    policy: Policy = field(default_factory=Policy)
    status: dict = field(default_factory=dict)
    asked: list = field(default_factory=list)
    obedient: bool = True

    def appears(self, player, status):
        self.status[player] = status
        self.policy.appeared(player, status)

    def vanishes(self, player):
        del self.status[player]
        self.policy.vanished(player)

    def by_hand(self, player, status):
        """The user clicks; True if the policy saw that it was the user."""
        self.status[player] = status
        return self.policy.status_changed(player, status)

    def decide(self, verdict):
        actions = self.policy.decide(Decision(verdict, 0.0))
        for action in actions:
            self.asked.append((action.command, action.player))
            if self.obedient:
                status = PLAYING if action.command is Command.PLAY else PAUSED
                self.status[action.player] = status
                assert not self.policy.status_changed(action.player, status), "our own change"
            self.policy.settled(action.player, self.status[action.player])
        return actions


PLAY, PAUSE = Command.PLAY, Command.PAUSE


# Each row: what happens one after the other (a verdict is a decision, a status is the user's hand
# on the player), and what the player is asked.
ROWS = {
    "plays at start, off: pauses": ("playing", [OFF], [PAUSE]),
    "plays at start, on: nothing to do": ("playing", [ON], []),
    "plays at start, nobody: pauses": ("playing", [AWAY], [PAUSE]),
    "paused at start, on: plays": ("paused", [ON], [PLAY]),
    "stopped at start, on: plays": ("stopped", [ON], [PLAY]),
    "paused at start, off: nothing to do": ("paused", [OFF], []),
    "off and on again": ("playing", [ON, OFF, ON, OFF], [PAUSE, PLAY, PAUSE]),
    "walks away and comes back": ("playing", [ON, AWAY, ON], [PAUSE, PLAY]),
    "off, then away, then back on": ("playing", [ON, OFF, AWAY, ON], [PAUSE, PLAY]),
    "the same decision again acts once": ("playing", [OFF, OFF, OFF], [PAUSE]),
    "paused by hand with headphones on stays paused": ("playing", [ON, PAUSED, ON, ON], []),
    "paused by hand, headphones off and on: plays": ("playing", [ON, PAUSED, OFF, ON], [PLAY]),
    "paused by hand, away and back: plays": ("playing", [ON, PAUSED, AWAY, ON], [PLAY]),
    "paused and played by hand with headphones on": ("playing", [ON, PAUSED, PLAYING, ON], []),
    "stopped by hand with headphones on stays stopped": ("playing", [ON, STOPPED, ON], []),
    "played by hand with headphones off plays": ("playing", [OFF, PLAYING, OFF, OFF], [PAUSE]),
    "played by hand with headphones off, then away": ("playing", [OFF, PLAYING, AWAY], [PAUSE] * 2),
    "played by hand with headphones off, then on": ("playing", [OFF, PLAYING, ON], [PAUSE]),
    "played by hand with nobody there plays": ("playing", [AWAY, PLAYING, AWAY], [PAUSE]),
    "paused by hand before the first decision": ("playing", [PAUSED, ON, ON], []),
    "... and then off and on": ("playing", [PAUSED, ON, OFF, ON], [PLAY]),
    "paused and played by hand before the first": ("playing", [PAUSED, PLAYING, OFF], [PAUSE]),
    "loads its last track before the first decision": ("stopped", [PAUSED, ON], [PLAY]),
}


@pytest.mark.parametrize(("at_start", "steps", "asked"), ROWS.values(), ids=ROWS.keys())
def test_the_rules_of_manual_control(at_start, steps, asked):
    desk = Desk()
    desk.appears("a", Status(at_start.capitalize()))
    for step in steps:
        if isinstance(step, Status):
            assert desk.by_hand("a", step)
        else:
            desk.decide(step)
    assert [command for command, _ in desk.asked] == asked


def test_nothing_is_asked_while_no_player_is_there():
    desk = Desk()
    assert desk.decide(OFF) == []
    assert desk.decide(ON) == []


def test_what_we_paused_is_what_we_resume():
    desk = Desk()
    desk.appears("music", PLAYING)
    desk.appears("video", PAUSED)
    desk.decide(OFF)
    desk.decide(ON)
    assert desk.asked == [(PAUSE, "music"), (PLAY, "music")]


def test_without_anything_of_ours_the_player_that_played_last_is_played():
    desk = Desk()
    desk.appears("music", PLAYING)
    desk.appears("video", PAUSED)
    desk.by_hand("music", PAUSED)
    desk.by_hand("video", PLAYING)
    desk.by_hand("video", PAUSED)
    desk.decide(OFF)
    desk.decide(ON)
    assert desk.asked == [(PLAY, "video")]


def test_music_is_not_started_beside_a_player_that_plays():
    desk = Desk()
    desk.appears("music", PLAYING)
    desk.appears("video", PAUSED)
    desk.decide(OFF)
    desk.by_hand("video", PLAYING)
    desk.decide(ON)
    assert desk.asked == [(PAUSE, "music")]


def test_all_that_plays_is_paused_and_exactly_that_resumed():
    desk = Desk()
    desk.appears("music", PLAYING)
    desk.appears("video", PLAYING)
    desk.appears("radio", PAUSED)
    desk.decide(OFF)
    desk.decide(AWAY)
    desk.decide(ON)
    assert sorted(desk.asked, key=str) == sorted(
        [(PAUSE, "music"), (PAUSE, "video"), (PLAY, "music"), (PLAY, "video")], key=str
    )


def test_one_player_paused_by_hand_does_not_protect_another():
    desk = Desk()
    desk.appears("music", PLAYING)
    desk.appears("video", PLAYING)
    desk.by_hand("video", PAUSED)
    desk.decide(OFF)
    assert desk.asked == [(PAUSE, "music")]


@pytest.mark.parametrize(
    ("at_start", "first", "second", "asked"),
    [(PLAYING, OFF, ON, [PAUSE, PLAY]), (PAUSED, ON, OFF, [PLAY, PAUSE])],
)
def test_a_decision_counts_also_while_the_player_is_still_obeying(at_start, first, second, asked):
    policy = Policy()
    policy.appeared("slow", at_start)
    commands = [a.command for v in (first, second) for a in policy.decide(Decision(v, 0.0))]
    assert commands == asked
    # What was asked first lands late: that is not the user's hand, and nor is the rest.
    for command in commands:
        assert not policy.status_changed("slow", PLAYING if command is PLAY else PAUSED)


def test_a_player_that_went_is_forgotten():
    desk = Desk()
    desk.appears("music", PLAYING)
    desk.decide(OFF)
    desk.vanishes("music")
    desk.appears("music", PAUSED)
    assert desk.policy.paused_by_us == frozenset()


def test_another_player_s_end_changes_nothing():
    desk = Desk()
    desk.appears("music", PLAYING)
    desk.appears("video", PAUSED)
    desk.vanishes("video")
    desk.decide(OFF)
    desk.decide(ON)
    assert desk.asked == [(PAUSE, "music"), (PLAY, "music")]


def test_when_the_players_went_the_next_decision_is_new():
    desk = Desk()
    desk.appears("music", PLAYING)
    desk.decide(OFF)
    desk.vanishes("music")
    desk.policy.restart()
    desk.appears("music", PLAYING)
    desk.decide(OFF)
    assert [command for command, _ in desk.asked] == [PAUSE, PAUSE]


def test_after_a_call_that_changed_nothing_the_next_change_is_the_user_s():
    desk = Desk(obedient=False)
    desk.appears("stubborn", PLAYING)
    desk.decide(OFF)
    assert desk.by_hand("stubborn", PAUSED)
    assert desk.policy.paused_by_us == frozenset()


def test_a_player_that_did_not_pause_is_not_ours_to_resume():
    desk = Desk(obedient=False)
    desk.appears("stubborn", PLAYING)
    desk.decide(OFF)
    assert desk.policy.paused_by_us == frozenset()


def test_music_of_before_is_not_resumed_beside_what_was_played_since():
    desk = Desk()
    desk.appears("music", PLAYING)
    desk.appears("video", PAUSED)
    desk.decide(OFF)
    desk.by_hand("video", PLAYING)
    for verdict in (ON, OFF, ON):
        desk.decide(verdict)
    assert desk.asked == [(PAUSE, "music"), (PAUSE, "video"), (PLAY, "video")]


def test_a_player_that_did_not_answer_is_asked_again_by_the_next_decision():
    policy = Policy()
    policy.appeared("slow", PLAYING)
    policy.decide(Decision(OFF, 0.0))
    policy.settled("slow", None)
    assert [action.command for action in policy.decide(Decision(AWAY, 1.0))] == [PAUSE]


def test_a_radio_that_stops_where_it_is_to_pause_is_resumed():
    policy = Policy()
    policy.appeared("radio", PLAYING)
    policy.decide(Decision(OFF, 0.0))
    assert not policy.status_changed("radio", STOPPED)
    policy.settled("radio", STOPPED)
    assert [action.command for action in policy.decide(Decision(ON, 1.0))] == [PLAY]


def test_what_could_not_be_resumed_is_still_ours():
    policy = Policy()
    policy.appeared("slow", PLAYING)
    policy.decide(Decision(OFF, 0.0))
    policy.settled("slow", PAUSED)
    policy.decide(Decision(ON, 1.0))
    policy.settled("slow", None)
    assert policy.paused_by_us == {"slow"}
    policy.looked_away()
    policy.decide(Decision(AWAY, 2.0))
    assert [action.command for action in policy.decide(Decision(ON, 3.0))] == [PLAY]
    policy.status_changed("slow", PLAYING)
    assert policy.paused_by_us == frozenset()


# What happens after it looked away for a while; as in ROWS.
AFTERWARDS = {
    "what we had paused is resumed": ("playing", [OFF], [ON], [PLAY]),
    "... also if they were away first": ("playing", [OFF], [AWAY, ON], [PLAY]),
    "what the user had paused is not": ("playing", [ON, PAUSED], [ON], []),
    "... not after they were away either": ("playing", [ON, PAUSED], [AWAY, ON], []),
    "what plays is paused": ("playing", [ON], [OFF], [PAUSE]),
    "what plays and was paused so is resumed": ("playing", [ON], [OFF, ON], [PAUSE, PLAY]),
    "played by hand without headphones plays on": ("playing", [OFF, PLAYING], [OFF], []),
    "... until they leave": ("playing", [OFF, PLAYING], [OFF, AWAY], [PAUSE]),
    "paused at start, and never played": ("paused", [], [ON], []),
    "paused at start, then played by hand": ("paused", [], [ON, PLAYING, OFF, ON], [PAUSE, PLAY]),
}


@pytest.mark.parametrize(
    ("at_start", "before", "then", "asked"), AFTERWARDS.values(), ids=AFTERWARDS.keys()
)
def test_after_looking_away_only_our_own_is_resumed(at_start, before, then, asked):
    desk = Desk()
    desk.appears("a", Status(at_start.capitalize()))
    for steps in (before, then):
        for step in steps:
            desk.by_hand("a", step) if isinstance(step, Status) else desk.decide(step)
        if steps is before:
            desk.policy.looked_away()
            desk.asked.clear()
    assert [command for command, _ in desk.asked] == asked


steps = st.lists(
    st.one_of(
        st.sampled_from([ON, OFF, AWAY]),
        st.tuples(st.sampled_from("ab"), st.sampled_from(list(Status))),
        st.sampled_from(["vanish a", "vanish b"]),
    ),
    max_size=40,
)


@given(steps)
def test_in_any_history_the_user_wins(history):
    """No action without a change of decision, none that changes nothing, no second music."""
    desk = Desk()
    last = None
    for step in history:
        if isinstance(step, Verdict):
            before = dict(desk.status)
            actions = desk.decide(step)
            if step is last:
                assert actions == []
            for action in actions:
                wanted = PLAYING if action.command is PLAY else PAUSED
                assert before[action.player] is not wanted
                if action.command is PLAY:
                    assert step is ON
                    assert PLAYING not in before.values()
                else:
                    assert step is not ON
            last = step
        elif isinstance(step, str):
            if step[-1] in desk.status:
                desk.vanishes(step[-1])
        elif step[0] in desk.status:
            desk.by_hand(*step)
        else:
            desk.appears(*step)
