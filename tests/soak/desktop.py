"""A desktop of its own: a message bus, a real mpv, a camera that fails as told, and the program."""

from __future__ import annotations

import json
import mmap
import os
import struct
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import dbus

from facectrl_fast import plugins
from facectrl_fast.desktop.bus import open_session_bus
from facectrl_fast.desktop.remote import Remote
from facectrl_fast.errors import UserError
from facectrl_fast.player.names import PREFIX
from tests.conftest import MPRIS
from tests.entry_points import install
from tests.soak.camera import BEAT, CONTROL_BYTES, PLUGS

ROOT = Path(__file__).parents[2]
PLAYER, PLAYER_PATH = PREFIX + "mpv", "/org/mpris/MediaPlayer2"
PROPERTIES = "org.freedesktop.DBus.Properties"
MPRIS_PLAYER = "org.mpris.MediaPlayer2.Player"
ALIVE = 0.5
"""Seconds within which a camera that works shows a frame."""


@dataclass
class Desktop:
    """Bus, player, camera and program."""

    folder: Path
    clip: Path
    speed: float = 4.0
    module: str = "facectrl_fast"
    options: tuple[str, ...] = ()
    """Of the program, besides camera and player."""
    environment: dict[str, str] = field(default_factory=dict)
    """Of the program, besides what is usual."""
    log: Path = Path("log")
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Start everything; the program last."""
        self.address = f"unix:path={self.folder}/bus"
        (self.folder / PLUGS).mkdir()
        (self.folder / "control").write_bytes(bytes(CONTROL_BYTES))
        with (self.folder / "control").open("r+b") as file:
            self.control = mmap.mmap(file.fileno(), CONTROL_BYTES)
        told = {
            "clip": str(self.clip),
            "speed": self.speed,
            "control": str(self.folder / "control"),
        }
        (self.folder / "camera.json").write_text(json.dumps(told))
        offered = {plugins.SOURCES: {"soak": "tests.soak.camera:SoakCamera"}}
        install(self.folder / "site", offered, name="soak")
        self.log = self.folder / self.log
        self._connection: dbus.connection.Connection | None = None
        self.start_bus()
        self.start_player()
        self.start_program()

    def start_bus(self) -> None:
        """At the same place each time."""
        command = ["dbus-daemon", "--session", "--nofork", "--nopidfile"]
        command += [f"--address={self.address}", "--print-address=1"]
        bus = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert bus.stdout is not None
        assert bus.stdout.readline(), "dbus-daemon did not start"
        self.processes["bus"] = bus

    def start_player(self) -> None:
        """Mpv, which plays silence."""
        command = ["mpv", "--no-config", f"--script={MPRIS}", "--ao=null", "--vo=null"]
        self._start("player", [*command, "--no-terminal", "av://lavfi:anullsrc"])

    def start_program(self) -> None:
        """As a user would, but for the camera."""
        options = ["--source", f"soak:{self.folder / 'camera.json'}", "--player", "mpv"]
        command = [sys.executable, "-m", self.module, "run", *options, *self.options]
        with self.log.open("ab") as log:
            self._start("program", command, log, self.environment)

    def _start(
        self,
        name: str,
        command: list[str],
        log: IO[bytes] | int = subprocess.DEVNULL,
        more: Mapping[str, str] | None = None,
    ) -> None:
        environment = (
            os.environ
            | (more or {})
            | {
                "DBUS_SESSION_BUS_ADDRESS": self.address,
                "DBUS_SYSTEM_BUS_ADDRESS": "unix:path=/nowhere",
                "PYTHONPATH": f"{self.folder / 'site'}:{ROOT}",
                "XDG_CONFIG_HOME": str(self.folder / "config"),
                "XDG_DATA_HOME": str(self.folder / "data"),
            }
        )
        self.processes[name] = subprocess.Popen(
            command, env=environment, stdout=log, stderr=log, cwd=self.folder
        )

    def end(self, name: str) -> None:
        """Without warning."""
        self.processes[name].kill()
        self.processes[name].wait()
        if pipe := self.processes[name].stdout:
            pipe.close()

    def remote(self) -> Remote:
        """The program's interface on the bus."""
        return Remote(self.address)

    def player(self, method: str, *arguments: str, interface: str = MPRIS_PLAYER) -> object:
        """Call the player; None where it does not answer at once."""
        try:
            if self._connection is None:
                self._connection = open_session_bus(self.address)
            signature = "s" * len(arguments)
            return self._connection.call_blocking(
                PLAYER, PLAYER_PATH, interface, method, signature, arguments, timeout=0.3
            )
        except (dbus.DBusException, UserError):
            self.forget_connection()
            return None

    def forget_connection(self) -> None:
        """Connect anew for the next call."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def playing(self) -> bool | None:
        """Whether the player plays; None where it does not tell."""
        status = self.player("Get", MPRIS_PLAYER, "PlaybackStatus", interface=PROPERTIES)
        return None if status is None else str(status) == "Playing"

    def camera_shows(self) -> bool:
        """Whether a frame came just now."""
        (beat,) = struct.unpack_from("d", self.control, BEAT)
        return time.monotonic() - float(beat) < ALIVE

    def used(self) -> tuple[float, int, int]:
        """MiB in memory, descriptors and threads of the program."""
        proc = Path(f"/proc/{self.processes['program'].pid}")
        pages = int((proc / "statm").read_text().split()[1])
        counts = (len(list((proc / part).iterdir())) for part in ("fd", "task"))
        return (pages * os.sysconf("SC_PAGE_SIZE") / 2**20, *counts)

    def close(self) -> None:
        """End what still runs."""
        self.forget_connection()
        for name in self.processes:
            self.end(name)
        self.control.close()
