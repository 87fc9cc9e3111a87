"""Our face detector on real recordings, beside YuNet."""

import pytest

from facectrl_fast.cli import main
from facectrl_fast.evaluation.detectors import compare, known_pictures

pytestmark = pytest.mark.acceptance

YUNET = "models/face_detection_yunet_2023mar.onnx"


@pytest.mark.parametrize("video", ["franck.mp4", "cap13_on.mp4", "cap13_off.mp4", "david"])
def test_on_webcams_it_finds_what_yunet_finds_at_160_pixels(data, video):
    pictures = known_pictures(data / "video" / video, None, data / YUNET, 10, print)
    ours, yunet = compare(["tiny", f"{data / YUNET}@160"], pictures)
    found, known = (each.judgement.recall(each.used_score) for each in (ours, yunet))
    assert found >= known - 0.01
    false, theirs = (each.judgement.false_boxes(each.used_score) for each in (ours, yunet))
    assert false <= theirs + 0.01
    assert ours.judgement.overlap > 0.8


def test_small_faces_in_changing_light_are_found_as_yunet_finds_them(data):
    recording = data / "video/man"
    pictures = known_pictures(recording, recording / "groundtruth_rect.txt", None, 1, print)
    ours, yunet = compare(["tiny", f"{data / YUNET}@160"], pictures)
    found, known = (each.judgement.recall(each.used_score) for each in (ours, yunet))
    assert found >= known
    assert ours.judgement.false_boxes(ours.used_score) <= 0.01


def test_stock_photographs_are_compared_in_a_table(data, capsys):
    assert main(["evaluate-detector", "tiny", str(data / "wider"), "--beside", "haar"]) == 0
    printed = capsys.readouterr().out
    assert "342 pictures" in printed
    assert len([line for line in printed.splitlines() if line.startswith("| ")]) == 3


@pytest.mark.train
@pytest.mark.timeout(600)
@pytest.mark.parametrize("architecture", ["seed", "small"])
def test_patches_with_faces_are_told_from_others(data, tmp_path, capsys, architecture):
    pytest.importorskip("torch")
    patches = str(data / "faceness/faces_bgr64.npz")
    arguments = ["--arch", architecture, "--epochs", "8", "--out", str(tmp_path / "run")]
    assert main(["train", "faceness", patches, *arguments]) == 0
    told = capsys.readouterr().out
    assert float(told.rsplit("ROC AUC ", 1)[1].split(",")[0]) >= 0.98, told


@pytest.mark.train
@pytest.mark.timeout(600)
def test_the_seed_s_architecture_learns_from_annotated_pictures(data, tmp_path, capsys):
    """Its precision clearly rises."""
    pytest.importorskip("torch")
    weights = str(data / "models/mobilenet_v2-b0353104.pth")
    arguments = ["--arch", "mobilenet-v2-ssd", "--weights", weights, "--input-size", "128x96"]
    arguments += ["--batch-size", "16", "--steps", "160", "--evaluate-every", "40"]
    arguments += ["--learning-rate", "0.001", "--validation-scenes", "200"]
    out = tmp_path / "run"
    assert main(["train", "detector", str(data / "wider"), *arguments, "--out", str(out)]) == 0
    epochs = [line for line in capsys.readouterr().out.splitlines() if line.startswith("epoch")]
    first, last = (
        float(line.split("precision ")[1].split()[0]) for line in epochs[:: len(epochs) - 1]
    )
    assert last > first + 0.05
    assert (out / "curves.png").stat().st_size > 1000
