"""The programs that bench/energy.py compares; each is a process of its own.

    python bench/energy_programs.py NAME SOURCE DETECTOR_MODEL

Prints one line of JSON: what the process used from the third second of the recording to its end,
and when it saw the first frame. The player is found on the session bus.
"""

import json
import logging
import os
import resource
import sys
import threading
import time
from functools import partial
from pathlib import Path

SETTLED = 3.0
"""Seconds into the recording from which on it counts as steady."""


class Usage:
    """What this process used between two moments."""

    def __init__(self):
        self.result = {}
        self._before = None

    @property
    def is_steady(self):
        return self._before is not None

    def first_frame(self):
        self.result["first_frame"] = time.monotonic()

    def steady(self):
        self._before = self._now()

    def end(self, **more):
        after = self._now()
        seconds = after[0] - self._before[0]
        self.result |= {
            "seconds": seconds,
            "cpu": after[1] - self._before[1],
            "wakes": after[2] - self._before[2],
            "resident": resident(),
            "peak": peak(),
            **more,
        }
        print(json.dumps(self.result), flush=True)

    @staticmethod
    def _now():
        used = resource.getrusage(resource.RUSAGE_SELF)
        return time.monotonic(), time.process_time(), used.ru_nvcsw


def resident():
    """MiB of this process in memory now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def peak():
    """MiB of it at most so far; what getrusage tells goes back to before the program began."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


class FirstFrame(logging.Handler):
    """Listens for what the program logs when it has seen the first frame."""

    def __init__(self, heard):
        super().__init__()
        self._heard = heard

    def emit(self, record):
        if record.msg.startswith("watching"):
            self._heard()


def run_watcher(loop, watcher, usage):
    """Run a Watcher to the end of its source, and measure it meanwhile."""
    counts = {}

    def steady():
        usage.steady()
        counts["analyses"] = watcher.analyses

    def first_frame():
        usage.first_frame()
        loop.call_later(SETTLED, steady)

    log = logging.getLogger("facectrl_fast")
    log.setLevel(logging.INFO)
    log.addHandler(FirstFrame(first_frame))
    watcher.run()
    usage.end(analyses=watcher.analyses - counts["analyses"])


def build(source, detector_model, save_power, owner=None):
    """Our program, as the command line builds it."""
    from facectrl_fast.process import prepare_process, release_start_up_memory

    prepare_process()
    from facectrl_fast.build import build_watcher
    from facectrl_fast.config import RunOptions
    from facectrl_fast.mainloop import MainLoop

    loop = MainLoop()
    options = RunOptions(
        source=source, detector_model=detector_model, save_power=save_power, owner=owner
    )
    watcher = build_watcher(loop, options)
    release_start_up_memory()
    return loop, watcher


def ours(source, _detector_model, usage, save_power="never", owner=None):
    """The program as it comes."""
    run_watcher(*build(source, None, save_power, owner), usage)


def ungoverned(source, detector_model, usage):
    """Ours, but each of 30 frames a second is searched by that detector, and classified."""
    from facectrl_fast.governor import Governor, Rates
    from facectrl_fast.vision.gate import Gate

    loop, watcher = build(source, detector_model, "never")
    analyzer = watcher._analyzer
    detector = analyzer._locator._detector

    class Search:
        """Takes the locator's place; has no memory."""

        others = False

        def locate(self, frame):
            return next(iter(detector.detect(frame.array, frame.pixel_format)), None)

        def forget(self):
            pass

        doubt = forget

    analyzer._gate, analyzer._locator = Gate(still_share=0), Search()
    watcher.governor = Governor(Rates(1000, 1000, 1000))
    run_watcher(loop, watcher, usage)


def idle(source, _detector_model, usage):
    """The program as it comes, for as long as the others take; nothing to control is there."""
    import cv2

    capture = cv2.VideoCapture(source)
    seconds = capture.get(cv2.CAP_PROP_FRAME_COUNT) / capture.get(cv2.CAP_PROP_FPS)
    capture.release()
    loop, watcher = build(source, None, "never")
    usage.first_frame()
    loop.call_later(SETTLED, usage.steady)
    loop.call_later(seconds, loop.quit)
    watcher.run()
    usage.end(analyses=watcher.analyses)


def decoding(source, _detector_model, usage):
    """Reads and decodes the recording at its pace, a fifth of a second at a time."""
    import cv2

    capture = cv2.VideoCapture(source, cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
    rate = capture.get(cv2.CAP_PROP_FPS)
    capture.grab()
    usage.first_frame()
    start, number = time.monotonic(), 1
    while capture.grab():
        number += 1
        if number % round(rate / 5) == 0:
            time.sleep(max(start + number / rate - time.monotonic(), 0))
            if not usage.is_steady and number / rate > SETTLED:
                usage.steady()
    usage.end(analyses=0)


def seed_manner(source, _detector_model, usage):
    """A plain loop as the seed's: a capture thread, Haar, then CSRT on each frame.

    The classifier runs in ONNX Runtime with its default options, whose threads spin.
    """
    import cv2
    import dbus
    import numpy as np
    import onnxruntime as ort

    from facectrl_fast.models import PACKAGED_MODEL

    capture = cv2.VideoCapture(source)
    rate = capture.get(cv2.CAP_PROP_FPS)
    newest = [None]
    arrived = threading.Condition()

    def read():
        start = time.monotonic()
        number = 0
        while capture.isOpened():
            there, image = capture.read()
            if not there:
                break
            time.sleep(max(start + number / rate - time.monotonic(), 0))
            number += 1
            with arrived:
                newest[0] = image
                arrived.notify()
        with arrived:
            newest[0] = False
            arrived.notify()

    cascade = cv2.CascadeClassifier(
        str(Path(cv2.__file__).parent / "data/haarcascade_frontalface_default.xml")
    )
    session = ort.InferenceSession(str(PACKAGED_MODEL), providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    bus = dbus.SessionBus()
    player = next(n for n in bus.list_names() if n.startswith("org.mpris.MediaPlayer2."))
    player = bus.get_object(player, "/org/mpris/MediaPlayer2")
    reader = threading.Thread(target=read)
    reader.start()
    tracker, verdicts, decided, frames, begun = None, [], None, 0, None
    while True:
        with arrived:
            while newest[0] is None:
                arrived.wait()
            image, newest[0] = newest[0], None
        if image is False:
            break
        if begun is None:
            usage.first_frame()
            begun = time.monotonic()
        elif not usage.is_steady and time.monotonic() - begun > SETTLED:
            usage.steady()
            frames = 0
        frames += 1
        height, width = image.shape[:2]
        box = None
        if tracker is not None:
            found, box = tracker.update(image)
            tracker, box = (tracker, box) if found else (None, None)
        if tracker is None:
            gray = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
            sizes = (height // 4, width // 4), (height, width)
            boxes = cascade.detectMultiScale(gray, 1.5, 4, minSize=sizes[0], maxSize=sizes[1])
            if len(boxes):
                box = max(boxes, key=lambda b: b[2] * b[3])
                tracker = cv2.TrackerCSRT.create()
                tracker.init(image, tuple(int(v) for v in box))
        verdict = None
        if box is not None:
            x, y, w, h = (int(v) for v in box)
            grow_x, grow_y = round(0.45 * w), round(0.45 * h)
            crop = image[max(y - grow_y, 0) : y + h + grow_y, max(x - grow_x, 0) : x + w + grow_x]
            if crop.size:
                crop = cv2.resize(cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY), (64, 64))
                crop = np.float32(crop / 255.0)[None, None]
                logits = session.run(None, {name: crop})[0][0]
                verdict = "Play" if logits[0] > logits[1] else "Pause"
        verdicts = [*verdicts, verdict or "Pause"][-30:]
        if len(verdicts) == 30 and len(set(verdicts)) == 1 and verdicts[0] != decided:
            decided = verdicts[0]
            player.get_dbus_method(decided, "org.mpris.MediaPlayer2.Player")()
    reader.join()
    usage.end(analyses=frames)


PROGRAMS = {
    "idle": idle,
    "ours": ours,
    "ours, saving": partial(ours, save_power="always"),
    "ours, owner": partial(ours, owner="owner"),
    "ungoverned": ungoverned,
    "seed": seed_manner,
    "decoding": decoding,
}

if __name__ == "__main__":
    program, video, model = sys.argv[1:]
    PROGRAMS[program](video, Path(model) if model else None, Usage())
