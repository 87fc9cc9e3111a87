"""A training run of a face detector: from annotated pictures to a folder with model and report."""

from __future__ import annotations

import hashlib
import os
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import cv2
import lightning
import numpy as np
import onnx
import torch
from torch import nn

from facectrl_fast import __version__
from facectrl_fast.config import LEAST_SHARE
from facectrl_fast.dataset.webcam_scenes import CLOSE_LOOKS, Scene
from facectrl_fast.dataset.wider import FaceFilter
from facectrl_fast.errors import UserError
from facectrl_fast.evaluation.detection import DetectionJudgement, JudgedPicture
from facectrl_fast.files import digest, whole_file
from facectrl_fast.training.detector_data import (
    LONGEST_SIDE,
    DetectorData,
    PictureSet,
    as_image,
    read_backgrounds,
    read_set,
)
from facectrl_fast.training.detector_loss import flat
from facectrl_fast.training.detector_module import DetectorModule
from facectrl_fast.training.detector_network import ARCHITECTURES, FACE_ASPECT, Architecture
from facectrl_fast.training.detector_report import write_report
from facectrl_fast.training.detector_teacher import DetectorTeacher
from facectrl_fast.training.detector_weights import begin_with, measure_norms
from facectrl_fast.training.engine import (
    MODEL,
    REPORT,
    OptimizerChoice,
    RunResult,
    Schedule,
    begin_run,
    first_alone,
    fit_module,
)
from facectrl_fast.training.export import DisagreementError, to_onnx, write_checked
from facectrl_fast.training.quantise import quantised, with_half_weights
from facectrl_fast.types import Float32Array, UInt8Array
from facectrl_fast.vision.anchor_network import AnchorNetwork
from facectrl_fast.vision.anchors import CENTRE_STEP
from facectrl_fast.vision.detect import check_file
from facectrl_fast.vision.detector_file import DetectorDescription
from facectrl_fast.vision.ssd import DOUBTFUL, SsdDetector

RECIPE = 3
"""Of scenes, layers and lessons: a run that began with another one does not go on with this one."""
EQUAL = 0.002
"""Average precision by which a quantised model may be worse and count as equal."""
TOLERANCE = 1e-4
"""Of a score or of an anchor's side: what deep networks' sums differ by is a tenth of that."""
ROUNDED = 0.02
"""Between PyTorch and ONNX Runtime once the weights are rounded to halves; where it is more, they
are stored as they are."""
MEASURED = 64
"""Training scenes that show how large activations are, where a training goes on from a model."""
CALIBRATED = 200
"""Training scenes that show how large the activations of a quantised model get."""
USED_SCORES = DOUBTFUL + 0.05, 0.95
"""From which on a box may be a face; doubts that nobody looks at closely score below."""
FALSE_BOXES = 0.001
"""A scene, at most, at the score from which on a box is a face."""


@dataclass(frozen=True)
class DetectorOptions:
    """What can be chosen about training a detector."""

    architecture: str = "tiny"
    height: int = 160
    width: int = 208
    aspects: tuple[float, ...] = (FACE_ASPECT,)
    """Width by height of the anchors."""
    width_multiplier: float = 1.0
    channels: int = 1
    steps: int = 30_000
    batch_size: int = 64
    evaluate_every: int = 1000
    """Steps, or as near to it as makes parts of equal length."""
    learning_rate: float = 4e-3
    validation_scenes: int = 2000
    validation_share: float = 0.1
    devices: int | None = None
    seed: int = 0


@dataclass(frozen=True)
class DetectorResult(RunResult):
    """How a training run ended."""

    average_precision: float
    """At an overlap of a half, on the camera scenes (see ``DetectorData``)."""
    known: Mapping[Path, float]
    """That of the detectors that it began with, learned from and looks closely for."""


def train_detector(
    sets: Sequence[Path],
    negatives: Sequence[Path],
    out: Path,
    options: DetectorOptions,
    wanted: FaceFilter,
    say: Callable[[str], None],
    weights: Path | None = None,
    progress_bar: bool = False,
    teacher: Path | None = None,
    searcher: Path | None = None,
) -> DetectorResult:
    """Train on annotated pictures and write model and report into the folder ``out``.

    Args:
        sets: see ``wider.locate_set``.
        negatives: folders of pictures without faces.
        out: the run's folder; one that a killed run with the same options left is continued.
        options: the same ones give the same model.
        wanted: which annotated faces are to be found.
        say: receives a line now and then.
        weights: to start from: a detector's .onnx of the same layers, or the backbone's .pth.
        progress_bar: draw one on the terminal.
        teacher: a detector's .onnx file to learn from, too.
        searcher: for an architecture that looks closely, the detector's .onnx file at whose doubts
            it is to look.

    Raises:
        UserError: the pictures cannot be used, or ``out`` cannot be written or holds another run.
    """
    beginning, backbone = weights, None
    if weights is not None and weights.suffix != ".onnx":
        beginning, backbone = None, weights
    architecture = _architecture(options, backbone)
    if architecture.looks_closely != (searcher is not None):
        raise UserError("--doubts-of goes with --arch close, which looks closely for another")
    if searcher is not None:
        check_file(searcher)
    levels = architecture.levels(options.aspects, options.height)
    taught_by = None if teacher is None else DetectorTeacher(teacher, levels, options.channels)
    lightning.seed_everything(options.seed, verbose=False)
    network = architecture.build(levels, options.width_multiplier, options.channels, backbone)
    if beginning is not None:
        begin_with(network, levels, beginning)
    # Opened now: what is trained for hours is judged beside them, whatever becomes of the files.
    files = dict.fromkeys(path for path in (beginning, teacher, searcher) if path is not None)
    alone = {path: _sensitive(path, path) for path in files}
    known = alone
    if searcher is not None:
        if alone[searcher].description.network == options.architecture:
            raise UserError(f"{searcher} itself looks closely for a detector; check --doubts-of")
        known = {path: _sensitive(searcher, path) for path in files}
    # Workers compose the scenes, one a core. Set before they are forked: OpenCV waits in them for
    # threads that this process had.
    cv2.setNumThreads(1)
    if options.architecture != "mobilenet-v2-ssd":
        # They do half of the work: with a PyTorch thread on each of two cores as well, a step takes
        # 1.3 times as long.
        torch.set_num_threads(max(min(torch.get_num_threads(), (os.cpu_count() or 1) // 2), 1))
    say = first_alone(say)
    side = max(LONGEST_SIDE, options.height, options.width)
    pictures = [read_set(path, wanted, options.channels, side, say) for path in sets]
    backgrounds = [
        image
        for folder in negatives
        for image in read_backgrounds(folder, options.channels, side, say)
    ]
    epochs = max(round(options.steps / options.evaluate_every), 1)
    data = DetectorData(
        pictures,
        backgrounds,
        (options.height, options.width),
        options.batch_size,
        -(-options.steps // epochs),
        options.validation_scenes,
        options.validation_share,
        options.seed,
        list(alone.values()),
        None if searcher is None else alone[searcher],
    )
    if beginning is not None:
        measure_norms(network, torch.from_numpy(_shown(data.training_scenes(MEASURED))))
    chosen = {
        "task": "detector",
        "recipe": RECIPE,
        "weights": None if weights is None else digest(weights),
        "teacher": None if teacher is None else digest(teacher),
        "searcher": None if searcher is None else digest(searcher),
        # With other pictures the split would be another, and show what was trained on; wherever
        # they lie.
        "pictures": _fingerprint(pictures, backgrounds),
        "wanted": asdict(wanted),
        **asdict(options),
        "aspects": list(options.aspects),
    }
    checkpoint = begin_run(out, chosen, options.devices, say)
    counts = data.counts
    say(
        f"{counts['training_pictures']} pictures with faces to train on, "
        f"{counts['validation_pictures']} of other people or events to validate; "
        f"{counts['training_backgrounds']} backgrounds"
        + (f", {counts['hard_backgrounds']} of them hard to tell from faces" if known else "")
    )
    module = DetectorModule(
        network.to(memory_format=torch.channels_last),  # type: ignore[call-overload]
        levels,
        (options.height, options.width),
        OptimizerChoice(options.learning_rate, weight_decay=1e-3, one_cycle=True),
        taught_by,
    )
    schedule = Schedule(epochs, epochs, options.seed, options.devices)
    fit_module(module, data, out, schedule, say, checkpoint, progress_bar)
    description = DetectorDescription(
        levels,
        options.architecture,
        options.height,
        options.width,
        options.channels,
        # So that searches look at what it was trained on.
        face=round(options.height * (CLOSE_LOOKS.smallest if searcher else LEAST_SHARE)),
        data=counts,
        version=__version__,
    )
    return _finish(module, description, data, out, known, searcher)


def _sensitive(path: Path, close: Path) -> SsdDetector:
    """A detector with that network for close looks, to be judged by all scores."""
    return SsdDetector(path, LEAST_SHARE, sensitive=True, close=close)


def _architecture(options: DetectorOptions, backbone: Path | None) -> Architecture:
    architecture = ARCHITECTURES[options.architecture]
    for side in (options.height, options.width):
        if side % architecture.multiple:
            raise UserError(
                f"{options.architecture} takes pictures whose sides are multiples of "
                f"{architecture.multiple}: {side} is none; check --input-size"
            )
    if backbone is not None and not architecture.takes_weights:
        raise UserError(
            f"{options.architecture} begins with a detector's .onnx, or with random weights; "
            "check --weights"
        )
    if backbone is not None and options.width_multiplier != 1:
        raise UserError(f"{backbone} is of a network of width 1: leave out --width or --weights")
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


def _shown(scenes: Sequence[Scene]) -> Float32Array:
    """What a network sees of scenes of one size: (n, channels, h, w) in [0, 1]."""
    return np.stack([scene.image for scene in scenes]).astype(np.float32) / np.float32(255)


def _finish(
    module: DetectorModule,
    description: DetectorDescription,
    data: DetectorData,
    out: Path,
    known: Mapping[Path, SsdDetector],
    searcher: Path | None,
) -> DetectorResult:
    """Export the best weights, choose the threshold and write the report.

    Args:
        module: trained.
        description: of its network.
        data: that it was trained on.
        out: the run's folder.
        known: the sensitive detectors that it began with, learned from and looks closely for, to be
            judged as well.
        searcher: the one that it looks closely for, if it does.
    """
    network = module.network.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    model = out / MODEL
    proto = _as_onnx(network, description)
    onnx.helper.set_model_props(proto, description.to_metadata())
    sample = _shown(data.training_scenes(64))

    def apart(draft: Path) -> float:
        return _disagreement(network, draft, sample)

    disagreement = write_checked(proto, model, apart, TOLERANCE)
    differ = f"{disagreement:.1e} at most"
    stored = with_half_weights(proto)
    try:
        rounded = write_checked(stored, model, apart, ROUNDED)
        differ += f"; {rounded:.1e} once the weights are rounded to halves"
    except DisagreementError:  # the exact one, which is written already, is the one then
        stored = proto
    calibration = list(_shown(data.training_scenes(CALIBRATED))[:, None])
    small, draft = quantised(proto, calibration), out / "int8.onnx"
    draft.write_bytes(small.SerializeToString())
    try:
        fresh = [_sensitive(searcher or path, path) for path in (model, draft)]
        judgement, of_small, *of_known = judge_scenes(
            [*fresh, *known.values()], data.camera_scenes()
        )
        kept, int8 = _int8_instead((model, draft), (judgement, of_small), calibration[0])
    finally:
        draft.unlink()
    if kept:
        stored, judgement = small, of_small
    precision_of_known = {
        path: each.average_precision() for path, each in zip(known, of_known, strict=True)
    }
    score = float(np.clip(judgement.score_for(FALSE_BOXES), *USED_SCORES))
    precision = judgement.average_precision()
    validation = {
        "average_precision": round(precision, 4),
        "recall": round(judgement.recall(score), 4),
        "false_boxes": round(judgement.false_boxes(score), 4),
        "overlap": round(judgement.overlap, 4),
        "epoch": module.best["epoch"] + 1,
    }
    described = replace(description, score=score, validation=validation)
    onnx.helper.set_model_props(stored, described.to_metadata())
    with whole_file(model) as draft:
        draft.write_bytes(stored.SerializeToString())
    report = write_report(
        out / REPORT,
        described,
        judgement,
        data.camera_scenes(),
        module.history,
        precision_of_known,
        differ,
        int8,
        searcher,
    )
    return DetectorResult(model, report, disagreement, precision, precision_of_known)


def _int8_instead(
    models: tuple[Path, Path],
    judged: tuple[DetectionJudgement, DetectionJudgement],
    batch: Float32Array,
) -> tuple[bool, str]:
    """Whether the second of two models, in int8, is as good as the first, smaller and not slower.

    Args:
        models: both.
        judged: how good they are.
        batch: an input.

    Returns:
        That, and what was found, for the card.
    """
    before, after = (each.average_precision() for each in judged)
    time_share = _time_share(models[1], models[0], batch)
    size_share = models[1].stat().st_size / models[0].stat().st_size
    kept = after >= before - EQUAL and time_share <= 1 and size_share < 1
    return kept, (
        f"{'kept' if kept else 'not kept'}: average precision {after:.4f} beside {before:.4f}, "
        f"{time_share:.2f} times the time, {size_share:.2f} times the size"
    )


def _time_share(model: Path, other: Path, batch: Float32Array) -> float:
    """Of a model's run, beside another's: medians of runs in turn, since machines slow down."""
    networks = [AnchorNetwork(path) for path in (model, other)]
    took: list[list[float]] = [[], []]
    for _ in range(300):
        for network, times in zip(networks, took, strict=True):
            begun = time.perf_counter()
            network.run(batch)
            times.append(time.perf_counter() - begun)
    first, second = map(statistics.median, took)
    return first / second


def judge_scenes(
    detectors: Sequence[SsdDetector], scenes: Iterable[Scene]
) -> list[DetectionJudgement]:
    """What sensitive detectors find in scenes, for faces from ``LEAST_SHARE`` of the height on.

    All of them look at a scene before the next is made, which takes longer than that.
    """
    judged: list[list[JudgedPicture]] = [[] for _ in detectors]
    for scene in scenes:
        image, pixel_format = as_image(scene.image)
        large = scene.boxes[:, 3] >= LEAST_SHARE * image.shape[0]
        maybe = np.concatenate([scene.doubtful, scene.boxes[~large]])
        faces, doubtful = (tuple(map(tuple, b.tolist())) for b in (scene.boxes[large], maybe))
        for detector, pictures in zip(detectors, judged, strict=True):
            found = tuple(detector.detect(image, pixel_format))
            pictures.append(JudgedPicture(found, faces, doubtful, image.shape[0]))
    return list(map(DetectionJudgement, judged))


def _as_onnx(network: nn.Module, description: DetectorDescription) -> onnx.ModelProto:
    names = [f"level_{level.stride}" for level in description.levels]
    free = {
        side: description.multiple * torch.export.Dim(name, min=1)
        for side, name in ((2, "rows"), (3, "columns"))
    }
    multiple = description.multiple
    sample = torch.zeros(1, description.channels, 4 * multiple, 5 * multiple)
    return to_onnx(network, sample, "picture", names, free)


def _disagreement(network: nn.Module, draft: Path, sample: np.ndarray) -> float:
    """Between the scores, and between the offsets as shares of an anchor's side."""
    exported = AnchorNetwork(draft)
    apart = 0.0
    for picture in sample:
        with torch.no_grad():
            logits, offsets = flat(network(torch.from_numpy(picture[None])))
        given = flat([torch.from_numpy(level) for level in exported.run(picture[None])])
        # Of an anchor's side: so much do centres differ, and sizes by about twice that.
        moved = CENTRE_STEP * (offsets - given[1])
        for difference in (logits.sigmoid() - given[0].sigmoid(), moved):
            # NumPy's maximum keeps a NaN.
            apart = float(np.maximum(apart, float(difference.abs().max())))
    return apart
