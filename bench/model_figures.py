"""Counts a model's right and wrong verdicts on single frames of a recording of known truth.

    python bench/model_figures.py MODEL.onnx VIDEO TRUTH.json [YUNET.onnx]

TRUTH.json has a ``schedule`` of ``{"t": seconds, "state": "on" or "off"}``. Five frames a second.
"""

import json
import sys
from collections import Counter
from pathlib import Path

import cv2

from facectrl_fast.types import PixelFormat, Verdict
from facectrl_fast.vision.classify import Classifier
from facectrl_fast.vision.detect import open_detector

RIGHT = {"on": Verdict.HEADPHONES_ON, "off": Verdict.HEADPHONES_OFF}


def main(model, video, truth, yunet=None):
    schedule = json.loads(Path(truth).read_text())["schedule"]
    classifier = Classifier(Path(model))
    detector = open_detector("auto", None if yunet is None else Path(yunet))
    capture = cv2.VideoCapture(video)
    rate = capture.get(cv2.CAP_PROP_FPS)
    counts = Counter()
    number = 0
    while capture.grab():
        if number % round(rate / 5) == 0:
            image = capture.retrieve()[1]
            state = [s["state"] for s in schedule if s["t"] <= number / rate][-1]
            faces = detector.detect(image, PixelFormat.BGR24)
            verdict = Verdict.NO_FACE
            if faces:
                verdict = classifier.classify(image, PixelFormat.BGR24, faces[0].box).verdict
            outcome = "right" if verdict is RIGHT[state] else str(verdict)
            counts[state, outcome] += 1
        number += 1
    for state in RIGHT:
        total = sum(n for (s, _), n in counts.items() if s == state)
        for (s, outcome), n in sorted(counts.items()):
            if s == state:
                print(f"{detector.name} {state:<4}{outcome:<16}{n / total:7.1%}  ({n} of {total})")


if __name__ == "__main__":
    main(*sys.argv[1:])
