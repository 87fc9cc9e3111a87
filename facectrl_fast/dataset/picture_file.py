"""Decodes pictures, whatever is in their files."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from facectrl_fast.types import UInt8Array


def load_picture(path: Path, how: int = cv2.IMREAD_COLOR) -> UInt8Array | None:
    """The picture of a file, see ``decode_picture``; None also where it cannot be read."""
    try:
        return decode_picture(np.fromfile(path, np.uint8), how)
    except OSError:
        return None


def decode_picture(coded: UInt8Array, how: int = cv2.IMREAD_COLOR) -> UInt8Array | None:
    """A coded picture as uint8, BGR (h, w, 3) by default; None where it is none.

    Args:
        coded: the content of a file, (n,) uint8.
        how: OpenCV's flag for what is wanted.
    """
    try:
        image = cv2.imdecode(coded, how) if coded.size else None
    except cv2.error:  # larger than OpenCV takes
        return None
    return None if image is None else np.asarray(image, np.uint8)
