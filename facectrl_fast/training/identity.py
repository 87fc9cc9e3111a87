"""Trains what tells people apart: a head on a frozen backbone, by triplets of faces."""

from __future__ import annotations

import hashlib
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

import lightning
import numpy as np
import onnx
import onnxruntime as ort
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from facectrl_fast import __version__
from facectrl_fast.dataset.augment import strong_augmentation
from facectrl_fast.dataset.embedding_cache import EmbeddingCache
from facectrl_fast.dataset.faces import FaceCutter
from facectrl_fast.dataset.people import PersonPicture, read_people
from facectrl_fast.errors import UserError
from facectrl_fast.evaluation.verification import Verification, all_pairs, joined
from facectrl_fast.training.backbone import INPUT, OUTPUT, Backbone
from facectrl_fast.training.engine import (
    MODEL,
    REPORT,
    OptimizerChoice,
    RunResult,
    Schedule,
    TrainedModule,
    TrainingData,
    begin_run,
    first_alone,
    fit_module,
    last_checkpoint,
)
from facectrl_fast.training.export import write_checked
from facectrl_fast.training.identity_report import write_report
from facectrl_fast.training.triplets import SAMPLINGS
from facectrl_fast.types import Float32Array
from facectrl_fast.vision.identity import IdentityDescription, IdentityModel
from facectrl_fast.vision.preprocess import Preprocessing

LAYERS = (512, 256, 128)
TOLERANCE = 1e-4
"""Of points, whose distances are at least a thousand times that."""
COMPARED = 16
"""Pictures on which PyTorch and ONNX Runtime are compared."""
DROPPED = 0.5
"""Share of the features that each step does without: there are more of them than pictures."""
MOST_FACELESS = 0.5
"""Share of the pictures in which no face may be found."""
RAW = "backbone alone"
VARIANTS = 4
"""Of each crop: as it is, and in other light, out of focus, with noise and so on. Else all pictures
of one webcam would look like one person's."""

Batch = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


@dataclass(frozen=True)
class IdentityOptions:
    """What can be chosen about such a run."""

    sampling: str = "random"
    """One of SAMPLINGS."""
    margin: float = 0.5
    """The loss's alpha: how much farther than the positive the negative is to be."""
    learning_rate: float = 1e-4
    epochs: int = 100
    patience: int = 25
    batch_size: int = 32
    folds: int = 5
    """Of people, by which the threshold is chosen; 0 for the validation people alone."""
    validation_share: float = 0.15
    expansion: float = 0.3
    """What crops show beyond the face box, as a share of its sides."""
    devices: int | None = None
    seed: int = 0


@dataclass(frozen=True)
class IdentityResult(RunResult):
    """How such a run ended."""

    roc_auc: float
    accuracy: float
    """At the threshold; both on people that were left out."""


class IdentityHead(nn.Module):
    """The seed's three dense layers, on standardised features."""

    mean: torch.Tensor
    deviation: torch.Tensor

    def __init__(self, mean: torch.Tensor, deviation: torch.Tensor) -> None:
        """Make one with random weights.

        Args:
            mean: (d,) of the features.
            deviation: (d,), their standard deviations.
        """
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("deviation", deviation)
        sizes = (len(mean), *LAYERS)
        self.layers = nn.ModuleList(nn.Linear(*pair) for pair in zip(sizes, LAYERS, strict=False))
        self.drop = nn.Dropout(DROPPED)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """(n, d) to points (n, 128) at a distance of 1 from the origin."""
        hidden: torch.Tensor = self.drop((features - self.mean) / self.deviation)
        for k in range(len(self.layers)):
            hidden = self._activated(k, self.layers[k](hidden))
        return hidden

    def begin(self, features: torch.Tensor) -> None:
        """Begin with layers that keep the principal components of what they get.

        With random ones the sigmoids are all much the same, and so are the points: there would be
        little to learn from.

        Args:
            features: typical ones, (n, d).
        """
        hidden = (features - self.mean) / self.deviation
        with torch.no_grad():
            for k, layer in enumerate(self.layers):
                assert isinstance(layer, nn.Linear)
                middle = hidden.mean(0)
                _, deviations, components = torch.linalg.svd(hidden - middle, full_matrices=False)
                kept = components[: len(layer.weight)]
                layer.weight.mul_(1e-3)
                # The sums of the first component get a deviation of 1, if they vary at all.
                largest = deviations[0] / len(hidden) ** 0.5
                layer.weight[: len(kept)] = kept / largest.clamp_min(0.2)
                layer.bias.copy_(-layer.weight @ middle)
                hidden = self._activated(k, layer(hidden))

    @staticmethod
    def _activated(layer: int, sums: torch.Tensor) -> torch.Tensor:
        if layer == 0:
            return sums.sigmoid()
        return nn.functional.normalize(sums.sigmoid() if layer == 1 else sums.tanh())


class IdentityModule(TrainedModule):
    """Triplet loss; selected by the area under the ROC curve of all pairs of other people."""

    SELECTED_BY = "val_roc_auc"
    SELECTED_BY_NAME = "ROC AUC"

    def __init__(self, head: IdentityHead, margin: float, optimizer: OptimizerChoice) -> None:
        super().__init__(optimizer)
        self.head = head
        self._margin = margin
        self._outputs: list[tuple[torch.Tensor, torch.Tensor]] = []

    def training_step(self, batch: Batch, _: int) -> torch.Tensor:
        """One step: three times through the same weights."""
        loss = self._loss(*map(self.head, batch))
        self.log("train_loss", loss, on_step=False, on_epoch=True, prog_bar=True, sync_dist=True)
        return loss

    def validation_step(self, batch: tuple[torch.Tensor, torch.Tensor], _: int) -> None:
        """Keep what is judged once all batches are through."""
        features, people = batch
        self._outputs.append((self.head(features), people))

    def on_validation_epoch_end(self) -> None:
        """Judge; where several processes validate, each holds a part."""
        points, people = (torch.cat(parts) for parts in zip(*self._outputs, strict=True))
        self._outputs.clear()
        if self.trainer.world_size > 1:
            points, people = self.gathered(points), self.gathered(people)
        numbers = people.cpu().numpy()
        drawn = SAMPLINGS["random"](points.cpu().numpy(), numbers, np.random.default_rng(0))
        loss = self._loss(*(points[torch.from_numpy(part)] for part in drawn))
        self.log("val_loss", loss, prog_bar=True, rank_zero_only=True)
        area = all_pairs(points.float().cpu().numpy(), numbers).roc_auc
        self.log(self.SELECTED_BY, area, prog_bar=True, rank_zero_only=True)

    def _loss(
        self, anchor: torch.Tensor, positive: torch.Tensor, negative: torch.Tensor
    ) -> torch.Tensor:
        near = (anchor - positive).square().sum(1)
        far = (anchor - negative).square().sum(1)
        return (near - far + self._margin).relu().mean()


class IdentityData(TrainingData):
    """Features of people to train on, and of other people to validate on."""

    def __init__(
        self,
        features: Float32Array,
        people: np.ndarray,
        validation: np.ndarray,
        options: IdentityOptions,
    ) -> None:
        """Split the pictures.

        Args:
            features: (n, VARIANTS, d).
            people: (n,), whose they are.
            validation: the people to validate on.
            options: of the run.
        """
        super().__init__()
        held_back = np.isin(people, validation)
        self._features, self._people = features[~held_back], people[~held_back]
        self._validation = TensorDataset(
            torch.from_numpy(features[held_back, 0]), torch.from_numpy(people[held_back])
        )
        self._draw = SAMPLINGS[options.sampling]
        self._batch_size = options.batch_size
        self._seed = options.seed

    @property
    def features(self) -> torch.Tensor:
        """To train on, (n, d), of all variants."""
        return torch.from_numpy(self._features.reshape(-1, self._features.shape[-1]))

    def train_dataloader(self) -> DataLoader[tuple[torch.Tensor, ...]]:
        """Triplets of features; drawn by where the head puts the faces now."""
        points = self._features[:, 0]
        if self.trainer is not None:
            module = self.trainer.lightning_module
            assert isinstance(module, IdentityModule)
            module.head.eval()
            with torch.no_grad():
                plain = torch.from_numpy(self._features[:, 0]).to(module.device)
                points = module.head(plain).cpu().numpy()
            module.head.train()
        rng = np.random.default_rng((self._seed, self.epoch))
        drawn = self._draw(points, self._people, rng)
        parts = [
            torch.from_numpy(self._features[part, rng.integers(0, VARIANTS, len(part))])
            for part in drawn
        ]
        return DataLoader(TensorDataset(*parts), self._batch_size)

    def val_dataloader(self) -> DataLoader[tuple[torch.Tensor, ...]]:
        """The others."""
        return DataLoader(self._validation, 1024)


def train_identity(
    folder: Path,
    backbone: Backbone,
    out: Path,
    options: IdentityOptions,
    say: Callable[[str], None],
    cache: Path | None = None,
    progress_bar: bool = False,
) -> IdentityResult:
    """Train on pictures of people and write model and report into the folder ``out``.

    Args:
        folder: see ``read_people``.
        backbone: the frozen network.
        out: the run's folder; one that a killed run with the same options left is continued.
        options: the same ones give the same model.
        say: receives a line now and then.
        cache: keeps the backbone's vectors; a file beside ``out`` by default.
        progress_bar: draw one on the terminal.

    Raises:
        UserError: the pictures cannot be used, or ``out`` cannot be written or holds another run.
    """
    say = first_alone(say)
    pictures = read_people(folder)
    cutter = FaceCutter(
        Preprocessing(expansion=(options.expansion, options.expansion)),
        backbone.height,
        backbone.width,
    )
    cache = cache or out.parent / "embeddings.sqlite"
    features, people = embed_people(pictures, backbone, cutter, cache, say)
    chosen = {
        "task": "identity",
        "backbone": backbone.name,
        "features": hashlib.sha256(features.tobytes() + people.tobytes()).hexdigest(),
        **asdict(options),
    }
    numbers = np.random.default_rng(options.seed).permutation(people.max() + 1)
    # Two to train on, two to choose the epoch by, and two in each fold.
    in_fold = -(-len(numbers) // options.folds) if options.folds else 0
    if len(numbers) < 2 * options.folds or len(numbers) - in_fold < 4:
        raise UserError(
            f"{folder} shows {len(numbers)} people: too few for --folds {options.folds}"
        )
    checkpoint = begin_run(out, chosen, options.devices, say)
    say(f"{len(people)} faces of {len(numbers)} people")
    left_out: dict[str, Verification] = {}
    if options.folds:
        left_out = _cross_validate(features, people, numbers, out, options, say)
    held_back = numbers[: max(round(options.validation_share * len(numbers)), 2)]
    module = _fit(features, people, held_back, out, options, say, checkpoint, progress_bar)
    if not left_out:
        points = _points(module.head, features[np.isin(people, held_back), 0])
        left_out[options.sampling] = all_pairs(points, people[np.isin(people, held_back)])
    judged = left_out[options.sampling]
    threshold = judged.best_threshold()
    description = IdentityDescription(
        network=f"{backbone.name}, {options.sampling} triplets",
        height=backbone.height,
        width=backbone.width,
        preprocessing=cutter.preprocessing,
        similarity=threshold,
        data={"people": len(numbers), "pictures": len(people)},
        validation={
            "roc_auc": round(judged.roc_auc, 4),
            "accuracy": round(judged.accuracy(threshold), 4),
            "false_accepts": round(judged.false_accepts(threshold), 4),
            "false_rejects": round(judged.false_rejects(threshold), 4),
        },
        version=__version__,
    )
    proto = _with_head(backbone, module.head)
    onnx.helper.set_model_props(proto, description.to_metadata())
    cut = (cutter.cut_file(picture.path) for picture in pictures)
    crops = list(islice((crop for crop in cut if crop is not None), COMPARED))
    ours = _points(module.head, np.concatenate(list(map(_run(backbone), crops))))

    def disagreement(draft: Path) -> float:
        model = IdentityModel(draft)
        theirs = np.concatenate(list(map(model.embed, crops)))
        return float(np.max(np.abs(theirs - ours)))

    model = out / MODEL
    apart = write_checked(proto, model, disagreement, TOLERANCE)
    report = write_report(out / REPORT, description, left_out, judged, module.history, apart)
    return IdentityResult(model, report, apart, judged.roc_auc, judged.accuracy(threshold))


def embed_people(
    pictures: Sequence[PersonPicture],
    backbone: Backbone,
    cutter: FaceCutter,
    cache: Path,
    say: Callable[[str], None],
) -> tuple[Float32Array, np.ndarray]:
    """What a backbone makes of the faces, and whose they are.

    People of whom fewer than two faces are found are left out.

    Returns:
        Features (n, VARIANTS, d), the plain one first, and numbers of people (n,) from 0 on.

    Raises:
        UserError: a picture cannot be read, or too few show faces.
    """
    content = backbone.model.SerializeToString(deterministic=True)
    maker = hashlib.sha256(content + f"{cutter.key} {VARIANTS} {__version__}".encode()).hexdigest()
    run = _run(backbone)

    def make(picture: bytes) -> Float32Array | None:
        crop = cutter.cut(picture)
        if crop is None:
            return None
        rng = np.random.default_rng(zlib.crc32(picture))
        varied = [strong_augmentation(crop[0, 0], rng)[None, None] for _ in range(VARIANTS - 1)]
        made = [run(np.ascontiguousarray(each)) for each in (crop, *varied)]
        return np.concatenate(made).ravel()

    with EmbeddingCache(cache, maker, say) as known:
        vectors = [known.get(picture.path, make) for picture in pictures]
    there = [(v, p.person) for v, p in zip(vectors, pictures, strict=True) if v is not None]
    faceless = len(pictures) - len(there)
    if faceless > MOST_FACELESS * len(pictures):
        raise UserError(f"in {faceless} of {len(pictures)} pictures no face is found")
    names = [name for _, name in there]
    kept = sorted(name for name, count in Counter(names).items() if count > 1)
    numbers = {name: number for number, name in enumerate(kept)}
    if faceless:
        say(f"left out: {faceless} pictures in which no face is found")
    if len(kept) < 2:
        raise UserError("there are no two people with two faces each")
    features = np.stack([vector for vector, name in there if name in numbers])
    features = features.reshape(len(features), VARIANTS, -1)
    return features, np.array([numbers[name] for name in names if name in numbers], np.int64)


def _cross_validate(
    features: Float32Array,
    people: np.ndarray,
    numbers: np.ndarray,
    out: Path,
    options: IdentityOptions,
    say: Callable[[str], None],
) -> dict[str, Verification]:
    """Pairs of people left out, by what judged them: the backbone alone, and each sampling."""
    found: dict[str, list[Verification]] = {RAW: [], **{name: [] for name in SAMPLINGS}}
    for k, fold in enumerate(np.array_split(numbers, options.folds)):
        outside = np.isin(people, fold)
        raw = features[outside, 0] / np.linalg.norm(features[outside, 0], axis=1, keepdims=True)
        found[RAW].append(all_pairs(raw, people[outside]))
        # Epochs are chosen by others than those left out.
        rest = np.setdiff1d(numbers, fold, assume_unique=True)
        held_back = rest[: max(round(options.validation_share * len(rest)), 2)]
        for name in SAMPLINGS:
            varied = IdentityOptions(**{**asdict(options), "sampling": name})
            folder = out / "folds" / f"{k + 1}-{name}"
            module = _fit(
                features[~outside],
                people[~outside],
                held_back,
                folder,
                varied,
                lambda _: None,
                last_checkpoint(folder),
                last=False,
            )
            points = _points(module.head, features[outside, 0])
            found[name].append(all_pairs(points, people[outside]))
        areas = ", ".join(f"{name} {parts[-1].roc_auc:.4f}" for name, parts in found.items())
        say(f"people left out, {k + 1} of {options.folds}: ROC AUC of {areas}")
    return {name: joined(parts) for name, parts in found.items()}


def _fit(
    features: Float32Array,
    people: np.ndarray,
    held_back: np.ndarray,
    out: Path,
    options: IdentityOptions,
    say: Callable[[str], None],
    checkpoint: Path | None,
    progress_bar: bool = False,
    last: bool = True,
) -> IdentityModule:
    data = IdentityData(features, people, held_back, options)
    lightning.seed_everything(options.seed, verbose=False)
    optimizer = OptimizerChoice(options.learning_rate, epoch_factor=0.999)
    features_here = data.features
    head = IdentityHead(features_here.mean(0), features_here.std(0).clamp_min(1e-4))
    head.begin(features_here)
    module = IdentityModule(head, options.margin, optimizer)
    schedule = Schedule(options.epochs, options.patience, options.seed, options.devices)
    fit_module(module, data, out, schedule, say, checkpoint, progress_bar, last)
    return module


def _points(head: IdentityHead, features: Float32Array) -> Float32Array:
    with torch.no_grad():
        return np.asarray(head(torch.from_numpy(features)).numpy(), np.float32)


def _run(backbone: Backbone) -> Callable[[Float32Array], Float32Array]:
    """Crops (1, 1, h, w) to features (1, d)."""
    options = ort.SessionOptions()
    options.log_severity_level = 4
    try:
        session = ort.InferenceSession(
            backbone.model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        # Some that load cannot run at this size.
        blank = np.zeros((1, 1, backbone.height, backbone.width), np.float32)
        whole = np.isfinite(session.run([OUTPUT], {INPUT: blank})[0]).all()
    except Exception as error:  # ONNX Runtime raises a class of its own for each status
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UserError(f"backbone {backbone.name} cannot be run: {reason}") from None
    if not whole:
        raise UserError(f"backbone {backbone.name} makes of a gray picture what is no number")

    def run(crops: Float32Array) -> Float32Array:
        return np.asarray(session.run([OUTPUT], {INPUT: crops})[0], np.float32)

    return run


def _with_head(backbone: Backbone, head: IdentityHead) -> onnx.ModelProto:
    """Both as one model, from crops to points."""
    model = onnx.ModelProto()
    model.CopyFrom(backbone.model)
    graph = model.graph
    weights = [layer.weight.detach().numpy() for layer in head.layers]  # type: ignore[operator]
    biases = [layer.bias.detach().numpy() for layer in head.layers]  # type: ignore[operator]
    for what, values in (("mean", head.mean), ("deviation", head.deviation)):
        graph.initializer.append(numpy_helper.from_array(values.numpy(), f"head_{what}"))
    graph.node.append(helper.make_node("Sub", [OUTPUT, "head_mean"], ["head_centred"]))
    graph.node.append(helper.make_node("Div", ["head_centred", "head_deviation"], ["head_scaled"]))
    current = "head_scaled"
    for k, (weight, bias) in enumerate(zip(weights, biases, strict=True), 1):
        names = [f"head_{what}_{k}" for what in ("weight", "bias", "sum", "hidden")]
        graph.initializer.extend(
            numpy_helper.from_array(np.asarray(values, np.float32), name)
            for values, name in zip((weight, bias), names, strict=False)
        )
        graph.node.append(helper.make_node("Gemm", [current, *names[:2]], names[2:3], transB=1))
        activation = "Tanh" if k == len(weights) else "Sigmoid"
        graph.node.append(helper.make_node(activation, names[2:3], names[3:]))
        current = names[3]
        if k > 1:
            made = f"head_point_{k}"
            graph.node.append(helper.make_node("LpNormalization", [current], [made], axis=1, p=2))
            current = made
    graph.node[-1].output[0] = "embedding"
    batch = graph.input[0].type.tensor_type.shape.dim[0]
    size = batch.dim_param or batch.dim_value
    del graph.output[:]
    graph.output.append(
        helper.make_tensor_value_info("embedding", TensorProto.FLOAT, [size, LAYERS[-1]])
    )
    return model
