"""From frames to verdicts: gate, locator and classifier together."""

import numpy as np
import pytest

from facectrl_fast.types import Face, PixelFormat, Verdict
from facectrl_fast.vision.analyze import FrameAnalyzer
from facectrl_fast.vision.classify import Classifier
from facectrl_fast.vision.gate import Gate
from facectrl_fast.vision.locate import Locator
from tests.models import brightness_model
from tests.pictures import as_frames


class ScriptedDetector:
    """Says what the script says, and counts how often it is asked for."""

    name = "scripted"

    def __init__(self, there):
        self.there = there
        self.asked = 0

    def detect(self, image, pixel_format, least_share=None):
        self.asked += 1
        height, width = image.shape[:2]
        height = 120 if pixel_format is PixelFormat.NV12 else height
        box = (width / 2 - 20, height / 2 - 25, 40.0, 50.0)
        return [Face(box, 0.9)] if self.there() else []


@pytest.fixture
def classifier(tmp_path):
    return Classifier(brightness_model(tmp_path / "model.onnx"))


def scene(brightness, number=0):
    """A picture with something that moves, depending on ``number``."""
    rng = np.random.default_rng(0)
    image = np.full((120, 160, 3), brightness, np.uint8)
    image[::20] = rng.integers(0, 255, (6, 160, 3))
    x = 10 * number % 140
    image[90:110, x : x + 15] = 255 - brightness
    return image


def make(classifier, there=lambda: True):
    detector = ScriptedDetector(there)
    return FrameAnalyzer(Gate(), Locator(detector), classifier), detector


@pytest.mark.parametrize("pixel_format", list(PixelFormat))
@pytest.mark.parametrize(
    ("brightness", "verdict"), [(235, Verdict.HEADPHONES_ON), (40, Verdict.HEADPHONES_OFF)]
)
def test_a_face_gives_the_classifier_s_verdict(classifier, pixel_format, brightness, verdict):
    analyzer, _ = make(classifier)
    (frame,) = as_frames([scene(brightness)], pixel_format)
    sighting = analyzer.analyze(frame)
    assert sighting.verdict is verdict
    assert sighting.face is not None
    assert not sighting.still


@pytest.mark.parametrize("brightness", [235, 40])
def test_where_only_presence_is_asked_for_any_face_will_do(brightness):
    sightings = []
    analyzer, _ = make(None, lambda: len(sightings) < 3)
    for frame in as_frames([scene(brightness, number) for number in range(12)]):
        sightings.append(analyzer.analyze(frame))
    assert {s.verdict for s in sightings[:3]} == {Verdict.PRESENT}
    assert sightings[-1].verdict is Verdict.NO_FACE
    assert all(s.on_probability is None for s in sightings)


def test_a_new_classifier_judges_from_the_next_frame_on(classifier):
    analyzer, _ = make(None)
    first, second = as_frames([scene(235)] * 2)
    assert analyzer.analyze(first).verdict is Verdict.PRESENT
    analyzer.use(classifier)
    assert analyzer.analyze(second).verdict is Verdict.HEADPHONES_ON


def test_an_unchanged_scene_repeats_the_verdict_without_work(classifier):
    analyzer, detector = make(classifier)
    sightings = [analyzer.analyze(f) for f in as_frames([scene(235)] * 20)]
    assert {s.verdict for s in sightings} == {Verdict.HEADPHONES_ON}
    assert [s.still for s in sightings] == [False] + [True] * 19
    assert [s.timestamp for s in sightings] == pytest.approx([i / 10 for i in range(20)])
    assert detector.asked == 1


def test_an_unchanged_scene_is_examined_again_every_two_seconds(classifier):
    analyzer, _ = make(classifier)
    stills = [analyzer.analyze(f).still for f in as_frames([scene(235)] * 50)]
    assert stills.count(False) == 3


def test_motion_is_analysed_at_once(classifier):
    analyzer, _ = make(classifier)
    stills = [analyzer.analyze(f).still for f in as_frames([scene(235, i) for i in range(9)])]
    assert not any(stills)


def test_nobody_there(classifier):
    analyzer, _ = make(classifier, there=lambda: False)
    (frame,) = as_frames([scene(200)])
    assert analyzer.analyze(frame).verdict is Verdict.NO_FACE


def test_a_face_missed_for_a_moment_abstains(classifier):
    script = iter([True, False, True, False, False, False, False, False, False])
    analyzer, _ = make(classifier, there=lambda: next(script, False))
    frames = as_frames([scene(235, i) for i in range(6)])
    verdicts = [analyzer.analyze(f).verdict for f in frames]
    on, unsure, nobody = Verdict.HEADPHONES_ON, Verdict.UNSURE, Verdict.NO_FACE
    # In frame 1 the neighbourhood is asked, then the whole frame, which finds it.
    assert verdicts == [on, on, unsure, nobody, nobody, nobody]


def test_however_seldom_it_looks_a_single_miss_is_no_absence(classifier):
    script = iter([True, False, False, False, False])
    analyzer, _ = make(classifier, there=lambda: next(script, False))
    frames = as_frames([scene(235, i) for i in range(3)], step=0.25)
    sightings = [analyzer.analyze(f) for f in frames]
    assert [s.missed for s in sightings] == [False, True, False]
    assert [s.verdict for s in sightings][1:] == [Verdict.UNSURE, Verdict.NO_FACE]


def test_a_covered_lens_is_leaving_and_uncovering_ends_it(classifier):
    analyzer, _ = make(classifier)
    dark = np.zeros((120, 160, 3), np.uint8)
    images = [scene(235, i) for i in range(3)] + [dark] * 3 + [scene(235, 4)]
    verdicts = [analyzer.analyze(f).verdict for f in as_frames(images)]
    assert verdicts[3:6] == [Verdict.NO_FACE] * 3
    assert verdicts[6] is Verdict.HEADPHONES_ON


def test_a_dark_room_abstains(classifier):
    analyzer, detector = make(classifier)
    dark = np.full((120, 160, 3), 5, np.uint8)
    verdicts = {analyzer.analyze(f).verdict for f in as_frames([dark] * 10)}
    assert verdicts == {Verdict.UNSURE}
    assert detector.asked == 0


def test_forgetting_starts_anew(classifier):
    analyzer, _ = make(classifier)
    first, second = as_frames([scene(235)] * 2)
    analyzer.analyze(first)
    analyzer.forget()
    assert not analyzer.analyze(second).still
