"""The weights of a detector's file, for a training that goes on from there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import nn

from facectrl_fast.errors import UserError
from facectrl_fast.types import Float32Array
from facectrl_fast.vision.anchor_network import AnchorNetwork
from facectrl_fast.vision.anchors import AnchorLevel
from facectrl_fast.vision.detect import check_file


def begin_with(network: nn.Module, levels: Sequence[AnchorLevel], path: Path) -> None:
    """Make a network compute what a file does; to train it, see ``measure_norms``.

    Args:
        network: new; takes over the weights.
        levels: its anchors, which may have other sizes than the file's.
        path: an .onnx of ``train detector``, with these layers.

    Raises:
        UserError: there is no such file, it is no face detector of ours, or it does not fit.
    """
    check_file(path)
    known = AnchorNetwork(path).description.levels
    if [(each.stride, each.aspects) for each in known] != [
        (each.stride, each.aspects) for each in levels
    ]:
        raise UserError(f"{path} has other anchors; check --weights, --arch and --aspects")
    stored = _convolutions(path)
    for name, convolution, norm in _layers(network):
        weights, bias = stored.pop(name, (None, None))
        has_bias = norm is not None or convolution.bias is not None
        shapes = [array.shape for array in (weights, bias) if array is not None]
        if shapes != [convolution.weight.shape, (convolution.out_channels,)][: 1 + has_bias]:
            raise _other_layers(path)
        with torch.no_grad():
            convolution.weight.copy_(torch.from_numpy(weights))
            if norm is not None:
                # The file has it folded into the convolution: it passes on all but the bias.
                norm.weight.fill_((1 + norm.eps) ** 0.5)
                norm.bias.copy_(torch.from_numpy(bias))
            elif convolution.bias is not None:
                convolution.bias.copy_(torch.from_numpy(bias))
    if stored:
        raise _other_layers(path)


def measure_norms(network: nn.Module, pictures: torch.Tensor) -> None:
    """Have batch normalisations normalise what they are given, and give what they gave before.

    So what the network computes in use is what it computes in training, when they normalise by the
    batch, whatever they have been told before.

    Args:
        network: any; is switched to inference.
        pictures: (n, channels, h, w) in [0, 1], of the kind that it will be trained on.
    """
    seen: dict[nn.BatchNorm2d, tuple[torch.Tensor, torch.Tensor]] = {}

    def measure(norm: nn.BatchNorm2d, given: tuple[torch.Tensor]) -> None:
        seen[norm] = given[0].mean((0, 2, 3)), given[0].var((0, 2, 3), unbiased=False)

    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    hooks = [norm.register_forward_pre_hook(measure) for norm in norms]
    with torch.no_grad():
        network.eval()(pictures)
        for hook in hooks:
            hook.remove()
        for norm, (mean, variance) in seen.items():
            assert norm.running_mean is not None
            assert norm.running_var is not None
            scale = norm.weight / (norm.running_var + norm.eps).sqrt()
            norm.bias.add_(scale * (mean - norm.running_mean))
            norm.weight.copy_(scale * (variance + norm.eps).sqrt())
            norm.running_mean.copy_(mean)
            norm.running_var.copy_(variance)


def _convolutions(path: Path) -> dict[str, tuple[Float32Array, Float32Array | None]]:
    """Weights and bias of each, by its name in PyTorch."""
    graph = onnx.load(path).graph
    if any(node.op_type == "DequantizeLinear" for node in graph.node):
        raise UserError(f"{path} is quantised to int8: no training can begin with it")
    arrays = {each.name: onnx.numpy_helper.to_array(each) for each in graph.initializer}
    # Those that are stored as halves are cast before use.
    arrays |= {
        node.output[0]: arrays[node.input[0]]
        for node in graph.node
        if node.op_type == "Cast" and node.input[0] in arrays
    }
    found: dict[str, tuple[Float32Array, Float32Array | None]] = {}
    for node in graph.node:
        if node.op_type == "Conv" and all(name in arrays for name in node.input[1:]):
            weights, *bias = (arrays[name].astype(np.float32) for name in node.input[1:])
            found[node.input[1].removesuffix(".weight")] = weights, bias[0] if bias else None
    return found


def _layers(network: nn.Module) -> Iterator[tuple[str, nn.Conv2d, nn.BatchNorm2d | None]]:
    """The convolutions, each with the normalisation that follows on it."""
    named = [
        (name, module) for name, module in network.named_modules() if not any(module.children())
    ]
    following = [module for _, module in named[1:]] + [None]
    for (name, module), after in zip(named, following, strict=True):
        if isinstance(module, nn.Conv2d):
            yield name, module, after if isinstance(after, nn.BatchNorm2d) else None


def _other_layers(path: Path) -> UserError:
    return UserError(f"{path} has other layers; check --weights, --arch, --width and --colour")
