"""Detect, then follow: where the face is, for as little work as possible."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from facectrl_fast.types import Box, Face, Frame, PixelFormat, holds_middle
from facectrl_fast.vision.detect import Detector, QuickDetector
from facectrl_fast.vision.recognize import Recognizer
from facectrl_fast.vision.track import Tracker

SEARCH_EVERYWHERE = 2.0
"""Seconds after which the whole frame is searched again: a bigger face may have come."""
SEARCH_FOR_OWNER = 1.0
"""The same, while only others are there."""
AS_BIG = 0.8
"""Of the known face's height: the smallest face that such a search is for."""
NEIGHBOURHOOD = 0.7
"""The part of the frame searched around a known face: the box grown by this share of it."""
LEAST_IN_NEIGHBOURHOOD = 0.33
"""The smallest face looked for in the neighbourhood, as a share of its height."""


class Locator:
    """Finds the biggest face and keeps hold of it.

    Without a tracker the detector looks at each analysed frame, but only around the last place;
    with one, the tracker follows and the detector confirms on a schedule. Presence always comes
    from the detector. With a recognizer only the owner's faces count; where there are only others,
    the biggest of those is followed, so that it need not be found in each frame.
    """

    def __init__(
        self,
        detector: Detector,
        tracker: Tracker | None = None,
        recognizer: Recognizer | None = None,
    ) -> None:
        self._detector = detector
        self._quick = detector if isinstance(detector, QuickDetector) else None
        self._tracker = tracker
        self._recognizer = recognizer
        self._face: Face | None = None
        self._counts = True
        """Whether that is a face that counts."""
        self._doubted = False
        self._searched = float("-inf")
        self._validated = float("-inf")

    def locate(self, frame: Frame) -> Face | None:
        """The biggest face of the frame that counts, None if there is none.

        Args:
            frame: any pixel format; later than the frames before it.
        """
        if self._doubted and self._recognizer is not None and not self._looks_the_same(frame):
            self._recognizer.doubt()
        self._doubted = False
        every = SEARCH_EVERYWHERE if self._counts else SEARCH_FOR_OWNER
        if self._face is None or not 0 <= frame.timestamp - self._searched < every:
            self._face = self._search(frame, self._face)
        else:
            self._face = self._followed(frame, self._face) or self._search(frame)
        return self._face if self._counts else None

    @property
    def others(self) -> bool:
        """Whether there are faces in the frame looked at last, but none that counts."""
        return self._face is not None and not self._counts

    def use(self, recognizer: Recognizer | None) -> None:
        """Whose faces count from now on."""
        self._recognizer = recognizer
        self._counts = True
        self._face = None

    def forget(self) -> None:
        """The camera was away: start with a search."""
        self._face = None
        if self._recognizer is not None:
            self._recognizer.forget()

    def doubt(self) -> None:
        """So much changed that faces may be other people's now."""
        self._doubted = True

    def _looks_the_same(self, frame: Frame) -> bool:
        """Whether the face that is followed does, where there is a tracker that can tell."""
        if self._face is None or self._tracker is None or not self._tracker.notices:
            return False
        return self._tracker.update(frame.array, frame.pixel_format) is not None

    def _followed(self, frame: Frame, known: Face) -> Face | None:
        """The known face in this frame; None where it may be elsewhere."""
        counted = self._counts
        if self._tracker is None:
            found = self._near(frame, known.box, sure=False)
        else:
            box = self._tracker.update(frame.array, frame.pixel_format)
            if box is None:
                found = self._near(frame, known.box, sure=True)
            elif frame.timestamp - self._validated < self._tracker.trusted_for:
                return self._chosen(frame, [replace(known, box=box, landmarks=None)])
            else:
                found = self._near(frame, box, sure=False)
        if found is None or (counted and not self._counts):  # gone, or somebody else is there
            return None
        self._validate(frame, found)
        return found

    def _chosen(self, frame: Frame, faces: Iterable[Face]) -> Face | None:
        """The first of these, and of the owner's where there are any."""
        inside = [face for face in faces if _is_inside(frame, face)]
        recognizer = self._recognizer
        if recognizer is not None:
            owner = next((face for face in inside if recognizer.is_owner(frame, face)), None)
            self._counts = owner is not None
            if owner is not None:
                return owner
        return next(iter(inside), None)

    def _search(self, frame: Frame, known: Face | None = None) -> Face | None:
        least, counted = None, self._counts
        if known is not None and counted:
            # Bigger faces are found in a smaller picture, for less.
            least = AS_BIG * known.box[3] / frame.height
        faces = self._detector.detect(frame.array, frame.pixel_format, least)
        found = self._chosen(frame, faces)
        if known is not None and (found is None or (counted and not self._counts)):
            # Looked at closely, a face that was just there may still be found.
            found = self._near(frame, known.box, sure=True) or found
        self._searched = frame.timestamp
        if found is not None:
            self._validate(frame, found)
        return found

    def _validate(self, frame: Frame, face: Face) -> None:
        self._validated = frame.timestamp
        if self._tracker is not None:
            self._tracker.start(frame.array, frame.pixel_format, face.box)

    def _near(self, frame: Frame, box: Box, sure: bool) -> Face | None:
        """The face near a known place; without making sure, until the next search."""
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
        if sure or self._quick is None:
            faces = self._detector.detect(part, pixel_format, LEAST_IN_NEIGHBOURHOOD)
        else:
            faces = self._quick.find_again(part, pixel_format, LEAST_IN_NEIGHBOURHOOD)
        return self._chosen(frame, (_moved(face, left, top) for face in faces))


def _is_inside(frame: Frame, face: Face) -> bool:
    """Whether its middle is in the frame: trackers, above all, run over the edge."""
    return holds_middle((0, 0, frame.width, frame.height), face.box)


def _even(value: float) -> int:
    """YUYV and UYVY store pixels in pairs."""
    return int(value) // 2 * 2


def _moved(face: Face, dx: int, dy: int) -> Face:
    x, y, width, height = face.box
    points = face.landmarks and tuple((px + dx, py + dy) for px, py in face.landmarks)
    return Face((x + dx, y + dy, width, height), face.score, points)
