"""Classifiers: what they say, and model files that are not what they should be."""

import json
import threading
from pathlib import Path

import numpy as np
import pytest

from facectrl_fast.errors import UserError
from facectrl_fast.models import PACKAGED_MODEL
from facectrl_fast.types import PixelFormat, Verdict
from facectrl_fast.vision.classify import Classifier
from facectrl_fast.vision.model_file import ErrorThreshold, ModelDescription
from facectrl_fast.vision.preprocess import Preprocessing
from tests.models import brightness_model, darkness_is_on_model

GRAY = PixelFormat.GRAY8
BOX = (20, 20, 60, 60)


def plain(brightness):
    return np.full((100, 100), brightness, np.uint8)


@pytest.fixture
def model(tmp_path):
    return brightness_model(tmp_path / "model.onnx")


@pytest.mark.parametrize(
    ("brightness", "verdict"),
    [(230, Verdict.HEADPHONES_ON), (20, Verdict.HEADPHONES_OFF), (128, Verdict.UNSURE)],
)
def test_sure_verdicts_and_unsure_ones(model, brightness, verdict):
    assert Classifier(model).classify(plain(brightness), GRAY, BOX).verdict is verdict


def test_the_probability_is_the_softmax(model):
    result = Classifier(model).classify(plain(153), GRAY, BOX)
    assert result.on_probability == pytest.approx(1 / (1 + np.exp(-2)), abs=1e-5)


def test_labels_may_come_in_either_order(tmp_path):
    path = brightness_model(tmp_path / "m.onnx", ModelDescription(labels=("off", "on")))
    assert Classifier(path).classify(plain(230), GRAY, BOX).verdict is Verdict.HEADPHONES_OFF


def test_the_model_s_own_confidence_counts(tmp_path):
    path = brightness_model(tmp_path / "m.onnx", ModelDescription(confidence=0.99))
    assert Classifier(path).classify(plain(153), GRAY, BOX).verdict is Verdict.UNSURE


def test_the_model_s_own_framing_counts(tmp_path):
    """The face is bright, its surroundings dark: how much is seen decides."""
    image = plain(0)
    image[40:60, 40:60] = 255
    box = (40, 40, 20, 20)
    tight = ModelDescription(preprocessing=Preprocessing((0, 0)))
    wide = ModelDescription(preprocessing=Preprocessing((2, 2)))
    verdicts = [
        Classifier(brightness_model(tmp_path / "m.onnx", d)).classify(image, GRAY, box).verdict
        for d in (tight, wide)
    ]
    assert verdicts == [Verdict.HEADPHONES_ON, Verdict.HEADPHONES_OFF]


def test_a_box_outside_the_frame_is_refused(model):
    with pytest.raises(ValueError, match="box"):
        Classifier(model).classify(plain(0), GRAY, (200, 200, 10, 10))


def test_the_packaged_model_describes_itself():
    description = Classifier(PACKAGED_MODEL).description
    assert description.labels == ("on", "off")
    assert description.data["training_on"] > 1000
    assert 0.5 < description.validation["balanced_accuracy"] < 1


def test_it_uses_one_thread(model):
    before = threading.active_count(), _native_threads()
    classifier = Classifier(model)
    for _ in range(20):
        classifier.classify(plain(128), GRAY, BOX)
    assert (threading.active_count(), _native_threads()) == before


def _native_threads():
    status = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith("Threads"))


def test_metadata_survives_the_file(tmp_path):
    description = ModelDescription(
        labels=("off", "on"),
        preprocessing=Preprocessing((30.0, 40.0), "pixels", "bilinear"),
        confidence=0.7,
        data={"training_on": 3},
        validation={"balanced_accuracy": 0.9},
        version="9.9",
    )
    assert Classifier(brightness_model(tmp_path / "m.onnx", description)).description == description


GOOD = ModelDescription().to_metadata()


@pytest.mark.parametrize(
    ("metadata", "complaint"),
    [
        ({}, "does not describe itself: it was not made by 'facectrl-fast train'"),
        (GOOD | {"task": "identity"}, "is a model for the task 'identity', not for 'headphones'"),
        (GOOD | {"kind": "oracle"}, "metadata is damaged"),
        (GOOD | {"labels": '["cat", "dog"]'}, "labels must be 'on' and 'off'"),
        (GOOD | {"input": "{}"}, "metadata is damaged"),
        (GOOD | {"input": json.dumps({"height": -1, "width": 64})}, "input sides"),
        (GOOD | {"preprocessing": "not json"}, "metadata is damaged"),
        (GOOD | {"validation": "[1]"}, "metadata is damaged"),
        (GOOD | {"validation": '{"balanced_accuracy": "good"}'}, "metadata is damaged"),
        (GOOD | {"thresholds": '{"confidence": 7}'}, "confidence must be 0 to 1"),
        (GOOD | {"input": json.dumps({"height": 32, "width": 32})}, "does not fit its metadata"),
    ],
)
def test_a_model_that_is_not_ours_is_told(tmp_path, metadata, complaint):
    path = brightness_model(tmp_path / "model.onnx", metadata=metadata)
    with pytest.raises(UserError, match=complaint) as caught:
        Classifier(path)
    assert str(path) in str(caught.value)


def test_a_model_with_three_labels_does_not_fit(tmp_path):
    path = brightness_model(tmp_path / "model.onnx", outputs=3)
    with pytest.raises(UserError, match="does not fit"):
        Classifier(path)


@pytest.mark.parametrize("content", [b"", b"no model", b"\x08\x07" * 50])
def test_a_corrupt_file_is_told_in_one_line(tmp_path, content, capfd):
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(UserError, match="is not a usable ONNX model") as caught:
        Classifier(path)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr().err == ""


def test_a_cut_off_model_is_told(tmp_path, model):
    whole = model.read_bytes()
    for size in (10, len(whole) // 2, len(whole) - 5):
        model.write_bytes(whole[:size])
        with pytest.raises(UserError):
            Classifier(model)


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(UserError, match=r"does not exist; check --model"):
        Classifier(tmp_path / "missing.onnx")


class TestReconstruction:
    """On where the error is at most mean + 3 sigma; this model's error is the crop's mean."""

    @pytest.fixture
    def classifier(self, tmp_path):
        return Classifier(darkness_is_on_model(tmp_path / "m.onnx", limit=0.5))

    @pytest.mark.parametrize(
        ("brightness", "verdict"),
        [(10, Verdict.HEADPHONES_ON), (125, Verdict.HEADPHONES_ON), (130, Verdict.HEADPHONES_OFF)],
    )
    def test_the_threshold_decides(self, classifier, brightness, verdict):
        assert classifier.classify(plain(brightness), GRAY, BOX).verdict is verdict

    def test_a_sigma_beyond_the_threshold_is_a_step_of_the_logistic_function(self, classifier):
        crops = np.full((2, 1, 64, 64), 0.5, np.float32)
        crops[1] = 0.6
        on = classifier.on_probabilities(crops)
        np.testing.assert_allclose(on, [0.5, 1 / (1 + np.e)], atol=1e-5)

    def test_its_thresholds_survive_the_file(self, classifier):
        assert classifier.description.error == ErrorThreshold(0.5 - 0.3, 0.1)
        assert classifier.description.error.limit == pytest.approx(0.5)

    def test_there_is_nothing_to_calibrate_on(self, classifier):
        with pytest.raises(UserError, match="gives no embedding"):
            classifier.embed(np.zeros((1, 1, 64, 64), np.float32))

    @pytest.mark.parametrize(
        "thresholds",
        [
            {"confidence": 0.5},
            {"confidence": 0.5, "mean": 0.1, "sigma": 0, "sigmas": 3},
            {"confidence": 0.5, "mean": float("nan"), "sigma": 0.1, "sigmas": 3},
        ],
    )
    def test_thresholds_that_make_no_sense_are_told(self, tmp_path, thresholds):
        metadata = GOOD | {"kind": "reconstruction", "thresholds": json.dumps(thresholds)}
        path = brightness_model(tmp_path / "m.onnx", metadata=metadata, outputs=1)
        with pytest.raises(UserError, match="metadata is damaged"):
            Classifier(path)
