"""The main job for real: a webcam recording, the program as users run it, and mpv on a bus."""

import time

import pytest

from facectrl_fast.player.mpris import OBJECT_PATH, PLAYER_INTERFACE
from tests.program import MPV, PAUSED, PLAYING, REACTION, Timed, schedule_of

pytestmark = pytest.mark.acceptance


@pytest.mark.timeout(400)
@pytest.mark.parametrize(("detector", "save_power"), [("yunet", "auto"), ("haar", "always")])
def test_the_player_follows_the_headphones(
    data, playing_mpv, events, program, loop, detector, save_power
):
    model = ["--detector-model", data / "models/face_detection_yunet_2023mar.onnx"]
    running = program(
        "--source",
        data / "video/franck.mp4",
        "--player",
        "mpv",
        "--save-power",
        save_power,
        *(model if detector == "yunet" else []),
    )
    timed = Timed(events, running)
    timed.until(125)
    expected = schedule_of(data / "video/franck.json")[1:]
    told = f"{timed.changes}\n" + "\n".join(running.lines)
    assert [status for _, status in timed.changes] == [status for _, status in expected], told
    for (at, _), (due, _) in zip(timed.changes, expected, strict=True):
        assert due < at <= due + REACTION, told
    assert running.process.wait(20) == 0, told


@pytest.mark.timeout(300)
def test_the_user_s_hand_wins(data, playing_mpv, events, program, loop, connect):
    """On from 0 s, off from 40, on from 48, off from 56, on from 64, off from 72."""
    running = program(
        "--source",
        data / "video/franck.mp4",
        "--player",
        "mpv",
        "--detector-model",
        data / "models/face_detection_yunet_2023mar.onnx",
    )
    timed = Timed(events, running)
    user = connect()

    def click(method):
        user.call_blocking(MPV, OBJECT_PATH, PLAYER_INTERFACE, method, "", ())

    assert running.watching.wait(30), running.lines
    passed = time.monotonic() - running.started
    for at, method in ((10, "Pause"), (20, "Play"), (30, "Pause"), (59, "Play")):
        loop.call_later(at - passed, lambda method=method: click(method))
    timed.until(75)
    expected = [
        (10, PAUSED),  # by hand, with headphones on: left so
        (20, PLAYING),  # by hand
        (30, PAUSED),  # by hand; off at 40 changes nothing, it is paused already
        (48, PLAYING),  # headphones on again
        (56, PAUSED),  # off
        (59, PLAYING),  # by hand, without headphones: plays as they expect; on at 64 as well
        (72, PAUSED),  # off
    ]
    told = f"{timed.changes}\n" + "\n".join(running.lines)
    assert [status for _, status in timed.changes] == [status for _, status in expected], told
    for (at, _), (due, _) in zip(timed.changes, expected, strict=True):
        assert due - 0.1 < at <= due + REACTION, told


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("clip", "word"), [("cap13_on", "on"), ("cap13_off", "off")])
def test_a_recording_of_one_state_gives_one_decision(data, program, clip, word):
    running = program(
        "--source",
        data / f"video/{clip}.mp4",
        "--dry-run",
        "--no-realtime",
        "--detector-model",
        data / "models/face_detection_yunet_2023mar.onnx",
    )
    assert running.process.wait(120) == 0
    decisions = [line for line in running.lines if " at 0:" in line]
    assert len(decisions) == 1, running.lines
    assert f"headphones {word}" in decisions[0]
