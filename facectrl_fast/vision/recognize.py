"""Recognises one person among the faces of a camera, seldom enough to cost next to nothing.

A face is looked at when it appears, a few times in a row, and then once a minute: in between it is
followed. A scene that changes at large may have changed the person as well.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import numpy as np

from facectrl_fast.types import Box, Face, Float32Array, Frame, overlap
from facectrl_fast.vision.identity import IdentityModel, similarity

LOOKS = 3
"""At a face that appears; their mean tells whose it is."""
RENEW = 60.0
"""Seconds after which a face that is followed is looked at again."""
REACH = 2.0
"""A face counts as the owner's up to so many times the distance that the enrolled ones have from
each other: what one camera shows in one room is more alike than what a model was made of."""
NARROWEST = 1 / 3
"""But at least up to that share of the model's own distance: few pictures tell little."""
SAME_PLACE = 0.3
"""Overlap with its last place from which on a face is the same one."""
REMEMBERED = 3.0
"""Seconds for which a face that is not seen is remembered: still scenes are looked at less often
than that."""


@dataclass
class _Known:
    """A face that was looked at."""

    box: Box
    seen: float
    looked: float = float("-inf")
    likenesses: deque[float] = field(default_factory=lambda: deque(maxlen=LOOKS))


class Recognizer:
    """Tells the owner's face from others."""

    def __init__(self, model: IdentityModel, points: Float32Array) -> None:
        """Know somebody.

        Args:
            model: makes points of faces.
            points: the owner's, (n, d), of the same model.
        """
        self._model = model
        self._points = points
        self.threshold = _threshold(model.description.similarity, points)
        """The similarity above which a face is the owner's."""
        self._known: list[_Known] = []
        self.looks = 0
        """So far."""

    def is_owner(self, frame: Frame, face: Face) -> bool:
        """Whether it is the owner's face; faces may be asked about in any order.

        Args:
            frame: later than the frames before it.
            face: somewhere in it.
        """
        now = frame.timestamp
        self._known = [k for k in self._known if 0 <= now - k.seen <= REMEMBERED]
        known = max(self._known, key=lambda k: overlap(k.box, face.box), default=None)
        if known is None or overlap(known.box, face.box) < SAME_PLACE:
            known = _Known(face.box, now)
            self._known.append(known)
        known.box, known.seen = face.box, now
        if len(known.likenesses) < LOOKS:
            known.likenesses.append(self._likeness(frame, face))
            known.looked = now
        elif now - known.looked >= RENEW:
            likeness = self._likeness(frame, face)
            known.looked = now
            if self._counts(likeness) is not self._counts(float(np.mean(known.likenesses))):
                known.likenesses.clear()  # somebody else's, or a bad look: a few more will tell
            known.likenesses.append(likeness)
        return self._counts(float(np.mean(known.likenesses)))

    def doubt(self) -> None:
        """So much changed that faces may be other people's now."""
        self._known.clear()

    def _counts(self, likeness: float) -> bool:
        return likeness > self.threshold

    def _likeness(self, frame: Frame, face: Face) -> float:
        """The mean similarity to the owner's points, since the threshold is one of pairs."""
        self.looks += 1
        point = self._model.embed_face(frame.array, frame.pixel_format, face.box)
        return float(similarity(self._points, point).mean())


def _threshold(least: float, points: Float32Array) -> float:
    if len(points) < 2:
        return least
    alike = similarity(points[:, None], points[None])
    typical = float(alike[~np.eye(len(points), dtype=bool)].mean())
    return max(least, min(REACH * typical, NARROWEST * least))
