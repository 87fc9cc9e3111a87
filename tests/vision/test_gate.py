"""The gate: motion is seen, light and noise are not motion, darkness is told apart."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facectrl_fast._native import LumaGate
from facectrl_fast.types import PixelFormat
from facectrl_fast.vision.gate import Gate
from tests import reference
from tests.vision.test_preprocess import make_image

GRAY = PixelFormat.GRAY8


@pytest.fixture
def room():
    """A textured 320 x 240 picture without extremes."""
    rng = np.random.default_rng(5)
    coarse = rng.integers(60, 180, (15, 20)).astype(np.float64)
    return np.kron(coarse, np.ones((16, 16)))


def as_frame(picture):
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)


@settings(max_examples=80, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    pixel_format=st.sampled_from(list(PixelFormat)),
    width=st.integers(32, 200),
    height=st.integers(24, 150),
    change=st.floats(0, 255),
)
def test_equals_the_reference(seed, pixel_format, width, height, change):
    rng = np.random.default_rng(seed)
    first, *_ = make_image(rng, pixel_format, width, height)
    second = np.clip(first + rng.uniform(-change, change, first.shape), 0, 255).astype(np.uint8)
    gate = LumaGate()
    before = gate.compare(first, pixel_format)
    kept = reference.gate_cells(first, pixel_format)
    assert before.moved_share == 1
    assert before.brightness == pytest.approx(kept.mean(), abs=1e-2)
    assert before.contrast == pytest.approx(kept.std(), abs=1e-2)
    gate.keep()
    now = reference.gate_cells(second, pixel_format)
    share, limit = reference.moved_share(now, kept)
    residuals = reference.gate_residuals(now, kept)
    # Cells that lie on the limit but for rounding may fall on either side.
    doubtful = (np.abs(residuals - limit) < 1e-2).mean()
    moved = gate.compare(second, pixel_format).moved_share
    assert moved == pytest.approx(share, abs=doubtful + 1e-6)


def look_twice(first, second, later=0.1):
    gate = Gate()
    gate.look(as_frame(first), GRAY, 10.0)
    gate.analysed(10.0)
    return gate.look(as_frame(second), GRAY, 10.0 + later)


def test_the_same_picture_is_still(room):
    assert look_twice(room, room).still


def test_a_moved_head_is_motion(room):
    moved = room.copy()
    moved[100:180, 120:180] = room[100:180, 128:188]
    assert not look_twice(room, moved).still


def test_a_new_scene_is_motion(room):
    assert not look_twice(room, room[::-1, ::-1]).still


@pytest.mark.parametrize(("gain", "offset"), [(1, 25), (1, -30), (1.25, 0), (0.7, 10)])
def test_exposure_is_not_motion(room, gain, offset):
    assert look_twice(room, room * gain + offset).still


@pytest.mark.parametrize("brightness", [0.12, 0.3, 1.0])
def test_noise_is_not_motion(room, brightness):
    rng = np.random.default_rng(0)
    noisy = [room * brightness + rng.normal(0, 12, room.shape) for _ in range(2)]
    assert look_twice(*noisy).still


def test_motion_is_seen_through_noise(room):
    rng = np.random.default_rng(0)
    moved = room.copy()
    moved[80:200, 100:200] = room[80:200, 116:216]
    noisy = [picture + rng.normal(0, 12, room.shape) for picture in (room, moved)]
    assert not look_twice(*noisy).still


def test_slow_motion_adds_up(room):
    """Each frame differs little from the last, but the gate compares with the analysed one."""
    gate = Gate(reexamine=100)
    gate.look(as_frame(room), GRAY, 0.0)
    gate.analysed(0.0)
    stills = []
    for step in range(40):
        picture = room.copy()
        picture[100:180, 120:180] = room[100:180, 120 + step // 2 : 180 + step // 2]
        stills.append(gate.look(as_frame(picture), GRAY, step / 10).still)
    assert stills[0]
    assert not stills[-1]


def test_a_still_scene_is_examined_again_after_a_while(room):
    assert look_twice(room, room, later=1.9).still
    assert not look_twice(room, room, later=2.0).still


def test_the_first_frame_is_never_still(room):
    assert not Gate().look(as_frame(room), GRAY, 0.0).still


def test_forgetting_makes_the_next_frame_new(room):
    gate = Gate()
    gate.look(as_frame(room), GRAY, 0.0)
    gate.analysed(0.0)
    gate.forget()
    assert not gate.look(as_frame(room), GRAY, 0.1).still


def scenes(pictures, seconds=0.1):
    gate = Gate()
    return [gate.look(as_frame(p), GRAY, i * seconds) for i, p in enumerate(pictures)]


def test_a_hand_over_the_lens_is_covered(room):
    for lens in (np.full_like(room, 3), np.full_like(room, 70)):
        last = scenes([room, room, lens, lens])[-1]
        assert last.blind
        assert last.covered


def test_a_room_dark_from_the_start_is_not_covered(room):
    last = scenes([room * 0.04] * 5)[-1]
    assert last.blind
    assert not last.covered


def test_a_room_that_slowly_gets_dark_is_not_covered(room):
    last = scenes([room * (1 - step / 100) for step in range(100)])[-1]
    assert last.blind
    assert not last.covered


def test_light_again_ends_it(room):
    last = scenes([room, room * 0, room])[-1]
    assert not last.blind
    assert not last.covered


def test_a_frame_smaller_than_the_grid_is_refused():
    with pytest.raises(ValueError, match="image: smaller"):
        Gate().look(np.zeros((20, 40), np.uint8), GRAY, 0.0)
