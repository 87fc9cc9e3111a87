"""The Watcher: the one place that knows all stages, from the camera to the player."""

from __future__ import annotations

import logging
import signal
from collections import deque
from collections.abc import Callable
from typing import Protocol

from facectrl_fast.capture.reopen import Reopening
from facectrl_fast.capture.source import Source, Stream
from facectrl_fast.config import RunOptions
from facectrl_fast.decide.policy import Policy, Status
from facectrl_fast.decide.vote import VoteWindow
from facectrl_fast.desktop.display import Display, View
from facectrl_fast.errors import CameraAwayError, UserError
from facectrl_fast.governor import Governor, Rates
from facectrl_fast.mainloop import MainLoop, SignalWatch
from facectrl_fast.player.mpris import PlayerEvents, short_name
from facectrl_fast.types import Action, Command, Decision, Frame
from facectrl_fast.vision.analyze import FrameAnalyzer

log = logging.getLogger(__name__)

END_SETTLE = 3.0
"""Seconds that a player gets, after a recording's end, to do what it was asked."""

_DOING = {Command.PLAY: "playing", Command.PAUSE: "pausing"}
_BY_HAND = {
    Status.PLAYING: "was started by hand",
    Status.PAUSED: "was paused by hand",
    Status.STOPPED: "was stopped by hand",
}


class Players(Protocol):
    """Somebody who follows players and can ask things of them: see player/mpris.py."""

    def start(self) -> None:
        """Report the players that are there, then what happens to them."""
        ...

    def perform(self, action: Action) -> None:
        """Ask it of the player; ``player_settled`` follows."""
        ...

    def close(self) -> None:
        """Report nothing any more."""
        ...


class Closable(Protocol):
    """Somebody who goes on until told to stop."""

    def close(self) -> None:
        """Stop."""
        ...


class Watcher:
    """Watches the camera while a player is there, and does what the policy says.

    Everything happens on the thread that calls ``run``; only capture has a thread of its own.
    """

    def __init__(
        self,
        loop: MainLoop,
        source: Source,
        analyzer: FrameAnalyzer,
        options: RunOptions,
        make_players: Callable[[PlayerEvents], Players],
        display: Display | None = None,
        watch_power: Callable[[Callable[[bool], None]], Closable] | None = None,
    ) -> None:
        self._loop = loop
        self._source = source
        self._analyzer = analyzer
        self.governor = Governor(Rates.below(options.rate))
        self.governor.saving = options.save_power == "always"
        self._wanted = options.player
        self._display = display
        self._watch_power = watch_power
        self._votes = VoteWindow()
        self._policy = Policy()
        self._players = make_players(self)
        self._there: dict[str, Status] = {}
        self._unsettled: set[str] = set()
        self._stream: Stream | None = None
        self._watch: int | None = None
        self._reopening = Reopening(loop, source, self._open_stream)
        self._opened_before = False
        self._seen = False  # a frame of this stream
        self._ended = False
        self._decision: Decision | None = None
        self._recent: deque[float] = deque(maxlen=20)
        self.position: float | None = None
        """Seconds into the recording of the frame judged last; None for a camera."""
        self.stopped_by: int | None = None
        """The signal that ended ``run``."""
        self.analyses = 0
        """Frames judged so far, still ones included."""

    def run(self) -> None:
        """Watch until a recording ends, a signal arrives or the display is closed.

        Raises:
            UserError: the source failed, or the session bus went away.
        """
        stop = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        power: Closable | None = None
        with SignalWatch(self._loop, stop, self._on_signal):
            try:
                if self._watch_power is not None:
                    power = self._watch_power(self._on_power)
                self._players.start()
                if not self._there:
                    log.info("waiting for %s", self._wanted or "a media player")
                self._loop.run()
            finally:
                self._close_stream()
                self._reopening.cancel()
                self._players.close()
                if power is not None:
                    power.close()
                if self._display is not None:
                    self._display.close()

    # What the players do.

    def player_appeared(self, name: str, status: Status) -> None:
        """See PlayerEvents."""
        log.info("%s is there, %s", short_name(name), status.value.lower())
        self._there[name] = status
        self._policy.appeared(name, status)
        if self._stream is None and not self._reopening.pending and not self._ended:
            self._open_stream()

    def player_vanished(self, name: str) -> None:
        """See PlayerEvents."""
        log.info("%s has gone", short_name(name))
        self._there.pop(name, None)
        self._unsettled.discard(name)
        self._policy.vanished(name)
        if not self._there:
            self._close_stream()
            self._reopening.cancel()
            self._policy.restart()
            self._decision = None
            if self._ended:
                self._loop.quit()
            else:
                log.info("the camera is off; waiting for %s", self._wanted or "a media player")

    def player_status(self, name: str, status: Status) -> None:
        """See PlayerEvents."""
        self._there[name] = status
        if self._policy.status_changed(name, status):
            hand = _BY_HAND[status]
            log.info("%s %s: left so until you change something", short_name(name), hand)

    def player_settled(self, name: str, status: Status | None) -> None:
        """See PlayerEvents."""
        self._unsettled.discard(name)
        self._policy.settled(name, status)
        if self._ended and not self._unsettled:
            self._loop.quit()

    def bus_lost(self) -> None:
        """See PlayerEvents."""
        raise UserError("the session bus has gone; nothing left to control")

    # What the camera shows.

    def _open_stream(self) -> None:
        try:
            self._stream = self._source.open()
        except UserError as error:
            # What was never there is a mistake.
            known = self._opened_before or isinstance(error, CameraAwayError)
            if not (self._source.live and known):
                raise
            self._reopening.later(error)
            return
        self._opened_before = True
        self._seen = False
        ring = self._stream.ring
        self._watch = self._loop.watch_fd(ring.fileno(), self._on_wake)
        ring.arm(0)

    def _close_stream(self) -> None:
        if self._stream is None:
            return
        if self._watch is not None:
            self._loop.remove(self._watch)
        self._stream.close()
        self._stream = self._watch = None
        self.governor.forget()
        self._recent.clear()
        self._analyzer.forget()
        self._votes.clear()

    def _on_wake(self) -> None:
        stream = self._stream
        if stream is None:
            return
        if stream.ring.closed:
            self._stream_ended(stream)
            return
        frame = stream.ring.latest()
        if frame is None:
            stream.ring.arm(0)
            return
        if not self._seen:
            self._seen = True
            log.info("watching %s", self._source.name)
            self._reopening.succeeded()
        self._judge(frame, stream)
        if self._stream is stream:
            stream.ring.arm(frame.seq, self.governor.due)

    def _judge(self, frame: Frame, stream: Stream) -> None:
        sighting = self._analyzer.analyze(frame)
        self.analyses += 1
        self.position = stream.position(frame.timestamp)
        decision = self._votes.add(sighting.verdict, sighting.timestamp)
        if decision is not None and (
            self._decision is None or decision.verdict is not self._decision.verdict
        ):
            self._decision = decision
            self._act(decision)
        self.governor.looked(sighting, self._decision, self._votes.decides_at)
        if self._display is not None:
            view = View(self._votes.leaning, self._decision, self._rate(frame))
            if not self._display.show(frame, sighting, view):
                self._loop.quit()

    def _act(self, decision: Decision) -> None:
        actions = self._policy.decide(decision)
        when = "" if self.position is None else f"at {_clock(self.position)}: "
        if not actions:
            log.info("%s%s: nothing to do (%s)", when, decision.verdict, self._situation())
            return
        names = ", ".join(short_name(action.player) for action in actions)
        log.info("%s%s: %s %s", when, actions[0].reason, _DOING[actions[0].command], names)
        for action in actions:
            self._unsettled.add(action.player)
            self._players.perform(action)

    def _situation(self) -> str:
        return ", ".join(f"{short_name(n)} is {s.value.lower()}" for n, s in self._there.items())

    def _stream_ended(self, stream: Stream) -> None:
        self._close_stream()
        if stream.error is not None:
            if not self._source.live:
                raise stream.error
            self._reopening.later(stream.error)
            return
        self._ended = True
        log.info("%s ended", self._source.name)
        if self._unsettled:
            self._loop.call_later(END_SETTLE, self._loop.quit)
        else:
            self._loop.quit()

    def _on_signal(self, number: int) -> None:
        log.info("stopping: %s", signal.Signals(number).name)
        self.stopped_by = number
        self._loop.quit()

    def _on_power(self, saving: bool) -> None:
        self.governor.saving = saving
        log.info("looking less often, to save energy" if saving else "looking as often as usual")

    def _rate(self, frame: Frame) -> float:
        """Analyses a second, over the last ones."""
        self._recent.append(frame.timestamp)
        span = self._recent[-1] - self._recent[0]
        return (len(self._recent) - 1) / span if span > 0 else 0.0


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{seconds % 60:04.1f}"
