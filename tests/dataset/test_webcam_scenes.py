"""Webcam scenes that face detectors learn from."""

import numpy as np
import pytest

from facectrl_fast.dataset import webcam_scenes
from facectrl_fast.dataset.webcam_scenes import (
    CLOSE_LOOKS,
    ENLARGED,
    SMALLEST_WHOLE,
    WEBCAM,
    WHOLE,
    FacePicture,
    WebcamScenes,
    _piece,
    _whole,
)

SIZE = (96, 128)
NONE = np.zeros((0, 4), np.float32)


def bright_face(channels=1, doubtful=NONE):
    """A dark picture in which the face's box is bright."""
    image = np.full((channels, 120, 100), 30, np.uint8)
    image[:, 40:80, 35:65] = 230
    return FacePicture(image, np.array([[35, 40, 30, 40]], np.float32), doubtful)


def backgrounds(channels=1):
    rng = np.random.default_rng(5)
    return [rng.integers(0, 60, (channels, 70, 90), dtype=np.uint8) for _ in range(3)]


def test_a_scene_depends_on_seed_epoch_and_index_alone():
    first, second = (WebcamScenes([bright_face()] * 4, backgrounds(), SIZE, 7) for _ in range(2))
    for key in ((0, 0), (0, 3), (5, 1)):
        np.testing.assert_array_equal(first.scene(*key).image, second.scene(*key).image)
        np.testing.assert_array_equal(first.scene(*key).boxes, second.scene(*key).boxes)
    images = {first.scene(epoch, 0).image.tobytes() for epoch in range(8)}
    assert len(images) == 8


def test_scenes_have_the_size_and_boxes_of_faces_that_are_seen():
    scenes = WebcamScenes([bright_face()], backgrounds(), SIZE)
    heights, enlarged, brighter, counts = [], [], [], []
    for epoch in range(300):
        scene = scenes.scene(epoch, 0)
        assert scene.image.shape == (1, *SIZE)
        assert scene.image.dtype == np.uint8
        counts.append(len(scene.boxes))
        for x, y, width, height in scene.boxes.tolist():
            heights.append(height / SIZE[0])
            enlarged.append((width * height / (30 * 40)) ** 0.5)
            assert width > 0
            inside = scene.image[
                0,
                max(round(y + height / 4), 0) : round(y + 3 * height / 4),
                max(round(x + width / 4), 0) : round(x + 3 * width / 4),
            ]
            if inside.size:
                brighter.append(inside.mean() > scene.image.mean())
    assert min(heights) >= WEBCAM.smallest
    assert max(heights) > 0.75
    # Squeezed or not, larger than twice what its picture shows it would be a blur.
    assert max(enlarged) == pytest.approx(ENLARGED, rel=0.1)
    assert max(enlarged) <= 1.001 * ENLARGED
    # Some are covered, or the light turned them.
    assert np.mean(brighter) > 0.85
    assert 0.1 < counts.count(0) / len(counts) < 0.5


def test_doubtful_faces_are_never_to_be_found():
    small = np.array([[5, 5, 20, 26]], np.float32)
    scenes = WebcamScenes([bright_face(doubtful=small)], backgrounds(), SIZE)
    made = [scenes.scene(epoch, 0) for epoch in range(100)]
    assert all(len(scene.boxes) <= 1 for scene in made)
    assert any(len(scene.doubtful) for scene in made)


def test_without_backgrounds_there_are_walls():
    scenes = WebcamScenes([bright_face()], [], SIZE)
    assert any(len(scenes.scene(epoch, 0).boxes) for epoch in range(10))


def test_backgrounds_are_drawn_as_often_as_told():
    dark, bright = (np.full((1, 70, 90), gray, np.uint8) for gray in (10, 240))
    brightness = [
        np.mean([scenes.scene(epoch, 0).image.mean() for epoch in range(60)])
        for chances in ([1, 0], [1, 1], [0, 1])
        for scenes in [WebcamScenes([bright_face()], [dark, bright], SIZE, chances=chances)]
    ]
    assert brightness[0] + 20 < brightness[1] < brightness[2] - 20


@pytest.mark.parametrize("shape", [(40, 30), (400, 300), (60, 500)])
def test_a_background_may_be_seen_whole_and_before_something_plain(shape):
    quarters = np.array([[40, 90], [160, 220]], np.uint8)
    inside = np.kron(quarters, np.ones((shape[0] // 2, shape[1] // 2), np.uint8))
    rim = shape[0] // 10, shape[1] // 10
    picture = np.pad(inside, [(rim[0],) * 2, (rim[1],) * 2], constant_values=130)
    # As high as the scene, unless that would be wider.
    tallest = min(SIZE[0], SIZE[1] * picture.shape[0] / picture.shape[1])
    shares, mirrored = [], []
    for seed in range(60):
        shown = 255 * _whole(picture, SIZE, np.random.default_rng(seed))
        assert shown.shape == SIZE
        places = [np.nonzero(np.abs(shown - gray) < 0.5) for gray in quarters.flat]
        assert all(len(rows) for rows, _ in places)
        top, bottom = places[0][0].min(), places[2][0].max()
        shares.append((bottom - top + 1) / tallest * picture.shape[0] / inside.shape[0])
        mirrored.append(places[0][1].mean() > places[1][1].mean())
    assert 0.8 < max(shares) < 1.1
    assert min(shares) > min(SMALLEST_WHOLE * SIZE[0] / tallest, 1) - 0.2
    assert len(set(mirrored)) == 2


def test_behind_many_scenes_is_a_whole_picture_and_behind_others_a_piece(monkeypatch):
    behind = []
    for part in (_whole, _piece):
        monkeypatch.setattr(
            webcam_scenes,
            part.__name__,
            lambda *given, part=part: behind.append(part) or part(*given),
        )
    scenes = WebcamScenes([bright_face()], backgrounds(), SIZE)
    first = []
    for epoch in range(300):
        behind.clear()
        scenes.scene(epoch, 0)
        first += behind[:1]
    assert first.count(_whole) / len(first) == pytest.approx(WHOLE, abs=0.1)


def test_the_channels_of_a_gray_picture_in_colour_are_alike():
    gray = WebcamScenes([bright_face()], backgrounds(), SIZE)
    colour = WebcamScenes([bright_face(3)], [np.repeat(b, 3, 0) for b in backgrounds()], SIZE)
    for epoch in range(10):
        one, three = gray.scene(epoch, 0), colour.scene(epoch, 0)
        assert three.image.shape == (3, *SIZE)
        for plane in three.image:
            np.testing.assert_array_equal(plane, one.image[0])
        np.testing.assert_array_equal(three.boxes, one.boxes)


@pytest.mark.parametrize("size", [(32, 32), (128, 160), (224, 224)])
def test_any_size_will_do(size):
    scenes = WebcamScenes([bright_face()], backgrounds(), size)
    assert all(scenes.scene(epoch, 0).image.shape == (1, *size) for epoch in range(20))


def test_a_face_too_small_to_enlarge_is_shown_as_small_as_faces_get():
    tiny = FacePicture(
        np.full((1, 40, 40), 90, np.uint8), np.array([[15, 15, 7, 9]], np.float32), NONE
    )
    scenes = WebcamScenes([tiny], [], (192, 256))
    shown = [box for epoch in range(20) for box in scenes.scene(epoch, 0).boxes]
    assert shown
    assert max(box[3] for box in shown) < 1.5 * WEBCAM.smallest * 192


def test_a_close_look_shows_a_face_in_its_middle_or_none():
    large = FacePicture(
        np.full((1, 240, 200), 90, np.uint8), np.array([[60, 60, 75, 100]], np.float32), NONE
    )
    scenes = WebcamScenes([large], backgrounds(), (160, 128), framing=CLOSE_LOOKS)
    shown = [scenes.scene(epoch, 0).boxes for epoch in range(200)]
    boxes = np.concatenate(shown)
    heights = boxes[:, 3] / 160
    assert CLOSE_LOOKS.smallest <= heights.min() < 0.3
    assert 0.7 < np.quantile(heights, 0.95) < 1
    middles = (boxes[:, :2] + boxes[:, 2:] / 2) / (128, 160)
    np.testing.assert_allclose(middles.mean(0), CLOSE_LOOKS.middle, atol=0.03)
    # Some are where the picture's edge cuts the look.
    np.testing.assert_allclose(np.median(np.abs(middles - 0.5), 0), CLOSE_LOOKS.spread, atol=0.03)
    assert np.abs(middles - 0.5).max() > 0.3
    nobody = np.mean([len(each) == 0 for each in shown])
    assert CLOSE_LOOKS.empty - 0.1 < nobody < CLOSE_LOOKS.empty + 0.25
