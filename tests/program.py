"""The program in a process of its own, as users run it, and what it does to mpv."""

import json
import signal
import subprocess
import sys
import threading
import time

from facectrl_fast.decide.policy import Status
from facectrl_fast.player.names import PREFIX

MPV = PREFIX + "mpv"
PLAYING, PAUSED, _ = Status
REACTION = 1.5
"""Seconds from a change in the recording to the player's."""


class Program:
    """The program in a process of its own; knows when it began to show the recording."""

    def __init__(self, *arguments):
        command = [sys.executable, "-m", "facectrl_fast", "run", *map(str, arguments)]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        self.lines = []
        self._said = threading.Condition()
        self.watching = threading.Event()
        self.started = None
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self):
        for line in self.process.stderr:
            with self._said:
                self.lines.append(line.rstrip())
                self._said.notify_all()
            if " watching " in line:
                self.started = time.monotonic()
                self.watching.set()

    def end(self):
        self.process.send_signal(signal.SIGINT)
        self.process.wait(20)
        self._reader.join()
        self.process.stderr.close()

    def running(self):
        return self.process.poll() is None

    def said(self, words, times=1, seconds=60):
        """Whether it logs a line with these words so often, waiting for it."""
        with self._said:
            return self._said.wait_for(
                lambda: sum(words in line for line in self.lines) >= times, seconds
            )


class Timed:
    """When mpv, which plays at the start, changed its status, in seconds of the recording."""

    def __init__(self, events, program):
        self._events, self._program, self.changes = events, program, []
        note = events._note
        status = PLAYING

        def timed(*event):
            nonlocal status
            # mpv tells more often that it plays than it starts to.
            if event[0] == "status" and event[2] is not status:
                status = event[2]
                self.changes.append((time.monotonic() - program.started, status))
            note(*event)

        events._note = timed

    def until(self, seconds):
        program = self._program
        assert program.watching.wait(30), program.lines
        left = program.started + seconds - time.monotonic()
        self._events.wait(lambda: not program.running(), max(left, 0))


def schedule_of(path):
    truth = json.loads(path.read_text())
    return [(s["t"], PLAYING if s["state"] == "on" else PAUSED) for s in truth["schedule"]]
