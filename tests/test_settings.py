"""Options from the command line, the environment, a file and the defaults."""

import os
import stat
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from facectrl_fast.arguments import make_parser
from facectrl_fast.cli import main
from facectrl_fast.config import RunOptions
from facectrl_fast.errors import UsageError, UserError
from facectrl_fast.settings import (
    KINDS,
    as_toml,
    config_path,
    load_settings,
    read_config,
    show,
    template,
)
from facectrl_fast.setup import remember


@pytest.fixture
def config(tmp_path, monkeypatch):
    """Writes the user's configuration file."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))

    def write(text):
        path = config_path()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def options(**given):
    return load_settings(given).options


def test_every_option_of_a_run_can_be_configured():
    assert set(KINDS) == {field.name for field in fields(RunOptions)}


def test_without_any_of_them_the_defaults_hold():
    assert options() == RunOptions()


def test_the_command_line_goes_before_the_environment_before_the_file(config, monkeypatch):
    config('source = "file"\nrate = 5\ntracker = "none"\n')
    assert (options().source, options().rate) == ("file", 5)
    monkeypatch.setenv("FACECTRL_FAST_SOURCE", "environment")
    monkeypatch.setenv("FACECTRL_FAST_RATE", "7")
    assert (options().source, options().rate) == ("environment", 7)
    assert options(source="command line").source == "command line"
    assert options(source="command line").rate == 7
    assert options().tracker == "none"


def test_all_kinds_of_values(config, monkeypatch):
    path = config(
        'player = ["spotify", "org.mpris.MediaPlayer2.mpv"]\nnotify = true\nrate = 4.5\n'
        'model = "mine.onnx"\nrecord = "/tmp/x.mp4"\nmode = "presence"\n'
    )
    chosen = options()
    assert chosen.player == ("spotify", "mpv")
    assert chosen.notify is True
    assert chosen.rate == 4.5
    assert chosen.model == path.parent / "mine.onnx"
    assert chosen.record == Path("/tmp/x.mp4")
    monkeypatch.setenv("FACECTRL_FAST_PLAYER", "vlc, firefox")
    monkeypatch.setenv("FACECTRL_FAST_NOTIFY", "no")
    monkeypatch.setenv("FACECTRL_FAST_MODEL", "")
    assert options().player == ("vlc", "firefox")
    assert options().notify is False
    assert options().model == path.parent / "mine.onnx", "empty means not said"
    monkeypatch.setenv("FACECTRL_FAST_PLAYER", "all")
    assert options().player == ()
    assert options(player=["mpv"]).player == ("mpv",)


WRONG = {
    'sorce = "x"': "there is no 'sorce'; is 'source' meant?",
    "[zzz]\nrate = 5": "there is no 'zzz'; there are source, backend,",
    "rate = 2": "rate must be a number from 3 to 60, not 2",
    "rate = nan": "rate must be a number from 3 to 60, not nan",
    "rate = true": "rate must be a number from 3 to 60, not true",
    'rate = "5"': 'rate must be a number from 3 to 60, not "5"',
    "notify = 1": "notify must be true or false, not 1",
    'notify = "yes"': 'notify must be true or false, not "yes"',
    'tracker = "psychic"': "tracker must be one of template, none, csrt, kcf, mosse",
    'player = "mpv"': "player must be players' names, such as",
    'player = ["my player"]': "player must be players' names, such as",
    "player = [1]": "player must be players' names, such as",
    'source = ""': 'source must be a text, not ""',
    "model = 5": "model must be the name of a file, not 5",
    "rate = ": "is no TOML: Invalid value (at ",
    "rate = 5\nrate = 6": "is no TOML: Cannot overwrite a value",
    "rate = 1979-05-27": "rate must be a number from 3 to 60",
    b"\xff\xfe": "is no text in UTF-8",
    "a = " + "[" * 5000: "is no TOML",
}


@pytest.mark.parametrize(("text", "words"), WRONG.items(), ids=map(str, range(len(WRONG))))
def test_what_is_wrong_is_one_clear_line(config, text, words):
    path = config(text)
    with pytest.raises(UsageError) as error:
        options()
    assert words in str(error.value)
    assert str(error.value).startswith(str(path))
    assert len(str(error.value).splitlines()) == 1
    assert len(str(error.value)) < 400


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("RATE", "often", "FACECTRL_FAST_RATE must be a number from 3 to 60, not 'often'"),
        ("NOTIFY", "maybe", "FACECTRL_FAST_NOTIFY must be true or false, not 'maybe'"),
        ("MODE", "x", "FACECTRL_FAST_MODE must be one of headphones, presence, not 'x'"),
    ],
)
def test_a_variable_that_is_wrong(monkeypatch, name, text, words):
    monkeypatch.setenv(f"FACECTRL_FAST_{name}", text)
    with pytest.raises(UsageError) as error:
        options()
    assert str(error.value) == words


def test_a_variable_that_does_not_exist(monkeypatch):
    monkeypatch.setenv("FACECTRL_FAST_SORCE", "x")
    with pytest.raises(UsageError, match="no FACECTRL_FAST_SORCE; is 'source' meant"):
        options()


def test_all_players_again(config, capsys):
    config('player = ["mpv"]')
    arguments = make_parser().parse_args(["run", "--player", "all"])
    assert options(**vars(arguments)).player == ()
    arguments = make_parser().parse_args(["run", "--player", "vlc", "--player", "mpv,spotify"])
    assert options(**vars(arguments)).player == ("vlc", "mpv", "spotify")


def test_nobody_to_ignore_again(config):
    config('ignore = ["mpv"]')
    arguments = make_parser().parse_args(["run", "--ignore", "none"])
    assert options(**vars(arguments)).ignore == ()
    config('ignore = ["all"]')
    with pytest.raises(UsageError, match="ignore must be players' names"):
        options()


def test_somebody_s_home_that_nobody_knows(config):
    config('model = "~nosuchuser/model.onnx"')
    with pytest.raises(UsageError, match="model must be the name of a file"):
        options()


def test_a_file_that_may_not_be_read(config):
    path = config("rate = 5")
    path.unlink()
    path.mkdir()
    with pytest.raises(UserError, match="cannot be read: Is a directory"):
        options()


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


def is_fine_or_one_line(path):
    try:
        RunOptions(**read_config(path))
    except UserError as error:
        said = str(error)
        assert said.isprintable(), said


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_no_file_makes_it_stumble(tmp_path, content):
    path = tmp_path / "config.toml"
    path.write_bytes(content)
    is_fine_or_one_line(path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(key=st.sampled_from(sorted(KINDS)) | st.text(max_size=10), value=VALUES)
def test_no_value_makes_it_stumble(tmp_path, key, value):
    def toml(value):
        if value is None:
            return "{}"
        if isinstance(value, dict):
            inner = ", ".join(f"{as_toml(k)} = {toml(v)}" for k, v in value.items())
            return f"{{{inner}}}"
        if isinstance(value, list):
            return f"[{', '.join(map(toml, value))}]"
        return repr(value) if isinstance(value, float) else as_toml(value)

    path = tmp_path / "config.toml"
    path.write_text(f"{as_toml(key)} = {toml(value)}", encoding="utf-8", errors="replace")
    is_fine_or_one_line(path)


@given(st.sampled_from(sorted(KINDS)), st.text(max_size=20).filter(lambda text: "\0" not in text))
def test_no_variable_makes_it_stumble(name, text):
    environment = {"FACECTRL_FAST_" + name.upper(): text, "XDG_CONFIG_HOME": "/nowhere"}
    try:
        load_settings({}, environment=environment)
    except UserError as error:
        assert name.upper() in str(error)  # noqa: PT017  # which may be raised, or not


def test_showing_tells_where_each_was_said_and_can_be_read_again(config, monkeypatch, tmp_path):
    config('player = ["mpv"]\nrate = 5\nsource = "a \\"b\\" # c"\n')
    monkeypatch.setenv("FACECTRL_FAST_RATE", "6")
    shown = show(load_settings({"notify": True}))
    lines = {line.split(" = ")[0]: line for line in shown.splitlines()}
    assert lines["player"].endswith(f"# {config_path()}")
    assert lines["rate"].endswith("# FACECTRL_FAST_RATE")
    assert lines["notify"].endswith("# command line")
    assert lines["tracker"].endswith("# default")
    again = tmp_path / "again.toml"
    again.write_text(shown)
    said = read_config(again)
    assert said["player"] == ("mpv",)
    assert said["source"] == 'a "b" # c'
    assert said["rate"] == 6


def test_the_command_line_shows_and_names_it(config, capsys):
    path = config("rate = 5")
    assert main(["config", "path"]) == 0
    assert main(["config", "show"]) == 0
    first, *rest = capsys.readouterr().out.splitlines()
    assert first == str(path)
    assert any(line.startswith("rate = 5 ") for line in rest)


def editor(tmp_path, script):
    path = tmp_path / "editor"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def test_editing_begins_with_a_template_that_changes_nothing(config, tmp_path, monkeypatch):
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", editor(tmp_path, 'echo "rate = 5" >> "$1"'))
    assert main(["config", "edit"]) == 0
    assert config_path().read_text() == template() + "rate = 5\n"
    assert read_config(config_path()) == {"rate": 5}
    assert {line[2:].split(" =")[0] for line in template().splitlines()[2:]} == set(KINDS)


def test_what_was_edited_wrongly_is_told_and_kept(config, tmp_path, monkeypatch, capsys):
    config("# mine\n")
    monkeypatch.setenv("VISUAL", editor(tmp_path, 'echo "rte = 5" >> "$1"'))
    assert main(["config", "edit"]) == 2
    assert "there is no 'rte'; is 'rate' meant?" in capsys.readouterr().err
    assert config_path().read_text() == "# mine\nrte = 5\n"
    monkeypatch.setenv("VISUAL", "vi 'unfinished")
    assert main(["config", "edit"]) == 1
    assert "EDITOR is no command" in capsys.readouterr().err
    monkeypatch.setenv("VISUAL", "no-such-editor")
    assert main(["config", "edit"]) == 1
    assert "no editor 'no-such-editor'" in capsys.readouterr().err


def test_one_option_is_remembered_and_the_rest_stays(config):
    config("# mine\nrate = 5 # slow\n\nsource = 'x'\n")
    remember("source", "Integrated Camera")
    remember("notify", True)
    assert options().source == "Integrated Camera"
    assert config_path().read_text() == (
        '# mine\nrate = 5 # slow\n\nsource = "Integrated Camera"\nnotify = true\n'
    )


def test_the_program_uses_them(config, make_video):
    """In a process of its own, as users run it."""
    config(f'source = "{make_video(frames=40)}"\nrealtime = false\ndry_run = true\n')
    command = [sys.executable, "-m", "facectrl_fast", "run"]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False, env=os.environ
    )
    assert done.returncode == 0, done.stderr
    assert "clip" in done.stderr or "video.avi ended" in done.stderr
