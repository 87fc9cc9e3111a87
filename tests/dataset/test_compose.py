"""Composing a dataset, and the headphones that are drawn for it."""

import cv2
import numpy as np
import pytest

from facectrl_fast.dataset.compose import main
from facectrl_fast.dataset.folder import read_folder
from facectrl_fast.dataset.headphones import HeadphoneStyle, draw_headphones
from tests.pictures import PHOTO, PHOTO_FACE, portrait


def test_headphones_are_drawn_around_the_face_and_not_on_it():
    drawn = draw_headphones(PHOTO, PHOTO_FACE, HeadphoneStyle())
    changed = (drawn != PHOTO).any(axis=2)
    x, y, width, height = (int(v) for v in PHOTO_FACE)
    middle = changed[y : y + height, x + width // 4 : x + 3 * width // 4]
    assert changed[: y + height].mean() > 0.01
    assert middle.mean() < 0.05
    assert not changed[y + 2 * height :].any()


def test_every_random_style_can_be_drawn():
    rng = np.random.default_rng(0)
    for _ in range(60):
        drawn = draw_headphones(PHOTO, PHOTO_FACE, HeadphoneStyle.random(rng))
        assert drawn.shape == PHOTO.shape
        assert (drawn != PHOTO).any()


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


def test_faces_become_crops_with_and_without_headphones(tmp_path, faces):
    out = tmp_path / "out"
    arguments = [str(out), "--faces", *map(str, faces), "--face-variants", "2"]
    assert main(arguments) == 0
    pictures = read_folder(out)
    assert [p.label for p in pictures].count(0) == [p.label for p in pictures].count(1) == 6
    assert {p.group for p in pictures} == {"Ann"}
    assert cv2.imread(str(pictures[0].path), cv2.IMREAD_UNCHANGED).shape == (96, 96)


def test_the_same_seed_gives_the_same_crops(tmp_path, faces):
    contents = []
    for name in ("one", "two"):
        main([str(tmp_path / name), "--faces", *map(str, faces), "--face-variants", "1"])
        contents.append([p.path.read_bytes() for p in read_folder(tmp_path / name)])
    assert contents[0] == contents[1]


def test_crops_and_videos_keep_their_label(tmp_path):
    for label in ("on", "off"):
        (tmp_path / "crops" / label).mkdir(parents=True)
        crop = portrait(0.76, headphones=label == "on", size=(160, 160))
        cv2.imwrite(str(tmp_path / "crops" / label / "7-1-x.jpg"), crop)
    frames = tmp_path / "clip_off"
    frames.mkdir()
    for number in range(16):
        cv2.imwrite(str(frames / f"img{number:05d}.png"), portrait(1.5))
    out = tmp_path / "out"
    arguments = ["--crops", str(tmp_path / "crops"), "--video", str(frames), "on"]
    assert main([str(out), *arguments, "--crop-variants", "2", "--video-variants", "3"]) == 0
    pictures = read_folder(out)
    labels = [(p.group, p.label) for p in pictures]
    # A crop without headphones also gives one with headphones drawn on.
    assert labels.count(("7", 0)) == 4
    assert labels.count(("7", 1)) == 2
    assert labels.count(("clip", 0)) == 6


def test_bad_input_is_one_line(tmp_path, capsys):
    assert main([str(tmp_path / "out"), "--video", "missing.mp4", "on"]) == 1
    assert "cannot read the video missing.mp4" in capsys.readouterr().err
    assert main([str(tmp_path / "out"), "--video", "x.mp4", "maybe"]) == 1
    assert "the label must be on or off" in capsys.readouterr().err
