"""The Watcher: the one place that knows all stages, from the camera to the player."""

from __future__ import annotations

import logging
import signal
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

from facectrl_fast.capture.reopen import Reopening
from facectrl_fast.capture.source import Source, Stream
from facectrl_fast.config import RunOptions
from facectrl_fast.decide.policy import Policy, Status
from facectrl_fast.decide.vote import VoteWindow
from facectrl_fast.desktop.display import Display, View
from facectrl_fast.errors import CameraAwayError, UserError
from facectrl_fast.governor import Governor, Rates
from facectrl_fast.hold import Hold
from facectrl_fast.mainloop import MainLoop, SignalWatch
from facectrl_fast.player.mpris import PlayerEvents
from facectrl_fast.player.names import short_name
from facectrl_fast.report import SUSPENSIONS, Companion, Report, State
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

    def give_up(self) -> None:
        """Ask no more for what is under way; ``player_settled`` or ``player_given_up`` follows."""
        ...

    def close(self) -> None:
        """Report nothing any more."""
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
        make_companions: Callable[[Watcher], Sequence[Companion]] | None = None,
        patient: bool = False,
    ) -> None:
        """Put the stages together.

        Args:
            loop: dispatches everything.
            source: where frames come from.
            analyzer: judges them.
            options: of the run.
            make_players: called with the watcher, whom the players tell what they do.
            display: is shown each analysed frame.
            make_companions: called with the watcher when it begins, for those who are told what
                changes and may suspend it.
            patient: wait for a camera that was never there, too; else that is a mistake.
        """
        self._loop = loop
        self._source = source
        self._analyzer = analyzer
        self.governor = Governor(Rates.below(options.rate))
        self.governor.saving = options.save_power == "always"
        self._wanted = " or ".join(options.player) or "a media player"
        self._display = display
        self._make_companions = make_companions
        self._companions: Sequence[Companion] = ()
        self.before_looking: list[Callable[[], None]] = []
        """Called before the camera is opened, for companions that may want to suspend it."""
        self._patient = patient
        self._suspensions: set[State] = set()
        self._hold = Hold(loop, lambda: self.resume(State.HELD))
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
        self._decided_at = 0.0
        self._actions: tuple[Action, ...] = ()
        self._acted_at = 0.0
        self._reported: Report | None = None
        self._telling = False
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
            UserError: the source failed, or another one is running already.
        """
        stop = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        with SignalWatch(self._loop, stop, self._on_signal):
            try:
                if self._make_companions is not None:
                    self._companions = self._make_companions(self)
                    self._reported = None  # to nobody, while they were made
                self._players.start()
                if not self._there:
                    log.info("waiting for %s", self._wanted)
                self._tell()
                self._loop.run()
            finally:
                self._close_stream()
                self._reopening.cancel()
                self._hold.cancel()
                self._players.close()
                for companion in self._companions:
                    companion.close()
                if self._display is not None:
                    self._display.close()

    def stop(self) -> None:
        """End ``run``."""
        self._loop.quit()

    @property
    def report(self) -> Report:
        """What it is doing now."""
        verdict = "" if self._decision is None else str(self._decision.verdict)
        names = ", ".join(short_name(action.player) for action in self._actions)
        done = [f"{_DOING[a.command]} {names}: {a.reason}" for a in self._actions[:1]]
        return Report(
            state=self._state(),
            verdict=verdict,
            since=self._decided_at if verdict else 0.0,
            camera_open=self._stream is not None,
            held_until=self._hold.until,
            players=tuple((short_name(n), s.value) for n, s in sorted(self._there.items())),
            last_action="".join(done),
            actions=self._actions,
            acted_at=self._acted_at,
        )

    @property
    def rate(self) -> float:
        """Analyses a second, over the last ones; 0 while the camera is off."""
        if len(self._recent) < 2:
            return 0.0
        span = self._recent[-1] - self._recent[0]
        return (len(self._recent) - 1) / span if span > 0 else 0.0

    # What may suspend it.

    def hold(self, seconds: float) -> float:
        """Look away and leave the players alone for a while, from now on.

        Returns:
            When that ends, in seconds of the wall clock.
        """
        until = self._hold.begin(seconds)
        log.info("held until %s", time.strftime("%H:%M", time.localtime(until)))
        self.suspend(State.HELD)
        # Also where it was held already: until when may have changed.
        self._tell()
        return until

    def release(self) -> None:
        """End ``hold``."""
        self._hold.cancel()
        self.resume(State.HELD)

    def suspend(self, why: State) -> None:
        """Close the camera until ``resume``; several reasons may overlap.

        Args:
            why: one of ``SUSPENSIONS``.
        """
        if why in self._suspensions:
            return
        self._suspensions.add(why)
        if len(self._suspensions) == 1:
            if self._unsettled:
                # What was decided may not have been done: to be decided again afterwards.
                self._policy.restart()
            self._players.give_up()
            self._reopening.cancel()
            self._close_stream()
            self._decision = None
            log.info("the camera is off: %s", why)
        self._tell()

    def resume(self, why: State) -> None:
        """This reason to be suspended is over."""
        if why is State.ASLEEP:
            self._hold.woken()
        if why not in self._suspensions:
            return
        self._suspensions.remove(why)
        if not self._suspensions:
            log.info("going on")
            self._policy.looked_away()
            self._look()
        self._tell()

    def save_power(self, saving: bool) -> None:
        """Look less often, or as often as usual."""
        self.governor.saving = saving
        log.info("looking less often, to save energy" if saving else "looking as often as usual")

    def _state(self) -> State:
        for why in SUSPENSIONS:
            if why in self._suspensions:
                return why
        if not self._there:
            return State.WAITING
        return State.CAMERA_AWAY if self._stream is None else State.WATCHING

    def _tell(self) -> None:
        """Tell the companions what changed, if anything did."""
        if self._telling:
            return  # whoever is being told changed something: told next
        self._telling = True
        try:
            while (report := self.report) != self._reported:
                self._reported = report
                for companion in self._companions:
                    companion.reported(report)
        finally:
            self._telling = False

    # What the players do.

    def player_appeared(self, name: str, status: Status) -> None:
        """See PlayerEvents."""
        log.info("%s is there, %s", short_name(name), status.value.lower())
        self._there[name] = status
        self._policy.appeared(name, status)
        self._look()
        self._tell()

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
                log.info("the camera is off; waiting for %s", self._wanted)
        self._tell()

    def player_status(self, name: str, status: Status) -> None:
        """See PlayerEvents."""
        self._there[name] = status
        if self._policy.status_changed(name, status):
            hand = _BY_HAND[status]
            log.info("%s %s: left so until you change something", short_name(name), hand)
        self._tell()

    def player_settled(self, name: str, status: Status | None) -> None:
        """See PlayerEvents."""
        self._unsettled.discard(name)
        self._policy.settled(name, status)
        if status is not None and name in self._there:
            self._there[name] = status
        self._tell()
        if self._ended and not self._unsettled:
            self._loop.quit()

    def player_given_up(self, name: str) -> None:
        """See PlayerEvents."""
        self._unsettled.discard(name)
        self._policy.given_up(name)

    # What the camera shows.

    def _look(self) -> None:
        """Open the camera, if there is a reason to and none not to."""
        busy = self._stream is not None or self._reopening.pending or self._ended
        if self._there and not busy and not self._suspensions:
            self._open_stream()

    def _open_stream(self) -> None:
        for check in self.before_looking:
            check()
        if self._suspensions:
            return
        try:
            self._stream = self._opened()
        except UserError as error:
            # What was never there is a mistake.
            known = self._opened_before or self._patient or isinstance(error, CameraAwayError)
            if not (self._source.live and known):
                raise
            self._reopening.later(error)
            self._tell()
            return
        self._opened_before = True
        self._seen = False
        ring = self._stream.ring
        self._watch = self._loop.watch_fd(ring.fileno(), self._on_wake)
        ring.arm(0)

    def _opened(self) -> Stream:
        try:
            return self._source.open()
        except OSError as error:  # no descriptors left, say
            why = error.strerror or str(error)
        except MemoryError:
            why = "out of memory"
        raise CameraAwayError(f"{self._source.name} cannot be opened: {why}")

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
            self._tell()
            if self._stream is not stream:
                return  # somebody who was told wants the camera off
        try:
            self._judge(frame, stream)
        except MemoryError:
            if not self._source.live:
                raise UserError("out of memory while a frame was judged") from None
            # What the camera needs may be what others lack; later there may be some again. What
            # was decided may not have been done: to be decided again then.
            self._close_stream()
            self._decision = None
            self._policy.restart()
            self._reopening.later(UserError("out of memory while a frame was judged"))
            self._tell()
            return
        if self._stream is stream:
            stream.ring.arm(frame.seq, self.governor.due)

    def _judge(self, frame: Frame, stream: Stream) -> None:
        sighting = self._analyzer.analyze(frame)
        self.analyses += 1
        self._recent.append(frame.timestamp)
        self.position = stream.position(frame.timestamp)
        decision = self._votes.add(sighting.verdict, sighting.timestamp)
        if decision is not None and (
            self._decision is None or decision.verdict is not self._decision.verdict
        ):
            self._decision = decision
            self._decided_at = time.time()
            self._act(decision)
            self._tell()
        self.governor.looked(sighting, self._decision, self._votes.decides_at)
        if self._display is not None:
            view = View(self._votes.leaning, self._decision, self.rate)
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
        self._actions, self._acted_at = tuple(actions), time.time()
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
            self._tell()
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


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{seconds % 60:04.1f}"
