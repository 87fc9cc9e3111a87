"""Identity models: files, and what they make of faces."""

import json

import numpy as np
import onnx
import pytest

from facectrl_fast.errors import UserError
from facectrl_fast.models import PACKAGED_MODEL
from facectrl_fast.types import PixelFormat
from facectrl_fast.vision.identity import IdentityDescription, IdentityModel, similarity
from facectrl_fast.vision.preprocess import Preprocessing
from tests.models import brightness_identity


def rewritten(tmp_path, **entries):
    path = brightness_identity(tmp_path / "identity.onnx")
    model = onnx.load(path)
    told = {entry.key: entry.value for entry in model.metadata_props} | entries
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, {k: v for k, v in told.items() if v is not None})
    onnx.save(model, path)
    return path


def test_metadata_comes_back():
    described = IdentityDescription(
        "network",
        64,
        96,
        Preprocessing(expansion=(0.1, 0.2)),
        -0.75,
        {"people": 3},
        {"roc_auc": 0.9},
        "1",
    )
    assert IdentityDescription.from_metadata(described.to_metadata(), "it") == described


def test_a_face_becomes_a_point(tmp_path):
    model = IdentityModel(brightness_identity(tmp_path / "identity.onnx"))
    assert model.dimensions == 2
    image = np.full((100, 100), 51, np.uint8)
    point = model.embed_face(image, PixelFormat.GRAY8, (30, 30, 40, 40))
    np.testing.assert_allclose(point, [0.2, 0.8], atol=1e-5)
    assert similarity(point, point) == 0
    assert similarity(point, point + np.float32(0.5)) == pytest.approx(-0.5)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("input", "nonsense"),
        ("input", json.dumps({"height": 0, "width": 32})),
        ("input", "[" * 100_000),
        ("preprocessing", json.dumps({"expansion": [-1, 0]})),
        ("thresholds", json.dumps({"similarity": 0.5})),
        ("thresholds", json.dumps({"similarity": float("nan")})),
        ("thresholds", json.dumps({"similarity": "close"})),
        ("thresholds", None),
        ("data", json.dumps({"people": float("inf")})),
    ],
)
def test_damaged_metadata_is_told(tmp_path, key, value):
    with pytest.raises(UserError, match=r"metadata is damaged .*; train it again"):
        IdentityModel(rewritten(tmp_path, **{key: value}))


def test_metadata_of_another_network_is_told(tmp_path):
    with pytest.raises(UserError, match="does not fit its metadata"):
        IdentityModel(rewritten(tmp_path, input=json.dumps({"height": 64, "width": 64})))


def test_other_models_are_told(tmp_path):
    with pytest.raises(UserError, match="for the task 'headphones', not for 'identity'"):
        IdentityModel(PACKAGED_MODEL)
    with pytest.raises(UserError, match="does not exist"):
        IdentityModel(tmp_path / "nowhere.onnx")
