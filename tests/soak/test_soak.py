"""The soak bites: a defect that was put in is found within a minute."""

import pytest

from tests.soak.run import soak

pytestmark = pytest.mark.soak


def test_what_leaks():
    run = soak(minutes=0.7, seed=3, module="tests.soak.leaks")
    for words in ("descriptors went from", "threads went from", "memory grew by"):
        assert any(text.startswith(words) for text in run.wrong), run.wrong


def test_wrong_decisions():
    run = soak(minutes=1, seed=3, module="tests.soak.mistakes")
    assert any("off is shown, and the player plays" in text for text in run.wrong), run.wrong
