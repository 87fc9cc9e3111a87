"""Many threads on one ring and on one kernel: nothing is torn, lost or counted twice."""

import sys
import sysconfig
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from facectrl_fast import _native
from facectrl_fast._native import FrameRing, LumaGate, TemplateMatch
from facectrl_fast.decide import _vote
from facectrl_fast.types import PixelFormat
from facectrl_fast.vision.preprocess import WHOLE_IMAGE

FRAMES = 3000
READERS = 6


@pytest.fixture(autouse=True)
def hurried():
    """Threads take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def test_readers_of_one_ring_see_whole_frames_in_order():
    ring = FrameRing(4, PixelFormat.GRAY8, 64, 48)

    def write():
        published = 0
        for number in range(FRAMES):
            slot = ring.begin_write()
            if slot is not None:
                slot.array[:] = number % 251
                assert slot.publish(float(number)) == published + 1
                published += 1
        ring.close()
        return published

    def read(held):
        seen, kept = 0, []
        while (frame := ring.wait_newer(seen, 20.0)) is not None:
            assert frame.seq > seen
            seen = frame.seq
            kept = [*kept, frame][-held:] if held else []
            for each in (*kept, frame):
                shade = int(each.timestamp) % 251
                assert (each.array == shade).all()
        return seen

    with ThreadPoolExecutor(READERS + 1) as pool:
        readers = [pool.submit(read, number % 3) for number in range(READERS)]
        published = pool.submit(write).result()
        last = [reader.result() for reader in readers]
    assert published == ring.published
    assert published + ring.dropped == FRAMES
    assert max(last) == published


def test_one_kernel_serves_many_threads():
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 256, (120, 160), np.uint8) for _ in range(READERS)]
    gate, match = LumaGate(), TemplateMatch()
    match.start(pictures[0], PixelFormat.GRAY8, (40, 30, 50, 60))

    def alone(picture):
        out = np.empty((1, 1, 24, 32), np.float32)
        WHOLE_IMAGE(picture, PixelFormat.GRAY8, (0.0, 0.0, 160.0, 120.0), out)
        return out

    expected = [alone(picture) for picture in pictures]

    def work(number):
        for _ in range(200):
            np.testing.assert_array_equal(alone(pictures[number]), expected[number])
            change = gate.compare(pictures[number], PixelFormat.GRAY8)
            gate.keep()
            assert 0 <= change.moved_share <= 1
            _, similarity = match.update(pictures[number], PixelFormat.GRAY8)
            assert -1 <= similarity <= 1

    with ThreadPoolExecutor(READERS) as pool:
        list(pool.map(work, range(READERS)))


@pytest.mark.skipif(not sysconfig.get_config_var("Py_GIL_DISABLED"), reason="this Python has a GIL")
def test_without_the_gil_the_import_switches_it_on_again():
    assert _native
    assert _vote
    assert sys._is_gil_enabled()
