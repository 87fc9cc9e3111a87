"""A number for faces, on real portraits with labels."""

import pytest

from facectrl_fast.cli import main

pytestmark = [pytest.mark.acceptance, pytest.mark.train]


@pytest.mark.timeout(900)
def test_both_stages_are_clearly_better_than_the_mean(data, tmp_path, capsys):
    """By five epochs of small pictures; docs/training.md has what thirty of large ones give."""
    pytest.importorskip("torch", reason="PyTorch is not installed: make test-all installs it")
    weights = str(data / "models/mobilenet_v2-b0353104.pth")
    options = ["--weights", weights, "--split", "published", "--side", "96", "--epochs", "5"]
    out = tmp_path / "run"
    assert main(["train", "score", str(data / "beauty"), *options, "--out", str(out)]) == 0
    assert "223 to test by" in capsys.readouterr().out
    rows = [line.split("|") for line in (out / "card.md").read_text().splitlines()]
    errors = {row[1].strip(): float(row[2]) for row in rows if len(row) == 5 and "0." in row[2]}
    for stage in ("stage 1", "stage 2"):
        assert errors[stage] < 0.97 * errors["the mean of all"]
    for stage in (1, 2):
        assert (out / f"curves_stage{stage}.png").stat().st_size > 1000
