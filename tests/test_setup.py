"""The first run, step by step, and the doctor that begins it."""

import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from facectrl_fast import service, setup
from facectrl_fast.capture.camera_mode import CameraMode
from facectrl_fast.capture.cameras import CameraDirectory
from facectrl_fast.capture.video_node import LOOPBACK_DRIVER, NodeKind, VideoNode
from facectrl_fast.cli import main
from facectrl_fast.config import RunOptions
from facectrl_fast.decide.policy import Status
from facectrl_fast.settings import config_path
from facectrl_fast.setup import Setup

PLAYING, PAUSED, _ = Status


@pytest.fixture
def steps(monkeypatch, tmp_path):
    """The names of the steps that are done; the doctor is content."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    done = []
    monkeypatch.setattr("facectrl_fast.doctor.examine", lambda options: done.append("doctor") or 0)
    for name in ("_choose_camera", "_calibrate", "_try", "_install"):
        monkeypatch.setattr(Setup, name, lambda self, name=name: done.append(name))
    return done


def answers(monkeypatch, *given):
    left = list(given)
    monkeypatch.setattr("builtins.input", lambda _question: left.pop(0))


def test_asking_nothing_all_steps_are_done(steps):
    assert main(["setup", "--yes"]) == 0
    assert steps == ["doctor", "_choose_camera", "_calibrate", "_try", "_install"]


def test_each_step_can_be_left_out(steps):
    assert main(["setup", "--yes", "--no-camera", "--no-calibrate", "--no-service"]) == 0
    assert steps == ["doctor", "_try"]


def test_each_step_can_be_declined(steps, monkeypatch):
    answers(monkeypatch, "n", "y", "", "no")
    assert main(["setup"]) == 0
    assert steps == ["doctor", "_calibrate", "_try"]


def test_nobody_answers(steps, monkeypatch, capsys):
    def end(_question):
        raise EOFError

    monkeypatch.setattr("builtins.input", end)
    assert main(["setup"]) == 1
    assert "nobody answers; --yes asks nothing" in capsys.readouterr().err


def test_a_step_that_fails_is_told_and_the_others_go_on(steps, monkeypatch, capsys):
    monkeypatch.undo()
    monkeypatch.setattr("facectrl_fast.doctor.examine", lambda options: 0)
    monkeypatch.setattr(CameraDirectory, "nodes", lambda self: [])
    assert main(["setup", "--yes", "--no-calibrate", "--no-try", "--no-service"]) == 1
    told = capsys.readouterr()
    assert "camera: there is no camera; plug one in" in told.err
    assert "Not everything worked" in told.out


def test_trying_it_touches_no_player_and_ends_by_itself(make_video, monkeypatch, capsys):
    monkeypatch.setattr(setup, "TRY_SECONDS", 0.5)
    monkeypatch.setattr("facectrl_fast.doctor.examine", lambda options: 0)
    options = RunOptions(source=str(make_video(frames=100)))
    begin = time.monotonic()
    skipped = frozenset({"camera", "calibrate", "service"})
    assert Setup(options, skipped, ask=False).run() == 0
    assert time.monotonic() - begin < 10
    assert "no player is touched" in capsys.readouterr().out


class Cameras(CameraDirectory):
    """Two, of which another program's is the first."""

    def nodes(self):
        camera, modes = NodeKind.CAMERA, (CameraMode("YUYV", 640, 480),)
        return [
            VideoNode(Path("/dev/video0"), "OBS", camera, LOOPBACK_DRIVER, modes=modes),
            VideoNode(Path("/dev/video2"), "Logi C920", camera, "uvcvideo", modes=modes),
        ]


@pytest.mark.parametrize(
    ("source", "kept"), [("auto", 'source = "Logi C920"'), ("obs", ""), ("logi", "")]
)
def test_a_camera_that_was_named_is_kept(monkeypatch, tmp_path, source, kept):
    monkeypatch.setattr("facectrl_fast.capture.cameras.CameraDirectory", Cameras)
    monkeypatch.setattr(setup, "take_picture", lambda *_: None)
    monkeypatch.setattr("facectrl_fast.doctor.examine", lambda options: 0)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    others = frozenset({"calibrate", "try", "service"})
    assert Setup(RunOptions(source=source), others, ask=False).run() == 0
    config = config_path()
    assert (config.read_text().strip() if config.exists() else "") == kept


def test_a_linked_configuration_stays_linked_and_private(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    real = tmp_path / "dotfiles.toml"
    real.write_text("preview = true\n")
    real.chmod(0o600)
    config_path().parent.mkdir(parents=True)
    config_path().symlink_to(real)
    setup.remember("source", "logi")
    assert config_path().is_symlink()
    assert real.read_text() == 'preview = true\nsource = "logi"\n'
    assert stat.S_IMODE(real.stat().st_mode) == 0o600


def test_the_picture_it_takes(make_video, tmp_path):
    import cv2

    path = tmp_path / "camera.png"
    setup.take_picture(str(make_video(size=(160, 120))), "v4l2", path)
    assert cv2.imread(str(path)).shape == (120, 160, 3)


def run(*arguments):
    command = [sys.executable, "-m", "facectrl_fast", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def lines_of(done):
    rows = [line for line in done.stdout.splitlines() if line]
    return {row[:12].strip(): row[12:] for row in rows}


def test_the_doctor_knows_where_all_stands(bus_address, make_video, mpv, events, players):
    mpv()
    players("mpv")
    assert events.wait(lambda: any(e[0] == "appeared" for e in events.log))
    done = run("doctor", "--source", make_video())
    rows = lines_of(done)
    assert "mpv (" in rows["players"]
    assert rows["camera"].startswith("ok")
    assert "packaged" in rows["model"]
    assert f"defaults; {config_path()}" in rows["options"]
    assert "not running" in rows["program"]
    assert rows["service"].endswith(service.state())
    assert "not known" in rows["lock, sleep"]
    assert "not known" in rows["power"]
    assert done.stdout.splitlines()[-1] == "All that is needed is there."


def test_a_player_that_can_do_little_is_told_of(bus_address, make_video, loop, builtin):
    player = builtin("radio", PLAYING)
    player.can_pause = False
    asked = subprocess.Popen(
        [sys.executable, "-m", "facectrl_fast", "doctor", "--source", str(make_video())],
        stdout=subprocess.PIPE,
        text=True,
    )

    def look():
        loop.quit() if asked.poll() is not None else loop.call_later(0.05, look)

    loop.call_later(0.05, look)
    loop.run()
    assert "radio (playing, cannot pause now)" in asked.communicate()[0]


def test_a_dark_room_is_told_of(bus_address, tmp_path):
    import cv2
    import numpy as np

    path = tmp_path / "dark.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 20, (160, 120))
    for _ in range(40):
        writer.write(np.full((120, 160, 3), 3, np.uint8))
    writer.release()
    done = run("doctor", "--source", path)
    assert done.returncode == 1
    assert "too dark to see anybody: make light" in lines_of(done)["camera"]
    assert done.stdout.splitlines()[-1].startswith("First: camera: ")


def test_a_wrong_configuration_is_told_of_before_all_else(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    config_path().parent.mkdir(parents=True)
    config_path().write_text("rate = 1000")
    done = run("doctor")
    assert done.returncode == 2
    assert "rate must be a number from 3 to 60" in done.stderr
