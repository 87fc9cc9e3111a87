"""Smaller models compute what the exact ones do."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest

from facectrl_fast.models import PACKAGED_DETECTOR

pytestmark = pytest.mark.train
pytest.importorskip("torch", reason="the training tests need PyTorch: make test-all")


def convolution(weights: np.ndarray) -> onnx.ModelProto:
    value = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        [
            onnx.helper.make_node("Conv", ["picture", "weights"], ["features"], pads=[1, 1, 1, 1]),
            onnx.helper.make_node("Add", ["features", "shift"], ["out"]),
        ],
        "convolution",
        [value("picture", onnx.TensorProto.FLOAT, (1, 8, 12, 16))],
        [value("out", onnx.TensorProto.FLOAT, (1, 24, 12, 16))],
        [
            onnx.numpy_helper.from_array(weights, "weights"),
            onnx.numpy_helper.from_array(np.float32([0.1]), "shift"),
        ],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)])
    model.ir_version = 10
    onnx.helper.set_model_props(model, {"made by": "hand"})
    return model


def run(model: onnx.ModelProto, picture: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return np.asarray(session.run(None, {"picture": picture})[0])


def test_weights_stored_in_halves_are_half_the_file_and_nearly_the_same_function() -> None:
    from facectrl_fast.training.quantise import with_half_weights

    rng = np.random.default_rng(0)
    exact = convolution(rng.normal(0, 0.2, (24, 8, 3, 3)).astype(np.float32))
    halves = with_half_weights(exact)
    assert halves.ByteSize() < 0.6 * exact.ByteSize()
    assert halves.metadata_props == exact.metadata_props
    assert exact.graph.initializer[0].data_type == onnx.TensorProto.FLOAT, "the original stays"
    picture = rng.random((1, 8, 12, 16), np.float32)
    np.testing.assert_allclose(run(halves, picture), run(exact, picture), atol=2e-3)


def test_weights_that_halves_hold_exactly_give_exactly_the_same() -> None:
    from facectrl_fast.training.quantise import with_half_weights

    rng = np.random.default_rng(1)
    exact = convolution(rng.normal(0, 0.2, (24, 8, 3, 3)).astype(np.float16).astype(np.float32))
    picture = rng.random((1, 8, 12, 16), np.float32)
    np.testing.assert_array_equal(run(with_half_weights(exact), picture), run(exact, picture))


def test_the_packaged_detector_is_small() -> None:
    assert PACKAGED_DETECTOR.stat().st_size <= 300_000
