"""A Watcher whose camera shows what the test says, so that real players can be watched with it."""

import threading

import numpy as np

from facectrl_fast._native import FrameRing
from facectrl_fast.config import RunOptions
from facectrl_fast.desktop.bus import SessionBus
from facectrl_fast.errors import CameraBusyError, UserError
from facectrl_fast.player.mpris import MprisPlayers
from facectrl_fast.types import PixelFormat, Verdict
from facectrl_fast.vision.analyze import Sighting
from facectrl_fast.watch import Watcher

RATE = 30
PACE = 0.002
"""Seconds between two pictures."""


class Says:
    """Takes the place of FrameAnalyzer: every frame shows this."""

    def __init__(self, verdict=Verdict.UNSURE):
        self.verdict = verdict

    def analyze(self, frame):
        return Sighting(self.verdict, frame.timestamp)

    def forget(self):
        pass


class Camera:
    """A live source of endless pictures that fails as told; counts how often it is opened.

    Its time goes many times as fast as a clock.
    """

    name = "camera"
    live = True

    def __init__(self, opens=(), shade=230):
        self.opens = list(opens)
        self.shade = shade
        self.opened = 0
        self.streams = []

    def check(self):
        pass

    def arrivals(self):
        return None

    @property
    def is_open(self):
        return any(not stream.ring.closed for stream in self.streams)

    def open(self):
        self.opened += 1
        outcome = self.opens.pop(0) if self.opens else "works"
        if outcome == "fails":
            raise UserError("the camera is not there")
        if outcome == "busy":
            raise CameraBusyError("the camera is used by cheese (process 4711)")
        self.streams.append(CameraStream(5 if outcome == "breaks" else 1_000_000, self.shade))
        return self.streams[-1]


class CameraStream:
    def __init__(self, frames, shade=230):
        self.ring = FrameRing(4, PixelFormat.BGR24, 160, 120)
        self.error = None
        self._frames = frames
        self._shade = shade
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._produce)
        self._thread.start()

    def _produce(self):
        for number in range(self._frames):
            if not self.ring.wait_wanted(30):
                return
            slot = self.ring.begin_write()
            if slot is None:
                return
            slot.array[:] = self._shade
            slot.array[::7] = np.uint8(number % 200)
            slot.publish(number / RATE)
            # A machine that does nothing but this would answer nobody on the bus.
            self._closed.wait(PACE)
        self.error = UserError("the camera stopped giving pictures")
        self.ring.close()

    def position(self, timestamp):
        return None

    def close(self):
        self._closed.set()
        self.ring.close()
        self._thread.join()


class Desk:
    """A person in front of the camera, and the players of a private bus."""

    def __init__(self, loop, bus_address, make_companions=None, **options):
        self.loop = loop
        self.says = Says()
        self.camera = Camera()
        self.bus = SessionBus(loop, bus_address)
        options = RunOptions(**options)

        self.asked = []

        def make_players(events):
            players = MprisPlayers(loop, self.bus, events, options.player, options.ignore)
            perform = players.perform

            def noted(action):
                self.asked.append(action.command)
                perform(action)

            players.perform = noted
            return players

        def companions(watcher):
            made = [] if make_companions is None else make_companions(watcher)
            return [*made, self.bus, self]

        self.watcher = Watcher(
            loop, self.camera, self.says, options, make_players, make_companions=companions
        )
        self._steps = None

    def play(self, steps):
        """Run it, and the generator beside it: what it yields is waited for, for 15 s at most.

        It yields callables that become true, or seconds to let pass.
        """
        self._steps = steps
        self._timer = self.loop.call_later(0, self._next)
        self.watcher.run()

    def shows(self, verdict):
        """From now on; for ``yield``: until it is decided and done."""
        self.says.verdict = verdict

        def done():
            decided = self.watcher.report.verdict == str(verdict)
            return decided and not self.watcher._unsettled

        return done

    def status(self, player, status):
        """For ``yield``: until a player, by its short name, has this status."""
        return lambda: (player, status.value) in self.watcher.report.players

    def reported(self, report):
        pass

    def close(self):
        self.loop.remove(self._timer)
        self._steps.close()

    def _next(self):
        try:
            wish = next(self._steps)
        except StopIteration:
            self.loop.quit()
            return
        if callable(wish):
            self._until(wish, 15.0)
        else:
            self._timer = self.loop.call_later(wish, self._next)

    def _until(self, wish, left):
        if wish():
            self._next()
            return
        assert left > 0, f"waited in vain; {self.watcher.report}"
        self._timer = self.loop.call_later(0.02, lambda: self._until(wish, left - 0.02))
