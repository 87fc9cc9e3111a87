"""The cache of what a frozen network makes of pictures."""

import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing

import numpy as np
import pytest

from facectrl_fast.dataset.embedding_cache import EmbeddingCache
from facectrl_fast.errors import UserError


class Maker:
    """Counts what it is asked."""

    def __init__(self):
        self.asked = []

    def __call__(self, content):
        self.asked.append(content)
        return None if content == b"faceless" else np.full(3, len(content), np.float32)


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "picture.jpg"
    path.write_bytes(b"12345")
    return path


def get(tmp_path, picture, make, maker="network", said=None):
    say = (said if said is not None else []).append
    with EmbeddingCache(tmp_path / "cache/embeddings.sqlite", maker, say) as cache:
        return cache.get(picture, make)


def test_a_picture_is_looked_at_once(tmp_path, picture):
    make = Maker()
    for _ in range(3):
        np.testing.assert_array_equal(get(tmp_path, picture, make), [5, 5, 5])
    assert len(make.asked) == 1


def test_a_picture_without_a_face_is_remembered_as_well(tmp_path, picture):
    make = Maker()
    picture.write_bytes(b"faceless")
    assert get(tmp_path, picture, make) is None
    assert get(tmp_path, picture, make) is None
    assert len(make.asked) == 1


def test_changed_pictures_and_other_networks_are_looked_at_anew(tmp_path, picture):
    make = Maker()
    get(tmp_path, picture, make)
    picture.write_bytes(b"123")
    np.testing.assert_array_equal(get(tmp_path, picture, make), [3, 3, 3])
    get(tmp_path, picture, make, "another network")
    assert len(make.asked) == 3
    # By content, not by name.
    copy = picture.with_name("copy.jpg")
    copy.write_bytes(b"12345")
    get(tmp_path, copy, make)
    assert len(make.asked) == 3


def test_a_damaged_cache_is_made_anew(tmp_path, picture):
    make, said = Maker(), []
    get(tmp_path, picture, make)
    path = tmp_path / "cache/embeddings.sqlite"
    content = bytearray(path.read_bytes())
    content[100:4000] = bytes(3900)
    path.write_bytes(content)
    get(tmp_path, picture, make, said=said)
    assert "is damaged; it is made anew" in said[0]
    assert len(make.asked) == 2


@pytest.mark.parametrize("vector", [np.full(3, 9, "<f4").tobytes(), b"odd", "text", None])
def test_a_vector_that_changed_on_the_disk_is_made_anew(tmp_path, picture, vector):
    make, said = Maker(), []
    get(tmp_path, picture, make)
    with closing(sqlite3.connect(tmp_path / "cache/embeddings.sqlite")) as rows:
        rows.execute("UPDATE checked_embeddings SET vector = ?", (vector,))
        rows.commit()
    np.testing.assert_array_equal(get(tmp_path, picture, make, said=said), [5, 5, 5])
    assert len(make.asked) == 2
    assert "is damaged; it is looked at anew" in said[0]
    np.testing.assert_array_equal(get(tmp_path, picture, make), [5, 5, 5])
    assert len(make.asked) == 2


def test_somebody_else_s_file_is_left_alone(tmp_path, picture):
    path = tmp_path / "cache/embeddings.sqlite"
    path.parent.mkdir()
    path.write_text("my notes " * 100)
    with pytest.raises(UserError, match="is no cache"):
        get(tmp_path, picture, Maker())
    assert path.read_text() == "my notes " * 100


def test_a_kill_loses_nothing_that_was_written(tmp_path):
    code = """
import sys, numpy as np
from pathlib import Path
from facectrl_fast.dataset.embedding_cache import EmbeddingCache
folder = Path(sys.argv[1])
picture = folder / "picture"
with EmbeddingCache(folder / "cache/embeddings.sqlite", "network", print) as cache:
    for k in range(100_000):
        picture.write_bytes(str(k).encode())
        cache.get(picture, lambda content: np.full(3, k, np.float32))
        if k == 500:
            print("there", flush=True)
"""
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    with process.stdout as lines:
        lines.readline()
        os.kill(process.pid, signal.SIGKILL)
    process.wait()
    make, said = Maker(), []
    picture = tmp_path / "picture"
    for k in (0, 100, 400):
        picture.write_bytes(str(k).encode())
        np.testing.assert_array_equal(get(tmp_path, picture, make, said=said), [k, k, k])
    assert make.asked == []
    assert said == []


def test_what_cannot_be_used_is_told_in_a_line(tmp_path, picture):
    with pytest.raises(UserError, match="cannot read"):
        get(tmp_path, tmp_path / "nowhere.jpg", Maker())
    (tmp_path / "file").mkdir()
    (tmp_path / "file/cache").touch()
    with pytest.raises(UserError, match="cannot use"):
        get(tmp_path / "file", picture, Maker())


def test_two_may_fill_one_cache_at_once(tmp_path, picture):
    make, path = Maker(), tmp_path / "embeddings.sqlite"
    other = tmp_path / "other.jpg"
    other.write_bytes(b"123")
    with (
        EmbeddingCache(path, "network", print) as one,
        EmbeddingCache(path, "network", print) as two,
    ):
        one.get(picture, make)
        two.get(other, make)
        two.get(picture, make)
        assert len(make.asked) == 3, "what one has just seen, the other does not know yet"
    with EmbeddingCache(path, "network", print) as later:
        np.testing.assert_array_equal(later.get(picture, make), [5, 5, 5])
        np.testing.assert_array_equal(later.get(other, make), [3, 3, 3])
    assert len(make.asked) == 3
