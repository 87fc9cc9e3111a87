"""Collected crops on disk: whole whatever happens."""

import json
import resource
from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facectrl_fast.dataset.crop_index import INDEX, CropRecord, CropWriter, _parsed, read_index
from facectrl_fast.errors import UserError

CROP = np.arange(40 * 30, dtype=np.uint8).reshape(40, 30)
RECORD = CropRecord("0", "monday", "2026-11-02T10:00:00+00:00", 1.5, (5.5, 6.0, 10.0, 20.0), 1.5)


def add(folder, count):
    with CropWriter(folder) as writer:
        return [writer.add(CROP, RECORD) for _ in range(count)]


def test_what_was_written_is_read_again(tmp_path):
    (path,) = add(tmp_path / "on", 1)
    assert path.name == "00001.png"
    assert (cv2.imread(str(path), cv2.IMREAD_UNCHANGED) == CROP).all()
    assert read_index(tmp_path / "on") == {"00001.png": RECORD}


def test_numbers_go_on_where_they_ended(tmp_path):
    add(tmp_path, 3)
    cv2.imwrite(str(tmp_path / "17.png"), CROP)  # the user's own
    assert [path.name for path in add(tmp_path, 2)] == ["00018.png", "00019.png"]


def test_a_number_is_not_given_again_after_its_picture_was_deleted(tmp_path):
    add(tmp_path, 2)[1].unlink()
    assert add(tmp_path, 1)[0].name == "00003.png"


def test_a_torn_line_costs_that_line_alone(tmp_path):
    add(tmp_path, 2)
    index = tmp_path / INDEX
    index.write_bytes(index.read_bytes()[:-20])
    add(tmp_path, 1)
    assert list(read_index(tmp_path)) == ["00001.png", "00003.png"]


def test_half_written_pictures_are_cleared_away(tmp_path):
    (tmp_path / ".00005.png.part").write_bytes(b"half")
    add(tmp_path, 1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["00001.png", INDEX]


@pytest.fixture
def little_room():
    """Files may not grow beyond some bytes, as on a disk that is nearly full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def limit(size):
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))

    yield limit
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("noise", [True, False], ids=["the picture", "the index"])
def test_without_room_it_stops_and_keeps_what_is_there(tmp_path, little_room, noise):
    big = np.random.default_rng(0).integers(0, 255, (90, 90), np.uint8)
    record = RECORD if noise else replace(RECORD, source="x" * 5000)
    with CropWriter(tmp_path) as writer:
        writer.add(CROP, RECORD)
        little_room(4000)
        with pytest.raises(UserError, match=r"File too large; the 1 crops .* are kept"):
            writer.add(big if noise else CROP, record)
        little_room(resource.RLIM_INFINITY)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["00001.png", INDEX]
    (path,) = add(tmp_path, 1)
    records = read_index(tmp_path)
    assert (records["00001.png"], records[path.name]) == (RECORD, RECORD)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "{}",
        "[]",
        "null",
        '{"file": "1.png"}',
        '{"file": 1, "box": "abcd"}',
        "\0\0\0",
        "{" * 2000,
    ],
)
def test_lines_that_are_none_are_passed_over(tmp_path, line):
    add(tmp_path, 1)
    with (tmp_path / INDEX).open("a") as index:
        index.write(line + "\n")
    assert list(read_index(tmp_path)) == ["00001.png"]


@given(st.text(max_size=60) | st.recursive(st.none() | st.integers(), st.lists).map(json.dumps))
def test_no_line_raises(line):
    assert _parsed(line) is None


def test_no_folder_has_no_index(tmp_path):
    assert read_index(tmp_path / "nowhere") == {}
