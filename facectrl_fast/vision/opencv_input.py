"""What OpenCV's detectors have in common: a smaller picture in, the biggest face first out."""

from __future__ import annotations

import cv2
import numpy as np

from facectrl_fast.types import Face, UInt8Array


def shrunk(image: UInt8Array, height: float) -> tuple[UInt8Array, float]:
    """The image at most ``height`` pixels high, and how many of its pixels one of those spans."""
    if image.shape[0] <= height:
        return image, 1.0
    rows = max(round(height), 1)
    scale = image.shape[0] / rows
    columns = max(round(image.shape[1] / scale), 1)
    small = cv2.resize(image, (columns, rows), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.uint8), scale


def biggest_first(faces: list[Face]) -> list[Face]:
    """Sorted by area."""
    return sorted(faces, key=lambda face: face.box[2] * face.box[3], reverse=True)
