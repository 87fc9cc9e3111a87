"""The examples run."""

import subprocess
import sys
from pathlib import Path

import cv2
import pytest

pytestmark = pytest.mark.train

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_three_layers_fit_a_non_linear_function_better_than_one(tmp_path):
    pytest.importorskip("torch", reason="PyTorch is not installed: make test-all installs it")
    script = EXAMPLES / "nonlinear_function/nonlinear_function.py"
    picture = tmp_path / "fits.png"
    run = subprocess.run(
        [sys.executable, str(script), "--epochs", "80", "--out", str(picture)],
        capture_output=True,
        text=True,
        timeout=200,
        check=True,
    )
    one, three = (float(line.rsplit(" ", 1)[1]) for line in run.stdout.splitlines())
    assert three < one
    assert cv2.imread(str(picture)) is not None
