"""Puts a Watcher together from its options."""

from __future__ import annotations

import sys
from collections.abc import Callable

from facectrl_fast.capture.source import open_source
from facectrl_fast.config import RunOptions
from facectrl_fast.desktop.bus import open_session_bus
from facectrl_fast.desktop.display import Display
from facectrl_fast.desktop.power import PowerWatch
from facectrl_fast.mainloop import MainLoop
from facectrl_fast.player.dry_run import DryRunPlayers
from facectrl_fast.player.known import check_player_exists, running_players
from facectrl_fast.player.mpris import MprisPlayers, PlayerEvents, check_player_name
from facectrl_fast.profile import Profile
from facectrl_fast.vision.analyze import FrameAnalyzer
from facectrl_fast.vision.classify import Classifier
from facectrl_fast.vision.detect import open_detector
from facectrl_fast.vision.gate import Gate
from facectrl_fast.vision.locate import Locator
from facectrl_fast.vision.track import open_tracker
from facectrl_fast.watch import Players, Watcher


def build_analyzer(options: RunOptions, profile: Profile | None = None) -> FrameAnalyzer:
    """Gate, locator and classifier as the options choose them.

    Args:
        options: what was chosen.
        profile: times the stages.

    Raises:
        UserError: a model or detector file cannot be used.
    """
    detector = open_detector(options.detector, options.detector_model)
    tracker = open_tracker(options.tracker)
    gate, locator, classifier = Gate(), Locator(detector, tracker), Classifier(options.model)
    if profile is not None:
        profile.watch(gate, "look", "gate")
        profile.watch(locator, "locate", "locate")
        if tracker is not None:
            profile.watch(tracker, "update", "  tracker")
        profile.watch(detector, "detect", "  detector")
        profile.watch(classifier, "classify", "classify")
        profile.watch(classifier, "on_probabilities", "  network")
    return FrameAnalyzer(gate, locator, classifier)


def build_watcher(
    loop: MainLoop,
    options: RunOptions,
    bus_address: str | None = None,
    profile: Profile | None = None,
) -> Watcher:
    """The whole program, ready to run.

    Args:
        loop: dispatches everything.
        options: what was chosen.
        bus_address: of another bus than the session's.
        profile: times the stages.

    Raises:
        UserError: a file, the player or the session bus cannot be used.
    """
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

    def watch_power(changed: Callable[[bool], None]) -> PowerWatch:
        return PowerWatch(loop, changed)

    watcher = Watcher(
        loop,
        source,
        build_analyzer(options, profile),
        options,
        make_players,
        _open_display(options),
        watch_power if options.save_power == "auto" else None,
    )
    _keep_opencv_single()
    return watcher


def _keep_opencv_single() -> None:
    """OpenCV would wake a thread a core for each frame: more work, and no sooner done."""
    if "cv2" in sys.modules:
        import cv2

        cv2.setNumThreads(1)


def _open_display(options: RunOptions) -> Display | None:
    if options.record is None and not options.preview:
        return None
    # Late: it needs OpenCV.
    from facectrl_fast.desktop.preview import PreviewWindow, Recorder

    return PreviewWindow() if options.record is None else Recorder(options.record, options.rate)
