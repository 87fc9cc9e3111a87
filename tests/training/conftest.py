"""A small dataset that can be learnt."""

import cv2
import numpy as np
import pytest


def picture(label, rng):
    """'on' pictures have a bright bar on top, 'off' pictures have it at the bottom."""
    image = rng.integers(60, 120, (96, 96), dtype=np.uint8)
    rows = slice(5, 25) if label == "on" else slice(70, 90)
    image[rows] = rng.integers(180, 255)
    return image


@pytest.fixture
def dataset(tmp_path):
    rng = np.random.default_rng(0)
    for label in ("on", "off"):
        folder = tmp_path / "set" / label
        folder.mkdir(parents=True)
        for number in range(80):
            name = f"person{number % 10}__{number}.png"
            cv2.imwrite(str(folder / name), picture(label, rng))
    return tmp_path / "set"
