"""The first run, step by step."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from facectrl_fast.config import CalibrateOptions, RunOptions
from facectrl_fast.desktop.remote import looking_away
from facectrl_fast.errors import UserError
from facectrl_fast.settings import as_toml, config_path, read_config

TRY_SECONDS = 20.0


@dataclass(frozen=True)
class _Step:
    name: str
    question: str
    do: Callable[[], None]


class Setup:
    """Asks before each step, and goes on where one fails or is left out."""

    def __init__(self, options: RunOptions, skipped: frozenset[str], ask: bool) -> None:
        """Make one.

        Args:
            options: of a run, as far as they are configured.
            skipped: names of steps to leave out: camera, calibrate, try, service.
            ask: before each step; else all are done.
        """
        self._options = options
        self._skipped = skipped
        self._ask = ask
        self._steps = (
            _Step("camera", "Choose a camera?", self._choose_camera),
            _Step("calibrate", "Teach it your headphones (half a minute)?", self._calibrate),
            _Step("try", f"Try it for {TRY_SECONDS:.0f} seconds?", self._try),
            _Step("service", "Run it in the background from now on?", self._install),
        )

    def run(self) -> int:
        """Do it.

        Returns:
            The exit status: 1 where a step failed.
        """
        from facectrl_fast.doctor import examine

        print("First, what the program needs:\n")
        failed = examine(self._options) != 0
        for step in self._steps:
            if step.name in self._skipped or not self._wanted(step.question):
                continue
            try:
                step.do()
            except UserError as error:
                print(f"{step.name}: {error}", file=sys.stderr)
                failed = True
        print("\nDone." if not failed else "\nNot everything worked; 'facectrl-fast doctor' knows.")
        return 1 if failed else 0

    def _wanted(self, question: str) -> bool:
        if not self._ask:
            print(f"\n{question} Yes.")
            return True
        answer = _answer(f"\n{question} [Y/n] ").lower()
        return answer in ("", "y", "yes")

    def _choose_camera(self) -> None:
        from facectrl_fast.capture.cameras import AUTO, CameraDirectory
        from facectrl_fast.capture.video_node import NodeKind

        directory = CameraDirectory()
        nodes = [node for node in directory.nodes() if node.kind is NodeKind.CAMERA]
        if not nodes:
            raise UserError("there is no camera; plug one in")
        usual = chosen = directory.find(self._options.source)
        if chosen not in nodes:
            nodes.append(chosen)
        for number, node in enumerate(nodes, 1):
            print(f"  {number}  {node}")
        if self._ask and len(nodes) > 1:
            default = str(nodes.index(usual) + 1)
            text = _answer(f"Which one? [1 to {len(nodes)}, default {default}] ") or default
            if not text.isdecimal() or not 1 <= int(text) <= len(nodes):
                raise UserError(f"there is no camera '{text}'")
            chosen = nodes[int(text) - 1]
        with TemporaryDirectory(prefix="facectrl-fast-") as folder:
            picture = Path(folder) / "camera.png"
            with looking_away(str(chosen.path)):
                take_picture(str(chosen.path), self._options.backend, picture)
            if self._ask:
                _answer(f"What it sees is in {picture}; Enter goes on and deletes it. ")
        new = chosen != usual or self._options.source == AUTO
        if new and len(nodes) > 1 and self._wanted(f"Use {chosen} always?"):
            remember("source", chosen.by_id or chosen.card)
        self._options = replace(self._options, source=str(chosen.path))

    def _calibrate(self) -> None:
        from facectrl_fast.calibration.calibrate import calibrate

        chosen = CalibrateOptions(
            source=self._options.source,
            backend=self._options.backend,
            detector=self._options.detector,
            detector_model=self._options.detector_model,
        )
        calibrate(chosen, lambda line: print(line, flush=True))

    def _try(self) -> None:
        import logging

        from facectrl_fast.build import build_watcher
        from facectrl_fast.mainloop import MainLoop

        logging.basicConfig(level=logging.INFO, format="  %(message)s", stream=sys.stdout)
        print("Take your headphones off and put them on; no player is touched.")
        loop = MainLoop()
        watcher = build_watcher(loop, replace(self._options, dry_run=True))
        end = loop.call_later(TRY_SECONDS, watcher.stop)
        with looking_away(self._options.source):
            watcher.run()
        loop.remove(end)
        if watcher.stopped_by:
            raise KeyboardInterrupt

    def _install(self) -> None:
        from facectrl_fast.service import install

        install(print)


def set_up(options: RunOptions, arguments: argparse.Namespace) -> int:
    """Run the steps that the command line wants; returns the exit status."""
    skipped = {
        step
        for step in ("camera", "calibrate", "try", "service")
        if getattr(arguments, f"no_{step}")
    }
    return Setup(options, frozenset(skipped), ask=not arguments.yes).run()


def _answer(question: str) -> str:
    try:
        return input(question).strip()
    except EOFError:
        raise UserError("nobody answers; --yes asks nothing") from None


def take_picture(source: str, backend: str, path: Path) -> None:
    """Write a camera's picture to a PNG file.

    Raises:
        UserError: the camera gives none.
    """
    import cv2

    from facectrl_fast.capture.source import open_source
    from facectrl_fast.desktop.preview import bgr_copy

    with closing(open_source(source, backend=backend).open()) as stream:
        # The first ones are dark, until the camera has set its exposure.
        frame = None
        for number in range(10):
            frame = stream.ring.wait_newer(number, timeout=5.0) or frame
        if frame is None:
            raise stream.error or UserError(f"{source} gives no pictures")
        cv2.imwrite(str(path), bgr_copy(frame))


def remember(key: str, value: object) -> None:
    """Set an option in the configuration file; all other lines stay as they are.

    Raises:
        UserError: the file says what is not allowed, or says it in an unusual way.
    """
    from facectrl_fast.files import whole_file

    path = config_path()
    before = read_config(path)
    lines = path.read_text().splitlines() if path.exists() else []
    line = f"{key} = {as_toml(value)}"
    if key in before:
        at = [n for n, text in enumerate(lines) if text.split("=")[0].strip(" \t\"'") == key]
        if not at:
            raise UserError(f"{path}: cannot find the line of '{key}'; write there: {line}")
        lines[at[0]] = line
    else:
        # Before any table, which a valid file has none of.
        lines.append(line)
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as draft:
        draft.write_text("\n".join(lines) + "\n")
