"""Composing a dataset from bare heads and labelled crops."""

from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest

from facectrl_fast.dataset import compose
from facectrl_fast.dataset.compose import frame_face, main
from facectrl_fast.dataset.folder import read_folder
from tests.pictures import PHOTO, PHOTO_FACE, face_in_portrait, portrait


@pytest.fixture
def faces(tmp_path):
    folder = tmp_path / "faces" / "Ann"
    folder.mkdir(parents=True)
    lines = []
    for number in range(3):
        cv2.imwrite(str(folder / f"Ann_000{number}.jpg"), PHOTO)
        box = " ".join(str(int(v)) for v in PHOTO_FACE)
        lines += [f"Ann/Ann_000{number}.jpg", "1", f"{box} 0 0 0 0 0 0"]
    annotations = tmp_path / "gt.txt"
    annotations.write_text("\n".join(lines) + "\n")
    return annotations, tmp_path / "faces"


def test_each_face_is_pictured_with_and_without_headphones(tmp_path, faces):
    out = tmp_path / "out"
    assert main([str(out), "--faces", *map(str, faces), "--face-variants", "2"]) == 0
    pictures = read_folder(out)
    assert [p.label for p in pictures].count(0) == [p.label for p in pictures].count(1) == 6
    assert {p.group for p in pictures} == {"Ann 0"}
    assert all(p.box is not None and p.expansion == 2.2 for p in pictures)
    assert cv2.imread(str(pictures[0].path), cv2.IMREAD_UNCHANGED).ndim == 2


def in_this_process(**_):
    return ThreadPoolExecutor(1)


def test_the_same_seed_gives_the_same_pictures_in_however_many_processes(
    tmp_path, faces, monkeypatch
):
    contents = []
    for name in ("many", "one"):
        if name == "one":
            monkeypatch.setattr(compose, "ProcessPoolExecutor", in_this_process)
        main([str(tmp_path / name), "--faces", *map(str, faces), "--face-variants", "1"])
        contents.append([p.path.read_bytes() for p in read_folder(tmp_path / name)])
    assert contents[0] == contents[1]


def test_crops_are_composed_alike_in_one_process(tmp_path, monkeypatch):
    for label in ("on", "off"):
        (tmp_path / "crops" / label).mkdir(parents=True)
        crop = portrait(0.76, headphones=label == "on", size=(160, 160))
        cv2.imwrite(str(tmp_path / "crops" / label / "bob-1-x.jpg"), crop)
    contents = []
    for name in ("many", "one"):
        if name == "one":
            monkeypatch.setattr(compose, "ProcessPoolExecutor", in_this_process)
        main([str(tmp_path / name), "--crops", str(tmp_path / "crops"), "--crop-variants", "2"])
        contents.append([p.path.read_bytes() for p in read_folder(tmp_path / name)])
    assert contents[0] == contents[1]
    assert contents[0]


def test_labelled_crops_keep_their_label_and_earbuds_are_off(tmp_path):
    for label in ("on", "off", "earbud_or_neck"):
        (tmp_path / "crops" / label).mkdir(parents=True)
        crop = portrait(0.76, headphones=label == "on", size=(160, 160))
        cv2.imwrite(str(tmp_path / "crops" / label / "bob-1-x.jpg"), crop)
    out = tmp_path / "out"
    assert main([str(out), "--crops", str(tmp_path / "crops"), "--crop-variants", "2"]) == 0
    pictures = read_folder(out)
    labels = [p.label for p in pictures]
    # Those without headphones are also pictured with some drawn on.
    assert labels.count(0) == 2 + 2 + 2
    assert labels.count(1) == 2 + 2
    assert {p.group for p in pictures} == {"bob 0"}


def test_the_face_stays_where_the_index_says(tmp_path):
    """However it is framed, the face's box shows the same part of the picture."""
    image, box = portrait(1.5), face_in_portrait(1.5)
    x, y, width, height = (round(v) for v in box)
    face = cv2.cvtColor(image[y : y + height, x : x + width], cv2.COLOR_BGR2GRAY)
    rng = np.random.default_rng(0)
    for _ in range(20):
        stored, (left, top, wide, high), _ = frame_face(image, box, rng)
        rows = slice(max(round(top), 0), round(top + high))
        columns = slice(max(round(left), 0), round(left + wide))
        seen = cv2.resize(stored[rows, columns], (24, 32), interpolation=cv2.INTER_AREA)
        same = cv2.resize(face, (24, 32), interpolation=cv2.INTER_AREA)
        # Frames may end inside the lower face.
        assert np.corrcoef(seen[:24].ravel(), same[:24].ravel())[0, 1] > 0.9


def test_bad_input_is_one_line(tmp_path, capsys):
    assert main([str(tmp_path / "out"), "--crops", str(tmp_path)]) == 1
    assert "has neither on/ nor off/" in capsys.readouterr().err
    (tmp_path / "off").mkdir()
    (tmp_path / "off" / "1.jpg").write_bytes(b"no picture")
    assert main([str(tmp_path / "out"), "--crops", str(tmp_path)]) == 1
    error = capsys.readouterr().err
    assert "cannot read the picture" in error
    assert len(error.splitlines()) == 1
