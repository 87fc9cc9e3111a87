"""What reads files that others may have written: any content is read, or refused in a line.

    python -m tests.fuzz.parsers NAME [libFuzzer's options] [CORPUS ...]

fuzzes one of PARSERS with Atheris; ``tests/fuzz/run.py`` runs them all.
"""

from __future__ import annotations

import contextlib
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

SCRATCH = Path(tempfile.gettempdir())


@contextlib.contextmanager
def refusals() -> Iterator[None]:
    """Around what may refuse its input: with an error for the user, of one line."""
    from facectrl_fast.errors import UserError

    refused = ""
    try:
        yield
    except UserError as error:
        refused = str(error)
    assert len(refused.splitlines()) <= 1, f"not one line: {refused!r}"


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """An empty one."""
    with tempfile.TemporaryDirectory(dir=SCRATCH) as made:
        yield Path(made)


def config(content: bytes) -> None:
    """The configuration file."""
    from facectrl_fast.config import RunOptions
    from facectrl_fast.settings import read_config

    with folder() as made, refusals():
        (made / "config.toml").write_bytes(content)
        RunOptions(**read_config(made / "config.toml"))


def truth(content: bytes) -> None:
    """What a video shows."""
    from facectrl_fast.evaluation.video import Truth

    with folder() as made, refusals():
        (made / "truth.json").write_bytes(content)
        told = Truth.read(made / "truth.json")
        assert told.state(0.0)
        for begin, end, _ in told.commands():
            assert begin < end


def annotations(content: bytes) -> None:
    """WIDER FACE's format."""
    from facectrl_fast.dataset.wider import read_wider

    with folder() as made, refusals():
        (made / "a.jpg").touch()
        (made / "list.txt").write_bytes(content)
        pictures, problems = read_wider(made / "list.txt", made)
        for picture in pictures:
            for box in (*picture.boxes, *picture.doubtful):
                assert len(box) == 4
                assert min(box[2:]) > 0
        str(problems)


def boxes(content: bytes) -> None:
    """Where the face is in each frame of a recording."""
    from facectrl_fast.evaluation.detectors import read_boxes

    with folder() as made, refusals():
        (made / "boxes.txt").write_bytes(content)
        for box in read_boxes(made / "boxes.txt"):
            assert min(box[2:]) >= 0


def crop_index(content: bytes) -> None:
    """The index of collected crops."""
    from facectrl_fast.dataset.crop_index import INDEX, read_index

    with folder() as made, refusals():
        (made / INDEX).write_bytes(content)
        for record in read_index(made).values():
            assert min(record.box[2:]) > 0


def manifest(content: bytes) -> None:
    """Where the pictures of a dataset came from."""
    from facectrl_fast.dataset.folder import read_manifest

    with folder() as made, refusals():
        (made / "manifest.csv").write_bytes(content)
        read_manifest(made)


def labels(content: bytes) -> None:
    """Pictures with numbers."""
    from facectrl_fast.dataset.scores import LABELS, read_scores

    with folder() as made, refusals():
        for number in range(12):
            (made / f"{number}.jpg").touch()
        (made / LABELS).write_bytes(content)
        read_scores(made)


def triplets(content: bytes) -> None:
    """Anchor, positive, negative."""
    from facectrl_fast.dataset.people import read_triplets

    with folder() as made, refusals():
        (made / "a.jpg").touch()
        (made / "rows.csv").write_bytes(content)
        read_triplets(made / "rows.csv", made)


def person(content: bytes) -> None:
    """Somebody who was enrolled."""
    from facectrl_fast.people import People

    with folder() as made, refusals():
        (made / "anna.json").write_bytes(content)
        assert People(made).get("anna").points.ndim == 2


def archive(content: bytes) -> None:
    """A zip: nothing outside of the folder, and all of it or nothing."""
    from facectrl_fast.dataset.archive import unpack_once

    with folder() as made:
        (made / "inside").mkdir()
        (made / "inside/set.zip").write_bytes(content)
        with refusals():
            unpack_once(made / "inside/set.zip", made / "inside/out", lambda name: True)
        assert [p.name for p in made.iterdir()] == ["inside"]
        assert {p.name for p in (made / "inside").iterdir()} <= {"set.zip", "out"}


def metadata(content: bytes) -> None:
    """What model files say of themselves: lines of key, tabulator and value."""
    from facectrl_fast.vision.detector_file import DetectorDescription
    from facectrl_fast.vision.identity import IdentityDescription
    from facectrl_fast.vision.model_file import ModelDescription
    from facectrl_fast.vision.score import ScoreDescription

    text = content.decode(errors="replace")
    told = dict(line.split("\t", 1) for line in text.split("\n") if "\t" in line)
    for kind in (ModelDescription, DetectorDescription, IdentityDescription, ScoreDescription):
        with refusals():
            description = kind.from_metadata(told, Path("model.onnx"))
            again = kind.from_metadata(description.to_metadata(), Path("model.onnx"))
            assert again == description


def durations(content: bytes) -> None:
    """How long to hold, as a user writes it."""
    from facectrl_fast.hold import parse_duration

    with refusals():
        assert parse_duration(content.decode(errors="replace")) > 0


PARSERS: dict[str, Callable[[bytes], None]] = {
    each.__name__: each
    for each in (
        config,
        truth,
        annotations,
        boxes,
        crop_index,
        manifest,
        labels,
        triplets,
        person,
        archive,
        metadata,
        durations,
    )
}


def main(arguments: list[str]) -> None:
    """Fuzz one of them; never returns."""
    import atheris

    parser = PARSERS[arguments[1]]
    with atheris.instrument_imports(include=["facectrl_fast"]):
        parser(b"")
    atheris.Setup([arguments[0], *arguments[2:]], parser)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv)
