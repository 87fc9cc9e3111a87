"""How good a face detector is: what it finds of known faces, and what it takes for faces."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec

import numpy as np

from facectrl_fast.config import LEAST_SHARE
from facectrl_fast.errors import UserError
from facectrl_fast.types import Box, Face, overlap
from facectrl_fast.vision.detect import DRAWN_SMALL

MATCHED = 0.5
"""Overlap (intersection over union) from which on a face counts as found."""
SIZES = ((LEAST_SHARE, 1 / 3), (1 / 3, 2 / 3), (2 / 3, float("inf")))
"""Heights of faces that are told apart, as shares of the picture's."""
MAYBE = 0.3
"""Overlap with a doubtful face from which on a box counts neither way."""


@dataclass(frozen=True)
class JudgedPicture:
    """What a detector found in one picture, beside what is there."""

    found: tuple[Face, ...]
    """As many as it gives at a low score."""
    faces: tuple[Box, ...]
    doubtful: tuple[Box, ...] = ()
    """Faces that may be found or not."""
    height: int = 1
    """Of the picture, in pixels."""


def check_average_precision() -> None:
    """Fail before long work that ends with it.

    Raises:
        UserError: pycocotools is missing.
    """
    if find_spec("pycocotools") is None:
        raise UserError("average precision needs pycocotools: pip install 'facectrl-fast[train]'")


class DetectionJudgement:
    """Every box held against the faces: each face is found by the best box that fits it.

    Boxes that are smaller than the program would use count only where they find one.
    """

    def __init__(self, pictures: Sequence[JudgedPicture]) -> None:
        self.pictures = pictures = [_without_small(picture) for picture in pictures]
        scores: list[float] = []
        right: list[bool] = []
        self._found_at: list[float] = []
        """Of each face, the score of the box that found it; minus infinity where none did."""
        self._shares: list[float] = []
        overlaps: list[float] = []
        for picture in pictures:
            best = [float("-inf")] * len(picture.faces)
            for face in sorted(picture.found, key=lambda f: f.score, reverse=True):
                fits = [overlap(face.box, box) for box in picture.faces]
                free = [
                    k for k, fit in enumerate(fits) if fit >= MATCHED and best[k] == float("-inf")
                ]
                if free:
                    k = max(free, key=fits.__getitem__)
                    best[k] = face.score
                    overlaps.append(fits[k])
                elif any(overlap(face.box, box) > MAYBE for box in picture.doubtful):
                    continue
                scores.append(face.score)
                right.append(bool(free))
            self._found_at += best
            self._shares += [box[3] / picture.height for box in picture.faces]
        order = np.argsort(-np.array(scores, np.float64), kind="stable")
        self.scores = np.array(scores, np.float64)[order]
        """Of all boxes that count, best first."""
        self.right = np.array(right, bool)[order]
        """Whether each found a face."""
        self.overlap = float(np.median(overlaps)) if overlaps else 0.0
        """Median of the found faces' boxes with the true ones."""

    @property
    def faces(self) -> int:
        """How many there are to find."""
        return len(self._found_at)

    def curve(self) -> tuple[np.ndarray, np.ndarray]:
        """Recall and precision at each score, best first."""
        hits = np.cumsum(self.right)
        return hits / max(self.faces, 1), hits / np.arange(1, len(hits) + 1)

    def score_for(self, false_boxes: float) -> float:
        """The lowest score at which there are at most so many false boxes a picture."""
        false = np.cumsum(~self.right)
        allowed = int((false <= false_boxes * len(self.pictures)).sum())
        if allowed == len(self.scores):
            return float(self.scores[-1]) if allowed else 0.0
        # Just above the first box that is one too many.
        return float(np.nextafter(self.scores[allowed], np.inf))

    def recall(self, least_score: float, shares: tuple[float, float] = (0, np.inf)) -> float:
        """Share of the faces found by boxes of that score or better.

        Args:
            least_score: of the boxes.
            shares: of what height, as a share of the picture's: from, below.

        Returns:
            NaN where there are no such faces.
        """
        chosen = [
            at >= least_score
            for at, share in zip(self._found_at, self._shares, strict=True)
            if shares[0] <= share < shares[1]
        ]
        return float(np.mean(chosen)) if chosen else float("nan")

    def false_boxes(self, least_score: float, empty: bool = False) -> float:
        """Boxes a picture that are no faces.

        Args:
            least_score: of the boxes.
            empty: count in pictures without faces alone.

        Returns:
            NaN where there are no such pictures.
        """
        if not empty:
            count = int((~self.right & (self.scores >= least_score)).sum())
            return count / max(len(self.pictures), 1)
        those = [p for p in self.pictures if not p.faces and not p.doubtful]
        counts = [sum(face.score >= least_score for face in p.found) for p in those]
        return float(np.mean(counts)) if counts else float("nan")

    def average_precision(self) -> float:
        """At an overlap of a half, as COCO's own code computes it.

        Raises:
            UserError: pycocotools is missing.
        """
        check_average_precision()
        from pycocotools.coco import COCO
        from pycocotools.cocoeval import COCOeval

        truth = COCO()
        truth.dataset = self._coco_truth()
        boxes = [
            [number, *face.box, face.score, 1]
            for number, picture in enumerate(self.pictures)
            for face in picture.found
        ]
        if not boxes or not self.faces:
            return 0.0
        # It prints what it does.
        with contextlib.redirect_stdout(io.StringIO()):
            truth.createIndex()
            judged = COCOeval(truth, truth.loadRes(np.array(boxes)), "bbox")
            judged.params.iouThrs = np.array([MATCHED])
            judged.evaluate()
            judged.accumulate()
        # All recalls, of the one class, for faces of all sizes, up to a hundred boxes a picture.
        precision = judged.eval["precision"][0, :, 0, 0, -1]
        return float(precision[precision > -1].mean())

    def _coco_truth(self) -> dict[str, list[dict[str, object]]]:
        notes: list[dict[str, object]] = []
        for number, picture in enumerate(self.pictures):
            for box, doubtful in [(box, 0) for box in picture.faces] + [
                (box, 1) for box in picture.doubtful
            ]:
                notes.append(
                    {
                        "id": len(notes) + 1,
                        "image_id": number,
                        "category_id": 1,
                        "bbox": list(box),
                        "area": box[2] * box[3],
                        "iscrowd": doubtful,
                    }
                )
        images: list[dict[str, object]] = [{"id": k} for k in range(len(self.pictures))]
        return {"images": images, "categories": [{"id": 1, "name": "face"}], "annotations": notes}


def _without_small(picture: JudgedPicture) -> JudgedPicture:
    least = DRAWN_SMALL * LEAST_SHARE * picture.height
    found = tuple(
        face
        for face in picture.found
        if face.box[3] >= least or any(overlap(face.box, box) >= MATCHED for box in picture.faces)
    )
    return replace(picture, found=found)
