"""ONNX Runtime, made quiet: one thread, no spinning, and nothing that is sent anywhere."""

from __future__ import annotations

import os
from pathlib import Path

from facectrl_fast.errors import UserError

# Since version 1.29 it tells its maker over the network which models run where, from threads and a
# database of its own, unless this is set before it is loaded.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import onnxruntime as ort


def open_session(path: Path) -> ort.InferenceSession:
    """An ONNX Runtime session for a program that runs all day: one thread, no spinning.

    The defaults keep a pool of threads spinning between calls, which costs more than the model.

    Raises:
        UserError: there is no such file, or it is no ONNX model that this runtime can load.
    """
    if not path.is_file():
        raise UserError(f"model {path} does not exist; check --model")
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    # An arena would keep the largest intermediate for ever; this model's are a few kilobytes.
    options.enable_cpu_mem_arena = False
    options.log_severity_level = 4
    try:
        return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime raises a class of its own for each status
        reason = str(error).splitlines()[0].partition(": ")[2] or type(error).__name__
        raise UserError(f"{path} is not a usable ONNX model: {reason}") from None
