"""The process imports little, starts few threads, and sends nothing."""

import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from tests.program import Program


def run(code, **environment):
    """Run it in a process of its own; its last line."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()[-1]


def test_help_needs_no_numpy():
    code = """
        import contextlib, io, sys
        from facectrl_fast.cli import main
        with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
            main(["--help"])
        print({"numpy", "cv2", "dbus", "onnxruntime", "importlib.metadata"} & set(sys.modules))
    """
    assert run(code) == "set()"


def test_camera_tracker_and_classifier_need_neither_opencv_nor_what_training_needs():
    code = """
        import sys
        import facectrl_fast.build, facectrl_fast.watch, facectrl_fast.player.mpris
        from facectrl_fast.capture.source import open_source
        from facectrl_fast.vision.classify import Classifier
        from facectrl_fast.vision.track import open_tracker
        open_source("auto")
        Classifier()
        open_tracker("template")
        heavy = {"cv2", "onnx", "torch", "matplotlib", "scipy", "sklearn"}
        print(heavy & set(sys.modules))
    """
    assert run(code) == "set()"


def test_onnx_runtime_keeps_no_database_and_starts_no_thread_to_tell_of_us(tmp_path):
    code = """
        import os
        from facectrl_fast.process import prepare_process
        prepare_process()
        import numpy as np
        from facectrl_fast.vision.classify import Classifier
        classifier = Classifier()
        classifier.run(np.zeros((1, 1, 64, 64), np.float32))
        print(len(os.listdir("/proc/self/task")))
    """
    # ONNX Runtime is silent by itself where tests run.
    environment = dict.fromkeys(("CI", "GITHUB_ACTIONS", "ORT_DISABLE_TELEMETRY"), "")
    assert run(code, HOME=str(tmp_path), XDG_CACHE_HOME=str(tmp_path), **environment) == "1"
    assert list(tmp_path.iterdir()) == []


def test_code_that_only_start_up_needed_is_given_back():
    code = """
        from facectrl_fast.process import release_start_up_memory
        import numpy as np
        from facectrl_fast.vision.classify import Classifier

        def resident():
            lines = open("/proc/self/smaps_rollup").readlines()
            return next(int(line.split()[1]) for line in lines if line.startswith("Rss:"))

        classifier, crops = Classifier(), np.zeros((1, 1, 64, 64), np.float32)
        expected = classifier.run(crops)
        before = resident()
        release_start_up_memory()
        assert (classifier.run(crops) == expected).all()
        print(before - resident() > 5000)
    """
    assert run(code) == "True"


def test_timers_may_be_late_together(tmp_path):
    code = """
        import threading
        from facectrl_fast.process import prepare_process
        prepare_process()
        print(open("/proc/self/timerslack_ns").read().strip())
    """
    if not Path("/proc/self/timerslack_ns").exists():
        pytest.skip("the kernel does not tell timer slack")
    assert int(run(code)) == 10_000_000


def wake_ups(process):
    tasks = list(Path(f"/proc/{process.pid}/task").iterdir())
    lines = [line for task in tasks for line in (task / "status").read_text().splitlines()]
    return len(tasks), sum(
        int(line.split()[1]) for line in lines if line.startswith("voluntary_ctxt")
    )


def test_without_a_player_it_sleeps(bus_address, make_video):
    program = Program("--source", make_video())
    try:
        assert program.said("waiting for a media player"), program.lines
        # Whatever it still had to do for that is over once it has slept a while.
        time.sleep(0.5)
        before = wake_ups(program.process)
        time.sleep(2)
        assert wake_ups(program.process) == before
        assert before[0] == 1, "threads"
    finally:
        program.end()
