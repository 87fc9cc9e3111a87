"""Zips that were downloaded: what is wanted of them, and nothing outside the folder."""

import os
import signal
import stat
import subprocess
import sys
import tracemalloc
import zipfile

import pytest

from facectrl_fast.dataset import archive
from facectrl_fast.dataset.archive import unpack_once
from facectrl_fast.errors import UserError


def pictures(name):
    return name.suffix == ".jpg"


def packed(path, **members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return path


def there(folder):
    files = (p for p in folder.rglob("*") if not p.is_dir() and p.name != archive.STAMP)
    return sorted(str(p.relative_to(folder)) for p in files)


def test_what_is_wanted_is_unpacked_and_nothing_else(tmp_path):
    path = packed(
        tmp_path / "set.zip", **{"Set/Images/a.jpg": b"a", "Set/run.py": b"x", "Set/b.jpg": b"b"}
    )
    unpack_once(path, tmp_path / "out", pictures)
    assert there(tmp_path / "out") == ["Set/Images/a.jpg", "Set/b.jpg"]


@pytest.mark.parametrize("name", ["../a.jpg", "x/../../a.jpg", "/tmp/a.jpg", "..\\a.jpg"])
def test_nothing_leads_out_of_the_folder(tmp_path, name):
    (tmp_path / "in").mkdir()
    path = packed(tmp_path / "in/set.zip", **{"fine.jpg": b"a", name: b"evil"})
    with pytest.raises(UserError, match="leads out of the folder; nothing was unpacked"):
        unpack_once(path, tmp_path / "in/out", pictures)
    assert there(tmp_path) == ["in/set.zip"]


def test_links_are_not_followed(tmp_path):
    path = tmp_path / "set.zip"
    with zipfile.ZipFile(path, "w") as file:
        link = zipfile.ZipInfo("a.jpg")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        file.writestr(link, "/etc/passwd")
    with pytest.raises(UserError, match="leads out"):
        unpack_once(path, tmp_path / "out", pictures)
    assert there(tmp_path) == ["set.zip"]


@pytest.mark.parametrize("how", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_bomb_that_goes_off_in_one_piece_is_not_touched(tmp_path, how):
    path = tmp_path / "set.zip"
    with zipfile.ZipFile(path, "w", how) as file:
        file.writestr("a.jpg", bytes(300 << 20))
    assert path.stat().st_size < 1 << 17
    tracemalloc.start()
    try:
        with pytest.raises(UserError, match=r"a.jpg is packed in a rare way"):
            unpack_once(path, tmp_path / "out", pictures)
        assert tracemalloc.get_traced_memory()[1] < 10 << 20
    finally:
        tracemalloc.stop()
    assert there(tmp_path) == ["set.zip"]


def test_an_archive_that_says_itself_that_it_is_too_large_is_not_begun(tmp_path, monkeypatch):
    path = packed(tmp_path / "set.zip", **{f"{k}.jpg": bytes(1 << 20) for k in range(3)})
    monkeypatch.setattr(archive, "MOST_BYTES", 2 << 20)
    monkeypatch.setattr(archive, "_CHUNK", None)  # what unpacking would ask for
    with pytest.raises(UserError, match="is too large once unpacked"):
        unpack_once(path, tmp_path / "out", pictures)


def test_bombs_are_noticed_while_they_are_unpacked(tmp_path, monkeypatch):
    path = packed(tmp_path / "set.zip", **{"a.jpg": bytes(200 << 20)})
    assert path.stat().st_size < 1 << 20
    with pytest.raises(UserError, match=r"a.jpg is too large once unpacked"):
        unpack_once(path, tmp_path / "out", pictures)
    many = packed(tmp_path / "many.zip", **{f"{k}.jpg": bytes(1 << 20) for k in range(20)})
    monkeypatch.setattr(archive, "MOST_BYTES", 10 << 20)
    with pytest.raises(UserError, match="too large"):
        unpack_once(many, tmp_path / "out", pictures)
    monkeypatch.setattr(archive, "MOST_FILES", 5)
    with pytest.raises(UserError, match="more than 5 files"):
        unpack_once(many, tmp_path / "out", pictures)
    assert there(tmp_path) == ["many.zip", "set.zip"]


def test_what_is_not_wanted_may_be_as_large_as_it_likes(tmp_path):
    path = packed(tmp_path / "set.zip", **{"bomb.bin": bytes(100 << 20), "a.jpg": b"a"})
    unpack_once(path, tmp_path / "out", pictures)
    assert there(tmp_path / "out") == ["a.jpg"]


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\x03\x04" + bytes(100)])
def test_what_is_no_zip_is_told(tmp_path, content):
    path = tmp_path / "set.zip"
    path.write_bytes(content)
    with pytest.raises(UserError, match="is no whole zip"):
        unpack_once(path, tmp_path / "out", pictures)


def test_a_damaged_zip_leaves_nothing(tmp_path):
    path = packed(tmp_path / "set.zip", **{"a.jpg": os.urandom(5000), "b.jpg": os.urandom(5000)})
    content = bytearray(path.read_bytes())
    content[6000:6100] = bytes(100)
    path.write_bytes(content)
    with pytest.raises(UserError, match="is no whole zip"):
        unpack_once(path, tmp_path / "out", pictures)
    assert there(tmp_path) == ["set.zip"]


def test_a_kill_leaves_nothing_that_looks_whole(tmp_path):
    members = {f"{k}.jpg": os.urandom(200_000) for k in range(60)}
    path = packed(tmp_path / "set.zip", **members)
    code = """
import sys
from pathlib import Path
from facectrl_fast.dataset.archive import unpack_once
print("ready", flush=True)
unpack_once(Path(sys.argv[1]), Path(sys.argv[2]), lambda name: True)
"""
    out = tmp_path / "out"
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(path), str(out)], stdout=subprocess.PIPE, text=True
    )
    with process.stdout as lines:
        lines.readline()
        os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not out.exists() or len(there(out)) == 60
    if not out.exists():
        unpack_once(path, out, lambda name: True)
        assert len(there(out)) == 60


def test_what_is_unpacked_is_not_unpacked_again(tmp_path):
    path = packed(tmp_path / "set.zip", **{"a.jpg": b"a"})
    unpack_once(path, tmp_path / "out", pictures)
    (tmp_path / "out/a.jpg").write_bytes(b"mine")
    unpack_once(path, tmp_path / "out", pictures)
    assert (tmp_path / "out/a.jpg").read_bytes() == b"mine"


def test_a_replaced_zip_is_not_taken_for_what_was_unpacked_before(tmp_path):
    path = packed(tmp_path / "set.zip", **{"a.jpg": b"a"})
    unpack_once(path, tmp_path / "out", pictures)
    packed(path, **{"a.jpg": b"a", "b.jpg": b"b"})
    with pytest.raises(UserError, match=r"out was unpacked from another set.zip; remove"):
        unpack_once(path, tmp_path / "out", pictures)
    assert there(tmp_path / "out") == ["a.jpg"], "what is there is the user's"


def test_two_may_unpack_at_once(tmp_path):
    path = packed(tmp_path / "set.zip", **{"a.jpg": b"a", "b.jpg": b"b"})

    def while_another_does(name):
        if not (tmp_path / "out").exists():
            other.rename(tmp_path / "out")
        return pictures(name)

    unpack_once(path, tmp_path / "other", pictures)
    other = tmp_path / "other"
    unpack_once(path, tmp_path / "out", while_another_does)
    assert there(tmp_path) == ["out/a.jpg", "out/b.jpg", "set.zip"]
