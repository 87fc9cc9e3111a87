"""JPEG to luma, held to OpenCV's decoder; what is broken is refused whole."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facectrl_fast._native import JpegLuma
from tests.pictures import portrait

PICTURE = portrait(1.9)[:479, :637]  # sides that no block size divides
HEIGHT, WIDTH = PICTURE.shape[:2]
SAMPLING = {
    "4:4:4": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
    "4:2:2": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_422,
    "4:2:0": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420,
}


def encode(picture, *options):
    return cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 90, *options])[1].tobytes()


JPEG = encode(PICTURE)


def decode(jpeg, width=WIDTH, height=HEIGHT, shrink=1):
    return JpegLuma().decode(jpeg, width, height, shrink)


@pytest.mark.parametrize("sampling", SAMPLING)
def test_the_luma_is_that_of_a_full_decode(sampling):
    jpeg = encode(PICTURE, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, SAMPLING[sampling])
    reference = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_GRAYSCALE)
    luma = decode(jpeg)
    assert luma.shape == (HEIGHT, WIDTH)
    assert np.abs(luma.astype(int) - reference).max() <= 1


def test_gray_pictures_decode_too():
    gray = cv2.cvtColor(PICTURE, cv2.COLOR_BGR2GRAY)
    assert np.abs(decode(encode(gray)).astype(int) - gray).mean() < 2


@pytest.mark.parametrize("shrink", [2, 4, 8])
def test_shrinking_averages(shrink):
    luma = decode(JPEG, shrink=shrink)
    assert luma.shape == (-(-HEIGHT // shrink), -(-WIDTH // shrink))
    whole = decode(JPEG)[: HEIGHT // shrink * shrink, : WIDTH // shrink * shrink]
    rows, columns = whole.shape[0] // shrink, whole.shape[1] // shrink
    mean = whole.reshape(rows, shrink, columns, shrink).mean((1, 3))
    assert np.abs(luma[:rows, :columns] - mean).mean() < 1.5


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.5, 0.9, 0.99])
def test_a_picture_that_is_cut_off_is_refused(share):
    assert decode(JPEG[: int(len(JPEG) * share)]) is None


def test_another_size_than_expected_is_refused():
    assert decode(JPEG, WIDTH + 1, HEIGHT) is None


def test_damage_in_the_middle_is_refused():
    middle = len(JPEG) // 2
    assert decode(JPEG[:middle] + bytes(200) + JPEG[middle + 200 :]) is None


def test_stray_bytes_as_cheap_cameras_send_them_hurt_nothing():
    clean = decode(JPEG)
    assert (decode(JPEG + bytes(500)) == clean).all()
    marker = JPEG.index(b"\xff\xdb")
    assert (decode(JPEG[:marker] + bytes(3) + JPEG[marker:]) == clean).all()


def test_a_missing_end_marker_hurts_nothing():
    assert JPEG.endswith(b"\xff\xd9")
    assert (decode(JPEG[:-2]) == decode(JPEG)).all()


def test_a_scan_header_of_zeros_hurts_nothing():
    scan = JPEG.index(b"\xff\xda")
    last = scan + 2 + int.from_bytes(JPEG[scan + 2 : scan + 4], "big")
    assert JPEG[last - 3 : last] == b"\0\x3f\0"
    assert (decode(JPEG[: last - 2] + b"\0" + JPEG[last - 1 :]) == decode(JPEG)).all()


@pytest.mark.parametrize("arguments", [(0, 480, 1), (640, 99999, 1), (640, 480, 0), (640, 480, 3)])
def test_impossible_sizes_are_refused(arguments):
    with pytest.raises(ValueError, match="must be"):
        decode(JPEG, *arguments)


def test_cameras_leave_out_the_usual_huffman_tables():
    without = JPEG
    while (at := without.find(b"\xff\xc4")) >= 0:
        length = int.from_bytes(without[at + 2 : at + 4], "big")
        without = without[:at] + without[at + 2 + length :]
    assert len(without) < len(JPEG)
    assert (decode(without) == decode(JPEG)).all()


def test_a_decoder_goes_on_after_what_it_refused():
    decoder = JpegLuma()
    first = decoder.decode(JPEG, WIDTH, HEIGHT)
    for _ in range(20):
        assert decoder.decode(JPEG[:1000], WIDTH, HEIGHT) is None
        assert (decoder.decode(JPEG, WIDTH, HEIGHT) == first).all()


SMALL = encode(cv2.resize(PICTURE, (48, 32)))


@given(st.lists(st.tuples(st.integers(0, len(SMALL) - 1), st.integers(0, 255)), max_size=20))
def test_any_damage_gives_a_picture_or_none(damage):
    data = bytearray(SMALL)
    for at, value in damage:
        data[at] = value
    luma = decode(bytes(data), 48, 32)
    assert luma is None or luma.shape == (32, 48)


@given(st.binary(max_size=300))
def test_any_bytes_at_all_give_none(data):
    assert decode(data) is None
    assert decode(b"\xff\xd8" + data) is None
