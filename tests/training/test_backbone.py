"""Frozen networks of all kinds, made to take gray crops."""

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

torch = pytest.importorskip("torch", reason="PyTorch is not installed: make test-all installs it")

from facectrl_fast.errors import UserError  # noqa: E402
from facectrl_fast.training.backbone import SCALINGS, open_backbone  # noqa: E402

pytestmark = pytest.mark.train


def network(path, dims, opset=17, pooled=True, kind=TensorProto.FLOAT):
    """A network that gives the means of the channels, or the picture itself as features."""
    last = dims[-1] in (1, 3) and dims[1] not in (1, 3)
    channels = dims[-1] if last else dims[1]
    axes = [1, 2] if last else [2, 3]
    nodes = [helper.make_node("ReduceMean", ["crops"], ["features"], axes=axes, keepdims=0)]
    if opset >= 18:
        nodes = [helper.make_node("ReduceMean", ["crops", "axes"], ["features"], keepdims=0)]
    if not pooled:
        nodes = [helper.make_node("Identity", ["crops"], ["features"])]
    graph = helper.make_graph(
        nodes,
        "means",
        [helper.make_tensor_value_info("crops", kind, dims)],
        [helper.make_tensor_value_info("features", kind, [dims[0], channels] if pooled else dims)],
        [numpy_helper.from_array(np.array(axes, np.int64), "axes")],
    )
    opsets = [helper.make_opsetid("", opset)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=9), str(path))
    return str(path)


def run(backbone, crop):
    session = ort.InferenceSession(backbone.model.SerializeToString())
    (features,) = session.run(None, {"crops": crop})
    return features


@pytest.mark.parametrize("pooled", [True, False])
@pytest.mark.parametrize("opset", [13, 17, 18])
@pytest.mark.parametrize(
    "dims",
    [
        ["n", 3, "h", "w"],
        ["n", 3, 64, 48],
        [1, 3, 64, 48],
        ["n", 1, 64, 48],
        ["n", 64, 48, 3],
        ["n", "h", "w", 3],
    ],
)
@pytest.mark.parametrize("scaling", SCALINGS)
def test_networks_of_all_kinds_take_gray_crops(tmp_path, dims, opset, pooled, scaling):
    given = network(tmp_path / "net.onnx", dims, opset, pooled)
    backbone = open_backbone(given, scaling, 32)
    sides = (64, 48) if 64 in dims else (32, 32)
    assert (backbone.height, backbone.width) == sides
    crop = np.random.default_rng(0).random((1, 1, *sides), np.float32)
    channels = 1 if 1 in dims[1:] else 3
    mean, deviation = (np.array(v[:channels]) for v in SCALINGS[scaling])
    expected = (crop.mean() - mean) / deviation
    np.testing.assert_allclose(run(backbone, crop)[0], expected, rtol=1e-4, atol=1e-5)


def other_outputs(path, shape):
    graph = helper.make_graph(
        [helper.make_node("Identity", ["crops"], ["features"])],
        "none",
        [helper.make_tensor_value_info("crops", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, shape)],
    )
    opsets = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=9), str(path))
    return str(path)


def test_what_cannot_be_used_is_told_in_a_line(tmp_path):
    (tmp_path / "broken.onnx").write_bytes(b"no model")
    (tmp_path / "weights.pth").write_bytes(b"no weights")
    for given, complaint in (
        ("/nowhere.onnx", "does not exist"),
        (str(tmp_path / "broken.onnx"), "not a usable ONNX model"),
        (str(tmp_path / "weights.pth"), "no weights of torchvision's MobileNetV2"),
        (network(tmp_path / "old.onnx", ["n", 3, 32, 32], opset=11), "at least 13"),
        (network(tmp_path / "five.onnx", ["n", 5, 32, 32]), "takes 5 channels"),
        (network(tmp_path / "small.onnx", ["n", 3, 8, 8]), "at least 24 are needed"),
        (other_outputs(tmp_path / "text.onnx", ["n", 7]), "does not turn one picture"),
        ("hub:nonsense", "is not hub:OWNER/MODEL/FILE"),
    ):
        with pytest.raises(UserError, match=complaint) as caught:
            open_backbone(given)
        assert len(str(caught.value).splitlines()) == 1


def test_mobilenet_s_sides_are_multiples_of_16(tmp_path):
    (tmp_path / "weights.pth").write_bytes(b"")
    with pytest.raises(UserError, match="multiples of 16"):
        open_backbone(str(tmp_path / "weights.pth"), side=100)


def test_the_hub_s_files_are_used_where_they_are_here(tmp_path, monkeypatch):
    """As the hub's own client keeps them; nothing is fetched."""
    constants = pytest.importorskip("huggingface_hub.constants")
    kept = tmp_path / "models--somebody--faces"
    (kept / "refs").mkdir(parents=True)
    (kept / "refs/main").write_text("0" * 40)
    snapshot = kept / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    network(snapshot / "net.onnx", ["n", 3, 32, 32])
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    assert open_backbone("hub:somebody/faces/net.onnx").height == 32
    with pytest.raises(UserError, match="cannot get 'hub:somebody/faces/other"):
        open_backbone("hub:somebody/faces/other.onnx")
