"""Compiles programs of C++ from the core's sources, with what a tool needs."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from os import cpu_count
from pathlib import Path
from platform import machine

ROOT = Path(__file__).parents[2]
CORE = ROOT / "csrc"
WIDE = {"gray_row_avx2.cpp": ["-mavx2", "-mfma"]} if machine() == "x86_64" else {}
"""Further flags, by the name of the file that needs them."""


def core_sources(core: Path = CORE) -> list[Path]:
    """All of the core; what includes pybind11 is Python's."""
    return sorted(path for path in core.glob("*.cpp") if "pybind11" not in path.read_text())


def objects(
    out: Path,
    sources: Sequence[Path],
    flags: Sequence[str],
    compiler: str = "c++",
    core: Path = CORE,
    extra: Mapping[str, Sequence[str]] = WIDE,
) -> list[Path]:
    """Compile each of them, as warnings are errors everywhere else."""
    found = shutil.which(compiler)
    assert found, f"there is no {compiler}: install build-essential, or clang"
    common = ["-std=c++17", "-O1", "-g", "-Wall", "-Wextra", "-Werror", "-pthread"]

    def compiled(source: Path) -> Path:
        made = out / f"{source.parent.name}-{source.stem}.o"
        own = [*common, f"-I{core}", f"-I{ROOT / 'tests/native'}", *flags]
        command = [found, *own, *extra.get(source.name, ()), "-c", str(source), "-o", str(made)]
        subprocess.run(command, check=True)
        return made

    with ThreadPoolExecutor(cpu_count()) as pool:
        return list(pool.map(compiled, sources))


def link(program: Path, parts: Sequence[Path], flags: Sequence[str], compiler: str = "c++") -> Path:
    """Make a program of objects."""
    command = [compiler, *flags, *map(str, parts), "-ljpeg", "-pthread", "-o", str(program)]
    subprocess.run(command, check=True)
    return program


def with_defect(out: Path, name: str, right: str, wrong: str) -> Path:
    """A copy of the core in which something is wrong, to see that a tool finds it."""
    core = out / "csrc"
    shutil.copytree(CORE, core)
    text = (core / name).read_text()
    assert text.count(right) == 1, f"{name} has changed: choose another defect"
    (core / name).write_text(text.replace(right, wrong))
    return core
