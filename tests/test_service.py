"""The systemd unit that is written, and what is said where there is no systemd."""

import os
import re
import shutil
import subprocess

import pytest

from facectrl_fast import service
from facectrl_fast.cli import main
from facectrl_fast.errors import UsageError
from facectrl_fast.settings import config_path


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path


@pytest.fixture
def systemctl(tmp_path, monkeypatch):
    """Takes the place of systemctl: notes what it is asked, and answers as told."""

    def make(script="exit 0"):
        folder = tmp_path / "bin"
        folder.mkdir()
        program = folder / "systemctl"
        notes = tmp_path / "asked"
        program.write_text(f'#!/bin/sh\necho "$*" >> {notes}\n{script}\n')
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
        return notes

    return make


@pytest.mark.parametrize("version", [252, 254])
def test_systemd_finds_nothing_wrong_with_it(tmp_path, monkeypatch, version):
    """As systemd-analyze sees it; the real thing is tests/systemd."""
    assert shutil.which("systemd-analyze"), "systemd is not installed: make test installs it"
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    path = tmp_path / service.NAME
    path.write_text(service.unit(version))
    command = ["systemd-analyze", "--user", "verify", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    complaints = [
        line
        for line in done.stderr.splitlines()
        # What this machine's systemd is too old for.
        if service.NAME in line
        and not (version >= 254 and re.search("Unknown key (name )?'Restart", line))
    ]
    assert complaints == []
    assert done.returncode == 0


def test_systemd_judges_what_it_gives_away(tmp_path):
    """As the documentation says it."""
    path = tmp_path / service.NAME
    path.write_text(service.unit(252))
    command = ["systemd-analyze", "security", "--offline=yes", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    exposure = float(re.search(r"Overall exposure level for .*: ([\d.]+)", done.stdout)[1])
    assert exposure < 5


@pytest.mark.parametrize(("prefix", "private"), [("/opt/venv", "yes"), ("/tmp/venv", "no")])
def test_a_program_below_tmp_must_find_itself(monkeypatch, prefix, private):
    monkeypatch.setattr(service, "__file__", "/opt/venv/facectrl_fast/service.py")
    monkeypatch.setattr(service.sys, "prefix", prefix)
    assert f"PrivateTmp={private}\n" in service.unit(252)


def test_it_waits_longer_before_each_restart_where_systemd_can():
    assert "RestartSteps=" in service.unit(254)
    assert "RestartSteps=" not in service.unit(252)


def test_a_source_on_the_network_gets_one(home):
    assert "RestrictAddressFamilies=AF_UNIX\n" in service.unit(252)
    config_path().parent.mkdir(parents=True)
    config_path().write_text('source = "rtsp://camera.local/stream"')
    assert "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6\n" in service.unit(252)


@pytest.mark.parametrize(
    ("path", "quoted"),
    [
        ("/usr/bin/python3", "/usr/bin/python3"),
        ("/my files/python3", '"/my files/python3"'),
        ("/50%/python3", "/50%%/python3"),
        ('/a"b$c/d', '"/a\\"b$$c/d"'),
    ],
)
def test_odd_paths_are_written_as_systemd_reads_them(path, quoted):
    assert service._quoted(path) == quoted


def test_installing_starts_it_where_there_is_a_graphical_session(home, systemctl, capsys):
    notes = systemctl()
    assert main(["service", "install"]) == 0
    assert service.unit_path() == home / "config" / "systemd" / "user" / service.NAME
    assert "ExecStart=" in service.unit_path().read_text()
    asked = notes.read_text().splitlines()
    assert asked[-4:] == [
        "--user daemon-reload",
        f"--user enable {service.NAME}",
        "--user is-active graphical-session.target",
        f"--user restart {service.NAME}",
    ]
    assert "it runs" in capsys.readouterr().out
    assert main(["service", "remove"]) == 0
    assert not service.unit_path().exists()


def test_without_a_graphical_session_it_says_when_it_starts(home, systemctl, capsys):
    systemctl('[ "$2" != is-active ]')
    assert main(["service", "install"]) == 0
    assert "it starts with your next graphical session" in capsys.readouterr().out


def test_what_systemd_says_is_told_in_one_line(home, systemctl, capsys):
    systemctl('[ "$1" = --version ] || { echo "Failed to connect" to bus >&2; exit 1; }')
    assert main(["service", "install"]) == 1
    assert capsys.readouterr().err == (
        "facectrl-fast: systemctl --user daemon-reload: Failed to connect to bus\n"
    )


def test_a_wrong_configuration_installs_nothing(home, systemctl):
    systemctl()
    config_path().parent.mkdir(parents=True)
    config_path().write_text("rate = 1000")
    with pytest.raises(UsageError, match="rate must be"):
        service.install(print)
    assert not service.unit_path().exists()


def test_without_systemd(home, monkeypatch, capsys):
    monkeypatch.setenv("PATH", str(home))
    for what in ("install", "status"):
        assert main(["service", what]) == 1
        assert "there is no systemd here" in capsys.readouterr().err
    assert main(["service", "logs"]) == 1
    assert "there is no journal" in capsys.readouterr().err
    assert service.state() == "not installed"


def test_removing_what_is_not_there(home, capsys):
    assert main(["service", "remove"]) == 1
    assert "the service is not installed: there is no " in capsys.readouterr().err


def test_the_unit_can_be_looked_at(home, capsys):
    assert main(["service", "unit"]) == 0
    assert capsys.readouterr().out.startswith("# Written by 'facectrl-fast service install'")
