"""Detectors find the face in every format, in one convention of boxes."""

import numpy as np
import pytest

from facectrl_fast.errors import UserError
from facectrl_fast.models import PACKAGED_MODEL
from facectrl_fast.types import PixelFormat
from facectrl_fast.vision.detect import open_detector
from tests.pictures import convert, empty_room, face_in_portrait, overlap, portrait

OURS = ("tiny", "haar")
"""Those that need no file."""


@pytest.mark.parametrize("name", OURS)
@pytest.mark.parametrize("pixel_format", list(PixelFormat))
@pytest.mark.parametrize("scale", [1.0, 1.8, 2.8])
def test_the_face_is_found_in_any_format(name, pixel_format, scale):
    faces = open_detector(name).detect(convert(portrait(scale), pixel_format), pixel_format)
    assert overlap(faces[0].box, face_in_portrait(scale)) > 0.7
    assert 0 < faces[0].score < 1


@pytest.mark.parametrize("name", OURS)
def test_an_empty_room_has_no_face(name):
    assert open_detector(name).detect(empty_room(), PixelFormat.BGR24) == []


@pytest.mark.parametrize("name", OURS)
def test_the_biggest_face_comes_first(name):
    image = portrait(2.0)
    small = portrait(1.0, size=(200, 200))
    image[:200, :200] = small
    faces = open_detector(name).detect(image, PixelFormat.BGR24)
    assert len(faces) >= 2
    assert overlap(faces[0].box, face_in_portrait(2.0)) > 0.7


@pytest.mark.parametrize("name", OURS)
def test_faces_smaller_than_asked_for_are_not_found(name):
    detector = open_detector(name, least_share=0.5)
    assert detector.detect(portrait(1.2), PixelFormat.BGR24) == []
    assert detector.detect(portrait(1.2), PixelFormat.BGR24, 1 / 6) != []


def test_the_seed_s_size_limits_are_width_and_height_the_right_way_round():
    """A quarter of the height is enough, however wide the picture is."""
    faces = open_detector("haar-seed").detect(portrait(2.0, size=(960, 480)), PixelFormat.BGR24)
    assert overlap(faces[0].box, face_in_portrait(2.0, size=(960, 480))) > 0.5


@pytest.mark.acceptance
@pytest.mark.parametrize("pixel_format", list(PixelFormat))
def test_yunet_agrees_with_haar_on_the_box(data, pixel_format):
    yunet = open_detector("auto", data / "models/face_detection_yunet_2023mar.onnx")
    assert yunet.name == "yunet"
    image = convert(portrait(1.5), pixel_format)
    found = yunet.detect(image, pixel_format)[0]
    assert overlap(found.box, face_in_portrait(1.5)) > 0.6
    assert len(found.landmarks) == 5
    haar = open_detector("haar").detect(image, pixel_format)[0]
    assert overlap(found.box, haar.box) > 0.6
    assert yunet.detect(convert(empty_room(), pixel_format), pixel_format) == []


@pytest.mark.parametrize("name", ["yunet", "haar"])
def test_a_file_of_another_kind_is_told(tmp_path, name):
    path = tmp_path / "file.xml"
    path.write_text("nothing of the kind")
    with pytest.raises(UserError, match="is not a"):
        open_detector(name, path)


def test_a_model_that_is_no_detector_is_told():
    with pytest.raises(UserError, match="for the task 'headphones'"):
        open_detector("auto", PACKAGED_MODEL)
    with pytest.raises(UserError, match="is not a YuNet face detector"):
        open_detector("yunet", PACKAGED_MODEL)


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(UserError, match="does not exist; check its name"):
        open_detector("auto", tmp_path / "missing.onnx")


def test_yunet_without_its_model_says_what_to_do():
    with pytest.raises(UserError, match="--detector-model"):
        open_detector("yunet")


@pytest.mark.parametrize("name", OURS)
def test_a_sensitive_one_gives_more_and_lower_scores(name):
    image = portrait(2.0)
    image[:200, :200] = portrait(1.0, size=(200, 200))
    usual, sensitive = (open_detector(name, sensitive=some) for some in (False, True))
    found, more = (each.detect(image, PixelFormat.BGR24) for each in (usual, sensitive))
    assert min(face.score for face in found) >= usual.used_score
    assert len(more) >= len(found)
    assert sum(face.score >= usual.used_score for face in more) >= len(found)


@pytest.mark.parametrize("name", ["tiny", "haar"])
def test_a_sensitive_one_gives_what_is_just_too_small(name):
    image, share = portrait(1.0), 1.2 * face_in_portrait(1.0)[3] / 480
    usual, sensitive = (open_detector(name, None, share, some) for some in (False, True))
    assert usual.detect(image, PixelFormat.BGR24) == []
    found = sensitive.detect(image, PixelFormat.BGR24)
    assert max(overlap(face.box, face_in_portrait(1.0)) for face in found) > 0.5


@pytest.mark.parametrize("name", OURS)
def test_detecting_does_not_write_into_the_picture(name):
    image = portrait(1.5)
    image.flags.writeable = False
    before = np.array(image)
    open_detector(name).detect(image, PixelFormat.BGR24)
    np.testing.assert_array_equal(image, before)
