"""Shows what a score model says of the face before the camera: ``facectrl-fast watch --score``."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from pathlib import Path

import numpy as np

from facectrl_fast.capture.each_frame import each_frame
from facectrl_fast.capture.source import open_source
from facectrl_fast.config import RunOptions
from facectrl_fast.desktop.preview import PreviewWindow, Recorder, bgr_copy, draw_face
from facectrl_fast.errors import UserError
from facectrl_fast.mainloop import MainLoop
from facectrl_fast.types import Frame
from facectrl_fast.vision.detect import open_detector
from facectrl_fast.vision.locate import Locator
from facectrl_fast.vision.score import ScoreModel

SMOOTHED = 1.0
"""Seconds over which the shown number is the mean."""
_GREEN, _GRAY = (80, 200, 80), (230, 230, 230)


def watch_score(model: Path, options: RunOptions, say: Callable[[str], None]) -> None:
    """Draw the number beside the face, in a window or into a recording, until the source ends.

    Args:
        model: of ``train score``.
        options: source, backend, detector, rate and where to record.
        say: is told the mean at the end.

    Raises:
        UserError: the model, the source or the recording cannot be used, or no face was seen.
    """
    from facectrl_fast.desktop.remote import looking_away

    judge = ScoreModel(model)
    # What is recorded takes as long as it takes.
    live = options.record is None and options.realtime
    source = open_source(options.source, live, options.backend, options.rate)
    source.check()
    locator = Locator(open_detector(options.detector, options.detector_model))
    window = PreviewWindow() if options.record is None else None
    recorder = None if options.record is None else Recorder(options.record, options.rate)
    recent: deque[tuple[float, float]] = deque()
    everything: list[float] = []

    def look(frame: Frame) -> bool:
        now = frame.timestamp
        face = locator.locate(frame)
        if face is None:
            recent.clear()
        else:
            number = judge.score(bgr_copy(frame), face.box)
            recent.append((now, number))
            everything.append(number)
        while recent and recent[0][0] < now - SMOOTHED:
            recent.popleft()
        words = "no face"
        if recent:
            words = f"{judge.description.label}: {np.mean([n for _, n in recent]):.2f}"
        lines = [(words, _GREEN)] + ([("q quits", _GRAY)] if window is not None else [])
        shown = draw_face(frame, face, _GREEN, lines)
        if recorder is not None:
            recorder.add(shown, now)
        return window is None or window.show_image(shown)

    try:
        with looking_away(options.source):
            interrupted = each_frame(MainLoop(), source, 1 / options.rate, look)
    finally:
        for display in (window, recorder):
            if display is not None:
                display.close()
    if not everything and (interrupted or window is not None):
        return
    if not everything:
        raise UserError("no face was seen; look into the camera, in good light")
    say(f"{judge.description.label}: {np.mean(everything):.2f} on average, {len(everything)} looks")
