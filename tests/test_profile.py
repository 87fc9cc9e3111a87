"""--profile tells where the time of a run went."""

import time

import pytest

from facectrl_fast.build import build_analyzer
from facectrl_fast.cli import main
from facectrl_fast.config import RunOptions
from facectrl_fast.profile import Profile
from tests.pictures import as_frames, portrait


class Worker:
    def work(self, seconds, then=None):
        end = time.thread_time() + seconds
        while time.thread_time() < end:
            pass
        if then is not None:
            raise then
        return "done"


def test_a_stage_is_timed_whatever_comes_of_it():
    profile, worker = Profile(), Worker()
    profile.watch(worker, "work", "working")
    assert worker.work(0.02) == "done"
    with pytest.raises(KeyError):
        worker.work(0.02, then=KeyError())
    name, calls, each, _share = next(line for line in profile.lines() if "working" in line).split()
    assert (name, calls) == ("working", "2")
    assert float(each) == pytest.approx(20, rel=0.3)


def test_a_stage_that_never_came_costs_nothing():
    profile = Profile()
    profile.watch(Worker(), "work", "idle")
    assert "       0     0.000" in next(line for line in profile.lines() if "idle" in line)


@pytest.mark.parametrize("detector", ["tiny", "haar"])
def test_looks_near_a_known_face_are_counted_too(detector):
    profile = Profile()
    options = RunOptions(detector=detector, tracker="none", mode="presence")
    analyzer = build_analyzer(options, profile)
    for frame in as_frames([portrait(1.4), portrait(1.42), portrait(1.44)]):
        analyzer.analyze(frame)
    calls = next(line for line in profile.lines() if "detector" in line).split()[1]
    assert calls == "3"


def test_running_with_profile_names_the_stages(make_video, capsys):
    arguments = ["run", "--source", str(make_video()), "--dry-run", "--profile", "--no-realtime"]
    assert main(arguments) == 0
    out = capsys.readouterr().out
    for words in ("gate", "locate", "detector", "classify", "of CPU time", "wake-ups a second"):
        assert words in out
