"""The command line's words: commands, options and what they may be."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from facectrl_fast import plugins
from facectrl_fast.config import HEADPHONE_TASKS, CalibrateOptions, CollectOptions
from facectrl_fast.errors import UsageError
from facectrl_fast.hold import parse_duration
from facectrl_fast.models import PACKAGED_CLOSE_LOOKS, PACKAGED_DETECTOR
from facectrl_fast.settings import KINDS, Kind, brief

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
  facectrl-fast setup                      all of this, step by step
  facectrl-fast service install            run it in the background from now on
  facectrl-fast status                     what it does now
  facectrl-fast hold 1h                    look away for an hour
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


def make_parser(arguments: Sequence[str] = ()) -> argparse.ArgumentParser:
    """The parser of the command line; the namespace's ``command`` is the command's name.

    Args:
        arguments: those to parse: other packages' training tasks are looked for, which takes a
            while, where there is something to train, and loaded where they are named.
    """
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
    _add_train(commands, arguments[1:] if "train" in arguments[:1] else None)
    _add_detect(commands)
    _add_evaluate(commands)
    _add_evaluate_detector(commands)
    _add_evaluate_identity(commands)
    _add_enroll(commands)
    _add_watch(commands)
    _add_cameras(commands)
    _add_setup(commands)
    _add_config(commands)
    _add_service(commands)
    _add_control(commands)
    doctor = commands.add_parser(
        "doctor",
        help="check camera, session bus, players and models",
        description="Check what the program needs, a line each: what is wrong and what to do.",
    )
    _add_options(
        doctor,
        source="the camera to check (default: as 'run')",
        model="as for 'run'",
        detector="as for 'run'",
        detector_model="as for 'run'",
    )
    doctor.set_defaults(command="doctor")
    return parser


_Commands = argparse._SubParsersAction  # argparse has no public name for it


def _add_run(commands: _Commands[_Parser]) -> None:
    run = commands.add_parser(
        "run",
        help="watch the camera and control the player",
        description="Watch the camera while a media player runs, and play or pause it. "
        "The camera is off while no player is there. Ctrl-C ends. What is not given here is taken "
        "from the environment (FACECTRL_FAST_SOURCE and so on) and from the configuration file.",
    )
    _add_options(
        run,
        source="camera (its number, device, name under /dev/v4l/by-id, or part of the name that "
        "'cameras' shows), video file, or URL (default: the first camera)",
        backend="what reads cameras (v4l2: natively, without copies)",
        realtime="read a video file at its own pace, else as fast as possible",
        mode="what decides: headphones, or presence alone, for people whose headphones cannot be "
        "seen",
        player="the player to control, such as spotify, vlc or mpv; may be given again (default: "
        "all; what was paused is resumed, else whichever played last is played)",
        ignore="a player to leave alone; may be given again",
        model="headphone model (default: what 'calibrate' made, else the packaged one)",
        owner="only this person's headphones count: see 'enroll'",
        identity_model="what recognises the owner (default: what 'enroll' used last)",
    )
    _add_vision_options(run)
    _add_options(
        run,
        save_power="look less often (auto: on battery and in the power-saver profile)",
        yield_camera="keep off the camera while a program for video calls runs",
        yield_to="the names of such programs' processes, instead of the usual ones",
        notify="tell on the desktop what was done",
        profile="at the end, print where the time went",
        dry_run="decide and log, touch no player, need no bus",
    )
    _add_options(
        run.add_mutually_exclusive_group(),
        preview="show what is seen; q quits",
        record="record what is seen, to a file NAME.mp4",
    )
    run.set_defaults(command="run")


_METAVARS = {"source": "WHAT", "player": "NAME", "ignore": "NAME", "yield_to": "NAME", "rate": "N"}


def _add_options(command: argparse._ActionsContainer, **helps: str) -> None:
    """Options of a run, by their names. Those that are not given are not in the namespace."""
    for name, words in helps.items():
        flag = f"--{name.replace('_', '-')}"
        kind = KINDS[name]
        if kind.is_switch:
            command.add_argument(
                flag, action=argparse.BooleanOptionalAction, default=argparse.SUPPRESS, help=words
            )
        else:
            command.add_argument(
                flag,
                type=_checked(kind),
                action="extend" if kind.is_list else "store",
                metavar=_METAVARS.get(name) or kind.metavar,
                default=argparse.SUPPRESS,
                help=words,
            )


def _checked(kind: Kind) -> Callable[[str], Any]:
    def check(text: str) -> Any:
        try:
            return kind.from_text(text)
        except ValueError:
            raise argparse.ArgumentTypeError(
                f"must be {kind.allowed}, not '{brief(text)}'"
            ) from None

    return check


def _add_vision_options(command: _Parser) -> None:
    _add_options(
        command,
        detector="face detector (auto: what --detector-model is for, else tiny, which is packaged)",
        detector_model="a detector of your own or YuNet's .onnx, or a Haar cascade .xml",
        tracker="follows the face between detections (none: detect each time)",
        rate="analyses a second while something changes, 3 to 60 (default: 10); half as many "
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
    demo.set_defaults(command="demo")


def _add_recording_options(command: _Parser) -> None:
    _add_options(
        command,
        source="as for 'run'",
        backend="as for 'run'",
        detector="as for 'run'",
        detector_model="as for 'run'",
    )
    command.add_argument(
        "--no-preview", dest="preview", action="store_false", help="no window, where there is one"
    )


def _add_setup(commands: _Commands[_Parser]) -> None:
    setup = commands.add_parser(
        "setup",
        help="the first run: check, choose a camera, calibrate, try, install",
        description="All that a new user needs, step by step; each step can be skipped.",
    )
    setup.add_argument(
        "--yes", action="store_true", help="ask nothing: do what is not left out below"
    )
    for step, words in (
        ("camera", "choosing a camera"),
        ("calibrate", "calibrating"),
        ("try", "trying it once"),
        ("service", "installing the service"),
    ):
        setup.add_argument(f"--no-{step}", action="store_true", help=f"without {words}")
    _add_options(
        setup,
        source="as for 'run'",
        detector="as for 'run'",
        detector_model="as for 'run'",
    )
    setup.set_defaults(command="setup")


def _add_config(commands: _Commands[_Parser]) -> None:
    config = commands.add_parser(
        "config",
        help="what is configured, and where",
        description="Options of 'run' that always hold, in a file. The environment "
        "(FACECTRL_FAST_SOURCE and so on) goes before it, the command line before both.",
    )
    config.add_argument(
        "what",
        choices=("show", "path", "edit"),
        help="all options and where each was said; the file's name; the file in your editor",
    )
    config.set_defaults(command="config")


def _add_service(commands: _Commands[_Parser]) -> None:
    service = commands.add_parser(
        "service",
        help="run it in the background, from login to logout",
        description="A systemd service of yours, without root. It takes its options from the "
        "configuration file.",
    )
    service.add_argument(
        "what",
        choices=("install", "remove", "status", "logs", "unit"),
        help="install and start it; stop and remove it; what it does; what it said; print the unit "
        "that 'install' writes",
    )
    service.set_defaults(command="service")


def _add_control(commands: _Commands[_Parser]) -> None:
    status = commands.add_parser("status", help="what it does now, and why")
    status.add_argument("--json", action="store_true", help="for scripts and status bars")
    status.add_argument(
        "--watch", action="store_true", help="go on, and tell each change; Ctrl-C ends"
    )
    status.set_defaults(command="status")
    hold = commands.add_parser(
        "hold",
        help="look away for a while",
        description="Close the camera and leave the players alone for a while.",
    )
    hold.add_argument(
        "duration", type=_duration, metavar="TIME", help="such as 15m, 1h, 1h30m or 2d"
    )
    hold.set_defaults(command="hold")
    release = commands.add_parser("release", help="end a hold")
    release.set_defaults(command="release")
    end = commands.add_parser("quit", help="end the program that runs")
    end.set_defaults(command="quit")


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
    _add_recording_options(collect)
    collect.add_argument("--count", type=_positive, metavar="N", help="stop after N crops")
    collect.add_argument("--seconds", type=_positive, metavar="S", help="stop after S seconds")
    collect.add_argument(
        "--expansion",
        type=_expansion,
        default=CollectOptions().expansion,
        metavar="SHARE",
        help="what crops show beyond the face box, as a share of its sides (default: 1.5, more "
        "than 'train' cuts out of them)",
    )
    collect.set_defaults(command="collect")


def _add_cameras(commands: _Commands[_Parser]) -> None:
    cameras = commands.add_parser(
        "cameras",
        help="list cameras, their formats, and what would be used",
        description="List the video devices. No camera is switched on for it.",
    )
    _add_options(cameras, rate="choose for N analyses a second, 3 to 60 (default: as 'run')")
    cameras.set_defaults(command="cameras")


def _add_calibrate(commands: _Commands[_Parser]) -> None:
    calibrate = commands.add_parser(
        "calibrate",
        help="teach it your headphones, in half a minute",
        description="Record you with your headphones, without, and away, ten seconds each; learn "
        "from that and from earlier sessions, tell how good the result is, and use it from now "
        "on. Do it again in other light, or with other headphones. Nothing leaves this computer.",
    )
    _add_recording_options(calibrate)
    calibrate.add_argument(
        "--seconds",
        type=_positive,
        default=CalibrateOptions().seconds,
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
    calibrate.set_defaults(command="calibrate")


def _add_train(commands: _Commands[_Parser], arguments: Sequence[str] | None) -> None:
    train = commands.add_parser(
        "train",
        help="train a model on your pictures",
        description="Train a model (needs PyTorch). The folder RUN gets model.onnx, report.html "
        "and the checkpoints; a run that was killed is continued by the same command.",
    )
    train.set_defaults(command="train")
    tasks = train.add_subparsers(dest="task", metavar="TASK", required=True)
    for name, what in HEADPHONE_TASKS.items():
        _add_headphone_task(tasks, name, what)
    _add_detector_task(tasks)
    _add_faceness_task(tasks)
    _add_identity_task(tasks)
    _add_score_task(tasks)
    for name in () if arguments is None else plugins.names(plugins.TASKS):
        if name not in tasks.choices:
            _add_plug_in_task(tasks, name, named=name in (arguments or ())[:1])


def _add_plug_in_task(tasks: _Commands[_Parser], name: str, named: bool) -> None:
    if not named:
        tasks.add_parser(name, help="another package's")
        return
    plugin: plugins.Task = plugins.load(plugins.TASKS, name)
    task = tasks.add_parser(name, description=plugin.help.replace("%", "%%"))
    plugin.add_arguments(task)
    _add_run_folder(task)
    task.set_defaults(plugin=plugin)


def _add_run_folder(task: _Parser, seed: int = 0) -> None:
    task.add_argument(
        "--out", type=Path, metavar="RUN", help="the folder to write (default: runs/TASK here)"
    )
    task.add_argument(
        "--devices",
        type=_positive,
        metavar="N",
        help="GPUs to use, or processes where there is none (default: all GPUs, or one process)",
    )
    task.add_argument(
        "--seed",
        type=_seed,
        default=seed,
        metavar="N",
        help=f"the same seed and pictures give the same model (default: {seed})",
    )


def _add_headphone_task(tasks: _Commands[_Parser], name: str, what: str) -> None:
    task = tasks.add_parser(
        name,
        help=what,
        description="Train a model on DATASET/on and DATASET/off, face crops as 'collect' makes "
        f"them. This one: {what}.",
    )
    task.add_argument(
        "dataset",
        type=Path,
        metavar="DATASET",
        help="folder with on/ and off/; files named GROUP__REST show one person or recording a "
        "GROUP, and no group is used both to train and to validate",
    )
    task.add_argument(
        "--epochs",
        type=_positive,
        metavar="N",
        help="times that each picture is shown, at most (default: as the task needs)",
    )
    task.add_argument(
        "--patience",
        type=_positive,
        metavar="N",
        help="epochs without a better one after which it ends (default: as the task needs)",
    )
    task.add_argument(
        "--batch-size",
        type=_positive,
        metavar="N",
        help="pictures a step (default: a twentieth of them all, 16 to 256)",
    )
    task.add_argument(
        "--expansion",
        type=_expansion,
        default=0.9,
        metavar="SHARE",
        help="what the crops show beyond the face box, as a share of its sides (default: 0.9)",
    )
    _add_run_folder(task)


def _add_detector_task(tasks: _Commands[_Parser]) -> None:
    task = tasks.add_parser(
        "detector",
        help="finds faces: a single-shot network with anchors",
        description="Train a face detector on annotated pictures, which are composed to webcam "
        "scenes: faces of all sizes, turned, covered, in any light, before any background.",
    )
    task.add_argument(
        "sets",
        type=Path,
        nargs="+",
        metavar="SET",
        help="a folder in WIDER FACE's layout, or an annotation file NAME_bbx_gt.txt beside its "
        "folder of pictures NAME; pictures without faces serve as backgrounds",
    )
    task.add_argument(
        "--negatives",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="a folder of pictures without faces; may be given several times",
    )
    task.add_argument(
        "--arch",
        dest="architecture",
        choices=("tiny", "close", "mobilenet-v2-ssd"),
        default="tiny",
        help="tiny (ours, for webcams), close (ours, to look closely at what another detector "
        "doubts) or mobilenet-v2-ssd (default: tiny)",
    )
    task.add_argument(
        "--doubts-of",
        type=_detector,
        metavar="MODEL",
        help="with --arch close: the .onnx of the detector to look closely for (default: 'tiny', "
        "the packaged one)",
    )
    task.add_argument(
        "--weights",
        type=_detector,
        metavar="FILE",
        help="what to begin with: a detector's .onnx of the same layers ('tiny', 'close': the "
        "packaged ones), or for mobilenet-v2-ssd torchvision's weights (.pth); random ones by "
        "default",
    )
    task.add_argument(
        "--teacher",
        type=_detector,
        metavar="MODEL",
        help="a detector to learn from as well, maybe a wider one: the .onnx of one with the same "
        "anchors, colours and rows of input ('tiny' and 'close': the packaged ones)",
    )
    task.add_argument(
        "--input-size",
        type=_size,
        metavar="WxH",
        help="of the pictures, in multiples of 16 (tiny, default: 208x160; close: 128x160) or "
        "32 (224x224)",
    )
    task.add_argument(
        "--aspects",
        type=_aspects,
        metavar="A,B",
        help="width by height of the anchors (default: 0.76)",
    )
    task.add_argument(
        "--width",
        dest="width_multiplier",
        type=_multiplier,
        metavar="FACTOR",
        help="of the channels of all layers (default: 1)",
    )
    task.add_argument("--colour", action="store_true", help="see colours; gray by default")
    task.add_argument("--steps", type=_positive, metavar="N", help="(default: 30000)")
    task.add_argument("--evaluate-every", type=_positive, metavar="N", help="steps (default: 1000)")
    task.add_argument(
        "--batch-size", type=_positive, metavar="N", help="scenes a step (default: 64)"
    )
    task.add_argument("--validation-scenes", type=_positive, metavar="N", help="(default: 2000)")
    task.add_argument(
        "--learning-rate", type=_multiplier, metavar="X", help="at its highest (default: 0.004)"
    )
    task.add_argument(
        "--least-height",
        type=_positive,
        default=12,
        metavar="PIXELS",
        help="annotated faces below it may be found or not (default: 12)",
    )
    for name, what in (("blur", "blurred"), ("occlusion", "covered")):
        task.add_argument(
            f"--most-{name}",
            type=int,
            choices=(0, 1, 2),
            default=1,
            help=f"annotated faces that are more {what} may be found or not (default: 1)",
        )
    task.add_argument(
        "--typical-poses",
        action="store_true",
        help="faces annotated as of atypical pose may be found or not",
    )
    _add_run_folder(task)


def _add_faceness_task(tasks: _Commands[_Parser]) -> None:
    task = tasks.add_parser(
        "faceness",
        help="tells patches with a face from others",
        description="Train a classifier of patches on an .npz file: 'input', (n, 64, 64, 3) BGR "
        "bytes, and 'target', (n, 1), 1 for faces.",
    )
    task.add_argument("dataset", type=Path, metavar="FILE", help="the .npz file")
    task.add_argument(
        "--arch",
        dest="architecture",
        choices=("small", "seed"),
        default="small",
        help="small (ours) or seed (convolutions of one pixel) (default: small)",
    )
    task.add_argument("--epochs", type=_positive, metavar="N", help="at most (default: 30)")
    task.add_argument(
        "--patience",
        type=_positive,
        metavar="N",
        help="epochs without a better one after which it ends (default: 10)",
    )
    task.add_argument(
        "--batch-size", type=_positive, metavar="N", help="patches a step (default: 32)"
    )
    _add_run_folder(task)


def _add_identity_task(tasks: _Commands[_Parser]) -> None:
    task = tasks.add_parser(
        "identity",
        help="tells people apart, for 'enroll' and 'run --owner'",
        description="Train what tells people apart: a head on a frozen network, by triplets of "
        "faces. People with a single picture are left out.",
    )
    task.add_argument(
        "dataset", type=Path, metavar="FOLDER", help="a folder a person: NAME/NAME_0001.jpg"
    )
    task.add_argument(
        "--backbone",
        required=True,
        metavar="FILE",
        help="the frozen network: any .onnx that turns a picture into a vector or a map of "
        "features, torchvision's MobileNetV2 weights (.pth), or hub:OWNER/MODEL/FILE",
    )
    task.add_argument(
        "--scaling",
        choices=("imagenet", "unit", "signed", "bytes"),
        default="imagenet",
        help="pixels as an .onnx backbone wants them: as for ImageNet, 0 to 1, -1 to 1, or 0 to "
        "255 (default: imagenet)",
    )
    task.add_argument(
        "--side",
        type=_positive,
        metavar="PIXELS",
        help="of the crops, where the backbone leaves that open (default: 112)",
    )
    task.add_argument(
        "--sampling",
        choices=("adaptive", "random"),
        help="adaptive: harder faces more often; the report compares both (default: random)",
    )
    task.add_argument(
        "--margin", type=_multiplier, metavar="A", help="alpha of the triplet loss (default: 0.5)"
    )
    task.add_argument(
        "--folds",
        type=_count,
        metavar="N",
        help="of people, for the threshold; 0: by the validation people alone (default: 5)",
    )
    task.add_argument("--epochs", type=_positive, metavar="N", help="at most (default: 100)")
    task.add_argument(
        "--patience",
        type=_positive,
        metavar="N",
        help="epochs without a better one after which it ends (default: 25)",
    )
    task.add_argument(
        "--batch-size", type=_positive, metavar="N", help="triplets a step (default: 32)"
    )
    task.add_argument(
        "--learning-rate",
        type=_multiplier,
        metavar="X",
        help="at first; 0.999 of it with each epoch (default: 0.0001)",
    )
    task.add_argument(
        "--cache",
        type=Path,
        metavar="FILE",
        help="keeps the backbone's vectors (default: embeddings.sqlite beside RUN)",
    )
    _add_run_folder(task)


def _add_score_task(tasks: _Commands[_Parser]) -> None:
    task = tasks.add_parser(
        "score",
        help="gives faces a number: a regression on labelled pictures",
        description="Train a number for faces on pictures with labels, whatever they tell. Such "
        "labels hold the taste and the prejudice of those who made them, and so will the model.",
    )
    task.add_argument(
        "dataset",
        type=Path,
        metavar="SET",
        help="a folder, or a zip, in SCUT-FBP5500's layout: pictures, and All_labels.txt with "
        "lines 'NAME SCORE'",
    )
    task.add_argument(
        "--weights",
        type=Path,
        metavar="FILE",
        help="torchvision's MobileNetV2 weights (.pth) to begin with; random ones by default",
    )
    task.add_argument("--label", metavar="WORD", help="what the number tells (default: score)")
    task.add_argument(
        "--split",
        choices=("random", "published"),
        help="70, 20 and 10 %% to train, choose the epoch and test; or the set's own train.txt and "
        "test.txt (default: random)",
    )
    task.add_argument(
        "--side", type=_side, metavar="PIXELS", help="of the crops, 32 to 512 (default: 224)"
    )
    task.add_argument(
        "--epochs", type=_positive, metavar="N", help="of each stage, at most (default: 30)"
    )
    task.add_argument(
        "--patience",
        type=_positive,
        metavar="N",
        help="epochs without a better one after which a stage ends (default: 7)",
    )
    task.add_argument(
        "--batch-size", type=_positive, metavar="N", help="pictures a step (default: 32)"
    )
    task.add_argument(
        "--learning-rate",
        type=_multiplier,
        metavar="X",
        help="of the head alone; then a tenth for everything (default: 0.001)",
    )
    _add_run_folder(task, seed=42)


def _add_watch(commands: _Commands[_Parser]) -> None:
    watch = commands.add_parser(
        "watch",
        help="see what a model of 'train score' says of the face before the camera",
        description="Show the camera, or a recording, with the number beside the face, in a window "
        "or recorded. No player is touched. q in the window, or Ctrl-C, ends.",
    )
    watch.add_argument("--score", type=Path, required=True, metavar="MODEL", help="the .onnx file")
    _add_options(
        watch,
        source="as for 'run'",
        backend="as for 'run'",
        realtime="play a video file at its own pace; not where it is recorded",
        record="record it, to a file NAME.mp4, instead of a window",
    )
    _add_vision_options(watch)
    watch.set_defaults(command="watch")


def _add_enroll(commands: _Commands[_Parser]) -> None:
    enroll = commands.add_parser(
        "enroll",
        help="make yourself known, for 'run --owner'",
        description="Learn somebody's face, from the camera or from pictures. What is kept are a "
        "few points, on this computer, readable by you alone.",
    )
    enroll.add_argument("name", metavar="NAME")
    enroll.add_argument(
        "pictures",
        type=Path,
        nargs="*",
        metavar="PICTURE",
        help="pictures, or folders of them, instead of the camera",
    )
    _add_options(
        enroll,
        source="camera or video, as for 'run'",
        backend="as for 'run'",
        identity_model="a model of 'train identity', used and kept (default: the one kept)",
    )
    enroll.set_defaults(command="enroll")
    people = commands.add_parser("people", help="who is enrolled")
    people.add_argument("what", choices=("list", "remove"))
    people.add_argument("name", nargs="?", metavar="NAME", help="whom to remove")
    people.set_defaults(command="people")


def _add_evaluate_identity(commands: _Commands[_Parser]) -> None:
    evaluate = commands.add_parser(
        "evaluate-identity",
        help="judge a model of 'train identity': same person or not",
        description="Tell how well a model knows whether two pictures show one person. People "
        "that it was trained on flatter it. 'evaluate identity' does the same.",
    )
    evaluate.add_argument("model", type=Path, metavar="MODEL", help="the .onnx file")
    evaluate.add_argument(
        "folder", type=Path, metavar="FOLDER", help="a folder a person: NAME/NAME_0001.jpg"
    )
    evaluate.add_argument(
        "--triplets",
        type=Path,
        metavar="CSV",
        help="the pairs to judge: columns Anchor, Positive and Negative, names in FOLDER (default: "
        "all pairs)",
    )
    evaluate.add_argument(
        "--out", type=Path, metavar="FILE.png", help="draw ROC and distances there"
    )
    evaluate.set_defaults(command="evaluate-identity")


def _add_detect(commands: _Commands[_Parser]) -> None:
    detect = commands.add_parser(
        "detect",
        help="find the faces of a picture",
        description="Find the faces of a picture and write a copy with their boxes drawn in.",
    )
    detect.add_argument("picture", type=Path, metavar="PICTURE")
    detect.add_argument(
        "--model",
        type=Path,
        metavar="FILE",
        help="a detector (ours, YuNet's .onnx, a Haar cascade) or a model of 'train faceness' "
        "(default: the packaged detector)",
    )
    detect.add_argument(
        "--out", type=Path, metavar="FILE", help="the copy (default: PICTURE_faces.png beside it)"
    )
    detect.set_defaults(command="detect")


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
    evaluate.set_defaults(command="evaluate")


def _add_evaluate_detector(commands: _Commands[_Parser]) -> None:
    evaluate = commands.add_parser(
        "evaluate-detector",
        help="judge face detectors on pictures or on a video",
        description="Compare face detectors on annotated pictures or on a recording: what they "
        "find, what they take for faces, and how long they take, on one thread.",
    )
    evaluate.add_argument(
        "model", metavar="MODEL", help="a detector's name (tiny, haar, haar-seed) or its file"
    )
    evaluate.add_argument(
        "data",
        type=Path,
        metavar="DATA",
        help="a folder in WIDER FACE's layout, an annotation file NAME_bbx_gt.txt, or a recording: "
        "a video or a folder of numbered pictures",
    )
    evaluate.add_argument(
        "--beside",
        action="append",
        metavar="DETECTOR",
        help="a detector to compare with, a name or a file (YuNet's .onnx, say, or yunet.onnx@160 "
        "for an input of that width); may be given several times (default: haar and haar-seed)",
    )
    evaluate.add_argument(
        "--boxes",
        type=Path,
        metavar="FILE",
        help="where the face is in a recording: a line x,y,w,h for each of its frames; those of "
        "zeros are left out",
    )
    evaluate.add_argument(
        "--reference",
        type=Path,
        metavar="YUNET",
        help="YuNet's .onnx: what it finds in 325 rows counts as the truth of a recording",
    )
    evaluate.add_argument(
        "--every",
        type=_positive,
        default=5,
        metavar="N",
        help="look at each Nth frame of a recording, with --reference (default: 5)",
    )
    evaluate.add_argument(
        "--faceless-parts",
        action="store_true",
        help="judge by parts of the pictures that show no face, instead: each box is a false one",
    )
    evaluate.set_defaults(command="evaluate-detector")


def _multiplier(text: str) -> float:
    value = _number(text)
    if not 0 < value <= 10:
        raise argparse.ArgumentTypeError(f"'{text}' is not between 0 and 10")
    return value


def _aspects(text: str) -> tuple[float, ...]:
    values = tuple(_number(part) for part in text.split(","))
    if len(values) > 10 or not all(0.1 <= value <= 10 for value in values):
        raise argparse.ArgumentTypeError(f"'{text}' are not at most ten, from 0.1 to 10")
    return values


def _detector(text: str) -> Path:
    """A detector's file; packaged ones have names, since nobody knows where they lie."""
    return {"tiny": PACKAGED_DETECTOR, "close": PACKAGED_CLOSE_LOOKS}.get(text, Path(text))


def _size(text: str) -> tuple[int, int]:
    """Width and height."""
    width, by, height = text.partition("x")
    if not by or not all(part.isdecimal() and 16 <= int(part) <= 1024 for part in (width, height)):
        raise argparse.ArgumentTypeError(f"'{text}' is not WIDTHxHEIGHT, 16 to 1024 pixels each")
    return int(width), int(height)


def _side(text: str) -> int:
    if not text.isdecimal() or not 32 <= int(text) <= 512:
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number from 32 to 512")
    return int(text)


def _expansion(text: str) -> float:
    value = _number(text)
    if not 0 <= value <= 10:
        raise argparse.ArgumentTypeError(f"'{text}' is not between 0 and 10")
    return value


def _duration(text: str) -> float:
    try:
        return parse_duration(text)
    except UsageError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number") from None


def _seed(text: str) -> int:
    if not text.isdecimal() or int(text) >= 2**32:
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number from 0 to 2^32 - 1")
    return int(text)


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number from 0 on")
    return int(text)


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"'{text}' is not a positive whole number")
    return int(text)
