"""Judges a model on a folder of labelled pictures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from facectrl_fast.dataset.crops import Crops
from facectrl_fast.dataset.folder import LabelledPicture
from facectrl_fast.evaluation.metrics import Judgement
from facectrl_fast.vision.classify import Classifier

BATCH = 256


def judge_pictures(classifier: Classifier, pictures: Sequence[LabelledPicture]) -> Judgement:
    """What a model says of pictures, cut as it wants them.

    Raises:
        UserError: a picture cannot be read, or shows too little around the face.
    """
    description = classifier.description
    probabilities = []
    # In parts: a dataset may be larger than the memory.
    for start in range(0, len(pictures), BATCH):
        part = Crops(
            pictures[start : start + BATCH],
            description.preprocessing,
            size=(description.input_height, description.input_width),
        )
        probabilities.append(classifier.on_probabilities(part.plain_crops()))
    return Judgement(
        np.array([picture.label for picture in pictures]),
        np.concatenate(probabilities),
        [picture.source or "unknown" for picture in pictures],
    )
