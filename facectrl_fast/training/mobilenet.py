"""MobileNetV2, the backbone of several tasks."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from facectrl_fast.errors import UserError

IMAGENET_MEAN, IMAGENET_DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of the red, green and blue of its pictures, by which published weights expect pixels."""


class _Inverted(nn.Module):
    """Widens, filters each channel by itself, and narrows again."""

    def __init__(self, inputs: int, outputs: int, stride: int, widening: int) -> None:
        super().__init__()
        hidden = inputs * widening
        layers: list[nn.Module] = []
        if widening != 1:
            layers.append(_activated(inputs, hidden, 1))
        layers += [
            _activated(hidden, hidden, 3, stride, hidden),
            nn.Conv2d(hidden, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs),
        ]
        self.conv = nn.Sequential(*layers)
        self._adds = stride == 1 and inputs == outputs

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """(n, c, h, w) to (n, outputs, h / stride, w / stride)."""
        made: torch.Tensor = self.conv(features)
        return features + made if self._adds else made


def _activated(
    inputs: int, outputs: int, side: int, stride: int = 1, groups: int = 1
) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, outputs, side, stride, side // 2, groups=groups, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU6())


class MobileNetV2(nn.Module):
    """Sandler et al. 2018, without its head, its layers named as in torchvision's weights."""

    # Widening, channels, layers, stride of the first one.
    STAGES = (
        (1, 16, 1, 1),
        (6, 24, 2, 2),
        (6, 32, 3, 2),
        (6, 64, 4, 2),
        (6, 96, 3, 1),
        (6, 160, 3, 2),
        (6, 320, 1, 1),
    )
    LAST = 1280

    def __init__(self, width: float = 1.0, inputs: int = 1) -> None:
        """Make one with random weights.

        Args:
            width: multiplies the channels of all layers.
            inputs: 1 for gray pictures, 3 for BGR.
        """
        super().__init__()
        current = whole_channels(32 * width)
        self.channels = [current]
        """What each layer of ``features`` gives."""
        layers: list[nn.Module] = [_activated(inputs, current, 3, 2)]
        for widening, outputs, count, stride in self.STAGES:
            for k in range(count):
                following = whole_channels(outputs * width)
                layers.append(_Inverted(current, following, stride if k == 0 else 1, widening))
                current = following
                self.channels.append(current)
        last = max(self.LAST, whole_channels(self.LAST * width))
        layers.append(_activated(current, last, 1))
        self.channels.append(last)
        self.features = nn.Sequential(*layers)

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """(n, inputs, h, w) to (n, channels[-1], h / 32, w / 32)."""
        features: torch.Tensor = self.features(pictures)
        return features

    def load(self, weights: Path) -> None:
        """Take over torchvision's ImageNet weights, for a width of 1.

        Raises:
            UserError: the file is missing or holds others.
        """
        try:
            given = torch.load(weights, map_location="cpu", weights_only=True)
            features = {k: v for k, v in given.items() if k.startswith("features.")}
            first = "features.0.0.weight"
            if self.state_dict()[first].shape[1] == 1:
                # What the colours' filters make of gray.
                features[first] = features[first].sum(1, keepdim=True)
            else:
                features[first] = features[first].flip(1)  # they were made for RGB
            self.load_state_dict(features)
        except Exception:  # torch raises many kinds for what is no such file
            raise UserError(f"{weights} holds no weights of torchvision's MobileNetV2") from None


def whole_channels(channels: float) -> int:
    """A multiple of eight, of which processors compute as many at once."""
    return max(8, round(channels / 8) * 8)
