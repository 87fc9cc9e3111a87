"""Plays and pauses your media player as you wear your headphones or leave."""

from importlib.metadata import version

__version__ = version("facectrl-fast")
