"""Composes a headphone dataset from pictures of bare heads, and what real pictures there are.

    python -m facectrl_fast.dataset.compose OUT --faces ANNOTATIONS IMAGES --crops DIR ...

Each face without headphones becomes two pictures: one with headphones put on its head as a three
dimensional body, at the head's pose and in its light, and one without. Both get hats, hoods,
glasses, earbuds, hands and the like; the one without also what might be taken for headphones.
Real pictures with a label keep it.

OUT is a folder as ``collect`` writes it, grouped by person: training never puts one person on both
sides of its split.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, replace
from itertools import chain
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np

from facectrl_fast.dataset import distractors
from facectrl_fast.dataset.crop_index import CropRecord, CropWriter
from facectrl_fast.dataset.folder import LABELS, name_group
from facectrl_fast.dataset.head_pose import HeadPose, rotation_about
from facectrl_fast.dataset.headphones import HeadphoneStyle, around_the_neck, build_headphones
from facectrl_fast.dataset.mesh import Light, Mesh, blend, paint
from facectrl_fast.dataset.picture_file import load_picture
from facectrl_fast.dataset.wider import read_wider
from facectrl_fast.errors import UserError
from facectrl_fast.types import Box, Float32Array, PixelFormat, UInt8Array, holds_middle
from facectrl_fast.vision.detect import Detector, open_detector

FACE_SIDE = 52
"""Height in pixels of the faces in stored pictures: enough for a 64 pixel input."""
EXPANSION = 2.2
"""What stored pictures show beyond the face; more than training cuts out of them."""
CROP_SCALE = 1.9
"""Labelled crops show a face in the middle, their sides are this many times the face's."""
TURNED = 0.4
"""Sine of the turn to a side from which on a head is pictured twice as often."""
IN_FLIGHT = 64
"""Faces that wait or are worked on at a time."""
FACE_ASPECT = 0.85
"""Width of a face box, as a share of its height, where nothing tells it."""


@dataclass(frozen=True)
class LabelledFace:
    """A picture with one face of known state."""

    image: UInt8Array
    """BGR, uint8."""
    box: Box
    pose: HeadPose
    label: str
    group: str


def _read_picture(path: Path) -> UInt8Array:
    image = load_picture(path)
    if image is None:
        raise UserError(f"cannot read the picture {path}")
    return image


def _labelled(
    image: UInt8Array, expected: Box | None, detector: Detector, label: str, group: str
) -> LabelledFace | None:
    """The face nearest to the expected box, or the biggest; None where there is neither."""
    found = detector.detect(image, PixelFormat.BGR24)
    if expected is not None:
        found = [face for face in found if _same_face(expected, face.box)]
    if not found:
        if expected is None:
            return None
        return LabelledFace(image, expected, HeadPose.facing(expected), label, group)
    face = found[0]
    pose = HeadPose.facing(face.box)
    if face.landmarks is not None:
        try:
            pose = HeadPose.from_landmarks(np.array(face.landmarks))
        except ValueError:  # the face is seen from the side, all landmarks in a row
            return None
    return LabelledFace(image, face.box, pose, label, group)


def _same_face(first: Box, second: Box) -> bool:
    centres = (
        abs(first[k] + first[k + 2] / 2 - second[k] - second[k + 2] / 2) < 0.3 * first[k + 2]
        for k in (0, 1)
    )
    return all(centres) and 0.6 < first[3] / second[3] < 1.6


def from_faces(annotations: Path, images: Path, detector: Detector) -> Iterator[LabelledFace]:
    """The biggest face of each picture; the group is its name without the number, as in LFW."""
    pictures, problems = read_wider(annotations, images)
    problems.check(len(pictures), limit=0)
    for entry in pictures:
        if not entry.boxes:
            continue
        picture = _read_picture(entry.path)
        height, width = picture.shape[:2]
        box = max(entry.boxes, key=lambda b: b[2] * b[3])
        if not holds_middle((0, 0, width, height), box):
            raise UserError(
                f"{annotations}: the face of {entry.path.name} lies outside the picture"
            )
        person = re.sub(r"_\d+$", "", entry.path.stem)
        face = _labelled(picture, box, detector, "off", person)
        if face is not None:
            yield face


def from_crops(folder: Path, detector: Detector) -> Iterator[LabelledFace]:
    """Pictures in ``folder``/on, /off and /earbud_or_neck (off as well), a face in the middle."""
    if not (folder / "on").is_dir() and not (folder / "off").is_dir():
        raise UserError(f"--crops {folder}: has neither on/ nor off/")
    for name, label in (("on", "on"), ("off", "off"), ("earbud_or_neck", "off")):
        for path in sorted((folder / name).glob("*.[jp][pn]g")):
            picture = _read_picture(path)
            height = picture.shape[0]
            # Crops are squares, whatever the shape of the face box.
            width = round(height * FACE_ASPECT)
            picture = np.asarray(cv2.resize(picture, (width, height)), np.uint8)
            size = (width / CROP_SCALE, height / CROP_SCALE)
            box = ((width - size[0]) / 2, (height - size[1]) / 2, *size)
            face = _labelled(picture, box, detector, label, person_of(path))
            if face is not None:
                yield face


def person_of(path: Path) -> str:
    """The person, or the shooting, that a crop's file name tells of."""
    return name_group(path.stem.removeprefix("me_")) or path.stem


def from_portraits(folder: Path, detector: Detector) -> Iterator[LabelledFace]:
    """The biggest face of each picture below ``folder``; each picture is a group of its own."""
    for path in sorted(folder.rglob("*.[jp][pn]g")):
        face = _labelled(_read_picture(path), None, detector, "off", person_of(path))
        if face is not None:
            yield face


def face_light(face: LabelledFace, rng: np.random.Generator) -> Light:
    """The light on a face, judged by its cheeks, and uncertain as that is."""
    cheeks = [(-4.5, 2.0, 8.0), (4.5, 2.0, 8.0), (0.0, -4.5, 9.5)]
    gray = cv2.GaussianBlur(cv2.cvtColor(face.image, cv2.COLOR_BGR2GRAY), (0, 0), 2)
    pixels = face.pose.project(np.array(cheeks))[:, :2].round().astype(int)
    height, width = gray.shape
    left, right, brow = (
        float(gray[np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)]) / 255 for x, y in pixels
    )
    skin = max(left, right, brow, 0.08)
    sideways = 1.2 * (right - left) / (right + left + 0.05) + rng.normal(0, 0.3)
    direction = np.array([sideways, rng.normal(-0.5, 0.35), rng.uniform(0.3, 1)])
    return Light(
        direction=(direction / np.linalg.norm(direction)).astype(np.float32),
        ambient=rng.uniform(0.35, 0.8),
        strength=float(np.clip(skin / 0.55 * np.exp(rng.normal(0, 0.25)), 0.15, 1.4)),
        floor=float(np.percentile(gray, 1) / 255 * rng.uniform(0.5, 1.1)),
    )


def skin_colour(face: LabelledFace, light: Light) -> Float32Array:
    """(3,) BGR albedo of the face's skin."""
    x, y, width, height = (round(v) for v in face.box)
    patch = face.image[
        max(y + height // 3, 0) : max(y + 2 * height // 3, 1),
        max(x + width // 4, 0) : max(x + 3 * width // 4, 1),
    ]
    if patch.size == 0:
        return np.full(3, 0.5, np.float32)
    return np.asarray(np.median(patch.reshape(-1, 3), axis=0) / 255 / light.strength, np.float32)


def dress(face: LabelledFace, label: str, rng: np.random.Generator) -> UInt8Array:
    """The picture with headphones (``on``) or without, and with what else people wear."""
    light = face_light(face, rng)
    pose = face.pose.turned(
        rotation_about(1, rng.normal(0, 4)) @ rotation_about(0, rng.normal(0, 4)),
        rng.normal(0, 0.35, 2),
        float(np.exp(rng.normal(0, 0.04))),
    )
    image = face.image
    for layer in _layers(face, label, light, rng):
        if layer:
            image = _put_on(image, layer, pose, light, rng)
    return image


def _layers(
    face: LabelledFace, label: str, light: Light, rng: np.random.Generator
) -> Iterator[list[Mesh]]:
    """What is put on, from the inside out."""

    def by_chance(share: float) -> bool:
        return bool(rng.random() < share)

    bare = face.label == "off"
    if bare and by_chance(0.1):
        yield distractors.hat(rng)
    elif bare and by_chance(0.05):
        yield distractors.hood(rng)
    if bare and by_chance(0.15):
        yield distractors.glasses(rng)
    if bare and by_chance(0.1 if label == "off" else 0.03):
        yield distractors.earbuds(rng)
    pair = build_headphones(HeadphoneStyle.random(rng))
    if bare and label == "on":
        yield pair
    elif bare and by_chance(0.13):
        yield around_the_neck(pair, rng)
    elif bare and by_chance(0.15):
        yield distractors.headband(rng)
    elif bare and by_chance(0.06):
        yield _beside(pair, rng)
    if by_chance(0.18):
        yield distractors.hand(rng, skin_colour(face, light))


def _beside(pair: list[Mesh], rng: np.random.Generator) -> list[Mesh]:
    """A pair that hangs or lies somewhere near the head."""
    angle, distance = rng.uniform(0, 2 * np.pi), rng.uniform(17, 26)
    shift = np.array([np.cos(angle) * distance, np.sin(angle) * distance, -15.0])
    return [replace(mesh.moved(np.eye(3), shift), worn=False) for mesh in pair]


def _put_on(
    image: UInt8Array, meshes: list[Mesh], pose: HeadPose, light: Light, rng: np.random.Generator
) -> UInt8Array:
    layer, cover = paint(meshes, pose, light, image.shape[:2])
    if rng.random() < 0.7:  # as soft as a lens that is not quite in focus
        blur = rng.uniform(0.3, 1.0) * max(pose.scale[1] / 5, 0.6)
        layer = np.asarray(cv2.GaussianBlur(layer, (0, 0), blur), np.float32)
        cover = np.asarray(cv2.GaussianBlur(cover, (0, 0), blur), np.float32)[..., None]
    if rng.random() < 0.2:
        kept = _strands(image.shape[:2], float(pose.scale[1]), rng)
        layer, cover = layer * kept, cover * kept
    return blend(image, layer, cover, shadow=rng.uniform(0, 0.5))


def _strands(size: tuple[int, int], scale: float, rng: np.random.Generator) -> Float32Array:
    """A mask (h, w, 1) with gaps as hair leaves them that falls over what one wears."""
    height, width = size
    noise = rng.normal(0, 1, (height, width)).astype(np.float32)
    across, down = scale * rng.uniform(0.2, 0.8), scale * rng.uniform(2, 6)
    smooth = cv2.GaussianBlur(noise, (0, 0), sigmaX=across, sigmaY=down)
    level = np.quantile(smooth, rng.uniform(0.65, 0.95))
    steep = 4 / (float(smooth.std()) + 1e-6)
    return np.asarray(1 / (1 + np.exp(np.clip((smooth - level) * steep, -30, 30))))[..., None]


def frame_face(
    image: UInt8Array, box: Box, rng: np.random.Generator
) -> tuple[UInt8Array, Box, float]:
    """Cut what is stored, from a frame that ends somewhere.

    Returns:
        (h, w) uint8 gray, the face in it, and how much it shows beyond the face.
    """
    x, y, width, height = box
    margin = (EXPANSION * width / 2, EXPANSION * height / 2)
    left, top, right, bottom = x - margin[0], y - margin[1], x + width, y + height
    right, bottom = right + margin[0], bottom + margin[1]
    if rng.random() < 0.2:
        top = y - rng.uniform(0.05, 0.5) * height
    if rng.random() < 0.12:
        bottom = y + height * rng.uniform(0.95, 1.4)
    if rng.random() < 0.05:
        left = x - rng.uniform(0, 0.4) * width
    if rng.random() < 0.05:
        right = x + width * rng.uniform(1, 1.4)
    rows, columns = image.shape[:2]
    if rng.random() < 0.5:
        edges = (max(-top, 0), max(bottom - rows, 0), max(-left, 0), max(right - columns, 0))
        above, below, before, after = (int(np.ceil(edge)) for edge in edges)
        padded = cv2.copyMakeBorder(image, above, below, before, after, cv2.BORDER_REPLICATE)
        image = np.asarray(padded, np.uint8)
        left, right, x = left + before, right + before, x + before
        top, bottom, y = top + above, bottom + above, y + above
        rows, columns = image.shape[:2]
    first = (max(int(left), 0), max(int(top), 0))
    last = (min(int(right), columns), min(int(bottom), rows))
    gray = cv2.cvtColor(image[first[1] : last[1], first[0] : last[0]], cv2.COLOR_BGR2GRAY)
    scale = min(FACE_SIDE / height, 1.0)
    size = (max(round(gray.shape[1] * scale), 8), max(round(gray.shape[0] * scale), 8))
    small = np.asarray(cv2.resize(gray, size, interpolation=cv2.INTER_AREA), np.uint8)
    stretch = (size[0] / gray.shape[1], size[1] / gray.shape[0])
    inside = (
        (x - first[0]) * stretch[0],
        (y - first[1]) * stretch[1],
        width * stretch[0],
        height * stretch[1],
    )
    return small, inside, EXPANSION


_Work = tuple[LabelledFace, int, np.random.SeedSequence]
_Made = tuple[str, UInt8Array, CropRecord]


def _versions(work: _Work) -> list[_Made]:
    """All stored pictures of one face; runs in a process of its own."""
    face, variants, seed = work
    cv2.setNumThreads(1)
    rng = np.random.default_rng(seed)
    made = []
    # Most pictures are of people who look into the camera; turned heads are made up for that.
    for _ in range(variants * (2 if abs(face.pose.rotation[0, 2]) > TURNED else 1)):
        for label in LABELS if face.label == "off" else (face.label,):
            image, box, expansion = frame_face(dress(face, label, rng), face.box, rng)
            record = CropRecord("composed", face.group, "", 0.0, box, expansion)
            made.append((label, image, record))
    return made


def compose(sources: Sequence[tuple[Iterator[LabelledFace], int]], out: Path, seed: int) -> int:
    """Write pictures of all faces.

    Args:
        sources: faces, and how many pictures of each label to make of each.
        out: the folder with on/ and off/.
        seed: the same one gives the same pictures.

    Returns:
        How many pictures were written.

    Raises:
        UserError: a picture cannot be read or written.
    """
    faces = chain.from_iterable(((face, count) for face in some) for some, count in sources)
    seeds = np.random.SeedSequence(seed)
    work = ((face, count, seeds.spawn(1)[0]) for face, count in faces)
    written = 0
    with (
        CropWriter(out / "on") as on,
        CropWriter(out / "off") as off,
        ProcessPoolExecutor(mp_context=get_context("forkserver")) as pool,
    ):
        writers = {"on": on, "off": off}
        for made in _in_order(pool, work):
            for label, image, record in made:
                writers[label].add(image, record)
                written += 1
    return written


def _in_order(pool: ProcessPoolExecutor, work: Iterable[_Work]) -> Iterator[list[_Made]]:
    """What the pool makes of the work, a bounded part of it at a time in memory."""
    pending: deque[Future[list[_Made]]] = deque()
    for item in work:
        pending.append(pool.submit(_versions, item))
        if len(pending) > IN_FLIGHT:
            yield pending.popleft().result()
    while pending:
        yield pending.popleft().result()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m facectrl_fast.dataset.compose",
        description="Compose a headphone dataset (OUT/on, OUT/off) from pictures.",
    )
    parser.add_argument("out", type=Path, metavar="OUT")
    parser.add_argument(
        "--faces",
        nargs=2,
        type=Path,
        action="append",
        default=[],
        metavar=("ANNOTATIONS", "IMAGES"),
        help="faces without headphones, boxes in WIDER FACE's format",
    )
    parser.add_argument(
        "--portraits",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="pictures of people without headphones, boxes by the detector",
    )
    parser.add_argument(
        "--crops",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="labelled crops, in DIR/on, DIR/off and DIR/earbud_or_neck",
    )
    parser.add_argument(
        "--detector-model", type=Path, help="YuNet's .onnx; without it no pose is known"
    )
    parser.add_argument("--face-variants", type=int, default=3, metavar="N")
    parser.add_argument("--portrait-variants", type=int, default=6, metavar="N")
    parser.add_argument("--crop-variants", type=int, default=12, metavar="N")
    parser.add_argument("--seed", type=int, default=0)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    options = _parser().parse_args(arguments)
    try:
        total = compose(list(_sources(options)), options.out, options.seed)
    except UserError as error:
        print(f"compose: {error}", file=sys.stderr)
        return error.status
    print(f"{total} pictures in {options.out}")
    return 0


def _sources(options: argparse.Namespace) -> Iterator[tuple[Iterator[LabelledFace], int]]:
    detector = open_detector("auto", options.detector_model)
    for boxes, images in options.faces:
        yield from_faces(boxes, images, detector), options.face_variants
    for folder in options.portraits:
        yield from_portraits(folder, detector), options.portrait_variants
    for folder in options.crops:
        yield from_crops(folder, detector), options.crop_variants


if __name__ == "__main__":
    raise SystemExit(main())
