"""Builds the native modules with CMake; everything else is in pyproject.toml."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

SOURCE = Path(__file__).resolve().parent
# Cached from one configuration to the next, these would name a build environment that pip has
# deleted since.
FORGET = ("pybind11_DIR", "Python_*", "_Python_*", "CMAKE_MAKE_PROGRAM")


class CMakeBuild(build_ext):
    """Drives one CMake tree, kept per interpreter, that makes both modules at once."""

    def run(self) -> None:
        """Configure, build, and put the modules where setuptools expects them."""
        package = self.get_ext_fullpath("facectrl_fast._native")
        output = Path(package).resolve().parent
        build = SOURCE / "build" / f"cmake-{sysconfig.get_config_var('SOABI')}"
        import pybind11

        configure = [
            "cmake", "-S", str(SOURCE), "-B", str(build), "-G", "Ninja",
            *(f"-U{name}" for name in FORGET),
            "-DCMAKE_BUILD_TYPE=Release",
            f"-DPython_EXECUTABLE={sys.executable}",
            f"-Dpybind11_DIR={pybind11.get_cmake_dir()}",
            f"-DFACECTRL_OUTPUT={output}",
            f"-DFACECTRL_WERROR={os.environ.get('FACECTRL_WERROR', 'OFF')}",
        ]  # fmt: skip
        subprocess.run(configure, check=True)
        subprocess.run(["cmake", "--build", str(build)], check=True)


setup(
    ext_modules=[
        Extension("facectrl_fast._native", sources=[]),
        Extension("facectrl_fast.decide._vote", sources=[]),
    ],
    cmdclass={"build_ext": CMakeBuild},
)
