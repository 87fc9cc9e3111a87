"""``evaluate-detector``: detectors beside each other."""

import cv2
import pytest

from facectrl_fast.cli import main
from tests.pictures import empty_room, face_in_portrait, portrait


def line(box):
    return " ".join(str(round(side)) for side in box)


@pytest.fixture
def wider(tmp_path):
    """Two faces, a small one, and an empty room, in an annotated folder."""
    images = tmp_path / "some"
    images.mkdir()
    lines = []
    for scale in (1.0, 1.5, 2.0):
        cv2.imwrite(str(images / f"{scale}.png"), portrait(scale))
        lines += [f"{scale}.png", "1", line(face_in_portrait(scale)) + " 0 0 0 0 0 0"]
    cv2.imwrite(str(images / "room.png"), empty_room())
    lines += ["room.png", "0", "0 0 0 0 0 0 0 0 0 0"]
    annotations = tmp_path / "some_bbx_gt.txt"
    annotations.write_text("\n".join(lines) + "\n")
    return annotations


def rows(printed):
    lines = [each for each in printed.splitlines() if each.startswith("|")]
    heads, _, *cells = [[part.strip() for part in each.split("|")[1:-1]] for each in lines]
    return {row[0]: dict(zip(heads, row, strict=True)) for row in cells}


def test_detectors_are_compared_on_annotated_pictures(wider, capsys):
    assert main(["evaluate-detector", "tiny", str(wider)]) == 0
    printed = capsys.readouterr().out
    assert "4 pictures, 3 faces" in printed
    table = rows(printed)
    assert list(table) == ["tiny", "haar", "haar-seed"]
    for name in ("tiny", "haar"):
        row = table[name]
        assert row["found as used"] == "100.0%"
        assert float(row["AP"]) > 0.99
        assert float(row["false an empty picture"]) == 0
        assert float(row["overlap"]) > 0.6
        assert float(row["search ms"]) > 0
        assert float(row["follow ms"]) > 0


def test_what_is_around_the_people_shows_what_is_taken_for_faces(wider, capsys):
    assert main(["evaluate-detector", "tiny", str(wider), "--faceless-parts"]) == 0
    printed = capsys.readouterr().out
    assert ", 0 faces" in printed
    row = rows(printed)["tiny"]
    assert float(row["false an empty picture"]) == 0
    # There was no face to be found, or to follow.
    assert all(row[head] == "" for head in ("AP", "found as used", "overlap", "follow ms"))


def test_a_recording_needs_to_be_told_where_the_face_is(tmp_path, capsys):
    folder = tmp_path / "frames"
    folder.mkdir()
    for number in range(4):
        cv2.imwrite(str(folder / f"{number}.png"), portrait(1.5))
    assert main(["evaluate-detector", "tiny", str(folder)]) == 1
    assert "name either --boxes or --reference" in capsys.readouterr().err
    boxes = tmp_path / "boxes.txt"
    boxes.write_text(f"{line(face_in_portrait(1.5))}\n0,0,0,0\n1,1,30,30\n")
    arguments = ["evaluate-detector", "tiny", str(folder), "--beside", "haar"]
    assert main([*arguments, "--boxes", str(boxes)]) == 0
    printed = capsys.readouterr().out
    # The second frame is unknown, the fourth has no line; in the third the box is too small.
    assert "2 pictures, 1 faces" in printed
    assert rows(printed)["tiny"]["found as used"] == "100.0%"
    boxes.write_text("1,2,three,4\n")
    assert main([*arguments, "--boxes", str(boxes)]) == 1
    assert "line 1: not x,y,width,height" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["tiny", "missing"], "does not exist"),
        (["nonsense", "some_bbx_gt.txt"], "unknown detector 'nonsense'"),
        (["missing.onnx", "some_bbx_gt.txt"], "does not exist"),
        (["missing.onnx@160", "some_bbx_gt.txt"], "does not exist"),
        (["tiny", "text.mp4", "--reference", "missing.onnx"], "does not exist"),
        (["tiny", "text.mp4", "--boxes", "missing.txt"], "cannot read"),
    ],
)
def test_bad_input_is_told_in_a_line(wider, monkeypatch, capsys, arguments, complaint):
    monkeypatch.chdir(wider.parent)
    (wider.parent / "text.mp4").write_text("no video")
    assert main(["evaluate-detector", *arguments]) == 1
    error = capsys.readouterr().err
    assert complaint in error
    assert len(error.splitlines()) == 1
