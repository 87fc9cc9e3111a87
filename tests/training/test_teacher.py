"""A teacher is fine-tuned, its lessons are kept, and the small network learns from them."""

import numpy as np
import pytest
import torch

from facectrl_fast.dataset.folder import read_folder, split_by_group
from facectrl_fast.errors import UserError
from facectrl_fast.training import teacher
from facectrl_fast.training.run import TrainingOptions, fit, prepare
from facectrl_fast.training.teacher import TAUGHT_CNN, MobileNetV2, TaughtCrops, teach

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
    again = prepared(dataset)
    teach(again, tmp_path / "no weights", tmp_path / "work", OPTIONS, said.append)
    assert np.array_equal(again.training[0, 3][0], data.training[0, 3][0])


def test_a_taught_crop_is_mirrored_in_some_epochs():
    crops = np.arange(64 * 64, dtype=np.uint8).reshape(1, 64, 64)
    taught = TaughtCrops(crops, np.zeros((1, 2), np.float32), np.zeros(1, np.int64))
    plain = taught.plain_crops(np.array([0]))[0]
    shown = [taught[epoch, 0][0] for epoch in range(12)]
    mirrored = [np.array_equal(crop, plain[:, :, ::-1]) for crop in shown]
    assert all(m or np.array_equal(c, plain) for m, c in zip(mirrored, shown, strict=True))
    assert 0 < sum(mirrored) < 12


@pytest.mark.parametrize("content", [None, b"nothing of the kind"])
def test_weights_of_another_kind_are_told(tmp_path, content):
    path = tmp_path / "weights.pth"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=r"weights\.pth (holds no|do not exist|holds)|do not exist"):
        MobileNetV2().load(path)
