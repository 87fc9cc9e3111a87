"""Learns somebody's face, from a camera or from pictures: ``facectrl-fast enroll``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from facectrl_fast.capture.each_frame import each_frame
from facectrl_fast.capture.source import open_source
from facectrl_fast.config import RunOptions
from facectrl_fast.desktop.remote import looking_away, reload_running
from facectrl_fast.errors import UserError
from facectrl_fast.mainloop import MainLoop
from facectrl_fast.people import People, Person
from facectrl_fast.types import Float32Array, Frame
from facectrl_fast.vision.detect import open_detector
from facectrl_fast.vision.identity import IdentityModel, open_identity_model, similarity
from facectrl_fast.vision.locate import Locator

EVERY = 0.5
"""Seconds between two looks."""
LOOKS = 30
"""Faces that make somebody known."""
MOST = 200
"""Faces that are kept of pictures."""
LEAST = 5
"""Faces below which a recording shows too little."""
ODD = 1 / 3
"""Share of the other faces that one may be unlike; more is taken for somebody else's."""


def enroll_from_camera(
    name: str, options: RunOptions, say: Callable[[str], None], people: People | None = None
) -> None:
    """Look at a camera, or a recording, until there are enough faces.

    Args:
        name: of the person.
        options: source, backend, detector and model.
        say: is told what to do and what was done.
        people: where it is kept; with the user's own by default.

    Raises:
        UserError: the camera or the model cannot be used, too few faces are seen, or they are
            those of several people; nobody is enrolled then.
    """
    people = people or People()
    people.check_name(name)
    model = open_identity_model(options.identity_model)
    source = open_source(options.source, False, options.backend)
    locator = Locator(open_detector(options.detector, options.detector_model))
    say("look into the camera, and move your head a little")
    points: list[Float32Array] = []

    def look(frame: Frame) -> bool:
        face = locator.locate(frame)
        if face is not None:
            points.append(model.embed_face(frame.array, frame.pixel_format, face.box))
        return len(points) < LOOKS

    with looking_away(options.source):
        if each_frame(MainLoop(), source, EVERY, look):
            raise KeyboardInterrupt
    if len(points) < LEAST:
        raise UserError(
            f"only {len(points)} faces were seen, {LEAST} are needed; look into the camera, in "
            "good light"
        )
    _keep(name, model, np.stack(points), people, say)


def enroll_from_pictures(
    name: str,
    pictures: Sequence[Path],
    options: RunOptions,
    say: Callable[[str], None],
    people: People | None = None,
) -> None:
    """Learn a face from pictures, the one in the middle of each.

    Args:
        name: of the person.
        pictures: files, and folders of them.
        options: the model.
        say: is told what was done.
        people: where it is kept; with the user's own by default.

    Raises:
        UserError: a picture or the model cannot be used, no face is found, or they are those of
            several people; nobody is enrolled then.
    """
    # Late: it needs OpenCV.
    from facectrl_fast.dataset.faces import FaceCutter
    from facectrl_fast.dataset.wider import SUFFIXES

    people = people or People()
    people.check_name(name)
    model = open_identity_model(options.identity_model)
    given = model.description
    cutter = FaceCutter(given.preprocessing, given.height, given.width)
    points = []
    for given_path in pictures:
        folder = given_path.is_dir()
        found = sorted(given_path.rglob("*")) if folder else [given_path]
        for path in (p for p in found if not folder or p.suffix.lower() in SUFFIXES):
            crop = cutter.cut_file(path)
            if crop is None:
                say(f"{path} shows no face")
            else:
                points.append(model.embed(crop)[0])
    if not points:
        raise UserError("no face was found in the pictures")
    _keep(name, model, np.stack(points), people, say)


def _keep(
    name: str,
    model: IdentityModel,
    points: Float32Array,
    people: People,
    say: Callable[[str], None],
) -> None:
    points = points[np.linspace(0, len(points) - 1, min(len(points), MOST)).astype(int)]
    alike = similarity(points[:, None], points[None]) > model.description.similarity
    unlike = 1 - (alike.sum(1) - 1) / max(len(points) - 1, 1)
    kept = points if len(points) == 1 else points[unlike <= ODD]
    if len(kept) <= len(points) / 2:
        raise UserError(
            "the faces are too unlike each other: was there somebody else? Nobody was enrolled"
        )
    person = Person(name, model.digest, kept)
    for other in people.others(person):
        if model.confuses(kept, other.points):
            say(f"note: the model can hardly tell '{name}' from '{other.name}'")
    people.keep_model(model.path, model.digest)
    people.keep(person)
    reload_running()
    say(f"'{name}' is known by {len(kept)} faces; from now on: facectrl-fast run --owner '{name}'")
