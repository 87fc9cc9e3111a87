"""Pictures of people in LFW's layout, and the pairs to judge by."""

import pytest

from facectrl_fast.dataset.people import KnownTriplet, read_people, read_triplets
from facectrl_fast.errors import UserError


@pytest.fixture
def folder(tmp_path):
    for person, count in (("Ada", 3), ("Bob", 2), ("Cleo", 1)):
        (tmp_path / person).mkdir()
        for number in range(1, count + 1):
            (tmp_path / person / f"{person}_{number:04}.jpg").touch()
    (tmp_path / "Ada/notes.txt").touch()
    (tmp_path / "README").touch()
    return tmp_path


def test_people_with_one_picture_are_left_out(folder):
    found = read_people(folder)
    assert [picture.person for picture in found] == ["Ada"] * 3 + ["Bob"] * 2
    assert found[0].path == folder / "Ada/Ada_0001.jpg"


def test_two_people_are_needed(tmp_path):
    with pytest.raises(UserError, match="has no two people"):
        read_people(tmp_path)
    with pytest.raises(UserError, match="is no folder"):
        read_people(tmp_path / "nowhere")


def test_triplets_are_read(folder):
    path = folder / "test_set.csv"
    row = "Ada/Ada_0001.jpg,Ada/Ada_0002.jpg,Bob/Bob_0001.jpg"
    path.write_text(f"\ufeffAnchor,Positive,Negative\n{row}\n")
    paths = [folder / name for name in row.split(",")]
    assert read_triplets(path, folder) == [KnownTriplet(*paths)]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("", "lacks the columns"),
        ("Anchor,Positive\na,b\n", "lacks the columns"),
        ("Anchor,Positive,Negative\n", "holds no rows"),
        (
            "Anchor,Positive,Negative\nAda/Ada_0001.jpg,,Ada/Ada_0002.jpg\n",
            "line 2: a column is empty",
        ),
        ("Anchor,Positive,Negative\nAda/Ada_0001.jpg\n", "line 2: a column is empty"),
        ("Anchor,Positive,Negative\nAda/Ada_0009.jpg,b,c\n", "line 2: there is no"),
        ("Anchor,Positive,Negative\n\0,b,c\n", "line 2"),
    ],
)
def test_what_is_no_list_of_triplets_is_told_in_a_line(folder, content, complaint):
    path = folder / "test_set.csv"
    path.write_text(content)
    with pytest.raises(UserError, match=complaint) as caught:
        read_triplets(path, folder)
    assert len(str(caught.value).splitlines()) == 1
