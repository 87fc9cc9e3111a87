"""The whole pipeline on a video of known truth."""

import json

import pytest

from facectrl_fast.cli import main
from facectrl_fast.demo import SCENES, write_clip
from facectrl_fast.errors import UserError
from facectrl_fast.evaluation.video import Truth, VideoJudgement
from facectrl_fast.models import PACKAGED_MODEL
from facectrl_fast.types import Command, Verdict

STATES = {
    Verdict.HEADPHONES_ON: "on",
    Verdict.HEADPHONES_OFF: "off",
    Verdict.NO_FACE: "away",
}
TRUTH = Truth(((0.0, "on"), (10.0, "off"), (15.0, "away"), (20.0, "on"), (30.0, "off")))


def test_only_changes_of_what_is_wanted_are_waited_for():
    """From off to away nothing is to be done; a player plays at first."""
    judgement = VideoJudgement(TRUTH, [(11.0, Command.PAUSE), (21.5, Command.PLAY)])
    assert judgement.reactions() == [
        (10.0, Command.PAUSE, 1.0),
        (20.0, Command.PLAY, 1.5),
        (30.0, Command.PAUSE, None),
    ]
    assert judgement.false_actions() == []


def test_what_was_wrong_at_the_time_is_a_false_action():
    judgement = VideoJudgement(TRUTH, [(5.0, Command.PAUSE), (6.0, Command.PLAY)])
    assert judgement.false_actions() == [(5.0, Command.PAUSE)]
    assert "missed         3 of 3" in list(judgement.lines())


def test_the_demo_s_clip_is_followed(tmp_path, capsys):
    write_clip(tmp_path / "clip.mp4")
    schedule, begin = [], 0.0
    for scene in SCENES:
        schedule.append({"t": begin, "state": STATES[scene.shows]})
        begin += scene.seconds
    (tmp_path / "truth.json").write_text(json.dumps({"schedule": schedule}))
    arguments = ["--video", str(tmp_path / "clip.mp4"), "--truth", str(tmp_path / "truth.json")]
    assert main(["evaluate", str(PACKAGED_MODEL), *arguments]) == 0
    out = capsys.readouterr().out
    assert "missed         0 of 4" in out
    assert "false actions  0" in out
    for state in STATES.values():
        assert f"looks, {state}" in out


def test_a_missing_video_is_told(tmp_path, capsys):
    (tmp_path / "truth.json").write_text(json.dumps({"schedule": [{"t": 0, "state": "on"}]}))
    arguments = ["--video", "missing.mp4", "--truth", str(tmp_path / "truth.json")]
    assert main(["evaluate", str(PACKAGED_MODEL), *arguments]) == 1
    error = capsys.readouterr().err
    assert "missing.mp4" in error
    assert len(error.splitlines()) == 1


@pytest.mark.parametrize(("seconds", "state"), [(-1, "on"), (0, "on"), (9.9, "on"), (10, "off")])
def test_a_state_holds_until_the_next(seconds, state):
    assert TRUTH.state(seconds) == state


@pytest.mark.parametrize(
    "times", ["0, 0", "0, 5, 5", "0, 7, 3", "1, 2", "0, NaN", "0, Infinity", "0, 1" + "0" * 400]
)
def test_a_schedule_that_does_not_go_on_in_time_is_refused(tmp_path, times):
    changes = ", ".join(f'{{"t": {t}, "state": "on"}}' for t in times.split(", "))
    (tmp_path / "truth.json").write_text(f'{{"schedule": [{changes}]}}')
    with pytest.raises(UserError, match=r"^[^\n]*truth\.json[^\n]*$"):
        Truth.read(tmp_path / "truth.json")
