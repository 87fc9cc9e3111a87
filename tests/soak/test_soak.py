"""The soak bites: a defect that was put in is found within a minute."""

import pytest

from tests.soak.run import soak

pytestmark = pytest.mark.soak


def test_descriptors_that_leak():
    run = soak(minutes=0.7, seed=3, module="tests.soak.leaks")
    assert any(text.startswith("descriptors went from") for text in run.wrong), run.wrong


def test_wrong_decisions():
    run = soak(minutes=1, seed=3, module="tests.soak.mistakes")
    assert any("off is shown, and the player plays" in text for text in run.wrong), run.wrong
