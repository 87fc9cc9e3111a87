"""The fused kernel beside the same work done with cv2."""

import cv2
import numpy as np
import pytest

from facectrl_fast import _native
from facectrl_fast.types import PixelFormat
from facectrl_fast.vision.preprocess import Preprocessing
from tests.pictures import convert

BOX = (260.0, 150.0, 121.0, 121.0)
"""With its expansion of 0.9 a crop of 230 x 230 pixels."""
CV2_CODES = {
    PixelFormat.BGR24: cv2.COLOR_BGR2GRAY,
    PixelFormat.YUYV: cv2.COLOR_YUV2GRAY_YUYV,
    PixelFormat.UYVY: cv2.COLOR_YUV2GRAY_UYVY,
    PixelFormat.NV12: cv2.COLOR_YUV2GRAY_NV12,
}
CV2_RESAMPLING = {"bilinear": cv2.INTER_LINEAR, "area": cv2.INTER_AREA}


@pytest.mark.parametrize("resampling", ["bilinear", "area"])
@pytest.mark.parametrize("pixel_format", list(PixelFormat), ids=lambda f: f.name)
@pytest.mark.parametrize("instruction_set", _native.instruction_sets())
def test_ours(benchmark, frame, pixel_format, resampling, instruction_set):
    benchmark.group = f"preprocess {pixel_format.name} {resampling}"
    image = convert(frame, pixel_format)
    out = np.zeros((1, 1, 64, 64), np.float32)
    benchmark(
        _native.preprocess,
        image,
        pixel_format,
        BOX,
        out,
        expansion=(0.9, 0.9),
        expansion_unit="relative",
        resampling=resampling,
        instruction_set=instruction_set,
    )


@pytest.mark.parametrize("resampling", ["bilinear", "area"])
@pytest.mark.parametrize("pixel_format", list(PixelFormat), ids=lambda f: f.name)
def test_cv2(benchmark, frame, pixel_format, resampling):
    """Crop where the format allows it, convert, resize, scale to floats."""
    benchmark.group = f"preprocess {pixel_format.name} {resampling}"
    image = convert(frame, pixel_format)
    x, y, width, height = Preprocessing().crop_box(BOX, 640, 480)
    out = np.zeros((1, 1, 64, 64), np.float32)
    interpolation = CV2_RESAMPLING[resampling]

    def run():
        if pixel_format is PixelFormat.NV12:
            gray = cv2.cvtColor(image, CV2_CODES[pixel_format])[y : y + height, x : x + width]
        else:
            crop = image[y : y + height, x : x + width]
            code = CV2_CODES.get(pixel_format)
            gray = crop if code is None else cv2.cvtColor(crop, code)
        small = cv2.resize(gray, (64, 64), interpolation=interpolation)
        np.multiply(small, np.float32(1 / 255), out=out[0, 0])

    benchmark(run)
