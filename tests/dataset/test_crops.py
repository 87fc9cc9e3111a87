"""Training crops: the same as when running, varied, and repeatable."""

import cv2
import numpy as np
import pytest

from facectrl_fast.dataset.augment import seed_augmentation, strong_augmentation
from facectrl_fast.dataset.crops import Crops, Jitter, read_image
from facectrl_fast.dataset.folder import LabelledPicture
from facectrl_fast.errors import UserError
from facectrl_fast.types import PixelFormat
from facectrl_fast.vision.classify import Classifier
from facectrl_fast.vision.model_file import ModelDescription
from facectrl_fast.vision.preprocess import Preprocessing
from tests.models import brightness_model
from tests.pictures import face_in_portrait, portrait
from tests.runs import noted_inputs

CUT = Preprocessing((0.9, 0.9))
BOX = (250.5, 170.25, 120.0, 144.0)


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "frame.png"
    cv2.imwrite(str(path), portrait(1.4))
    return LabelledPicture(path, 0, "it", BOX, expansion=2.0)


def test_training_sees_bit_for_bit_what_run_classifies(picture, tmp_path, monkeypatch):
    """One frame and one box, through the classifier and through the training's crops."""
    classifier = Classifier(brightness_model(tmp_path / "m.onnx", ModelDescription()))
    seen = noted_inputs(monkeypatch, np.copy)
    frame = cv2.imread(str(picture.path))
    classifier.classify(frame, PixelFormat.BGR24, BOX)
    crops = Crops([picture], classifier.description.preprocessing)
    np.testing.assert_array_equal(crops.plain_crop(0), seen[0][0])
    np.testing.assert_array_equal(crops.crop(3, 0), seen[0][0])


def test_a_picture_without_a_box_is_the_whole_crop(tmp_path):
    path = tmp_path / "crop.png"
    image = portrait(1.0, size=(96, 120))
    cv2.imwrite(str(path), image)
    expected = np.zeros((64, 64), np.float32)
    Preprocessing((0, 0))(image, PixelFormat.BGR24, (0, 0, 96, 120), expected)
    crop = Crops([LabelledPicture(path, 0, "it")], CUT).plain_crop(0)
    np.testing.assert_array_equal(crop[0], expected)


@pytest.mark.parametrize("augmentation", [None, seed_augmentation, strong_augmentation])
def test_each_epoch_varies_and_can_be_repeated(picture, augmentation):
    crops = Crops([picture], CUT, Jitter(), augmentation, seed=3)
    again = Crops([picture], CUT, Jitter(), augmentation, seed=3)
    other = Crops([picture], CUT, Jitter(), augmentation, seed=4)
    np.testing.assert_array_equal(crops[5, 0][0], again[5, 0][0])
    assert (crops[5, 0][0] != crops[6, 0][0]).any()
    assert (crops[5, 0][0] != other[5, 0][0]).any()


@pytest.mark.parametrize("augmentation", [seed_augmentation, strong_augmentation])
def test_augmented_crops_stay_gray_values(augmentation):
    rng = np.random.default_rng(0)
    crop = np.zeros((64, 64), np.float32)
    Preprocessing()(portrait(1.4), PixelFormat.BGR24, face_in_portrait(1.4), crop)
    before = crop.copy()
    for _ in range(200):
        varied = augmentation(crop, rng)
        assert varied.shape == (64, 64)
        assert varied.dtype == np.float32
        assert varied.min() >= 0
        assert varied.max() <= 1
    np.testing.assert_array_equal(crop, before)


def test_a_picture_that_was_collected_too_narrow_is_told(picture):
    narrow = LabelledPicture(picture.path, 0, "it", BOX, expansion=0.5)
    with pytest.raises(UserError, match=r"shows 0\.5 of the face's sides around it"):
        Crops([narrow], CUT)


@pytest.mark.parametrize("content", [b"", b"no picture", b"\x89PNG\r\n\x1a\n"])
def test_what_is_no_picture_is_named(tmp_path, content):
    (tmp_path / "x.png").write_bytes(content)
    with pytest.raises(UserError, match=r"x\.png is not a readable picture"):
        read_image(tmp_path / "x.png")


@pytest.mark.parametrize("size", [(1, 1), (3000, 2), (2, 3000), (4000, 3000)])
def test_pictures_of_any_size_become_crops(tmp_path, size):
    path = tmp_path / "x.png"
    cv2.imwrite(str(path), np.full(size, 51, np.uint8))
    crops = Crops([LabelledPicture(path, 0, "it")], CUT, Jitter(), strong_augmentation)
    np.testing.assert_allclose(crops.plain_crop(0), 0.2, atol=1e-6)
    for epoch in range(5):
        assert crops.crop(epoch, 0).shape == (1, 64, 64)


def test_a_huge_picture_is_shrunk_and_one_whose_face_is_elsewhere_is_named(tmp_path):
    path = tmp_path / "long.png"
    cv2.imwrite(str(path), np.full((20, 40000), 51, np.uint8))
    crop = Crops([LabelledPicture(path, 0, "it")], CUT).plain_crop(0)
    np.testing.assert_allclose(crop, 0.2, atol=1e-6)
    outside = LabelledPicture(path, 0, "it", (0, 900, 30, 30), expansion=2.0)
    with pytest.raises(UserError, match=r"long\.png: the index says that its face lies outside"):
        Crops([outside], CUT)
