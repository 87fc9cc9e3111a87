"""What training a detector makes small: scores that tell the overlap, boxes that overlap.

Scores are held against the overlap of the predicted box (quality focal loss, Li et al. 2020), so
that a score says how well a face was found, and falls when it goes; boxes against the faces by
generalised intersection over union (Rezatofighi et al. 2019).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional

from facectrl_fast.vision.anchors import CENTRE_STEP, SIZE_STEP, AnchorLevel

MATCHED = 0.5
"""Overlap from which on an anchor is to find the face."""
UNMATCHED = 0.4
"""Overlap below which it is to find nothing; in between nothing is asked of it."""
BOX_WEIGHT = 2.0


class Anchors(nn.Module):
    """The anchors of all levels over pictures of one size; a module, to be where the network is."""

    def __init__(self, levels: Sequence[AnchorLevel], height: int, width: int) -> None:
        super().__init__()
        boxes = [torch.from_numpy(level.boxes(height, width)) for level in levels]
        self.centred: torch.Tensor
        """(anchors, 4): centre x, centre y, width, height."""
        self.corners: torch.Tensor
        """(anchors, 4): left, top, right, bottom."""
        self.register_buffer("centred", torch.cat(boxes), persistent=False)
        self.register_buffer("corners", corners(self.centred), persistent=False)

    def decode(self, offsets: torch.Tensor) -> torch.Tensor:
        """Corners (n, anchors, 4) of the boxes that offsets (n, anchors, 4) tell of."""
        sizes = self.centred[:, 2:]
        centre = self.centred[:, :2] + CENTRE_STEP * offsets[..., :2] * sizes
        # What is wild early in training must not overflow.
        sides = sizes * (SIZE_STEP * offsets[..., 2:]).clamp(-3, 3).exp()
        return torch.cat([centre - sides / 2, centre + sides / 2], -1)


def corners(centred: torch.Tensor) -> torch.Tensor:
    """(..., 4) from centre and sides to left, top, right, bottom."""
    half = centred[..., 2:] / 2
    return torch.cat([centred[..., :2] - half, centred[..., :2] + half], -1)


def flat(levels: Sequence[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """A network's outputs as logits (n, anchors) and offsets (n, anchors, 4)."""
    logits, offsets = [], []
    for output in levels:
        n, planes, rows, columns = output.shape
        anchors = planes // 5
        logits.append(output[:, :anchors].flatten(1))
        split = output[:, anchors:].view(n, anchors, 4, rows, columns).permute(0, 1, 3, 4, 2)
        offsets.append(split.reshape(n, -1, 4))
    return torch.cat(logits, 1), torch.cat(offsets, 1)


def overlap(first: torch.Tensor, second: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Of boxes given by their corners (..., 4), broadcast: the areas they share, and span."""
    shared = torch.minimum(first[..., 2:], second[..., 2:])
    shared = (shared - torch.maximum(first[..., :2], second[..., :2])).clamp_min(0).prod(-1)
    spanned = (first[..., 2:] - first[..., :2]).prod(-1)
    spanned = spanned + (second[..., 2:] - second[..., :2]).prod(-1) - shared
    return shared, spanned


def detector_loss(
    anchors: Anchors,
    logits: torch.Tensor,
    offsets: torch.Tensor,
    faces: torch.Tensor,
    doubtful: torch.Tensor,
) -> torch.Tensor:
    """The loss of a batch.

    Args:
        anchors: that the outputs are relative to.
        logits: (n, anchors).
        offsets: (n, anchors, 4).
        faces: (n, k, 4) corners of the faces to find; where there are fewer, NaN.
        doubtful: (n, m, 4) corners of those that may be found or not; NaN likewise.
    """
    found, matched, asked = match(anchors.corners, faces, doubtful)
    predicted = anchors.decode(offsets)[found]
    wanted = faces[found.nonzero()[:, 0], matched[found]]
    shared, spanned = overlap(predicted, wanted)
    iou = shared / spanned.clamp_min(1e-6)
    hull = torch.maximum(predicted[:, 2:], wanted[:, 2:]) - torch.minimum(
        predicted[:, :2], wanted[:, :2]
    )
    hull_area = hull.prod(-1).clamp_min(1e-6)
    giou = iou - (hull_area - spanned) / hull_area
    target = torch.zeros_like(logits)
    target[found] = iou.detach().clamp(0, 1)
    count = max(int(found.sum()), 1)
    scores = _score_loss(logits, target)[asked].sum() / count
    return scores + BOX_WEIGHT * (1 - giou).sum() / count


def lesson_loss(
    anchors: Anchors,
    logits: torch.Tensor,
    lesson: torch.Tensor,
    faces: torch.Tensor,
    doubtful: torch.Tensor,
) -> torch.Tensor:
    """How far scores are from a teacher's, weighed as in ``detector_loss``.

    Only anchors that touch a face count: what the teacher takes for one elsewhere is no lesson.

    Args:
        anchors: that the outputs are relative to.
        logits: (n, anchors).
        lesson: (n, anchors), the teacher's scores.
        faces: (n, k, 4) corners of the faces; where there are fewer, NaN.
        doubtful: (n, m, 4) corners of those that may be found or not; NaN likewise.
    """
    shown = torch.cat([_taken(faces, 1), _taken(doubtful, 0)], 1)
    touches_a_face = _iou(anchors.corners, shown).amax(2) > 0
    told = (lesson * touches_a_face).sum().clamp_min(1)
    return (_score_loss(logits, lesson) * touches_a_face).sum() / told


def _score_loss(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    distance = (target - logits.sigmoid()).abs() ** 2
    entropy = functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
    return distance.detach() * entropy


def match(
    anchors: torch.Tensor, faces: torch.Tensor, doubtful: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Which anchor is to find which face.

    Args:
        anchors: (anchors, 4) corners.
        faces: (n, k, 4) corners, NaN where there are fewer.
        doubtful: (n, m, 4) likewise.

    Returns:
        Whether an anchor is to find a face, the face's number, and whether anything is asked of it;
        all (n, anchors).
    """
    # Places that no picture of the batch needs would be most of the work.
    faces, doubtful = _taken(faces, 1), _taken(doubtful, 0)
    iou = _iou(anchors, faces)
    best, matched = iou.max(2)
    found = best >= MATCHED
    asked = found | (best < UNMATCHED)
    # Every face has an anchor, however badly it fits.
    champions = iou.argmax(1)
    there = ~faces[..., 0].isnan()
    image, face = there.nonzero(as_tuple=True)
    champion = champions[image, face]
    found[image, champion] = True
    asked[image, champion] = True
    matched[image, champion] = face
    if doubtful.shape[1]:
        asked &= found | (_iou(anchors, doubtful).amax(2) < 0.3)
    return found, matched, asked


def _taken(boxes: torch.Tensor, least: int) -> torch.Tensor:
    """Of boxes (n, k, 4), the places up to the last one that any picture uses."""
    used = (~boxes[..., 0].isnan()).any(0).nonzero()
    count = int(used.max()) + 1 if len(used) else 0
    return boxes[:, : max(count, least)]


def _iou(anchors: torch.Tensor, boxes: torch.Tensor) -> torch.Tensor:
    """(n, anchors, k); boxes of NaN overlap with nothing."""
    shared, spanned = overlap(anchors[None, :, None], boxes[:, None])
    return (shared / spanned).nan_to_num(0.0)
