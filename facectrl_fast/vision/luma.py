"""Luma as detectors and trackers take it."""

from __future__ import annotations

import numpy as np

from facectrl_fast.types import PixelFormat, UInt8Array


def to_gray(image: UInt8Array, pixel_format: PixelFormat) -> UInt8Array:
    """The luma of an image as (h, w) uint8; a view where the format allows it."""
    if pixel_format is PixelFormat.GRAY8:
        return image
    if pixel_format is PixelFormat.YUYV:
        return image[:, :, 0]
    if pixel_format is PixelFormat.UYVY:
        return image[:, :, 1]
    if pixel_format is PixelFormat.NV12:
        return image[: image.shape[0] * 2 // 3]
    import cv2  # late: cameras give luma, and may need nothing else of OpenCV

    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), np.uint8)
