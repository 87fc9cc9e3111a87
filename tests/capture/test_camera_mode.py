"""Which of a camera's modes is the least work."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facectrl_fast.capture.camera_mode import READABLE, CameraMode, Interval, rank_modes


def mode(pixel_format, width, height, *rates):
    """Rates are numbers, or pairs from slow to fast."""
    intervals = []
    for rate in rates:
        slow, fast = rate if isinstance(rate, tuple) else (rate, rate)
        intervals.append(Interval(1 / Fraction(fast), 1 / Fraction(slow)))
    return CameraMode(pixel_format, width, height, tuple(intervals))


def best(*modes, rate=10.0):
    return str(rank_modes(modes, rate)[0])


def test_uncompressed_comes_first():
    choice = best(mode("MJPG", 640, 480, 30), mode("YUYV", 640, 480, 30))
    assert choice == "YUYV 640x480 at 30/s"


def test_the_lowest_rate_that_is_enough():
    camera = mode("YUYV", 640, 480, 30, 15, 10, 5)
    assert best(camera) == "YUYV 640x480 at 10/s"
    assert best(camera, rate=11) == "YUYV 640x480 at 15/s"
    assert best(camera, rate=4) == "YUYV 640x480 at 5/s"


def test_the_fastest_rate_where_none_is_enough():
    assert best(mode("YUYV", 640, 480, 7.5, 5), rate=30) == "YUYV 640x480 at 7.5/s"


def test_compressed_where_uncompressed_is_too_slow():
    camera = [mode("YUYV", 1280, 720, 5), mode("MJPG", 1280, 720, 30)]
    assert best(*camera).startswith("MJPG 1280x720 at 30/s")


def test_the_size_nearest_to_what_is_needed():
    sizes = [(320, 240), (640, 360), (640, 480), (1280, 720), (1920, 1080)]
    assert best(*(mode("YUYV", *size, 10) for size in sizes)) == "YUYV 640x480 at 10/s"
    assert best(*(mode("YUYV", *size, 10) for size in sizes[3:])) == "YUYV 1280x720 at 10/s"


def test_a_bigger_compressed_picture_rather_than_a_tiny_one():
    camera = [mode("YUYV", 320, 240, 30), mode("MJPG", 1280, 720, 30)]
    assert best(*camera).startswith("MJPG 1280x720")


def test_a_big_compressed_picture_is_decoded_small():
    assert best(mode("MJPG", 1920, 1080, 30)).endswith("decoded at 1/2 of its size")
    assert best(mode("MJPG", 3840, 2160, 30)).endswith("decoded at 1/4 of its size")
    assert best(mode("MJPG", 640, 480, 30)) == "MJPG 640x480 at 30/s"


def test_the_fewest_bytes_where_all_else_is_equal():
    formats = [mode(name, 640, 480, 30) for name in ("YUYV", "NV12", "GREY", "UYVY")]
    ranked = [choice.mode.pixel_format for choice in rank_modes(formats, 10)]
    assert ranked[:2] == ["GREY", "NV12"]


def test_a_range_of_rates_has_every_rate():
    assert best(mode("YUYV", 640, 480, (1, 60))) == "YUYV 640x480 at 10/s"
    assert best(mode("YUYV", 640, 480, (15, 60))) == "YUYV 640x480 at 15/s"


def test_a_driver_that_tells_no_rates_is_asked_for_the_wanted_one():
    assert best(mode("YUYV", 640, 480)) == "YUYV 640x480 at 10/s"


def test_what_cannot_be_read_is_no_choice():
    assert rank_modes([mode("RGB3", 640, 480, 30), mode("H264", 640, 480, 30)], 10) == []


modes = st.builds(
    mode,
    st.sampled_from([*READABLE, "RGB3"]),
    st.integers(16, 4000),
    st.integers(16, 4000),
    st.sampled_from([1, 5, 7.5, 10, 15, 30, 60]),
    st.sampled_from([(1, 5), (5, 60), (20, 30)]),
)


@given(st.lists(modes, max_size=8), st.floats(3, 60))
def test_every_readable_mode_is_ranked_and_fast_ones_come_first(camera, rate):
    ranked = rank_modes(camera, rate)
    assert len(ranked) == sum(m.pixel_format in READABLE for m in camera)
    enough = [float(1 / choice.interval) >= rate * 0.99 for choice in ranked]
    assert enough == sorted(enough, reverse=True)
    for choice in ranked:
        assert any(i.least <= choice.interval <= i.most for i in choice.mode.intervals)
        assert choice.shrink in (1, 2, 4, 8)


def test_rates_are_listed_fastest_first():
    assert mode("YUYV", 640, 480, 5, 30).rates == pytest.approx((30, 5))
