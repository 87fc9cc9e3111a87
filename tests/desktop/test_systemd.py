"""What the service manager hears, from the program in a process of its own."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from facectrl_fast.decide.policy import Status
from facectrl_fast.player.private_bus import PrivateBus
from tests.desktop.test_session import Logind

PLAYING, PAUSED, _ = Status


class Manager:
    """The socket that systemd listens on."""

    def __init__(self, address):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + address[1:] if address.startswith("@") else address)
        self.socket.settimeout(20)
        self.address = address
        self.heard = []

    def hears(self, word):
        while not any(word in message for message in self.heard):
            self.heard.append(self.socket.recv(4096).decode())
        return True


@pytest.fixture(params=["path", "abstract"])
def manager(request, tmp_path):
    made = Manager(
        f"{tmp_path}/notify" if request.param == "path" else f"@facectrl-test-{os.getpid()}"
    )
    yield made
    made.socket.close()


@pytest.fixture
def start(bus_address, manager):
    started = []

    def go(*arguments, **environment):
        command = [sys.executable, "-m", "facectrl_fast", "run", *map(str, arguments)]
        environment = {**os.environ, "NOTIFY_SOCKET": manager.address, **environment}
        started.append(
            subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
        )
        return started[-1]

    yield go
    for process in started:
        process.kill()
        process.communicate()


def ends_within(process, seconds):
    begin = time.monotonic()
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0
    return time.monotonic() - begin < seconds


def test_it_is_ready_alive_and_stops_in_time_without_a_player(start, manager, make_video):
    process = start("--source", make_video(), WATCHDOG_USEC="400000")
    assert manager.hears("READY=1")
    assert manager.hears("STATUS=waiting for a player")
    for _ in range(3):
        manager.heard.clear()
        begin = time.monotonic()
        assert manager.hears("WATCHDOG=1")
        assert time.monotonic() - begin < 0.4
    assert ends_within(process, 2)
    assert manager.hears("STOPPING=1")


def test_while_it_watches(start, manager, make_video, builtin, loop):
    builtin("a", PLAYING)
    process = start("--source", make_video(frames=1200), WATCHDOG_USEC="400000")
    # The player lives in this process, and has to answer.
    loop.call_later(1.5, loop.quit)
    loop.run()
    assert manager.hears("STATUS=watching")
    assert ends_within(process, 2)
    assert manager.hears("STOPPING=1")


def test_while_it_is_held(start, manager, make_video):
    process = start("--source", make_video())
    assert manager.hears("READY=1")
    subprocess.run([sys.executable, "-m", "facectrl_fast", "hold", "1h"], check=True, timeout=60)
    assert manager.hears("STATUS=held")
    assert ends_within(process, 2)


def test_while_the_screen_is_locked(start, manager, make_video):
    with PrivateBus() as address:
        logind = Logind(address)
        logind.hint(True)
        process = start("--source", make_video(), DBUS_SYSTEM_BUS_ADDRESS=address)
        assert manager.hears("STATUS=the screen is locked")
        assert ends_within(process, 2)
        logind.end()


def test_while_it_waits_for_the_camera(start, manager, builtin, loop):
    builtin("a", PLAYING)
    process = start("--source", "77")
    loop.call_later(1.5, loop.quit)
    loop.run()
    assert manager.hears("STATUS=waiting for the camera")
    assert ends_within(process, 2)


def test_while_a_call_may_need_the_camera(start, manager, builtin, loop, make_video):
    builtin("a", PLAYING)
    # What runs for sure, and has a name that nobody else waits for.
    name = Path("/proc/self/comm").read_text().strip()
    process = start("--source", make_video(), "--yield-camera", "--yield-to", name)
    loop.call_later(1.5, loop.quit)
    loop.run()
    assert manager.hears("STATUS=a call may need the camera")
    assert ends_within(process, 2)


def test_without_a_watchdog_there_are_no_signs_of_life(start, manager, make_video):
    process = start("--source", make_video(), WATCHDOG_USEC="100000", WATCHDOG_PID="1")
    assert manager.hears("STATUS=")
    manager.socket.settimeout(0.5)
    with pytest.raises(TimeoutError):
        manager.hears("WATCHDOG")
    manager.socket.settimeout(20)
    assert ends_within(process, 2)


def test_a_service_waits_for_a_camera_and_a_player_that_are_not_there_yet(start, manager):
    """Who starts at login may be first; on a terminal both are mistakes."""
    process = start("--source", "77", "--player", "nosuchplayer")
    assert "no camera at /dev/video77" in process.stderr.readline()
    assert "waiting for nosuchplayer" in process.stderr.readline()
    assert manager.hears("READY=1")
    assert ends_within(process, 2)


def test_a_manager_that_does_not_listen_is_no_trouble(start, manager, make_video):
    process = start("--source", make_video(), NOTIFY_SOCKET="/nowhere/at/all")
    assert "waiting for a media player" in process.stderr.readline()
    assert ends_within(process, 2)
