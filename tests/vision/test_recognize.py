"""The owner's face is told from others, and seldom looked at."""

import numpy as np
import pytest

from facectrl_fast._native import FrameRing
from facectrl_fast.types import Face, PixelFormat, Verdict
from facectrl_fast.vision.analyze import FrameAnalyzer
from facectrl_fast.vision.gate import Gate
from facectrl_fast.vision.identity import IdentityModel
from facectrl_fast.vision.locate import NEIGHBOURHOOD, Locator
from facectrl_fast.vision.recognize import LOOKS, RENEW, Recognizer
from facectrl_fast.vision.track import open_tracker
from tests.models import brightness_identity
from tests.trackers import LosingTracker

OWNER, STRANGER = 200, 90
"""Shades of faces."""


@pytest.fixture
def model(tmp_path):
    return IdentityModel(brightness_identity(tmp_path / "identity.onnx"))


@pytest.fixture
def recognizer(model):
    return Recognizer(model, np.array([[200 / 255, 55 / 255]] * 2, np.float32))


def room(*faces):
    """A dark room with faces (x, y, side, shade)."""
    image = np.full((240, 320), 30, np.uint8)
    image[::7] = 50
    for x, y, side, shade in faces:
        # Room for what crops show beyond the box; not plain, so that a tracker can follow it.
        rows, columns = np.ogrid[max(y - side, 0) : y + 2 * side, max(x - side, 0) : x + 2 * side]
        down, across = (rows - y) / side - 0.5, (columns - x) / side - 0.5
        image[rows, columns] = shade + 20 * np.sin(5 * down) + 20 * np.sin(5 * across)
    return image


def frames_of(images, times):
    """Frames with timestamps."""
    ring = FrameRing(4, PixelFormat.GRAY8, 320, 240)
    for image, time in zip(images, times, strict=True):
        slot = ring.begin_write()
        slot.array[:] = image
        slot.publish(float(time))
        yield ring.latest()


def box(x, y, side, _shade=0):
    return Face((x, y, side, side), 0.9)


class Counting:
    """Counts the searches of whole frames; near a face it finds the one that it found last."""

    name, used_score = "counting", 0.5

    def __init__(self, squares):
        self.squares = squares
        self.searches = 0

    def detect(self, image, pixel_format, least_share=None):
        found = self.squares.detect(image, pixel_format, least_share)
        if image.shape[0] == 240:
            self.searches += 1
            return found
        side = round(image.shape[0] / (1 + NEIGHBOURHOOD))
        corner = (image.shape[0] - side) // 2
        return [box(corner, corner, side)]


class Squares:
    """Finds the faces that it is told of, whatever is shown."""

    name, used_score = "squares", 0.5

    def __init__(self):
        self.faces = []

    def detect(self, image, pixel_format, least_share=None):
        if image.shape[0] < 240:  # a neighbourhood, which is not told where it lies
            return []
        return sorted((box(*face) for face in self.faces), key=lambda f: -f.box[2])


@pytest.fixture
def squares():
    return Squares()


def shown(squares, locator, faces, times):
    """Where the locator finds the face, frame by frame."""
    squares.faces = faces
    return [locator.locate(frame) for frame in frames_of([room(*faces)] * len(times), times)]


def test_a_face_that_appears_is_looked_at_a_few_times_and_then_once_a_minute(recognizer):
    face = (100, 80, 40, OWNER)
    times = np.arange(0, 2 * RENEW + 10, 0.5)
    for frame in frames_of([room(face)] * len(times), times):
        assert recognizer.is_owner(frame, box(*face))
    assert recognizer.looks == LOOKS + 2


def test_a_stranger_is_none_wherever_he_moves(recognizer):
    for k, frame in enumerate(frames_of([room((60, 80, 40, STRANGER))] * 20, np.arange(20) / 10)):
        assert not recognizer.is_owner(frame, box(60 + k % 3, 80, 40))
    # The owner might have turned away.
    assert recognizer.looks == LOOKS + 1


def test_a_stranger_who_stays_is_looked_at_ever_more_seldom(recognizer):
    face = (60, 80, 40, STRANGER)
    times = np.arange(0, 60, 0.5)
    for frame in frames_of([room(face)] * len(times), times):
        assert not recognizer.is_owner(frame, box(*face))
    assert recognizer.looks <= LOOKS + 60 / 4 + 2


def test_a_stranger_who_stays_for_hours_is_no_trouble(recognizer):
    face = (60, 80, 40, STRANGER)
    times = np.arange(0, 3 * 3600, 2.5)
    for frame in frames_of([room(face)] * len(times), times):
        assert not recognizer.is_owner(frame, box(*face))
    assert recognizer.looks > 1100


def test_a_picture_is_looked_at_once(recognizer):
    face = (100, 80, 40, OWNER)
    (frame,) = frames_of([room(face)], [0])
    assert recognizer.is_owner(frame, box(*face))
    assert recognizer.is_owner(frame, box(*face))
    assert recognizer.looks == 1


def test_where_everything_changed_faces_are_looked_at_again(recognizer):
    at = (100, 80, 40)
    shades = [OWNER] * LOOKS + [STRANGER] * 4 + [OWNER]
    frames = frames_of([room((*at, shade)) for shade in shades], np.arange(len(shades)) / 10)
    for _ in range(LOOKS):
        assert recognizer.is_owner(next(frames), box(*at))
    assert recognizer.is_owner(next(frames), box(*at)), "followed, not looked at"
    recognizer.doubt()
    # One look may be a bad one.
    assert [recognizer.is_owner(next(frames), box(*at)) for _ in range(3)] == [True, False, False]
    recognizer.forget()
    assert recognizer.is_owner(next(frames), box(*at))


def test_somebody_else_in_the_same_place_is_noticed_within_a_minute(recognizer):
    at = (100, 80, 40)
    times = np.arange(0, RENEW + 20, 1.0)
    images = [room((*at, OWNER))] * 10 + [room((*at, STRANGER))] * (len(times) - 10)
    seen = [recognizer.is_owner(frame, box(*at)) for frame in frames_of(images, times)]
    assert seen[9]
    assert not seen[-1]


def test_the_owner_counts_beside_a_bigger_stranger(recognizer, squares):
    locator = Locator(squares, None, recognizer)
    faces = [(40, 60, 60, STRANGER), (220, 90, 40, OWNER)]
    found = shown(squares, locator, faces, np.arange(5) * 2.5)
    assert {face.box for face in found} == {(220, 90, 40, 40)}


def test_strangers_alone_are_nobody_and_are_told_of(recognizer, squares):
    locator = Locator(squares, None, recognizer)
    assert shown(squares, locator, [(40, 60, 60, STRANGER)], [0.0, 0.1]) == [None, None]
    assert locator.others
    assert shown(squares, locator, [], [0.2]) == [None]
    assert not locator.others


def test_strangers_abstain_and_an_empty_room_is_empty(recognizer, squares):
    analyzer = FrameAnalyzer(Gate(), Locator(squares, None, recognizer), None)

    def verdicts(faces, times):
        squares.faces = faces
        frames = frames_of([room(*faces)] * len(times), times)
        return [analyzer.analyze(frame).verdict for frame in frames]

    assert verdicts([(100, 80, 40, OWNER)], [0.0, 0.1])[-1] is Verdict.PRESENT
    assert verdicts([(60, 60, 70, STRANGER)], [0.2, 0.3, 0.4])[-1] is Verdict.UNSURE
    assert verdicts([], [3.0, 3.3, 6.0])[-1] is Verdict.NO_FACE


def test_who_was_enrolled_more_alike_has_to_be_more_alike(model):
    """The model's own threshold is for pictures of all kinds."""
    narrow = np.array([[0.70, 0.30], [0.72, 0.28], [0.71, 0.29]], np.float32)
    assert -0.02 < Recognizer(model, narrow).threshold < 0
    wide = np.array([[0.2, 0.8], [0.9, 0.1]], np.float32)
    assert Recognizer(model, wide).threshold == pytest.approx(-0.02)
    assert Recognizer(model, wide[:1]).threshold == pytest.approx(-0.02)


def test_a_stranger_is_followed_and_the_owner_behind_is_found_within_a_second(recognizer, squares):
    detector = Counting(squares)
    locator = Locator(detector, open_tracker("template"), recognizer)
    stranger = (40, 60, 60, STRANGER)
    assert shown(squares, locator, [stranger], np.arange(20) / 10) == [None] * 20
    assert locator.others
    assert detector.searches <= 4
    times = 2 + np.arange(12) / 10
    found = shown(squares, locator, [stranger, (220, 90, 40, OWNER)], times)
    assert found[-1].box == pytest.approx((220, 90, 40, 40), abs=1)


@pytest.mark.parametrize("tracker", [None, LosingTracker()])
def test_an_owner_who_moves_on_is_not_taken_for_the_one_who_is_near_the_old_place(
    recognizer, squares, tracker
):
    class Beside(Counting):
        def detect(self, image, pixel_format, least_share=None):
            found = super().detect(image, pixel_format, least_share)
            if image.shape[0] == 240 or len(self.squares.faces) == 1:
                return found
            x, y, side, _ = found[0].box
            return [box(x + side * 0.8, y, side)]

    locator = Locator(Beside(squares), tracker, recognizer)
    shown(squares, locator, [(60, 80, 40, OWNER)], np.arange(5) / 10)
    both = [(200, 120, 40, OWNER), (92, 80, 40, STRANGER)]
    found = shown(squares, locator, both, [0.5, 0.6])
    assert found[0].box == (200, 120, 40, 40)


@pytest.mark.parametrize(("tracker", "looks"), [("template", LOOKS), ("none", LOOKS + 1)])
def test_a_face_that_looks_as_before_is_not_doubted(recognizer, squares, tracker, looks):
    locator = Locator(Counting(squares), open_tracker(tracker), recognizer)
    face = [(100, 80, 40, OWNER)]
    shown(squares, locator, face, np.arange(8) / 10)
    locator.doubt()
    assert all(shown(squares, locator, face, [0.9, 1.0]))
    assert recognizer.looks == looks
