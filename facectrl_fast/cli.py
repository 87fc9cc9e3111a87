"""The command line. Heavy imports happen in the command that needs them."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from facectrl_fast import __version__
from facectrl_fast.config import BACKENDS, DETECTORS, TRACKERS, CollectOptions, RunOptions
from facectrl_fast.errors import UsageError, UserError
from facectrl_fast.models import PACKAGED_MODEL

PROGRAM = "facectrl-fast"

DESCRIPTION = """\
Plays your music while you sit there with your headphones on, and pauses it when
you take them off or leave. What you do on the player by hand always wins.
"""

EXAMPLES = """\
examples:
  facectrl-fast run                        watch the camera, control what played last
  facectrl-fast run --player spotify       only Spotify
  facectrl-fast run --dry-run --preview    see what it would do, touch no player
  facectrl-fast demo                       a show without camera and player
  facectrl-fast collect on --dataset mine  pictures of you with your headphones on
  facectrl-fast cameras                    which cameras there are, and what they offer
  facectrl-fast doctor                     what is missing, and what to do about it
"""


class _Parser(argparse.ArgumentParser):
    """Complains in one line."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message} (see '{self.prog} --help')")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: without the program's name; those of the process by default.

    Returns:
        The exit status: 0 all went well, also where a signal ended ``run``; 1 something outside is
        wrong; 2 wrong usage; 130 Ctrl-C in the other commands.
    """
    try:
        options = _parser().parse_args(arguments)
        if not hasattr(options, "command"):
            names = "run, demo, collect, train, cameras or doctor"
            raise UsageError(f"say what to do: {names} (see '{PROGRAM} --help')")
        status: int = options.command(options)
        return status
    except UserError as error:
        print(f"{PROGRAM}: {error}", file=sys.stderr)
        return error.status
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader of our output went away, as `| head` does.
        sys.stderr.close()
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog=PROGRAM,
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", parser_class=_Parser)
    _add_run(commands)
    _add_demo(commands)
    _add_collect(commands)
    _add_train(commands)
    _add_cameras(commands)
    doctor = commands.add_parser(
        "doctor",
        help="check camera, session bus, players and models",
        description="Check what the program needs, a line each: what is wrong and what to do.",
    )
    doctor.add_argument(
        "--source",
        default=RunOptions().source,
        metavar="CAMERA",
        help="the camera to check (default: as run)",
    )
    doctor.add_argument("--model", type=Path, default=PACKAGED_MODEL, metavar="FILE")
    doctor.add_argument("--detector-model", type=Path, metavar="FILE")
    doctor.set_defaults(command=_doctor)
    return parser


_Commands = argparse._SubParsersAction  # argparse has no public name for it


def _add_run(commands: _Commands[_Parser]) -> None:
    run = commands.add_parser(
        "run",
        help="watch the camera and control the player",
        description="Watch the camera while a media player runs, and play or pause it. "
        "The camera is off while no player is there. Ctrl-C ends.",
    )
    defaults = RunOptions()
    run.add_argument(
        "--source",
        default=defaults.source,
        metavar="WHAT",
        help="camera (its number, device, name under /dev/v4l/by-id, or part of the name that "
        "'cameras' shows), video file, or URL (default: the first camera)",
    )
    run.add_argument(
        "--backend",
        choices=BACKENDS,
        default=defaults.backend,
        help="what reads cameras (v4l2: natively, without copies)",
    )
    run.add_argument(
        "--no-realtime",
        dest="realtime",
        action="store_false",
        help="read a video file as fast as possible instead of at its own pace",
    )
    run.add_argument(
        "--player",
        metavar="NAME",
        help="the player to control, such as spotify, vlc or mpv (default: whichever played last)",
    )
    run.add_argument(
        "--model",
        type=Path,
        default=defaults.model,
        metavar="FILE",
        help="headphone model made by 'train' (default: the packaged one)",
    )
    run.add_argument(
        "--detector",
        choices=DETECTORS,
        default=defaults.detector,
        help="face detector (auto: yunet where its model is given, else haar)",
    )
    run.add_argument(
        "--detector-model",
        type=Path,
        metavar="FILE",
        help="YuNet's .onnx, or a Haar cascade .xml",
    )
    run.add_argument(
        "--tracker",
        choices=TRACKERS,
        default=defaults.tracker,
        help="follows the face between detections (none: detect each time)",
    )
    run.add_argument(
        "--rate",
        type=_rate,
        default=defaults.rate,
        metavar="N",
        help="analyses a second, 3 to 60 (default: 10)",
    )
    run.add_argument(
        "--dry-run", action="store_true", help="decide and log, touch no player, need no bus"
    )
    display = run.add_mutually_exclusive_group()
    display.add_argument("--preview", action="store_true", help="show what is seen; q quits")
    display.add_argument("--record", type=Path, metavar="FILE.mp4", help="record what is seen")
    run.set_defaults(command=_run)


def _add_demo(commands: _Commands[_Parser]) -> None:
    demo = commands.add_parser(
        "demo",
        help="see it work, without camera and player",
        description="Run the main job on a generated clip, with the packaged model, a private "
        "message bus and a built-in player, and check what the player did.",
    )
    demo.add_argument("--keep-clip", type=Path, metavar="FILE.mp4", help="keep the clip")
    demo.set_defaults(command=_demo)


def _add_collect(commands: _Commands[_Parser]) -> None:
    collect = commands.add_parser(
        "collect",
        help="collect pictures of your face to train on",
        description="Look at the camera, find the face, and keep crops of it as DATASET/on or "
        "DATASET/off, for 'train'. Only crops that differ are kept: move your head. Ctrl-C, or q "
        "in the window, stops. Nothing leaves this computer.",
    )
    collect.add_argument(
        "label", choices=("on", "off"), help="what is to be seen: headphones on, or off"
    )
    collect.add_argument(
        "--dataset", type=Path, required=True, metavar="DATASET", help="the folder to add to"
    )
    defaults = CollectOptions()
    collect.add_argument("--source", default=defaults.source, metavar="WHAT", help="as for 'run'")
    collect.add_argument(
        "--backend", choices=BACKENDS, default=defaults.backend, help="as for 'run'"
    )
    collect.add_argument("--count", type=_positive, metavar="N", help="stop after N crops")
    collect.add_argument("--seconds", type=_positive, metavar="S", help="stop after S seconds")
    collect.add_argument(
        "--expansion",
        type=_expansion,
        default=defaults.expansion,
        metavar="SHARE",
        help="what crops show beyond the face box, as a share of its sides (default: 1.5, more "
        "than 'train' cuts out of them)",
    )
    collect.add_argument(
        "--detector-model", type=Path, metavar="FILE", help="as for 'run': YuNet finds more"
    )
    collect.add_argument(
        "--no-preview", dest="preview", action="store_false", help="no window, where there is one"
    )
    collect.set_defaults(command=_collect)


def _add_cameras(commands: _Commands[_Parser]) -> None:
    cameras = commands.add_parser(
        "cameras",
        help="list cameras, their formats, and what would be used",
        description="List the video devices. No camera is switched on for it.",
    )
    cameras.add_argument(
        "--rate",
        type=_rate,
        default=RunOptions().rate,
        metavar="N",
        help="choose for N analyses a second, 3 to 60 (default: 10)",
    )
    cameras.set_defaults(command=_cameras)


def _add_train(commands: _Commands[_Parser]) -> None:
    train = commands.add_parser(
        "train", help="train a model on your pictures", description="Train a model (needs PyTorch)."
    )
    tasks = train.add_subparsers(title="tasks", metavar="TASK", required=True, parser_class=_Parser)
    task = tasks.add_parser(
        "classifier",
        help="headphones on or off",
        description="Train the headphone classifier on DATASET/on and DATASET/off: crops of "
        "faces, cut at the expansion that --expansion names. Files named GROUP__REST show one "
        "person or recording a GROUP; no group is used both to train and to validate.",
    )
    task.add_argument("dataset", type=Path, metavar="DATASET", help="folder with on/ and off/")
    task.add_argument(
        "--out",
        type=Path,
        default=Path("headphones.onnx"),
        metavar="FILE.onnx",
        help="the model to write (default: headphones.onnx here)",
    )
    task.add_argument(
        "--epochs",
        type=_positive,
        default=40,
        metavar="N",
        help="times that each picture is shown (default: 40)",
    )
    task.add_argument(
        "--batch-size",
        type=_positive,
        metavar="N",
        help="pictures a step (default: a twentieth of them all, 32 to 2048)",
    )
    task.add_argument(
        "--expansion",
        type=_expansion,
        default=0.9,
        metavar="SHARE",
        help="what the crops show beyond the face box, as a share of its sides (default: 0.9)",
    )
    task.add_argument(
        "--seed",
        type=_seed,
        default=0,
        metavar="N",
        help="the same seed and pictures give the same model (default: 0)",
    )
    task.set_defaults(command=_train_classifier)


def _run(options: argparse.Namespace) -> int:
    _start_logging()
    from facectrl_fast.build import build_watcher
    from facectrl_fast.mainloop import MainLoop

    chosen = RunOptions(
        source=options.source,
        backend=options.backend,
        realtime=options.realtime,
        player=options.player,
        detector=options.detector,
        detector_model=options.detector_model,
        tracker=options.tracker,
        model=options.model,
        rate=options.rate,
        dry_run=options.dry_run,
        preview=options.preview,
        record=options.record,
    )
    build_watcher(MainLoop(), chosen).run()
    return 0


def _demo(options: argparse.Namespace) -> int:
    _start_logging()
    from facectrl_fast.demo import run_demo

    return run_demo(options.keep_clip)


def _collect(options: argparse.Namespace) -> int:
    from facectrl_fast.dataset.collect import build_collector
    from facectrl_fast.dataset.crop_index import CropWriter
    from facectrl_fast.mainloop import MainLoop

    chosen = CollectOptions(
        source=options.source,
        backend=options.backend,
        detector_model=options.detector_model,
        count=options.count,
        seconds=options.seconds,
        expansion=options.expansion,
        preview=options.preview,
    )
    collector = build_collector(MainLoop(), chosen)
    folder = options.dataset / options.label
    with CropWriter(folder) as writer:
        tally = collector.run(writer)
    if tally.kept == 0:
        why = "no face was found" if tally.faceless else "the source showed nothing"
        raise UserError(f"nothing was collected: {why}; look into the camera, in good light")
    print(f"{folder}: {tally}")
    return 0


def _train_classifier(options: argparse.Namespace) -> int:
    _start_logging()
    try:
        from facectrl_fast.training.classifier import TrainingOptions, train_classifier
    except ModuleNotFoundError as error:
        raise UserError(
            f"training needs PyTorch ({error.name} is missing): pip install 'facectrl-fast[train]'"
        ) from None
    chosen = TrainingOptions(
        epochs=options.epochs,
        batch_size=options.batch_size,
        expansion=options.expansion,
        seed=options.seed,
    )
    report = train_classifier(options.dataset, options.out, chosen, print)
    print(
        f"{report.model}: validation accuracy {report.validation_accuracy:.1%} "
        f"(epoch {report.best_epoch}); use it with: {PROGRAM} run --model {report.model}"
    )
    return 0


def _cameras(options: argparse.Namespace) -> int:
    from facectrl_fast.camera_list import list_cameras

    return list_cameras(options.rate)


def _doctor(options: argparse.Namespace) -> int:
    from facectrl_fast.doctor import examine

    return examine(options.source, options.model, options.detector_model)


def _start_logging() -> None:
    logging.basicConfig(
        level=logging.INFO,
        format="%(asctime)s %(message)s",
        datefmt="%H:%M:%S",
        stream=sys.stderr,
    )


def _rate(text: str) -> float:
    value = _number(text)
    if not 3 <= value <= 60:
        raise argparse.ArgumentTypeError(f"'{text}' is not between 3 and 60")
    return value


def _expansion(text: str) -> float:
    value = _number(text)
    if not 0 <= value <= 10:
        raise argparse.ArgumentTypeError(f"'{text}' is not between 0 and 10")
    return value


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number") from None


def _seed(text: str) -> int:
    if not text.isdecimal() or int(text) >= 2**32:
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number from 0 to 2^32 - 1")
    return int(text)


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"'{text}' is not a positive whole number")
    return int(text)
