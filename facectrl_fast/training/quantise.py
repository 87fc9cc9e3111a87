"""Smaller models: weights stored as halves; int8 throughout, by ONNX Runtime's own tools."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process

from facectrl_fast.types import Float32Array

LEAST_WEIGHTS = 64
"""Of a tensor that is stored in halves: smaller ones save nothing."""


def with_half_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same model in half of the bytes: computed as before, from weights rounded to 11 bits.

    ONNX Runtime casts them back once, when it opens the file.
    """
    made = onnx.ModelProto()
    made.CopyFrom(model)
    casts = []
    for weights in made.graph.initializer:
        values = onnx.numpy_helper.to_array(weights)
        if values.dtype != np.float32 or values.size < LEAST_WEIGHTS:
            continue
        halves = values.astype(np.float16)
        if not np.isfinite(halves).all():
            continue
        name = weights.name
        weights.CopyFrom(onnx.numpy_helper.from_array(halves, f"{name}_half"))
        to = onnx.TensorProto.FLOAT
        casts.append(onnx.helper.make_node("Cast", [f"{name}_half"], [name], to=to))
    nodes = [*casts, *made.graph.node]
    del made.graph.node[:]
    made.graph.node.extend(nodes)
    onnx.checker.check_model(made)
    return made


class _Inputs(CalibrationDataReader):  # type: ignore[misc]  # it tells no types
    """Inputs that show how large activations get."""

    def __init__(self, name: str, batches: Sequence[Float32Array]) -> None:
        self._name = name
        self._batches = iter(batches)

    def get_next(self) -> dict[str, Float32Array] | None:
        """One after the other, then None."""
        batch = next(self._batches, None)
        return None if batch is None else {self._name: batch}


def quantised(model: onnx.ModelProto, batches: Sequence[Float32Array]) -> onnx.ModelProto:
    """The same model in int8, its metadata kept.

    Args:
        model: of one input.
        batches: typical inputs.
    """
    with tempfile.TemporaryDirectory() as folder:
        plain, prepared, small = (
            Path(folder) / f"{name}.onnx" for name in ("plain", "prepared", "small")
        )
        onnx.save(model, plain)
        before = logging.root.level
        logging.root.setLevel(logging.ERROR)  # it advises on what was just done
        try:
            quant_pre_process(str(plain), str(prepared), skip_symbolic_shape=True)
            quantize_static(
                str(prepared),
                str(small),
                _Inputs(model.graph.input[0].name, batches),
                quant_format=QuantFormat.QDQ,
                per_channel=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                calibrate_method=CalibrationMethod.MinMax,
            )
        finally:
            logging.root.setLevel(before)
        made = onnx.load(small)
    del made.metadata_props[:]
    told = {entry.key: entry.value for entry in model.metadata_props}
    onnx.helper.set_model_props(made, told)
    return made
