"""What becomes of the detector that ships once a successor is trained; the training takes hours."""

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: make test-all installs it")

from facectrl_fast.training import package_detector  # noqa: E402
from facectrl_fast.training.detector_run import DetectorResult  # noqa: E402

pytestmark = pytest.mark.train


@pytest.mark.parametrize(
    ("precision", "kept", "told"),
    [
        (0.92, b"successor", "is new: average precision 0.920, before 0.910"),
        (0.90, b"packaged", "is kept: average precision 0.900, before 0.910"),
    ],
)
def test_the_better_one_ships(tmp_path, monkeypatch, capsys, precision, kept, told):
    packaged = tmp_path / "faces.onnx"
    packaged.write_bytes(b"packaged")

    def trained(sets, negatives, out, *_, **options):
        assert options["teacher"] == packaged
        out.mkdir()
        (out / "model.onnx").write_bytes(b"successor")
        report = out / "report.html"
        return DetectorResult(out / "model.onnx", report, 0.0, precision, {packaged: 0.91})

    monkeypatch.setattr(package_detector, "PACKAGED_DETECTOR", packaged)
    monkeypatch.setattr(package_detector, "train_detector", trained)
    for name in ("portraits", "faceless"):  # prepared before
        (tmp_path / "work" / name).mkdir(parents=True)
    arguments = [str(tmp_path / name) for name in ("data", "backgrounds", "work")]
    assert package_detector.main(arguments) == 0
    assert packaged.read_bytes() == kept
    assert told in capsys.readouterr().out
    # What a finished run made is not trained anew, nor lost.
    (tmp_path / "work/tiny/report.html").touch()
    assert package_detector.main(arguments) == 1
    assert "work/tiny holds a finished run: take its model.onnx" in capsys.readouterr().err


def test_backgrounds_are_pictures_of_one_name_that_tells_of_no_drawn_face(tmp_path):
    picture = np.random.default_rng(0).integers(0, 255, (20, 30, 3), np.uint8)
    for name in ("surface.png", "face.png", "people/lamp.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / name), picture)
    (tmp_path / "light.png").symlink_to("surface.png")
    (found,) = package_detector._pictures(tmp_path)
    np.testing.assert_array_equal(found, picture)
