"""Video files through OpenCV into the ring, and sources that are not what they should be."""

import select
import subprocess
import time

import cv2
import numpy as np
import pytest

from facectrl_fast._native import FrameRing
from facectrl_fast.capture.opencv_source import OpenCvStream
from facectrl_fast.capture.source import names_camera, open_source
from facectrl_fast.errors import UserError
from facectrl_fast.types import PixelFormat


def read_all(stream):
    """All frames a patient reader gets: (seq, position, brightness)."""
    frames, seq = [], 0
    while (frame := stream.ring.wait_newer(seq, timeout=20)) is not None:
        seq = frame.seq
        frames.append((seq, stream.position(frame.timestamp), round(float(frame.array.mean()))))
    return frames


@pytest.fixture
def opened():
    streams = []

    def open_it(path, realtime=False):
        stream = open_source(str(path), realtime).open()
        streams.append(stream)
        return stream

    yield open_it
    for stream in streams:
        stream.close()


def test_as_fast_as_possible_still_loses_no_frame(make_video, opened):
    stream = opened(make_video(frames=20, rate=20))
    frames = read_all(stream)
    assert [seq for seq, *_ in frames] == list(range(1, 21))
    assert [p for _, p, _ in frames] == pytest.approx([i / 20 for i in range(20)], abs=0.002)
    assert [b for *_, b in frames] == pytest.approx([10 + 10 * i for i in range(20)], abs=4)
    assert stream.error is None
    assert stream.ring.closed


def test_frames_that_nobody_waits_for_are_passed_over_together(make_video, opened):
    """A reader that wants every fourth frame wakes the producer for those alone."""
    stream = opened(make_video(frames=21, rate=20), realtime=True)
    ring, positions, seq, due = stream.ring, [], 0, 0.0
    while True:
        ring.arm(seq, due)
        select.select([ring.fileno()], [], [], 20)
        if ring.closed:
            break
        frame = ring.latest()
        positions.append(stream.position(frame.timestamp))
        late = time.monotonic() - frame.timestamp
        assert 0 <= late < 0.15, "neither before its time nor much after"
        seq, due = frame.seq, frame.timestamp + 0.19
    # Which frame is the first depends on when the reader was ready.
    steps = [round((p - positions[0]) / 0.2, 2) for p in positions]
    assert steps == list(range(len(steps)))
    assert len(steps) >= 5
    assert ring.published == len(positions), "no other frame was converted"
    assert time.monotonic() >= stream._start + 21 / 20, "it ends when the recording does"


def test_a_file_plays_at_its_own_pace(make_video, opened):
    stream = opened(make_video(frames=11, rate=20), realtime=True)
    begin = time.monotonic()
    last = None
    seq = 0
    while (frame := stream.ring.wait_newer(seq, timeout=20)) is not None:
        seq, last = frame.seq, frame
    assert 0.45 <= time.monotonic() - begin < 5
    assert stream.position(last.timestamp) == pytest.approx(0.5, abs=0.01)


def test_opencv_writes_into_the_slots_the_reader_sees(make_video, opened):
    """No copy: the addresses that frames are read at are the ring's few slots."""
    stream = opened(make_video(frames=20))
    seen, seq = set(), 0
    while (frame := stream.ring.wait_newer(seq, timeout=20)) is not None:
        seq = frame.seq
        seen.add(frame.array.ctypes.data)
    assert 1 <= len(seen) <= stream.ring.slots
    assert frame is None
    assert stream.ring.pixel_format is PixelFormat.BGR24


def test_closing_early_ends_the_thread_and_keeps_frames(make_video, opened):
    stream = opened(make_video(frames=20))
    frame = stream.ring.wait_newer(0, timeout=20)
    stream.close()
    stream.close()
    assert frame.array.mean() == pytest.approx(10, abs=4)
    assert not stream._thread.is_alive()


def test_a_file_can_be_opened_again(make_video):
    source = open_source(str(make_video(frames=5)), realtime=False)
    for _ in range(2):
        stream = source.open()
        assert len(read_all(stream)) == 5
        stream.close()


def test_a_cut_off_video_says_where_it_ends(make_video, opened, tmp_path):
    whole = make_video(frames=60, rate=20).read_bytes()
    cut = tmp_path / "cut.avi"
    cut.write_bytes(whole[: len(whole) // 2])
    stream = opened(cut)
    frames = read_all(stream)
    assert 10 < len(frames) < 50
    assert "cut.avi ends after" in str(stream.error)
    assert "of 3.0 s: the file is damaged or cut off" in str(stream.error)


class ChangingCapture:
    """A capture whose pictures change their size, as streams may."""

    def __init__(self):
        self.count = 0

    def grab(self):
        self.count += 1
        return self.count < 10

    def retrieve(self, image):
        if self.count < 3:
            image[:] = self.count
            return True, image
        return True, np.zeros((10, 10, 3), np.uint8)

    def get(self, _):
        return 0.0

    def release(self):
        pass


class Recording(ChangingCapture):
    """A recording without times, or one whose pictures OpenCV turns."""

    def retrieve(self, image):
        return True, np.full_like(image, self.count)

    def get(self, what):
        return 20.0 if what == cv2.CAP_PROP_FPS else 0.0


def test_a_recording_without_times_runs_at_its_nominal_rate_and_turned_pictures_are_taken():
    ring = FrameRing(4, PixelFormat.BGR24, 32, 24)
    stream = OpenCvStream("it", Recording(), ring, pace=False)
    frames = read_all(stream)
    assert [p for _, p, _ in frames] == pytest.approx([i / 20 for i in range(9)])
    assert [b for *_, b in frames] == list(range(1, 10))
    assert stream.error is None
    stream.close()


def test_a_file_of_changing_rate_is_not_damaged(tmp_path, opened):
    """Browsers and screen recorders write them; their frame count is a guess."""
    path = tmp_path / "variable.mkv"
    command = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc=d=3:r=30:s=64x48"]
    choose = "select='lt(n,20)+not(mod(n,15))'"
    subprocess.run([*command, "-vf", choose, "-fps_mode", "vfr", str(path)], check=True)
    stream = opened(path)
    frames = read_all(stream)
    assert 20 < len(frames) < 40
    assert stream.error is None


def test_a_recording_by_url_has_an_end(make_video):
    source = open_source(f"file://{make_video(frames=5)}", realtime=False)
    stream = source.open()
    assert not source.live
    assert len(read_all(stream)) == 5
    assert stream.error is None
    stream.close()


def test_pictures_too_small_for_a_face_are_told(make_video):
    with pytest.raises(UserError, match="pictures of 24 x 16 are no use"):
        open_source(str(make_video(size=(24, 16)))).check()


def test_a_picture_size_that_changes_is_told():
    ring = FrameRing(4, PixelFormat.BGR24, 32, 24)
    ring.arm(99)
    stream = OpenCvStream("it", ChangingCapture(), ring, pace=None)
    stream._thread.join(20)
    assert "changed its picture size" in str(stream.error)
    stream.close()


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("missing.mp4", None, "does not exist; check --source"),
        ("text.mp4", b"this is no video\n" * 100, "cannot read video from"),
        ("empty.mp4", b"", "cannot read video from"),
    ],
)
def test_what_is_no_video_is_told_in_one_line(tmp_path, name, content, complaint):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=complaint) as caught:
        open_source(str(path)).check()
    assert "\n" not in str(caught.value)


def test_a_folder_is_no_video(tmp_path):
    with pytest.raises(UserError, match="is not a video file"):
        open_source(str(tmp_path)).check()


@pytest.mark.parametrize("source", ["97", "/dev/video97"])
def test_a_camera_that_is_not_there(source):
    with pytest.raises(UserError, match="no camera at /dev/video97"):
        open_source(source).check()


def test_a_device_that_is_no_camera():
    with pytest.raises(UserError, match="/dev/null is not a camera"):
        open_source("/dev/null", backend="opencv")


@pytest.mark.parametrize(
    ("text", "camera"),
    [
        ("auto", True),
        ("0", True),
        ("/dev/video2", True),
        ("/dev/v4l/by-id/usb-somebody-video-index0", True),
        ("Integrated Camera", True),
        ("HD Webcam 2.0", True),
        ("clip.mp4", False),
        ("videos/clip", False),
        ("rtsp://host/1", False),
        ("2020.mp4", False),
    ],
)
def test_names_are_cameras_unless_they_look_like_files(text, camera):
    assert names_camera(text) == camera


def test_a_file_that_is_there_is_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "recording").touch()
    assert not names_camera("recording")
