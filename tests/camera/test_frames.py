"""Frames of a real driver: where they lie, when they were taken, what they show."""

import os
import re
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from facectrl_fast._native import V4l2Capture
from facectrl_fast.capture.video_node import describe
from facectrl_fast.types import PixelFormat
from facectrl_fast.vision.luma import to_gray
from tests.camera.conftest import DRIVER, frames

FORMATS = {
    "YUYV": PixelFormat.YUYV,
    "UYVY": PixelFormat.UYVY,
    "NV12": PixelFormat.NV12,
    "GREY": PixelFormat.GRAY8,
    "MJPG": PixelFormat.GRAY8,
}
SIZE = (640, 480)


@pytest.fixture(params=FORMATS)
def capture(request, device):
    if request.param not in describe(device).formats:
        pytest.skip(f"the camera has no {request.param}")
    capture = V4l2Capture(device, request.param, *SIZE, (1, 30))
    yield capture
    capture.close()


@pytest.fixture
def pixel_format(capture, request):
    return request.node.callspec.params["capture"]


def mapped(device):
    """The address ranges at which this process has the device's buffers."""
    ranges = []
    for line in Path("/proc/self/maps").read_text().splitlines():
        match = re.match(r"([0-9a-f]+)-([0-9a-f]+) (\S+)", line)
        if match and line.endswith(f" {device}"):
            ranges.append((int(match[1], 16), int(match[2], 16), match[3]))
    return ranges


def test_three_hundred_frames_in_order(capture, pixel_format):
    ring = capture.ring
    before, seq = 0.0, 0
    for frame in frames(ring, 300):
        assert frame.seq > seq
        assert before < frame.timestamp <= time.monotonic()
        assert (frame.width, frame.height) == SIZE
        before, seq = frame.timestamp, frame.seq
    assert ring.pixel_format is FORMATS[pixel_format]
    assert (capture.broken, capture.restarts, ring.dropped) == (0, 0, 0)


def test_frames_are_read_where_the_driver_wrote_them(capture, device, pixel_format):
    if pixel_format == "MJPG" or DRIVER == "v4l2loopback":
        pytest.skip("these frames are decoded, or copied")
    ranges = mapped(device)
    assert len(ranges) == capture.ring.slots
    assert all(access.startswith("r--s") for *_, access in ranges)
    addresses = set()
    for frame in frames(capture.ring, 30):
        address = frame.array.ctypes.data
        last = address + (frame.array.shape[0] - 1) * frame.array.strides[0]
        assert any(begin <= address and last < end for begin, end, _ in ranges)
        addresses.add(address)
    assert 2 <= len(addresses) <= capture.ring.slots


def test_readers_may_hold_all_buffers_but_one(capture, pixel_format):
    ring = capture.ring
    held = list(frames(ring, ring.slots - 1))
    kept = [frame.array.copy() for frame in held]
    before = ring.published
    deadline = time.monotonic() + 20
    seq = held[-1].seq
    while ring.published < before + 10:
        assert time.monotonic() < deadline, "the driver stalled"
        frame = ring.wait_newer(seq, timeout=1.0)
        seq = seq if frame is None else frame.seq
        del frame
    for frame, copy in zip(held, kept, strict=True):
        assert (frame.array == copy).all()
    assert capture.restarts == 0
    del held, frame
    assert next(frames(ring, 1)) is not None


def test_with_every_buffer_held_it_waits_and_goes_on(device):
    """Nothing is wrong with a camera whose readers are slow: no restart, however long."""
    capture = V4l2Capture(device, describe(device).modes[0].pixel_format, *SIZE, stall=0.2)
    ring = capture.ring
    held = list(frames(ring, ring.slots))
    newest = held[-1].seq
    assert ring.wait_newer(newest, timeout=2.0) is None
    assert (capture.restarts, ring.closed) == (0, False)
    held.clear()
    assert ring.wait_newer(newest, timeout=20) is not None
    capture.close()


def test_frames_outlive_the_camera(capture):
    frame = next(frames(capture.ring, 1))
    before = frame.array.copy()
    assert capture.close(5.0)
    del capture
    assert (frame.array == before).all()


def test_what_nobody_reads_is_unmapped_on_close(capture, device):
    frame = next(frames(capture.ring, 1))
    held = len(mapped(device))
    assert capture.close(5.0)
    assert len(mapped(device)) <= 1 <= held or held == 0
    del frame
    assert mapped(device) == []


def columns(gray):
    """Mean brightness over the width, in eight steps, below the text that vivid writes."""
    height, width = gray.shape
    return gray[-height // 4 :].reshape(height // 4, 8, width // 8).mean((0, 2))


@pytest.mark.driver("vivid")
def test_vivid_s_colour_bars(capture, pixel_format):
    """White, yellow, cyan, green, magenta, red, blue, black: each darker than the last."""
    ring = capture.ring
    frame = list(frames(ring, 3))[-1]
    bars = columns(to_gray(frame.array, frame.pixel_format).astype(float))
    assert (np.diff(bars) < -5).all(), bars
    # The bars' luma as a share of white's: vivid uses BT.709's for gray, else BT.601's.
    red, green, blue = (0.213, 0.715, 0.072) if pixel_format == "GREY" else (0.299, 0.587, 0.114)
    expected = np.array([1, red + green, green + blue, green, red + blue, red, blue, 0])
    share = (bars - bars[-1]) / (bars[0] - bars[-1])
    assert np.abs(share - expected).max() < 0.02, share


@pytest.mark.driver("uvc", "v4l2loopback")
def test_the_clip_that_is_fed(capture, pixel_format):
    """Each frame is one of the clip's, in the clip's order."""
    clip = os.environ["FACECTRL_TEST_CLIP"]
    video = cv2.VideoCapture(clip)
    small = (32, 24)
    fed = []
    while (read := video.read())[0]:
        gray = cv2.cvtColor(read[1], cv2.COLOR_BGR2GRAY)
        fed.append(cv2.resize(gray, small, interpolation=cv2.INTER_AREA).astype(float))
    fed = np.array(fed)
    # To compare takes an emulated processor longer than the clip lasts: all frames come first.
    seen = []
    for frame in frames(capture.ring, 20):
        gray = np.ascontiguousarray(to_gray(frame.array, frame.pixel_format))
        seen.append(cv2.resize(gray, small, interpolation=cv2.INTER_AREA).astype(float))
    positions = []
    for picture in seen:
        # Brightness range differs between formats; the picture does not.
        distance = [np.abs(normal(picture) - normal(other)).mean() for other in fed]
        positions.append(int(np.argmin(distance)))
        assert min(distance) < 0.1, min(distance)
    steps = np.diff(positions) % len(fed)
    assert ((steps > 0) & (steps < len(fed) // 2)).all(), positions


def normal(picture):
    return (picture - picture.mean()) / (picture.std() + 1e-6)


def test_the_rate_asked_for(device):
    mode = next(m for m in describe(device).modes if (m.width, m.height) == SIZE)
    interval = next((i.least for i in mode.intervals if i.least * 10 == 1), None)
    if interval is None:
        pytest.skip("the camera has no 10 frames a second")
    capture = V4l2Capture(
        device, mode.pixel_format, *SIZE, (interval.numerator, interval.denominator)
    )
    assert capture.interval == pytest.approx(0.1, rel=0.01)
    times = [frame.timestamp for frame in frames(capture.ring, 12)][2:]
    assert np.diff(times).mean() == pytest.approx(0.1, rel=0.2)
    capture.close()


@pytest.mark.skipif(DRIVER is None, reason="the virtual camera's formats are known")
def test_all_formats_were_looked_at(device):
    expected = {
        "vivid": {"YUYV", "UYVY", "NV12", "GREY"},
        "uvc": {"YUYV", "GREY", "MJPG"},
        "v4l2loopback": {"YUYV"},
    }
    assert set(describe(device).formats) & set(FORMATS) == expected[DRIVER]
