"""``detect``: the faces of a picture."""

import cv2
import pytest

from facectrl_fast.cli import main
from facectrl_fast.models import DEMO_PHOTO, PACKAGED_MODEL
from tests.pictures import PHOTO_FACE, empty_room


def test_faces_are_told_and_drawn_into_a_copy(tmp_path, capsys):
    out = tmp_path / "drawn.jpg"
    assert main(["detect", str(DEMO_PHOTO), "--out", str(out)]) == 0
    first, last = capsys.readouterr().out.splitlines()
    x, y, width, height = (float(part) for part in first.split(":")[1].split(";")[0].split(","))
    assert x + width / 2 == pytest.approx(PHOTO_FACE[0] + PHOTO_FACE[2] / 2, abs=15)
    assert y + height / 2 == pytest.approx(PHOTO_FACE[1] + PHOTO_FACE[3] / 2, abs=15)
    assert last == f"{out} shows 1 face"
    assert cv2.imread(str(out)).shape == cv2.imread(str(DEMO_PHOTO)).shape


def test_without_a_name_the_copy_lies_beside_the_picture(tmp_path, capsys):
    cv2.imwrite(str(tmp_path / "room.jpg"), empty_room())
    assert main(["detect", str(tmp_path / "room.jpg")]) == 0
    assert "room_faces.png shows 0 faces" in capsys.readouterr().out
    assert (tmp_path / "room_faces.png").exists()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["missing.jpg"], "cannot read the picture"),
        (["text.jpg"], "cannot read the picture"),
        (["."], "cannot read the picture"),
        (["photo.jpg", "--model", "missing.onnx"], "does not exist"),
        (["photo.jpg", "--model", str(PACKAGED_MODEL)], "for the task 'headphones'"),
        (["photo.jpg", "--out", "drawn.nothing"], "use an ending such as"),
        (["photo.jpg", "--out", "/proc/drawn.png"], "cannot write"),
    ],
)
def test_bad_input_is_told_in_a_line(tmp_path, monkeypatch, capsys, arguments, complaint):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.jpg").write_text("no picture")
    (tmp_path / "photo.jpg").write_bytes(DEMO_PHOTO.read_bytes())
    assert main(["detect", *arguments]) == 1
    error = capsys.readouterr().err
    assert complaint in error
    assert len(error.splitlines()) == 1
