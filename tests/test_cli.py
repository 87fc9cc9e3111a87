"""The command line as a user meets it: one line for what is wrong, and no traceback."""

import os
import shutil
import signal
import subprocess
import sys
import time
from textwrap import dedent

import cv2
import numpy as np
import pytest

from facectrl_fast.cli import _COMMANDS, main
from tests.models import brightness_model

PROGRAM = [sys.executable, "-m", "facectrl_fast"]


def run(*arguments, **keywords):
    return subprocess.run(
        [*PROGRAM, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        stdin=subprocess.DEVNULL,
        **keywords,
    )


def complaint(*arguments, status=1):
    """The one line on stderr with which the program refuses."""
    done = run(*arguments)
    lines = done.stderr.splitlines()
    assert done.returncode == status, done.stderr
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("facectrl-fast: ")
    return lines[0]


def test_help_is_friendly_and_cheap():
    code = (
        "import sys; from facectrl_fast.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'numpy', 'cv2', 'onnxruntime', 'torch', 'dbus'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    for word in ("run", "demo", "collect", "train", "cameras", "doctor", "examples:", "headphones"):
        assert word in done.stdout


@pytest.mark.parametrize("command", ["", *_COMMANDS])
def test_every_command_explains_itself(command, capsys):
    with pytest.raises(SystemExit) as ended:
        main([*command.split(), "--help"])
    assert ended.value.code == 0
    assert "usage: facectrl-fast" in capsys.readouterr().out


def test_version(capsys):
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out.startswith("facectrl-fast 0.")


def test_running_does_not_import_the_training_stack(make_video):
    code = (
        "import sys; from facectrl_fast.cli import main\n"
        f"options = ['--dry-run', '--no-realtime', '--source', {str(make_video())!r}]\n"
        "assert main(['run', *options]) == 0\n"
        "unwanted = {'torch', 'lightning', 'onnx', 'matplotlib', 'sklearn', 'scipy'}\n"
        "heavy = unwanted & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_starting_runs_no_other_program_and_leaves_no_file(make_video, tmp_path):
    """Started in somebody's repository, with nothing on the PATH."""
    here = tmp_path / "here"
    (here / ".git").mkdir(parents=True)
    done = run(
        *("run", "--dry-run", "--no-realtime", "--source", make_video()),
        cwd=here,
        env={**os.environ, "PATH": "/nowhere"},
    )
    assert done.returncode == 0, done.stderr
    assert [p.name for p in here.rglob("*")] == [".git"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "say what to do: run, demo, collect, calibrate, train, detect, evaluate,"),
        (["dance"], "invalid choice: 'dance'"),
        (["run", "--rate", "1000"], "must be a number from 3 to 60, not '1000'"),
        (["run", "--rate", "nan"], "must be a number from 3 to 60, not 'nan'"),
        (["run", "--rate", "often"], "must be a number from 3 to 60, not 'often'"),
        (["run", "--tracker", "psychic"], "must be one of template, none, csrt, kcf, mosse"),
        (["run", "--preview", "--record", "a.mp4"], "not allowed with argument"),
        (["run", "--frobnicate"], "unrecognized arguments: --frobnicate"),
        (["collect", "on"], "required: --dataset"),
        (["collect", "maybe", "--dataset", "x"], "invalid choice: 'maybe'"),
        (["collect", "on", "--dataset", "x", "--count", "0"], "'0' is not a positive"),
        (["train"], "required: TASK"),
        (["train", "magic", "x"], "invalid choice: 'magic'"),
        (["evaluate"], "required: MODEL"),
        (["calibrate", "--on", "x", "--off", "y", "--dataset", "z"], "not both"),
        (["train", "classifier", "x", "--seed", "-1"], "'-1' is not a whole number from 0"),
        (["train", "classifier", "x", "--expansion", "(70, 70)"], "'(70, 70)' is not a number"),
        (["train", "classifier", "x", "--epochs", "0"], "'0' is not a positive whole number"),
    ],
)
def test_wrong_usage_is_one_line_and_status_2(arguments, words, capsys):
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert words in error
    assert len(error.splitlines()) == 1


class TestBadInput:
    """Each ends with one clear line, a status that is not 0, and no traceback."""

    def test_missing_file(self):
        assert "does not exist; check --source" in complaint("run", "--source", "missing.mp4")

    def test_unreadable_video(self, tmp_path):
        path = tmp_path / "notes.mp4"
        path.write_text("buy milk\n" * 1000)
        assert "cannot read video from" in complaint("run", "--dry-run", "--source", path)

    def test_video_that_ends_mid_way(self, make_video):
        path = make_video(frames=100)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        done = run("run", "--dry-run", "--no-realtime", "--source", path)
        assert done.returncode == 1
        assert "damaged or cut off" in done.stderr.splitlines()[-1]
        assert "Traceback" not in done.stderr

    def test_no_camera(self):
        assert "no camera at /dev/video77" in complaint("run", "--source", "77")

    def test_a_device_that_is_no_camera(self):
        assert "/dev/null is not a camera" in complaint("run", "--source", "/dev/null")

    def test_a_camera_of_an_unknown_name(self):
        words = complaint("run", "--dry-run", "--source", "Frobnicator 3000")
        assert "no camera is called 'Frobnicator 3000' and no file either" in words

    def test_corrupt_model(self, tmp_path, make_video):
        path = tmp_path / "model.onnx"
        path.write_bytes(b"\x00" * 100)
        words = complaint("run", "--source", make_video(), "--model", path)
        assert "is not a usable ONNX model" in words

    def test_foreign_model(self, tmp_path, make_video):
        path = brightness_model(tmp_path / "model.onnx", metadata={})
        words = complaint("run", "--source", make_video(), "--model", path)
        assert "does not describe itself" in words

    def test_model_of_another_task(self, tmp_path, make_video):
        path = brightness_model(tmp_path / "model.onnx", metadata={"task": "identity"})
        words = complaint("run", "--source", make_video(), "--model", path)
        assert "for the task 'identity', not for 'headphones'" in words

    def test_missing_model(self, make_video):
        words = complaint("run", "--source", make_video(), "--model", "missing.onnx")
        assert "missing.onnx does not exist; check --model" in words

    def test_no_session_bus(self, no_bus, make_video):
        words = complaint("run", "--source", make_video())
        assert "no session bus" in words
        assert "dbus-run-session" in words

    def test_impossible_player_name(self, make_video):
        words = complaint("run", "--source", make_video(), "--player", "my player", status=2)
        assert "must be players' names" in words

    def test_unknown_player(self, bus_address, make_video):
        words = complaint("run", "--source", make_video(), "--player", "nosuchplayer", status=2)
        assert "no player 'nosuchplayer' runs (running: none)" in words

    @pytest.mark.parametrize("display", ["", ":77"])
    def test_preview_without_a_screen(self, monkeypatch, make_video, display):
        monkeypatch.setenv("DISPLAY", display)
        words = complaint("run", "--dry-run", "--preview", "--source", make_video())
        assert "--preview needs a screen" in words

    @pytest.mark.parametrize("name", ["out.gif", "nowhere/out.mp4"])
    def test_a_recording_that_cannot_be(self, make_video, name):
        words = complaint("run", "--dry-run", "--source", make_video(), "--record", name)
        assert "--record" in words

    def test_collecting_without_a_face(self, tmp_path, make_video):
        words = complaint("collect", "on", "--dataset", tmp_path, "--source", make_video())
        assert "nothing was collected: no face was found" in words

    @pytest.mark.parametrize("command", ["collect on --dataset new", "calibrate --on x --off x"])
    def test_the_configured_detector_is_used(self, tmp_path, monkeypatch, make_video, command):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
        monkeypatch.setenv("FACECTRL_FAST_DETECTOR", "yunet")
        make_video().rename("x")
        assert "the detector yunet needs its file" in complaint(*command.split(), "--source", "x")

    def test_collecting_into_a_file(self, tmp_path, make_video):
        path = tmp_path / "dataset"
        path.write_text("no folder")
        words = complaint("collect", "on", "--dataset", path, "--source", make_video())
        assert f"cannot write to {path}/on: Not a directory" in words

    def test_collecting_from_nowhere_makes_no_folder(self, tmp_path):
        words = complaint("collect", "on", "--dataset", tmp_path / "new", "--source", "77")
        assert "no camera at /dev/video77" in words
        assert not (tmp_path / "new").exists()

    @pytest.mark.train
    def test_training_on_nothing(self, tmp_path):
        assert "on/ has 0 pictures" in complaint("train", "classifier", tmp_path)


def test_dry_run_needs_no_bus_and_says_what_it_would_do(no_bus, make_video):
    done = run("run", "--dry-run", "--no-realtime", "--source", make_video(frames=80))
    assert done.returncode == 0, done.stderr
    assert "nobody there: pausing dry-run" in done.stderr


def test_recording_what_is_seen(tmp_path, make_video):
    import cv2

    out = tmp_path / "out.mp4"
    source = make_video(frames=60, rate=20)
    done = run("run", "--dry-run", "--no-realtime", "--source", source, "--record", out)
    assert done.returncode == 0, done.stderr
    capture = cv2.VideoCapture(str(out))
    assert capture.get(cv2.CAP_PROP_FRAME_COUNT) == pytest.approx(30, abs=2)
    assert capture.read()[0]
    capture.release()


def test_the_preview_window(make_video):
    assert shutil.which("xvfb-run"), "xvfb is not installed: make test installs it"
    source = make_video(frames=20, size=(320, 240))
    arguments = ["run", "--dry-run", "--preview", "--source", str(source)]
    done = subprocess.run(
        ["xvfb-run", "-a", *PROGRAM, *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "ended" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_cleanly(number, bus_address, make_video):
    process = subprocess.Popen(
        [*PROGRAM, "run", "--source", str(make_video())],
        stderr=subprocess.PIPE,
        text=True,
    )
    line = process.stderr.readline()
    assert "waiting for a media player" in line
    os.kill(process.pid, number)
    begin = time.monotonic()
    _, rest = process.communicate(timeout=30)
    assert time.monotonic() - begin < 10
    assert process.returncode == 0
    assert "Traceback" not in rest


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_ends_it_cleanly_while_it_still_starts(name):
    code = f"""
        import os, signal, sys
        from facectrl_fast import cli

        class Impatient:
            def find_spec(self, module, path=None, target=None):
                if module == "onnxruntime":
                    os.kill(os.getpid(), signal.{name})

        sys.meta_path.insert(0, Impatient())
        cli.main(["run", "--dry-run", "--source", "none.mp4"])
        raise SystemExit("it went on")
    """
    done = subprocess.run(
        [sys.executable, "-c", dedent(code)], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_recording_is_not_written_over_itself(make_video, capsys):
    video = make_video()
    before = video.read_bytes()
    again = video.parent / "." / video.name
    assert main(["run", "--dry-run", "--source", str(video), "--record", str(again)]) == 2
    assert "is the recording to look at" in capsys.readouterr().err
    assert video.read_bytes() == before


def test_a_picture_is_not_drawn_over(tmp_path, capsys):
    picture = tmp_path / "me.png"
    cv2.imwrite(str(picture), np.zeros((80, 80, 3), np.uint8))
    before = picture.read_bytes()
    assert main(["detect", str(picture), "--out", str(picture)]) == 1
    assert "is the picture itself" in capsys.readouterr().err
    assert picture.read_bytes() == before


@pytest.mark.parametrize("command", [["detect", "a\udcff.jpg"], ["run", "--source", "a\udcff.mp4"]])
def test_names_that_are_no_text_are_refused(command, capsys):
    assert main(command) == 2
    error = capsys.readouterr().err
    assert "is no text in UTF-8: rename it" in error
    assert len(error.splitlines()) == 1


def test_doctor_names_what_is_wrong(no_bus):
    done = run("doctor", "--source", "77")
    assert done.returncode == 1
    lines = {line.split()[0]: line for line in done.stdout.splitlines() if line}
    assert "WRONG" in lines["camera"]
    assert "no session bus" in lines["session"]
    assert "ok" in lines["model"]
    assert lines["First:"].startswith("First: camera: no camera at /dev/video77")
    assert done.stderr == ""


def test_doctor_is_content(bus_address, make_video):
    done = run("doctor", "--source", make_video())
    assert done.returncode == 0, done.stdout
    assert "WRONG" not in done.stdout
    assert "none runs now" in done.stdout
