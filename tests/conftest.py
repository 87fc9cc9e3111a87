"""Fixtures that several files share."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from facectrl_fast.mainloop import MainLoop
from facectrl_fast.player.private_bus import PrivateBus

SHARED_DATA = Path(__file__).parents[2] / "shared" / "data"


def pytest_collection_modifyitems(items):
    if SHARED_DATA.is_dir():
        return
    skip = pytest.mark.skip(reason=f"the recordings are not here: {SHARED_DATA} is missing")
    for item in items:
        if item.get_closest_marker("acceptance"):
            item.add_marker(skip)


@pytest.fixture
def data() -> Path:
    """The folder of real recordings; only for acceptance tests."""
    return SHARED_DATA


@pytest.fixture
def loop():
    return MainLoop()


@pytest.fixture
def bus_address(monkeypatch):
    """A private session bus, also for child processes."""
    with PrivateBus() as address:
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", address)
        yield address


@pytest.fixture
def no_bus(monkeypatch, tmp_path):
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", f"unix:path={tmp_path}/nothing")
    # Without these libdbus looks for a bus of its own accord.
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.delenv("DISPLAY", raising=False)


@pytest.fixture
def make_video(tmp_path):
    """Writes a video of ``frames`` pictures, each brighter than the last, of a wall and a door."""

    def make(name="video.avi", frames=20, size=(64, 48), rate=20, fourcc="MJPG"):
        path = tmp_path / name
        writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*fourcc), rate, size)
        assert writer.isOpened()
        for number in range(frames):
            image = np.full((size[1], size[0], 3), 2 + 10 * (number % 23), np.uint8)
            image[:, size[0] // 2 :] += 16
            writer.write(image)
        writer.release()
        return path

    return make
