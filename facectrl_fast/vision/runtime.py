"""ONNX Runtime, made quiet: one thread, no spinning, and nothing that is sent anywhere."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

import numpy as np

from facectrl_fast.errors import UserError
from facectrl_fast.types import Float32Array

# Since version 1.29 it tells its maker over the network which models run where, from threads and a
# database of its own, unless this is set before it is loaded.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import onnxruntime as ort

NO_MEMORY = ("bad_alloc", "bad allocation", "allocate")
"""What its errors say where there is no memory left."""


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


class BoundInput:
    """The input of a session that runs again and again, and is written to in between.

    It saves the runtime the looking up, checking and making of arrays, which for small models that
    run now and then takes as long as what they compute.
    """

    def __init__(
        self,
        session: ort.InferenceSession,
        name: str,
        shape: tuple[int, ...],
        outputs: Mapping[str, tuple[int, ...]],
    ) -> None:
        """Make it.

        Args:
            session: releases the GIL while it works.
            name: of its only input.
            shape: of that input.
            outputs: the names of those wanted, of floats, and the shapes that they have then.
        """
        self.array: Float32Array = np.zeros(shape, np.float32)
        self._session = session
        self._outputs = [np.empty(sides, np.float32) for sides in outputs.values()]
        self._binding = session.io_binding()
        self._binding.bind_cpu_input(name, self.array)
        for output, array in zip(outputs, self._outputs, strict=True):
            self._binding.bind_output(output, "cpu", 0, np.float32, array.shape, array.ctypes.data)

    def run(self) -> list[Float32Array]:
        """What the session makes of the array as it is now, until the next run.

        Raises:
            MemoryError: there is none left.
        """
        try:
            self._session.run_with_iobinding(self._binding)
        except Exception as error:
            _raise_what_it_is(error)
        return self._outputs


def run_session(
    session: ort.InferenceSession, outputs: Sequence[str] | None, inputs: Mapping[str, np.ndarray]
) -> list[np.ndarray]:
    """What a session makes of inputs, by their names.

    Args:
        session: releases the GIL while it works.
        outputs: the names of those wanted; None for all.
        inputs: of the types and shapes that it takes.

    Raises:
        MemoryError: there is none left.
    """
    try:
        made: list[np.ndarray] = session.run(outputs, inputs)
    except Exception as error:
        _raise_what_it_is(error)
    return made


def _raise_what_it_is(error: Exception) -> NoReturn:
    """Tell missing memory from the rest; ONNX Runtime raises a class of its own for each status."""
    if any(words in str(error) for words in NO_MEMORY):
        raise MemoryError from error
    raise error
