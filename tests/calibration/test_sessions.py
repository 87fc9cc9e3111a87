"""Calibration sessions on disk: whole or not there."""

import itertools
import os

import cv2
import numpy as np
import pytest

from facectrl_fast.calibration.sessions import AWAY, Sessions
from facectrl_fast.errors import UserError

SHADES = itertools.count()
"""No two pictures are the same file."""


@pytest.fixture
def sessions(tmp_path):
    return Sessions(tmp_path / "sessions")


def record(draft, labels=("on", "off")):
    for label in labels:
        (draft / label).mkdir()
        for number in range(3):
            cv2.imwrite(
                str(draft / label / f"{number}.png"), np.full((8, 8), next(SHADES) % 256, np.uint8)
            )


def test_a_session_counts_once_it_is_kept(sessions):
    draft = sessions.begin()
    record(draft)
    assert sessions.all() == []
    kept = sessions.keep(draft)
    assert sessions.all() == [kept]
    assert [p.label for p in sessions.pictures()] == [0, 0, 0, 1, 1, 1]
    assert {p.source for p in sessions.pictures()} == {kept.name}


def test_a_face_while_nobody_is_there_counts_as_off(sessions):
    draft = sessions.begin()
    record(draft, ("on", "off", AWAY))
    sessions.keep(draft)
    assert [p.label for p in sessions.pictures()].count(1) == 6


def test_sessions_of_the_same_second_have_names_and_groups_of_their_own(sessions):
    for _ in range(3):
        draft = sessions.begin()
        record(draft)
        sessions.keep(draft)
    assert len(sessions.all()) == 3
    assert len({p.group.split(" ")[0] for p in sessions.pictures()}) == 3


def test_what_a_kill_left_is_removed_and_what_another_records_is_not(sessions):
    dead, alive = (
        sessions.folder / f".draft-20260101-000000-{number}" for number in (2**30, os.getppid())
    )
    for draft in (dead, alive):
        draft.mkdir(parents=True)
    sessions.begin()
    assert not dead.exists()
    assert alive.exists()


def test_a_rejected_session_is_kept_aside(sessions):
    draft = sessions.begin()
    record(draft)
    aside = sessions.reject(sessions.keep(draft))
    assert (aside / "on" / "0.png").exists()
    assert sessions.all() == []


def test_a_collected_dataset_becomes_a_session(sessions, tmp_path):
    (tmp_path / "mine").mkdir()
    record(tmp_path / "mine")
    sessions.keep(sessions.add_dataset(tmp_path / "mine"))
    assert len(sessions.pictures()) == 6
    assert (tmp_path / "mine" / "on" / "0.png").exists(), "it is copied"


def test_the_same_picture_counts_once(sessions, tmp_path):
    """In two sessions it would be learnt from and held back at once."""
    (tmp_path / "mine").mkdir()
    record(tmp_path / "mine")
    for _ in range(2):
        sessions.keep(sessions.add_dataset(tmp_path / "mine"))
    assert len(sessions.all()) == 2
    assert len(sessions.pictures()) == 6


def test_what_cannot_be_a_session_is_told(sessions, tmp_path):
    with pytest.raises(UserError, match="has no on/"):
        sessions.add_dataset(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write to"):
        Sessions(tmp_path / "file").begin()
