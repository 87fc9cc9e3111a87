"""A teacher is fine-tuned, its lessons are kept, and the small network learns from them."""

import numpy as np
import pytest

from facectrl_fast.dataset.folder import read_folder, split_by_group
from facectrl_fast.errors import UserError

torch = pytest.importorskip("torch", reason="PyTorch is not installed: make test-all installs it")

from facectrl_fast.training import teacher  # noqa: E402
from facectrl_fast.training.run import TrainingOptions, fit, prepare  # noqa: E402
from facectrl_fast.training.teacher import (  # noqa: E402
    TAUGHT_CNN,
    MobileNetV2,
    TaughtCrops,
    teach,
)

pytestmark = pytest.mark.train
OPTIONS = TrainingOptions(epochs=1)


@pytest.fixture
def weights(tmp_path):
    """Random ones, with the names and shapes of torchvision's: three colours, a head of 1000."""
    torch.manual_seed(0)
    named = {f"features.{k}": v for k, v in MobileNetV2().features.state_dict().items()}
    named["features.0.0.weight"] = named["features.0.0.weight"].repeat(1, 3, 1, 1) / 3
    named["classifier.1.weight"] = torch.zeros(1000, 1280)
    path = tmp_path / "weights.pth"
    torch.save(named, path)
    return path


def prepared(dataset):
    training, validation = split_by_group(read_folder(dataset), 0.25, 0)
    return prepare(TAUGHT_CNN, training, validation, OPTIONS)


def test_the_small_network_learns_what_the_teacher_says(dataset, weights, tmp_path, monkeypatch):
    monkeypatch.setattr(teacher, "BATCH", 8)
    monkeypatch.setattr(teacher, "SIDE", 32)  # quicker
    said = []
    data = prepared(dataset)
    pictures = len(data.training)
    teach(data, weights, tmp_path / "work", OPTIONS, said.append)
    assert isinstance(data.training, TaughtCrops)
    assert len(data.training) == teacher.VIEWS * pictures
    crop, logits = data.training[0, 0]
    assert crop.shape == (1, 64, 64)
    assert 0 <= crop.min() < crop.max() <= 1
    assert logits.shape == (2,)
    module = fit(TAUGHT_CNN, data, tmp_path / "student", OPTIONS, said.append)
    assert module.history[-1]["train_loss"] < 1

    # What was taught is not taught again.
    again, lines = prepared(dataset), len(said)
    teach(again, weights, tmp_path / "work", OPTIONS, said.append)
    assert len(said) == lines
    assert np.array_equal(again.training[0, 3][0], data.training[0, 3][0])


def test_a_taught_crop_is_mirrored_in_some_epochs():
    crops = np.arange(64 * 64, dtype=np.uint8).reshape(1, 64, 64)
    taught = TaughtCrops(crops, np.zeros((1, 2), np.float32), np.zeros(1, np.int64))
    plain = taught.plain_crops(np.array([0]))[0]
    shown = [taught[epoch, 0][0] for epoch in range(12)]
    mirrored = [np.array_equal(crop, plain[:, :, ::-1]) for crop in shown]
    assert all(m or np.array_equal(c, plain) for m, c in zip(mirrored, shown, strict=True))
    assert 0 < sum(mirrored) < 12


def test_weights_that_are_missing_are_told(dataset, tmp_path):
    with pytest.raises(UserError, match=r"cannot read the teacher's weights .*nothing\.pth"):
        teach(prepared(dataset), tmp_path / "nothing.pth", tmp_path / "work", OPTIONS, print)


def test_weights_of_another_kind_are_told(tmp_path):
    path = tmp_path / "weights.pth"
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(UserError, match=r"weights\.pth holds no weights"):
        MobileNetV2().load(path)
