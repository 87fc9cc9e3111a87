"""Crops of faces for models of 'train score', and their files."""

import json

import cv2
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from facectrl_fast.errors import UserError
from facectrl_fast.models import PACKAGED_MODEL
from facectrl_fast.vision.score import ScoreDescription, ScoreModel, cut_face, whole_picture


def brightness_score(path, side=32, **entries):
    """A model that gives the mean of the picture."""
    graph = helper.make_graph(
        [
            helper.make_node("Flatten", ["pictures"], ["flat"]),
            helper.make_node("MatMul", ["flat", "weights"], ["score"]),
        ],
        "brightness",
        [helper.make_tensor_value_info("pictures", TensorProto.FLOAT, ["n", 3, side, side])],
        [helper.make_tensor_value_info("score", TensorProto.FLOAT, ["n", 1])],
        [
            numpy_helper.from_array(
                np.full((3 * side**2, 1), 1 / (3 * side**2), np.float32), "weights"
            )
        ],
    )
    opsets = [helper.make_opsetid("", 17)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=9)
    told = ScoreDescription(side=32, expansion=0.5).to_metadata() | entries
    helper.set_model_props(model, {k: v for k, v in told.items() if v is not None})
    onnx.save(model, str(path))
    return path


def test_metadata_comes_back():
    described = ScoreDescription(
        "network", "smiles", 96, 0.7, 1.0, 5.0, {"training": 9}, {"rmse": 0.3}, "1"
    )
    assert ScoreDescription.from_metadata(described.to_metadata(), "it") == described


def test_the_face_is_what_is_judged(tmp_path):
    model = ScoreModel(brightness_score(tmp_path / "score.onnx"))
    image = np.zeros((200, 300, 3), np.uint8)
    image[40:160, 90:210] = 204
    assert model.score(image, (110, 60, 80, 80)) == pytest.approx(0.8, abs=1e-4)


@pytest.mark.parametrize("tall", [20, 64, 150, 900])
def test_a_crop_is_what_resizing_that_part_gives(tall):
    rng = np.random.default_rng(0)
    scene = cv2.resize(rng.integers(0, 255, (16, 16, 3), dtype=np.uint8), (1600, 1600))
    crop = cut_face(scene, (800 - tall / 2, 800 - tall / 2, tall, tall), 0.5, 48)
    half = round(tall * 0.75)
    part = scene[800 - half : 800 + half, 800 - half : 800 + half]
    expected = whole_picture(np.ascontiguousarray(part), 48)
    assert crop.shape == (3, 48, 48)
    assert np.abs(crop - expected).max() < 0.06


def test_beyond_the_edge_the_edge_is_repeated():
    image = np.full((60, 80, 3), 120, np.uint8)
    np.testing.assert_allclose(cut_face(image, (-20, -20, 50, 50), 1.0, 32), 120 / 255, atol=1e-6)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("input", json.dumps({"height": 32, "width": 64})),
        ("expansion", "-1"),
        ("expansion", "[" * 100_000),
        ("range", json.dumps([5, 1])),
        ("range", json.dumps([float("nan"), 1])),
        ("range", None),
        ("data", json.dumps({"training": float("inf")})),
    ],
)
def test_damaged_metadata_is_told(tmp_path, key, value):
    with pytest.raises(UserError, match=r"metadata is damaged .*; train it again"):
        ScoreModel(brightness_score(tmp_path / "score.onnx", **{key: value}))


def test_other_models_are_told(tmp_path):
    with pytest.raises(UserError, match="does not fit its metadata"):
        ScoreModel(brightness_score(tmp_path / "score.onnx", side=64))
    with pytest.raises(UserError, match="for the task 'headphones', not for 'score'"):
        ScoreModel(PACKAGED_MODEL)
