"""What the reports of all training runs look like: a page with pictures and the model card."""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from facectrl_fast.errors import UserError
from facectrl_fast.files import whole_file
from facectrl_fast.types import UInt8Array

BLUE, ORANGE, GRAY = "#2a6f97", "#c8553d", "#8a8a8a"


@dataclass(frozen=True)
class Shown:
    """A picture of a report."""

    name: str
    """Of its file, NAME.png."""
    caption: str
    draw: Callable[[], Figure | UInt8Array]
    """Makes a figure, or a BGR picture."""

    def write(self, folder: Path) -> None:
        """Make its file."""
        drawn = self.draw()
        path = folder / f"{self.name}.png"
        if isinstance(drawn, Figure):
            drawn.savefig(path)
        else:
            path.write_bytes(cv2.imencode(".png", drawn)[1].tobytes())


def write_page(out: Path, title: str, line: str, card: str, pictures: Sequence[Shown]) -> Path:
    """Write a report.

    Args:
        out: its page, report.html; the pictures and card.md go into its folder.
        title: in words.
        line: what it tells, in a sentence.
        card: the model card, Markdown.
        pictures: that it shows.

    Raises:
        UserError: something cannot be written.
    """
    folder = out.parent
    try:
        (folder / "card.md").write_text(card, encoding="utf-8")
        with mpl.rc_context({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}):
            for picture in pictures:
                picture.write(folder)
        # Last and whole: a folder with the page holds a finished run.
        with whole_file(out) as draft:
            draft.write_text(_page(title, line, card, pictures), encoding="utf-8")
    except OSError as error:
        raise UserError(f"cannot write the report to {folder}: {error.strerror}") from None
    return out


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


def _page(title: str, line: str, card: str, pictures: Sequence[Shown]) -> str:
    images = "\n".join(
        f'<figure><img src="{shown.name}.png" alt="{shown.caption}">'
        f"<figcaption>{shown.caption}</figcaption></figure>"
        for shown in pictures
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
