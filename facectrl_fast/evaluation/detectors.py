"""Compares face detectors on annotated pictures or on a recording, in one run."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from facectrl_fast._native import FrameRing
from facectrl_fast.config import LEAST_SHARE
from facectrl_fast.dataset.faceless_parts import faceless_parts
from facectrl_fast.dataset.folder import natural_order
from facectrl_fast.dataset.picture_file import load_picture
from facectrl_fast.dataset.wider import SUFFIXES, FaceFilter, is_set, locate_set, read_wider
from facectrl_fast.errors import UsageError, UserError
from facectrl_fast.evaluation.detection import (
    SIZES,
    DetectionJudgement,
    JudgedPicture,
    check_average_precision,
)
from facectrl_fast.types import Box, PixelFormat, UInt8Array
from facectrl_fast.vision.detect import Detector, check_file, open_detector
from facectrl_fast.vision.locate import Locator
from facectrl_fast.vision.yunet import YuNetDetector

FALSE_BOXES = (0.0, 0.1, 1.0)
"""A picture, for which the recall is told."""
TIMED = 200
"""Pictures that each detector is timed on."""
SURE, UNSURE = 0.8, 0.3
"""Scores from which on what a reference detector finds is a face, and may be one."""
LEAST_ROWS = 80
"""Of a part without faces."""


@dataclass(frozen=True)
class KnownPicture:
    """A picture whose faces are known."""

    image: UInt8Array
    """BGR."""
    faces: tuple[Box, ...]
    doubtful: tuple[Box, ...] = ()


@dataclass(frozen=True)
class Comparison:
    """What one detector did."""

    name: str
    judgement: DetectionJudgement
    used_score: float
    """From which on it takes a box for a face in ``run``."""
    search_ms: float
    """A search of the whole picture, median, on one thread."""
    follow_ms: float
    """A search about a known face; NaN where none was found."""


def known_pictures(
    data: Path,
    boxes: Path | None,
    reference: Path | None,
    every: int,
    say: Callable[[str], None],
) -> Iterator[KnownPicture]:
    """Pictures whose faces are known.

    Args:
        data: a set (see ``wider.locate_set``) or a recording.
        boxes: where the face is in a recording's frames.
        reference: a YuNet model that says so, where there are no boxes.
        every: so many frames one is taken.
        say: is told what is left out of a set.

    Raises:
        UserError: there is no such set or recording, or nothing tells where its faces are.
    """
    if is_set(data):
        if boxes is not None or reference is not None:
            raise UsageError(f"{data} is annotated: leave out --boxes and --reference")
        return annotated_pictures(*locate_set(data), say)
    if not data.exists():
        raise UserError(f"{data} does not exist")
    if (boxes is None) == (reference is None):
        raise UserError(f"{data} is a recording: name either --boxes or --reference")
    detector = None
    if reference is not None:
        detector = open_detector("yunet", reference, least_share=0.08, sensitive=True)
    return recording_pictures(data, boxes, detector, every)


def annotated_pictures(
    annotations: Path, images: Path, say: Callable[[str], None]
) -> Iterator[KnownPicture]:
    """The pictures of a set in WIDER FACE's format; small faces may be found or not.

    Args:
        annotations: the file.
        images: the folder of its pictures.
        say: is told what is left out.

    Raises:
        UserError: the set, or too much of it, cannot be read.
    """
    pictures, problems = read_wider(annotations, images, FaceFilter())
    for entry in pictures:
        image = load_picture(entry.path)
        if image is None:
            problems.found.append(f"{entry.path} cannot be read")
        else:
            yield _sorted_by_size(image, entry.boxes, entry.doubtful)
    problems.check(len(pictures), limit=0.1)
    if problems.found:
        say(f"left out: {problems}")


def recording_pictures(
    recording: Path, boxes: Path | None, reference: Detector | None, every: int
) -> Iterator[KnownPicture]:
    """Frames of a video, or of a folder of numbered pictures.

    Args:
        recording: the file or the folder.
        boxes: a text with a line ``x,y,w,h`` a frame; frames of zeros are left out.
        reference: where there are no boxes, says what is a face.
        every: so many frames one is taken.

    Raises:
        UserError: something cannot be read.
    """
    known = None if boxes is None else read_boxes(boxes)
    for number, image in enumerate(_frames(recording)):
        if image is None:
            continue
        if known is not None:
            if number < len(known) and known[number][3] > 0:
                yield _sorted_by_size(image, (known[number],), ())
        elif number % every == 0 and reference is not None:
            found = reference.detect(image, PixelFormat.BGR24)
            sure = tuple(face.box for face in found if face.score >= SURE)
            unsure = tuple(face.box for face in found if UNSURE <= face.score < SURE)
            yield _sorted_by_size(image, sure, unsure)


def without_faces(pictures: Iterable[KnownPicture]) -> Iterator[KnownPicture]:
    """Parts of each picture that show nobody (see ``faceless_parts``)."""
    for picture in pictures:
        rows, columns = picture.image.shape[:2]
        faces = (*picture.faces, *picture.doubtful)
        for left, top, width, height in faceless_parts(rows, columns, faces, LEAST_ROWS):
            part = picture.image[top : top + height, left : left + width]
            yield KnownPicture(np.ascontiguousarray(part), ())


def _sorted_by_size(
    image: UInt8Array, faces: Sequence[Box], doubtful: Sequence[Box]
) -> KnownPicture:
    least = LEAST_SHARE * image.shape[0]
    big = tuple(box for box in faces if box[3] >= least)
    return KnownPicture(image, big, (*doubtful, *(box for box in faces if box[3] < least)))


def _frames(recording: Path) -> Iterator[UInt8Array | None]:
    """One after the other; None for a picture that cannot be read."""
    if recording.is_dir():
        paths = (p for p in recording.iterdir() if p.suffix.lower() in SUFFIXES)
        for path in sorted(paths, key=natural_order):
            yield load_picture(path)
        return
    capture = cv2.VideoCapture(str(recording))
    if not capture.isOpened():
        raise UserError(f"cannot read video from {recording}")
    try:
        while True:
            there, image = capture.read()
            if not there:
                return
            yield np.asarray(image, np.uint8)
    finally:
        capture.release()


def read_boxes(path: Path) -> list[Box]:
    """The boxes of a text with a line ``x,y,w,h`` a frame.

    Raises:
        UserError: it cannot be read, or a line is none.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read the boxes {path}: {error}") from None
    boxes: list[Box] = []
    for number, line in enumerate(lines, 1):
        try:
            x, y, width, height = (float(part) for part in line.replace(",", " ").split())
        except ValueError:
            raise UserError(f"{path}, line {number}: not x,y,width,height") from None
        box = (x, y, width, height)
        if not all(map(math.isfinite, box)) or min(width, height) < 0:
            raise UserError(f"{path}, line {number}: no box is {line.strip()}")
        boxes.append(box)
    return boxes


class _Contestant:
    """A detector, and what it did so far."""

    def __init__(self, text: str) -> None:
        self._sensitive, self._as_used = (_opened(text, some) for some in (True, False))
        self._text = text
        self._judged: list[JudgedPicture] = []
        self._searching: list[float] = []
        self._following: list[float] = []

    def look(self, picture: KnownPicture) -> None:
        """Find its faces; the first pictures are timed, too."""
        image = picture.image
        found = self._sensitive.detect(image, PixelFormat.BGR24)
        if len(self._judged) < TIMED:
            begun = time.perf_counter()
            self._as_used.detect(image, PixelFormat.BGR24)
            self._searching.append(time.perf_counter() - begun)
            self._following += _time_following(self._as_used, image)
        self._judged.append(
            JudgedPicture(tuple(found), picture.faces, picture.doubtful, image.shape[0])
        )

    def compared(self) -> Comparison:
        """What it did with all of them.

        Raises:
            UserError: there were none.
        """
        if not self._judged:
            raise UserError("there are no pictures to judge by")
        name, following = self._as_used.name, self._following
        return Comparison(
            name if name == self._text else f"{name} ({Path(self._text).name})",
            DetectionJudgement(self._judged),
            self._as_used.used_score,
            1000 * statistics.median(self._searching),
            1000 * statistics.median(following) if following else float("nan"),
        )


def compare(detectors: Sequence[str], pictures: Iterable[KnownPicture]) -> list[Comparison]:
    """Judge and time detectors, which look at each picture in turn: machines slow down.

    Args:
        detectors: names (see ``open_detector``) or files, YuNet's with or without the width of
            its input, as in yunet.onnx@160.
        pictures: at least one.

    Raises:
        UserError: there are no pictures, or a file is no detector's.
    """
    cv2.setNumThreads(1)
    check_average_precision()
    contestants = [_Contestant(text) for text in detectors]
    for picture in pictures:
        for contestant in contestants:
            contestant.look(picture)
    return [contestant.compared() for contestant in contestants]


def _opened(text: str, sensitive: bool) -> Detector:
    """The detector of that name or file; YuNet's file may be followed by @ and a width."""
    name, at, width = text.rpartition("@") if not Path(text).exists() else (text, "", "")
    name = name or text
    path = Path(name)
    if at:
        if not width.isdecimal() or not 32 <= int(width) <= 4096:
            raise UserError(f"{text}: behind the @ stands a width in pixels, 32 to 4096")
        check_file(path)
        # Of pictures that are four to three.
        least_pixels = round(int(width) * 0.75 * LEAST_SHARE)
        return YuNetDetector(path, LEAST_SHARE, least_pixels, sensitive)
    if path.suffix in (".onnx", ".xml"):
        return open_detector("auto", path, LEAST_SHARE, sensitive)
    return open_detector(name, None, LEAST_SHARE, sensitive)


def _time_following(detector: Detector, image: UInt8Array) -> list[float]:
    """Seconds for a second look at the same picture; none where no face is known."""
    height, width = image.shape[:2]
    ring = FrameRing(2, PixelFormat.BGR24, width, height)
    slot = ring.begin_write()
    assert slot is not None
    slot.array[:] = image
    slot.publish(0.0)
    frame = ring.latest()
    assert frame is not None
    locator = Locator(detector)
    if locator.locate(frame) is None:
        return []
    begun = time.perf_counter()
    locator.locate(frame)
    return [time.perf_counter() - begun]


def table(comparisons: Sequence[Comparison]) -> Iterator[str]:
    """The comparison as Markdown."""
    first = comparisons[0].judgement
    yield f"{len(first.pictures)} pictures, {first.faces} faces from a sixth of the height on"
    yield ""
    heads = [
        "detector",
        "AP",
        *(f"found at {false:g} false a picture" for false in FALSE_BOXES),
        "found as used",
        "false a picture as used",
        "false an empty picture",
        "overlap",
        *(f"found, {_size(*size)}" for size in SIZES),
        "search ms",
        "follow ms",
    ]
    yield "| " + " | ".join(heads) + " |"
    yield "|" + "---|" * len(heads)
    for each in comparisons:
        judgement, used = each.judgement, each.used_score
        # Where there is nothing to find, nothing was found badly.
        precision = judgement.average_precision() if judgement.faces else math.nan
        overlapping = judgement.overlap if judgement.faces else math.nan
        cells = [
            each.name,
            _figure(precision, 3),
            *(_share(judgement.recall(judgement.score_for(false))) for false in FALSE_BOXES),
            _share(judgement.recall(used)),
            f"{judgement.false_boxes(used):.3f}",
            _figure(judgement.false_boxes(used, empty=True), 3),
            _figure(overlapping, 3),
            *(_share(judgement.recall(used, size)) for size in SIZES),
            f"{each.search_ms:.2f}",
            _figure(each.follow_ms, 2),
        ]
        yield "| " + " | ".join(cells) + " |"


def _size(least: float, below: float) -> str:
    return f"{least:.0%} to {below:.0%}" if np.isfinite(below) else f"{least:.0%} on"


def _share(value: float) -> str:
    return "" if np.isnan(value) else f"{value:.1%}"


def _figure(value: float, digits: int) -> str:
    return "" if np.isnan(value) else f"{value:.{digits}f}"
