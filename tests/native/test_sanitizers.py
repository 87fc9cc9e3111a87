"""The native code under the sanitizers, in C++, where Python hides nothing."""

import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from os import cpu_count
from pathlib import Path
from platform import machine

import pytest

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
FLAGS = ["-std=c++17", "-O1", "-g", "-Wall", "-Wextra", "-Werror", f"-I{ROOT / 'csrc'}", "-pthread"]


def build(tmp_path, sanitizer, *sources, libraries=(), extra=None):
    """``extra``: further flags, by the name of the file that needs them."""
    compiler = shutil.which("c++")
    assert compiler, "no C++ compiler: install build-essential"
    sanitize = [f"-fsanitize={sanitizer}", "-fno-sanitize-recover=all"]

    def compiled(source):
        made = tmp_path / f"{source.parent.name}-{source.stem}.o"
        flags = [*FLAGS, *sanitize, *(extra or {}).get(source.name, ())]
        subprocess.run([compiler, *flags, "-c", str(source), "-o", str(made)], check=True)
        return str(made)

    with ThreadPoolExecutor(cpu_count()) as pool:
        objects = list(pool.map(compiled, sources))
    program = tmp_path / "program"
    subprocess.run([compiler, *sanitize, *objects, *libraries, "-o", str(program)], check=True)
    return program


def run(program, *arguments):
    # The thread sanitizer of older compilers does not get along with a randomised address space.
    command = [str(program), *arguments]
    if shutil.which("setarch"):
        command = ["setarch", "-R", *command]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("sanitizer", ["thread", "address,undefined"])
def test_the_ring_has_no_race_tears_nothing_and_counts_drops_exactly(tmp_path, sanitizer):
    sources = (HERE / "frame_ring_stress.cpp", ROOT / "csrc" / "frame_ring.cpp")
    out = run(build(tmp_path, sanitizer, *sources), "20000")
    assert out.startswith("published ")


KERNELS = (
    "box_decode.cpp",
    "gate.cpp",
    "gray_row.cpp",
    "gray_row_avx2.cpp",
    "luma_grid.cpp",
    "preprocess.cpp",
    "template_match.cpp",
)
CAPTURE_SOURCES = (
    "frame_ring.cpp",
    "jpeg_luma.cpp",
    "system_calls.cpp",
    "v4l2_buffers.cpp",
    "v4l2_capture.cpp",
    "v4l2_device.cpp",
)


@pytest.mark.parametrize("sanitizer", ["thread", "address,undefined"])
def test_the_capture_gets_along_with_a_camera_that_misbehaves(tmp_path, sanitizer):
    sources = [HERE / "v4l2_capture.cpp", *(ROOT / "csrc" / name for name in CAPTURE_SOURCES)]
    out = run(build(tmp_path, sanitizer, *sources, libraries=["-ljpeg"]))
    assert out.endswith("done\n")


def test_kernels_touch_only_their_own_memory(tmp_path):
    sources = [HERE / "kernel_bounds.cpp"]
    sources += [ROOT / "csrc" / name for name in KERNELS]
    wide = {"gray_row_avx2.cpp": ["-mavx2", "-mfma"]} if machine() == "x86_64" else {}
    assert run(build(tmp_path, "address,undefined", *sources, extra=wide)) == "done\n"
