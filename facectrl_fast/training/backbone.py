"""Frozen networks that turn a face into numbers, which a head is trained on.

Whatever they take themselves, what is made of them here takes gray crops (n, 1, h, w) in [0, 1],
as a webcam's luma gives them, and gives one vector a crop.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from facectrl_fast.errors import UserError
from facectrl_fast.training.export import to_onnx
from facectrl_fast.training.mobilenet import IMAGENET_DEVIATION, IMAGENET_MEAN, MobileNetV2

INPUT, OUTPUT = "crops", "features"
SIDE = 112
"""Pixels of a crop, where the network leaves that open."""
LEAST_SIDE = 24
LEAST_OPSET = 13
HUB = "hub:"
"""Before the name of a file on the hub: hub:OWNER/MODEL/FILE."""
SCALINGS = {
    "imagenet": (IMAGENET_MEAN, IMAGENET_DEVIATION),
    "unit": ((0.0,) * 3, (1.0,) * 3),
    "signed": ((0.5,) * 3, (0.5,) * 3),
    "bytes": ((0.0,) * 3, (1 / 255,) * 3),
}
"""What .onnx networks expect of pixels: mean and standard deviation of red, green and blue."""


@dataclass(frozen=True)
class Backbone:
    """A frozen network."""

    name: str
    model: onnx.ModelProto
    """From ``crops`` to ``features``."""
    height: int
    width: int


def open_backbone(given: str, scaling: str = "imagenet", side: int | None = None) -> Backbone:
    """The network that a user means.

    Args:
        given: a file: any .onnx that turns pictures into vectors or maps of features, or
            torchvision's MobileNetV2 weights (.pth); or one on the hub (see ``HUB``).
        scaling: one of ``SCALINGS``, for .onnx files.
        side: pixels of the crops, where the network leaves that open.

    Raises:
        UserError: it is missing or cannot be used.
    """
    path = _from_hub(given) if given.startswith(HUB) else Path(given)
    if not path.is_file():
        raise UserError(f"backbone {path} does not exist; check --backbone")
    if path.suffix == ".onnx":
        return _from_onnx(path, scaling, side)
    return _mobilenet(path, side or SIDE)


def _from_hub(given: str) -> Path:
    try:
        from huggingface_hub import hf_hub_download
        from huggingface_hub.errors import HfHubHTTPError, HFValidationError
    except ImportError:
        raise UserError(
            "backbones of the hub need one more package: pip install huggingface-hub"
        ) from None
    parts = given.removeprefix(HUB).split("/", 2)
    if len(parts) != 3:
        raise UserError(f"'{given}' is not {HUB}OWNER/MODEL/FILE; check --backbone")
    owner, model, name = parts
    try:
        return Path(hf_hub_download(f"{owner}/{model}", name))
    except (OSError, HfHubHTTPError, HFValidationError, ValueError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UserError(f"cannot get '{given}': {reason}") from None


class _MobileNetFeatures(nn.Module):
    """MobileNetV2's features of its middle layers, averaged over parts of the crop.

    The last layers were made to tell things apart: they add nothing about faces, and are two thirds
    of the weights.
    """

    LAYERS = 14
    """How many are kept; what is left of the crop's sides is a sixteenth."""
    PARTS = 3
    """Of a grid, across and down."""
    mean: torch.Tensor
    deviation: torch.Tensor

    def __init__(self, weights: Path) -> None:
        super().__init__()
        network = MobileNetV2(1.0, 3)
        network.load(weights)
        self.features = network.features[: self.LAYERS]
        for name, values in zip(("mean", "deviation"), SCALINGS["imagenet"], strict=True):
            blue_first = torch.tensor(values[::-1]).reshape(1, 3, 1, 1)
            self.register_buffer(name, blue_first)

    def forward(self, crops: torch.Tensor) -> torch.Tensor:
        """(n, 1, h, w) to (n, 96 x 3 x 3)."""
        features = self.features((crops - self.mean) / self.deviation)
        return nn.functional.adaptive_avg_pool2d(features, self.PARTS).flatten(1)


def _mobilenet(weights: Path, side: int) -> Backbone:
    if side % 16:
        raise UserError(f"MobileNetV2 takes sides that are multiples of 16: {side} is none")
    network = _MobileNetFeatures(weights)
    crops = torch.zeros(1, 1, side, side)
    model = to_onnx(network, crops, INPUT, [OUTPUT], {0: torch.export.Dim("n")})
    return Backbone("mobilenet-v2", model, side, side)


def _from_onnx(path: Path, scaling: str, side: int | None) -> Backbone:
    try:
        model = onnx.load(path)
        onnx.checker.check_model(model)
    except Exception as error:  # protobuf and onnx raise many kinds
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UserError(f"{path} is not a usable ONNX model: {reason}") from None
    opset = next((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), 0)
    if opset < LEAST_OPSET:
        raise UserError(f"{path} is of opset {opset}; at least {LEAST_OPSET} is needed")
    graph = model.graph
    inputs = [each for each in graph.input if each.name not in stored_names(model)]
    shape = [] if len(inputs) != 1 else list(inputs[0].type.tensor_type.shape.dim)
    outputs = [] if not graph.output else list(graph.output[0].type.tensor_type.shape.dim)
    kind = inputs[0].type.tensor_type.elem_type if len(inputs) == 1 else None
    if len(shape) != 4 or len(outputs) not in (2, 4) or kind != TensorProto.FLOAT:
        raise UserError(f"{path} does not turn one picture into a vector or a map of features")
    channels_last = shape[3].dim_value in (1, 3) and shape[1].dim_value not in (1, 3)
    places = (1, 2, 3) if channels_last else (2, 3, 1)
    height, width, channels = (shape[k].dim_value for k in places)
    if channels not in (1, 3):
        raise UserError(f"{path} takes {channels or 'any number of'} channels, not 1 or 3")
    if shape[0].dim_value > 1:
        raise UserError(f"{path} takes {shape[0].dim_value} pictures at a time, not one")
    height, width = height or side or SIDE, width or side or SIDE
    if min(height, width) < LEAST_SIDE:
        raise UserError(f"{path} takes {width} x {height} pixels; at least {LEAST_SIDE} are needed")
    model = _without_clashes(model)
    graph = model.graph
    mean, deviation = (np.array(values, np.float32)[:channels] for values in SCALINGS[scaling])
    graph.initializer.extend(
        numpy_helper.from_array(values.reshape(1, channels, 1, 1), name)
        for name, values in (("ours_mean", mean), ("ours_deviation", deviation))
    )
    taken = next(each for each in graph.input if each.name not in stored_names(model))
    before = [
        helper.make_node("Concat", [INPUT] * channels, ["ours_channels"], axis=1),
        helper.make_node("Sub", ["ours_channels", "ours_mean"], ["ours_centred"]),
        helper.make_node(
            "Div",
            ["ours_centred", "ours_deviation"],
            ["ours_last" if channels_last else taken.name],
        ),
    ]
    if channels_last:
        before.append(helper.make_node("Transpose", ["ours_last"], [taken.name], perm=[0, 2, 3, 1]))
    batch = shape[0].dim_value or "n"
    made = graph.output[0].name
    after = [helper.make_node("Flatten", [made], [OUTPUT])]
    if len(outputs) == 4:
        # Where channels come last, so do they in a map of features.
        axes = [1, 2] if channels_last else [2, 3]
        graph.initializer.append(numpy_helper.from_array(np.array(axes, np.int64), "ours_axes"))
        mean_of = (
            helper.make_node("ReduceMean", [made, "ours_axes"], ["ours_mean_of"], keepdims=0)
            if opset >= 18
            else helper.make_node("ReduceMean", [made], ["ours_mean_of"], axes=axes, keepdims=0)
        )
        after = [mean_of, helper.make_node("Flatten", ["ours_mean_of"], [OUTPUT])]
    nodes = [*before, *graph.node, *after]
    del graph.node[:], graph.output[:]
    graph.node.extend(nodes)
    graph.input.remove(taken)
    crops = helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, [batch, 1, height, width])
    graph.input.insert(0, crops)
    graph.output.append(helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, [batch, None]))
    del model.metadata_props[:]
    return Backbone(path.stem, model, height, width)


def stored_names(model: onnx.ModelProto) -> set[str]:
    """Of a model's weights, which old files list among the inputs."""
    return {each.name for each in model.graph.initializer}


def _without_clashes(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same with names that ours are not among."""
    from onnx.compose import add_prefix

    return add_prefix(model, "backbone/")
