"""Trackers that tests follow faces with."""


class LosingTracker:
    """Loses the face in each frame, as in a room whose light flickers."""

    trusted_for = 1.0
    notices = True

    def start(self, image, pixel_format, box):
        pass

    def update(self, image, pixel_format):
        return None
