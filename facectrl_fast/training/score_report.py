"""The report of a score model's training run: a page with its figures, and the card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from facectrl_fast.training.report_page import BLUE, GRAY, Shown, curves, write_page
from facectrl_fast.types import Float32Array
from facectrl_fast.vision.score import ScoreDescription

SEED_PICTURES = 5500
SEED_ERRORS = (0.2859, 0.2120)
"""Root of the mean squared error and mean error that the seed reached on SCUT-FBP5500."""
BIAS = (
    "Numbers that people gave to pictures of people say as much of those who were asked as of "
    "those who are seen. This model repeats the taste, and the prejudice, of whoever made the "
    "labels, and knows only the kinds of people that are in the pictures. It is no judgement of "
    "anyone."
)


@dataclass(frozen=True)
class Errors:
    """What a model said of pictures, beside the truth."""

    truth: Float32Array
    said: Float32Array

    @property
    def rmse(self) -> float:
        """Root of the mean squared error."""
        return float(np.sqrt(np.square(self.said - self.truth).mean()))

    @property
    def mae(self) -> float:
        """Mean absolute error."""
        return float(np.abs(self.said - self.truth).mean())


def write_report(
    out: Path,
    description: ScoreDescription,
    histories: Sequence[Sequence[dict[str, float]]],
    errors: Mapping[str, Errors],
    disagreement: float,
) -> Path:
    """Write the page ``out`` and what it shows beside it.

    Args:
        out: report.html; the pictures and card.md go into its folder.
        description: of the exported model.
        histories: of each stage, of each epoch, the losses and metrics.
        errors: on the test pictures, by what judged them; the model is the last.
        disagreement: between PyTorch and ONNX Runtime, as a share of the range.

    Raises:
        UserError: something cannot be written.
    """
    final = list(errors.values())[-1]
    title = "Minus squared error, validation"
    stages = [
        Shown(
            f"curves_stage{number}",
            f"Loss and metric by epoch, stage {number}",
            lambda history=history: curves(history, "val_minus_error", title),  # type: ignore[misc]
        )
        for number, history in enumerate(histories, 1)
    ]
    return write_page(
        out,
        f"{description.label}: error {final.mae:.3f} on average",
        f"On {len(final.truth)} pictures that nothing was chosen by.",
        score_card(description, errors, disagreement),
        [*stages, Shown("test", "Test pictures", lambda: _scatter(final))],
    )


def score_card(
    description: ScoreDescription, errors: Mapping[str, Errors], disagreement: float
) -> str:
    """What such a model is and how good, as Markdown."""
    data = description.data
    shown = (
        "whole pictures"
        if description.expansion is None
        else f"faces and {description.expansion:.0%} of their height around them"
    )
    lines = [
        f"# Model card: {description.label}",
        "",
        f"Gives faces a number from about {description.least:g} to {description.most:g}.",
        "",
        BIAS,
        "",
        "| | |",
        "|---|---|",
        f"| network | {description.network} |",
        f"| input | {description.side} x {description.side} BGR, {shown} |",
        f"| trained on | {data['training']} pictures; the epoch was chosen by {data['validation']} "
        "others |",
        f"| made by | facectrl-fast {description.version} |",
        f"| PyTorch and ONNX Runtime differ by | {disagreement:.1e} of the range at most |",
        "",
        f"## On {data['test']} test pictures",
        "",
        "| | RMSE | MAE |",
        "|---|---|---|",
        *(f"| {name} | {each.rmse:.4f} | {each.mae:.4f} |" for name, each in errors.items()),
    ]
    if sum(data.values()) == SEED_PICTURES:
        lines.append(
            f"| the original, on the {SEED_PICTURES} of SCUT-FBP5500, split by itself | "
            f"{SEED_ERRORS[0]} | {SEED_ERRORS[1]} |"
        )
    return "\n".join([*lines, ""])


def _scatter(errors: Errors) -> Figure:
    figure = Figure((4, 4), layout="constrained")
    axes = figure.subplots()
    axes.plot(errors.truth, errors.said, ".", color=BLUE, alpha=0.5)
    ends = [float(errors.truth.min()), float(errors.truth.max())]
    axes.plot(ends, ends, ":", color=GRAY)
    axes.set(title="Test pictures", xlabel="true", ylabel="said")
    return figure
