"""A real, small training run: what comes out is a model file that the program runs."""

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: make test-all installs it")

from facectrl_fast.cli import main  # noqa: E402
from facectrl_fast.dataset.folder import LabelledPicture, read_folder  # noqa: E402
from facectrl_fast.errors import UserError  # noqa: E402
from facectrl_fast.models import PACKAGED_MODEL  # noqa: E402
from facectrl_fast.training.classifier import (  # noqa: E402
    Standardized,
    TrainingOptions,
    build_network,
    load_crops,
    train_classifier,
)
from facectrl_fast.types import PixelFormat, Verdict  # noqa: E402
from facectrl_fast.vision.classify import Classifier  # noqa: E402
from facectrl_fast.vision.preprocess import Preprocessing  # noqa: E402
from tests.models import brightness_model  # noqa: E402

pytestmark = pytest.mark.train


def picture(label, rng):
    """'on' pictures have a bright bar on top, 'off' pictures have it at the bottom."""
    image = rng.integers(60, 120, (96, 96), dtype=np.uint8)
    rows = slice(5, 25) if label == "on" else slice(70, 90)
    image[rows] = rng.integers(180, 255)
    return image


@pytest.fixture
def dataset(tmp_path):
    rng = np.random.default_rng(0)
    for label in ("on", "off"):
        folder = tmp_path / "set" / label
        folder.mkdir(parents=True)
        for number in range(80):
            name = f"person{number % 10}__{number}.png"
            cv2.imwrite(str(folder / name), picture(label, rng))
    return tmp_path / "set"


OPTIONS = TrainingOptions(epochs=5, batch_size=16)


def test_it_learns_and_exports_a_model_that_describes_itself(dataset, tmp_path):
    lines = []
    report = train_classifier(dataset, tmp_path / "model.onnx", OPTIONS, lines.append)
    assert report.validation_accuracy > 0.95
    assert report.largest_disagreement <= 1e-5
    assert sum(line.startswith("epoch") for line in lines) == 5
    classifier = Classifier(report.model)
    data = classifier.description.data
    assert data["training_on"] + data["validation_on"] == 80
    assert classifier.description.validation["balanced_accuracy"] > 0.95
    rng = np.random.default_rng(1)
    for label, verdict in (("on", Verdict.HEADPHONES_ON), ("off", Verdict.HEADPHONES_OFF)):
        # The crop is the whole picture: a box that the expansion makes as large as the picture.
        side = 96 / 1.9
        box = (48 - side / 2, 48 - side / 2, side, side)
        result = classifier.classify(picture(label, rng), PixelFormat.GRAY8, box)
        assert result.verdict is verdict


def test_it_is_the_seed_s_network():
    sizes = [tuple(p.shape) for p in build_network().parameters()]
    assert sizes == [(64, 4096), (64,), (2, 64), (2,)]


def test_standardizing_folds_into_the_first_layer():
    torch.manual_seed(0)
    crops = torch.rand(50, 1, 64, 64)
    network = Standardized(build_network(), crops, torch.Generator()).eval()
    torch.testing.assert_close(network.fold()(crops), network(crops), atol=1e-4, rtol=1e-4)


def test_the_same_seed_gives_the_same_model(dataset, tmp_path):
    outputs = []
    for name in ("one.onnx", "two.onnx"):
        train_classifier(dataset, tmp_path / name, OPTIONS, lambda _: None)
        outputs.append(Classifier(tmp_path / name).run(np.full((1, 1, 64, 64), 0.3, np.float32)))
    np.testing.assert_array_equal(*outputs)


def test_training_sees_what_inference_sees(dataset):
    """The same kernel: a crop loaded for training equals the classifier's input for it."""
    pictures = read_folder(dataset)
    crops, labels = load_crops(pictures, 0.9)
    image = cv2.imread(str(pictures[0].path))
    out = np.zeros((64, 64), np.float32)
    Preprocessing((0, 0))(image, PixelFormat.BGR24, (0, 0, 96, 96), out)
    np.testing.assert_array_equal(crops[0, 0], out)
    assert labels[0] == 0


def test_of_a_collected_picture_the_face_is_cut_out_as_when_running(dataset):
    path = read_folder(dataset)[0].path
    box = (30.5, 20.25, 40.0, 44.0)
    crops, _ = load_crops([LabelledPicture(path, 0, "it", box, expansion=1.5)], 0.9)
    out = np.zeros((64, 64), np.float32)
    Preprocessing((0.9, 0.9))(cv2.imread(str(path)), PixelFormat.BGR24, box, out)
    np.testing.assert_array_equal(crops[0, 0], out)


def test_a_picture_that_was_collected_too_narrow_is_told(dataset):
    picture = LabelledPicture(read_folder(dataset)[0].path, 0, "it", (9, 9, 20, 20), expansion=0.5)
    with pytest.raises(UserError, match=r"shows 0\.5 of the face's sides around it"):
        load_crops([picture], 0.9)


def test_the_command_line_trains(dataset, tmp_path, capsys):
    out = tmp_path / "models" / "mine.onnx"
    arguments = ["train", "classifier", str(dataset), "--out", str(out), "--epochs", "3"]
    assert main([*arguments, "--batch-size", "16"]) == 0
    assert f"use it with: facectrl-fast run --model {out}" in capsys.readouterr().out
    assert out.is_file()
    assert [p.name for p in out.parent.iterdir()] == ["mine.onnx"]


def test_a_broken_picture_is_named_and_the_old_model_kept(dataset, tmp_path, capsys):
    old = brightness_model(tmp_path / "model.onnx").read_bytes()
    (dataset / "on" / "person3__x.png").write_bytes(b"no picture")
    arguments = ["train", "classifier", str(dataset), "--out", str(tmp_path / "model.onnx")]
    assert main(arguments) == 1
    error = capsys.readouterr().err
    assert "person3__x.png is not a readable picture" in error
    assert len(error.splitlines()) == 1
    assert (tmp_path / "model.onnx").read_bytes() == old


def test_a_place_that_cannot_be_written_to_is_told(dataset, capsys):
    arguments = ["train", "classifier", str(dataset), "--out", "/proc/nowhere/model.onnx"]
    assert main([*arguments, "--epochs", "1"]) == 1
    assert "cannot write /proc/nowhere/model.onnx" in capsys.readouterr().err


def test_a_folder_as_the_model_is_told_before_the_training(dataset, tmp_path, capsys):
    arguments = ["train", "classifier", str(dataset), "--out", str(tmp_path), "--epochs", "1"]
    assert main(arguments) == 1
    captured = capsys.readouterr()
    assert "it is a folder" in captured.err
    assert "epoch" not in captured.out


def test_pictures_that_are_all_alike_are_told(tmp_path, capsys):
    for label in ("on", "off"):
        (tmp_path / label).mkdir()
        for number in range(8):
            name = str(tmp_path / label / f"g{number}__.png")
            cv2.imwrite(name, np.full((64, 64), 99, np.uint8))
    assert main(["train", "classifier", str(tmp_path), "--out", str(tmp_path / "m.onnx")]) == 1
    assert "all pictures look the same" in capsys.readouterr().err


def test_the_packaged_model_has_the_seed_s_layers():
    import onnx

    weights = {tuple(w.dims) for w in onnx.load(str(PACKAGED_MODEL)).graph.initializer}
    assert {(64, 4096), (2, 64)} <= weights
