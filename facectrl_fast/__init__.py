"""Plays and pauses your media player as you wear your headphones or leave."""

from __future__ import annotations


def __getattr__(name: str) -> str:
    # Late: to read a package's metadata costs as much as the rest of '--help'.
    if name == "__version__":
        from importlib.metadata import version

        return version("facectrl-fast")
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
