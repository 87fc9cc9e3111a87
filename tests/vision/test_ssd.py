"""Our own detector and its files."""

import json
import shutil
from weakref import WeakSet

import numpy as np
import onnx
import pytest

from facectrl_fast.errors import UserError
from facectrl_fast.models import PACKAGED_CLOSE_LOOKS, PACKAGED_DETECTOR, PACKAGED_MODEL
from facectrl_fast.types import Face, PixelFormat
from facectrl_fast.vision.anchor_network import (
    MOST_PIXELS,
    MOST_SIDE,
    MOST_SIZES,
    AnchorNetwork,
)
from facectrl_fast.vision.anchors import AnchorLevel
from facectrl_fast.vision.detect import open_detector
from facectrl_fast.vision.detector_file import DetectorDescription
from facectrl_fast.vision.runtime import BoundInput
from facectrl_fast.vision.ssd import (
    ANOTHER,
    CLOSE,
    MOST_DOUBTS,
    MOST_ENLARGED,
    SURE,
    Picture,
    SsdDetector,
)
from tests.pictures import convert, empty_room, face_in_portrait, overlap, portrait
from tests.runs import noted_inputs


def rewritten(tmp_path, **changes):
    """The packaged detector with other metadata."""
    model = onnx.load(PACKAGED_DETECTOR)
    entries = {entry.key: entry.value for entry in model.metadata_props} | changes
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, {k: v for k, v in entries.items() if v is not None})
    path = tmp_path / "changed.onnx"
    onnx.save(model, path)
    return path


def test_it_is_the_default():
    assert open_detector().name == "tiny"
    assert open_detector("auto", PACKAGED_DETECTOR).name == "tiny"


def test_what_looks_closely_for_it_was_trained_for_that():
    known = AnchorNetwork(PACKAGED_CLOSE_LOOKS).description
    assert (known.network, known.width, known.height) == ("close", 128, 160)


def test_it_is_small():
    assert sum(each.stat().st_size for each in (PACKAGED_DETECTOR, PACKAGED_CLOSE_LOOKS)) <= 300_000


@pytest.mark.parametrize("least_share", [1 / 6, 0.3, 0.5])
def test_what_is_smaller_than_asked_for_is_searched_for_in_less(least_share):
    detector = SsdDetector()
    rows, columns = detector._input_size(480, 640, least_share)
    face = least_share * rows
    assert face >= detector.description.face * 0.7
    assert rows % detector.description.multiple == columns % detector.description.multiple == 0
    assert columns / rows == pytest.approx(640 / 480, rel=0.2)


@pytest.mark.parametrize(("share_of_least", "faces"), [(0.95, 1), (0.85, 0)])
def test_a_face_that_is_just_large_enough_may_be_drawn_a_little_small(share_of_least, faces):
    detector = SsdDetector()
    detector._searched = lambda *_: [Face((200, 100, 80, share_of_least * 120), 0.9)]
    found = detector.detect(empty_room(), PixelFormat.BGR24, 120 / 480)
    assert len(found) == faces


def test_the_score_falls_when_the_face_goes():
    """Moved out of the picture step by step, a face scores less and is lost for good."""
    detector = SsdDetector(sensitive=True)
    scores = []
    for shift in range(0, 480, 40):
        faces = detector.detect(portrait(1.5, shift=(shift, 0)), PixelFormat.BGR24)
        scores.append(max((face.score for face in faces), default=0.0))
    assert scores[0] > detector.used_score
    assert scores[-1] < detector.used_score
    gone = next(k for k, score in enumerate(scores) if score < detector.used_score)
    assert all(score < detector.used_score for score in scores[gone:])


def looks(monkeypatch):
    """The rows that the network is shown, look after look."""
    return noted_inputs(monkeypatch, lambda array: array.shape[2])


def test_what_is_sure_is_looked_at_once(monkeypatch):
    detector = SsdDetector()
    seen = looks(monkeypatch)
    assert detector.detect(portrait(1.8), PixelFormat.BGR24)[0].score >= SURE
    assert seen == [detector.description.height]


@pytest.mark.parametrize("pixel_format", list(PixelFormat))
@pytest.mark.parametrize("shift", [(0, 0), (-270, -180), (271, 181)])
def test_what_is_doubtful_is_looked_at_closely(monkeypatch, pixel_format, shift):
    """Wherever in a frame, and in whatever format: a small dark face, of which one look leaves
    doubts."""
    image = convert((portrait(0.8, shift=shift) * 0.3).astype(np.uint8), pixel_format)
    from_afar = SsdDetector(sensitive=True)
    monkeypatch.setattr("facectrl_fast.vision.ssd.MOST_DOUBTS", 0)
    assert max(face.score for face in from_afar.detect(image, pixel_format)) < SURE
    monkeypatch.undo()
    detector = SsdDetector()
    seen = looks(monkeypatch)
    face = detector.detect(image, pixel_format)[0]
    assert face.score > 0.8
    assert overlap(face.box, face_in_portrait(0.8, shift=shift)) > 0.6
    assert 2 <= len(seen) <= 1 + MOST_DOUBTS


@pytest.mark.parametrize(("above", "close_looks"), [(0.01, 0), (-0.01, 1)])
def test_of_a_face_that_was_just_there_less_is_enough(monkeypatch, above, close_looks):
    """What scores like a face is one; what does not is looked at closely, as ever."""
    detector = SsdDetector()
    looked = []

    def look_closely(_, face):
        looked.append(face)
        return Face(BIG, 0.9)

    found = [Face(BIG, max(detector.used_score, detector.description.score) + above)]
    monkeypatch.setattr(detector, "_searched", lambda *_: found)
    monkeypatch.setattr(detector, "_looked_at_closely", look_closely)
    assert len(detector.find_again(empty_room(), PixelFormat.BGR24)) == 1
    assert len(looked) == close_looks


THRESHOLDS = '{"score": %s, "overlap": 0.3}'


def seeing_nothing(path):
    """The packaged detector with scores that are all low, and another threshold."""
    model = onnx.load(PACKAGED_DETECTOR)
    for array in model.graph.initializer:
        if array.name.startswith("heads") and "bias" in array.name:
            values = onnx.numpy_helper.to_array(array)
            array.CopyFrom(onnx.numpy_helper.from_array(values - np.float32(50), array.name))
    entries = {entry.key: entry.value for entry in model.metadata_props}
    entries["thresholds"] = THRESHOLDS % 0.61
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, entries)
    onnx.save(model, path)


def test_a_network_beside_the_detector_s_looks_closely_for_it(tmp_path):
    image = (portrait(0.8) * 0.3).astype(np.uint8)
    path = tmp_path / "some.onnx"
    path.write_bytes(PACKAGED_DETECTOR.read_bytes())
    alone = SsdDetector(path)
    assert len(alone.detect(image, PixelFormat.BGR24)) == 1
    seeing_nothing(tmp_path / "some.close.onnx")
    blind = SsdDetector(path)
    assert blind.detect(image, PixelFormat.BGR24) == []
    # What is sure needs no close look, which else decides, by its own threshold.
    assert blind.detect(portrait(1.8), PixelFormat.BGR24)[0].score >= SURE
    assert blind.used_score == 0.61
    assert SsdDetector(path, close=path).used_score == alone.used_score
    (tmp_path / "some.close.onnx").write_bytes(b"no model")
    with pytest.raises(UserError, match=r"some\.close\.onnx is not a usable ONNX model"):
        SsdDetector(path)


@pytest.mark.parametrize(("first", "looks_closely"), [(0.79, True), (0.81, False)])
def test_what_would_score_too_little_without_a_close_look_gets_one(
    tmp_path, monkeypatch, first, looks_closely
):
    """Where close looks need more than what is sure in a search else."""
    path = tmp_path / "some.onnx"
    path.write_bytes(PACKAGED_DETECTOR.read_bytes())
    shutil.copy(rewritten(tmp_path, thresholds=THRESHOLDS % 0.8), tmp_path / "some.close.onnx")
    detector = SsdDetector(path)
    looked = []

    def look_closely(_, face):
        looked.append(face)
        return Face(BIG, 0.9)

    monkeypatch.setattr(detector, "_searched", lambda *_: [Face(BIG, first)])
    monkeypatch.setattr(detector, "_looked_at_closely", look_closely)
    for find in (detector.detect, detector.find_again):
        looked.clear()
        assert len(find(empty_room(), PixelFormat.BGR24)) == 1
        assert bool(looked) == looks_closely


@pytest.mark.parametrize("rows", [80, 160, 320])
def test_a_close_look_is_as_large_as_its_network_learned(tmp_path, monkeypatch, rows):
    path = tmp_path / "some.onnx"
    path.write_bytes(PACKAGED_DETECTOR.read_bytes())
    size = json.dumps({"height": rows, "width": rows, "channels": 1, "face": 27})
    shutil.copy(rewritten(tmp_path, input=size), tmp_path / "some.close.onnx")
    seen = looks(monkeypatch)
    picture = Picture(empty_room((1600, 1200)), PixelFormat.BGR24, 200)
    SsdDetector(path)._looked_at_closely(picture, Face((600, 400, 200, 260), 0.5))
    assert seen == [pytest.approx(CLOSE * rows * 1.5, abs=8)]


def test_a_first_look_leaves_doubts():
    detector = SsdDetector()
    image = (portrait(0.8) * 0.3).astype(np.uint8)
    likeliest = detector.first_look(image, PixelFormat.BGR24)[0]
    assert overlap(likeliest.box, face_in_portrait(0.8)) > 0.5
    assert likeliest.score < SURE < detector.detect(image, PixelFormat.BGR24)[0].score


def test_what_looks_like_a_face_from_afar_alone_is_none(monkeypatch):
    """A close look at it finds nothing: whatever the first one made of it."""
    detector = SsdDetector()
    image = (portrait(0.8) * 0.3).astype(np.uint8)
    seen = looks(monkeypatch)
    noted = BoundInput.run

    def nothing_closely(self):
        outputs = noted(self)
        return [out - 50 for out in outputs] if len(seen) > 1 else outputs

    monkeypatch.setattr(BoundInput, "run", nothing_closely)
    assert detector.detect(image, PixelFormat.BGR24) == []
    assert len(seen) > 1


@pytest.mark.parametrize(("least", "times"), [(90, 1), (170, 0)])
def test_what_is_much_too_small_is_not_looked_at_closely(monkeypatch, least, times):
    detector = SsdDetector()
    seen = looks(monkeypatch)
    picture = Picture(portrait(0.8), PixelFormat.BGR24, least)
    detector._decided(picture, [Face(face_in_portrait(0.8), 0.5)], SURE)
    assert len(seen) == times


@pytest.mark.parametrize(("height", "rows"), [(30, MOST_ENLARGED * 45), (90, 162)])
def test_little_of_a_face_is_not_enlarged_without_end(monkeypatch, height, rows):
    detector = SsdDetector()
    seen = looks(monkeypatch)
    picture = Picture(empty_room(), PixelFormat.BGR24, height)
    detector._looked_at_closely(picture, Face((300, 200, 0.8 * height, height), 0.5))
    assert seen == [pytest.approx(rows, abs=detector.description.multiple / 2)]


def decided(monkeypatch, found, close_looks, sensitive=False):
    """What comes of boxes and scores, where close looks find these, one after the other."""
    detector = SsdDetector(sensitive=sensitive)
    answers = iter(close_looks)
    monkeypatch.setattr(detector, "_looked_at_closely", lambda *_: next(answers))
    monkeypatch.setattr(detector, "_searched", lambda *_: found)
    return detector.detect(empty_room(), PixelFormat.BGR24)


BIG, BESIDE, WITHIN = (100, 100, 150, 200), (420, 120, 100, 130), (160, 180, 30, 40)


@pytest.mark.parametrize("sensitive", [False, True])
def test_of_close_looks_at_one_face_the_surer_counts(monkeypatch, sensitive):
    near = (110, 110, 150, 200)
    found = [Face(BIG, 0.6), Face(near, 0.5)]
    faces = decided(monkeypatch, found, [Face(BIG, 0.3), Face(BIG, 0.95)], sensitive)
    assert faces == [Face(BIG, 0.95)]


def test_what_is_no_face_keeps_nobody_from_being_looked_at(monkeypatch):
    found = [Face(WITHIN, 0.6), Face((90, 95, 160, 210), 0.55), Face(BIG, 0.5)]
    assert decided(monkeypatch, found, [None, Face(BIG, 0.9)]) == [Face(BIG, 0.9)]


def test_what_lies_on_a_sure_face_is_not_looked_at(monkeypatch):
    found = [Face(BIG, 0.9), Face((130, 150, 90, 120), 0.6), Face(BESIDE, 0.4)]
    faces = decided(monkeypatch, found, [Face(BESIDE, 0.8)])
    assert faces == [Face(BIG, 0.9), Face(BESIDE, 0.8)]


@pytest.mark.parametrize(("score", "faces"), [(ANOTHER - 0.01, 1), (ANOTHER, 2)])
def test_once_a_face_is_found_another_must_be_likelier(monkeypatch, score, faces):
    found = [Face(BIG, 0.9), Face(BESIDE, score)]
    assert len(decided(monkeypatch, found, [Face(BESIDE, 0.9)])) == faces


def test_who_judges_by_all_scores_sees_the_rest_with_low_ones(monkeypatch):
    small = (300, 400, 50, 70)
    found = [Face(BIG, 0.9), Face(small, 0.65), Face(BESIDE, 0.2)]
    faces = decided(monkeypatch, found, [Face(small, 0.1)], sensitive=True)
    assert {face.box: face.score for face in faces} == {BIG: 0.9, small: 0.1, BESIDE: 0.2}


def test_doubts_have_an_end(monkeypatch):
    """A network that sees faces everywhere, none of them surely."""
    detector = SsdDetector()
    seen = looks(monkeypatch)
    run = BoundInput.run
    monkeypatch.setattr(BoundInput, "run", lambda self: [0 * out for out in run(self)])
    faces = detector.detect(empty_room(), PixelFormat.BGR24)
    assert len(seen) == 1 + MOST_DOUBTS
    assert not faces


def test_a_box_of_no_shape_makes_no_endless_input(monkeypatch):
    detector = SsdDetector()
    picture = Picture(empty_room(), PixelFormat.BGR24, 80)
    sizes = []

    def noted(self):
        sizes.append(self.array.shape)
        return [np.zeros((1, 15, 1, 1), np.float32)]

    monkeypatch.setattr(BoundInput, "run", noted)
    for box in [(0, 0, 640, 0.01), (300, 0, 0.01, 480), (0, 0, 1e6, 1), (639.9, 479.9, 9, 9)]:
        detector._looked_at_closely(picture, Face(box, 0.5))
    assert detector._looked_at_closely(picture, Face((700, 20, 9, 9), 0.5)) is None
    assert all(r * c <= MOST_PIXELS and max(r, c) <= MOST_SIDE for *_, r, c in sizes)


def test_a_part_of_a_frame_will_do():
    image = portrait(1.5)
    x, y, width, height = (round(v) for v in face_in_portrait(1.5))
    left, top = x - width // 2, y - height // 2
    part = image[top : top + 2 * height, left : left + 2 * width]
    face = SsdDetector().detect(part, PixelFormat.BGR24, 0.3)[0]
    fx, fy, fw, fh = face.box
    assert overlap((fx + left, fy + top, fw, fh), face_in_portrait(1.5)) > 0.6


@pytest.mark.parametrize("size", [(160, 120), (320, 180), (1280, 720), (480, 640), (66, 48)])
def test_any_size_of_picture_will_do(size):
    image = portrait(size[1] / 320, size=size)
    faces = SsdDetector().detect(image, PixelFormat.BGR24)
    assert overlap(faces[0].box, face_in_portrait(size[1] / 320, size=size)) > 0.5


@pytest.mark.parametrize("pixel_format", list(PixelFormat))
def test_rows_left_out_of_a_large_picture_are_not_missed(monkeypatch, pixel_format):
    image = convert(portrait(4, size=(1920, 1440)), pixel_format)
    some = SsdDetector().detect(image, pixel_format)[0]
    monkeypatch.setattr("facectrl_fast.vision.anchor_network.ROWS_READ", 100)
    every = SsdDetector().detect(image, pixel_format)[0]
    assert some != every
    assert overlap(some.box, every.box) > 0.97
    assert some.score == pytest.approx(every.score, abs=0.02)


def test_many_sizes_do_not_pile_up(monkeypatch):
    inputs = WeakSet()
    make = BoundInput.__init__

    def noted(self, *given):
        inputs.add(self)
        make(self, *given)

    monkeypatch.setattr(BoundInput, "__init__", noted)
    detector = SsdDetector()
    for height in range(40, 400, 8):
        detector.detect(empty_room((300, height)), PixelFormat.BGR24, 0.1)
    assert len(inputs) == MOST_SIZES


def test_metadata_comes_back():
    described = DetectorDescription(
        (AnchorLevel(8, (16.0, 26.0), (0.8, 1.2)), AnchorLevel(32, (70.0,), (1.0,))),
        "tiny",
        height=96,
        width=224,
        channels=3,
        face=20,
        score=0.4,
        data={"training_pictures": 3},
        validation={"average_precision": 0.9},
        version="1",
    )
    assert DetectorDescription.from_metadata(described.to_metadata(), "it") == described


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("anchors", "[]"),
        ("anchors", json.dumps([{"stride": 8, "sizes": [], "aspects": [1]}])),
        ("anchors", json.dumps([{"stride": 8, "sizes": [1e9], "aspects": [1]}])),
        ("anchors", json.dumps([{"stride": 8, "sizes": [9] * 9, "aspects": [1] * 9}])),
        ("anchors", json.dumps([{"stride": True, "sizes": [9], "aspects": [1]}])),
        ("anchors", "nonsense"),
        ("anchors", "[" * 100_000),
        ("anchors", json.dumps([{"stride": float("inf"), "sizes": [9], "aspects": [1]}])),
        ("data", json.dumps({"training_pictures": float("inf")})),
        ("validation", json.dumps({"average_precision": None})),
        ("input", json.dumps({"height": 128, "width": 160, "channels": 2, "face": 20})),
        ("input", json.dumps({"height": -1, "width": 160, "channels": 1, "face": 20})),
        ("thresholds", json.dumps({"score": 1.0, "overlap": 0.3})),
        ("thresholds", json.dumps({"score": "high", "overlap": 0.3})),
        ("thresholds", None),
        ("validation", "[1]"),
    ],
)
def test_damaged_metadata_is_told(tmp_path, key, value):
    with pytest.raises(UserError, match=r"metadata is damaged .*; train it again"):
        SsdDetector(rewritten(tmp_path, **{key: value}))


def test_metadata_of_another_network_is_told(tmp_path):
    anchors = json.dumps([{"stride": 8, "sizes": [16], "aspects": [1]}])
    with pytest.raises(UserError, match="does not fit its metadata"):
        SsdDetector(rewritten(tmp_path, anchors=anchors))


@pytest.mark.parametrize("strides", [(16, 32), (24, 24)])
def test_a_network_whose_cells_are_not_those_of_its_metadata_is_told(tmp_path, strides):
    """Of the second ones not even a multiple is what it takes."""
    anchors = [
        {"stride": stride, "sizes": level.sizes, "aspects": level.aspects}
        for stride, level in zip(strides, SsdDetector().description.levels, strict=True)
    ]
    with pytest.raises(UserError, match="does not fit its metadata"):
        SsdDetector(rewritten(tmp_path, anchors=json.dumps(anchors)))


def test_a_model_for_another_task_is_told():
    with pytest.raises(UserError, match="for the task 'headphones', not for 'faces'"):
        open_detector("tiny", PACKAGED_MODEL)


@pytest.mark.parametrize("pixel_format", list(PixelFormat))
def test_formats_agree(pixel_format):
    detector = SsdDetector()
    gray = detector.detect(convert(portrait(1.5), PixelFormat.GRAY8), PixelFormat.GRAY8)[0]
    same = detector.detect(convert(portrait(1.5), pixel_format), pixel_format)[0]
    assert overlap(gray.box, same.box) > 0.9
    assert same.score == pytest.approx(gray.score, abs=0.1)


def test_a_level_s_anchors_lie_on_its_grid():
    level = AnchorLevel(16, (32.0,), (0.5, 2.0))
    boxes = level.boxes(32, 48)
    assert boxes.shape == (2 * 2 * 3, 4)
    np.testing.assert_allclose(boxes[0], (8, 8, 32 * 0.5**0.5, 32 / 0.5**0.5))
    np.testing.assert_allclose(boxes[5], (40, 24, 32 * 0.5**0.5, 32 / 0.5**0.5))
    np.testing.assert_allclose(boxes[6, 2:], (32 * 2**0.5, 32 / 2**0.5))
