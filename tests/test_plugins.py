"""Plug-ins of other packages are found by their entry points: those of examples/plugins."""

import logging
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from facectrl_fast.cli import main
from tests.entry_points import install

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

EXAMPLES = Path(__file__).parents[1] / "examples" / "plugins"


def install_examples(folder, monkeypatch):
    """The plug-ins of examples/plugins, for a test."""
    project = tomllib.loads((EXAMPLES / "pyproject.toml").read_text())["project"]
    install(folder, project["entry-points"])
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.syspath_prepend(str(EXAMPLES))


@pytest.fixture
def installed(tmp_path, monkeypatch):
    install_examples(tmp_path / "site", monkeypatch)


@pytest.fixture
def lamp(tmp_path):
    """A folder of pictures of a lamp in the dark."""
    folder = tmp_path / "lamp"
    folder.mkdir()
    for number in range(12):
        image = np.full((240, 320, 3), 10, np.uint8)
        cv2.ellipse(image, (150 + number, 100), (40, 50), 0, 0, 360, (220, 220, 220), -1)
        cv2.imwrite(str(folder / f"{number:02}.png"), image)
    return folder


def test_a_source_a_detector_and_a_tracker_are_used_like_our_own(installed, lamp, caplog):
    caplog.set_level(logging.INFO)
    arguments = ["--detector", "brightest", "--tracker", "still", "--mode", "presence"]
    assert main(["run", "--source", f"pictures:{lamp}", *arguments, "--dry-run"]) == 0
    assert "somebody there: nothing to do (dry-run is playing)" in caplog.text


def test_a_detector_is_compared_with_others(installed, lamp, tmp_path, capsys):
    pytest.importorskip("pycocotools")
    boxes = tmp_path / "boxes.txt"
    boxes.write_text("".join(f"{110 + k},50,80,100\n" for k in range(12)))
    assert main(["evaluate-detector", "brightest", str(lamp), "--boxes", str(boxes)]) == 0
    row = next(line for line in capsys.readouterr().out.splitlines() if "brightest" in line)
    assert row.split("|")[2].strip() == "1.000", "average precision"


def test_the_configuration_may_name_one(installed, monkeypatch):
    from facectrl_fast.settings import load_settings

    monkeypatch.setenv("FACECTRL_FAST_DETECTOR", "brightest")
    assert load_settings({}).options.detector == "brightest"


def test_a_name_that_nobody_offers_is_refused(installed, capsys):
    assert main(["run", "--detector", "nothing"]) == 2
    assert "or a plug-in's, not 'nothing'" in capsys.readouterr().err


def test_a_source_tells_what_is_wrong(installed, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    assert main(["run", "--source", f"pictures:{tmp_path / 'empty'}", "--dry-run"]) == 1
    assert "holds no .png or .jpg" in capsys.readouterr().err


def test_one_that_cannot_be_imported_is_told_in_a_line(tmp_path, monkeypatch, make_video, capsys):
    install(tmp_path / "site", {"facectrl_fast.trackers": {"broken": "nowhere:Tracker"}})
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    assert main(["run", "--source", str(make_video()), "--tracker", "broken", "--dry-run"]) == 1
    told = capsys.readouterr().err
    assert len(told.splitlines()) == 1
    assert "the plug-in 'broken' (nowhere:Tracker) cannot be used" in told


def test_one_that_cannot_be_made_is_told_in_a_line(tmp_path, monkeypatch, capsys):
    install(tmp_path / "site", {"facectrl_fast.sources": {"wrong": "decimal:Decimal"}})
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    assert main(["run", "--source", "wrong:number", "--dry-run"]) == 1
    told = capsys.readouterr().err
    assert len(told.splitlines()) == 1
    assert "the plug-in 'wrong' (decimal) cannot be used: InvalidOperation" in told


def test_two_of_one_name_are_no_guess(installed, tmp_path, monkeypatch, make_video, capsys):
    offered = {"facectrl_fast.trackers": {"still": "elsewhere:Tracker"}}
    install(tmp_path / "other", offered, name="others")
    monkeypatch.syspath_prepend(str(tmp_path / "other"))
    assert main(["run", "--source", str(make_video()), "--tracker", "still", "--dry-run"]) == 1
    assert "several plug-ins are called 'still'" in capsys.readouterr().err


def test_a_task_that_is_not_named_is_not_imported(tmp_path, monkeypatch, capsys):
    install(tmp_path / "site", {"facectrl_fast.tasks": {"broken": "nowhere:Task"}})
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    with pytest.raises(SystemExit):
        main(["train", "--help"])
    assert "another package's" in capsys.readouterr().out
    assert main(["train", "broken", "set"]) == 1
    assert "the plug-in 'broken' (nowhere:Task) cannot be used" in capsys.readouterr().err


def test_our_own_names_go_first_and_look_nothing_up(installed, monkeypatch):
    from facectrl_fast import plugins
    from facectrl_fast.vision.detect import open_detector

    monkeypatch.setattr(plugins, "make", lambda *_: pytest.fail("looked up"))
    assert open_detector("tiny").name == "tiny"


@pytest.mark.train
def test_a_task_trains_with_our_engine(installed, tmp_path, capsys):
    pytest.importorskip("torch", reason="PyTorch is not installed: make test-all installs it")
    rng = np.random.default_rng(0)
    for label, rows in (("on", slice(5, 30)), ("off", slice(65, 90))):
        (tmp_path / "set" / label).mkdir(parents=True)
        for number in range(40):
            image = rng.integers(60, 120, (96, 96), dtype=np.uint8)
            image[rows] = 230
            cv2.imwrite(str(tmp_path / "set" / label / f"p{number % 8}__{number}.png"), image)
    command = ["train", "linear", str(tmp_path / "set"), "--out", str(tmp_path / "run")]
    assert main([*command, "--epochs", "6"]) == 0
    assert "balanced accuracy 100.0%" in capsys.readouterr().out
    assert (tmp_path / "run/report.html").exists()
    assert main(["evaluate", str(tmp_path / "run/model.onnx"), str(tmp_path / "set")]) == 0
