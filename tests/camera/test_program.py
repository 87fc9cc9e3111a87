"""The whole program on a real camera: in use, unplugged, plugged in, needed by nobody."""

import os
from pathlib import Path

import pytest

from facectrl_fast.capture.holders import holders
from tests.program import REACTION, Timed, schedule_of


def test_a_camera_that_another_program_uses_is_waited_for(program, device):
    first = program("--dry-run", "--source", device)
    assert first.said("watching"), first.lines
    second = program("--dry-run", "--source", device)
    busy = f"(process {first.process.pid}): close it, or choose another --source; trying again"
    assert second.said(busy), second.lines
    first.end()
    assert second.said("watching"), second.lines
    second.end()
    assert (first.process.returncode, second.process.returncode) == (0, 0)
    assert sum("trying again" in line for line in second.lines) == 1


@pytest.mark.driver("uvc")
def test_a_camera_that_is_pulled_out_and_plugged_in_again(program, device, camctl):
    running = program("--dry-run", "--source", device)
    assert running.said("watching"), running.lines
    camctl("unplug")
    assert running.said("was unplugged; trying again until it is back"), running.lines
    camctl("plug")
    assert running.said("watching", times=2), running.lines
    running.end()
    assert running.process.returncode == 0
    assert not any("Traceback" in line for line in running.lines)


@pytest.mark.driver("uvc")
def test_a_camera_that_stalls_is_reopened_until_it_works(program, device, camctl):
    running = program("--dry-run", "--source", device)
    assert running.said("watching"), running.lines
    camctl("stall")
    assert running.said("gives no pictures any more; trying again"), running.lines
    assert not running.said("watching", times=2, seconds=8), "it only says so"
    camctl("resume")
    assert running.said("watching", times=2), running.lines
    assert running.running()
    assert sum("trying again" in line for line in running.lines) == 1


def test_the_camera_is_closed_while_no_player_needs_it(program, device, mpv, bus_address):
    player = mpv()
    running = program("--source", device, "--player", "mpv")
    assert running.said("watching"), running.lines
    assert len(holders(Path(device))) == 1
    player.kill()
    assert running.said("the camera is off; waiting for mpv"), running.lines
    assert holders(Path(device)) == []
    mpv()
    assert running.said("watching", times=2), running.lines


SLOW = 4.0
"""Seconds by which an emulated camera and processor may lag behind the recording's clock, which
changes every eight; that decisions come in time is what tests/acceptance/test_main_job.py shows."""


@pytest.mark.timeout(400)
@pytest.mark.skipif("FACECTRL_TEST_TRUTH" not in os.environ, reason="no truth of what is fed")
def test_the_player_follows_the_headphones(program, device, playing_mpv, events):
    """The camera shows a recording, from its start when it is opened."""
    model = os.environ["FACECTRL_TEST_YUNET"]
    running = program("--source", device, "--player", "mpv", "--detector-model", model)
    timed = Timed(events, running)
    expected = schedule_of(Path(os.environ["FACECTRL_TEST_TRUTH"]))[1:]
    timed.until(expected[-1][0] + 5)
    told = f"{timed.changes}\n" + "\n".join(running.lines)
    assert [status for _, status in timed.changes] == [status for _, status in expected], told
    for (at, _), (due, _) in zip(timed.changes, expected, strict=True):
        assert due < at <= due + REACTION + SLOW, told
