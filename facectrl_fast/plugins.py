"""Detectors, trackers, sources and training tasks of other packages.

A package offers them as entry points of these groups, by name:

==========================  =======================================================================
facectrl_fast.detectors     called as ``(path, least_share, sensitive)`` (see ``open_detector``);
                            gives a ``vision.detect.Detector``, or a ``QuickDetector``.
                            ``run --detector NAME``
facectrl_fast.trackers      called without arguments; gives a ``vision.track.Tracker``.
                            ``run --tracker NAME``
facectrl_fast.sources       called with what is behind the colon; gives a
                            ``capture.source.Source``. ``run --source NAME:WHAT``
facectrl_fast.tasks         a ``Task``. ``train NAME``
==========================  =======================================================================

Names of our own go first. Nothing is looked up, and nothing imported, before a name is used that
is not ours. Plug-ins are code: they may do whatever the program may.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from facectrl_fast.errors import UserError

DETECTORS = "facectrl_fast.detectors"
TRACKERS = "facectrl_fast.trackers"
SOURCES = "facectrl_fast.sources"
TASKS = "facectrl_fast.tasks"


class Task(Protocol):
    """Something that can be trained: a dataset, a network, a loss, metrics, a report."""

    help: str
    """In a line."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Its arguments, besides ``--out``, ``--devices`` and ``--seed``."""
        ...

    def train(self, options: argparse.Namespace, out: Path, say: Callable[[str], None]) -> str:
        """Train into the folder ``out``; returns what to say at the end.

        Raises:
            UserError: it cannot be done.
        """
        ...


def names(group: str) -> list[str]:
    """Of all that is installed, in alphabetical order."""
    # Late: it reads the metadata of each installed package.
    from importlib.metadata import entry_points

    return sorted(entry_points(group=group).names)


def load(group: str, name: str) -> Any:
    """What a package offers under that name; None where none does.

    Raises:
        UserError: it cannot be imported, or several have that name.
    """
    from importlib.metadata import entry_points

    found = entry_points(group=group, name=name)
    if not found:
        return None
    offers = {entry.value: entry for entry in found}
    if len(offers) > 1:
        raise UserError(f"several plug-ins are called '{name}': {', '.join(sorted(offers))}")
    (entry,) = offers.values()
    with _telling(name, entry.value):
        return entry.load()


def make(group: str, name: str, *arguments: object) -> Any:
    """What a package's detector, tracker or source gives when it is called; None where none is.

    Raises:
        UserError: it cannot be imported, or refuses.
    """
    plugin = load(group, name)
    if plugin is None:
        return None
    with _telling(name, plugin.__module__):
        return plugin(*arguments)


@contextmanager
def _telling(name: str, where: str) -> Iterator[None]:
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # whatever another package's code may raise
        raise UserError(
            f"the plug-in '{name}' ({where}) cannot be used: {type(error).__name__}: {error}"
        ) from None
