"""Makes the face detector that ships with the program.

    python -m facectrl_fast.training.package_detector DATA BACKGROUNDS WORK

DATA is the folder with lfw/, wider/, beauty/, headphones/, faceness/ and models/ (YuNet, which says
where the faces of pictures without annotations are). BACKGROUNDS is any folder of pictures, and of
archives of them: those are used in which YuNet sees no face and whose names tell of none, and of
copies one. WORK gets the prepared pictures and two training runs, which go on after a kill: of the
detector, and of what looks closely for it. Those that ship so far are the teachers, and are
replaced where a run's is better: a detector where it is by itself, what looks closely for it where
both are together.
"""

from __future__ import annotations

import re
import shutil
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from facectrl_fast.dataset.picture_file import decode_picture, load_picture
from facectrl_fast.dataset.wider import SUFFIXES, FaceFilter
from facectrl_fast.errors import UserError
from facectrl_fast.files import whole_file
from facectrl_fast.models import PACKAGED_CLOSE_LOOKS, PACKAGED_DETECTOR
from facectrl_fast.training.detector_data import LONGEST_SIDE
from facectrl_fast.training.detector_network import ARCHITECTURES
from facectrl_fast.training.detector_run import DetectorOptions, train_detector
from facectrl_fast.training.engine import MODEL, REPORT
from facectrl_fast.types import Float32Array, PixelFormat, UInt8Array
from facectrl_fast.vision.yunet import YuNetDetector

SURE, UNSURE = 0.8, 0.3
"""YuNet's scores from which on what it finds is a face, and may be one (annotated as invalid)."""
LEAST_SIDE = 96
"""Pixels of a background."""
LEAST_CONTRAST = 8.0
"""Standard deviation of a background's gray values."""
ARCHIVES = (".pk3", ".sh3f")
"""Zip files: games', and Sweet Home 3D's of furniture."""
MOST_OF_AN_ARCHIVE = 900
"""Pictures, drawn at random: textures are much alike."""
DRAWN_FACES = re.compile(
    r"people|person|human|pilot|portrait|avatar|/user|contact|identity|child|species|blupi"
    r"|emote|emotic|emoji|smil|monkey|(?<!sur)(?<!inter)face(?!book)|reallusion",
    re.IGNORECASE,
)
"""In the path of drawn and rendered people and creatures, whose faces YuNet may miss."""
THUMBNAIL = 16
"""Sides of what pictures are compared by."""
ALIKE = 3.0
"""Gray values, in the mean, by which the thumbnails of copies differ at most."""


def label_portraits(folders: Sequence[Path], yunet: Path, out: Path) -> None:
    """Make a set in WIDER FACE's layout of pictures without annotations.

    Args:
        folders: with pictures below them.
        yunet: the model that finds their faces.
        out: the set's folder.
    """
    detector = YuNetDetector(yunet, least_share=0.1, least_pixels=40, sensitive=True)
    images = out / "WIDER_train" / "images"
    images.mkdir(parents=True)
    lines = []
    for folder in folders:
        for path in sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES):
            image = load_picture(path)
            if image is None:
                continue
            found = detector.detect(image, PixelFormat.BGR24)
            faces = [face for face in found if face.score >= UNSURE]
            if any(face.score >= SURE for face in faces):
                # The crops of photographs that are in several folders carry marks of those; what
                # is before the last slash says nothing, so that they are split together.
                name = f"{path.parent.name}/{re.sub(r'^(de|me)_', '', path.stem)}.png"
                (images / name).parent.mkdir(exist_ok=True)
                cv2.imwrite(str(images / name), image)
                lines += [name, str(len(faces))]
                for face in faces:
                    box = " ".join(str(round(v)) for v in face.box)
                    lines.append(f"{box} 0 0 0 {int(face.score < SURE)} 0 0")
    split = out / "wider_face_split"
    split.mkdir()
    (split / "wider_face_train_bbx_gt.txt").write_text("\n".join(lines) + "\n")


def gather_backgrounds(folder: Path, faceness: Path, yunet: Path, out: Path) -> None:
    """Write pictures without faces into ``out``.

    Args:
        folder: with pictures and archives below it.
        faceness: an .npz with ``input`` and ``target``, whose patches without faces are used.
        yunet: the model that looks for faces.
        out: a new folder.

    Raises:
        UserError: there are no such pictures.
    """
    detector = YuNetDetector(yunet, least_share=0.1, least_pixels=24)
    out.mkdir(parents=True)
    number = 0
    thumbnails: Float32Array = np.zeros((0, THUMBNAIL**2), np.float32)
    for image in _pictures(folder):
        scale = min(LONGEST_SIDE / max(image.shape[:2]), 1.0)
        small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        shown = np.asarray(small, np.uint8)
        if min(shown.shape[:2]) < LEAST_SIDE or shown.std() < LEAST_CONTRAST:
            continue
        # The same at another size, or in the handbook of another language.
        thumbnail = _thumbnail(shown)
        if len(thumbnails) and np.abs(thumbnails - thumbnail).mean(1).min() < ALIKE:
            continue
        if not detector.detect(shown, PixelFormat.BGR24):
            thumbnails = np.vstack([thumbnails, thumbnail])
            cv2.imwrite(str(out / f"{number:05}.jpg"), shown)
            number += 1
    if not number:
        raise UserError(f"{folder} holds no pictures without faces (jpg, png or webp)")
    with np.load(faceness) as stored:
        patches = stored["input"][stored["target"][:, 0] == 0]
    for patch in patches:
        cv2.imwrite(str(out / f"{number:05}.png"), patch)
        number += 1


def _pictures(folder: Path) -> Iterator[UInt8Array]:
    for path in sorted(folder.rglob("*")):
        # Themes have a picture under many names.
        if path.is_symlink() or _tells_of_faces(path.relative_to(folder).as_posix()):
            continue
        if path.suffix.lower() in SUFFIXES:
            yield from _decoded(path.read_bytes())
        elif path.suffix.lower() in ARCHIVES:
            with zipfile.ZipFile(path) as archive:
                names = [
                    name
                    for name in archive.namelist()
                    if name.lower().endswith(SUFFIXES) and not _tells_of_faces(name)
                ]
                order = np.random.default_rng(0).permutation(len(names))
                for k in order[:MOST_OF_AN_ARCHIVE]:
                    yield from _decoded(archive.read(names[k]))


def _tells_of_faces(path: str) -> bool:
    return DRAWN_FACES.search(f"/{path}") is not None


def _decoded(coded: bytes) -> Iterator[UInt8Array]:
    """A picture, if it is one; what is partly transparent also before a plain wall."""
    data = np.frombuffer(coded, np.uint8)
    image = decode_picture(data)
    if image is None:
        return
    yield image
    stored = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
    if stored is not None and stored.shape[2:] == (4,):
        opaque = np.asarray(stored[:, :, 3:], np.float32) / (65535 if stored.itemsize == 2 else 255)
        wall = np.float32(zlib.crc32(coded) % 256)
        yield np.rint(wall + opaque * (image - wall)).astype(np.uint8)


def _thumbnail(image: UInt8Array) -> Float32Array:
    gray = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    small = cv2.resize(gray, (THUMBNAIL, THUMBNAIL), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.float32).ravel()


def _once(out: Path, make: Callable[[Path], None]) -> Path:
    """Make a folder, unless it is there whole."""
    if not out.exists():
        draft = out.with_name(f"{out.name}.draft")
        shutil.rmtree(draft, ignore_errors=True)
        make(draft)
        draft.rename(out)
    return out


def _train_successor(
    packaged: Path, run: Path, sets: Sequence[Path], faceless: Path, architecture: str, steps: int
) -> None:
    """Train one, and let it replace the packaged file where it is better.

    Raises:
        UserError: the pictures cannot be used.
        OSError: something cannot be written.
    """
    shape = ARCHITECTURES[architecture]
    width, height = shape.input_size
    result = train_detector(
        sets,
        [faceless],
        run,
        DetectorOptions(architecture, height, width, steps=steps),
        FaceFilter(),
        lambda line: print(line, flush=True),
        progress_bar=sys.stderr.isatty(),
        teacher=packaged,
        searcher=PACKAGED_DETECTOR if shape.looks_closely else None,
    )
    before = result.known[packaged]
    better = result.average_precision > before
    if better:
        with whole_file(packaged) as draft:
            shutil.copyfile(result.model, draft)
    print(
        f"{packaged} is {'new' if better else 'kept'}: average precision "
        f"{result.average_precision:.3f}, before {before:.3f}; see {result.report}"
    )


def _is_finished(run: Path) -> bool:
    """Whether there is nothing left to train; says so."""
    finished = (run / REPORT).exists()
    if finished:
        print(
            f"package_detector: {run} holds a finished run: take its {MODEL} by hand if its "
            f"{REPORT} says that it is better, or remove it to train anew",
            file=sys.stderr,
        )
    return finished


def main(arguments: Sequence[str]) -> int:
    """Run the command line; returns the exit status."""
    if len(arguments) != 3:
        usage = "python -m facectrl_fast.training.package_detector DATA BACKGROUNDS WORK"
        print(f"usage: {usage}", file=sys.stderr)
        return 2
    data, backgrounds, work = map(Path, arguments)
    yunet = data / "models" / "face_detection_yunet_2023mar.onnx"
    stages = [
        (PACKAGED_DETECTOR, work / "tiny", "tiny", 60_000),
        (PACKAGED_CLOSE_LOOKS, work / "close", "close", 30_000),
    ]
    stages = [stage for stage in stages if not _is_finished(stage[1])]
    if not stages:
        return 1
    try:
        folders = [data / "beauty" / "Images", data / "headphones"]
        portraits = _once(work / "portraits", partial(label_portraits, folders, yunet))
        faceness = data / "faceness" / "faces_bgr64.npz"
        gather = partial(gather_backgrounds, backgrounds, faceness, yunet)
        faceless = _once(work / "faceless", gather)
        sets = [data / "lfw" / "gray160_bbx_gt.txt", data / "wider", portraits]
        for packaged, run, architecture, steps in stages:
            _train_successor(packaged, run, sets, faceless, architecture, steps)
    except OSError as error:
        print(f"package_detector: {error}", file=sys.stderr)
        return 1
    except UserError as error:
        print(f"package_detector: {error}", file=sys.stderr)
        return error.status
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
