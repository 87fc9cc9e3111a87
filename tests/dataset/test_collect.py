"""Collecting crops from what a source shows."""

import json
import os
import signal
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest

from facectrl_fast.capture.source import open_source
from facectrl_fast.config import CollectOptions
from facectrl_fast.dataset.collect import Collector, full_range_gray
from facectrl_fast.dataset.crop_index import CropWriter, read_index
from facectrl_fast.dataset.folder import read_folder
from facectrl_fast.demo import write_clip
from facectrl_fast.errors import UserError
from facectrl_fast.types import Face, PixelFormat
from facectrl_fast.vision.locate import Locator
from facectrl_fast.vision.preprocess import Preprocessing
from tests.pictures import as_frames, face_in_portrait, portrait

BOX = (24.0, 12.0, 16.0, 20.0)


class SomewhereAFace:
    """A detector that finds a face in the middle, or none."""

    name = "fake"

    def __init__(self, there=True):
        self.there = there

    def detect(self, image, pixel_format, least_share=None):
        return [Face(BOX, 0.9)] if self.there else []


def show_nothing(frame, face, tally):
    return True


@pytest.fixture
def collect(loop, tmp_path):
    """Collects from a video; the crops' folder and the tally."""

    def run(video, show=show_nothing, there=True, **options):
        source = open_source(str(video), realtime=False)
        locator = Locator(SomewhereAFace(there))
        collector = Collector(loop, source, locator, CollectOptions(**options), show)
        with CropWriter(tmp_path / "on") as writer:
            return collector.run(writer)

    run.folder = tmp_path / "on"
    return run


def test_crops_are_spread_over_time_and_tell_where_they_come_from(collect, make_video):
    video = make_video(frames=60, rate=20)
    tally = collect(video)
    assert tally.kept == 15  # five a second, of three seconds, all different
    records = read_index(collect.folder)
    assert [r.seconds for r in records.values()] == pytest.approx([0.2 * i for i in range(15)])
    assert {r.source for r in records.values()} == {str(video)}
    assert len({r.session for r in records.values()}) == 1


def test_a_crop_shows_the_face_with_room_around_it(collect, make_video):
    collect(make_video(frames=1), expansion=0.5)
    (record,) = read_index(collect.folder).values()
    crop = cv2.imread(str(collect.folder / "00001.png"), cv2.IMREAD_UNCHANGED)
    left, top, width, height = Preprocessing((0.5, 0.5)).crop_box(BOX, 64, 48)
    assert crop.shape == (height, width)
    assert record.box == (BOX[0] - left, BOX[1] - top, *BOX[2:])
    assert record.expansion == 0.5


def test_what_looks_alike_is_kept_once(collect, tmp_path):
    writer = cv2.VideoWriter(str(tmp_path / "v.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 10, (64, 48))
    for _ in range(40):
        writer.write(np.full((48, 64, 3), 90, np.uint8))
    writer.release()
    tally = collect(tmp_path / "v.avi")
    assert (tally.kept, tally.alike) == (1, 19)


def test_without_a_face_nothing_is_kept(collect, make_video):
    tally = collect(make_video(frames=20, rate=20), there=False)
    assert (tally.kept, tally.faceless) == (0, 5)
    assert list(collect.folder.glob("*.png")) == []


def test_it_stops_at_a_count_at_a_time_and_when_it_is_told_to(collect, make_video):
    video = make_video(frames=100, rate=20)
    assert collect(video, count=4).kept == 4
    assert collect(video, seconds=1.0).kept == 5
    assert collect(video, show=lambda frame, face, tally: tally.kept < 3).kept == 3
    assert len(list(collect.folder.glob("*.png"))) == 12


def test_ctrl_c_ends_it_with_what_there_is(collect, make_video):
    pressed = []

    def show(frame, face, tally):
        if tally.kept == 3 and not pressed:
            pressed.append(True)
            os.kill(os.getpid(), signal.SIGINT)
        return True

    tally = collect(make_video(frames=2000, size=(64, 48), rate=20), show)
    assert pressed
    assert 3 <= tally.kept < 100


def test_a_source_that_fails_keeps_what_was_collected(collect, make_video):
    video = make_video(frames=60, rate=20)
    video.write_bytes(video.read_bytes()[: video.stat().st_size // 2])
    with pytest.raises(UserError, match="damaged or cut off"):
        collect(video)
    assert len(read_index(collect.folder)) > 3


@pytest.mark.parametrize("pixel_format", list(PixelFormat), ids=lambda f: f.name)
def test_crops_are_gray_as_the_classifier_sees_it(pixel_format):
    """Cut from a stored crop or from the frame: the classifier's input is the same."""
    (frame,) = as_frames([portrait(1.9)], pixel_format)
    gray = full_range_gray(frame)
    assert gray.shape == (480, 640)
    cut, box = Preprocessing(), face_in_portrait(1.9)
    direct, stored = np.zeros((64, 64), np.float32), np.zeros((64, 64), np.float32)
    cut(frame.array, frame.pixel_format, box, direct)
    left, top, width, height = Preprocessing((1.5, 1.5)).crop_box(box, 640, 480)
    crop = np.ascontiguousarray(gray[top : top + height, left : left + width])
    cut(crop, PixelFormat.GRAY8, (box[0] - left, box[1] - top, *box[2:]), stored)
    assert np.abs(direct - stored).max() < 1 / 255


def test_stretches_of_a_session_are_groups(collect, make_video, tmp_path):
    collect(make_video(frames=240, rate=20))  # twelve seconds
    (tmp_path / "off").symlink_to(collect.folder)
    pictures = [p for p in read_folder(tmp_path) if p.label == 0]
    stretches = {r.seconds // 5 for r in read_index(collect.folder).values()}
    assert len({p.group for p in pictures}) == len(stretches) == 2
    assert all(p.box is not None and p.expansion == 1.5 for p in pictures)


@pytest.mark.timeout(200)
def test_killed_at_any_moment_it_leaves_a_dataset_that_opens(tmp_path):
    clip, dataset = tmp_path / "clip.mp4", tmp_path / "mine"
    write_clip(clip)
    command = [sys.executable, "-m", "facectrl_fast", "collect", "on", "--no-preview"]
    command += ["--dataset", str(dataset), "--source", str(clip)]
    for round_ in range(3):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        wanted = 6 * (round_ + 1)
        deadline = time.monotonic() + 60
        while len(list(dataset.glob("on/*.png"))) < wanted and process.poll() is None:
            assert time.monotonic() < deadline
        process.kill()
        process.wait()
    done = subprocess.run([*command, "--count", "3"], capture_output=True, text=True, check=True)
    assert "3 crops kept" in done.stdout
    names = sorted(path.name for path in dataset.glob("on/*.png"))
    assert len(names) >= 21
    assert all(cv2.imread(str(dataset / "on" / name)) is not None for name in names)
    assert set(names) <= set(read_index(dataset / "on"))
    lines = (dataset / "on" / "index.jsonl").read_text().splitlines()
    assert all(json.loads(line)["file"] for line in lines)
    assert list(dataset.glob("on/.*")) == []
