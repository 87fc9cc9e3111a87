"""The weights of a detector's file, for a training that goes on from there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import nn

from facectrl_fast.errors import UserError
from facectrl_fast.types import Float32Array
from facectrl_fast.vision.detect import check_file
from facectrl_fast.vision.ssd import SsdDetector


def begin_with(network: nn.Module, path: Path, pictures: torch.Tensor) -> None:
    """Make a network compute what a file does, while it is used and while it is trained.

    The file has each batch normalisation folded into the convolution before it. Here they are told
    apart again, by what comes out of that convolution for some pictures.

    Args:
        network: takes over the weights.
        path: an .onnx of ``train detector``, with these layers.
        pictures: (n, channels, h, w) in [0, 1], of the kind that it will be trained on.

    Raises:
        UserError: there is no such file, it is no face detector of ours, or it has other layers.
    """
    check_file(path)
    SsdDetector(path)  # tells what is wrong with a file
    stored = _convolutions(path)
    norms = []
    for name, convolution, norm in _layers(network):
        weights, bias = stored.pop(name, (None, None))
        has_bias = norm is not None or convolution.bias is not None
        shapes = [array.shape for array in (weights, bias) if array is not None]
        if shapes != [convolution.weight.shape, (convolution.out_channels,)][: 1 + has_bias]:
            raise _other_layers(path)
        with torch.no_grad():
            convolution.weight.copy_(torch.from_numpy(weights))
            if norm is not None:
                norm.weight.fill_((1 + norm.eps) ** 0.5)  # so far it passes on all but the bias
                norm.bias.copy_(torch.from_numpy(bias))
                norms.append(norm)
            elif convolution.bias is not None:
                convolution.bias.copy_(torch.from_numpy(bias))
    if stored:
        raise _other_layers(path)
    _tell_apart(network.eval(), norms, pictures)


def _convolutions(path: Path) -> dict[str, tuple[Float32Array, Float32Array | None]]:
    """Weights and bias of each, by its name in PyTorch."""
    graph = onnx.load(path).graph
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


def _tell_apart(network: nn.Module, norms: list[nn.BatchNorm2d], pictures: torch.Tensor) -> None:
    """Have each normalisation normalise what it is given for these pictures, and undo that."""
    seen: dict[nn.BatchNorm2d, tuple[torch.Tensor, torch.Tensor]] = {}

    def measure(norm: nn.BatchNorm2d, given: tuple[torch.Tensor]) -> None:
        seen[norm] = given[0].mean((0, 2, 3)), given[0].var((0, 2, 3), unbiased=False)

    hooks = [norm.register_forward_pre_hook(measure) for norm in norms]
    with torch.no_grad():
        network(pictures)
        for hook in hooks:
            hook.remove()
        for norm, (mean, variance) in seen.items():
            norm.running_mean = mean
            norm.running_var = variance
            norm.weight.copy_((variance + norm.eps).sqrt())
            norm.bias.add_(mean)


def _other_layers(path: Path) -> UserError:
    return UserError(
        f"{path} has other layers; check --weights, --arch, --width, --aspects and --colour"
    )
