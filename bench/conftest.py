"""What the benchmarks look at: the demo's photograph as a webcam frame."""

import os
from pathlib import Path

import cv2
import pytest

from tests.pictures import portrait

SHARED_MODEL = Path(__file__).parents[2] / "shared/data/models/face_detection_yunet_2023mar.onnx"


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    """A background program has one core at most."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    yield
    cv2.setNumThreads(before)


@pytest.fixture(scope="session")
def frame():
    """640 x 480 BGR with a face of 160 x 210 pixels."""
    return portrait(1.9, headphones=True)


@pytest.fixture(scope="session")
def yunet():
    """YuNet's model file, from FACECTRL_YUNET or the shared data."""
    path = Path(os.environ.get("FACECTRL_YUNET", SHARED_MODEL))
    if not path.is_file():
        pytest.skip("no YuNet model: set FACECTRL_YUNET to its .onnx file")
    return path
