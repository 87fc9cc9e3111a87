"""The people that are enrolled, on disk."""

import os
import signal
import stat
import subprocess
import sys

import numpy as np
import pytest

from facectrl_fast.cli import main
from facectrl_fast.errors import UserError
from facectrl_fast.people import People, Person

POINTS = np.array([[0.1, 0.2], [0.3, -0.4]], np.float32)


@pytest.fixture
def people(tmp_path):
    return People(tmp_path / "people")


def test_somebody_who_was_kept_is_there_again(people):
    people.keep(Person("Ada", "digest", POINTS))
    known = people.get("Ada")
    assert (known.name, known.model) == ("Ada", "digest")
    np.testing.assert_allclose(known.points, POINTS, atol=1e-6)
    people.keep(Person("Ada", "another", POINTS[:1]))
    assert people.get("Ada").model == "another"
    assert people.names() == ["Ada"]


def test_only_the_user_can_read_what_is_kept(people, tmp_path):
    before = os.umask(0)
    try:
        people.keep(Person("Ada", "digest", POINTS))
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "people").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "people/Ada.json").stat().st_mode) == 0o600


def test_who_is_removed_is_gone(people):
    people.keep(Person("Ada", "digest", POINTS))
    people.remove("Ada")
    assert people.names() == []
    with pytest.raises(UserError, match="there is no 'Ada'"):
        people.remove("Ada")
    with pytest.raises(UserError, match="enrolled: nobody"):
        people.get("Ada")


def test_what_a_kill_left_half_written_goes_with_them(people, tmp_path):
    people.keep(Person("Ada", "digest", POINTS))
    theirs, another = (tmp_path / f"people/.{name}.json.4711.draft" for name in ("Ada", "Adam"))
    theirs.write_text("a face")
    another.write_text("a face")
    people.remove("Ada")
    assert not theirs.exists()
    assert another.exists()


@pytest.mark.parametrize("name", ["", "../Ada", "a/b", ".hidden", "Ada\n", "x" * 65])
def test_names_cannot_lead_elsewhere(people, name):
    with pytest.raises(UserError, match="is no name"):
        people.keep(Person(name, "digest", POINTS))


def test_names_may_be_of_any_language(people):
    people.keep(Person("Zoë d'Été-李", "digest", POINTS))
    assert people.names() == ["Zoë d'Été-李"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"model": "m"}',
        b'{"model": 1, "points": [[1]]}',
        b'{"model": "m", "points": []}',
        b'{"model": "m", "points": [[1], [2, 3]]}',
        b'{"model": "m", "points": [[NaN]]}',
        b'{"model": "m", "points": "much"}',
    ],
)
def test_a_damaged_file_is_told_and_left_alone(people, tmp_path, content):
    people.keep(Person("Ada", "digest", POINTS))
    path = tmp_path / "people/Ada.json"
    path.write_bytes(content)
    with pytest.raises(UserError, match="is damaged; enroll 'Ada' again"):
        people.get("Ada")
    assert path.read_bytes() == content


def test_a_kill_leaves_the_old_or_the_new_one(tmp_path):
    code = """
import sys, numpy as np
from pathlib import Path
from facectrl_fast.people import People, Person
people = People(Path(sys.argv[1]))
print("ready", flush=True)
for k in range(10**6):
    people.keep(Person("Ada", str(k), np.full((200, 128), k, np.float32)))
"""
    folder = tmp_path / "people"
    People(folder).keep(Person("Ada", "first", POINTS))
    for _ in range(3):
        process = subprocess.Popen(
            [sys.executable, "-c", code, str(folder)], stdout=subprocess.PIPE, text=True
        )
        with process.stdout as lines:
            lines.readline()
            while People(folder).get("Ada").model == "first":
                pass
            os.kill(process.pid, signal.SIGKILL)
        process.wait()
        known = People(folder).get("Ada")
        assert (known.points == int(known.model)).all()
        assert People(folder).names() == ["Ada"]
        People(folder).keep(Person("Ada", "first", POINTS))


def test_the_command_lists_and_removes(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert main(["people", "list"]) == 0
    assert "nobody is enrolled" in capsys.readouterr().out
    People().keep(Person("Ada", "digest", POINTS))
    assert main(["people", "list"]) == 0
    assert capsys.readouterr().out == "Ada\n"
    assert main(["people", "remove"]) == 2
    assert main(["people", "remove", "Ada"]) == 0
    assert main(["people", "remove", "Ada"]) == 1
    assert People().names() == []
