"""Fixtures that several files share."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import cv2
import numpy as np
import pytest

from facectrl_fast.decide.policy import Status
from facectrl_fast.desktop.bus import SessionBus, open_session_bus
from facectrl_fast.mainloop import MainLoop
from facectrl_fast.player.builtin import BuiltinPlayer
from facectrl_fast.player.mpris import MprisPlayers
from facectrl_fast.player.private_bus import PrivateBus
from facectrl_fast.settings import KINDS, PREFIX
from tests.program import MPV, Program

SHARED_DATA = Path(__file__).parents[2] / "shared" / "data"


def pytest_report_header():
    camera = os.environ.get("FACECTRL_TEST_CAMERA")
    return f"tests/camera: {camera or 'left out, FACECTRL_TEST_CAMERA names no device'}"


def pytest_collection_modifyitems(items):
    if SHARED_DATA.is_dir():
        return
    skip = pytest.mark.skip(reason=f"the recordings are not here: {SHARED_DATA} is missing")
    for item in items:
        if item.get_closest_marker("acceptance"):
            item.add_marker(skip)


@pytest.fixture(autouse=True)
def no_model_of_ones_own(monkeypatch, tmp_path_factory):
    """Who runs the tests may have calibrated; the tests are about the packaged model."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path_factory.getbasetemp() / "no-data"))


@pytest.fixture(autouse=True)
def no_options_of_ones_own(monkeypatch, tmp_path_factory):
    """The same for what they configured."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.getbasetemp() / "no-config"))
    for name in KINDS:
        monkeypatch.delenv(PREFIX + name.upper(), raising=False)


@pytest.fixture(autouse=True)
def no_battery_of_ones_own(monkeypatch):
    """Whoever runs the tests on battery is to see what others see."""
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nowhere")


@pytest.fixture
def data() -> Path:
    """The folder of real recordings; only for acceptance tests."""
    return SHARED_DATA


@pytest.fixture
def loop():
    return MainLoop()


@pytest.fixture
def bus_address(monkeypatch):
    """A private session bus, also for child processes."""
    with PrivateBus() as address:
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", address)
        yield address


@pytest.fixture
def no_bus(monkeypatch, tmp_path):
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", f"unix:path={tmp_path}/nothing")
    # Without these libdbus looks for a bus of its own accord.
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.delenv("DISPLAY", raising=False)


@pytest.fixture
def make_video(tmp_path):
    """Writes a video of ``frames`` pictures, each brighter than the last, of a wall and a door."""

    def make(name="video.avi", frames=20, size=(64, 48), rate=20, fourcc="MJPG"):
        path = tmp_path / name
        writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*fourcc), rate, size)
        assert writer.isOpened()
        for number in range(frames):
            image = np.full((size[1], size[0], 3), 2 + 10 * (number % 23), np.uint8)
            image[:, size[0] // 2 :] += 16
            writer.write(image)
        writer.release()
        return path

    return make


MPRIS = "/usr/lib/mpv-mpris/mpris.so"


class Events:
    """Writes down what MprisPlayers reports, and ends the loop when a wish is met."""

    def __init__(self, loop):
        self._loop = loop
        self._wish = lambda: False
        self.log = []

    def _note(self, *event):
        self.log.append(event)
        if self._wish():
            self._loop.quit()

    def player_appeared(self, name, status):
        self._note("appeared", name, status)

    def player_vanished(self, name):
        self._note("vanished", name)

    def player_status(self, name, status):
        self._note("status", name, status)

    def player_settled(self, name, status):
        self._note("settled", name, status)

    def player_given_up(self, name):
        self._note("given up", name)

    def wait(self, wish, seconds=15.0):
        """Run the loop until the wish is met; False after ``seconds``."""
        if wish():
            return True
        self._wish = wish
        limit = self._loop.call_later(seconds, self._loop.quit)
        self._loop.run()
        self._loop.remove(limit)
        self._wish = lambda: False
        return wish()

    def wait_for_playing(self, name):
        """A player may play when it appears, or begin a moment later."""
        return self.wait(lambda: any(e[1:] == (name, Status.PLAYING) for e in self.log))

    def wait_for(self, *event, times=1, seconds=15.0):
        return self.wait(lambda: self.log.count(event) >= times, seconds)


@pytest.fixture
def events(loop):
    return Events(loop)


@pytest.fixture
def connect(bus_address):
    """Makes connections to the private bus."""
    connections = []

    def make():
        connections.append(open_session_bus(bus_address))
        return connections[-1]

    yield make
    for connection in connections:
        connection.close()


@pytest.fixture
def players(loop, bus_address, events):
    """Makes MprisPlayers that report to ``events``."""
    made = []

    def make(*wanted, ignored=()):
        bus = SessionBus(loop, bus_address)
        made.append(bus)
        made.append(MprisPlayers(loop, bus, events, wanted, ignored))
        made[-1].start()
        return made[-1]

    yield make
    for each in reversed(made):
        each.close()


@pytest.fixture
def builtin(connect):
    """Makes built-in players, each on a connection of its own."""

    def make(name, *arguments):
        return BuiltinPlayer(connect(), name, *arguments)

    return make


@pytest.fixture
def mpv(bus_address, tmp_path):
    """Starts a real mpv, paused or playing silence, that is on the bus."""
    assert shutil.which("mpv"), "mpv is not installed: make test installs it"
    running = []

    def start(*options):
        command = [
            "mpv",
            "--no-config",
            f"--script={MPRIS}",
            "--ao=null",
            "--vo=null",
            "--idle=yes",
            "--no-terminal",
        ]
        source = "av://lavfi:anullsrc"
        running.append(subprocess.Popen([*command, *options, source]))
        return running[-1]

    yield start
    for process in running:
        process.kill()
        process.wait()


@pytest.fixture
def program():
    made = []

    def start(*arguments):
        made.append(Program(*arguments))
        return made[-1]

    yield start
    for each in made:
        each.end()


@pytest.fixture
def playing_mpv(mpv, players, events):
    mpv()
    players("mpv")
    assert events.wait_for_playing(MPV)
