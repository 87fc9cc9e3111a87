"""The networks that can be trained, as PyTorch modules.

All take gray crops (n, 1, 64, 64) in [0, 1]. Classifiers give logits (n, 2), in the order of
LABELS, and the embedding (n, d) that these are made of; reconstruction networks give the mean
squared error (n, 1) of each crop. That is also what the exported files give.
"""

from __future__ import annotations

import torch
from torch import nn

from facectrl_fast.dataset.folder import LABELS

SIDE = 64
PIXELS = SIDE * SIDE
LEAKY_SLOPE = 0.2
"""TensorFlow's default, which the seed used."""


class Standardized(nn.Module):
    """Shifts and scales crops so that the training crops' mean picture is 0, their spread 1.

    Gray values from 0 to 1 make Adam's steps hardly ever point the right way. In training, noise
    keeps the layer behind from relying on single pixels, which no two cameras show alike.
    """

    def __init__(self, noise: float) -> None:
        super().__init__()
        self._noise = noise
        self.mean: torch.Tensor
        self.spread: torch.Tensor
        self.register_buffer("mean", torch.zeros(1, 1, SIDE, SIDE))
        self.register_buffer("spread", torch.ones(()))

    def fit(self, crops: torch.Tensor) -> None:
        """Measure the mean and the spread on crops (n, 1, 64, 64)."""
        self.mean.copy_(crops.mean(0, keepdim=True))
        self.spread.copy_(crops.std().clamp_min(1e-3))

    def forward(self, crops: torch.Tensor) -> torch.Tensor:
        """(n, 1, 64, 64) to the same shape."""
        crops = (crops - self.mean) / self.spread
        if self.training:
            crops = crops + self._noise * torch.randn_like(crops)
        return crops


class EvenLight(nn.Module):
    """Shifts and scales each crop by its own mean and spread: exposure does not matter."""

    def forward(self, crops: torch.Tensor) -> torch.Tensor:
        """(n, 1, 64, 64) to the same shape."""
        centred = crops - crops.mean((2, 3), keepdim=True)
        spread = (centred * centred).mean((2, 3), keepdim=True).sqrt()
        return centred / (spread + 0.02)


class Classifier(nn.Module):
    """An embedding and a linear head on it."""

    def __init__(self, body: nn.Module, size: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.body = body
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(size, len(LABELS))

    def forward(self, crops: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits and embedding of (n, 1, 64, 64)."""
        embedding = self.body(crops)
        return self.head(self.dropout(embedding)), embedding


def seed_classifier() -> Classifier:
    """The seed's: two dense layers, 64 leaky units between them."""
    body = nn.Sequential(
        Standardized(noise=0.3), nn.Flatten(), nn.Linear(PIXELS, 64), nn.LeakyReLU(LEAKY_SLOPE)
    )
    return Classifier(body, 64)


class Residual(nn.Module):
    """Adds what its body makes of the input."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """(n, c, h, w) to the same shape."""
        return torch.relu(features + self.body(features))


def _normalised(inputs: int, outputs: int, side: int = 3, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, side, stride, side // 2, bias=False), nn.BatchNorm2d(outputs)
    )


def small_cnn(dropout: float = 0.2) -> Classifier:
    """Ours: seven convolutions; where things are in the crop counts; an embedding of 24.

    Channels are multiples of 16, which the processor works on together.
    """

    def convolution(inputs: int, outputs: int, side: int, stride: int) -> nn.Sequential:
        return nn.Sequential(_normalised(inputs, outputs, side, stride), nn.ReLU())

    body = nn.Sequential(
        EvenLight(),
        convolution(1, 16, 5, 2),
        convolution(16, 32, 3, 2),
        Residual(nn.Sequential(convolution(32, 32, 3, 1), _normalised(32, 32))),
        convolution(32, 48, 3, 2),
        Residual(nn.Sequential(convolution(48, 16, 3, 1), _normalised(16, 48))),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Dropout(dropout),
        nn.Linear(48 * 16, 24),
        nn.ReLU(),
    )
    return Classifier(body, 24, dropout)


class Autoencoder(nn.Module):
    """Dense layers down to a code and back; crops unlike the training's come back worse."""

    def __init__(self, code: int = 32) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Flatten(), nn.Linear(PIXELS, 128), nn.LeakyReLU(LEAKY_SLOPE), nn.Linear(128, code)
        )
        self.decoder = _decoder(code)

    def losses(self, crops: torch.Tensor) -> torch.Tensor:
        """What training makes small, (n,)."""
        errors: torch.Tensor = self(crops)
        return errors[:, 0]

    def forward(self, crops: torch.Tensor) -> torch.Tensor:
        """The error (n, 1) of reconstructing (n, 1, 64, 64)."""
        return _errors(self.decoder(self.encoder(crops)), crops)


class VariationalAutoencoder(nn.Module):
    """The same with a code that is a distribution; judged by its mean."""

    CODE_WEIGHT = 1e-4
    """Of the code's divergence from a normal distribution, beside the mean error of a pixel."""

    def __init__(self, code: int = 32) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Flatten(), nn.Linear(PIXELS, 128), nn.LeakyReLU(LEAKY_SLOPE)
        )
        self.mean = nn.Linear(128, code)
        self.log_variance = nn.Linear(128, code)
        self.decoder = _decoder(code)

    def losses(self, crops: torch.Tensor) -> torch.Tensor:
        """What training makes small, (n,)."""
        hidden = self.encoder(crops)
        mean: torch.Tensor = self.mean(hidden)
        log_variance: torch.Tensor = self.log_variance(hidden).clamp(-10, 10)
        code = mean + torch.randn_like(mean) * (log_variance / 2).exp()
        divergence = (mean**2 + log_variance.exp() - 1 - log_variance).sum(1) / 2
        return _errors(self.decoder(code), crops)[:, 0] + self.CODE_WEIGHT * divergence

    def forward(self, crops: torch.Tensor) -> torch.Tensor:
        """The error (n, 1) of reconstructing (n, 1, 64, 64) from the mean of the code."""
        return _errors(self.decoder(self.mean(self.encoder(crops))), crops)


def _decoder(code: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(code, 128), nn.LeakyReLU(LEAKY_SLOPE), nn.Linear(128, PIXELS), nn.Sigmoid()
    )


def _errors(reconstructed: torch.Tensor, crops: torch.Tensor) -> torch.Tensor:
    apart: torch.Tensor = reconstructed - crops.flatten(1)
    return (apart * apart).mean(1, keepdim=True)
