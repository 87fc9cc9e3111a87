"""How many lines of the native code the tests run, by gcov: as modules and in C++ programs.

    python tests/native/coverage.py [--least PERCENT]

A copy of what git tracks is built with counters and tested below ``build/coverage``.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from tests.native.build import core_sources, link, objects  # noqa: E402

WORK = ROOT / "build" / "coverage"
TREE = WORK / "tree"
BIN = Path(sys.executable).parent
SUITES = ("tests/vision", "tests/capture", "tests/decide", "tests/test_demo.py")
PROGRAMS = {"kernels.cpp": (), "v4l2_capture.cpp": (), "frame_ring_stress.cpp": ("2000",)}


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Measure the coverage of the native code.")
    parser.add_argument("--least", type=float, default=0, metavar="PERCENT")
    least = parser.parse_args().least
    shutil.rmtree(WORK, ignore_errors=True)
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    for name in filter(None, listed.stdout.split("\0")):
        (TREE / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, TREE / name)
    cmake = subprocess.run(
        [sys.executable, "-m", "pybind11", "--cmakedir"], check=True, capture_output=True, text=True
    ).stdout.strip()
    configure = [
        str(BIN / "cmake"), "-S", str(TREE), "-B", str(WORK / "modules"), "-G", "Ninja",
        f"-DCMAKE_MAKE_PROGRAM={BIN / 'ninja'}",
        "-DCMAKE_BUILD_TYPE=Debug",
        "-DCMAKE_CXX_FLAGS=-O1 --coverage -fprofile-update=atomic",
        f"-DPython_EXECUTABLE={sys.executable}",
        f"-Dpybind11_DIR={cmake}",
        f"-DFACECTRL_OUTPUT={TREE / 'facectrl_fast'}",
    ]  # fmt: skip
    subprocess.run(configure, check=True, stdout=subprocess.DEVNULL)
    subprocess.run(
        [str(BIN / "cmake"), "--build", str(WORK / "modules")],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    tests = [sys.executable, "-m", "pytest", "-q", "-n", "auto", "-m", "not train", *SUITES]
    subprocess.run(tests, cwd=TREE, check=True)
    flags = ("--coverage", "-fprofile-update=atomic")
    parts = objects(WORK, core_sources(TREE / "csrc"), flags, core=TREE / "csrc")
    for name, arguments in PROGRAMS.items():
        own = objects(WORK, [ROOT / "tests/native" / name], (), core=TREE / "csrc")
        program = link(WORK / Path(name).stem, [*own, *parts], flags)
        subprocess.run([str(program), *arguments], check=True, stdout=subprocess.DEVNULL)
    report = [
        str(BIN / "gcovr"), "--root", str(TREE), "--filter", str(TREE / "csrc"),
        "--exclude-throw-branches", "--gcov-ignore-errors=no_working_dir_found",
        f"--fail-under-line={least}", str(WORK),
    ]  # fmt: skip
    return subprocess.run(report, cwd=WORK, check=False).returncode


if __name__ == "__main__":
    raise SystemExit(main())
