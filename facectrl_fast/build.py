"""Puts a Watcher together from its options."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Sequence

from facectrl_fast.capture.source import open_source
from facectrl_fast.config import RunOptions
from facectrl_fast.desktop.bus import SessionBus
from facectrl_fast.desktop.display import Display
from facectrl_fast.desktop.power import PowerWatch
from facectrl_fast.desktop.session import SessionWatch
from facectrl_fast.desktop.systemd import ServiceManager, is_service
from facectrl_fast.errors import UserError
from facectrl_fast.mainloop import MainLoop
from facectrl_fast.models import default_model
from facectrl_fast.people import People
from facectrl_fast.player.dry_run import DryRunPlayers
from facectrl_fast.player.known import check_player_exists, running_players
from facectrl_fast.player.mpris import MprisPlayers, PlayerEvents
from facectrl_fast.profile import Profile
from facectrl_fast.report import Companion
from facectrl_fast.vision.analyze import FrameAnalyzer
from facectrl_fast.vision.classify import Classifier
from facectrl_fast.vision.detect import QuickDetector, open_detector
from facectrl_fast.vision.gate import Gate
from facectrl_fast.vision.identity import open_identity_model
from facectrl_fast.vision.locate import Locator
from facectrl_fast.vision.recognize import Recognizer
from facectrl_fast.vision.track import open_tracker
from facectrl_fast.watch import Players, Watcher

log = logging.getLogger(__name__)


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
    recognizer = open_recognizer(options)
    gate, locator = Gate(), Locator(detector, tracker, recognizer)
    classifier = _classifier(options)
    if profile is not None:
        profile.watch(gate, "look", "gate")
        profile.watch(locator, "locate", "locate")
        if tracker is not None:
            profile.watch(tracker, "update", "  tracker")
        profile.watch(detector, "detect", "  detector")
        if isinstance(detector, QuickDetector):
            profile.watch(detector, "find_again", "  detector")
        if recognizer is not None:
            profile.watch(recognizer, "is_owner", "  recognize")
        if classifier is not None:
            profile.watch(classifier, "classify", "classify")
            profile.watch(classifier, "on_probability", "  network")
    return FrameAnalyzer(gate, locator, classifier)


def _classifier(options: RunOptions) -> Classifier | None:
    return Classifier(options.model or default_model()) if options.mode == "headphones" else None


def open_recognizer(options: RunOptions) -> Recognizer | None:
    """What tells the owner from others; None where all faces count.

    Raises:
        UserError: the owner is not enrolled, or the model cannot be used.
    """
    if options.owner is None:
        return None
    owner, people = options.owner, People()
    person = people.get(owner)
    model = open_identity_model(options.identity_model, person.model)
    if person.model != model.digest:
        raise UserError(
            f"'{owner}' was enrolled with another model than {model.path}: enroll again"
        )
    if person.points.shape[1] != model.dimensions:
        raise UserError(f"what is known of '{owner}' is damaged: enroll again")
    return Recognizer(model, person.points, [other.points for other in people.others(person)])


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
        bus_address: of another bus than the session's, on which only the players are of interest.
        profile: times the stages.

    Raises:
        UserError: a file, the player or the session bus cannot be used.
    """
    source = open_source(options.source, options.realtime, options.backend, options.rate)
    # Whoever starts at login may be there before the camera and the player.
    patient = is_service()
    try:
        source.check()
    except UserError as error:
        if not (patient and source.live):
            raise
        log.warning("%s; waiting for it", error)
    analyzer = build_analyzer(options, profile)
    bus = None if options.dry_run else SessionBus(loop, bus_address)

    def make_players(events: PlayerEvents) -> Players:
        if bus is None:
            return DryRunPlayers(events)
        if bus_address is None:
            there = running_players(bus.connection) if options.player else []
            for name in [] if patient else options.player:
                check_player_exists(name, there)
        return MprisPlayers(loop, bus, events, options.player, options.ignore)

    def reload() -> None:
        try:
            analyzer.use(_classifier(options), open_recognizer(options))
        except UserError as error:
            log.warning("%s; going on with the model as it was", error)
        else:
            log.info("the model was read again")

    def make_companions(watcher: Watcher) -> Sequence[Companion]:
        desktop = _companions(loop, watcher, options, bus, reload) if bus_address is None else ()
        # Last, since the others leave it first.
        return (*desktop, *([] if bus is None else [bus]))

    watcher = Watcher(
        loop,
        source,
        analyzer,
        options,
        make_players,
        _open_display(options),
        make_companions,
        patient,
    )
    _keep_opencv_single()
    return watcher


def _companions(
    loop: MainLoop,
    watcher: Watcher,
    options: RunOptions,
    bus: SessionBus | None,
    reload: Callable[[], None],
) -> Sequence[Companion]:
    companions: list[Companion] = []
    if bus is not None:
        # First: if another one runs already, nothing else is to happen.
        from facectrl_fast.desktop.control import Control

        companions.append(Control(bus, watcher, reload))
        if options.notify:
            from facectrl_fast.desktop.notify import Notifications

            companions.append(Notifications(loop, bus, watcher))
    if options.save_power == "auto":
        companions.append(PowerWatch(loop, watcher.save_power))
    if options.yield_camera:
        from facectrl_fast.desktop.calls import CallWatch

        companions.append(CallWatch(loop, watcher, options.yield_to))
    companions.append(SessionWatch(loop, watcher))
    companions.append(ServiceManager(loop))
    return companions


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
