"""Tests on a real V4L2 device: in a virtual machine (make test-v4l2), or on a camera of yours:

FACECTRL_TEST_CAMERA=/dev/video0 pytest tests/camera
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from facectrl_fast.capture.cameras import CameraDirectory
from facectrl_fast.capture.v4l2_source import V4l2Source

CAMERA = os.environ.get("FACECTRL_TEST_CAMERA")
DRIVER = os.environ.get("V4L2_VM_DRIVER")


if CAMERA is None:
    collect_ignore_glob = ["test_*.py"]


def pytest_collection_modifyitems(items):
    here = Path(__file__).parent
    for item in items:
        if not item.path.is_relative_to(here):
            continue
        wanted = item.get_closest_marker("driver")
        if wanted is not None and DRIVER not in wanted.args:
            reason = f"needs the driver {' or '.join(wanted.args)}"
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture
def device():
    """The camera's path; one that was plugged in again may have another than it had."""
    return CAMERA if Path(CAMERA).exists() else str(CameraDirectory().find("auto").path)


@pytest.fixture
def opened():
    """Opens cameras, and closes them afterwards."""
    streams = []

    def open_it(source):
        source = source if isinstance(source, V4l2Source) else V4l2Source(source)
        streams.append(source.open())
        return streams[-1]

    yield open_it
    for stream in streams:
        stream.close()


@pytest.fixture
def camctl():
    """Plays troubles on the virtual camera; puts it right again afterwards."""
    used = []

    def do(what):
        used.append(what)
        subprocess.run(["camctl", what], check=True, timeout=60)

    if shutil.which("camctl") is None:
        pytest.skip("no virtual camera to play troubles on")
    yield do
    if used and used[-1] in ("stall", "corrupt"):
        do("resume")
    if used and used[-1] == "unplug":
        do("plug")


def frames(ring, count, seconds=20):
    """The next frames, each the newest when it was asked for."""
    seq = 0
    for _ in range(count):
        frame = ring.wait_newer(seq, timeout=seconds)
        assert frame is not None, "the frames ended"
        seq = frame.seq
        yield frame
