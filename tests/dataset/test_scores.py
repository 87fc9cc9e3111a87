"""Pictures with numbers in SCUT-FBP5500's layout."""

import zipfile

import pytest

from facectrl_fast.dataset.scores import read_scores
from facectrl_fast.errors import UserError


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "set"
    (made / "Images").mkdir(parents=True)
    (made / "train_test_files").mkdir()
    lines = []
    for k in range(20):
        (made / f"Images/CF{k}.jpg").touch()
        lines.append(f"CF{k}.jpg {k / 4}")
    (made / "All_labels.txt").write_text("\n".join(lines) + "\n")
    (made / "train_test_files/train.txt").write_text("\n".join(lines[:15]) + "\n")
    (made / "train_test_files/test.txt").write_text("\n".join(lines[15:]) + "\n")
    return made


def test_pictures_and_their_numbers_are_read(folder):
    found = read_scores(folder, published=True)
    assert [(p.path.name, p.score) for p in found.pictures][:2] == [
        ("CF0.jpg", 0),
        ("CF1.jpg", 0.25),
    ]
    assert [len(side) for side in found.published] == [15, 5]
    assert not found.problems.found


def test_names_with_spaces_and_a_val_file_will_do(folder):
    (folder / "Images/CF0.jpg").rename(folder / "Images/C F 0.jpg")
    labels = folder / "All_labels.txt"
    labels.write_text("\ufeff" + labels.read_text().replace("CF0.jpg", "Images/C F 0.jpg"))
    (folder / "train_test_files/test.txt").rename(folder / "train_test_files/val.txt")
    found = read_scores(folder, published=True)
    assert found.pictures[0].path.name == "C F 0.jpg"
    assert len(found.published[1]) == 5


def test_a_set_without_a_published_split_will_do_where_none_is_wanted(folder):
    lists = folder / "train_test_files"
    (lists / "train.txt").write_bytes(b"\xff\xfe")
    assert read_scores(folder).published is None
    (lists / "test.txt").unlink()
    with pytest.raises(UserError, match=r"has no train.txt and test.txt; use --split random"):
        read_scores(folder, published=True)


def test_a_published_split_has_to_be_one(folder):
    lists = folder / "train_test_files"
    text = (lists / "test.txt").read_text()
    same = (lists / "train.txt").read_text()
    # Whatever number they have there.
    for shared in (same, "".join(f"{line}9\n" for line in same.splitlines())):
        (lists / "test.txt").write_text(shared)
        with pytest.raises(UserError, match="share pictures"):
            read_scores(folder, published=True)
    (lists / "test.txt").write_text(text.splitlines()[0])
    with pytest.raises(UserError, match="fewer than 5 pictures"):
        read_scores(folder, published=True)


def test_a_zip_is_unpacked_once_without_what_else_is_in_it(folder, tmp_path):
    path = tmp_path / "download.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for member in sorted(folder.rglob("*")):
            archive.write(member, f"SCUT-FBP5500_v2/{member.relative_to(folder)}")
        archive.writestr("SCUT-FBP5500_v2/evil.py", "print()")
    assert len(read_scores(path).pictures) == 20
    out = tmp_path / "download"
    assert not list(out.rglob("*.py"))
    before = out.stat().st_mtime_ns
    assert len(read_scores(path).pictures) == 20
    assert out.stat().st_mtime_ns == before


def test_problems_are_counted_and_named_and_not_fatal_below_a_limit(folder):
    labels = folder / "All_labels.txt"
    text = labels.read_text()
    labels.write_text(text + "CF99.jpg 3\n")
    found = read_scores(folder)
    assert "line 21: there is no picture CF99.jpg" in str(found.problems)
    labels.write_text(text + "CF0.jpg 3\nCF1.jpg much\nCF2.jpg nan\nno\n")
    with pytest.raises(UserError, match="has another score above"):
        read_scores(folder)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda folder: (folder / "All_labels.txt").unlink(), "has no All_labels.txt"),
        (lambda folder: (folder / "All_labels.txt").write_text(""), "names 0 pictures"),
        (lambda folder: (folder / "All_labels.txt").write_bytes(b"\xff\xfe"), "no text in UTF-8"),
    ],
)
def test_what_is_no_such_set_is_told(folder, change, complaint):
    change(folder)
    with pytest.raises(UserError, match=complaint):
        read_scores(folder)
    with pytest.raises(UserError, match="is no folder"):
        read_scores(folder / "nowhere")


def test_a_name_that_several_pictures_have_is_a_problem_and_no_guess(folder):
    (folder / "more").mkdir()
    (folder / "more/CF3.jpg").touch()
    found = read_scores(folder)
    assert len(found.pictures) == 19
    assert any("several pictures are called CF3.jpg" in text for text in found.problems.found)
