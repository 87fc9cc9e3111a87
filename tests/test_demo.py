"""The demo checks what the player did, and fails where it did wrong."""

import pytest

from facectrl_fast.decide.policy import Status
from facectrl_fast.demo import SCENES, _summary, run_demo, write_clip

PLAYING, PAUSED, _ = Status
RIGHT = [(5.1, PAUSED), (9.1, PLAYING), (14.4, PAUSED), (18.2, PLAYING)]


def test_the_demo_works(capsys):
    assert run_demo() == 0
    out = capsys.readouterr().out
    assert "All as it should be." in out
    assert out.count("paused after") == 2
    assert out.count("playing after") == 2


@pytest.mark.parametrize(
    "seen",
    [
        [],
        RIGHT[:-1],
        RIGHT[1:],
        [*RIGHT, (20.0, PAUSED)],
        [(2.0, PAUSED), (3.0, PLAYING), *RIGHT],
        [(at + 4, status) for at, status in RIGHT],
    ],
)
def test_a_player_that_did_wrong_fails_it(seen):
    assert _summary(RIGHT, 100) == 0
    assert _summary(seen, 100) == 1


def test_interrupted_it_judges_nothing(monkeypatch):
    from facectrl_fast.watch import Watcher

    def interrupted(self):
        self.stopped_by = 2

    monkeypatch.setattr(Watcher, "run", interrupted)
    assert run_demo() == 130


def test_the_clip_can_be_kept(tmp_path):
    import cv2

    path = tmp_path / "clip.mp4"
    write_clip(path)
    capture = cv2.VideoCapture(str(path))
    frames = capture.get(cv2.CAP_PROP_FRAME_COUNT)
    capture.release()
    assert frames / 15 == pytest.approx(sum(s.seconds for s in SCENES))
