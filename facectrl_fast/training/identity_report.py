"""The report of an identity model's training run: a page with its figures, and the card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from facectrl_fast.evaluation.identity_figures import distances_figure, roc_figure
from facectrl_fast.evaluation.verification import Verification
from facectrl_fast.training.report_page import Shown, curves, write_page
from facectrl_fast.vision.identity import IdentityDescription


def write_report(
    out: Path,
    description: IdentityDescription,
    left_out: Mapping[str, Verification],
    judged: Verification,
    history: Sequence[dict[str, float]],
    disagreement: float,
) -> Path:
    """Write the page ``out`` and what it shows beside it.

    Args:
        out: report.html; the pictures and card.md go into its folder.
        description: of the exported model.
        left_out: pairs of people left out, by what judged them.
        judged: those of them that the model's threshold was chosen by.
        history: of each epoch, the losses and metrics.
        disagreement: between PyTorch and ONNX Runtime.

    Raises:
        UserError: something cannot be written.
    """
    title = "ROC AUC, validation"
    return write_page(
        out,
        f"identity, {description.network}: ROC AUC {description.validation['roc_auc']:.4f}",
        "Pairs of people that were left out of training.",
        identity_card(description, left_out, disagreement),
        [
            Shown(
                "curves",
                "Loss and metric by epoch",
                lambda: curves(history, "val_roc_auc", title),
            ),
            Shown("roc", "ROC on people left out", lambda: roc_figure(left_out)),
            Shown(
                "distances",
                "Distances on people left out",
                lambda: distances_figure(judged, description.similarity),
            ),
        ],
    )


def identity_card(
    description: IdentityDescription, left_out: Mapping[str, Verification], disagreement: float
) -> str:
    """What such a model is and how good, as Markdown."""
    data = description.data
    lines = [
        "# Model card: identity",
        "",
        "Turns faces into points; those of one person lie close together.",
        "",
        "| | |",
        "|---|---|",
        f"| network | {description.network} |",
        f"| input | {description.width} x {description.height} gray |",
        f"| trained on | {data['pictures']} pictures of {data['people']} people |",
        f"| one person from a similarity of | {description.similarity:.3f} |",
        f"| made by | facectrl-fast {description.version} |",
        f"| PyTorch and ONNX Runtime differ by | {disagreement:.1e} at most |",
        "",
        "## On people left out",
        "",
        *verification_table(left_out),
        "",
        "Each at its own best threshold, chosen on the same pairs. Faces of few people, lights and "
        "cameras were seen: it keeps honest people apart, and is no lock.",
        "",
    ]
    return "\n".join(lines)


def verification_table(judged: Mapping[str, Verification]) -> list[str]:
    """Figures, a line each; as a Markdown table."""
    lines = [
        "| | ROC AUC | accuracy | false accepts | false rejects | pairs |",
        "|---|---|---|---|---|---|",
    ]
    for name, pairs in judged.items():
        threshold = pairs.best_threshold()
        lines.append(
            f"| {name} | {pairs.roc_auc:.4f} | {pairs.accuracy(threshold):.1%} "
            f"| {pairs.false_accepts(threshold):.1%} | {pairs.false_rejects(threshold):.1%} "
            f"| {len(pairs.same)} + {len(pairs.different)} |"
        )
    return lines
