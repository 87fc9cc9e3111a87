"""One step of training a face detector, and its validation, as a Lightning module."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from facectrl_fast._native import BoxDecoder
from facectrl_fast.evaluation.detection import DetectionJudgement, JudgedPicture
from facectrl_fast.training.detector_data import Batch
from facectrl_fast.training.detector_loss import Anchors, detector_loss, flat, lesson_loss
from facectrl_fast.training.detector_teacher import DetectorTeacher
from facectrl_fast.training.engine import OptimizerChoice, TrainedModule
from facectrl_fast.types import Box, Face
from facectrl_fast.vision.anchors import AnchorLevel
from facectrl_fast.vision.ssd import LOWEST_SCORE

MOST_OVERLAP = 0.3
"""Of two boxes that are two faces."""


class DetectorModule(TrainedModule):
    """Selected by the mean average precision of the boxes at an overlap of a half."""

    SELECTED_BY = "val_map50"
    SELECTED_BY_NAME = "average precision"

    def __init__(
        self,
        network: nn.Module,
        levels: Sequence[AnchorLevel],
        size: tuple[int, int],
        optimizer: OptimizerChoice,
        teacher: DetectorTeacher | None = None,
    ) -> None:
        """Train that network.

        Args:
            network: see ``detector_network``.
            levels: its anchors.
            size: height and width of the pictures.
            optimizer: how its weights move.
            teacher: its scores on faces count as much as where the faces are.
        """
        super().__init__(optimizer)
        self.network = network
        self._teacher = teacher
        self._height = size[0]
        self._anchors = Anchors(levels, *size)
        self._decoder = BoxDecoder(
            [(level.stride, level.shapes) for level in levels], LOWEST_SCORE, MOST_OVERLAP
        )
        self._judged: list[JudgedPicture] = []

    def training_step(self, batch: Batch, _: int) -> torch.Tensor:
        """One step."""
        pictures, faces, doubtful = batch
        shown = _shown(pictures)
        logits, offsets = flat(self.network(shown))
        loss = detector_loss(self._anchors, logits, offsets, faces, doubtful)
        # Alone, to be seen beside that of the validation.
        self.log("train_loss", loss, on_step=False, on_epoch=True, prog_bar=True, sync_dist=True)
        if self._teacher is None:
            return loss
        scores = self._teacher.scores(shown)
        lesson = lesson_loss(self._anchors, logits, scores, faces, doubtful)
        self.log("lesson_loss", lesson, on_step=False, on_epoch=True, sync_dist=True)
        return loss + lesson

    def validation_step(self, batch: Batch, _: int) -> None:
        """Keep what is judged once all batches are through."""
        levels = self.network(_shown(batch[0]))
        loss = detector_loss(self._anchors, *flat(levels), *batch[1:])
        self.log("val_loss", loss, prog_bar=True, sync_dist=True)
        outputs = [level.float().cpu().numpy() for level in levels]
        faces, doubtful = (boxes.cpu().numpy() for boxes in batch[1:])
        for k in range(len(faces)):
            found = self._decoder.decode(
                [np.ascontiguousarray(level[k : k + 1]) for level in outputs]
            )
            self._judged.append(
                JudgedPicture(
                    tuple(Face(box, score) for box, score in found),
                    _boxes(faces[k]),
                    _boxes(doubtful[k]),
                    self._height,
                )
            )

    def on_validation_epoch_end(self) -> None:
        """Judge; where several processes validate, each holds a part."""
        judged = self._judged
        if self.trainer.world_size > 1:
            parts: list[list[JudgedPicture]] = [[] for _ in range(self.trainer.world_size)]
            torch.distributed.all_gather_object(parts, judged)
            judged = [picture for part in parts for picture in part]
        judgement = DetectionJudgement(judged)
        self._judged = []
        precision = judgement.average_precision()
        self.log(self.SELECTED_BY, precision, prog_bar=True, rank_zero_only=True)
        self.log("val_overlap", judgement.overlap, rank_zero_only=True)


def _shown(pictures: torch.Tensor) -> torch.Tensor:
    """What the network sees of pictures (n, c, h, w) uint8."""
    return (pictures.float() / 255).contiguous(memory_format=torch.channels_last)


def _boxes(corners: np.ndarray) -> tuple[Box, ...]:
    """Of corners (n, 4), NaN where there are fewer."""
    return tuple(
        (left, top, right - left, bottom - top)
        for left, top, right, bottom in corners.tolist()
        if left == left  # not NaN
    )
