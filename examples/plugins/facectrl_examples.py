"""A plug-in of each kind: a detector, a tracker, a source of frames and a training task."""

from __future__ import annotations

import argparse
import threading
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from facectrl_fast._native import FrameRing
from facectrl_fast.errors import UserError
from facectrl_fast.types import Box, Face, PixelFormat, UInt8Array


class BrightestSpot:
    """A detector: ``run --detector brightest``.

    Takes the biggest bright spot for a face, as before a dark wall with a lamp on the desk.
    """

    name = "brightest"
    used_score = 0.5

    def __init__(self, path: Path | None, least_share: float, sensitive: bool) -> None:
        """See ``facectrl_fast.vision.detect.open_detector``."""
        self._least_share = least_share

    def detect(
        self, image: UInt8Array, pixel_format: PixelFormat, least_share: float | None = None
    ) -> list[Face]:
        """See ``facectrl_fast.vision.detect.Detector``."""
        gray = image if image.ndim == 2 else image[..., 1 if pixel_format.name == "UYVY" else 0]
        if gray.max() < 64:
            return []
        _, bright = cv2.threshold(
            np.ascontiguousarray(gray), 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU
        )
        _, _, spots, _ = cv2.connectedComponentsWithStats(bright)
        least = (least_share or self._least_share) * gray.shape[0]
        faces = [
            Face((float(x), float(y), float(width), float(height)), 0.9)
            for x, y, width, height, _ in spots[1:]
            if height >= least
        ]
        return sorted(faces, key=lambda face: face.box[2] * face.box[3], reverse=True)


class StandsStill:
    """A tracker: ``run --tracker still``. Believes that nobody moves for half a second."""

    trusted_for = 0.5
    notices = False

    def __init__(self) -> None:
        """Follow nobody yet."""
        self._box: Box | None = None

    def start(self, image: UInt8Array, pixel_format: PixelFormat, box: Box) -> None:
        """See ``facectrl_fast.vision.track.Tracker``."""
        self._box = box

    def update(self, image: UInt8Array, pixel_format: PixelFormat) -> Box | None:
        """See ``facectrl_fast.vision.track.Tracker``."""
        return self._box


class Pictures:
    """A source: ``run --source pictures:FOLDER`` shows its pictures, five a second, once."""

    live = False

    def __init__(self, folder: str) -> None:
        """What stood behind the colon."""
        self.name = folder
        self._folder = Path(folder)

    def check(self) -> None:
        """See ``facectrl_fast.capture.source.Source``."""
        if not self._paths():
            raise UserError(f"{self.name} holds no .png or .jpg; check --source")

    def arrivals(self) -> None:
        """Nothing tells when there are more."""

    def open(self) -> PictureStream:
        """See ``facectrl_fast.capture.source.Source``."""
        self.check()
        return PictureStream(self._paths())

    def _paths(self) -> list[Path]:
        suffixes = (".png", ".jpg")
        return sorted(p for p in self._folder.glob("*") if p.suffix.lower() in suffixes)


class PictureStream:
    """See ``facectrl_fast.capture.source.Stream``. Owns the thread that fills the ring."""

    RATE = 5.0

    def __init__(self, paths: list[Path]) -> None:
        """Begin with the first one, whose size all others are brought to."""
        height, width = cv2.imread(str(paths[0])).shape[:2]
        self.ring = FrameRing(4, PixelFormat.BGR24, width, height)
        self.error: UserError | None = None
        self._paths = paths
        self._begun = time.monotonic()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._produce, name="pictures")
        self._thread.start()

    def position(self, timestamp: float) -> float | None:
        """Seconds since the first picture."""
        return timestamp - self._begun

    def close(self) -> None:
        """Stop, and wait for the thread."""
        self._stop.set()
        self.ring.close()
        self._thread.join()

    def _produce(self) -> None:
        for number, path in enumerate(self._paths):
            due = self._begun + number / self.RATE
            if self._stop.wait(max(due - time.monotonic(), 0)):
                return
            image = cv2.imread(str(path))
            slot = None if image is None else self.ring.begin_write()
            if slot is not None:
                slot.array[:] = cv2.resize(image, (slot.array.shape[1], slot.array.shape[0]))
                slot.publish(due)
        # Whoever reads is told that there is no more; what was published stays.
        self.ring.close()


class _LinearTask:
    """A training task: ``train linear DATASET``, one dense layer that tells on from off.

    Dataset, augmentation, loss, metrics, checkpoints, report and export are the package's.
    """

    help = "headphones on or off: one dense layer, to compare others with"

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """See ``facectrl_fast.plugins.Task``."""
        parser.add_argument("dataset", type=Path, metavar="DATASET")
        parser.add_argument("--epochs", type=int, default=20)

    def train(self, options: argparse.Namespace, out: Path, say: Callable[[str], None]) -> str:
        """See ``facectrl_fast.plugins.Task``."""
        # Late: PyTorch takes seconds.
        from torch import nn

        from facectrl_fast.dataset.augment import seed_augmentation
        from facectrl_fast.training.engine import OptimizerChoice
        from facectrl_fast.training.networks import Classifier
        from facectrl_fast.training.run import TrainingOptions, train
        from facectrl_fast.training.tasks import Task

        def network() -> Classifier:
            return Classifier(nn.Sequential(nn.AvgPool2d(4), nn.Flatten()), 16 * 16)

        task = Task(
            "linear",
            "softmax",
            network,
            OptimizerChoice(1e-2),
            seed_augmentation,
            epochs=options.epochs,
            patience=options.epochs,
        )
        chosen = TrainingOptions(devices=options.devices, seed=options.seed)
        result = train(task, options.dataset, out, chosen, say)
        return f"{result.report}: balanced accuracy {result.balanced_accuracy:.1%}"


Linear = _LinearTask()
