"""The governor looks seldom while nothing changes, and in time for every decision."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facectrl_fast.decide.vote import NO_FACE_WINDOW, WINDOW, VoteWindow
from facectrl_fast.governor import ALERT, EARLY, LEAST_RATE, MOTION, Governor, Rates
from facectrl_fast.types import Decision, Verdict
from facectrl_fast.vision.analyze import Sighting

ON, OFF, NOBODY, _, UNSURE = Verdict
HOLDS = Decision(ON, 0.0)


def rate_after(sighting, decision=HOLDS, saving=False):
    """Looks a second that follow from such sightings."""
    governor = Governor(Rates.below(10))
    governor.saving = saving
    governor.looked(sighting, decision, None)
    return round(1 / (governor.due + EARLY - sighting.timestamp))


@pytest.mark.parametrize(
    ("sighting", "rate"),
    [
        (Sighting(ON, 5.0), 5),
        (Sighting(ON, 5.0, still=True), 4),
        (Sighting(OFF, 5.0), 10),
        (Sighting(UNSURE, 5.0), 10),
        (Sighting(UNSURE, 5.0, still=True), 4),
        (Sighting(UNSURE, 5.0, blind=True), 4),
        (Sighting(ON, 5.0, moved=MOTION + 0.1), 10),
    ],
)
def test_it_looks_closer_when_something_changes(sighting, rate):
    assert rate_after(sighting) == rate


def test_nobody_there_is_looked_at_seldom():
    assert rate_after(Sighting(NOBODY, 5.0), Decision(NOBODY, 0.0)) == LEAST_RATE


def test_saving_energy_it_rests_but_for_changes():
    assert rate_after(Sighting(ON, 5.0), saving=True) == LEAST_RATE
    assert rate_after(Sighting(OFF, 5.0), saving=True) == 10


def test_after_motion_it_stays_alert_for_a_while():
    governor = Governor(Rates.below(10))
    governor.looked(Sighting(ON, 5.0, moved=1.0), HOLDS, None)
    governor.looked(Sighting(ON, 5.0 + ALERT - 0.1), HOLDS, None)
    assert governor.due == pytest.approx(5.0 + ALERT, abs=0.02)
    governor.looked(Sighting(ON, 5.0 + ALERT), HOLDS, None)
    assert governor.due == pytest.approx(5.2 + ALERT, abs=0.02)


def test_a_face_that_is_missed_is_looked_for_in_the_next_frame():
    governor = Governor(Rates.below(10))
    governor.looked(Sighting(UNSURE, 5.0, missed=True), HOLDS, None)
    assert governor.due == 5.0


def test_a_vote_that_could_decide_is_not_missed():
    governor = Governor(Rates.below(10))
    governor.looked(Sighting(OFF, 5.0), HOLDS, decides_at=5.04)
    assert governor.due == 5.04


def test_the_first_frame_is_due_at_once_also_after_the_camera_was_away():
    governor = Governor(Rates.below(10))
    assert governor.due == float("-inf")
    governor.looked(Sighting(ON, 5.0), HOLDS, None)
    governor.forget()
    assert governor.due == float("-inf")


def test_slow_rates_are_kept():
    assert Rates.below(3) == Rates(3, 3, 3)


@given(
    change=st.floats(3, 5),
    camera=st.sampled_from([10, 15, 25, 30, 60]),
    to=st.sampled_from([OFF, NOBODY]),
    saving=st.booleans(),
)
def test_decisions_fall_within_a_third_of_a_second_of_their_window(change, camera, to, saving):
    """Whenever the change comes, at any rate of the camera."""
    governor, votes = Governor(Rates.below(10)), VoteWindow()
    governor.saving = saving
    decision = None
    for number in range(camera * 9):
        now = number / camera
        if now < governor.due:
            continue
        verdict = ON if now < change else to
        decided = votes.add(verdict, now)
        decision = decided or decision
        governor.looked(Sighting(verdict, now), decision, votes.decides_at)
        if decided is not None and decided.verdict is to:
            window = NO_FACE_WINDOW if to is NOBODY else WINDOW
            assert now - change <= window + 0.3 + 1 / camera
            return
    pytest.fail("never decided")
