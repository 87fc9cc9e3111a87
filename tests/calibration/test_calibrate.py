"""Teaching it one person's headphones, with recordings instead of a camera."""

import os
import signal
import subprocess
import sys

import cv2
import numpy as np
import onnx
import pytest

from facectrl_fast.calibration.calibrate import weaknesses
from facectrl_fast.calibration.head import Anchors
from facectrl_fast.cli import main
from facectrl_fast.evaluation.metrics import Judgement
from facectrl_fast.models import PACKAGED_MODEL, default_model
from facectrl_fast.types import PixelFormat, Verdict
from facectrl_fast.vision.classify import Classifier
from tests.models import brightness_model
from tests.pictures import face_in_portrait, portrait, write_recording


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recordings")
    for day, brightness in (("", 1.0), ("2", 0.8), ("3", 0.65)):
        write_recording(folder / f"on{day}.mp4", headphones=True, brightness=brightness)
        write_recording(folder / f"off{day}.mp4", brightness=brightness)
    write_recording(folder / "away.mp4", there=False, seconds=3)
    return folder


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A user's data folder that is empty."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    return tmp_path / "data" / "facectrl-fast"


@pytest.fixture
def calibrate(recordings, home):
    def run(on="on.mp4", off="off.mp4", *more):
        names = ("--on", str(recordings / on), "--off", str(recordings / off))
        return main(["calibrate", *names, *more])

    return run


def test_it_learns_from_recordings_and_run_uses_it(calibrate, recordings, home, capsys):
    assert calibrate("on.mp4", "off.mp4", "--away", str(recordings / "away.mp4")) == 0
    out = capsys.readouterr().out
    assert "nobody there: no face, as it should be" in out
    assert "on held-back stretches of time: balanced accuracy" in out
    assert "one session so far" in out
    assert default_model() == home / "headphones.onnx"
    classifier = Classifier(default_model())
    assert classifier.description.network.endswith("calibrated")
    assert classifier.description.validation["balanced_accuracy"] > 0.9
    for headphones, verdict in ((True, Verdict.HEADPHONES_ON), (False, Verdict.HEADPHONES_OFF)):
        image = portrait(1.9, headphones)
        said = classifier.classify(image, PixelFormat.BGR24, face_in_portrait(1.9))
        assert said.verdict is verdict


def test_earlier_sessions_are_kept_and_used(calibrate, home, capsys):
    assert calibrate() == 0
    assert calibrate("on2.mp4", "off2.mp4") == 0
    out = capsys.readouterr().out
    assert "in 1 session\n" in out
    assert "in 2 sessions" in out
    assert len(list((home / "sessions").iterdir())) == 2


def test_what_was_collected_before_can_be_used(recordings, home, tmp_path):
    dataset = tmp_path / "mine"
    for label in ("on", "off"):
        arguments = ["collect", label, "--dataset", str(dataset), "--no-preview"]
        assert main([*arguments, "--source", str(recordings / f"{label}.mp4")]) == 0
    assert main(["calibrate", "--dataset", str(dataset)]) == 0
    assert default_model() == home / "headphones.onnx"


def test_forgetting_goes_back_to_the_packaged_model(calibrate, home):
    assert calibrate() == 0
    assert main(["calibrate", "--forget"]) == 0
    assert default_model() == PACKAGED_MODEL
    assert list((home / "sessions").iterdir()), "what was recorded is kept"
    assert main(["calibrate", "--forget"]) == 0


def test_the_same_twice_teaches_nothing_and_changes_nothing(calibrate, home, capsys):
    assert calibrate("on.mp4", "on.mp4") == 1
    error = capsys.readouterr().err
    assert "nothing was learnt" in error
    assert len(error.splitlines()) == 1
    assert default_model() == PACKAGED_MODEL
    (aside,) = (home / "sessions").iterdir()
    assert aside.name.startswith("rejected-")


def test_a_session_that_says_the_opposite_of_the_others_does_not_count(calibrate, home, capsys):
    assert calibrate() == 0
    assert calibrate("on2.mp4", "off2.mp4") == 0
    model = (home / "headphones.onnx").read_bytes()
    assert calibrate("off3.mp4", "on3.mp4") == 1
    assert "nothing was learnt" in capsys.readouterr().err
    assert (home / "headphones.onnx").read_bytes() == model


def test_pictures_that_cannot_be_used_do_not_stay(recordings, home, tmp_path, capsys):
    dataset = tmp_path / "mine"
    for label in ("on", "off"):
        (dataset / label).mkdir(parents=True)
        for number in range(12):
            cv2.imwrite(str(dataset / label / f"{number}.png"), portrait(1.0, label == "on"))
    (dataset / "on" / "5.png").write_bytes(b"")
    assert main(["calibrate", "--dataset", str(dataset)]) == 1
    assert "5.png is not a readable picture" in capsys.readouterr().err
    assert not list((home / "sessions").iterdir())


def test_a_session_that_was_damaged_since_is_left_out(calibrate, home, capsys):
    assert calibrate() == 0
    (session,) = (home / "sessions").iterdir()
    next((session / "on").glob("*.png")).write_bytes(b"")
    assert calibrate("on2.mp4", "off2.mp4") == 0
    assert f"session {session.name} is left out" in capsys.readouterr().out


def test_a_recording_without_a_face_is_told(calibrate, home, capsys):
    assert calibrate("away.mp4") == 1
    assert "no face was found while 'on' was to be seen" in capsys.readouterr().err
    assert not list((home / "sessions").iterdir())


def test_a_recording_that_is_too_short_is_told(calibrate, recordings, home, capsys):
    write_recording(recordings / "short.mp4", headphones=True, seconds=3)
    assert calibrate("short.mp4") == 1
    assert "too little was seen of 'on'" in capsys.readouterr().err


def test_a_place_that_cannot_be_written_to_is_told(calibrate, tmp_path, monkeypatch, capsys):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "file"))
    assert calibrate() == 1
    error = capsys.readouterr().err
    assert "cannot write to" in error
    assert len(error.splitlines()) == 1


def test_half_the_recordings_are_not_enough(recordings, capsys):
    assert main(["calibrate", "--on", str(recordings / "on.mp4")]) == 2
    assert "both --on and --off are needed" in capsys.readouterr().err


def test_a_kill_leaves_the_old_model_and_nothing_half(recordings, home, tmp_path):
    home.mkdir(parents=True)
    old = brightness_model(home / "headphones.onnx").read_bytes()
    names = ["--on", str(recordings / "on.mp4"), "--off", str(recordings / "off.mp4")]
    process = subprocess.Popen(
        [sys.executable, "-m", "facectrl_fast", "calibrate", *names], stdout=subprocess.PIPE
    )
    # Once the first phase is told, the second one runs.
    assert b"headphones ON" in process.stdout.readline()
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert (home / "headphones.onnx").read_bytes() == old
    assert not [p for p in (home / "sessions").iterdir() if not p.name.startswith(".draft-")]


def test_only_the_head_is_new(calibrate):
    """The embedding is the packaged model's, so that strangers stay where they were."""
    assert calibrate() == 0
    crops = np.random.default_rng(0).random((8, 1, 64, 64), np.float32)
    base, own = Classifier(PACKAGED_MODEL), Classifier(default_model())
    np.testing.assert_array_equal(base.embed(crops), own.embed(crops))
    assert (base.run(crops) != own.run(crops)).any()


def test_strangers_are_not_forgotten(calibrate):
    assert calibrate() == 0
    anchors = Anchors.packaged()
    model = onnx.load(str(default_model()))
    last = next(n for n in model.graph.node if "logits" in n.output)
    stored = {t.name: onnx.numpy_helper.to_array(t) for t in model.graph.initializer}
    weights, bias = (stored[name] for name in last.input[1:])
    rows = weights if weights.shape[0] == 2 else weights.T
    logits = anchors.embedding @ rows.T + bias
    said = np.where(logits[:, 0] > logits[:, 1], 0, 1)
    assert (said == anchors.labels).mean() > 0.85


def test_weak_spots_are_named():
    labels = np.array([0] * 10 + [1] * 10)
    on = np.where(labels == 0, 0.9, 0.1).astype(np.float32)
    on[:3] = 0.2
    crops = np.full((20, 1, 8, 8), 0.1, np.float32)
    lines = list(weaknesses(Judgement(labels, on, ["monday"] * 20), crops, sessions=2))
    assert "weak: 'on' in dark pictures, 70% right" in lines
    assert "weak: 'on' in session monday, 70% right" in lines
    fine = np.where(labels == 0, 0.9, 0.1).astype(np.float32)
    assert list(weaknesses(Judgement(labels, fine, ["x"] * 20), crops, 2)) == [
        "no weak spot among these pictures"
    ]
