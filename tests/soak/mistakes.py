"""The program with a defect: it takes headphones that are off for on."""

import dataclasses
import sys

from facectrl_fast.cli import main
from facectrl_fast.types import Verdict
from facectrl_fast.vision.analyze import FrameAnalyzer

analyze = FrameAnalyzer.analyze


def mistakes(analyzer, frame):
    sighting = analyze(analyzer, frame)
    if sighting.verdict is Verdict.HEADPHONES_OFF:
        return dataclasses.replace(sighting, verdict=Verdict.HEADPHONES_ON)
    return sighting


FrameAnalyzer.analyze = mistakes
sys.exit(main())
