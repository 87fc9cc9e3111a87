"""A detector that teaches another: its scores on faces are a lesson beside where the faces are.

They tell how sure to be of a face that is hardly seen; where it is does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from facectrl_fast.errors import UserError
from facectrl_fast.training.detector_loss import flat
from facectrl_fast.vision.anchor_network import AnchorNetwork
from facectrl_fast.vision.anchors import AnchorLevel
from facectrl_fast.vision.detect import check_file


class DetectorTeacher:
    """One with the anchors of the network that is taught; its layers may differ."""

    def __init__(self, path: Path, levels: Sequence[AnchorLevel], channels: int) -> None:
        """Load the teacher.

        Args:
            path: its .onnx file.
            levels: the anchors of the network that is taught.
            channels: of the pictures.

        Raises:
            UserError: there is no such file, or its lessons do not fit.
        """
        check_file(path)
        self._network = AnchorNetwork(path)
        known = self._network.description
        if known.channels != channels or known.levels != tuple(levels):
            raise UserError(
                f"{path} cannot teach: it has other anchors, or another number of channels; check "
                "--arch, --input-size, --aspects and --colour"
            )

    def scores(self, pictures: torch.Tensor) -> torch.Tensor:
        """How sure the teacher is of each anchor.

        Args:
            pictures: (n, channels, h, w) in [0, 1], wherever they are.

        Returns:
            (n, anchors) in [0, 1], in the same place.
        """
        # One by one: that is what its file takes.
        outputs = [self._network.run(picture[None]) for picture in pictures.cpu().numpy()]
        levels = [torch.from_numpy(np.concatenate(level)) for level in zip(*outputs, strict=True)]
        return flat(levels)[0].sigmoid().to(pictures.device)
