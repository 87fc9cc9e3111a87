"""Figures in words, for the terminal and for model cards."""

from __future__ import annotations

from collections.abc import Iterator

from facectrl_fast.dataset.folder import LABELS
from facectrl_fast.evaluation.metrics import Judgement


def judgement_lines(judgement: Judgement, confidence: float) -> Iterator[str]:
    """A judgement, a line a figure.

    Args:
        judgement: what a model says of labelled pictures.
        confidence: the model's, below which the program abstains.
    """
    counts = ", ".join(
        f"{int((judgement.labels == label).sum())} {name}" for label, name in enumerate(LABELS)
    )
    yield f"pictures             {counts}"
    yield f"balanced accuracy    {judgement.balanced_accuracy:.1%}"
    yield f"accuracy             {judgement.accuracy:.1%}"
    for name, recall in judgement.recalls.items():
        yield f"  of {name:<17} {recall:.1%}"
    yield f"ROC AUC              {judgement.roc_auc:.4f}"
    right, wrong = judgement.sure(confidence)
    yield (
        f"sure ({confidence:g} or more)   {right:.1%} right, {wrong:.1%} wrong, "
        f"{1 - right - wrong:.1%} abstains"
    )
    yield f"confidence is off by {judgement.confidence().error:.1%} on average"
    yield "confusion            truth \\ model " + "".join(f"{name:>7}" for name in LABELS)
    for name, row in zip(LABELS, judgement.confusion, strict=True):
        yield f"                     {name:>13} " + "".join(f"{count:>7}" for count in row)
    sources = judgement.by_source() if judgement.sources else {}
    if len(sources) > 1:
        yield "by source"
        for source, part in sources.items():
            yield f"  {part.accuracy:>6.1%} of {len(part.labels):>5}  {source}"
