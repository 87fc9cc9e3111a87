"""WIDER FACE's annotation format."""

import pytest

from facectrl_fast.dataset.wider import read_annotations
from facectrl_fast.errors import UserError

FILE = """\
a/one.jpg
1
10 20 30 40 0 0 0 0 0 0
a/two.jpg
3
1 2 3 4 0 0 0 0 0 0
5 6 0 8 0 0 0 0 0 0
5 6 7 8 0 0 0 1 0 0
b/nobody.jpg
0
0 0 0 0 0 0 0 0 0 0
b/last.jpg
1
9 9 9 9 0 0 0 0 0 0
"""


def test_valid_faces_are_read(tmp_path):
    file = tmp_path / "gt.txt"
    file.write_text(FILE)
    entries = list(read_annotations(file, tmp_path))
    assert [(str(e.path.relative_to(tmp_path)), e.boxes) for e in entries] == [
        ("a/one.jpg", ((10, 20, 30, 40),)),
        ("a/two.jpg", ((1, 2, 3, 4),)),
        ("b/last.jpg", ((9, 9, 9, 9),)),
    ]


@pytest.mark.parametrize(
    ("text", "line"), [("a.jpg\n", 1), (FILE + "c.jpg\nmany\n", 15), ("a.jpg\n2\n1 2 x 4\n", 1)]
)
def test_a_broken_file_names_the_line(tmp_path, text, line):
    file = tmp_path / "gt.txt"
    file.write_text(text)
    with pytest.raises(UserError, match=f"line {line}: not WIDER FACE's"):
        list(read_annotations(file, tmp_path))


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(UserError, match="cannot read the annotations"):
        list(read_annotations(tmp_path / "missing.txt", tmp_path))
