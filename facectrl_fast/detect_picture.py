"""Finds the faces of a picture and draws them in: ``facectrl-fast detect``."""

from __future__ import annotations

from pathlib import Path

import cv2

from facectrl_fast.dataset.picture_file import load_picture
from facectrl_fast.errors import UserError
from facectrl_fast.files import whole_file
from facectrl_fast.models import PACKAGED_DETECTOR
from facectrl_fast.types import Face, PixelFormat, UInt8Array
from facectrl_fast.vision.detect import Detector, open_detector
from facectrl_fast.vision.runtime import open_session

LEAST_SHARE = 1 / 12
"""Height of the smallest faces of a picture, as a share of its own."""


def detect_picture(picture: Path, model: Path | None, out: Path) -> list[Face]:
    """Draw the boxes of the faces into a copy of a picture.

    Args:
        picture: jpg, png or whatever else OpenCV reads.
        model: a detector's file or a faceness model; None for the packaged detector.
        out: the copy; its ending decides about its format.

    Returns:
        The faces, biggest first.

    Raises:
        UserError: the picture or the model cannot be read, or the copy cannot be written.
    """
    shown = load_picture(picture)
    if shown is None:
        raise UserError(f"cannot read the picture {picture}")
    if out.exists() and out.samefile(picture):
        raise UserError(f"{out} is the picture itself; name another file with --out")
    faces = _open(model).detect(shown, PixelFormat.BGR24)
    _draw(shown, faces)
    try:
        coded = cv2.imencode(out.suffix, shown)[1]
    except cv2.error:
        raise UserError(f"cannot write {out}: use an ending such as .png or .jpg") from None
    try:
        with whole_file(out) as draft:
            draft.write_bytes(coded.tobytes())
    except OSError as error:
        raise UserError(f"cannot write {out}: {error.strerror}") from None
    return faces


def _open(model: Path | None) -> Detector:
    if model is not None and model.suffix == ".onnx":
        from facectrl_fast.vision.faceness import TASK, FacenessModel

        if open_session(model).get_modelmeta().custom_metadata_map.get("task") == TASK:
            return FacenessModel(model, LEAST_SHARE)
    return open_detector("auto", model or PACKAGED_DETECTOR, LEAST_SHARE)


def _draw(image: UInt8Array, faces: list[Face]) -> None:
    for face in faces:
        x, y, width, height = (round(side) for side in face.box)
        cv2.rectangle(image, (x, y), (x + width, y + height), (80, 200, 80), 2)
        words = f"{face.score:.2f}"
        cv2.putText(image, words, (x, max(y - 4, 12)), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (80, 200, 80))
