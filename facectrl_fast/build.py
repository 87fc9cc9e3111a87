"""Puts a Watcher together from its options."""

from __future__ import annotations

import cv2

from facectrl_fast.capture.source import open_source
from facectrl_fast.config import RunOptions
from facectrl_fast.desktop.preview import Display, PreviewWindow, Recorder
from facectrl_fast.mainloop import MainLoop
from facectrl_fast.player.dry_run import DryRunPlayers
from facectrl_fast.player.known import check_player_exists, running_players
from facectrl_fast.player.mpris import (
    MprisPlayers,
    PlayerEvents,
    check_player_name,
    open_session_bus,
)
from facectrl_fast.vision.analyze import FrameAnalyzer
from facectrl_fast.vision.classify import Classifier
from facectrl_fast.vision.detect import open_detector
from facectrl_fast.vision.gate import Gate
from facectrl_fast.vision.locate import Locator
from facectrl_fast.vision.track import open_tracker
from facectrl_fast.watch import Players, Watcher


def build_analyzer(options: RunOptions) -> FrameAnalyzer:
    """Gate, locator and classifier as the options choose them.

    Raises:
        UserError: a model or detector file cannot be used.
    """
    detector = open_detector(options.detector, options.detector_model)
    locator = Locator(detector, open_tracker(options.tracker))
    return FrameAnalyzer(Gate(), locator, Classifier(options.model))


def build_watcher(loop: MainLoop, options: RunOptions, bus_address: str | None = None) -> Watcher:
    """The whole program, ready to run.

    Args:
        loop: dispatches everything.
        options: what was chosen.
        bus_address: of another bus than the session's.

    Raises:
        UserError: a file, the player or the session bus cannot be used.
    """
    # OpenCV would wake a thread a core for each frame: more work, and no sooner done.
    cv2.setNumThreads(1)
    wanted = None if options.player is None else check_player_name(options.player)
    source = open_source(options.source, options.realtime, options.backend, options.rate)
    source.check()

    def make_players(events: PlayerEvents) -> Players:
        if options.dry_run:
            return DryRunPlayers(events)
        bus = open_session_bus(bus_address)
        if wanted is not None and bus_address is None:
            check_player_exists(wanted, running_players(bus))
        return MprisPlayers(loop, bus, wanted, events)

    return Watcher(
        loop, source, build_analyzer(options), options, make_players, _open_display(options)
    )


def _open_display(options: RunOptions) -> Display | None:
    if options.record is not None:
        return Recorder(options.record, options.rate)
    return PreviewWindow() if options.preview else None
