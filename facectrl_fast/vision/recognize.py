"""Recognises one person among the faces of a camera, seldom enough to cost next to nothing.

A face is looked at when it appears, a few times in a row, and then once a minute, another's every
few seconds: in between it is followed. Where it was lost and so much changed that it may be
somebody else's, it is looked at again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from facectrl_fast.types import Box, Face, Float32Array, Frame, overlap
from facectrl_fast.vision.identity import IdentityModel, similarity

LOOKS = 3
"""At a face that appears; their median tells whose it is."""
RENEW = 60.0
"""Seconds after which the owner's face, which is followed, is looked at again."""
RETRY, DOUBLINGS = 1.0, 2
"""Seconds after which another's is, and how often those double: the owner may have turned away."""
NEAREST = 3
"""Of the enrolled faces, those closest to a face: the others show other poses and other light."""
REACH = 4.0
"""A face counts as the owner's up to so many times the distance that the enrolled ones have from
each other: what one camera shows in one room is more alike than what a model was made of."""
NARROWEST = 1 / 2
"""But at least up to that share of the model's own distance: few pictures, of one sitting, tell
little. Of people of LFW that the model was not made of, one in a hundred comes so close to another;
at a quarter hardly anybody would be known again on another day."""
SAME_PLACE = 0.3
"""Overlap with its last place from which on a face is the same one."""
REMEMBERED = 3.0
"""Seconds for which a face that is not seen is remembered: longer than still scenes are not looked
at."""


@dataclass
class _Known:
    """A face that was looked at."""

    box: Box
    seen: float
    looked: float = float("-inf")
    looks: int = 0
    doubted: bool = False
    """It may be somebody else's by now."""
    likenesses: deque[float] = field(default_factory=lambda: deque(maxlen=LOOKS))
    is_owner: bool = False
    """By the median of those."""


class Recognizer:
    """Tells the owner's face from others."""

    def __init__(
        self, model: IdentityModel, points: Float32Array, others: Sequence[Float32Array] = ()
    ) -> None:
        """Know somebody.

        Args:
            model: makes points of faces.
            points: the owner's, (n, d), of the same model.
            others: those of other people: who is nearer to one of them is not the owner, unless
                the model takes those two for one.
        """
        self._model = model
        self._points = points
        self._others = [each for each in others if not model.confuses(points, each)]
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
        # A second look at one picture shows nothing else.
        if now > known.looked and now - known.looked >= self._rest(known):
            known.likenesses.append(self._likeness(frame, face))
            known.is_owner = bool(np.median(known.likenesses) > self.threshold)
            known.looked = now
            known.looks += 1
            known.doubted = False
        return known.is_owner

    def doubt(self) -> None:
        """So much changed that faces may be other people's now: look again."""
        for known in self._known:
            known.doubted = True

    def forget(self) -> None:
        """The camera was away."""
        self._known.clear()

    def _rest(self, known: _Known) -> float:
        """Seconds between looks: none before there are enough, or where the last one differs."""
        if len(known.likenesses) < LOOKS or known.doubted:
            return 0.0
        if known.is_owner is not (known.likenesses[-1] > self.threshold):
            return 0.0
        return RENEW if known.is_owner else RETRY * 2.0 ** min(known.looks - LOOKS, DOUBLINGS)

    def _likeness(self, frame: Frame, face: Face) -> float:
        self.looks += 1
        point = self._model.embed_face(frame.array, frame.pixel_format, face.box)
        own, *others = (
            float(_to_nearest(similarity(each, point))) for each in (self._points, *self._others)
        )
        return own if own >= max(others, default=own) else float("-inf")


def _to_nearest(alike: Float32Array) -> Float32Array:
    """Of similarities (n,) or (n, m), the mean of the highest along the first axis."""
    return np.asarray(np.sort(alike, 0)[-NEAREST:].mean(0), np.float32)


def _threshold(least: float, points: Float32Array) -> float:
    if len(points) < 2:
        return least
    alike = similarity(points[:, None], points[None])
    others = np.stack([np.delete(column, k) for k, column in enumerate(alike.T)], 1)
    return max(least, min(REACH * float(_to_nearest(others).mean()), NARROWEST * least))
