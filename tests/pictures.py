"""Pictures that tests look at: the demo's photograph, as a webcam would see it."""

from __future__ import annotations

import cv2
import numpy as np

from facectrl_fast._native import FrameRing
from facectrl_fast.dataset.headphones import draw_headphones
from facectrl_fast.demo import FACE, STYLE
from facectrl_fast.models import DEMO_PHOTO
from facectrl_fast.types import PixelFormat

PHOTO = cv2.imread(str(DEMO_PHOTO))
PHOTO_FACE = FACE


def portrait(scale=1.0, headphones=False, size=(640, 480), shift=(0, 0)):
    """The face in the middle of a BGR picture, ``scale`` times its size in the photograph."""
    photo = draw_headphones(PHOTO, FACE, STYLE) if headphones else PHOTO
    x, y = FACE[0] + FACE[2] / 2, FACE[1] + FACE[3] / 2
    move = np.array(
        [
            [scale, 0, size[0] / 2 - scale * x + shift[0]],
            [0, scale, size[1] / 2 - scale * y + shift[1]],
        ]
    )
    return cv2.warpAffine(photo, move, size, borderMode=cv2.BORDER_REPLICATE)


def face_in_portrait(scale=1.0, size=(640, 480), shift=(0, 0)):
    """The face's box in ``portrait``."""
    width, height = FACE[2] * scale, FACE[3] * scale
    return (
        size[0] / 2 - width / 2 + shift[0],
        size[1] / 2 - height / 2 + shift[1],
        width,
        height,
    )


def empty_room(size=(640, 480)):
    """A picture without anybody."""
    rng = np.random.default_rng(8)
    small = rng.integers(70, 150, (6, 8, 3), dtype=np.uint8)
    return cv2.resize(small, size, interpolation=cv2.INTER_CUBIC)


def convert(image, pixel_format):
    """A BGR picture in another format."""
    if pixel_format is PixelFormat.BGR24:
        return image
    if pixel_format is PixelFormat.GRAY8:
        return cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    planes = cv2.cvtColor(image, cv2.COLOR_BGR2YUV_I420)
    height = image.shape[0]
    if pixel_format is PixelFormat.NV12:
        nv12 = np.full_like(planes, 128)
        nv12[:height] = planes[:height]
        return nv12
    pairs = np.full((*image.shape[:2], 2), 128, np.uint8)
    pairs[:, :, 1 if pixel_format is PixelFormat.UYVY else 0] = planes[:height]
    return pairs


def as_frames(images, pixel_format=PixelFormat.BGR24, start=0.0, step=0.1):
    """Frames of a ring, one after the other, a tenth of a second apart."""
    height, width = images[0].shape[:2]
    ring = FrameRing(3, pixel_format, width, height)
    for number, image in enumerate(images):
        slot = ring.begin_write()
        slot.array[:] = convert(image, pixel_format)
        slot.publish(start + number * step)
        yield ring.latest()


def overlap(first, second):
    """Intersection over union of two boxes."""
    width = min(first[0] + first[2], second[0] + second[2]) - max(first[0], second[0])
    height = min(first[1] + first[3], second[1] + second[3]) - max(first[1], second[1])
    common = max(width, 0) * max(height, 0)
    return common / (first[2] * first[3] + second[2] * second[3] - common)


def write_recording(path, headphones=False, there=True, seconds=8, brightness=1.0):
    """A video, ten frames a second: the portrait that sways, nods and comes nearer; or nobody."""
    size = (320, 240)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 10, size)
    for number in range(seconds * 10):
        time = number / 10
        shift = (20 * np.sin(0.9 * time), 8 * np.sin(1.7 * time))
        scale = 0.9 + 0.12 * np.sin(0.6 * time)
        image = portrait(scale, headphones, size, shift) if there else empty_room(size)
        writer.write(np.clip(image * brightness, 0, 255).astype(np.uint8))
    writer.release()
    return path
