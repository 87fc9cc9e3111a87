"""Real, small training runs of a number for faces."""

import os
import signal
import subprocess
import sys

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: make test-all installs it")

from facectrl_fast.cli import main  # noqa: E402
from facectrl_fast.training.score import varied  # noqa: E402
from facectrl_fast.vision.score import ScoreModel  # noqa: E402
from tests.pictures import portrait, write_recording  # noqa: E402

pytestmark = pytest.mark.train


@pytest.fixture
def dataset(tmp_path):
    """Portraits whose number is their brightness."""
    rng = np.random.default_rng(0)
    images = tmp_path / "set/Images"
    images.mkdir(parents=True)
    lines = []
    for k in range(60):
        shade = rng.uniform(0.3, 1.2)
        image = np.clip(portrait(0.5, size=(120, 120)) * shade, 0, 255).astype(np.uint8)
        cv2.imwrite(str(images / f"P{k}.png"), image)
        lines.append(f"P{k}.png {4 * shade:.4f}")
    (tmp_path / "set/All_labels.txt").write_text("\n".join(lines) + "\n")
    return tmp_path / "set"


def arguments(dataset, out, *more, epochs=2):
    options = ["--side", "32", "--epochs", str(epochs), "--batch-size", "8"]
    return ["train", "score", str(dataset), "--out", str(out), *options, *more]


def said(model):
    picture = np.random.default_rng(0).random((1, 3, 32, 32), np.float32)
    return ScoreModel(model).scores(picture)[0]


def test_a_number_is_learnt_in_two_stages(dataset, tmp_path, capsys):
    out = tmp_path / "run"
    assert main(arguments(dataset, out, "--label", "brightness")) == 0
    told = capsys.readouterr().out
    assert "42 pictures to train on, 12 to choose the epoch by, 6 to test by" in told
    assert told.index("stage 1: the head alone") < told.index("stage 2: everything")
    description = ScoreModel(out / "model.onnx").description
    assert description.label == "brightness"
    assert 1 < description.least < description.most < 5
    assert description.expansion is not None, "faces are in the pictures"
    card = (out / "card.md").read_text()
    for words in ("the mean of all", "stage 1", "stage 2", "prejudice"):
        assert words in card
    for name in ("curves_stage1", "curves_stage2", "test"):
        assert cv2.imread(str(out / f"{name}.png")) is not None
    video, shown = write_recording(tmp_path / "video.mp4", seconds=2), tmp_path / "shown.mp4"
    watch = ["watch", "--score", str(out / "model.onnx"), "--source", str(video)]
    assert main([*watch, "--record", str(shown)]) == 0
    assert "brightness: " in capsys.readouterr().out
    capture = cv2.VideoCapture(str(shown))
    assert capture.read()[0]
    capture.release()
    empty = write_recording(tmp_path / "empty.mp4", there=False, seconds=2)
    assert main([*watch[:-1], str(empty), "--record", str(shown)]) == 1
    assert "no face was seen" in capsys.readouterr().err


@pytest.mark.parametrize("stage", [1, 2])
def test_a_run_that_was_killed_goes_on_and_ends_the_same(dataset, tmp_path, stage):
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "facectrl_fast", *arguments(dataset, tmp_path / "killed")],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    epochs = 0
    with process.stdout as lines:
        for line in lines:
            epochs += line.startswith("epoch")
            if epochs == 2 * stage - 1:
                break
        os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert main(arguments(dataset, tmp_path / "killed")) == 0
    assert main(arguments(dataset, tmp_path / "undisturbed")) == 0
    assert said(tmp_path / "killed/model.onnx") == said(tmp_path / "undisturbed/model.onnx")


def test_the_published_split_is_used_where_it_is_wanted(dataset, tmp_path, capsys):
    command = arguments(dataset, tmp_path / "run", "--split", "published", epochs=1)
    assert main(command) == 1
    assert "has no train.txt and test.txt" in capsys.readouterr().err
    lines = (dataset / "All_labels.txt").read_text().splitlines()
    (dataset / "train.txt").write_text("\n".join(lines[:45]))
    (dataset / "val.txt").write_text("\n".join(lines[45:]))
    assert main(command) == 0
    assert "35 pictures to train on, 10 to choose the epoch by, 15 to test by" in (
        capsys.readouterr().out
    )


def test_pictures_are_varied_as_the_seed_did():
    image = np.zeros((100, 80, 3), np.uint8)
    image[40:60, 30:50] = 255
    rng = np.random.default_rng(0)
    centres = []
    for _ in range(200):
        shown = varied(image, rng)
        assert shown.shape == image.shape
        rows, columns = np.nonzero(shown[:, :, 0] > 127)
        centres.append((rows.mean() - 50, columns.mean() - 40))
    moved = np.abs(centres).max(0)
    assert 15 < moved[0] < 28
    assert 12 < moved[1] < 24
