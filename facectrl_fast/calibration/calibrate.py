"""The half minute: record with headphones, without, and nobody; learn; say how good it is."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from facectrl_fast.calibration.head import Calibrator, calibrated_model
from facectrl_fast.calibration.sessions import AWAY, Sessions, session_pictures
from facectrl_fast.config import CalibrateOptions, CollectOptions
from facectrl_fast.dataset.collect import Tally, build_collector
from facectrl_fast.dataset.crop_index import CropWriter
from facectrl_fast.dataset.crops import Crops
from facectrl_fast.dataset.folder import LABELS, LabelledPicture
from facectrl_fast.desktop.remote import looking_away, reload_running
from facectrl_fast.errors import UserError
from facectrl_fast.evaluation.metrics import Judgement
from facectrl_fast.files import make_writable, whole_file
from facectrl_fast.mainloop import MainLoop
from facectrl_fast.models import PACKAGED_MODEL, user_data, user_model
from facectrl_fast.types import Float32Array
from facectrl_fast.vision.classify import Classifier

USELESS = 0.75
"""Balanced accuracy on held-back stretches below which nothing was learnt."""
WEAK = 0.95
"""Share of right answers below which a kind of picture is named as weak."""
TOO_FEW = 5
"""Pictures of a kind below which nothing is said of it."""
DARK, BRIGHT = 0.25, 0.7
"""Mean gray of crops."""
WALK_AWAY = 5.0
"""Seconds from Enter until nobody is to be seen."""
GET_READY = 3.0
"""Seconds to get ready where nobody can press Enter."""

Say = Callable[[str], None]


@dataclass(frozen=True)
class _Phase:
    folder: str
    heading: str
    advice: str


PHASES = (
    _Phase(
        "on",
        "headphones ON",
        "Put your headphones on and sit as you always do. Look around a little.",
    ),
    _Phase(
        "off", "headphones OFF", "Take them off, also from your neck, and look around as before."
    ),
    _Phase(
        AWAY,
        "nobody there",
        "Leave them off, press Enter, and walk out of the camera's sight at once.",
    ),
)


def calibrate(options: CalibrateOptions, say: Say) -> Path:
    """Record a session, fit the user's model to all sessions, and make it the default.

    Returns:
        The model's file.

    Raises:
        UserError: nothing can be recorded, written, or learnt; the model is then as before.
    """
    sessions = Sessions(user_data() / "sessions")
    _check_writable(user_data())
    base = Classifier(PACKAGED_MODEL)
    if options.dataset is not None:
        draft = sessions.add_dataset(options.dataset)
    elif options.recordings:
        draft = _record(sessions, options, say)
    else:
        with looking_away(options.source):
            draft = _record(sessions, options, say)
    try:
        Crops(session_pictures(draft), base.description.preprocessing)
    except UserError:
        sessions.discard(draft)
        raise
    latest = sessions.keep(draft)
    begin = time.perf_counter()
    calibrator = Calibrator(base, _usable(sessions.pictures(), base, say))
    held_back, before = calibrator.held_back(), calibrator.before()
    for line in _figures(held_back, before, base.description.confidence):
        say(line)
    _check_learnt(held_back, latest, sessions)
    model = calibrated_model(calibrator.base, calibrator.fit(), held_back)
    out = user_model()
    _write(out, model)
    reload_running()
    for line in weaknesses(held_back, calibrator.crops, len(sessions.all())):
        say(line)
    say(f"learnt in {time.perf_counter() - begin:.1f} s; 'run' uses {out} from now on")
    return out


def _usable(
    pictures: Sequence[LabelledPicture], base: Classifier, say: Say
) -> list[LabelledPicture]:
    """The pictures without those of sessions that were damaged since they were recorded."""
    usable: list[LabelledPicture] = []
    for session in dict.fromkeys(picture.source for picture in pictures):
        those = [picture for picture in pictures if picture.source == session]
        try:
            Crops(those, base.description.preprocessing)
        except UserError as error:
            say(f"session {session} is left out: {error}")
            continue
        usable += those
    return usable


def _check_learnt(held_back: Judgement, latest: Path, sessions: Sessions) -> None:
    """Refuse a session that teaches nothing, or the opposite of the others.

    Raises:
        UserError: it tells which session it is.
    """
    scores = {name: part.balanced_accuracy for name, part in held_back.by_source().items()}
    score = scores.get(latest.name, held_back.balanced_accuracy)
    if score < USELESS:
        aside = sessions.reject(latest)
        raise UserError(
            f"nothing was learnt: on and off look alike ({score:.0%} of its held-back pictures "
            f"are right, 50% is chance); is {aside} what you meant to show? It does not count; "
            "calibrate again"
        )
    if held_back.balanced_accuracy < USELESS:
        worst = min(scores, key=lambda name: scores[name])
        raise UserError(
            f"nothing was learnt: the sessions contradict each other, above all {worst}; "
            f"remove it from {sessions.folder}, and calibrate again"
        )


def forget(say: Say) -> None:
    """Remove the user's model, so that the packaged one is used again; sessions are kept.

    Raises:
        UserError: it cannot be removed.
    """
    out = user_model()
    try:
        out.unlink(missing_ok=True)
    except OSError as error:
        raise UserError(f"cannot remove {out}: {error.strerror}") from None
    reload_running()
    say("the packaged model is used again; your sessions are kept for the next calibration")


def _record(sessions: Sessions, options: CalibrateOptions, say: Say) -> Path:
    draft = sessions.begin()
    try:
        # With recordings, what was not recorded is left out.
        phases = [p for p in PHASES if not options.recordings or p.folder in options.recordings]
        for number, phase in enumerate(phases, 1):
            recording = options.recordings.get(phase.folder)
            if recording is None:
                say(f"\n{number} of {len(phases)}: {phase.heading}. {phase.advice}")
                _wait_for_the_user()
                if phase.folder == AWAY:
                    _give_time(WALK_AWAY)
            tally = _collect(draft / phase.folder, options, recording)
            say(_told(phase, tally))
            if phase.folder != AWAY and tally.kept == 0:
                raise UserError(
                    f"no face was found while '{phase.folder}' was to be seen; "
                    "look into the camera, in good light"
                )
    except BaseException:
        sessions.discard(draft)
        raise
    return draft


def _collect(folder: Path, options: CalibrateOptions, recording: str | None) -> Tally:
    chosen = CollectOptions(
        source=options.source if recording is None else recording,
        backend=options.backend,
        detector=options.detector,
        detector_model=options.detector_model,
        seconds=options.seconds if recording is None else None,
        preview=options.preview and recording is None,
    )
    collector = build_collector(MainLoop(), chosen)
    with CropWriter(folder, keeps=False) as writer:
        tally = collector.run(writer)
    if collector.interrupted:
        raise KeyboardInterrupt
    return tally


def _told(phase: _Phase, tally: Tally) -> str:
    faces = tally.kept + tally.alike
    if phase.folder != AWAY:
        return f"{phase.heading}: {tally.kept} pictures kept of {faces} with a face"
    if faces == 0:
        return f"{phase.heading}: no face, as it should be"
    return (
        f"{phase.heading}: a face in {faces} of {faces + tally.faceless} looks, a poster perhaps, "
        "or somebody else; it counts as headphones off"
    )


def _wait_for_the_user() -> None:
    if sys.stdin.isatty():
        try:
            input("Press Enter to begin. ")
        except EOFError:
            raise KeyboardInterrupt from None
        return
    _give_time(GET_READY)


def _give_time(seconds: float) -> None:
    """For a person, not for the program: there is nothing to wait on but time."""
    time.sleep(seconds)


def _figures(held_back: Judgement, before: Judgement, confidence: float) -> Iterator[str]:
    counts = [int((held_back.labels == label).sum()) for label in range(len(LABELS))]
    sessions = len(set(held_back.sources))
    yield f"\n{counts[0]} pictures on, {counts[1]} off, in {sessions} session{'s' * (sessions > 1)}"
    recalls = ", ".join(f"{name} {share:.1%}" for name, share in held_back.recalls.items())
    yield (
        f"on held-back stretches of time: balanced accuracy {held_back.balanced_accuracy:.1%} "
        f"({recalls}); before: {before.balanced_accuracy:.1%}"
    )
    right, wrong = held_back.sure(confidence)
    unsure = 1 - right - wrong
    yield f"sure and right {right:.1%}, sure and wrong {wrong:.1%}, abstains {unsure:.1%}"


def weaknesses(held_back: Judgement, crops: Float32Array, sessions: int) -> Iterator[str]:
    """Where a model is weak, and what would help, a line each.

    Args:
        held_back: its judgement on pictures that it was not fitted to.
        crops: (n, 1, h, w), those pictures.
        sessions: how many there are.
    """
    gray = crops.mean((1, 2, 3))
    kinds = {
        "in dark pictures": gray < DARK,
        "in bright pictures": gray > BRIGHT,
        **{f"in session {s}": np.array(held_back.sources) == s for s in set(held_back.sources)},
    }
    right = held_back.predictions == held_back.labels
    found = False
    for kind, where in sorted(kinds.items()):
        for label, name in enumerate(LABELS):
            of_kind = where & (held_back.labels == label)
            if of_kind.sum() >= TOO_FEW and right[of_kind].mean() < WEAK:
                found = True
                yield f"weak: '{name}' {kind}, {right[of_kind].mean():.0%} right"
    if not found:
        yield "no weak spot among these pictures"
    if sessions == 1:
        yield "one session so far: calibrate once more in other light, and both count"


def _check_writable(folder: Path) -> None:
    try:
        make_writable(folder)
    except OSError as error:
        raise UserError(f"cannot write to {folder}: {error.strerror}") from None


def _write(out: Path, model: bytes) -> None:
    try:
        with whole_file(out) as draft:
            draft.write_bytes(model)
            Classifier(draft)
    except OSError as error:
        raise UserError(f"cannot write {out}: {error.strerror}") from None
