"""The report of a detector's training run: a page with its figures, and the card."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
from matplotlib.figure import Figure

from facectrl_fast.config import LEAST_SHARE
from facectrl_fast.dataset.webcam_scenes import Scene
from facectrl_fast.evaluation.detection import (
    MATCHED,
    MAYBE,
    SIZES,
    DetectionJudgement,
    JudgedPicture,
)
from facectrl_fast.training.detector_data import as_image
from facectrl_fast.training.report_page import BLUE, GRAY, ORANGE, Shown, curves, write_page
from facectrl_fast.types import UInt8Array, overlap
from facectrl_fast.vision.detector_file import DetectorDescription
from facectrl_fast.vision.ssd import DOUBTFUL, SURE

SHOWN = 40
"""Scenes of a sheet."""
COLUMNS = 8
SHOWN_WIDTH = 256
"""Pixels of a scene on a sheet."""


def write_report(
    out: Path,
    description: DetectorDescription,
    judgement: DetectionJudgement,
    scenes: Iterable[Scene],
    history: Sequence[dict[str, float]],
    known: Mapping[Path, float],
    differ: str,
    int8: str,
    searcher: Path | None = None,
) -> Path:
    """Write the page ``out`` and what it shows beside it.

    Args:
        out: report.html; the pictures and card.md go into its folder.
        description: of the exported model.
        judgement: of that model, on the scenes.
        scenes: that it was judged by.
        history: of each evaluation, the losses and metrics.
        known: average precision, on the scenes, of the detectors that it began with, learned from
            and looks closely for.
        differ: what PyTorch and ONNX Runtime differ by.
        int8: what became of quantising it.
        searcher: the detector that it looks closely for, if it does; both were judged together.

    Raises:
        UserError: something cannot be written.
    """
    precision = description.validation["average_precision"]
    title = "Average precision, validation"
    wrong, right = _sheets(judgement.pictures, scenes, description.score)
    return write_page(
        out,
        f"{description.network}: average precision {precision:.3f}",
        f"On {len(judgement.pictures)} scenes, of people or events not trained on.",
        detector_card(description, judgement, known, differ, int8, searcher),
        [
            Shown(
                "curves",
                "Loss and metric by evaluation",
                lambda: curves(history, "val_map50", title),
            ),
            Shown(
                "precision_recall",
                "Precision and recall",
                lambda: _precision_recall(judgement, description.score),
            ),
            Shown(
                "misses",
                "Misses (orange: a face that was not found) and false boxes (red)",
                lambda: wrong,
            ),
            Shown("hits", "Hits (blue: found, white: true)", lambda: right),
        ],
    )


def detector_card(
    description: DetectorDescription,
    judgement: DetectionJudgement,
    known: Mapping[Path, float],
    differ: str,
    int8: str,
    searcher: Path | None = None,
) -> str:
    """What a detector is and how good, as Markdown."""
    data, figures = description.data, description.validation
    colour = "gray" if description.channels == 1 else "colour"
    lines = [
        f"# Model card: {description.network}",
        "",
        "Finds faces: boxes from forehead to chin and from temple to temple.",
        *(
            []
            if searcher is None
            else [f"It looks closely at what {searcher} doubts; figures are of both together."]
        ),
        "",
        "| | |",
        "|---|---|",
        f"| input | {description.width} x {description.height} {colour}, or any multiples of "
        f"{description.multiple} |",
        f"| smallest face | {description.face:g} pixels high in the input |",
        f"| a box is a face from a score of | {description.score:.3f}; in a search, between "
        f"{DOUBTFUL:g} and {SURE:g} the likeliest are looked at closely, and that look decides |",
        f"| trained on | scenes made of {data['training_pictures']} pictures with faces and "
        f"{data['training_backgrounds']} backgrounds |",
        f"| validated on | {len(judgement.pictures)} scenes of a camera's size made of "
        f"{data['validation_pictures']} pictures of other people or events and "
        f"{data['validation_backgrounds']} backgrounds |",
        f"| made by | facectrl-fast {description.version} |",
        f"| PyTorch and ONNX Runtime differ by | {differ} |",
        f"| quantised to int8 | {int8} |",
        "",
        "## On the validation scenes",
        "",
        "| | |",
        "|---|---|",
        f"| average precision at an overlap of {MATCHED:g} | {figures['average_precision']:.3f} |",
        *(
            f"| that of {path}, "
            + ("alone" if path == searcher else "which it began with or learned from")
            + f" | {precision:.3f} |"
            for path, precision in known.items()
        ),
        f"| faces found | {figures['recall']:.1%} |",
        f"| false boxes a scene | {figures['false_boxes']:.3f} |",
        f"| overlap of found faces, median | {figures['overlap']:.3f} |",
    ]
    for least, below in SIZES:
        recall = judgement.recall(description.score, (least, below))
        if not np.isnan(recall):
            what = f"from {least:.0%}" + (f" to {below:.0%}" if np.isfinite(below) else " on")
            lines.append(f"| faces found, {what} of the height | {recall:.1%} |")
    lines += [
        "",
        f"Faces count from {LEAST_SHARE:.0%} of the height on, as in `run`. Scenes are harder than "
        "webcams: faces are cut off, covered, blurred and in the dark.",
        "The model was chosen by smaller scenes of the same pictures, its threshold by these.",
        "",
    ]
    if known:
        lines += [
            "Those may have been trained on pictures that it is judged by here, which flatters all "
            "of them.",
            "",
        ]
    return "\n".join(lines)


def _precision_recall(judgement: DetectionJudgement, score: float) -> Figure:
    figure = Figure((8, 3), layout="constrained")
    left, right = figure.subplots(1, 2)
    recall, precision = judgement.curve()
    left.plot(recall, precision, color=BLUE)
    left.plot(
        judgement.recall(score),
        precision[max(int((judgement.scores >= score).sum()) - 1, 0)] if len(precision) else 0,
        "o",
        color=ORANGE,
        label=f"used: {score:.2f}",
    )
    left.set(title="Precision and recall", xlabel="faces found", ylabel="boxes that are faces")
    left.legend(frameon=False)
    right.plot(judgement.scores, recall, color=BLUE, label="faces found")
    false = np.cumsum(~judgement.right) / max(len(judgement.pictures), 1)
    right.plot(judgement.scores, false, color=ORANGE, label="false boxes a scene")
    right.axvline(score, color=GRAY, linestyle=":")
    right.set(title="Choice of the threshold", xlabel="least score", ylim=(0, 1))
    right.legend(frameon=False)
    return figure


def _sheets(
    pictures: Sequence[JudgedPicture], scenes: Iterable[Scene], score: float
) -> tuple[UInt8Array, UInt8Array]:
    """Scenes with mistakes, and scenes without any."""
    wrong: list[UInt8Array] = []
    right: list[UInt8Array] = []
    for picture, scene in zip(pictures, scenes, strict=True):
        if len(wrong) >= SHOWN and len(right) >= SHOWN:
            break
        found = [face for face in picture.found if face.score >= score]
        missed = [
            box for box in picture.faces if all(overlap(box, face.box) < MATCHED for face in found)
        ]
        image, scale = _shown(scene.image)
        for box in picture.faces:
            _draw(image, box, scale, (0, 140, 255) if box in missed else (255, 255, 255))
        false = False
        for face in found:
            known = any(overlap(face.box, box) >= MATCHED for box in picture.faces)
            known |= any(overlap(face.box, box) > MAYBE for box in picture.doubtful)
            false |= not known
            _draw(image, face.box, scale, (255, 120, 40) if known else (0, 0, 255))
        (wrong if missed or false else right).append(image)
    return _sheet(wrong), _sheet(right)


def _sheet(images: Sequence[UInt8Array]) -> UInt8Array:
    if not images:
        return np.full((16, 16, 3), 255, np.uint8)
    some = list(images[:SHOWN])
    some += [np.full_like(some[0], 255)] * (-len(some) % COLUMNS)
    rows = [np.hstack(some[k : k + COLUMNS]) for k in range(0, len(some), COLUMNS)]
    return np.vstack(rows)


def _shown(image: UInt8Array) -> tuple[UInt8Array, float]:
    """A scene in colour, and what it was shrunk by."""
    colour, _ = as_image(np.repeat(image, 3, axis=0) if len(image) == 1 else image)
    scale = SHOWN_WIDTH / colour.shape[1]
    small = cv2.resize(colour, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.uint8), scale


def _draw(
    image: UInt8Array, box: tuple[float, ...], scale: float, colour: tuple[int, int, int]
) -> None:
    x, y, width, height = (round(scale * value) for value in box)
    cv2.rectangle(image, (x, y), (x + width, y + height), colour, 1)
