"""Fits a non-linear function by networks of one hidden layer and of three, and draws both.

    python examples/nonlinear_function/nonlinear_function.py [--epochs 500] [--out fits.png]

It shows how the package's training engine is used from Python, for a task of one's own: data, a
network, a loss and a metric are yours; order, checkpoints, curves and going on after a kill are the
engine's.
"""

import argparse
import tempfile
from pathlib import Path

import lightning
import numpy as np
import torch
from matplotlib.figure import Figure
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from facectrl_fast.training.data import Shuffled
from facectrl_fast.training.engine import (
    OptimizerChoice,
    Schedule,
    TrainedModule,
    TrainingData,
    fit_module,
)

POINTS = 200
BATCH_SIZE = 16
LEARNING_RATE = 1e-2


def function(x: np.ndarray) -> np.ndarray:
    """What is to be learnt."""
    return np.sin(3 * x) + 0.3 * np.cos(9 * x) + 0.1 * x**2


def one_hidden_layer() -> nn.Module:
    """64 units."""
    return nn.Sequential(nn.Linear(1, 64), nn.ReLU(), nn.Linear(64, 1))


def three_hidden_layers() -> nn.Module:
    """64 units, 64 of tanh, 64."""
    return nn.Sequential(
        nn.Linear(1, 64),
        nn.ReLU(),
        nn.Linear(64, 64),
        nn.Tanh(),
        nn.Linear(64, 64),
        nn.ReLU(),
        nn.Linear(64, 1),
    )


class Points(TrainingData):
    """Points of the function, and others in between to validate on."""

    def __init__(self) -> None:
        super().__init__()
        x = np.linspace(-3, 3, 2 * POINTS, dtype=np.float32)[:, None]
        y = function(x).astype(np.float32)
        self.training = TensorDataset(torch.from_numpy(x[::2]), torch.from_numpy(y[::2]))
        self.validation = TensorDataset(torch.from_numpy(x[1::2]), torch.from_numpy(y[1::2]))

    def train_dataloader(self) -> DataLoader:
        """In an order that the epoch decides, so that a resumed run repeats it."""
        order = [index for _, index in Shuffled(self.training, 0, lambda: self.epoch)]
        return DataLoader(self.training, BATCH_SIZE, sampler=order)

    def val_dataloader(self) -> DataLoader:
        """All of them."""
        return DataLoader(self.validation, POINTS)


class Fit(TrainedModule):
    """Mean squared error."""

    SELECTED_BY = "val_minus_error"
    SELECTED_BY_NAME = "minus squared error"

    def __init__(self, network: nn.Module) -> None:
        super().__init__(OptimizerChoice(LEARNING_RATE, epoch_factor=0.995))
        self.network = network

    def training_step(self, batch: tuple[torch.Tensor, torch.Tensor], _: int) -> torch.Tensor:
        """One step."""
        loss = nn.functional.mse_loss(self.network(batch[0]), batch[1])
        self.log("train_loss", loss, on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch: tuple[torch.Tensor, torch.Tensor], _: int) -> None:
        """Of all points at once."""
        error = nn.functional.mse_loss(self.network(batch[0]), batch[1])
        self.log("val_loss", error)
        self.log(self.SELECTED_BY, -error)


def main() -> None:
    """Fit both, print their errors and draw them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=500)
    parser.add_argument("--out", type=Path, default=Path("nonlinear_function.png"))
    given = parser.parse_args()
    figure = Figure((8, 3), layout="constrained")
    x = np.linspace(-3, 3, 600, dtype=np.float32)[:, None]
    makers = {"one hidden layer": one_hidden_layer, "three": three_hidden_layers}
    for axes, (name, make) in zip(figure.subplots(1, 2, sharey=True), makers.items(), strict=True):
        lightning.seed_everything(0, verbose=False)
        module = Fit(make())
        with tempfile.TemporaryDirectory() as folder:
            schedule = Schedule(given.epochs, given.epochs)
            fit_module(module, Points(), Path(folder), schedule, lambda _: None)
        with torch.no_grad():
            fitted = module.network(torch.from_numpy(x)).numpy()
        error = float(np.square(fitted - function(x)).mean())
        print(f"{name}: mean squared error {error:.5f}")
        axes.plot(x, function(x), ":", color="#8a8a8a", label="function")
        axes.plot(x, fitted, color="#2a6f97", label="network")
        axes.set(title=f"{name}: {error:.5f}")
        axes.legend(frameon=False)
    figure.savefig(given.out)


if __name__ == "__main__":
    main()
