"""Counts the instructions of each kernel under callgrind, which no noise disturbs.

    python tests/native/instructions.py [--keep]

Compares with what ``instructions.json`` holds for this compiler; the exit status is 1 where a
kernel takes 2 % more. ``--keep`` writes the counts, after a change that is meant or for another
compiler.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from tests.native.build import core_sources, link, objects  # noqa: E402

KEPT = Path(__file__).with_suffix(".json")
MOST = 1.02


def count(program: Path, kernel: str) -> int:
    """Instructions from the start of the program to its end."""
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", program, kernel]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = re.search(r"Collected : (\d+)", done.stderr)
    assert found, done.stderr
    return int(found[1])


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Count the instructions of the kernels.")
    parser.add_argument("--keep", action="store_true", help="write the counts")
    keep = parser.parse_args().keep
    compiler = subprocess.run(
        ["c++", "--version"], check=True, capture_output=True, text=True
    ).stdout.splitlines()[0]
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        source = Path(__file__).with_suffix(".cpp")
        parts = objects(work, [source, *core_sources()], ["-O3", "-DNDEBUG"])
        program = link(work / "program", parts, [])
        names = subprocess.run([str(program)], check=True, capture_output=True, text=True).stdout
        counts = {name: count(program, name) for name in names.splitlines()}
    start = counts.pop("nothing")
    counts = {name: number - start for name, number in counts.items()}
    kept = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    before = kept.get(compiler)
    for name, number in counts.items():
        share = f", {number / before[name]:.3f} of before" if before and name in before else ""
        print(f"{name}: {number:,} instructions{share}")
    if keep:
        KEPT.write_text(json.dumps(kept | {compiler: counts}, indent=2) + "\n")
        return 0
    if before is None:
        print(f"nothing is kept for '{compiler}'; known: {', '.join(kept)}")
        return 0
    slower = [name for name, n in counts.items() if name in before and n > MOST * before[name]]
    for name in slower:
        print(f"{name} takes more than {MOST - 1:.0%} more", file=sys.stderr)
    return 1 if slower else 0


if __name__ == "__main__":
    raise SystemExit(main())
