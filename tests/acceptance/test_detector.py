"""Our face detector on real recordings, beside YuNet."""

import pytest

from facectrl_fast.cli import main
from facectrl_fast.evaluation.detectors import compare, known_pictures

pytestmark = pytest.mark.acceptance

YUNET = "models/face_detection_yunet_2023mar.onnx"


@pytest.mark.parametrize("video", ["franck.mp4", "cap13_on.mp4", "cap13_off.mp4", "david"])
def test_on_webcams_it_finds_what_yunet_finds_at_160_pixels(data, video):
    pictures = known_pictures(data / "video" / video, None, data / YUNET, every=10)
    ours, yunet = compare(["tiny", f"{data / YUNET}@160"], pictures)
    found, known = (each.judgement.recall(each.used_score) for each in (ours, yunet))
    assert found >= known - 0.01
    false, theirs = (each.judgement.false_boxes(each.used_score) for each in (ours, yunet))
    assert false <= theirs + 0.01
    assert ours.judgement.overlap > 0.8


def test_stock_photographs_are_compared_in_a_table(data, capsys):
    assert main(["evaluate-detector", "tiny", str(data / "wider"), "--beside", "haar"]) == 0
    printed = capsys.readouterr().out
    assert "342 pictures" in printed
    assert len([line for line in printed.splitlines() if line.startswith("| ")]) == 3
