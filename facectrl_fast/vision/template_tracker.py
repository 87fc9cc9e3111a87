"""Follows a face by template matching: see csrc/template_match.hpp."""

from __future__ import annotations

from facectrl_fast._native import TemplateMatch
from facectrl_fast.types import Box, PixelFormat, UInt8Array

LEAST_SIMILARITY = 0.8
"""Of a face to itself in the frame where the detector found it: below, the detector is asked."""


class TemplateTracker:
    """Looks for what the detector found around its last place, coarsely. Knows when it is lost."""

    trusted_for = 1.0
    notices = True

    def __init__(self, least_similarity: float = LEAST_SIMILARITY) -> None:
        self._match = TemplateMatch()
        self._least_similarity = least_similarity

    def start(self, image: UInt8Array, pixel_format: PixelFormat, box: Box) -> None:
        """See ``Tracker``."""
        self._match.start(image, pixel_format, box)

    def update(self, image: UInt8Array, pixel_format: PixelFormat) -> Box | None:
        """See ``Tracker``."""
        box, similarity = self._match.update(image, pixel_format)
        return box if similarity >= self._least_similarity else None
