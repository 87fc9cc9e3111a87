"""The native code under the sanitizers, in C++, where Python hides nothing."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.native.build import CORE, core_sources, link, objects, with_defect

pytestmark = pytest.mark.sanitize

HERE = Path(__file__).parent
ADDRESS, THREAD = "address,undefined,float-cast-overflow", "thread"


def build(tmp_path, sanitizer, source, core=CORE):
    """One of the programs beside this file, with all of the core."""
    flags = [f"-fsanitize={sanitizer}", "-fno-sanitize-recover=all"]
    parts = objects(tmp_path, [HERE / source, *core_sources(core)], flags, core=core)
    return link(tmp_path / "program", parts, flags)


def run(program, *arguments):
    # The thread sanitizer of older compilers does not get along with a randomised address space.
    command = [str(program), *arguments]
    if shutil.which("setarch"):
        command = ["setarch", "-R", *command]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def passed(done):
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("sanitizer", [THREAD, ADDRESS])
def test_the_ring_has_no_race_tears_nothing_and_counts_drops_exactly(tmp_path, sanitizer):
    out = passed(run(build(tmp_path, sanitizer, "frame_ring_stress.cpp"), "20000"))
    assert out.startswith("published ")


@pytest.mark.parametrize("sanitizer", [THREAD, ADDRESS])
def test_the_capture_gets_along_with_a_camera_that_misbehaves(tmp_path, sanitizer):
    out = passed(run(build(tmp_path, sanitizer, "v4l2_capture.cpp")))
    assert out.endswith("done\n")


@pytest.mark.parametrize("sanitizer", [THREAD, ADDRESS])
def test_kernels_touch_only_their_own_memory_and_share_none(tmp_path, sanitizer):
    assert passed(run(build(tmp_path, sanitizer, "kernels.cpp"))) == "done\n"


@pytest.mark.parametrize(
    ("sanitizer", "program", "defect", "complaint"),
    [
        pytest.param(
            ADDRESS,
            "kernels.cpp",
            # One pixel past the end of the last row.
            ("gray_row.cpp", "for (int i = 0; i < n; ++i) acc", "for (int i = 0; i <= n; ++i) acc"),
            "heap-buffer-overflow",
            id="address",
        ),
        pytest.param(
            ADDRESS,
            "kernels.cpp",
            # A fixed point that is too fine for an int.
            (
                "gate.cpp",
                "(2 * i + 1) * size / (2 * count)",
                "(2 * i + 1) * size * 1000000 / (2000000 * count)",
            ),
            "signed integer overflow",
            id="undefined",
        ),
        pytest.param(
            THREAD,
            "frame_ring_stress.cpp",
            # A look without the lock.
            (
                "frame_ring.cpp",
                "bool FrameRing::closed() const {\n    const std::lock_guard lock(mutex_);\n",
                "bool FrameRing::closed() const {\n",
            ),
            "data race",
            id="thread",
        ),
        pytest.param(
            THREAD,
            "kernels.cpp",
            # A buffer that all calls share.
            (
                "template_match.cpp",
                "std::vector<int> all(static_cast<std::size_t>(count));",
                "static std::vector<int> all; all.assign(static_cast<std::size_t>(count), 0);",
            ),
            "data race",
            id="kernels",
        ),
    ],
)
def test_a_seeded_defect_is_found(tmp_path, sanitizer, program, defect, complaint):
    core = with_defect(tmp_path, *defect)
    done = run(build(tmp_path, sanitizer, program, core))
    assert done.returncode != 0
    assert complaint in done.stderr
