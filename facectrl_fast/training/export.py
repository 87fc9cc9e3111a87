"""Writes a trained network as a self-describing model file, and checks the file."""

from __future__ import annotations

import os
import tempfile
import warnings
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import nn

from facectrl_fast.errors import UserError
from facectrl_fast.types import Float32Array
from facectrl_fast.vision.classify import Classifier
from facectrl_fast.vision.model_file import ModelDescription

TOLERANCE = 1e-5


def export_model(
    network: nn.Module, description: ModelDescription, out: Path, crops: Float32Array
) -> float:
    """Write ``out`` and return how far PyTorch and ONNX Runtime lie apart on ``crops``.

    Compared are the probabilities that both make of the logits.

    The file is written beside ``out`` and renamed once it is known to be good, so that a failure
    leaves the old model in place.

    Args:
        network: (n, 1, h, w) float32 to (n, 2) logits.
        description: goes into the file's metadata.
        out: the .onnx file.
        crops: float32 (n, 1, h, w) to compare on.

    Raises:
        UserError: ``out`` cannot be written.
        RuntimeError: the two runtimes disagree by more than 1e-5.
    """
    network.eval()
    sample = torch.zeros(1, 1, description.input_height, description.input_width)
    with warnings.catch_warnings():
        # The exporter warns of its own internals; the comparison below is the real check.
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            network,
            (sample,),
            input_names=["crops"],
            output_names=["logits"],
            dynamic_shapes={"input": {0: torch.export.Dim("n")}},
            dynamo=True,
            verbose=False,
        )
    if program is None:
        raise RuntimeError("torch.onnx.export returned nothing")
    model = program.model_proto
    onnx.helper.set_model_props(model, description.to_metadata())
    onnx.checker.check_model(model)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(suffix=".onnx", dir=out.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(model.SerializeToString())
    except OSError as error:
        raise UserError(f"cannot write {out}: {error.strerror}") from None
    draft = Path(name)
    try:
        difference = _disagreement(network, Classifier(draft), crops)
        if difference > TOLERANCE:
            raise RuntimeError(f"PyTorch and ONNX Runtime disagree by {difference:.1e}")
        draft.replace(out)
    finally:
        draft.unlink(missing_ok=True)
    return difference


def _disagreement(network: nn.Module, classifier: Classifier, crops: Float32Array) -> float:
    worst = 0.0
    for part in np.array_split(crops, max(len(crops) // 1024, 1)):
        with torch.no_grad():
            ours = network(torch.from_numpy(part)).softmax(1)
            theirs = torch.from_numpy(classifier.run(part)).softmax(1)
        worst = max(worst, float((ours - theirs).abs().max()))
    return worst
