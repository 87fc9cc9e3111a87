"""Handing a frame over."""

import threading

import pytest

from facectrl_fast._native import FrameRing
from facectrl_fast.types import PixelFormat


@pytest.fixture
def ring():
    return FrameRing(4, PixelFormat.BGR24, 640, 480)


def test_publish_and_take(benchmark, ring):
    """The ring's own work, without a thread switch."""
    benchmark.group = "ring hand-over"

    def run():
        ring.begin_write().publish(0.0)
        return ring.latest()

    benchmark(run)


def test_wake_a_waiting_reader(benchmark, ring):
    """From publish to the reader's answer, there and back through two rings."""
    benchmark.group = "ring hand-over"
    answers = FrameRing(4, PixelFormat.GRAY8, 8, 8)

    def answer():
        seq = 0
        while (frame := ring.wait_newer(seq, 10)) is not None:
            seq = frame.seq
            answers.begin_write().publish(0.0)

    thread = threading.Thread(target=answer)
    thread.start()

    def run():
        seq = ring.begin_write().publish(0.0)
        return answers.wait_newer(seq - 1, 10)

    benchmark(run)
    ring.close()
    thread.join()


def test_copying_the_frame_instead(benchmark, ring, frame):
    """What a hand-over by copy would cost on top, for comparison."""
    benchmark.group = "ring hand-over"
    benchmark(frame.copy)
