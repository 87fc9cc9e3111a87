"""The fused kernel does what the NumPy reference does, in every format and on every processor."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facectrl_fast import _native
from facectrl_fast.types import PixelFormat
from facectrl_fast.vision.preprocess import Preprocessing
from tests import reference
from tests.pictures import convert

FORMATS = list(PixelFormat)


def make_image(rng, pixel_format, width, height):
    width, height = max(width // 2 * 2, 2), max(height // 2 * 2, 2)
    shape = {
        PixelFormat.BGR24: (height, width, 3),
        PixelFormat.GRAY8: (height, width),
        PixelFormat.YUYV: (height, width, 2),
        PixelFormat.UYVY: (height, width, 2),
        PixelFormat.NV12: (height * 3 // 2, width),
    }[pixel_format]
    return rng.integers(0, 256, shape, dtype=np.uint8), width, height


def with_stride(image, padding, upside_down):
    """The same pixels, rows further apart in memory, maybe stored bottom up."""
    wide = np.zeros((image.shape[0], image.shape[1] + padding, *image.shape[2:]), np.uint8)
    view = wide[:, : image.shape[1]]
    if upside_down:
        view = view[::-1]
    view[:] = image
    return view


@pytest.mark.parametrize("instruction_set", _native.instruction_sets())
@pytest.mark.parametrize("resampling", ["bilinear", "area"])
@pytest.mark.parametrize("pixel_format", FORMATS)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_equals_the_reference(pixel_format, resampling, instruction_set, data):
    draw = data.draw
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    image, width, height = make_image(
        rng, pixel_format, draw(st.integers(2, 150)), draw(st.integers(2, 120))
    )
    image = with_stride(image, draw(st.integers(0, 9)), draw(st.booleans()))
    span = st.floats(0.01, 400, allow_nan=False)
    box_width, box_height = draw(span), draw(span)
    # Any position that leaves a sliver of the box inside the frame.
    box = (
        draw(st.floats(-box_width * 0.999, width - 0.001)),
        draw(st.floats(-box_height * 0.999, height - 0.001)),
        box_width,
        box_height,
    )
    unit = draw(st.sampled_from(["relative", "pixels"]))
    expansion = draw(st.tuples(st.floats(0, 2), st.floats(0, 2)))
    if unit == "pixels":
        expansion = (expansion[0] * 40, expansion[1] * 40)
    shape = draw(st.tuples(st.integers(1, 80), st.integers(1, 80)))
    if reference.crop_box(box, width, height, expansion, unit) is None:
        return
    out = np.full(shape, np.nan, np.float32)
    _native.preprocess(
        image,
        pixel_format,
        box,
        out,
        expansion=expansion,
        expansion_unit=unit,
        resampling=resampling,
        instruction_set=instruction_set,
    )
    expected = reference.preprocess(image, pixel_format, box, shape, expansion, unit, resampling)
    np.testing.assert_allclose(out, expected, atol=1e-5)
    assert out.min() >= 0
    assert out.max() <= 1


@given(
    box=st.tuples(
        st.floats(-500, 900), st.floats(-500, 900), st.floats(1e-3, 900), st.floats(1e-3, 900)
    ),
    expansion=st.tuples(st.floats(0, 3), st.floats(0, 3)),
)
def test_the_crop_is_where_the_reference_says(box, expansion):
    expected = reference.crop_box(box, 640, 480, expansion, "relative")
    cut = Preprocessing(expansion)
    if expected is None:
        with pytest.raises(ValueError, match="box: lies outside the frame"):
            cut.crop_box(box, 640, 480)
    else:
        assert cut.crop_box(box, 640, 480) == expected


def test_the_crop_grows_to_all_sides_alike():
    assert Preprocessing((0.5, 0.5)).crop_box((100, 100, 80, 60), 640, 480) == (80, 85, 120, 90)
    pixels = Preprocessing((70, 70), expansion_unit="pixels")
    assert pixels.crop_box((100, 100, 80, 60), 640, 480) == (65, 65, 150, 130)


def test_framing_does_not_change_with_distance():
    near = Preprocessing().crop_box((200, 150, 160, 200), 640, 480)
    far = Preprocessing().crop_box((280, 200, 80, 100), 640, 480)
    assert near[2] / far[2] == pytest.approx(2, rel=0.02)
    assert near[3] / far[3] == pytest.approx(2, rel=0.02)


@pytest.mark.parametrize("box", [(-30, -20, 60, 60), (600, 440, 80, 80), (-5, 100, 700, 50)])
def test_a_box_over_the_frame_s_edge_is_clipped(box):
    x, y, width, height = Preprocessing().crop_box(box, 640, 480)
    assert x >= 0
    assert y >= 0
    assert width >= 1
    assert height >= 1
    assert x + width <= 640
    assert y + height <= 480


@pytest.mark.parametrize("resampling", ["bilinear", "area"])
def test_one_scene_in_any_format_is_one_picture(resampling):
    cv2 = pytest.importorskip("cv2")
    rng = np.random.default_rng(3)
    small = rng.integers(30, 226, (12, 16, 3), dtype=np.uint8)
    scene = cv2.resize(small, (320, 240), interpolation=cv2.INTER_CUBIC)
    cut = Preprocessing(resampling=resampling)
    pictures = []
    for pixel_format in PixelFormat:
        out = np.zeros((64, 64), np.float32)
        cut(convert(scene, pixel_format), pixel_format, (100.3, 60.7, 90, 110), out)
        pictures.append(out)
    for picture in pictures[1:]:
        assert np.abs(picture - pictures[0]).max() <= 2 / 255


def test_bilinear_takes_the_four_nearest_pixels():
    image = np.array([[0, 100], [200, 50]], np.uint8)
    out = np.zeros((4, 4), np.float32)
    Preprocessing((0, 0), resampling="bilinear")(image, PixelFormat.GRAY8, (0, 0, 2, 2), out)
    # What tf.image.resize gives for this picture.
    expected = [
        [0, 25, 75, 100],
        [50, 59.375, 78.125, 87.5],
        [150, 128.125, 84.375, 62.5],
        [200, 162.5, 87.5, 50],
    ]
    np.testing.assert_allclose(out * 255, expected, atol=1e-3)


def test_area_is_the_mean():
    image = np.arange(64, dtype=np.uint8).reshape(8, 8)
    out = np.zeros((2, 2), np.float32)
    Preprocessing((0, 0), resampling="area")(image, PixelFormat.GRAY8, (0, 0, 8, 8), out)
    expected = image.reshape(2, 4, 2, 4).mean(axis=(1, 3)) / 255
    np.testing.assert_allclose(out, expected, atol=1e-6)


def test_limited_range_is_stretched_and_clipped():
    luma = np.array([[0, 16, 126, 235, 255, 16]] * 2, np.uint8)
    out = np.zeros((2, 6), np.float32)
    image = np.vstack([luma, np.zeros((1, 6), np.uint8)])
    Preprocessing((0, 0))(image, PixelFormat.NV12, (0, 0, 6, 2), out)
    np.testing.assert_allclose(out[0], [0, 0, 110 / 219, 1, 1, 0], atol=1e-6)


def test_writes_into_the_given_array_of_any_leading_dimensions():
    image = np.full((50, 50), 255, np.uint8)
    batch = np.zeros((3, 1, 64, 64), np.float32)
    Preprocessing()(image, PixelFormat.GRAY8, (10, 10, 20, 20), batch[1:2])
    assert batch[0].max() == batch[2].max() == 0
    np.testing.assert_allclose(batch[1], 1, atol=1e-6)


GOOD = {
    "image": np.zeros((40, 60, 3), np.uint8),
    "pixel_format": PixelFormat.BGR24,
    "box": (10, 10, 20, 20),
    "out": np.zeros((64, 64), np.float32),
}


@pytest.mark.parametrize(
    ("argument", "value", "complaint"),
    [
        ("box", (float("nan"), 0, 1, 1), "box: must be four finite numbers"),
        ("box", (0, 0, float("inf"), 1), "box: must be four finite numbers"),
        ("box", (0, 0, 0, 10), "box: width and height must be positive"),
        ("box", (0, 0, 10, -1), "box: width and height must be positive"),
        ("box", (200, 0, 10, 10), "box: lies outside the frame"),
        ("box", (-90, -90, 10, 10), "box: lies outside the frame"),
        ("image", np.zeros((0, 60, 3), np.uint8), "image: is empty"),
        ("image", np.zeros((40, 60), np.uint8), "image: shape must be"),
        ("image", np.zeros((40, 60, 4), np.uint8), "image: shape must be"),
        ("image", np.zeros((40, 60, 3), np.float32), "image: dtype must be uint8"),
        ("image", np.zeros((40, 120, 3), np.uint8)[:, ::2], "image: pixels of a row"),
        ("image", np.zeros((40, 60, 6), np.uint8)[:, :, ::2], "image: pixels of a row"),
        ("image", np.zeros((40, 1, 3), np.uint8)[:, :, ::-1], "image: pixels of a row"),
        ("out", np.zeros((64, 64), np.float64), "out: dtype must be float32"),
        ("out", np.zeros((64, 128), np.float32)[:, ::2], "out: must be C-contiguous"),
        ("out", np.zeros((2, 64, 64), np.float32), "out: dimensions before"),
        ("out", np.zeros((0, 64), np.float32), "out: height and width"),
        ("out", np.zeros(64, np.float32), "out: must be C-contiguous with at least two"),
    ],
)
def test_a_wrong_argument_is_named(argument, value, complaint):
    arguments = GOOD | {argument: value}
    with pytest.raises(ValueError, match=complaint):
        Preprocessing()(**arguments)


def test_a_read_only_target_is_refused():
    out = np.zeros((64, 64), np.float32)
    out.flags.writeable = False
    with pytest.raises(ValueError, match="out: is read-only"):
        Preprocessing()(**(GOOD | {"out": out}))


def test_odd_chroma_sizes_are_refused():
    with pytest.raises(ValueError, match="image: NV12"):
        Preprocessing()(
            **(GOOD | {"image": np.zeros((40, 60), np.uint8), "pixel_format": PixelFormat.NV12})
        )


@pytest.mark.parametrize(
    ("keywords", "complaint"),
    [
        ({"expansion": (-1, 0)}, "expansion: must be finite"),
        ({"expansion": (0, float("nan"))}, "expansion: must be finite"),
        ({"expansion_unit": "inches"}, "expansion_unit: must be"),
        ({"resampling": "magic"}, "resampling: must be"),
    ],
)
def test_wrong_settings_are_named(keywords, complaint):
    with pytest.raises(ValueError, match=complaint):
        Preprocessing(**keywords)(**GOOD)
