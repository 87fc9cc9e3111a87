"""Reading labelled folders, and splits that do not flatter the model."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facectrl_fast.dataset.folder import LabelledPicture, name_group, read_folder, split_by_group
from facectrl_fast.errors import UserError


@pytest.fixture
def dataset(tmp_path):
    def make(on=(), off=()):
        for label, names in (("on", on), ("off", off)):
            (tmp_path / label).mkdir(exist_ok=True)
            for name in names:
                cv2.imwrite(str(tmp_path / "picture.png"), np.zeros((8, 8), np.uint8))
                (tmp_path / "picture.png").replace(tmp_path / label / name)
        return tmp_path

    return make


def test_pictures_come_in_natural_order_with_their_labels(dataset):
    pictures = read_folder(dataset(["10.png", "9.png", "1.png"], ["a.jpg", "b.jpg"]))
    assert [p.path.name for p in pictures] == ["1.png", "9.png", "10.png", "a.jpg", "b.jpg"]
    assert [p.label for p in pictures] == [0, 0, 0, 1, 1]


def test_names_tell_the_group(dataset):
    pictures = read_folder(dataset(["ann__1.png", "bob__2.png"], ["ann__3.png", "ann__4.png"]))
    assert [p.group for p in pictures] == ["ann", "bob", "ann", "ann"]


def test_names_of_several_pictures_of_one_person_share_a_group(dataset):
    pictures = read_folder(
        dataset(["de_10003-2-.jpg", "de_10003-5-.jpg"], ["de_10003.jpg", "ann-portrait.jpg"])
    )
    assert [p.group for p in pictures] == ["de_10003", "de_10003", "ann-portrait", "de_10003"]


def test_a_manifest_names_the_sources(dataset):
    folder = dataset(["a.png", "b.png"], ["c.png", "d.png"])
    (folder / "manifest.csv").write_text("file,label,source\non/a.png,on,webcam\noff/c.png,off,\n")
    assert [p.source for p in read_folder(folder)] == ["webcam", "", "", ""]


def test_a_manifest_without_these_columns_tells_nothing(dataset):
    folder = dataset(["a.png", "b.png"], ["c.png", "d.png"])
    (folder / "manifest.csv").write_text("nonsense")
    assert {p.source for p in read_folder(folder)} == {""}


def test_a_manifest_that_is_no_text_is_told(dataset):
    folder = dataset(["a.png", "b.png"], ["c.png", "d.png"])
    (folder / "manifest.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match=r"cannot read .*manifest\.csv"):
        read_folder(folder)


@pytest.mark.parametrize(
    "stem", ["17", "frame_17", "IMG 0017", "2024-01-31-201500", "IMG_20240131_201500"]
)
def test_numbers_and_dates_tell_no_group(stem):
    assert name_group(stem) is None


def test_numbered_frames_are_grouped_in_stretches(dataset):
    names = [f"{i}.png" for i in range(40)]
    groups = [p.group for p in read_folder(dataset(names, names)) if p.label == 0]
    assert len(set(groups)) == 10
    assert groups == sorted(groups, key=groups.index), "a stretch is not interrupted"


@pytest.mark.parametrize(
    ("on", "off", "complaint"),
    [
        ([], [], "on/ has 0 pictures"),
        (["1.png", "2.png"], [], "off/ has 0 pictures"),
        (["1.png"], ["1.png", "2.png"], "on/ has 1 pictures"),
        (["1.txt", "2.txt"], ["1.png", "2.png"], "on/ has 0 pictures"),
    ],
)
def test_an_empty_or_one_class_dataset_is_told(dataset, on, off, complaint):
    with pytest.raises(UserError, match=complaint):
        read_folder(dataset(on, off))


def test_a_missing_folder_is_told(tmp_path):
    with pytest.raises(UserError, match="is not a folder"):
        read_folder(tmp_path / "missing")


pictures_of = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 12)), min_size=4, max_size=80)


@settings(max_examples=200)
@given(pictures_of, st.integers(0, 5), st.floats(0.05, 0.5))
def test_no_group_is_on_both_sides_and_both_labels_on_each(drawn, seed, share):
    pictures = [LabelledPicture(None, label, f"group {group}") for label, group in drawn]
    try:
        training, validation = split_by_group(pictures, share, seed)
    except UserError:
        return
    assert not {p.group for p in training} & {p.group for p in validation}
    for side in (training, validation):
        assert {p.label for p in side} == {0, 1}
    assert len(training) + len(validation) == len(pictures)


def test_the_split_is_the_same_each_time_and_of_about_the_wanted_size():
    pictures = [LabelledPicture(None, i % 2, f"group {i // 10}") for i in range(1000)]
    first = split_by_group(pictures, 0.2, seed=3)
    assert first == split_by_group(pictures, 0.2, seed=3)
    assert first != split_by_group(pictures, 0.2, seed=4)
    assert len(first[1]) == pytest.approx(200, abs=20)


def test_a_large_group_is_left_to_training():
    sizes = {"large": 900, "a": 50, "b": 50}
    pictures = [
        LabelledPicture(None, i % 2, group) for group, size in sizes.items() for i in range(size)
    ]
    for seed in range(8):
        _, validation = split_by_group(pictures, 0.1, seed)
        assert {p.group for p in validation} <= {"a", "b"}


def test_one_group_cannot_be_split():
    pictures = [LabelledPicture(None, i % 2, "the same") for i in range(100)]
    with pytest.raises(UserError, match="cannot be split"):
        split_by_group(pictures, 0.2, 0)
