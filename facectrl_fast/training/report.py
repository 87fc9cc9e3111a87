"""The report of a training run: a page with its figures, beside it the pictures and the card."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from matplotlib.figure import Figure
from sklearn.metrics import roc_curve

from facectrl_fast.dataset.crops import in_batches
from facectrl_fast.dataset.folder import LABELS, LabelledPicture
from facectrl_fast.evaluation.metrics import ON, Judgement, best_threshold, threshold_scores
from facectrl_fast.evaluation.text import judgement_lines
from facectrl_fast.training.report_page import BLUE, GRAY, ORANGE, Shown, curves, write_page
from facectrl_fast.types import Float32Array
from facectrl_fast.vision.classify import Classifier
from facectrl_fast.vision.model_file import ModelDescription

WORST = 32
"""Mistakes shown."""


def write_report(
    out: Path,
    classifier: Classifier,
    pictures: Sequence[LabelledPicture],
    crops: Float32Array,
    history: Sequence[dict[str, float]],
    disagreement: float,
) -> Path:
    """Judge a model on validation crops and write the page ``out`` and what it shows beside it.

    Args:
        out: report.html; the pictures and card.md go into its folder.
        classifier: the exported model.
        pictures: the n validation pictures.
        crops: (n, 1, h, w), of them.
        history: of each epoch, the losses and metrics.
        disagreement: between PyTorch and ONNX Runtime.

    Raises:
        UserError: something cannot be written.
    """
    on = np.concatenate([classifier.on_probabilities(part) for part in in_batches(crops)])
    judgement = Judgement(
        np.array([p.label for p in pictures]), on, [p.source or "unknown" for p in pictures]
    )
    description = classifier.description
    title, metric = "Balanced accuracy, validation", "val_balanced_accuracy"
    return write_page(
        out,
        f"{description.network}: {judgement.balanced_accuracy:.1%} balanced accuracy",
        f"On {len(judgement.labels)} validation pictures, of people or moments not trained on.",
        model_card(description, judgement, disagreement),
        [
            Shown("curves", "Loss and metric by epoch", lambda: curves(history, metric, title)),
            Shown("confusion", "Confusion matrix", lambda: _confusion(judgement)),
            Shown("confidence", "Confidence", lambda: _confidence(judgement)),
            Shown("roc", "ROC and threshold", lambda: _roc(judgement)),
            Shown(
                "mistakes",
                "The worst mistakes among the validation pictures",
                lambda: _mistakes(judgement, pictures, crops),
            ),
        ],
    )


def model_card(description: ModelDescription, judgement: Judgement, disagreement: float) -> str:
    """What a model is and how good, as Markdown."""
    data = description.data
    cut = description.preprocessing
    lines = [
        f"# Model card: {description.network or 'headphones'}",
        "",
        "Says whether the face in a crop wears headphones.",
        "",
        "| | |",
        "|---|---|",
        f"| kind | {description.kind} |",
        f"| input | {description.input_width} x {description.input_height} gray, a face box grown "
        f"by {cut.expansion[0]:g} of its sides, {cut.resampling} |",
        f"| trained on | {data.get('training_on', 0)} on, {data.get('training_off', 0)} off |",
        f"| validated on | {data.get('validation_on', 0)} on, {data.get('validation_off', 0)} off, "
        "of other people or moments |",
        f"| made by | facectrl-fast {description.version} |",
        f"| PyTorch and ONNX Runtime differ by | {disagreement:.1e} at most |",
    ]
    if description.error is not None:
        lines.append(
            f"| on where the error is at most | {description.error.limit:.5f} (mean "
            f"{description.error.mean:.5f} + {description.error.sigmas:g} x "
            f"{description.error.sigma:.5f}) |"
        )
    lines += ["", "## On the validation pictures", ""]
    lines += [f"    {line}" for line in judgement_lines(judgement, description.confidence)]
    lines += [
        "",
        "The model was chosen by these pictures"
        + (", and its threshold fitted to them" if description.error else "")
        + ", so expect a little less on others. It knows what "
        "its training pictures show and nothing else: other people, headphones, cameras or light "
        "need pictures of their own.",
        "",
    ]
    return "\n".join(lines)


def _confusion(judgement: Judgement) -> Figure:
    figure = Figure((3.4, 3), layout="constrained")
    axes = figure.subplots()
    table = judgement.confusion
    shares = table / np.maximum(table.sum(1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for row in range(2):
        for column in range(2):
            share = shares[row, column]
            axes.text(
                column,
                row,
                f"{table[row, column]}\n{share:.0%}",
                ha="center",
                va="center",
                color="white" if share > 0.6 else "black",
            )
    axes.set(title="Confusion matrix", xlabel="the model says", ylabel="truth")
    axes.set_xticks(range(2), LABELS)
    axes.set_yticks(range(2), LABELS)
    return figure


def _roc(judgement: Judgement) -> Figure:
    figure = Figure((8, 3), layout="constrained")
    left, right = figure.subplots(1, 2)
    wrong, right_share, _ = roc_curve(judgement.labels == ON, judgement.on_probabilities)
    left.plot(wrong, right_share, color=BLUE, label=f"area {judgement.roc_auc:.3f}")
    left.plot([0, 1], [0, 1], ":", color=GRAY)
    left.set(title="ROC", xlabel="off taken for on", ylabel="on found")
    left.legend(frameon=False)
    thresholds = np.linspace(0, 1, 201)
    right.plot(thresholds, threshold_scores(judgement, thresholds), color=BLUE)
    right.axvline(0.5, color=GRAY, linestyle=":", label="used: 0.5")
    at, score = best_threshold(judgement)
    right.plot(at, score, "o", color=ORANGE, label=f"best here: {at:.2f} ({score:.1%})")
    right.set(
        title="Choice of the threshold",
        xlabel="least probability of on",
        ylabel="balanced accuracy",
    )
    right.legend(frameon=False)
    return figure


def _confidence(judgement: Judgement) -> Figure:
    figure = Figure((3.6, 3), layout="constrained")
    axes = figure.subplots()
    confidence = judgement.confidence()
    axes.plot([0.5, 1], [0.5, 1], ":", color=GRAY)
    axes.scatter(
        confidence.sureness,
        confidence.accuracy,
        10 + 150 * confidence.count / confidence.count.max(),
        color=BLUE,
    )
    axes.set(
        title=f"Is it as right as it is sure? (off by {confidence.error:.1%})",
        xlabel="probability of the likelier label",
        ylabel="share of right answers",
    )
    return figure


def _mistakes(
    judgement: Judgement, pictures: Sequence[LabelledPicture], crops: Float32Array
) -> Figure:
    """The pictures that the model is most sure and most wrong about."""
    truth = np.where(
        judgement.labels == ON, judgement.on_probabilities, 1 - judgement.on_probabilities
    )
    worst = [int(i) for i in np.argsort(truth)[:WORST] if truth[i] < 0.5]
    columns = 8
    rows = max((len(worst) + columns - 1) // columns, 1)
    figure = Figure((10, 1.6 * rows), layout="constrained")
    grid = np.atleast_1d(figure.subplots(rows, columns)).ravel()
    for axes in grid:
        axes.axis("off")
    for axes, index in zip(grid, worst, strict=False):
        large = cv2.resize(crops[index, 0], (128, 128))
        axes.imshow(large, cmap="gray", vmin=0, vmax=1)
        label = LABELS[judgement.labels[index]]
        axes.set_title(f"{label}, held for {1 - truth[index]:.0%} the other", fontsize=6)
        axes.text(0, 138, pictures[index].path.name[:24], fontsize=5, color=GRAY, parse_math=False)
    if not worst:
        grid[0].text(0, 0, "no mistakes")
    return figure
