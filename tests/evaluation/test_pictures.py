"""Judging a model on a folder, and ``facectrl-fast evaluate``."""

import json

import cv2
import numpy as np
import pytest

from facectrl_fast.cli import main
from facectrl_fast.dataset.folder import read_folder
from facectrl_fast.evaluation.pictures import judge_pictures
from facectrl_fast.vision.classify import Classifier
from tests.models import brightness_model, darkness_is_on_model


@pytest.fixture
def model(tmp_path):
    return brightness_model(tmp_path / "model.onnx")


@pytest.fixture
def dataset(tmp_path):
    """Bright pictures are on, but one; dark ones are off."""
    for label, shades in (("on", [240, 250, 20]), ("off", [5, 10, 15, 30])):
        (tmp_path / "set" / label).mkdir(parents=True)
        for number, shade in enumerate(shades):
            path = tmp_path / "set" / label / f"person{number}.png"
            cv2.imwrite(str(path), np.full((40, 30), shade, np.uint8))
    return tmp_path / "set"


def test_each_picture_is_judged_once(model, dataset):
    judgement = judge_pictures(Classifier(model), read_folder(dataset))
    np.testing.assert_array_equal(judgement.confusion, [[2, 1], [0, 4]])


def test_reconstruction_models_are_judged_the_same_way(tmp_path, dataset):
    """Its error is the brightness: what is dark is 'on'."""
    classifier = Classifier(darkness_is_on_model(tmp_path / "m.onnx", limit=0.5))
    judgement = judge_pictures(classifier, read_folder(dataset))
    np.testing.assert_array_equal(judgement.confusion, [[1, 2], [4, 0]])


def test_the_command_prints_all_figures(model, dataset, capsys):
    (dataset / "manifest.csv").write_text(
        "file,source\n" + "".join(f"on/person{n}.png,camera\n" for n in range(3))
    )
    assert main(["evaluate", str(model), str(dataset)]) == 0
    out = capsys.readouterr().out
    for figure in ("83.3%", "85.7%", "ROC AUC", "confusion", "confidence is off by", "camera"):
        assert figure in out


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "name a DATASET, or --video and --truth"),
        (["--video", "x.mp4"], "--video and --truth belong together"),
        (["nowhere"], "dataset nowhere is not a folder"),
    ],
)
def test_what_is_missing_is_told(model, capsys, arguments, complaint):
    assert main(["evaluate", str(model), *arguments]) != 0
    error = capsys.readouterr().err
    assert complaint in error
    assert len(error.splitlines()) == 1


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("no json", "is no truth"),
        (json.dumps({"schedule": []}), "must begin at 0"),
        (json.dumps({"schedule": [{"t": 3, "state": "on"}]}), "must begin at 0"),
        (json.dumps({"schedule": [{"t": 0, "state": "maybe"}]}), "'maybe' is none of"),
    ],
)
def test_a_truth_that_makes_no_sense_is_told(model, tmp_path, capsys, content, complaint):
    (tmp_path / "truth.json").write_text(content)
    arguments = ["--video", "missing.mp4", "--truth", str(tmp_path / "truth.json")]
    assert main(["evaluate", str(model), *arguments]) == 1
    assert complaint in capsys.readouterr().err
