"""The command line. Heavy imports happen in the command that needs them."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from facectrl_fast.arguments import PROGRAM, make_parser
from facectrl_fast.config import CalibrateOptions, CollectOptions, RunOptions
from facectrl_fast.errors import UsageError, UserError, is_unicode
from facectrl_fast.files import is_file
from facectrl_fast.models import PACKAGED_DETECTOR
from facectrl_fast.process import ending_at_once, prepare_process, release_start_up_memory
from facectrl_fast.settings import load_settings


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: without the program's name; those of the process by default.

    Returns:
        The exit status: 0 all went well, also where a signal ended ``run``; 1 something outside is
        wrong; 2 wrong usage; 130 Ctrl-C in the other commands.
    """
    try:
        given = _joined(sys.argv[1:] if arguments is None else arguments)
        for odd in (each for each in given if not is_unicode(each)):
            raise UsageError(f"'{odd}' is no text in UTF-8: rename it")
        options = make_parser(given).parse_args(given)
        if not hasattr(options, "command"):
            *most, last = _COMMANDS
            names = f"{', '.join(most)} or {last}"
            raise UsageError(f"say what to do: {names} (see '{PROGRAM} --help')")
        return _COMMANDS[options.command](options)
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


def _joined(arguments: Sequence[str]) -> Sequence[str]:
    """'evaluate identity' means what 'evaluate-identity' does, even beside a file of that name."""
    if list(arguments[:1]) == ["evaluate"] and list(arguments[1:2]) in (["detector"], ["identity"]):
        return [f"evaluate-{arguments[1]}", *arguments[2:]]
    return arguments


def _run(options: argparse.Namespace) -> int:
    with ending_at_once():
        _start_logging()
        prepare_process()
        from facectrl_fast.build import build_watcher
        from facectrl_fast.mainloop import MainLoop
        from facectrl_fast.profile import Profile

        chosen = _chosen(options)
        profile = Profile() if chosen.profile else None
        watcher = build_watcher(MainLoop(), chosen, profile=profile)
        release_start_up_memory()
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
    from facectrl_fast.desktop.remote import looking_away
    from facectrl_fast.mainloop import MainLoop

    run = _chosen(options)
    chosen = CollectOptions(
        source=run.source,
        backend=run.backend,
        detector=run.detector,
        detector_model=run.detector_model,
        count=options.count,
        seconds=options.seconds,
        expansion=options.expansion,
        preview=options.preview,
    )
    collector = build_collector(MainLoop(), chosen)
    folder = options.dataset / options.label
    with looking_away(run.source), CropWriter(folder) as writer:
        tally = collector.run(writer)
    if tally.kept == 0 and collector.interrupted:
        raise KeyboardInterrupt
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
    run = _chosen(options)
    chosen = CalibrateOptions(
        source=run.source,
        backend=run.backend,
        detector=run.detector,
        detector_model=run.detector_model,
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
        import pycocotools  # noqa: F401  # and a detector's first evaluation
        import tensorboard  # noqa: F401  # and Lightning

        from facectrl_fast.training import engine  # noqa: F401
    except ImportError as error:
        raise UserError(
            f"training needs PyTorch and more ({error.name} is missing): "
            "pip install 'facectrl-fast[train]'"
        ) from None
    out = options.out or Path("runs") / options.task
    if hasattr(options, "plugin"):
        print(options.plugin.train(options, out, lambda line: print(line, flush=True)))
        return 0
    if options.task == "detector":
        return _train_detector(options, out)
    if options.task == "faceness":
        return _train_faceness(options, out)
    if options.task == "identity":
        return _train_identity(options, out)
    if options.task == "score":
        return _train_score(options, out)
    return _train_headphones(options, out)


def _given(options: argparse.Namespace, kind: type) -> dict[str, Any]:
    """The fields of a dataclass that the command line says something of."""
    said = {field.name: getattr(options, field.name, None) for field in fields(kind)}
    return {name: value for name, value in said.items() if value is not None}


def _train_headphones(options: argparse.Namespace, out: Path) -> int:
    from facectrl_fast.training.run import TrainingOptions, train
    from facectrl_fast.training.tasks import TASKS

    chosen = TrainingOptions(**_given(options, TrainingOptions))
    bar = sys.stderr.isatty()
    result = train(TASKS[options.task], options.dataset, out, chosen, print, progress_bar=bar)
    print(
        f"{result.report}: balanced accuracy {result.balanced_accuracy:.1%} (epoch "
        f"{result.best_epoch}); use it with: {PROGRAM} run --model {result.model}"
    )
    return 0


def _train_faceness(options: argparse.Namespace, out: Path) -> int:
    from facectrl_fast.training.faceness import FacenessOptions, train_faceness

    chosen = _given(options, FacenessOptions)
    bar = sys.stderr.isatty()
    result = train_faceness(options.dataset, out, FacenessOptions(**chosen), print, bar)
    print(
        f"{result.report}: ROC AUC {result.roc_auc:.4f}, binary accuracy {result.accuracy:.1%}; "
        f"use it with: {PROGRAM} detect PICTURE --model {result.model}"
    )
    return 0


def _train_identity(options: argparse.Namespace, out: Path) -> int:
    from facectrl_fast.training.backbone import open_backbone
    from facectrl_fast.training.identity import IdentityOptions, train_identity

    chosen = IdentityOptions(**_given(options, IdentityOptions))
    backbone = open_backbone(options.backbone, options.scaling, options.side)
    result = train_identity(
        options.dataset,
        backbone,
        out,
        chosen,
        lambda line: print(line, flush=True),
        options.cache,
        sys.stderr.isatty(),
    )
    print(
        f"{result.report}: ROC AUC {result.roc_auc:.4f}, accuracy {result.accuracy:.1%} on people "
        f"left out; use it with: {PROGRAM} enroll NAME --identity-model {result.model}"
    )
    return 0


def _train_score(options: argparse.Namespace, out: Path) -> int:
    from facectrl_fast.training.score import ScoreOptions, train_score

    chosen = ScoreOptions(**_given(options, ScoreOptions))
    result = train_score(
        options.dataset,
        options.weights,
        out,
        chosen,
        lambda line: print(line, flush=True),
        sys.stderr.isatty(),
    )
    print(
        f"{result.report}: RMSE {result.errors.rmse:.4f}, MAE {result.errors.mae:.4f}; use it "
        f"with: {PROGRAM} watch --score {result.model}"
    )
    return 0


def _train_detector(options: argparse.Namespace, out: Path) -> int:
    from facectrl_fast.dataset.wider import FaceFilter
    from facectrl_fast.training.detector_network import ARCHITECTURES
    from facectrl_fast.training.detector_run import DetectorOptions, train_detector
    from facectrl_fast.vision.ssd import close_looks_beside

    chosen = _given(options, DetectorOptions)
    usual = ARCHITECTURES[options.architecture].input_size
    chosen["width"], chosen["height"] = options.input_size or usual
    chosen["channels"] = 3 if options.colour else 1
    wanted = FaceFilter(
        options.least_height, options.most_blur, options.most_occlusion, not options.typical_poses
    )
    searcher = options.doubts_of
    if searcher is None and options.architecture == "close":
        searcher = PACKAGED_DETECTOR
    result = train_detector(
        options.sets,
        options.negatives,
        out,
        DetectorOptions(**chosen),
        wanted,
        lambda line: print(line, flush=True),
        options.weights,
        sys.stderr.isatty(),
        options.teacher,
        searcher,
    )
    known = "".join(f", that of {path} {precision:.3f}" for path, precision in result.known.items())
    use = (
        f"use it with: {PROGRAM} run --detector-model {result.model}"
        if searcher is None
        else f"to use it, copy {result.model} to {close_looks_beside(searcher)}"
    )
    print(f"{result.report}: average precision {result.average_precision:.3f}{known}; {use}")
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
        run = _chosen(options)
        chosen = RunOptions(
            model=options.model,
            detector=run.detector,
            detector_model=run.detector_model,
            tracker=run.tracker,
            rate=run.rate,
        )
        judged = judge_video(options.video, Truth.read(options.truth), chosen)
        print("\n".join(judged.lines()))
    return 0


def _evaluate_detector(options: argparse.Namespace) -> int:
    from facectrl_fast.evaluation.detectors import compare, known_pictures, table, without_faces

    def say(line: str) -> None:
        print(line, file=sys.stderr)

    pictures = known_pictures(options.data, options.boxes, options.reference, options.every, say)
    if options.faceless_parts:
        pictures = without_faces(pictures)
    detectors = [options.model, *(options.beside or ("haar", "haar-seed"))]
    print("\n".join(table(compare(detectors, pictures))))
    return 0


def _evaluate_identity(options: argparse.Namespace) -> int:
    from facectrl_fast.evaluation.identity import evaluate_identity

    lines = evaluate_identity(options.model, options.folder, options.triplets, options.out)
    print("\n".join(lines))
    return 0


def _enroll(options: argparse.Namespace) -> int:
    from facectrl_fast.enroll import enroll_from_camera, enroll_from_pictures

    chosen = _chosen(options)
    if options.pictures:
        enroll_from_pictures(options.name, options.pictures, chosen, print)
    else:
        enroll_from_camera(options.name, chosen, print)
    return 0


def _watch(options: argparse.Namespace) -> int:
    from facectrl_fast.watch_score import watch_score

    watch_score(options.score, _chosen(options), print)
    return 0


def _people(options: argparse.Namespace) -> int:
    from facectrl_fast.people import People

    if options.what == "remove":
        if options.name is None:
            raise UsageError("say whom to remove: people remove NAME")
        from facectrl_fast.desktop.remote import reload_running

        People().remove(options.name)
        reload_running()
        return 0
    if options.name is not None:
        raise UsageError("'people list' takes no name")
    print("\n".join(People().names()) or "nobody is enrolled; see 'facectrl-fast enroll --help'")
    return 0


def _detect(options: argparse.Namespace) -> int:
    from facectrl_fast.detect_picture import detect_picture

    out = options.out or options.picture.parent / f"{options.picture.stem}_faces.png"
    faces = detect_picture(options.picture, options.model, out)
    for face in faces:
        box = ", ".join(f"{side:.0f}" for side in face.box)
        print(f"x, y, width, height: {box}; score {face.score:.2f}")
    print(f"{out} shows {len(faces)} face{'' if len(faces) == 1 else 's'}")
    return 0


def _cameras(options: argparse.Namespace) -> int:
    from facectrl_fast.camera_list import list_cameras

    return list_cameras(_chosen(options).rate)


def _doctor(options: argparse.Namespace) -> int:
    from facectrl_fast.doctor import examine

    return examine(_chosen(options))


def _config(options: argparse.Namespace) -> int:
    from facectrl_fast.settings import config_path, edit_config, show

    if options.what == "path":
        print(config_path())
    elif options.what == "edit":
        edit_config(config_path())
    else:
        print(show(load_settings({})))
    return 0


def _status(options: argparse.Namespace) -> int:
    from facectrl_fast.status import follow_status, print_status

    return (follow_status if options.watch else print_status)(options.json)


def _hold(options: argparse.Namespace) -> int:
    from time import localtime, strftime

    from facectrl_fast.desktop.remote import Remote

    with Remote() as remote:
        until = localtime(remote.hold(options.duration))
    print(f"held until {strftime('%a %H:%M', until)}; 'facectrl-fast release' ends it before")
    return 0


def _release(_options: argparse.Namespace) -> int:
    from facectrl_fast.desktop.remote import Remote

    with Remote() as remote:
        remote.release()
    return 0


def _quit(_options: argparse.Namespace) -> int:
    from facectrl_fast.desktop.remote import Remote

    with Remote() as remote:
        remote.quit()
    return 0


def _service(options: argparse.Namespace) -> int:
    from facectrl_fast import service

    if options.what == "install":
        service.install(print)
    elif options.what == "remove":
        service.remove(print)
    elif options.what == "logs":
        return service.logs()
    elif options.what == "unit":
        print(service.unit(), end="")
    else:
        return service.status()
    return 0


def _setup(options: argparse.Namespace) -> int:
    from facectrl_fast.setup import set_up

    return set_up(_chosen(options), options)


def _chosen(options: argparse.Namespace) -> RunOptions:
    chosen = load_settings(vars(options)).options
    source, record = Path(chosen.source), chosen.record
    if record is not None and is_file(source) and is_file(record) and source.samefile(record):
        raise UsageError(f"--record {record} is the recording to look at: name another file")
    return chosen


def _start_logging() -> None:
    logging.basicConfig(
        level=logging.INFO,
        format="%(asctime)s %(message)s",
        datefmt="%H:%M:%S",
        stream=sys.stderr,
    )


_COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "run": _run,
    "demo": _demo,
    "collect": _collect,
    "calibrate": _calibrate,
    "train": _train,
    "detect": _detect,
    "evaluate": _evaluate,
    "evaluate-detector": _evaluate_detector,
    "evaluate-identity": _evaluate_identity,
    "enroll": _enroll,
    "people": _people,
    "watch": _watch,
    "cameras": _cameras,
    "doctor": _doctor,
    "setup": _setup,
    "config": _config,
    "service": _service,
    "status": _status,
    "hold": _hold,
    "release": _release,
    "quit": _quit,
}
