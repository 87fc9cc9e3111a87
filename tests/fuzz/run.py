"""Runs the fuzzers: native ones by libFuzzer under the sanitizers, parsers by Atheris.

    python tests/fuzz/run.py [--seconds N] [--keep] [TARGET ...]

Every target begins with what is kept of it in ``corpus``. What ends a run is written to
``build/fuzz/TARGET`` and named; the exit status is 1 then. ``--keep`` adds to the corpora of the
native ones what reached new code, as few files as do.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT))

from tests.fuzz.parsers import PARSERS  # noqa: E402
from tests.native.build import CORE, core_sources, link, objects  # noqa: E402

CORPUS = HERE / "corpus"
WORK = ROOT / "build" / "fuzz"
SANITIZE = ("-fsanitize=fuzzer-no-link,address,undefined", "-fno-sanitize-recover=all")
NATIVE = sorted(path.stem for path in (HERE / "native").glob("*.cpp"))
LONGEST = 20
"""Seconds that one input may take."""
LARGEST = 16384
"""Bytes of an input: a number may have more digits than Python reads."""


def build_native(names: Sequence[str], out: Path, core: Path = CORE) -> dict[str, list[str]]:
    """The command of each native fuzzer."""
    out.mkdir(parents=True, exist_ok=True)
    parts = objects(out, core_sources(core), SANITIZE, "clang++", core)
    commands = {}
    for name in names:
        source = HERE / "native" / f"{name}.cpp"
        main = objects(out, [source], SANITIZE, "clang++", core)
        flags = ("-fsanitize=fuzzer,address,undefined",)
        commands[name] = [str(link(out / name, [*main, *parts], flags, "clang++"))]
    return commands


def parser_command(name: str) -> list[str]:
    """What fuzzes one of PARSERS."""
    return [sys.executable, "-m", "tests.fuzz.parsers", name]


def fuzz(
    name: str, command: Sequence[str], seconds: int, work: Path = WORK, package: Path = ROOT
) -> subprocess.CompletedProcess[str]:
    """Run one; what it finds stays in its folder of ``work``.

    ``package`` is the folder that ``facectrl_fast`` and ``tests`` are imported from.
    """
    found = work / name / "corpus"
    found.mkdir(parents=True, exist_ok=True)
    options = [
        f"-max_total_time={seconds}",
        f"-timeout={LONGEST}",
        f"-max_len={LARGEST}",
        "-rss_limit_mb=3000",
        "-print_final_stats=1",
        f"-artifact_prefix={work / name}/",
    ]
    folders = [str(found), *(str(p) for p in [CORPUS / name] if p.is_dir())]
    return _run([*command, *options, *folders], package)


def keep(name: str, command: Sequence[str]) -> None:
    """Take what reached new code into the corpus."""
    (CORPUS / name).mkdir(parents=True, exist_ok=True)
    found = WORK / name / "corpus"
    _run([*command, "-merge=1", str(CORPUS / name), str(found)])
    shutil.rmtree(found)


def _run(command: Sequence[str], folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    # A leak of the interpreter's own, at exit, says nothing.
    environment = dict(os.environ, ASAN_OPTIONS="allocator_may_return_null=1")
    return subprocess.run(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env=environment,
        cwd=folder,
        check=False,
    )


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Run the fuzzers.")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join([*NATIVE, *PARSERS]))
    parser.add_argument("--seconds", type=int, default=10, help="for each target")
    parser.add_argument("--keep", action="store_true", help="add what is new to the corpora")
    arguments = parser.parse_args()
    chosen = arguments.targets or [*NATIVE, *PARSERS]
    if unknown := set(chosen) - {*NATIVE, *PARSERS}:
        parser.error(f"there is no {', '.join(sorted(unknown))}")
    commands = build_native([name for name in chosen if name in NATIVE], WORK / "build")
    commands |= {name: parser_command(name) for name in chosen if name in PARSERS}

    def one(name: str) -> bool:
        done = fuzz(name, commands[name], arguments.seconds)
        lines = done.stdout.splitlines()
        if done.returncode:
            print(f"{name}: FAILED\n" + "\n".join(lines[-40:]), flush=True)
            return False
        ran = next((line.split()[-1] for line in lines if "executed_units" in line), "?")
        print(f"{name}: {ran} inputs", flush=True)
        if arguments.keep and name in NATIVE:
            keep(name, commands[name])
        return True

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        fine = list(pool.map(one, chosen))
    return 0 if all(fine) else 1


if __name__ == "__main__":
    raise SystemExit(main())
