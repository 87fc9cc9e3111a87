"""ONNX Runtime as this program runs it."""

import numpy as np
import pytest

from facectrl_fast.models import PACKAGED_DETECTOR
from facectrl_fast.vision.runtime import BoundInput, open_session, run_session

OUTPUTS = {"level_8": (1, 15, 8, 12), "level_16": (1, 10, 4, 6)}


def test_a_bound_input_gives_what_a_run_gives_for_what_it_holds():
    session = open_session(PACKAGED_DETECTOR)
    bound = BoundInput(session, "picture", (1, 1, 64, 96), OUTPUTS)
    rng = np.random.default_rng(3)
    for _ in range(3):
        bound.array[:] = rng.random(bound.array.shape, np.float32)
        wanted = run_session(session, list(OUTPUTS), {"picture": bound.array})
        for output, same in zip(bound.run(), wanted, strict=True):
            np.testing.assert_array_equal(output, same)


@pytest.mark.parametrize("words", ["std::bad_alloc", "Failed to allocate memory for 9 bytes"])
def test_missing_memory_is_told_from_the_rest(words):
    class Broken:
        def __init__(self, words):
            self.words = words

        def run(self, *_):
            raise RuntimeError(self.words)

    with pytest.raises(MemoryError):
        run_session(Broken(words), None, {})
    with pytest.raises(RuntimeError, match="no such input"):
        run_session(Broken("no such input"), None, {})
