"""The locator detects, then follows, and never believes a tracker that there is a face."""

import pytest

from facectrl_fast.config import TRACKERS
from facectrl_fast.errors import UserError
from facectrl_fast.types import Face, PixelFormat
from facectrl_fast.vision.detect import open_detector
from facectrl_fast.vision.locate import Locator
from facectrl_fast.vision.track import open_tracker
from tests.pictures import as_frames, empty_room, face_in_portrait, overlap, portrait
from tests.trackers import LosingTracker


class CountingDetector:
    """Haar, with a count of whole frames and neighbourhoods searched."""

    name = "counting"

    def __init__(self):
        self._haar = open_detector("haar")
        self.whole = self.near = 0

    def detect(self, image, pixel_format, least_share=None):
        if image.shape[0] == 480:
            self.whole += 1
        else:
            self.near += 1
        return self._haar.detect(image, pixel_format, least_share)


@pytest.mark.parametrize("tracker", TRACKERS)
@pytest.mark.parametrize("pixel_format", list(PixelFormat))
def test_it_follows_a_face_that_moves(tracker, pixel_format):
    shifts = [(6 * i, -2 * i) for i in range(12)]
    locator = Locator(open_detector("haar"), open_tracker(tracker))
    images = [portrait(1.4, size=(480, 360), shift=s) for s in shifts]
    for frame, shift in zip(as_frames(images, pixel_format), shifts, strict=True):
        face = locator.locate(frame)
        assert overlap(face.box, face_in_portrait(1.4, (480, 360), shift)) > 0.5


@pytest.mark.parametrize("tracker", TRACKERS)
def test_no_tracker_keeps_a_face_that_has_gone(tracker):
    locator = Locator(open_detector("haar"), open_tracker(tracker))
    images = [portrait(1.4, size=(480, 360))] * 3 + [empty_room((480, 360))] * 8
    found = [locator.locate(frame) is not None for frame in as_frames(images)]
    assert all(found[:3])
    assert not any(found[-2:]), "gone for half a second and more"


@pytest.mark.parametrize("tracker", ["template", "none", "mosse"])
def test_a_face_that_comes_back_is_found_again(tracker):
    locator = Locator(open_detector("haar"), open_tracker(tracker))
    there = portrait(1.4, size=(480, 360))
    images = [there, there] + [empty_room((480, 360))] * 8 + [there, there]
    found = [locator.locate(frame) is not None for frame in as_frames(images)]
    assert found[-2:] == [True, True]


def test_a_known_face_is_looked_for_near_its_place_and_now_and_then_everywhere():
    detector = CountingDetector()
    locator = Locator(detector)
    for frame in as_frames([portrait(1.4)] * 21):
        assert locator.locate(frame) is not None
    assert detector.whole == 2
    assert detector.near == 19


class CredulousDetector(CountingDetector):
    """Sees a face again wherever there was one."""

    used_score = 0.5

    def __init__(self):
        super().__init__()
        self.again = 0

    def find_again(self, image, pixel_format, least_share=None):
        self.again += 1
        height, width = image.shape[:2]
        return [Face((width / 4, height / 4, width / 2, height / 2), 0.6)]


def test_a_detector_that_is_quick_to_see_a_face_again_does_so_until_the_next_search():
    """That one makes sure, near the face as well, and finds that it has gone."""
    detector = CredulousDetector()
    locator = Locator(detector)
    images = [portrait(1.4)] * 3 + [empty_room()] * 20
    found = [locator.locate(frame) is not None for frame in as_frames(images)]
    assert found == [True] * 20 + [False] * 3
    assert detector.again == 19
    assert detector.near == 1


def test_it_confirms_what_a_tracker_says_as_quickly():
    detector = CredulousDetector()
    locator = Locator(detector, LyingTracker())
    for frame in as_frames([portrait(1.4)] * 15):
        assert locator.locate(frame) is not None
    assert detector.again == 2
    assert detector.near == 0


def test_a_face_that_jumped_is_found_in_the_same_frame():
    locator = Locator(open_detector("haar"))
    images = [portrait(1.2, shift=(-200, -60)), portrait(1.2, shift=(200, 60))]
    faces = [locator.locate(frame) for frame in as_frames(images)]
    assert overlap(faces[1].box, face_in_portrait(1.2, shift=(200, 60))) > 0.5


def test_a_bigger_face_that_comes_is_preferred_within_two_seconds():
    both = portrait(1.6, shift=(140, 0))
    both[:200, :200] = portrait(1.0, size=(200, 200))
    alone = empty_room()
    alone[:200, :200] = portrait(1.0, size=(200, 200))
    locator = Locator(open_detector("haar"))
    faces = [locator.locate(frame) for frame in as_frames([alone] * 3 + [both] * 22)]
    assert overlap(faces[2].box, face_in_portrait(1.0, (200, 200))) > 0.5
    assert overlap(faces[-1].box, face_in_portrait(1.6, shift=(140, 0))) > 0.5


class LyingTracker:
    """Always finds a box in a corner, as one that drifted does."""

    trusted_for = 0.5

    def start(self, image, pixel_format, box):
        pass

    def update(self, image, pixel_format):
        return (0.0, 0.0, 30.0, 40.0)


def test_a_tracker_that_drifts_is_put_right_within_half_a_second():
    locator = Locator(open_detector("haar"), LyingTracker())
    right = [
        overlap(locator.locate(frame).box, face_in_portrait(1.4)) > 0.5
        for frame in as_frames([portrait(1.4)] * 20)
    ]
    assert right.count(True) >= 4
    longest_wrong = max(len(run) for run in "".join("x" if r else "." for r in right).split("x"))
    assert longest_wrong <= 5


def test_a_face_that_the_tracker_lost_is_looked_for_near_its_place_first():
    detector = CountingDetector()
    locator = Locator(detector, LosingTracker())
    for frame in as_frames([portrait(1.4)] * 15):
        assert overlap(locator.locate(frame).box, face_in_portrait(1.4)) > 0.5
    assert detector.whole == 1
    assert detector.near == 14


class RunawayTracker(LyingTracker):
    """Runs out of the picture."""

    def update(self, image, pixel_format):
        return (2000.0, 100.0, 60.0, 80.0)


def test_a_tracker_that_runs_out_of_the_frame_is_not_followed():
    locator = Locator(open_detector("haar"), RunawayTracker())
    for frame in as_frames([portrait(1.4)] * 6):
        assert overlap(locator.locate(frame).box, face_in_portrait(1.4)) > 0.5


class EdgeDetector:
    """Finds a face at the frame's corner, partly outside."""

    name = "edge"

    def detect(self, image, pixel_format, least_share=None):
        return [Face((-20.0, -15.0, 60.0, 80.0), 0.9)]


@pytest.mark.parametrize("pixel_format", list(PixelFormat))
def test_a_face_over_the_edge_does_not_upset_it(pixel_format):
    locator = Locator(EdgeDetector())
    for frame in as_frames([empty_room((160, 120))] * 5, pixel_format):
        assert locator.locate(frame) is not None


def test_an_unknown_tracker_is_told():
    with pytest.raises(UserError, match="unknown tracker 'psychic'; choose one of template, none"):
        open_tracker("psychic")
