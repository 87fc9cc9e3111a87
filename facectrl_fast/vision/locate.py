"""Detect, then follow: where the face is, for as little work as possible."""

from __future__ import annotations

from dataclasses import replace

from facectrl_fast.types import Box, Face, Frame, PixelFormat
from facectrl_fast.vision.detect import Detector
from facectrl_fast.vision.recognize import Recognizer
from facectrl_fast.vision.track import Tracker

SEARCH_EVERYWHERE = 2.0
"""Seconds after which the whole frame is searched again: a bigger face may have come."""
AS_BIG = 0.8
"""Of the known face's height: the smallest face that such a search is for."""
NEIGHBOURHOOD = 1.0
"""The part of the frame searched around a known face: the box grown by this share of it."""
LEAST_IN_NEIGHBOURHOOD = 0.3
"""The smallest face looked for in the neighbourhood, as a share of its height."""


class Locator:
    """Finds the biggest face and keeps hold of it.

    Without a tracker the detector looks at each analysed frame, but only around the last place;
    with one, the tracker follows and the detector confirms on a schedule. Presence always comes
    from the detector. With a recognizer only the owner's faces count.
    """

    def __init__(
        self,
        detector: Detector,
        tracker: Tracker | None = None,
        recognizer: Recognizer | None = None,
    ) -> None:
        self._detector = detector
        self._tracker = tracker
        self._recognizer = recognizer
        self.others = False
        """In the frame looked at last there are faces, but none that counts."""
        self._face: Face | None = None
        self._searched = float("-inf")
        self._validated = float("-inf")

    def locate(self, frame: Frame) -> Face | None:
        """The biggest face of the frame that counts, None if there is none.

        Args:
            frame: any pixel format; later than the frames before it.
        """
        now = frame.timestamp
        self.others = False
        if self._face is None or not 0 <= now - self._searched < SEARCH_EVERYWHERE:
            return self._search(frame, self._face)
        if self._tracker is None:
            found = self._near(frame, self._face.box)
        elif now - self._validated < self._tracker.trusted_for:
            box = self._tracker.update(frame.array, frame.pixel_format)
            found = None if box is None else replace(self._face, box=box, landmarks=None)
            if found is not None and not self._counts(frame, found):
                found = None
        else:
            box = self._tracker.update(frame.array, frame.pixel_format) or self._face.box
            found = self._near(frame, box)
            if found is not None:
                self._validate(frame, found)
        if found is None:
            return self._search(frame)
        self._face = found
        return found

    def forget(self) -> None:
        """The camera was away: start with a search."""
        self._face = None
        if self._recognizer is not None:
            self._recognizer.forget()

    def doubt(self) -> None:
        """So much changed that faces may be other people's now."""
        if self._recognizer is not None:
            self._recognizer.doubt()

    def _counts(self, frame: Frame, face: Face) -> bool:
        """Whether a face is in the frame; trackers, above all, run over its edge. And whose."""
        x, y, width, height = face.box
        inside = 0 <= x + width / 2 < frame.width and 0 <= y + height / 2 < frame.height
        if not inside or self._recognizer is None:
            return inside
        owner = self._recognizer.is_owner(frame, face)
        self.others |= not owner
        return owner

    def _search(self, frame: Frame, known: Face | None = None) -> Face | None:
        # Bigger faces are found in a smaller picture, for less.
        least = None if known is None else AS_BIG * known.box[3] / frame.height
        faces = self._detector.detect(frame.array, frame.pixel_format, least)
        found = next((face for face in faces if self._counts(frame, face)), None)
        if found is None and known is not None:
            # Looked at closely, a face that was just there may still be found.
            found = self._near(frame, known.box)
        self._face = found
        self._searched = frame.timestamp
        if self._face is not None:
            self._validate(frame, self._face)
        return self._face

    def _validate(self, frame: Frame, face: Face) -> None:
        self._validated = frame.timestamp
        if self._tracker is not None:
            self._tracker.start(frame.array, frame.pixel_format, face.box)

    def _near(self, frame: Frame, box: Box) -> Face | None:
        image, pixel_format = frame.array, frame.pixel_format
        width, height = frame.width, frame.height
        if pixel_format is PixelFormat.NV12:
            # Its rows of chroma cannot be cut along; its luma plane can.
            image, pixel_format = image[:height], PixelFormat.GRAY8
        x, y, box_width, box_height = box
        left = _even(max(x - box_width * NEIGHBOURHOOD / 2, 0))
        top = int(max(y - box_height * NEIGHBOURHOOD / 2, 0))
        right = _even(min(x + box_width * (1 + NEIGHBOURHOOD / 2), width))
        bottom = int(min(y + box_height * (1 + NEIGHBOURHOOD / 2), height))
        if right - left < 2 or bottom - top < 2:
            return None
        part = image[top:bottom, left:right]
        faces = self._detector.detect(part, pixel_format, LEAST_IN_NEIGHBOURHOOD)
        moved = (_moved(face, left, top) for face in faces)
        return next((face for face in moved if self._counts(frame, face)), None)


def _even(value: float) -> int:
    """YUYV and UYVY store pixels in pairs."""
    return int(value) // 2 * 2


def _moved(face: Face, dx: int, dy: int) -> Face:
    x, y, width, height = face.box
    points = face.landmarks and tuple((px + dx, py + dy) for px, py in face.landmarks)
    return Face((x + dx, y + dy, width, height), face.score, points)
