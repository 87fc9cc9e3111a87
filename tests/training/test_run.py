"""Real, small training runs: what comes out is a model file that the program runs."""

import json
import os
import signal
import subprocess
import sys

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: make test-all installs it")

from facectrl_fast.cli import main  # noqa: E402
from facectrl_fast.config import HEADPHONE_TASKS  # noqa: E402
from facectrl_fast.errors import UserError  # noqa: E402
from facectrl_fast.training.run import TrainingOptions, train  # noqa: E402
from facectrl_fast.training.tasks import TASKS  # noqa: E402
from facectrl_fast.types import PixelFormat  # noqa: E402
from facectrl_fast.vision.classify import Classifier  # noqa: E402
from tests.training.conftest import picture  # noqa: E402

pytestmark = pytest.mark.train

EPOCHS = {"classifier": 6, "cnn": 12, "autoencoder": 12, "vae": 12}


def quiet(_line):
    pass


def outputs(model):
    crops = np.random.default_rng(0).random((4, 1, 64, 64), np.float32)
    return Classifier(model).run(crops)


@pytest.mark.parametrize("name", HEADPHONE_TASKS)
def test_every_task_learns_and_leaves_a_model_that_run_uses(name, dataset, tmp_path):
    options = TrainingOptions(epochs=EPOCHS[name], batch_size=16)
    lines = []
    result = train(TASKS[name], dataset, tmp_path / "run", options, lines.append)
    assert result.balanced_accuracy > 0.9
    assert result.disagreement <= 1e-5
    assert sum(line.startswith("epoch") for line in lines) == EPOCHS[name]
    classifier = Classifier(result.model)
    description = classifier.description
    assert description.network == name
    assert description.data["validation_on"] > 0
    assert description.data["training_off"] == 0 or description.kind == "softmax"
    rng = np.random.default_rng(1)
    for label in ("on", "off"):
        # The crop is the whole picture: a box that the expansion makes as large as the picture.
        side = 96 / 1.9
        box = (48 - side / 2, 48 - side / 2, side, side)
        said = [
            classifier.classify(picture(label, rng), PixelFormat.GRAY8, box).on_probability > 0.5
            for _ in range(20)
        ]
        assert said.count(label == "on") >= 17


def test_the_run_s_folder_holds_the_report_the_curves_and_the_card(dataset, tmp_path):
    out = tmp_path / "run"
    train(TASKS["classifier"], dataset, out, TrainingOptions(epochs=2), quiet)
    page = (out / "report.html").read_text()
    for name in ("curves", "confusion", "roc", "confidence", "mistakes"):
        assert f'src="{name}.png"' in page
        assert cv2.imread(str(out / f"{name}.png")).std() > 1
    assert "balanced accuracy" in (out / "card.md").read_text()
    assert list((out / "tensorboard").glob("events.*"))


def test_the_same_seed_gives_the_same_model_and_another_one_another(dataset, tmp_path):
    made = [
        outputs(
            train(
                TASKS["cnn"], dataset, tmp_path / name, TrainingOptions(epochs=2, seed=seed), quiet
            ).model
        )
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    ]
    np.testing.assert_array_equal(made[0], made[1])
    assert (made[0] != made[2]).any()


def test_a_run_that_was_killed_goes_on_and_ends_the_same(dataset, tmp_path, capsys):
    """Killed after an epoch, at once: the resumed run's model equals an undisturbed one's."""

    def arguments(name):
        return ["train", "cnn", str(dataset), "--out", str(tmp_path / name), "--epochs", "5"]

    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "facectrl_fast", *arguments("killed")],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with process.stdout as lines:
        for line in lines:
            if line.startswith("epoch 4"):
                break
        os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert main(arguments("killed")) == 0
    printed = capsys.readouterr().out
    assert "continuing the run" in printed
    assert "epoch 3/" not in printed, "only what was under way is done again"
    assert "epoch 5/5" in printed
    assert main(arguments("undisturbed")) == 0
    np.testing.assert_array_equal(
        outputs(tmp_path / "killed" / "model.onnx"),
        outputs(tmp_path / "undisturbed" / "model.onnx"),
    )


def test_the_best_epoch_is_kept_and_early_stopping_ends_the_run(dataset, tmp_path):
    lines = []
    options = TrainingOptions(epochs=60, patience=2, batch_size=16)
    result = train(TASKS["classifier"], dataset, tmp_path / "run", options, lines.append)
    epochs = [line for line in lines if line.startswith("epoch")]
    assert len(epochs) < 60
    scores = [float(line.split("balanced accuracy ")[1].split()[0]) for line in epochs]
    assert result.best_epoch == 1 + int(np.argmax(scores))
    assert result.balanced_accuracy == pytest.approx(max(scores), abs=1e-4)
    # Killed before its report was whole, it trains no further.
    before = outputs(result.model)
    result.report.unlink()
    lines.clear()
    again = train(TASKS["classifier"], dataset, tmp_path / "run", options, lines.append)
    assert not [line for line in lines if line.startswith("epoch")]
    assert again.best_epoch == result.best_epoch
    np.testing.assert_array_equal(outputs(again.model), before)


def test_a_folder_with_another_run_is_left_alone(dataset, tmp_path, capsys):
    out = tmp_path / "run"
    arguments = ["train", "classifier", str(dataset), "--out", str(out)]
    assert main([*arguments, "--epochs", "1"]) == 0
    before = {p: p.read_bytes() for p in out.iterdir() if p.is_file()}
    capsys.readouterr()
    assert main([*arguments, "--epochs", "1"]) == 1
    assert "holds this run, finished" in capsys.readouterr().err
    assert main([*arguments, "--epochs", "2"]) == 1
    assert "holds a run that differs in epochs" in capsys.readouterr().err
    # One of a version that could not choose as much.
    notes = json.loads((out / "run.json").read_text())
    earlier = {name: value for name, value in notes.items() if value is not None}
    assert earlier != notes
    (out / "run.json").write_text(json.dumps(earlier))
    before[out / "run.json"] = (out / "run.json").read_bytes()
    assert main([*arguments, "--epochs", "1"]) == 1
    assert "holds this run, finished" in capsys.readouterr().err
    assert {p: p.read_bytes() for p in out.iterdir() if p.is_file()} == before


def test_a_folder_with_other_files_is_left_alone(dataset, tmp_path, capsys):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "holiday.jpg").write_bytes(b"precious")
    assert main(["train", "cnn", str(dataset), "--out", str(tmp_path / "photos")]) == 1
    assert "is not empty and holds no run" in capsys.readouterr().err
    assert [p.name for p in (tmp_path / "photos").iterdir()] == ["holiday.jpg"]


@pytest.mark.parametrize("content", [b"", b"no picture"])
def test_a_broken_picture_is_named(dataset, tmp_path, capsys, content):
    (dataset / "on" / "person3__x.png").write_bytes(content)
    out = tmp_path / "run"
    assert main(["train", "classifier", str(dataset), "--out", str(out)]) == 1
    error = capsys.readouterr().err
    assert "person3__x.png is not a readable picture" in error
    assert len(error.splitlines()) == 1
    assert not out.exists(), "nothing is begun"


@pytest.mark.parametrize("place", ["/proc/nowhere/run", "file/run"])
def test_a_place_that_cannot_be_written_to_is_told(dataset, tmp_path, capsys, place):
    (tmp_path / "file").write_text("")
    assert main(["train", "classifier", str(dataset), "--out", str(tmp_path / place)]) == 1
    assert "cannot write" in capsys.readouterr().err


def test_pictures_that_are_all_alike_are_told(tmp_path, capsys):
    for label in ("on", "off"):
        (tmp_path / "set" / label).mkdir(parents=True)
        for number in range(8):
            name = str(tmp_path / "set" / label / f"g{number}__.png")
            cv2.imwrite(name, np.full((64, 64), 99, np.uint8))
    arguments = ["train", "classifier", str(tmp_path / "set"), "--out", str(tmp_path / "run")]
    assert main(arguments) == 1
    assert "look the same" in capsys.readouterr().err


def test_a_dataset_that_is_a_file_is_told(tmp_path, capsys):
    (tmp_path / "set").write_text("")
    assert main(["train", "cnn", str(tmp_path / "set"), "--out", str(tmp_path / "run")]) == 1
    assert "is not a folder" in capsys.readouterr().err


def test_ctrl_c_ends_it_and_the_same_command_goes_on(dataset, tmp_path, capsys):
    arguments = ["train", "cnn", str(dataset), "--out", str(tmp_path / "run"), "--epochs", "4"]
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "facectrl_fast", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    for line in process.stdout:
        if line.startswith("epoch 2"):
            break
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in error
    assert main(arguments) == 0
    assert "continuing the run" in capsys.readouterr().out


def test_other_pictures_are_another_run(dataset, tmp_path, capsys):
    """Split anew, the validation pictures would be some that it was trained on."""
    out = tmp_path / "run"
    arguments = ["train", "classifier", str(dataset), "--out", str(out), "--epochs", "1"]
    assert main(arguments) == 0
    (out / "report.html").unlink()
    (dataset / "on" / "person0__0.png").rename(dataset / "on" / "newcomer__0.png")
    assert main(arguments) == 1
    assert "holds a run that differs in pictures" in capsys.readouterr().err


@pytest.mark.parametrize("damage", ["run.json", "checkpoints/last.ckpt"])
def test_a_damaged_run_is_told(dataset, tmp_path, capsys, damage):
    out = tmp_path / "run"
    arguments = ["train", "classifier", str(dataset), "--out", str(out), "--epochs", "1"]
    assert main(arguments) == 0
    (out / "report.html").unlink()
    (out / damage).write_bytes(b"[]")
    capsys.readouterr()
    assert main(arguments) == 1
    error = capsys.readouterr().err
    assert "is damaged" in error
    assert len(error.splitlines()) == 1


def test_two_processes_train_together(dataset, tmp_path):
    """What several GPUs do, with processes on the CPU."""
    out = tmp_path / "run"
    arguments = ["train", "classifier", str(dataset), "--out", str(out), "--epochs", "2"]
    done = subprocess.run(
        [sys.executable, "-m", "facectrl_fast", *arguments, "--devices", "2"],
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("epoch 2/2") == 1, "one process speaks"
    assert Classifier(out / "model.onnx").description.network == "classifier"
    assert json.loads((out / "run.json").read_text())["devices"] == 2


def test_a_dataset_that_is_missing_leaves_no_folder_behind(tmp_path):
    with pytest.raises(UserError, match="is not a folder"):
        train(TASKS["cnn"], tmp_path / "nowhere", tmp_path / "run", TrainingOptions(), quiet)
    assert not (tmp_path / "run").exists()
