"""The command line. Heavy imports happen in the command that needs them."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from facectrl_fast.config import (
    BACKENDS,
    DETECTORS,
    SAVE_POWER,
    TASK_NAMES,
    TRACKERS,
    CalibrateOptions,
    CollectOptions,
    RunOptions,
)
from facectrl_fast.errors import UsageError, UserError
from facectrl_fast.models import default_model
from facectrl_fast.process import prepare_process, release_start_up_code

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
  facectrl-fast calibrate                  teach it your headphones, in half a minute
  facectrl-fast collect on --dataset mine  pictures of you with your headphones on
  facectrl-fast cameras                    which cameras there are, and what they offer
  facectrl-fast doctor                     what is missing, and what to do about it
"""


class _Parser(argparse.ArgumentParser):
    """Complains in one line."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message} (see '{self.prog} --help')")


class _Version(argparse.Action):
    """Looks the version up only where it is asked for."""

    def __init__(self, option_strings: Sequence[str], dest: str) -> None:
        super().__init__(option_strings, dest, nargs=0, help="show the version")

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        import facectrl_fast

        print(f"{PROGRAM} {facectrl_fast.__version__}")
        parser.exit()


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
            names = "run, demo, collect, calibrate, train, evaluate, cameras or doctor"
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
    except OSError as error:
        # What nobody foresaw: a path that is too long, a folder that may not be searched.
        name = "" if error.filename is None else f"{error.filename}: "
        print(f"{PROGRAM}: {name}{error.strerror or error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog=PROGRAM,
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action=_Version)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", parser_class=_Parser)
    _add_run(commands)
    _add_demo(commands)
    _add_collect(commands)
    _add_calibrate(commands)
    _add_train(commands)
    _add_evaluate(commands)
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
    doctor.add_argument("--model", type=Path, metavar="FILE", help="as for 'run'")
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
        metavar="FILE",
        help="headphone model (default: what 'calibrate' made, else the packaged one)",
    )
    _add_vision_options(run)
    run.add_argument(
        "--save-power",
        choices=SAVE_POWER,
        default=defaults.save_power,
        help="look less often (auto: on battery and in the power-saver profile)",
    )
    run.add_argument("--profile", action="store_true", help="at the end, print where the time went")
    run.add_argument(
        "--dry-run", action="store_true", help="decide and log, touch no player, need no bus"
    )
    display = run.add_mutually_exclusive_group()
    display.add_argument("--preview", action="store_true", help="show what is seen; q quits")
    display.add_argument("--record", type=Path, metavar="FILE.mp4", help="record what is seen")
    run.set_defaults(command=_run)


def _add_vision_options(command: _Parser) -> None:
    defaults = RunOptions()
    command.add_argument(
        "--detector",
        choices=DETECTORS,
        default=defaults.detector,
        help="face detector (auto: yunet where its model is given, else haar)",
    )
    command.add_argument(
        "--detector-model",
        type=Path,
        metavar="FILE",
        help="YuNet's .onnx, or a Haar cascade .xml",
    )
    command.add_argument(
        "--tracker",
        choices=TRACKERS,
        default=defaults.tracker,
        help="follows the face between detections (none: detect each time)",
    )
    command.add_argument(
        "--rate",
        type=_rate,
        default=defaults.rate,
        metavar="N",
        help="analyses a second while something changes, 3 to 60 (default: 10); half as many "
        "otherwise, but at least 4",
    )


def _add_demo(commands: _Commands[_Parser]) -> None:
    demo = commands.add_parser(
        "demo",
        help="see it work, without camera and player",
        description="Run the main job on a generated clip, with the packaged model, a private "
        "message bus and a built-in player, and check what the player did.",
    )
    demo.add_argument("--keep-clip", type=Path, metavar="FILE.mp4", help="keep the clip")
    demo.set_defaults(command=_demo)


def _add_recording_options(command: _Parser, defaults: CollectOptions | CalibrateOptions) -> None:
    command.add_argument("--source", default=defaults.source, metavar="WHAT", help="as for 'run'")
    command.add_argument(
        "--backend", choices=BACKENDS, default=defaults.backend, help="as for 'run'"
    )
    command.add_argument(
        "--detector-model", type=Path, metavar="FILE", help="as for 'run': YuNet finds more"
    )
    command.add_argument(
        "--no-preview", dest="preview", action="store_false", help="no window, where there is one"
    )


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
    _add_recording_options(collect, defaults)
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


def _add_calibrate(commands: _Commands[_Parser]) -> None:
    calibrate = commands.add_parser(
        "calibrate",
        help="teach it your headphones, in half a minute",
        description="Record you with your headphones, without, and away, ten seconds each; learn "
        "from that and from earlier sessions, tell how good the result is, and use it from now "
        "on. Do it again in other light, or with other headphones. Nothing leaves this computer.",
    )
    defaults = CalibrateOptions()
    _add_recording_options(calibrate, defaults)
    calibrate.add_argument(
        "--seconds",
        type=_positive,
        default=defaults.seconds,
        metavar="S",
        help="to record each time (default: 10)",
    )
    for label, words in (("on", "with headphones"), ("off", "without"), ("away", "without you")):
        calibrate.add_argument(
            f"--{label}", metavar="VIDEO", help=f"a recording {words}, instead of the camera"
        )
    calibrate.add_argument(
        "--dataset", type=Path, metavar="DATASET", help="what 'collect' made, instead of recording"
    )
    calibrate.add_argument(
        "--forget", action="store_true", help="use the packaged model again; sessions are kept"
    )
    calibrate.set_defaults(command=_calibrate)


def _add_train(commands: _Commands[_Parser]) -> None:
    train = commands.add_parser(
        "train",
        help="train a model on your pictures",
        description="Train a model on DATASET/on and DATASET/off, face crops as 'collect' makes "
        "them (needs PyTorch). The folder RUN gets model.onnx, report.html and the checkpoints; a "
        "run that was killed is continued by the same command.",
    )
    train.add_argument(
        "task",
        choices=TASK_NAMES,
        metavar="TASK",
        help="classifier (two dense layers, the smallest to train), cnn (the best one), "
        "autoencoder or vae (learn what 'on' looks like, and take all else for off)",
    )
    train.add_argument(
        "dataset",
        type=Path,
        metavar="DATASET",
        help="folder with on/ and off/; files named GROUP__REST show one person or recording a "
        "GROUP, and no group is used both to train and to validate",
    )
    train.add_argument(
        "--out", type=Path, metavar="RUN", help="the folder to write (default: runs/TASK here)"
    )
    train.add_argument(
        "--epochs",
        type=_positive,
        metavar="N",
        help="times that each picture is shown, at most (default: as the task needs)",
    )
    train.add_argument(
        "--patience",
        type=_positive,
        metavar="N",
        help="epochs without a better one after which it ends (default: as the task needs)",
    )
    train.add_argument(
        "--batch-size",
        type=_positive,
        metavar="N",
        help="pictures a step (default: a twentieth of them all, 16 to 256)",
    )
    train.add_argument(
        "--expansion",
        type=_expansion,
        default=0.9,
        metavar="SHARE",
        help="what the crops show beyond the face box, as a share of its sides (default: 0.9)",
    )
    train.add_argument(
        "--devices",
        type=_positive,
        metavar="N",
        help="GPUs to use, or processes where there is none (default: all GPUs, or one process)",
    )
    train.add_argument(
        "--seed",
        type=_seed,
        default=0,
        metavar="N",
        help="the same seed and pictures give the same model (default: 0)",
    )
    train.set_defaults(command=_train)


def _add_evaluate(commands: _Commands[_Parser]) -> None:
    evaluate = commands.add_parser(
        "evaluate",
        help="judge a model on pictures or on a video",
        description="Judge a model on the pictures of a dataset, or run the whole pipeline on a "
        "video of known truth and tell how soon it reacts and what it does wrongly. Pictures or "
        "people that the model was trained on flatter it.",
    )
    evaluate.add_argument("model", type=Path, metavar="MODEL", help="the .onnx file")
    evaluate.add_argument(
        "dataset", type=Path, nargs="?", metavar="DATASET", help="folder with on/ and off/"
    )
    evaluate.add_argument("--video", type=Path, metavar="FILE", help="a recording; needs --truth")
    evaluate.add_argument(
        "--truth",
        type=Path,
        metavar="JSON",
        help='what the video shows: {"schedule": [{"t": 0, "state": "on"}, ...]}, in seconds, '
        "states on, off and away",
    )
    _add_vision_options(evaluate)
    evaluate.set_defaults(command=_evaluate)


def _run(options: argparse.Namespace) -> int:
    _start_logging()
    prepare_process()
    from facectrl_fast.build import build_watcher
    from facectrl_fast.mainloop import MainLoop
    from facectrl_fast.profile import Profile

    chosen = RunOptions(
        source=options.source,
        backend=options.backend,
        realtime=options.realtime,
        player=options.player,
        detector=options.detector,
        detector_model=options.detector_model,
        tracker=options.tracker,
        model=options.model or default_model(),
        rate=options.rate,
        save_power=options.save_power,
        dry_run=options.dry_run,
        preview=options.preview,
        record=options.record,
    )
    profile = Profile() if options.profile else None
    watcher = build_watcher(MainLoop(), chosen, profile=profile)
    release_start_up_code()
    watcher.run()
    if profile is not None:
        print("\n".join(profile.lines()))
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


def _calibrate(options: argparse.Namespace) -> int:
    from facectrl_fast.calibration.calibrate import calibrate, forget

    if options.forget:
        forget(print)
        return 0
    given = {label: getattr(options, label) for label in ("on", "off", "away")}
    recordings = {label: video for label, video in given.items() if video is not None}
    if recordings and not {"on", "off"} <= recordings.keys():
        raise UsageError("with recordings, both --on and --off are needed")
    if recordings and options.dataset is not None:
        raise UsageError("either recordings or --dataset, not both")
    chosen = CalibrateOptions(
        source=options.source,
        backend=options.backend,
        detector_model=options.detector_model,
        seconds=options.seconds,
        recordings=recordings,
        dataset=options.dataset,
        preview=options.preview,
    )
    calibrate(chosen, lambda line: print(line, flush=True))
    return 0


def _train(options: argparse.Namespace) -> int:
    _start_logging()
    try:
        import onnxscript  # noqa: F401  # which PyTorch needs, at the very end
        import tensorboard  # noqa: F401  # and Lightning

        from facectrl_fast.training.run import TrainingOptions, train
        from facectrl_fast.training.tasks import TASKS
    except ImportError as error:
        raise UserError(
            f"training needs PyTorch and more ({error.name} is missing): "
            "pip install 'facectrl-fast[train]'"
        ) from None
    chosen = TrainingOptions(
        epochs=options.epochs,
        patience=options.patience,
        batch_size=options.batch_size,
        expansion=options.expansion,
        devices=options.devices,
        seed=options.seed,
    )
    out = options.out or Path("runs") / options.task
    bar = sys.stderr.isatty()
    result = train(TASKS[options.task], options.dataset, out, chosen, print, progress_bar=bar)
    print(
        f"{result.report}: balanced accuracy {result.balanced_accuracy:.1%} (epoch "
        f"{result.best_epoch}); use it with: {PROGRAM} run --model {result.model}"
    )
    return 0


def _evaluate(options: argparse.Namespace) -> int:
    if (options.video is None) != (options.truth is None):
        raise UsageError("--video and --truth belong together")
    if options.dataset is None and options.video is None:
        raise UsageError("name a DATASET, or --video and --truth")
    from facectrl_fast.dataset.folder import read_folder
    from facectrl_fast.evaluation.pictures import judge_pictures
    from facectrl_fast.evaluation.text import judgement_lines
    from facectrl_fast.evaluation.video import Truth, judge_video
    from facectrl_fast.vision.classify import Classifier

    classifier = Classifier(options.model)
    if options.dataset is not None:
        judgement = judge_pictures(classifier, read_folder(options.dataset))
        print("\n".join(judgement_lines(judgement, classifier.description.confidence)))
    if options.video is not None:
        chosen = RunOptions(
            model=options.model,
            detector=options.detector,
            detector_model=options.detector_model,
            tracker=options.tracker,
            rate=options.rate,
        )
        judged = judge_video(options.video, Truth.read(options.truth), chosen)
        print("\n".join(judged.lines()))
    return 0


def _cameras(options: argparse.Namespace) -> int:
    from facectrl_fast.camera_list import list_cameras

    return list_cameras(options.rate)


def _doctor(options: argparse.Namespace) -> int:
    from facectrl_fast.doctor import examine

    return examine(options.source, options.model or default_model(), options.detector_model)


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
