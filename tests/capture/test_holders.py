"""Naming the programs that use a device."""

import subprocess
import sys

import pytest

from facectrl_fast.capture.holders import holders

OPEN = "import sys; f = open(sys.argv[1], 'rb')"
MAP = "import mmap; m = mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ)"
WAIT = "print(flush=True); sys.stdin.read()"


@pytest.fixture
def device(tmp_path):
    path = tmp_path / "video0"
    path.write_bytes(bytes(4096))
    return path


@pytest.fixture
def start(device):
    running = []

    def run(*code):
        command = [sys.executable, "-c", "; ".join([*code, WAIT]), str(device)]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        running.append(process)
        process.stdout.readline()
        return process

    yield run
    for process in running:
        process.communicate()


def test_nobody(device):
    assert holders(device) == []


def test_whoever_has_it_open(device, start):
    process = start(OPEN)
    (name,) = holders(device)
    assert name.endswith(f"(process {process.pid})")
    assert name.startswith("python")


def test_whoever_has_it_mapped_rather_than_who_merely_looks(device, start):
    start(OPEN)
    streaming = start(OPEN, MAP)
    assert [name.split("process ")[1] for name in holders(device)] == [f"{streaming.pid})"]


def test_not_ourselves(device):
    with device.open("rb"):
        assert holders(device) == []


def test_processes_that_may_not_be_looked_into_are_passed_over(tmp_path, device):
    for pid in ("1", "2"):
        (tmp_path / pid).mkdir()
    (tmp_path / "2" / "fd").mkdir()
    (tmp_path / "2" / "fd" / "3").symlink_to(device)
    assert holders(device, proc=tmp_path) == ["a program (process 2)"]
