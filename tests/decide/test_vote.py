"""The vote window decides by time alone, as the slow reference does."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facectrl_fast.decide._vote import VoteCounter
from facectrl_fast.decide.vote import VoteWindow
from facectrl_fast.types import Decision, Verdict
from tests.reference import Votes

ON, OFF, NO_FACE, PRESENT, UNSURE = Verdict


def first_decision(window, verdicts_at, start=0.0):
    """When the first decision falls, in seconds after the start."""
    for timestamp, verdict in verdicts_at:
        decision = window.add(verdict, timestamp)
        if decision is not None:
            return timestamp - start, decision
    return None, None


@given(
    st.lists(st.tuples(st.integers(0, 2), st.floats(-0.5, 3, width=16)), max_size=80),
    st.integers(1, 6),
)
def test_equals_the_reference(steps, least_votes):
    windows = (1.0, 1.5, 2.0)
    counter = VoteCounter(windows, least_votes, Decision)
    slow, now = Votes(windows, least_votes), 100.0
    for verdict, gap in steps:
        now += gap / 4
        assert (counter.add(verdict, now) is not None) == slow.add(verdict, now)


@pytest.mark.parametrize("rate", [5, 10, 24, 30, 60])
@pytest.mark.parametrize(
    ("verdict", "window"), [(ON, 1.0), (OFF, 1.0), (NO_FACE, 2.0), (PRESENT, 1.0)]
)
def test_the_decision_comes_after_the_same_time_at_any_rate(rate, verdict, window):
    votes = ((i / rate, verdict) for i in range(10 * rate))
    after, decision = first_decision(VoteWindow(), votes)
    assert window <= after <= window + 1 / rate + 1e-9
    assert decision.verdict is verdict
    assert decision.since == 0


def test_dropped_frames_do_not_delay_it():
    votes = ((i / 30, OFF) for i in range(90) if i % 7 in (0, 3))
    assert first_decision(VoteWindow(), votes)[0] == pytest.approx(1.0, abs=0.1)


def test_one_decision_is_made_of_one_streak():
    window = VoteWindow()
    decisions = [window.add(ON, i / 10) for i in range(30)]
    assert len({id(d) for d in decisions if d is not None}) == 1
    assert window.add(OFF, 3.0) is None
    assert window.decides_at == 4.0


def test_one_other_verdict_starts_the_window_anew():
    votes = [(i / 8, OFF if i == 8 else ON) for i in range(40)]
    after, decision = first_decision(VoteWindow(), votes)
    assert after == pytest.approx(2.125)
    assert decision.since == pytest.approx(1.125)


def test_unsure_abstains():
    votes = [(i / 10, UNSURE if i % 3 else ON) for i in range(40)]
    assert first_decision(VoteWindow(), votes)[0] == pytest.approx(1.2)
    window = VoteWindow()
    assert all(window.add(UNSURE, i / 10) is None for i in range(100))


def test_too_few_votes_decide_nothing():
    votes = [(i * 0.9, ON) for i in range(20)]
    assert first_decision(VoteWindow(), votes) == (None, None)


def test_verdicts_before_a_pause_do_not_count():
    window = VoteWindow()
    for i in range(10):
        window.add(ON, i / 10)
    assert window.add(ON, 30.0) is None
    assert window.leaning == (ON, 30.0)


def test_a_clock_that_goes_backwards_starts_anew():
    window = VoteWindow()
    for i in range(10):
        window.add(ON, 50 + i / 10)
    assert window.add(ON, 1.0) is None
    assert window.leaning == (ON, 1.0)


def test_it_goes_on_deciding_while_the_verdict_holds():
    window = VoteWindow()
    decisions = [window.add(ON, i / 10) for i in range(30)]
    assert [d is not None for d in decisions] == [i >= 10 for i in range(30)]


def test_cleared_it_knows_nothing():
    window = VoteWindow()
    window.add(ON, 1.0)
    window.clear()
    assert window.leaning is None


@pytest.mark.parametrize("timestamp", [math.nan, math.inf])
def test_a_time_that_is_none_is_refused(timestamp):
    with pytest.raises(ValueError, match="timestamp"):
        VoteWindow().add(ON, timestamp)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (((), 3), "windows"),
        (((1.0, -1.0), 3), "windows"),
        (((1.0, math.nan), 3), "windows"),
        (((1.0,), 0), "least_votes"),
        (((1.0,), 65), "least_votes"),
    ],
)
def test_impossible_settings_are_refused(arguments, complaint):
    with pytest.raises(ValueError, match=complaint):
        VoteCounter(*arguments, Decision)


def test_an_unknown_verdict_is_refused():
    with pytest.raises(ValueError, match="verdict"):
        VoteCounter((1.0, 1.0), 3, Decision).add(-1, 0.0)
