"""Judges a model of ``train identity``: do two pictures show one person?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from facectrl_fast.dataset.faces import FaceCutter
from facectrl_fast.dataset.people import read_people, read_triplets
from facectrl_fast.errors import UserError
from facectrl_fast.evaluation.verification import Verification, all_pairs
from facectrl_fast.types import Float32Array
from facectrl_fast.vision.identity import IdentityModel, similarity

MARGIN = 0.5
"""The alpha of the loss that is told of triplets."""


def evaluate_identity(
    model: Path, folder: Path, triplets: Path | None, out: Path | None
) -> Iterator[str]:
    """Judge a model on pictures of people; a line a figure.

    Args:
        model: the .onnx file.
        folder: see ``read_people``.
        triplets: see ``read_triplets``; None for all pairs of the folder's pictures.
        out: a picture with ROC and distances to draw.

    Raises:
        UserError: the model or the pictures cannot be used, or ``out`` cannot be written.
    """
    judge = _Judge(IdentityModel(model))
    threshold = judge.model.description.similarity
    if triplets is None:
        pictures = read_people(folder)
        points = [judge.point(picture.path) for picture in pictures]
        there = [k for k, point in enumerate(points) if point is not None]
        if not there:
            raise UserError(f"in no picture of {folder} a face is found")
        names = np.array([pictures[k].person for k in there])
        found = np.stack([point for point in points if point is not None])
        pairs = all_pairs(found, names)
        if not len(pairs.same) or not len(pairs.different):
            raise UserError(f"{folder} shows too few faces to compare")
        yield f"pictures           {len(there)} of {len(set(names))} people"
    else:
        rows = read_triplets(triplets, folder)
        sides = [[judge.point(p) for p in (r.anchor, r.positive, r.negative)] for r in rows]
        known = [[p for p in side if p is not None] for side in sides]
        whole = np.array([side for side in known if len(side) == 3], np.float32)
        if not len(whole):
            raise UserError(f"no row of {triplets} has a face in each picture")
        near, far = (similarity(whole[:, 0], whole[:, k]) for k in (1, 2))
        pairs = Verification(near, far)
        loss = float(np.maximum(far - near + MARGIN, 0).mean())
        yield f"rows               {len(whole)}, two decisions each"
        yield f"loss               {loss:.4f} (alpha {MARGIN:g})"
    if judge.faceless:
        yield f"left out           what {judge.faceless} pictures without a face are in"
    yield f"accuracy           {pairs.accuracy(threshold):.1%} at {threshold:.3f}, the model's own"
    yield f"  false accepts    {pairs.false_accepts(threshold):.1%}"
    yield f"  false rejects    {pairs.false_rejects(threshold):.1%}"
    best = pairs.best_threshold()
    yield f"at best            {pairs.accuracy(best):.1%} at {best:.3f}"
    yield f"ROC AUC            {pairs.roc_auc:.4f}"
    if out is not None:
        try:
            from facectrl_fast.evaluation.identity_figures import draw_pairs
        except ImportError:
            raise UserError("--out draws with Matplotlib: pip install matplotlib") from None
        draw_pairs(out, pairs, threshold)
        yield f"{out} shows ROC and distances"


class _Judge:
    """Makes points of pictures."""

    def __init__(self, model: IdentityModel) -> None:
        self.model = model
        given = model.description
        self._cutter = FaceCutter(given.preprocessing, given.height, given.width)
        self._known: dict[Path, Float32Array | None] = {}

    @property
    def faceless(self) -> int:
        """Pictures so far in which no face was found."""
        return sum(point is None for point in self._known.values())

    def point(self, picture: Path) -> Float32Array | None:
        if picture not in self._known:
            crop = self._cutter.cut_file(picture)
            self._known[picture] = None if crop is None else self.model.embed(crop)[0]
        return self._known[picture]
