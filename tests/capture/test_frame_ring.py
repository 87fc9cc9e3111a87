"""The ring between one producer and any number of readers."""

import gc
import os
import select
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facectrl_fast._native import FrameRing
from facectrl_fast.types import PixelFormat


def make_ring(slots=3, pixel_format=PixelFormat.GRAY8, width=8, height=4):
    return FrameRing(slots, pixel_format, width, height)


def write(ring, value=0, timestamp=0.0):
    """Publish one frame; its sequence number, 0 if it was dropped."""
    slot = ring.begin_write()
    if slot is None:
        return 0
    slot.array[:] = value
    return slot.publish(timestamp)


RING_BYTES = 2 * 1024 * 1024


def filled_ring():
    """One whose slots have all been written to."""
    ring = make_ring(2, width=1024, height=1024)
    slots = [ring.begin_write(), ring.begin_write()]
    for slot in slots:
        slot.array[:] = 1
    return ring


def resident():
    """Bytes of memory that the process has."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def readable(ring):
    return bool(select.select([ring.fileno()], [], [], 0)[0])


def address(array):
    return array.__array_interface__["data"][0]


@pytest.mark.parametrize(
    ("pixel_format", "shape"),
    [
        (PixelFormat.BGR24, (4, 8, 3)),
        (PixelFormat.GRAY8, (4, 8)),
        (PixelFormat.YUYV, (4, 8, 2)),
        (PixelFormat.UYVY, (4, 8, 2)),
        (PixelFormat.NV12, (6, 8)),
    ],
)
def test_a_frame_has_the_shape_of_its_format(pixel_format, shape):
    ring = make_ring(pixel_format=pixel_format)
    assert write(ring) == 1
    frame = ring.latest()
    assert frame.array.shape == shape
    assert frame.array.dtype == np.uint8
    assert (frame.pixel_format, frame.width, frame.height) == (pixel_format, 8, 4)


def test_no_frame_is_copied_between_writer_and_reader():
    ring = make_ring()
    slot = ring.begin_write()
    written = address(slot.array)
    slot.publish(1.0)
    first, second = ring.latest(), ring.latest()
    assert address(first.array) == address(second.array) == address(first.array) == written


def test_frames_are_read_only():
    ring = make_ring()
    write(ring)
    with pytest.raises(ValueError, match="read-only"):
        ring.latest().array[:] = 1


def test_there_is_nothing_before_the_first_frame():
    ring = make_ring()
    assert ring.latest() is None
    assert ring.wait_newer(0, timeout=0) is None


def test_latest_is_the_newest_and_numbers_rise_without_gaps():
    ring = make_ring()
    for number in range(1, 8):
        assert write(ring, number, number / 10) == number
        frame = ring.latest()
        assert (frame.seq, frame.timestamp, frame.array[0, 0]) == (number, number / 10, number)


def test_a_held_frame_is_never_overwritten():
    ring = make_ring(slots=3)
    write(ring, 7)
    held = ring.latest()
    for number in range(20):
        write(ring, 100 + number)
    assert (held.array == 7).all()
    assert ring.dropped == 0


def test_an_array_holds_its_slot_without_its_frame():
    ring = make_ring(slots=3)
    write(ring, 7)
    array = ring.latest().array[1:3]
    gc.collect()
    for number in range(20):
        write(ring, 100 + number)
    assert (array == 7).all()


def test_with_every_slot_held_frames_are_dropped_and_counted():
    ring = make_ring(slots=3)
    held = []
    for number in range(3):
        write(ring, number)
        held.append(ring.latest())
    for _ in range(5):
        assert write(ring) == 0
    assert (ring.published, ring.dropped) == (3, 5)
    held.pop(0)
    assert write(ring, 9) == 4
    assert ring.latest().array[0, 0] == 9


def test_the_newest_frame_gives_way_if_nobody_holds_it():
    ring = make_ring(slots=2)
    write(ring, 1)
    held = ring.latest()
    assert write(ring, 2) == 2
    assert write(ring, 3) == 3
    assert ring.latest().array[0, 0] == 3
    assert held.array[0, 0] == 1
    assert ring.dropped == 0


def test_a_slot_given_up_unpublished_is_free_again():
    ring = make_ring(slots=2)
    for _ in range(10):
        slot = ring.begin_write()
        assert slot is not None
        del slot
    assert (ring.published, ring.dropped) == (0, 0)


def test_a_slot_is_published_once():
    slot = make_ring().begin_write()
    slot.publish(0.0)
    with pytest.raises(ValueError, match="published already"):
        slot.publish(0.0)
    with pytest.raises(ValueError, match="published already"):
        _ = slot.array


def test_frames_outlive_the_ring():
    ring = make_ring()
    write(ring, 42)
    frame = ring.latest()
    ring.close()
    del ring
    gc.collect()
    assert (frame.array == 42).all()


def test_a_ring_that_is_gone_gives_its_memory_back():
    """The heap, once it has seen some, would keep it for younger ones."""
    gone = [filled_ring(), filled_ring()]
    stays = filled_ring()
    del gone
    gone = [filled_ring(), filled_ring()]
    younger = filled_ring()
    before = resident()
    del gone
    assert before - resident() > 0.9 * 2 * RING_BYTES
    del stays, younger


def test_nothing_is_published_after_close():
    ring = make_ring()
    slot = ring.begin_write()
    ring.close()
    assert slot.publish(0.0) == 0
    assert ring.begin_write() is None
    assert (ring.published, ring.dropped, ring.closed) == (0, 0, True)


def test_a_waiting_reader_wakes_on_the_next_frame():
    ring = make_ring()
    write(ring, 1)
    got = []
    reader = threading.Thread(target=lambda: got.append(ring.wait_newer(1, timeout=30)))
    reader.start()
    assert ring.wait_wanted(timeout=30)
    write(ring, 2)
    reader.join(30)
    assert got[0].seq == 2


def test_a_waiting_reader_wakes_on_close():
    ring = make_ring()
    got = []
    reader = threading.Thread(target=lambda: got.append(ring.wait_newer(0, timeout=60)))
    reader.start()
    assert ring.wait_wanted(timeout=30)
    ring.close()
    reader.join(30)
    assert got == [None]


def test_the_wait_lets_other_threads_run():
    ring = make_ring()
    counted = []

    def count():
        ring.wait_wanted(timeout=30)
        counted.append(sum(range(100_000)))
        write(ring)

    other = threading.Thread(target=count)
    other.start()
    assert ring.wait_newer(0, timeout=30) is not None
    other.join()
    assert counted


def test_a_wait_ends_with_its_timeout_without_burning_cpu():
    ring = make_ring()
    cpu, clock = time.process_time(), time.monotonic()
    assert ring.wait_newer(0, timeout=0.2) is None
    assert time.monotonic() - clock >= 0.2
    assert time.process_time() - cpu < 0.1


def test_arming_wakes_once_for_a_frame_that_is_due():
    ring = make_ring()
    ring.arm(0, not_before=1.0)
    write(ring, timestamp=0.5)
    assert not readable(ring)
    write(ring, timestamp=1.0)
    assert readable(ring)
    ring.arm(2, not_before=2.0)
    assert not readable(ring)


def test_arming_wakes_at_once_if_the_frame_is_there_already():
    ring = make_ring()
    write(ring, timestamp=5.0)
    ring.arm(0, not_before=4.0)
    assert readable(ring)
    ring.arm(1)
    assert not readable(ring)


def test_closing_wakes_whoever_armed_or_arms_later():
    ring = make_ring()
    ring.arm(0)
    ring.close()
    assert readable(ring)
    ring.arm(0)
    assert readable(ring)


def test_a_patient_producer_waits_until_a_reader_wants_more():
    ring = make_ring()
    assert not ring.wait_wanted(timeout=0)
    ring.arm(0)
    assert ring.wait_wanted(timeout=0)
    write(ring)
    assert not ring.wait_wanted(timeout=0)
    assert ring.wait_newer(1, timeout=0) is None
    assert ring.wait_wanted(timeout=0)


@given(st.lists(st.sampled_from(["write", "hold", "drop"]), max_size=60), st.integers(2, 5))
def test_any_history_counts_exactly_and_tears_nothing(steps, slots):
    ring = make_ring(slots=slots)
    held, tries, value = [], 0, 0
    for step in steps:
        if step == "write":
            tries += 1
            value = (value + 1) % 256
            write(ring, value)
        elif step == "hold" and (frame := ring.latest()) is not None:
            held.append((frame, int(frame.array[0, 0])))
        elif step == "drop" and held:
            held.pop(0)
        assert ring.published + ring.dropped == tries
        for frame, expected in held:
            assert (frame.array == expected).all()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ((1, PixelFormat.GRAY8, 8, 8), "slots"),
        ((3, PixelFormat.GRAY8, 0, 8), "width, height"),
        ((3, PixelFormat.GRAY8, 8, 20000), "width, height"),
        ((3, PixelFormat.YUYV, 7, 8), "width: must be even"),
        ((3, PixelFormat.NV12, 8, 7), "height: must be even"),
    ],
)
def test_impossible_rings_are_refused(arguments, complaint):
    with pytest.raises(ValueError, match=complaint):
        FrameRing(*arguments)


def test_impossible_times_are_refused():
    ring = make_ring()
    with pytest.raises(ValueError, match="timeout"):
        ring.wait_newer(0, float("nan"))
    with pytest.raises(ValueError, match="timestamp"):
        ring.begin_write().publish(float("inf"))
    with pytest.raises(ValueError, match="not_before"):
        ring.arm(0, float("nan"))
