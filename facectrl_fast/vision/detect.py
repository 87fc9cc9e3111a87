"""Face detectors, chosen by name.

Every detector returns boxes in one convention, the one that models are trained with: forehead to
chin and temple to temple.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol, runtime_checkable

from facectrl_fast import plugins
from facectrl_fast.config import DETECTORS, LEAST_SHARE
from facectrl_fast.errors import UserError
from facectrl_fast.models import PACKAGED_DETECTOR
from facectrl_fast.types import Face, PixelFormat, UInt8Array

DRAWN_SMALL = 0.9
"""Of the smallest height wanted: boxes from there on are given, of tiny and YuNet. Those of faces
that are just large enough are often drawn a little small."""
JUST_TOO_SMALL = 2 / 3
"""Likewise, of a sensitive detector."""


class Detector(Protocol):
    """Finds faces in an image."""

    name: str
    used_score: float
    """From which on it takes a box for a face."""

    def detect(
        self, image: UInt8Array, pixel_format: PixelFormat, least_share: float | None = None
    ) -> list[Face]:
        """All faces, biggest first.

        Args:
            image: uint8 in the layout of ``pixel_format`` (see ``types.Frame``); a view of a
                part of a frame will do.
            pixel_format: how to read it.
            least_share: the smallest face to find, as a share of the image's height; the
                detector's own by default. The bigger it is, the less work.
        """
        ...


@runtime_checkable
class QuickDetector(Detector, Protocol):
    """One that takes less to see that a face is still there."""

    def find_again(
        self, image: UInt8Array, pixel_format: PixelFormat, least_share: float | None = None
    ) -> list[Face]:
        """As ``detect``, but it takes a likely face for one without making sure.

        Only to be trusted where a face was a moment ago, and until ``detect`` looks again.
        """
        ...


def open_detector(
    name: str = "auto",
    path: Path | None = None,
    least_share: float = LEAST_SHARE,
    sensitive: bool = False,
) -> Detector:
    """The detector of that name.

    Args:
        name: one of ``DETECTORS`` or a plug-in's; ``auto`` is what the file is for, ``tiny``
            without one.
        path: the detector's file: an .onnx for YuNet, one of ours for tiny (the packaged one by
            default; with it goes what looks closely for it, see ``SsdDetector``), a cascade .xml
            for Haar (OpenCV's frontal face by default).
        least_share: the smallest face to find, as a share of the image's height; ``haar-seed``
            has its own, a quarter.
        sensitive: give also what it does not take for faces, with low scores or just too small, to
            judge it by.

    Raises:
        UserError: the file is missing or is not what the detector needs.
    """
    if path is not None:
        check_file(path)
    if name == "auto":
        name = _made_for(path)
    # Late, each with what it needs: OpenCV is a third of the program's memory.
    if name == "tiny":
        from facectrl_fast.vision.ssd import SsdDetector

        return SsdDetector(path or PACKAGED_DETECTOR, least_share, sensitive)
    if name == "yunet":
        if path is None:
            raise UserError(
                "the detector yunet needs its file: name that, an .onnx, instead ('run' takes it "
                "as --detector-model)"
            )
        from facectrl_fast.vision.yunet import YuNetDetector

        return YuNetDetector(path, least_share, sensitive=sensitive)
    if name == "haar":
        from facectrl_fast.vision.haar import HaarDetector

        return HaarDetector(path, least_share, sensitive=sensitive)
    if name == "haar-seed":
        from facectrl_fast.vision.haar import seed_detector

        return seed_detector(path, sensitive)
    made: Detector | None = plugins.make(plugins.DETECTORS, name, path, least_share, sensitive)
    if made is None:
        raise UserError(f"unknown detector '{name}'; choose one of {', '.join(DETECTORS)}")
    return made


def check_file(path: Path) -> None:
    """Fail where a detector's file is missing.

    Raises:
        UserError: it is.
    """
    if not path.is_file():
        raise UserError(f"detector file {path} does not exist; check its name")


def _made_for(path: Path | None) -> str:
    """The detector that a file is for."""
    if path is None:
        return "tiny"
    if path.suffix != ".onnx":
        return "haar"
    from facectrl_fast.vision.runtime import open_session

    # YuNet's files tell nothing of themselves.
    told = open_session(path).get_modelmeta().custom_metadata_map
    return "tiny" if "task" in told else "yunet"
