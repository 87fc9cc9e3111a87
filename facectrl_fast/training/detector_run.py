"""A training run of a face detector: from annotated pictures to a folder with model and report."""

from __future__ import annotations

import hashlib
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import lightning
import numpy as np
import onnx
import torch
from torch import nn

from facectrl_fast import __version__
from facectrl_fast.dataset.webcam_scenes import SMALLEST, Scene
from facectrl_fast.dataset.wider import FaceFilter
from facectrl_fast.errors import UserError
from facectrl_fast.evaluation.detection import DetectionJudgement, JudgedPicture
from facectrl_fast.training.detector_data import (
    DetectorData,
    PictureSet,
    read_backgrounds,
    read_set,
)
from facectrl_fast.training.detector_module import DetectorModule
from facectrl_fast.training.detector_network import ARCHITECTURES, FACE_ASPECT, Architecture
from facectrl_fast.training.detector_report import write_report
from facectrl_fast.training.engine import (
    MODEL,
    REPORT,
    OptimizerChoice,
    RunResult,
    Schedule,
    check_devices,
    claim,
    fit_module,
    last_checkpoint,
    process,
    silent,
)
from facectrl_fast.training.export import to_onnx, write_checked
from facectrl_fast.training.quantise import quantised
from facectrl_fast.types import Float32Array, PixelFormat, UInt8Array
from facectrl_fast.vision.detector_file import DetectorDescription
from facectrl_fast.vision.ssd import SsdDetector

EQUAL = 0.002
"""Average precision by which a quantised model may be worse and count as equal."""
FALSE_BOXES = 0.02
"""A validation scene, at most, at the score from which on a box is a face."""


@dataclass(frozen=True)
class DetectorOptions:
    """What can be chosen about training a detector."""

    architecture: str = "tiny"
    height: int = 128
    width: int = 160
    aspects: tuple[float, ...] = (FACE_ASPECT,)
    """Width by height of the anchors."""
    width_multiplier: float = 1.0
    channels: int = 1
    steps: int = 30_000
    batch_size: int = 64
    evaluate_every: int = 1000
    """Steps."""
    learning_rate: float = 4e-3
    validation_scenes: int = 2000
    validation_share: float = 0.1
    devices: int | None = None
    seed: int = 0


@dataclass(frozen=True)
class DetectorResult(RunResult):
    """How a training run ended."""

    average_precision: float
    """At an overlap of a half, on the validation scenes."""


def train_detector(
    sets: Sequence[Path],
    negatives: Sequence[Path],
    out: Path,
    options: DetectorOptions,
    wanted: FaceFilter,
    say: Callable[[str], None],
    weights: Path | None = None,
    progress_bar: bool = False,
) -> DetectorResult:
    """Train on annotated pictures and write model and report into the folder ``out``.

    Args:
        sets: see ``wider.locate_set``.
        negatives: folders of pictures without faces.
        out: the run's folder; one that a killed run with the same options left is continued.
        options: the same ones give the same model.
        wanted: which annotated faces are to be found.
        say: receives a line now and then.
        weights: of the backbone, to start from.
        progress_bar: draw one on the terminal.

    Raises:
        UserError: the pictures cannot be used, or ``out`` cannot be written or holds another run.
    """
    check_devices(options.devices)
    architecture = _architecture(options, weights)
    if process():
        say = silent
    pictures = [read_set(path, wanted, options.channels, say) for path in sets]
    backgrounds = [
        image for folder in negatives for image in read_backgrounds(folder, options.channels, say)
    ]
    data = DetectorData(
        pictures,
        backgrounds,
        (options.height, options.width),
        options.batch_size,
        min(options.evaluate_every, options.steps),
        options.validation_scenes,
        options.validation_share,
        options.seed,
    )
    chosen = {
        "task": "detector",
        "sets": [str(path.resolve()) for path in sets],
        "negatives": [str(path.resolve()) for path in negatives],
        "weights": None if weights is None else str(weights.resolve()),
        # With other pictures the split would be another, and show what was trained on.
        "pictures": _fingerprint(pictures, backgrounds),
        "wanted": asdict(wanted),
        **asdict(options),
        "aspects": list(options.aspects),
    }
    # Where several processes train, the first one began alone.
    checkpoint = claim(out, chosen) if process() == 0 else last_checkpoint(out)
    counts = data.counts
    say(
        f"{counts['training_pictures']} pictures with faces to train on, "
        f"{counts['validation_pictures']} of other people or events to validate; "
        f"{counts['training_backgrounds']} backgrounds"
    )
    if checkpoint is not None:
        say(f"continuing the run in {out}")
    lightning.seed_everything(options.seed, verbose=False)
    levels = architecture.levels(options.aspects)
    network = architecture.build(levels, options.width_multiplier, options.channels, weights)
    module = DetectorModule(
        network.to(memory_format=torch.channels_last),  # type: ignore[call-overload]
        levels,
        (options.height, options.width),
        OptimizerChoice(options.learning_rate, weight_decay=1e-3, one_cycle=True),
    )
    epochs = -(-options.steps // options.evaluate_every)
    schedule = Schedule(epochs, epochs, options.seed, options.devices)
    fit_module(module, data, out, schedule, say, checkpoint, progress_bar)
    if process():
        raise SystemExit(0)  # the first one does the rest
    description = DetectorDescription(
        levels,
        options.architecture,
        options.height,
        options.width,
        options.channels,
        face=round(options.height * SMALLEST * 1.5),
        data=counts,
        version=__version__,
    )
    return _finish(module, description, data.validation_scenes(), out)


def _architecture(options: DetectorOptions, weights: Path | None) -> Architecture:
    architecture = ARCHITECTURES[options.architecture]
    for side in (options.height, options.width):
        if side % architecture.multiple:
            raise UserError(
                f"{options.architecture} takes pictures whose sides are multiples of "
                f"{architecture.multiple}: {side} is none; check --input-size"
            )
    if weights is not None and not architecture.takes_weights:
        raise UserError(f"{options.architecture} begins with random weights; leave out --weights")
    return architecture


def _fingerprint(pictures: Sequence[PictureSet], backgrounds: Sequence[UInt8Array]) -> str:
    """Tells whether they are the same ones in the same order."""
    seen = hashlib.sha256()
    for each in pictures:
        for picture, group in zip(each.faces, each.groups, strict=True):
            seen.update(group.encode())
            for array in (picture.image, picture.boxes, picture.doubtful):
                seen.update(array.tobytes())
        for image in each.backgrounds:
            seen.update(image.tobytes())
    for image in backgrounds:
        seen.update(image.tobytes())
    return seen.hexdigest()


def _finish(
    module: DetectorModule, description: DetectorDescription, scenes: Sequence[Scene], out: Path
) -> DetectorResult:
    """Choose the threshold, export the best weights and write the report."""
    network = module.network.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    model = out / MODEL
    proto = _as_onnx(network, description)
    sample = np.stack([scene.image for scene in scenes[:64]]).astype(np.float32) / 255

    def write(described: DetectorDescription) -> float:
        onnx.helper.set_model_props(proto, described.to_metadata())
        return write_checked(proto, model, lambda draft: _disagreement(network, draft, sample))

    # The file judges itself: first to find out from which score on a box is a face.
    write(description)
    judgement = judge_scenes(SsdDetector(model, SMALLEST, sensitive=True), scenes)
    score = float(np.clip(judgement.score_for(FALSE_BOXES), 0.05, 0.95))
    precision = judgement.average_precision()
    validation = {
        "average_precision": round(precision, 4),
        "recall": round(judgement.recall(score), 4),
        "false_boxes": round(judgement.false_boxes(score), 4),
        "overlap": round(judgement.overlap, 4),
        "epoch": module.best["epoch"] + 1,
    }
    described = replace(description, score=score, validation=validation)
    disagreement = write(described)
    calibration = [scene.image[None].astype(np.float32) / np.float32(255) for scene in scenes[:200]]
    int8 = _try_int8(proto, described, calibration, scenes, out)
    report = write_report(
        out / REPORT, described, judgement, scenes, module.history, disagreement, int8
    )
    return DetectorResult(model, report, disagreement, precision)


def _try_int8(
    proto: onnx.ModelProto,
    description: DetectorDescription,
    calibration: Sequence[Float32Array],
    scenes: Sequence[Scene],
    out: Path,
) -> str:
    """Quantise the model, and keep that where it is as good, smaller and not slower.

    Returns:
        What was found and done, for the card.
    """
    small = quantised(proto, calibration)
    model, draft = out / MODEL, out / "int8.onnx"
    draft.write_bytes(small.SerializeToString())
    figures = []
    for path in (model, draft):
        precision = judge_scenes(SsdDetector(path, SMALLEST, sensitive=True), scenes)
        took = _seconds(SsdDetector(path), calibration[0])
        figures.append((precision.average_precision(), took, path.stat().st_size))
    (plain, plain_took, plain_size), (whole, whole_took, whole_size) = figures
    kept = whole >= plain - EQUAL and whole_took <= plain_took and whole_size < plain_size
    if kept:
        draft.replace(model)
    else:
        draft.unlink()
    time_share, size_share = whole_took / plain_took, whole_size / plain_size
    return (
        f"{'kept' if kept else 'not kept'}: average precision {whole:.4f} beside {plain:.4f}, "
        f"{time_share:.2f} times the time, {size_share:.2f} times the size"
    )


def _seconds(detector: SsdDetector, batch: Float32Array) -> float:
    """Of one run, the median of many."""
    took = []
    for _ in range(300):
        begun = time.perf_counter()
        detector.run(batch)
        took.append(time.perf_counter() - begun)
    return statistics.median(took)


def judge_scenes(detector: SsdDetector, scenes: Sequence[Scene]) -> DetectionJudgement:
    """What a detector finds in scenes."""
    judged = []
    for scene in scenes:
        image, pixel_format = scene.image[0], PixelFormat.GRAY8
        if len(scene.image) == 3:
            image = np.ascontiguousarray(np.moveaxis(scene.image, 0, 2))
            pixel_format = PixelFormat.BGR24
        found = detector.detect(image, pixel_format)
        faces, doubtful = (tuple(map(tuple, b.tolist())) for b in (scene.boxes, scene.doubtful))
        judged.append(JudgedPicture(tuple(found), faces, doubtful, image.shape[0]))
    return DetectionJudgement(judged)


def _as_onnx(network: nn.Module, description: DetectorDescription) -> onnx.ModelProto:
    names = [
        f"{what}_{level.stride}" for level in description.levels for what in ("logits", "offsets")
    ]
    free = {
        side: description.multiple * torch.export.Dim(name, min=1)
        for side, name in ((2, "rows"), (3, "columns"))
    }
    multiple = description.multiple
    sample = torch.zeros(1, description.channels, 4 * multiple, 5 * multiple)
    return to_onnx(network, sample, "picture", names, free)


def _disagreement(network: nn.Module, draft: Path, sample: np.ndarray) -> float:
    """Between the scores, and between the offsets as shares of an anchor's side."""
    detector = SsdDetector(draft)
    apart = 0.0
    for picture in sample:
        with torch.no_grad():
            ours = [part for level in network(torch.from_numpy(picture[None])) for part in level]
        theirs = detector.run(picture[None])
        for k, (our, given) in enumerate(zip(ours, theirs, strict=True)):
            their = torch.from_numpy(given)
            # The first of each pair are logits; offsets are in tenths of a side.
            pair = (our.sigmoid(), their.sigmoid()) if k % 2 == 0 else (our / 10, their / 10)
            # NumPy's maximum keeps a NaN.
            apart = float(np.maximum(apart, float((pair[0] - pair[1]).abs().max())))
    return apart
