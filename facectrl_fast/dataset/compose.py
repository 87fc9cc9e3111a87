"""Composes a headphone dataset from face pictures, labelled crops and videos.

    python -m facectrl_fast.dataset.compose OUT --faces ANNOTATIONS IMAGES --crops DIR ...

Faces without headphones become 'off' crops, and 'on' crops with headphones drawn onto them; crops
and videos that are labelled already keep their label. Every crop is cut as the program cuts it,
with the framing that detectors and frame edges give it: boxes a little off, heads tilted, the crop
clipped where the picture ends; and looks as through a webcam: light, noise, blur, JPEG.

Files are named GROUP__NUMBER.png. A group is one person or one recording; training never puts one
group on both sides of its split.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from facectrl_fast.dataset.folder import LABELS
from facectrl_fast.dataset.headphones import HeadphoneStyle, draw_headphones
from facectrl_fast.dataset.wider import read_annotations
from facectrl_fast.errors import UserError
from facectrl_fast.types import Box, PixelFormat, UInt8Array
from facectrl_fast.vision.detect import Detector, open_detector
from facectrl_fast.vision.preprocess import Preprocessing

SIDE = 96
"""Stored crops are this large: enough for a 64 pixel input."""
CROP_SCALE = 1.9
"""Labelled crops show a face in the middle, its longer side this many times smaller."""


@dataclass(frozen=True)
class LabelledFace:
    """A picture with one face of known state."""

    image: UInt8Array
    """BGR, uint8."""
    boxes: tuple[Box, ...]
    """The same face as different detectors frame it; the first is the most exact."""
    label: str
    group: str


class Framing:
    """Adds the boxes that Haar gives to faces whose boxes are known.

    Its boxes are coarser than YuNet's, and the program has to work with both.
    """

    def __init__(self) -> None:
        self._haar = open_detector("haar")

    def boxes(self, image: UInt8Array, box: Box) -> tuple[Box, ...]:
        """The box, and Haar's for the same face where it finds one."""
        found = (face.box for face in self._haar.detect(image, PixelFormat.BGR24))
        return (box, *(other for other in found if _same_face(box, other)))


def _same_face(first: Box, second: Box) -> bool:
    centres = (
        abs(first[k] + first[k + 2] / 2 - second[k] - second[k + 2] / 2) < 0.3 * first[k + 2]
        for k in (0, 1)
    )
    return all(centres) and 0.6 < first[3] / second[3] < 1.6


def _read_picture(path: Path) -> UInt8Array:
    image = cv2.imread(str(path))
    if image is None:
        raise UserError(f"cannot read the picture {path}")
    return np.asarray(image, np.uint8)


def from_faces(annotations: Path, images: Path, framing: Framing) -> Iterator[LabelledFace]:
    """The biggest face of each picture; the group is its name without the number, as in LFW."""
    for entry in read_annotations(annotations, images):
        picture = _read_picture(entry.path)
        height, width = picture.shape[:2]
        box = max(entry.boxes, key=lambda b: b[2] * b[3])
        if not (0 <= box[0] + box[2] / 2 < width and 0 <= box[1] + box[3] / 2 < height):
            raise UserError(
                f"{annotations}: the face of {entry.path.name} lies outside the picture"
            )
        person = re.sub(r"_\d+$", "", entry.path.stem)
        yield LabelledFace(picture, framing.boxes(picture, box), "off", person)


def from_crops(folder: Path, detector: Detector, framing: Framing) -> Iterator[LabelledFace]:
    """Pictures in ``folder``/on and /off, a face in the middle of each."""
    if not (folder / "on").is_dir() and not (folder / "off").is_dir():
        raise UserError(f"--crops {folder}: has neither on/ nor off/")
    for label in LABELS:
        for path in sorted((folder / label).glob("*.[jp][pn]g")):
            picture = _read_picture(path)
            height, width = picture.shape[:2]
            face_h = height / CROP_SCALE
            box: Box = (width / 2 - face_h * 0.37, height / 2 - face_h / 2, face_h * 0.74, face_h)
            found = detector.detect(picture, PixelFormat.BGR24)
            if found:
                box = found[0].box
            boxes = framing.boxes(picture, box)
            # One source picture may hold several people, and a person come in several pictures.
            yield LabelledFace(picture, boxes, label, re.sub(r"-\d+-.*$", "", path.stem))


def from_portraits(folder: Path, detector: Detector, framing: Framing) -> Iterator[LabelledFace]:
    """The biggest face of each picture below ``folder``; each picture is a group of its own."""
    for path in sorted(folder.rglob("*.[jp][pn]g")):
        picture = _read_picture(path)
        faces = detector.detect(picture, PixelFormat.BGR24)
        if faces:
            boxes = framing.boxes(picture, faces[0].box)
            yield LabelledFace(picture, boxes, "off", path.stem)


def from_video(
    path: Path, label: str, detector: Detector, framing: Framing, every: int = 15
) -> Iterator[LabelledFace]:
    """Each ``every``-th frame of a video file or of a folder of numbered pictures.

    The group is the name up to its first ``_``: recordings of one person share it.
    """
    for number, image in enumerate(_frames(path)):
        if number % every == 0:
            faces = detector.detect(image, PixelFormat.BGR24)
            if faces:
                boxes = framing.boxes(image, faces[0].box)
                yield LabelledFace(image, boxes, label, path.stem.split("_")[0])


def _frames(path: Path) -> Iterator[UInt8Array]:
    if path.is_dir():
        for picture in sorted(path.glob("*.[jp][pn]g")):
            yield _read_picture(picture)
        return
    capture = cv2.VideoCapture(str(path))
    if not capture.isOpened():
        raise UserError(f"cannot read the video {path}")
    try:
        while True:
            there, image = capture.read()
            if not there:
                return
            yield np.asarray(image, np.uint8)
    finally:
        capture.release()


def vary_framing(
    image: UInt8Array, box: Box, cut: Preprocessing, rng: np.random.Generator
) -> UInt8Array:
    """Cut the face as a detector that is a little off, in a frame that ends somewhere, would.

    Returns:
        BGR, uint8, SIDE x SIDE.
    """
    x, y, width, height = box
    centre = (x + width / 2, y + height / 2)
    turn = cv2.getRotationMatrix2D(centre, rng.normal(0, 3), 1.0)
    size = (image.shape[1], image.shape[0])
    image = np.asarray(cv2.warpAffine(image, turn, size, borderMode=cv2.BORDER_REPLICATE), np.uint8)
    scale = rng.uniform(0.92, 1.1)
    width, height = width * scale * rng.uniform(0.95, 1.06), height * scale
    middle_x = centre[0] + rng.normal(0, 0.025) * width
    middle_y = centre[1] + rng.normal(0, 0.025) * height
    left, top, right, bottom = 0.0, 0.0, float(size[0]), float(size[1])
    margin_x, margin_y = cut.expansion[0] * width / 2, cut.expansion[1] * height / 2
    if rng.random() < 0.2:
        top = max(top, middle_y - height / 2 - rng.random() * margin_y)
    if rng.random() < 0.15:
        bottom = min(bottom, middle_y + height / 2 + rng.random() * margin_y)
    if rng.random() < 0.05:
        left = max(left, middle_x - width / 2 - rng.random() * margin_x)
    if rng.random() < 0.05:
        right = min(right, middle_x + width / 2 + rng.random() * margin_x)
    frame = image[int(top) : int(bottom), int(left) : int(right)]
    jittered = (middle_x - width / 2 - int(left), middle_y - height / 2 - int(top), width, height)
    cx, cy, cw, ch = cut.crop_box(jittered, frame.shape[1], frame.shape[0])
    crop = cv2.resize(frame[cy : cy + ch, cx : cx + cw], (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return np.asarray(crop, np.uint8)


def vary_look(crop: UInt8Array, rng: np.random.Generator) -> UInt8Array:
    """What light, lens, sensor and codec do to a crop."""
    picture = crop.astype(np.float32) / 255
    picture = picture ** np.float32(np.exp(rng.normal(0, 0.2)))
    if rng.random() < 0.3:  # light from one side
        slope = np.linspace(-1, 1, SIDE, dtype=np.float32) * np.float32(rng.uniform(-0.5, 0.5))
        picture *= 1 + (slope[None, :, None] if rng.random() < 0.7 else slope[:, None, None])
    picture = (picture - 0.5) * np.float32(rng.uniform(0.7, 1.15)) + 0.5
    picture += np.float32(rng.normal(0, 0.05))
    if rng.random() < 0.3:
        small = rng.integers(28, 80)
        blurred = cv2.resize(picture, (int(small), int(small)), interpolation=cv2.INTER_AREA)
        blurred = cv2.resize(blurred, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR)
        picture = np.asarray(blurred, np.float32)
    if rng.random() < 0.3:
        picture = picture + rng.normal(0, rng.uniform(0.005, 0.05), picture.shape)
    if rng.random() < 0.5:
        picture = picture[:, ::-1]
    eight_bit = np.clip(picture * 255, 0, 255).astype(np.uint8)
    if rng.random() < 0.3:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(20, 95))]
        decoded = cv2.imdecode(cv2.imencode(".jpg", eight_bit, quality)[1], cv2.IMREAD_COLOR)
        eight_bit = np.asarray(decoded, np.uint8)
    return eight_bit


def compose(
    sources: Iterable[tuple[Iterator[LabelledFace], int]], out: Path, rng: np.random.Generator
) -> int:
    """Write crops of all faces, and for each without headphones as many with some drawn on.

    Args:
        sources: faces, and how many crops to make of each.
        out: the folder with on/ and off/.
        rng: the same state gives the same files.

    Returns:
        How many crops were written.

    Raises:
        UserError: a picture cannot be read or written.
    """
    cut = Preprocessing()
    written = 0
    for faces, variants in sources:
        for face in (face for face in faces for _ in range(variants)):
            versions = [(face.label, face.image)]
            if face.label == "off":
                style = HeadphoneStyle.random(rng)
                versions.append(("on", draw_headphones(face.image, face.boxes[0], style)))
            for label, image in versions:
                box = face.boxes[int(rng.integers(len(face.boxes)))]
                crop = vary_look(vary_framing(image, box, cut, rng), rng)
                name = out / label / f"{face.group}__{written:06d}.png"
                if not cv2.imwrite(str(name), cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY)):
                    raise UserError(f"cannot write {name}")
                written += 1
    return written


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m facectrl_fast.dataset.compose",
        description="Compose a headphone dataset (OUT/on, OUT/off) from pictures and videos.",
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
        help="labelled crops, in DIR/on and DIR/off",
    )
    parser.add_argument(
        "--video",
        nargs=2,
        action="append",
        default=[],
        metavar=("FILE", "LABEL"),
        help="a video, or a folder of numbered pictures, of one label (on or off)",
    )
    parser.add_argument("--detector-model", type=Path, help="YuNet's .onnx; without it Haar")
    parser.add_argument("--face-variants", type=int, default=5, metavar="N")
    parser.add_argument("--portrait-variants", type=int, default=8, metavar="N")
    parser.add_argument("--crop-variants", type=int, default=16, metavar="N")
    parser.add_argument("--video-variants", type=int, default=8, metavar="N")
    parser.add_argument("--seed", type=int, default=0)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    options = _parser().parse_args(arguments)
    try:
        for label in LABELS:
            (options.out / label).mkdir(parents=True, exist_ok=True)
        total = compose(_sources(options), options.out, np.random.default_rng(options.seed))
    except UserError as error:
        print(f"compose: {error}", file=sys.stderr)
        return error.status
    except OSError as error:
        print(f"compose: cannot write to {options.out}: {error.strerror}", file=sys.stderr)
        return 1
    print(f"{total} crops in {options.out}")
    return 0


def _sources(options: argparse.Namespace) -> Iterator[tuple[Iterator[LabelledFace], int]]:
    detector = open_detector("auto", options.detector_model)
    framing = Framing()
    for boxes, images in options.faces:
        yield from_faces(boxes, images, framing), options.face_variants
    for folder in options.portraits:
        yield from_portraits(folder, detector, framing), options.portrait_variants
    for folder in options.crops:
        yield from_crops(folder, detector, framing), options.crop_variants
    for file, label in options.video:
        if label not in LABELS:
            raise UserError(f"--video {file}: the label must be on or off, not '{label}'")
        yield from_video(Path(file), label, detector, framing), options.video_variants


if __name__ == "__main__":
    raise SystemExit(main())
