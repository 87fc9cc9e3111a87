"""Face detectors as PyTorch modules.

They take pictures (n, c, h, w) in [0, 1] and give, for each level of anchors, one output
(n, 5 a, rows, columns): the logits of its a anchors a cell, then four offsets of each. As two
outputs, of so few channels, they would take longer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from facectrl_fast.training.mobilenet import MobileNetV2, whole_channels
from facectrl_fast.vision.anchors import AnchorLevel

TINY_LEVELS = ((8, (24.0, 39.0, 62.0)), (16, (99.0, 156.0)))
"""Stride and anchor sizes. Each step of 1.6 leaves hardly a face without an anchor of IoU 0.5."""
FACE_ASPECT = 0.76
"""Width by height of the usual face."""

CLOSE_LEVELS = ((16, (62.0, 99.0, 156.0)),)
"""Of close looks, which show faces from a quarter of their height on."""

SSD_SIZES = ((16, (24.0, 48.0)), (32, (96.0, 176.0)))
"""Of the MobileNetV2, for pictures of 224 pixels."""


def _separable(into: int, out: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(into, into, 3, stride, 1, groups=into, bias=False),
        nn.Conv2d(into, out, 1, bias=False),
        nn.BatchNorm2d(out),
        nn.ReLU(),
    )


def _point(into: int, out: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(into, out, 1, bias=False), nn.BatchNorm2d(out), nn.ReLU())


def _head(channels: int, anchors: int) -> nn.Conv2d:
    head = nn.Conv2d(channels, 5 * anchors, 1)
    assert head.bias is not None
    nn.init.constant_(head.bias[:anchors], -4.6)  # faces are rare
    return head


def _to_fine(channels: int, first: int, out: int, more: int) -> nn.Sequential:
    """To stride 8."""
    return nn.Sequential(
        nn.Conv2d(channels, first, 5, 4, 2, bias=False),
        nn.BatchNorm2d(first),
        nn.ReLU(),
        _separable(first, out, 2),
        *(_separable(out, out) for _ in range(more)),
    )


def _to_coarse(into: int, out: int) -> nn.Sequential:
    """From stride 8 to stride 16."""
    return nn.Sequential(_separable(into, out, 2), *(_separable(out, out) for _ in range(4)))


class TinyDetector(nn.Module):
    """Ours: separable convolutions at strides 8 and 16, the coarse level told to the fine one.

    The first convolution takes steps of four pixels: what that saves buys rows, which small faces
    need more than they need early layers.
    """

    CHANNELS = 16, 32, 64
    """After the first convolution, at the fine level, and at the coarse one."""

    def __init__(
        self, levels: Sequence[AnchorLevel], width: float = 1.0, channels: int = 1
    ) -> None:
        """Make one with random weights.

        Args:
            levels: two, of strides 8 and 16.
            width: multiplies the channels of all layers.
            channels: 1 for gray pictures, 3 for colour.
        """
        super().__init__()
        a, b, c = (whole_channels(width * full) for full in self.CHANNELS)
        fine, coarse = levels
        self.to_fine = _to_fine(channels, a, b, 3)
        self.to_coarse = _to_coarse(b, c)
        self.tell = _point(c, b)
        self.grow = nn.Upsample(scale_factor=2, mode="nearest")
        self.mix = _separable(b, b)
        self.heads = nn.ModuleList([_head(b, len(fine.shapes)), _head(c, len(coarse.shapes))])

    def forward(self, pictures: torch.Tensor) -> list[torch.Tensor]:
        """(n, channels, h, w), both sides multiples of 16."""
        fine = self.to_fine(pictures)
        coarse = self.to_coarse(fine)
        fine = self.mix(fine + self.grow(self.tell(coarse)))
        return [head(each) for head, each in zip(self.heads, (fine, coarse), strict=True)]


class CloseDetector(nn.Module):
    """For close looks, where faces are large: the coarse level alone.

    Wider than the one that searches, and of fewer layers: where nothing was looked at for a while,
    it takes nearly as long to fetch them from memory as they compute of a small picture.
    """

    CHANNELS = 32, 48, 64
    """After the first convolution, at stride 8, and at stride 16."""

    def __init__(
        self, levels: Sequence[AnchorLevel], width: float = 1.0, channels: int = 1
    ) -> None:
        """Make one with random weights.

        Args:
            levels: one, of stride 16.
            width: multiplies the channels of all layers.
            channels: 1 for gray pictures, 3 for colour.
        """
        super().__init__()
        a, b, c = (whole_channels(width * full) for full in self.CHANNELS)
        (coarse,) = levels
        self.to_fine = _to_fine(channels, a, b, 2)
        self.to_coarse = _to_coarse(b, c)
        self.heads = nn.ModuleList([_head(c, len(coarse.shapes))])

    def forward(self, pictures: torch.Tensor) -> list[torch.Tensor]:
        """(n, channels, h, w), both sides multiples of 16."""
        coarse = self.to_coarse(self.to_fine(pictures))
        return [head(coarse) for head in self.heads]


class MobileNetV2Ssd(nn.Module):
    """The seed's: MobileNetV2's features at strides 16 and 32, each with a head."""

    BEFORE = 14
    """Layers of MobileNetV2 up to its last one at stride 16."""

    def __init__(
        self, levels: Sequence[AnchorLevel], width: float = 1.0, channels: int = 1
    ) -> None:
        """Make one with random weights.

        Args:
            levels: two, of strides 16 and 32.
            width: multiplies the channels of the backbone.
            channels: 1 for gray pictures, 3 for colour.
        """
        super().__init__()
        self.backbone = MobileNetV2(width, channels)
        taken = self.backbone.channels[self.BEFORE - 1], self.backbone.channels[-1]
        self.heads = nn.ModuleList(
            nn.Sequential(_separable(count, count), _head(count, len(level.shapes)))
            for count, level in zip(taken, levels, strict=True)
        )

    def forward(self, pictures: torch.Tensor) -> list[torch.Tensor]:
        """(n, channels, h, w), both sides multiples of 32."""
        features = (pictures - 0.5) / 0.25
        taken = []
        for k, layer in enumerate(self.backbone.features):
            features = layer(features)
            if k == self.BEFORE - 1:
                taken.append(features)
        taken.append(features)
        return [head(each) for head, each in zip(self.heads, taken, strict=True)]


@dataclass(frozen=True)
class Architecture:
    """A network that can be trained, and its anchors."""

    network: Callable[[Sequence[AnchorLevel], float, int], nn.Module]
    sizes: tuple[tuple[int, tuple[float, ...]], ...]
    """Stride and anchor sizes of each level."""
    input_size: tuple[int, int]
    """Width and height of the pictures that those sizes are for, and that are usual."""
    takes_weights: bool = False
    looks_closely: bool = False
    """For another detector, at what that doubts."""

    @property
    def multiple(self) -> int:
        """Of which the sides of pictures have to be multiples."""
        return max(stride for stride, _ in self.sizes)

    def levels(self, aspects: Sequence[float], rows: int) -> tuple[AnchorLevel, ...]:
        """The anchors, of these aspects, for pictures of so many rows."""
        scale = rows / self.input_size[1]
        return tuple(
            AnchorLevel(stride, tuple(scale * size for size in sizes), tuple(aspects))
            for stride, sizes in self.sizes
        )

    def build(
        self, levels: Sequence[AnchorLevel], width: float, channels: int, weights: Path | None
    ) -> nn.Module:
        """The network, its backbone with given weights.

        Args:
            levels: its anchors.
            width: multiplies the channels of its layers.
            channels: of the pictures.
            weights: torchvision's MobileNetV2 .pth, of width 1; None for random ones.

        Raises:
            UserError: the weights cannot be used.
        """
        network = self.network(levels, width, channels)
        if weights is not None:
            assert isinstance(network, MobileNetV2Ssd)
            network.backbone.load(weights)
        return network


ARCHITECTURES = {
    "tiny": Architecture(TinyDetector, TINY_LEVELS, (208, 160)),
    "close": Architecture(CloseDetector, CLOSE_LEVELS, (128, 160), looks_closely=True),
    "mobilenet-v2-ssd": Architecture(MobileNetV2Ssd, SSD_SIZES, (224, 224), takes_weights=True),
}
