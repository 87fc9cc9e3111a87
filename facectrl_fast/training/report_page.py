"""What the reports of all training runs look like: a page, and the curves."""

from __future__ import annotations

import html
from collections.abc import Sequence
from contextlib import AbstractContextManager

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

BLUE, ORANGE, GRAY = "#2a6f97", "#c8553d", "#8a8a8a"


def style() -> AbstractContextManager[None]:
    """For figures that are made within."""
    return mpl.rc_context({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False})


def curves(history: Sequence[dict[str, float]], metric: str, title: str) -> Figure:
    """Losses, and the metric by which the best epoch is chosen.

    Args:
        history: of each epoch, the losses and metrics.
        metric: its name there.
        title: its name in words.
    """
    figure = Figure((8, 3), layout="constrained")
    left, right = figure.subplots(1, 2)
    epochs = [entry["epoch"] + 1 for entry in history]
    for key, colour, label in (
        ("train_loss", GRAY, "training"),
        ("val_loss", BLUE, "validation"),
    ):
        left.plot(epochs, [entry[key] for entry in history], color=colour, label=label)
    left.set(title="Loss", xlabel="epoch")
    left.legend(frameon=False)
    scores = [entry[metric] for entry in history]
    right.plot(epochs, scores, color=BLUE)
    best = int(np.argmax(scores))
    right.plot(epochs[best], scores[best], "o", color=ORANGE, label=f"kept: epoch {epochs[best]}")
    right.set(title=title, xlabel="epoch")
    right.legend(frameon=False)
    rate = right.twinx()
    rate.plot(epochs, [entry["learning_rate"] for entry in history], ":", color=GRAY)
    rate.set_ylabel("learning rate (dotted)", color=GRAY)
    return figure


def page(title: str, line: str, figures: Sequence[tuple[str, str]], card: str) -> str:
    """A report as HTML.

    Args:
        title: in words.
        line: what it tells, in a sentence.
        figures: file name and caption of the pictures beside the page.
        card: the model card, Markdown.
    """
    images = "\n".join(
        f'<figure><img src="{name}" alt="{text}"><figcaption>{text}</figcaption></figure>'
        for name, text in figures
    )
    return f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>{html.escape(title)}</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; color: #222; }}
pre {{ background: #f4f4f4; padding: 1rem; overflow-x: auto; }}
figure {{ display: inline-block; margin: 1rem 1rem 1rem 0; }}
img {{ max-width: 100%; }}
figcaption {{ color: #666; }}
</style>
<h1>{html.escape(title)}</h1>
<p>{html.escape(line)}</p>
{images}
<h2>Model card</h2>
<pre>{html.escape(card)}</pre>
</html>
"""
