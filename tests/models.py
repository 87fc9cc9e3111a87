"""Small models made on the spot: what a classifier says is then known beforehand."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from facectrl_fast.vision.identity import IdentityDescription
from facectrl_fast.vision.model_file import ErrorThreshold, ModelDescription


def brightness_model(path, description=None, metadata=None, side=64, outputs=2):
    """A model file that says 'on' to bright crops and 'off' to dark ones.

    The logit of 'on' is 20 * (mean - 0.5): a mean of 0.5 is undecided.
    """
    weights = np.zeros((side * side, outputs), np.float32)
    weights[:, 0] = 20 / (side * side)
    bias = np.zeros(outputs, np.float32)
    bias[0] = -10
    graph = helper.make_graph(
        [
            helper.make_node("Flatten", ["crops"], ["flat"]),
            helper.make_node("Gemm", ["flat", "weights", "bias"], ["logits"]),
        ],
        "brightness",
        [helper.make_tensor_value_info("crops", TensorProto.FLOAT, ["n", 1, side, side])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", outputs])],
        [numpy_helper.from_array(weights, "weights"), numpy_helper.from_array(bias, "bias")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    if metadata is None:
        metadata = (description or ModelDescription()).to_metadata()
    helper.set_model_props(model, metadata)
    onnx.save(model, str(path))
    return path


def darkness_is_on_model(path, limit):
    """A reconstruction model whose error is the crop's mean, and on up to ``limit``."""
    graph = helper.make_graph(
        [
            helper.make_node("Flatten", ["crops"], ["flat"]),
            helper.make_node("ReduceMean", ["flat"], ["error"], axes=[1], keepdims=1),
        ],
        "darkness",
        [helper.make_tensor_value_info("crops", TensorProto.FLOAT, ["n", 1, 64, 64])],
        [helper.make_tensor_value_info("error", TensorProto.FLOAT, ["n", 1])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    description = ModelDescription(
        kind="reconstruction",
        network="autoencoder",
        confidence=0.5,
        error=ErrorThreshold(limit - 0.3, 0.1),
    )
    helper.set_model_props(model, description.to_metadata())
    onnx.save(model, str(path))
    return path


def brightness_identity(path, similarity=-0.02, side=32):
    """An identity model for which faces as bright as each other are one person's.

    The point of a crop is (mean, 1 - mean): a difference of 0.1 makes a similarity of -0.02.
    """
    weights = np.full((side * side, 2), 1 / (side * side), np.float32)
    weights[:, 1] *= -1
    graph = helper.make_graph(
        [
            helper.make_node("Flatten", ["crops"], ["flat"]),
            helper.make_node("Gemm", ["flat", "weights", "bias"], ["embedding"]),
        ],
        "brightness",
        [helper.make_tensor_value_info("crops", TensorProto.FLOAT, ["n", 1, side, side])],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["n", 2])],
        [
            numpy_helper.from_array(weights, "weights"),
            numpy_helper.from_array(np.array([0, 1], np.float32), "bias"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    description = IdentityDescription(height=side, width=side, similarity=similarity)
    helper.set_model_props(model, description.to_metadata())
    onnx.save(model, str(path))
    return path
