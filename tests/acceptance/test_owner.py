"""Only its owner's headphones count: two people before one camera, for real."""

import subprocess

import pytest

from facectrl_fast.cli import main

pytestmark = [pytest.mark.acceptance, pytest.mark.train]


@pytest.fixture
def model(data, tmp_path):
    """Trained on people of whom none is in the recordings."""
    pytest.importorskip("torch", reason="PyTorch is not installed: make test-all installs it")
    out = tmp_path / "identity"
    weights = data / "models/mobilenet_v2-b0353104.pth"
    people = str(data / "lfw/people")
    options = ["--backbone", str(weights), "--folds", "0", "--epochs", "40", "--out", str(out)]
    assert main(["train", "identity", people, *options]) == 0
    return out / "model.onnx"


@pytest.fixture
def video(data, tmp_path):
    """The owner with headphones and without, and somebody else with and without, in turn."""
    clips = [
        ("cap13_on", 6, 8),  # 0 s: on
        ("franck", 50, 8),  # 8 s: a stranger, on until 56, then off
        ("cap13_on", 14, 6),  # 16 s: on, as before
        ("cap13_off", 12, 8),  # 22 s: off
        ("franck", 0, 8),  # 30 s: a stranger, on
        ("cap13_off", 16, 6),  # 38 s: off, as before
        ("cap13_on", 12, 6),  # 44 s: on
    ]
    made = []
    for number, (clip, start, seconds) in enumerate(clips):
        made.append(tmp_path / f"{number}.mp4")
        cut = ["-ss", str(start), "-i", str(data / f"video/{clip}.mp4"), "-t", str(seconds)]
        same = ["-r", "30", "-vf", "scale=640:480", "-pix_fmt", "yuv420p", "-g", "30"]
        subprocess.run(
            ["ffmpeg", "-v", "error", *cut, *same, "-an", str(made[-1])], check=True, timeout=60
        )
    listing = tmp_path / "list.txt"
    listing.write_text("".join(f"file '{path}'\n" for path in made))
    joined = tmp_path / "in_turn.mp4"
    ends = ["-i", str(listing), "-c", "copy", str(joined)]
    subprocess.run(
        ["ffmpeg", "-v", "error", "-f", "concat", "-safe", "0", *ends], check=True, timeout=60
    )
    return joined


@pytest.mark.timeout(400)
def test_only_the_owner_s_headphones_act(
    data, model, video, program, tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    for label in ("on", "off"):
        source = str(data / f"video/cap13_{label}.mp4")
        assert main(["enroll", label, "--source", source, "--identity-model", str(model)]) == 0
    running = program("--source", video, "--dry-run", "--no-realtime", "--owner", "off")
    assert running.process.wait(120) == 0
    decisions = [line.split(" at 0:")[1] for line in running.lines if " at 0:" in line]
    told = "\n".join(running.lines)
    words = [d.split(": ")[1].split(":")[0] for d in decisions]
    times = [float(d.split(":")[0]) for d in decisions]
    assert [w.split(" (")[0] for w in words] == [
        "headphones on",
        "headphones off",
        "headphones on",
    ], told
    for at, due in zip(times, (0, 22, 44), strict=True):
        assert due < at < due + 2, told
