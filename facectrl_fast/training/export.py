"""Writes a trained network as a self-describing model file, and checks the file."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from torch import nn

from facectrl_fast.dataset.crops import in_batches
from facectrl_fast.errors import UserError
from facectrl_fast.files import whole_file
from facectrl_fast.types import Float32Array
from facectrl_fast.vision.classify import EMBEDDING, Classifier
from facectrl_fast.vision.model_file import ModelDescription

TOLERANCE = 1e-5


class DisagreementError(UserError):
    """ONNX Runtime makes something else of a model than PyTorch does."""


def export_model(
    network: nn.Module, description: ModelDescription, out: Path, crops: Float32Array
) -> float:
    """Write ``out`` and return how far PyTorch and ONNX Runtime lie apart on ``crops``.

    Compared are the outputs: probabilities that both make of the logits, or errors; and the
    embedding.

    The file is written beside ``out`` and renamed once it is known to be good, so that a failure
    leaves the old model in place.

    Args:
        network: see ``networks``.
        description: goes into the file's metadata.
        out: the .onnx file.
        crops: float32 (n, 1, h, w) to compare on.

    Raises:
        UserError: ``out`` cannot be written, or the two runtimes disagree by more than 1e-5.
    """
    sample = torch.zeros(1, 1, description.input_height, description.input_width)
    outputs = ["logits", EMBEDDING] if description.kind == "softmax" else ["error"]
    model = to_onnx(network, sample, "crops", outputs, {0: torch.export.Dim("n")})
    onnx.helper.set_model_props(model, description.to_metadata())
    return write_checked(model, out, lambda draft: _disagreement(network, Classifier(draft), crops))


def to_onnx(
    network: nn.Module,
    sample: torch.Tensor,
    input_name: str,
    output_names: list[str],
    free: dict[int, Any],
) -> onnx.ModelProto:
    """A network as ONNX.

    Args:
        network: is switched to inference.
        sample: an input.
        input_name: of its input.
        output_names: of its outputs, flattened.
        free: which dimensions of the input may differ from the sample's, as ``torch.export.Dim``.
    """
    network.eval()
    with _quiet_exporter():
        program = torch.onnx.export(
            network,
            (sample,),
            input_names=[input_name],
            output_names=output_names,
            dynamic_shapes=(free,),
            dynamo=True,
            verbose=False,
        )
    if program is None:
        raise RuntimeError("torch.onnx.export returned nothing")
    model = program.model_proto
    _drop_notes(model)
    return model


def write_checked(
    model: onnx.ModelProto,
    out: Path,
    disagreement: Callable[[Path], float],
    tolerance: float = TOLERANCE,
) -> float:
    """Write ``out``, if ONNX Runtime makes of it what PyTorch does; returns how far they differ.

    Args:
        model: with its metadata.
        out: the .onnx file.
        disagreement: told of a file, between the two.
        tolerance: the most that it may be.

    Raises:
        UserError: ``out`` cannot be written.
        DisagreementError: they differ by more.
    """
    onnx.checker.check_model(model)
    try:
        with whole_file(out) as draft:
            draft.write_bytes(model.SerializeToString())
            difference = disagreement(draft)
            # Not the other way round: a comparison with NaN is false.
            if not difference <= tolerance:
                raise DisagreementError(
                    f"no model is written: ONNX Runtime disagrees by {difference:.1e}"
                )
    except OSError as error:
        raise UserError(f"cannot write {out}: {error.strerror}") from None
    return difference


@contextmanager
def _quiet_exporter() -> Iterator[None]:
    """The exporter warns of its own internals; the comparison that follows is the real check."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _drop_notes(model: onnx.ModelProto) -> None:
    """Remove the exporter's notes on where in PyTorch each node came from: a tenth of the file."""
    graph = model.graph
    for part in (graph, *graph.node, *graph.value_info, *graph.input, *graph.output):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")


def _disagreement(network: nn.Module, classifier: Classifier, crops: Float32Array) -> float:
    differences = []
    for part in in_batches(crops):
        with torch.no_grad():
            ours = network(torch.from_numpy(part))
        theirs = torch.from_numpy(classifier.run(part))
        if isinstance(ours, tuple):
            logits, embedding = ours
            apart = (embedding - torch.from_numpy(classifier.embed(part))).abs().max()
            differences.append(float(apart / embedding.abs().max().clamp_min(1)))
            ours, theirs = logits.softmax(1), theirs.softmax(1)
        differences.append(float((ours - theirs).abs().max()))
    # NumPy's maximum keeps a NaN, Python's may lose it.
    return float(np.max(differences))
