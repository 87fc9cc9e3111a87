"""WIDER FACE's annotation format."""

import pytest

from facectrl_fast.dataset.wider import FaceFilter, is_set, locate_set, read_wider
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
b/no_zeros.jpg
0
b/last.jpg
1
9 9 9 9 0 0 0 0 0 0
"""


@pytest.fixture
def read(tmp_path):
    """Reads annotations; the pictures that they name exist, except for gone.jpg."""

    def read_it(text, wanted=None):
        for line in text.splitlines():
            if line.endswith(".jpg") and "gone" not in line:
                path = tmp_path / line.strip()
                path.parent.mkdir(exist_ok=True)
                path.touch()
        file = tmp_path / "gt.txt"
        file.write_text(text)
        pictures, problems = read_wider(file, tmp_path, *([wanted] if wanted else []))
        entries = [(str(p.path.relative_to(tmp_path)), p.boxes, p.doubtful) for p in pictures]
        return entries, problems

    return read_it


def test_faces_are_read(read):
    entries, problems = read(FILE)
    assert entries == [
        ("a/one.jpg", ((10, 20, 30, 40),), ()),
        ("a/two.jpg", ((1, 2, 3, 4),), ((5, 6, 7, 8),)),
        ("b/nobody.jpg", (), ()),
        ("b/no_zeros.jpg", (), ()),
        ("b/last.jpg", ((9, 9, 9, 9),), ()),
    ]
    problems.check(len(entries), limit=0)


@pytest.mark.parametrize(
    ("attributes", "clear"),
    [
        ("0 0 0 0 0 0", True),
        ("1 1 1 0 1 1", True),
        ("2 0 0 0 0 0", False),
        ("0 0 0 1 0 0", False),
        ("0 0 0 0 2 0", False),
        ("", True),
    ],
)
def test_which_faces_are_to_be_found(read, attributes, clear):
    entries, _ = read(f"a.jpg\n1\n0 0 30 40 {attributes}\n", FaceFilter())
    assert entries == [("a.jpg", ((0, 0, 30, 40),) * clear, ((0, 0, 30, 40),) * (not clear))]


def test_filters_can_be_chosen(read):
    text = "a.jpg\n2\n0 0 30 40 0 0 0 0 0 1\n0 0 9 11 2 0 0 0 0 0\n"
    strict = FaceFilter(atypical_pose=False)
    assert read(text, strict)[0] == [("a.jpg", (), ((0, 0, 30, 40), (0, 0, 9, 11)))]
    loose = FaceFilter(least_height=10, most_blur=2)
    assert read(text, loose)[0] == [("a.jpg", ((0, 0, 30, 40), (0, 0, 9, 11)), ())]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("a.jpg\n", "line 1: not WIDER FACE's annotation format"),
        ("a.jpg\nmany\n", "line 1: not WIDER FACE's annotation format"),
        ("1 2 3\n", "line 1: not WIDER FACE's annotation format"),
        ("a.jpg\n2\n1 2 x 4\n1 2 3 4\n", "line 1: the faces of a.jpg are not numbers"),
        ("a.jpg\n1\n1 2 3\n", "line 1: the faces of a.jpg are not numbers"),
        ("a.jpg\n3\n1 2 3 4\n", "line 1: a.jpg has fewer faces than it says"),
        ("gone.jpg\n1\n1 2 3 4\n", "line 1: there is no"),
    ],
)
def test_what_does_not_fit_is_counted_and_named_and_the_rest_is_read(read, text, complaint):
    entries, problems = read(text + FILE)
    assert len(entries) == 5
    assert len(problems.found) == 1
    assert complaint in str(problems)
    problems.check(len(entries), limit=0.2)
    with pytest.raises(UserError, match="1 problems"):
        problems.check(len(entries), limit=0.1)


def test_many_problems_are_not_all_named(read):
    _, problems = read("".join(f"gone{k}.jpg\n1\n1 2 3 4\n" for k in range(9)))
    assert "9 problems" in str(problems)
    assert "and 6 more" in str(problems)


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(UserError, match="cannot read the annotations"):
        read_wider(tmp_path / "missing.txt", tmp_path)


def test_sets_are_found_in_both_layouts(tmp_path):
    (tmp_path / "wider/wider_face_split").mkdir(parents=True)
    (tmp_path / "wider/WIDER_train/images").mkdir(parents=True)
    annotations = tmp_path / "wider/wider_face_split/wider_face_train_bbx_gt.txt"
    annotations.touch()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine_bbx_gt.txt").touch()
    assert locate_set(tmp_path / "wider") == (annotations, tmp_path / "wider/WIDER_train/images")
    assert locate_set(tmp_path / "mine_bbx_gt.txt")[1] == tmp_path / "mine"
    assert is_set(tmp_path / "wider")
    assert not is_set(tmp_path / "mine")


def test_a_part_of_a_set_can_be_chosen(tmp_path):
    (tmp_path / "wider_face_split").mkdir()
    annotations = tmp_path / "wider_face_split/wider_face_val_bbx_gt.txt"
    annotations.touch()
    (tmp_path / "WIDER_val/images").mkdir(parents=True)
    assert locate_set(annotations) == (annotations, tmp_path / "WIDER_val/images")


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("missing", "does not exist"),
        ("empty", "neither a folder in WIDER FACE's layout"),
        ("alone_bbx_gt.txt", "its pictures should be in the folder"),
    ],
)
def test_what_is_no_set_is_told(tmp_path, name, complaint):
    (tmp_path / "empty").mkdir()
    (tmp_path / "alone_bbx_gt.txt").touch()
    with pytest.raises(UserError, match=complaint):
        locate_set(tmp_path / name)
