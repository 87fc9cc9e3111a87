"""The service in a real systemd, with a real camera and a real player."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from facectrl_fast.service import NAME, unit_path
from facectrl_fast.settings import config_path

PROGRAM = [sys.executable, "-m", "facectrl_fast"]
MPRIS = "/usr/lib/mpv-mpris/mpris.so"


@pytest.fixture(autouse=True)
def no_model_of_ones_own():
    """The user is a new one: nothing to be kept from the tests."""


@pytest.fixture(autouse=True)
def no_options_of_ones_own():
    """The same."""


def facectrl(*arguments):
    return subprocess.run(
        [*PROGRAM, *arguments], capture_output=True, text=True, check=False, timeout=60
    )


def systemctl(*arguments):
    command = ["systemctl", "--user", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def told(name):
    return systemctl("show", "--value", "--property", name, NAME).stdout.strip()


def until(wish, seconds=120):
    """The emulated processor may need half a minute to start the program."""
    limit = time.monotonic() + seconds
    while not wish():
        assert time.monotonic() < limit, systemctl("status", NAME).stdout
        time.sleep(0.1)


@pytest.fixture
def service():
    done = facectrl("service", "install")
    assert done.returncode == 0, done.stderr
    started = systemctl("start", NAME)
    assert started.returncode == 0, systemctl("status", NAME).stdout
    yield
    facectrl("service", "remove")
    systemctl("reset-failed", NAME)
    assert not unit_path().exists()


@pytest.fixture
def player():
    options = ["--no-config", "--ao=null", "--vo=null", "--idle=yes", "--no-terminal"]
    process = subprocess.Popen(
        ["mpv", f"--script={MPRIS}", *options, "av://lavfi:anullsrc"], stdout=subprocess.DEVNULL
    )
    yield process
    process.kill()
    process.wait()


def stops_within(seconds):
    begin = time.monotonic()
    assert systemctl("stop", NAME).returncode == 0
    assert time.monotonic() - begin < seconds
    assert told("Result") == "success"


def test_it_is_ready_once_started_watches_and_stops_in_time(service, player):
    assert told("ActiveState") == "active"
    assert facectrl("service", "status").returncode == 0
    until(lambda: told("StatusText") == "watching, nobody there")
    told_of_it = facectrl("status").stdout
    assert told_of_it.startswith("watching\n")
    assert "players: mpv (paused)" in told_of_it
    stops_within(2)
    assert facectrl("service", "status").returncode == 3
    assert systemctl("start", NAME).returncode == 0
    facectrl("hold", "1h")
    assert told("StatusText") == "held"
    stops_within(2)


def test_killed_it_is_started_again(service):
    before = int(told("MainPID"))
    os.kill(before, signal.SIGKILL)
    until(lambda: told("ActiveState") == "active" and int(told("MainPID")) not in (0, before))
    assert told("NRestarts") == "1"


def test_hanging_it_is_started_again(service):
    folder = unit_path().with_name(f"{NAME}.d")
    folder.mkdir()
    (folder / "test.conf").write_text("[Service]\nWatchdogSec=3\nTimeoutAbortSec=1\n")
    systemctl("daemon-reload")
    systemctl("restart", NAME)
    time.sleep(5)
    assert told("NRestarts") == "0", "it gives signs of life"
    os.kill(int(told("MainPID")), signal.SIGSTOP)
    until(lambda: told("NRestarts") == "1" and told("ActiveState") == "active")
    (folder / "test.conf").unlink()
    folder.rmdir()


def test_a_wrong_configuration_is_not_tried_again(service):
    path = config_path()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("rate = 1000")
    try:
        assert systemctl("restart", NAME).returncode != 0
        assert told("ActiveState") == "failed"
        assert told("ExecMainStatus") == "2"
        assert told("NRestarts") == "0"
    finally:
        path.unlink()


ATTEMPTS = {
    "writing into the home": "open(os.path.expanduser('~/x'), 'w')",
    "a connection to the network": "socket.socket(socket.AF_INET)",
    "memory that can be written and executed": "mmap.mmap(-1, 4096, prot=7)",
    "a namespace": "libc('unshare', 0x10000000)",
}
CODE = """
import ctypes, mmap, os, socket
def libc(name, *args):
    if getattr(ctypes.CDLL(None, use_errno=True), name)(*args) != 0:
        raise OSError(ctypes.get_errno(), name)
for attempt in %r:
    try:
        exec(attempt)
    except OSError:
        print("refused")
    else:
        print("done")
"""


def attempted(*hardening):
    """What comes of the attempts in a service with these properties."""
    run = ["systemd-run", "--user", "--quiet", "--wait", "--pipe", *hardening]
    code = CODE % list(ATTEMPTS.values())
    done = subprocess.run(
        [*run, sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    return dict(zip(ATTEMPTS, done.stdout.split(), strict=True))


def test_the_hardening_really_holds(service):
    status = Path(f"/proc/{told('MainPID')}/status").read_text()
    assert re.search(r"NoNewPrivs:\s+1", status)
    assert re.search(r"Seccomp:\s+2", status)
    unit = unit_path().read_text()
    section = unit.partition("nothing else is left to it")[2].partition("[Install]")[0]
    lines = [line for line in section.splitlines() if re.match(r"\w+=", line)]
    assert set(attempted().values()) == {"done"}, "without hardening"
    assert set(attempted(*(f"--property={line}" for line in lines)).values()) == {"refused"}
