"""What pip would leave of a package with entry points, without a package."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


def install(folder: Path, groups: Mapping[str, Mapping[str, str]], name: str = "examples") -> None:
    """Write the metadata; whoever has the folder on its path finds the entry points."""
    told = folder / f"{name}-1.0.dist-info"
    told.mkdir(parents=True)
    (told / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    lines = []
    for group, entries in groups.items():
        lines += [f"[{group}]", *(f"{entry} = {where}" for entry, where in entries.items())]
    (told / "entry_points.txt").write_text("\n".join(lines) + "\n")
