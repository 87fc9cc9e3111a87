"""Draws how well people are told apart; needs Matplotlib."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from facectrl_fast.errors import UserError
from facectrl_fast.evaluation.verification import Verification

BLUE, ORANGE, GRAY = "#2a6f97", "#c8553d", "#8a8a8a"


def roc_figure(judged: Mapping[str, Verification]) -> Figure:
    """Right against false acceptances of several judges."""
    figure = Figure((4, 3), layout="constrained")
    _draw_roc(figure.subplots(), judged)
    return figure


def distances_figure(pairs: Verification, threshold: float) -> Figure:
    """How far apart faces of one person lie, and of two."""
    figure = Figure((4, 3), layout="constrained")
    _draw_distances(figure.subplots(), pairs, threshold)
    return figure


def draw_pairs(out: Path, pairs: Verification, threshold: float) -> None:
    """Both, as a picture.

    Raises:
        UserError: it cannot be written.
    """
    figure = Figure((8, 3), layout="constrained")
    left, right = figure.subplots(1, 2)
    _draw_roc(left, {"model": pairs})
    _draw_distances(right, pairs, threshold)
    try:
        figure.savefig(out)
    except (OSError, ValueError) as error:
        raise UserError(f"cannot write {out}: {error}") from None


def _draw_roc(axes: Axes, judged: Mapping[str, Verification]) -> None:
    colours = (GRAY, ORANGE, BLUE)[-len(judged) :]
    for (name, pairs), colour in zip(judged.items(), colours, strict=True):
        false, right, _ = pairs.curve
        axes.plot(false, right, color=colour, label=f"{name}, area {pairs.roc_auc:.4f}")
    axes.plot([0, 1], [0, 1], ":", color=GRAY)
    axes.set(title="ROC", xlabel="two people taken for one", ylabel="one person known")
    axes.legend(frameon=False)


def _draw_distances(axes: Axes, pairs: Verification, threshold: float) -> None:
    most = float(-min(pairs.same.min(), pairs.different.min()))
    bins = np.linspace(0, most, 60).tolist()
    for alike, colour, name in (
        (pairs.same, BLUE, "one person"),
        (pairs.different, ORANGE, "two people"),
    ):
        axes.hist(-alike, bins, density=True, color=colour, alpha=0.6, label=name)
    axes.axvline(-threshold, color=GRAY, linestyle=":", label="threshold")
    axes.set(title="Squared distances", xlabel="squared distance", yticks=[])
    axes.legend(frameon=False)
