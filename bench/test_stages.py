"""Each stage for one frame, and all of them together."""

import itertools

import numpy as np
import onnxruntime as ort
import pytest

from facectrl_fast.config import TRACKERS
from facectrl_fast.decide.vote import VoteWindow
from facectrl_fast.models import PACKAGED_MODEL
from facectrl_fast.types import PixelFormat, Verdict
from facectrl_fast.vision.analyze import FrameAnalyzer
from facectrl_fast.vision.classify import Classifier
from facectrl_fast.vision.detect import open_detector
from facectrl_fast.vision.gate import Gate
from facectrl_fast.vision.locate import Locator
from facectrl_fast.vision.track import open_tracker
from tests.pictures import as_frames, convert, face_in_portrait, portrait

BGR = PixelFormat.BGR24


def test_vote(benchmark):
    benchmark.group = "vote"
    window = VoteWindow()
    for i in range(20):
        decided = window.add(Verdict.HEADPHONES_ON, i * 0.1)
    assert decided is not None
    benchmark(window.add, Verdict.HEADPHONES_ON, 2.0)


@pytest.mark.parametrize("pixel_format", list(PixelFormat), ids=lambda f: f.name)
def test_gate(benchmark, frame, pixel_format):
    benchmark.group = "gate"
    gate, image, clock = Gate(), convert(frame, pixel_format), itertools.count()
    gate.look(image, pixel_format, 0.0)
    gate.analysed(0.0)
    benchmark(lambda: gate.look(image, pixel_format, next(clock) * 1e-6))


def test_classifier_call(benchmark, frame):
    benchmark.group = "classifier"
    classifier = Classifier()
    benchmark(classifier.classify, frame, BGR, face_in_portrait(1.9))


def test_model_alone(benchmark):
    benchmark.group = "classifier"
    classifier = Classifier()
    benchmark(classifier.run, np.zeros((1, 1, 64, 64), np.float32))


def test_model_alone_with_default_options(benchmark):
    benchmark.group = "classifier"
    session = ort.InferenceSession(str(PACKAGED_MODEL), providers=["CPUExecutionProvider"])
    crops = np.zeros((1, 1, 64, 64), np.float32)
    benchmark(session.run, None, {session.get_inputs()[0].name: crops})


@pytest.mark.parametrize("name", ["tiny", "haar", "haar-seed"])
def test_detect_whole_frame(benchmark, frame, name):
    benchmark.group = "detector, whole frame"
    benchmark(open_detector(name).detect, frame, BGR)


def test_detect_whole_frame_yunet(benchmark, frame, yunet):
    benchmark.group = "detector, whole frame"
    benchmark(open_detector("yunet", yunet).detect, frame, BGR)


@pytest.mark.parametrize("name", ["tiny", "haar"])
def test_detect_nearby(benchmark, frame, name):
    """Following a known face by detection."""
    benchmark.group = "detector, near a known face"
    locator = Locator(open_detector(name))
    frames = as_frames([frame] * 2000)
    locator.locate(next(frames))
    benchmark.pedantic(locator.locate, setup=lambda: ((next(frames),), {}), rounds=200)


@pytest.mark.parametrize("tracker", TRACKERS)
def test_follow(benchmark, tracker):
    """A face that sways."""
    benchmark.group = "locate, frame by frame"
    shifts = [(int(12 * np.sin(i / 3)), 0) for i in range(30)]
    images = [portrait(1.9, shift=shift) for shift in shifts]
    locator = Locator(open_detector(), open_tracker(tracker))
    frames = as_frames(list(itertools.islice(itertools.cycle(images), 2000)))
    benchmark.pedantic(locator.locate, setup=lambda: ((next(frames),), {}), rounds=200)


@pytest.mark.parametrize("moving", [True, False], ids=["moving", "still"])
def test_whole_analysis(benchmark, moving):
    benchmark.group = "whole analysis"
    images = [portrait(1.9, shift=(int(12 * np.sin(i / 3)) * moving, 0)) for i in range(30)]
    analyzer = FrameAnalyzer(Gate(), Locator(open_detector()), Classifier())
    frames = as_frames(list(itertools.islice(itertools.cycle(images), 2000)))
    benchmark.pedantic(analyzer.analyze, setup=lambda: ((next(frames),), {}), rounds=200)
