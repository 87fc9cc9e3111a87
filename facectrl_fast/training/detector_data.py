"""What face detectors train on: annotated pictures, composed to webcam scenes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from facectrl_fast.dataset.faceless_parts import faceless_parts
from facectrl_fast.dataset.folder import STRETCH, name_group
from facectrl_fast.dataset.picture_file import load_picture
from facectrl_fast.dataset.webcam_scenes import (
    CLOSE_LOOKS,
    WEBCAM,
    FacePicture,
    Scene,
    WebcamScenes,
)
from facectrl_fast.dataset.wider import SUFFIXES, FaceFilter, Problems, locate_set, read_wider
from facectrl_fast.errors import UserError
from facectrl_fast.training.engine import TrainingData, loader_workers
from facectrl_fast.types import Box, Float32Array, PixelFormat, UInt8Array, holds_middle
from facectrl_fast.vision.preprocess import Preprocessing
from facectrl_fast.vision.ssd import DOUBTFUL, SsdDetector

LONGEST_SIDE = 320
"""Pixels that pictures keep, or as many as the network sees, where those are more."""
MOST_PROBLEMS = 0.1
"""Share of a set's pictures that may be missing or broken."""
LEAST_PIXELS = 8
"""Height of a face, in the picture as it is kept, that shows one; others may be found or not."""
MOST_FACES = 128
"""Of a scene: a batch holds so many for each."""
LEAST_ROWS = 64
"""Of a part without faces, of a picture with some."""
CAMERA = 3.0
"""Sides of the scenes that a finished model is judged by, in those that it is trained on: so much
larger are a camera's frames. They show more of close faces, though no more than pictures keep."""
CAMERA_SCENES = 4
"""For each validation scene: few false boxes decide from which score on a box is a face."""
HARD = 5.0
"""Times as often as others those backgrounds are drawn that mislead a detector."""
MISTAKEN = 0.1
"""Score from which on it is worth a close look, what a first look finds in a background."""
MOST_MISTAKEN = 3
"""Of a background."""
LEAST_MISTAKEN = 16
"""Sides in pixels of a cut."""
MISTAKEN_CUT = Preprocessing(expansion=(1.6, 1.6))
"""What of a background is shown of that: of such pieces parts are shown in turn."""
VALIDATION_EPOCH = 1 << 40
"""Scenes of an epoch that training never reaches."""

Batch = tuple[torch.Tensor, torch.Tensor, torch.Tensor]
"""Pictures (n, c, h, w) uint8; corners (n, MOST_FACES, 4) of the faces to find, and of the doubtful
ones, NaN where there are fewer."""


@dataclass
class PictureSet:
    """The pictures of one set, in memory."""

    faces: list[FacePicture] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)
    """Of each of them: the person or the event that it shows."""
    backgrounds: list[UInt8Array] = field(default_factory=list)
    """Pictures without faces."""


def read_set(
    path: Path, wanted: FaceFilter, channels: int, side: int, say: Callable[[str], None]
) -> PictureSet:
    """Read a set of annotated pictures.

    Args:
        path: see ``wider.locate_set``.
        wanted: which faces are to be found.
        channels: 1 for gray, 3 for BGR.
        side: pixels of the longer one, to which larger pictures are shrunk.
        say: is told what is left out.

    Raises:
        UserError: it is none, or too many of its pictures have problems.
    """
    annotations, images = locate_set(path)
    annotated, problems = read_wider(annotations, images, wanted)
    found = PictureSet()
    stretch = min(STRETCH, max(len(annotated) // 10, 1))
    too_small = 0
    for number, entry in enumerate(annotated):
        image = read_picture(entry.path, channels)
        if image is None:
            problems.found.append(f"{entry.path} cannot be read")
            continue
        height, width = image.shape[1:]
        if not all(_fits(box, width, height) for box in entry.boxes + entry.doubtful):
            problems.found.append(f"{entry.path}: a face lies outside of the picture")
            continue
        image, scale = _shrunk(image, side)
        if entry.boxes:
            boxes, doubtful = (
                np.array(some, np.float32).reshape(-1, 4) * np.float32(scale)
                for some in (entry.boxes, entry.doubtful)
            )
            large = boxes[:, 3] >= LEAST_PIXELS
            if not large.any():
                too_small += 1
                continue
            doubtful = np.concatenate([doubtful, boxes[~large]])
            found.faces.append(FacePicture(image, boxes[large], doubtful))
            found.groups.append(_group(entry.path, number // stretch))
        elif not entry.doubtful:
            found.backgrounds.append(image)
    problems.check(len(found.faces) + len(found.backgrounds), MOST_PROBLEMS)
    if problems.found:
        say(f"left out: {problems}")
    if too_small:
        say(
            f"left out: {too_small} pictures of {path} whose faces are all below {LEAST_PIXELS} "
            f"pixels, in {side} of the longer side"
        )
    return found


def read_backgrounds(
    folder: Path, channels: int, side: int, say: Callable[[str], None]
) -> list[UInt8Array]:
    """All pictures below a folder, which show no faces.

    Raises:
        UserError: there are none, or too many are broken.
    """
    paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES)
    problems = Problems(folder)
    pictures = []
    for path in paths:
        image = read_picture(path, channels)
        if image is None:
            problems.found.append(f"{path} cannot be read")
        else:
            pictures.append(_shrunk(image, side)[0])
    problems.check(len(pictures), MOST_PROBLEMS)
    if not pictures:
        raise UserError(f"{folder} holds no pictures (jpg, png or webp)")
    if problems.found:
        say(f"left out: {problems}")
    return pictures


def read_picture(path: Path, channels: int) -> UInt8Array | None:
    """A picture (channels, h, w), uint8; None where it cannot be read."""
    image = load_picture(path, cv2.IMREAD_GRAYSCALE if channels == 1 else cv2.IMREAD_COLOR)
    if image is None or min(image.shape[:2]) < 2:
        return None
    planes = image[None] if channels == 1 else np.moveaxis(image, 2, 0)
    return np.ascontiguousarray(planes, np.uint8)


def as_image(planes: UInt8Array) -> tuple[UInt8Array, PixelFormat]:
    """A picture (channels, h, w) as detectors take it, gray (h, w) or BGR (h, w, 3)."""
    if len(planes) == 1:
        return planes[0], PixelFormat.GRAY8
    return np.ascontiguousarray(np.moveaxis(planes, 0, 2)), PixelFormat.BGR24


def _shrunk(image: UInt8Array, side: int) -> tuple[UInt8Array, float]:
    height, width = image.shape[1:]
    scale = min(side / max(height, width), 1.0)
    if scale == 1:
        return image, 1.0
    size = max(round(width * scale), 2), max(round(height * scale), 2)
    planes = [cv2.resize(plane, size, interpolation=cv2.INTER_AREA) for plane in image]
    return np.stack(planes).astype(np.uint8), scale


def _fits(box: Box, width: int, height: int) -> bool:
    """Whether a face's middle is in the picture, of which it may be a part."""
    inside = holds_middle((0, 0, width, height), box)
    return inside and box[2] <= 2 * width and box[3] <= 2 * height


def _group(path: Path, stretch: int) -> str:
    """LFW's and WIDER FACE's names end with a number within the person or event.

    Those that are a number or a date alone belong with their neighbours.
    """
    named = name_group(path.stem)
    return f"{path.parent.name} {stretch}" if named is None else re.sub(r"_\d+$", "", named)


def _held_back(groups: Sequence[str], share: float, rng: np.random.Generator) -> set[str]:
    """The groups whose pictures make about that share of all; ``groups`` has one a picture."""
    sizes = Counter(groups)
    names = sorted(sizes)
    rng.shuffle(names)
    wanted = share * len(groups)
    held_back: set[str] = set()
    count = 0
    for name in names:
        if count < wanted and count + sizes[name] <= 2 * wanted:
            held_back.add(name)
            count += sizes[name]
    return held_back or {min(names, key=lambda name: sizes[name], default="")}


def _without_faces(picture: FacePicture) -> Iterator[UInt8Array]:
    """Its parts that show nobody: backgrounds as cameras see them."""
    boxes = np.concatenate([picture.boxes, picture.doubtful]).tolist()
    faces = [(x, y, width, height) for x, y, width, height in boxes]
    rows, columns = picture.image.shape[1:]
    for left, top, width, height in faceless_parts(rows, columns, faces, LEAST_ROWS):
        yield picture.image[:, top : top + height, left : left + width]


def _misleads(image: UInt8Array, detectors: Sequence[SsdDetector]) -> bool:
    """Whether one of some sensitive detectors sees what may be a face in a picture (c, h, w).

    What scores like a doubt at most was dismissed by a close look, or got none.
    """
    return any(
        face.score > DOUBTFUL
        for detector in detectors
        for face in detector.detect(*as_image(image))
    )


def _mistaken(image: UInt8Array, searcher: SsdDetector) -> list[UInt8Array]:
    """What a first look takes for faces in a picture (c, h, w) without any, cut out."""
    height, width = image.shape[1:]
    cuts = []
    for face in searcher.first_look(*as_image(image)):
        if face.score >= MISTAKEN and holds_middle((0, 0, width, height), face.box):
            left, top, wide, tall = MISTAKEN_CUT.crop_box(face.box, width, height)
            if min(wide, tall) >= LEAST_MISTAKEN:
                cuts.append(image[:, top : top + tall, left : left + wide])
    return cuts[:MOST_MISTAKEN]


class SceneDataset(Dataset[Batch]):
    """Scenes as PyTorch takes them, by (epoch, index)."""

    def __init__(self, scenes: WebcamScenes) -> None:
        self._scenes = scenes

    def __len__(self) -> int:
        return len(self._scenes)

    def __getitem__(self, key: tuple[int, int]) -> Batch:
        scene: Scene = self._scenes.scene(*key)
        faces, doubtful = map(_padded, (scene.boxes, scene.doubtful))
        return torch.from_numpy(scene.image), faces, doubtful


def _padded(boxes: Float32Array) -> torch.Tensor:
    corners = np.full((MOST_FACES, 4), np.nan, np.float32)
    some = boxes[:MOST_FACES]
    corners[: len(some), :2] = some[:, :2]
    corners[: len(some), 2:] = some[:, :2] + some[:, 2:]
    return torch.from_numpy(corners)


class SceneOrder(Sampler[tuple[int, int]]):
    """(epoch, index) of pictures drawn at random; seed and epoch alone decide.

    Each set of pictures is drawn from as often, so that a small one, which may hold the only faces
    from the side, is not lost in a large one.
    """

    def __init__(
        self, set_sizes: Sequence[int], count: int, seed: int, epoch: Callable[[], int]
    ) -> None:
        self._chances = np.concatenate([np.full(n, 1 / n) for n in set_sizes if n])
        self._chances /= self._chances.sum()
        self._count = count
        self._seed = seed
        self._epoch = epoch

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[tuple[int, int]]:
        epoch = self._epoch()
        rng = np.random.default_rng((self._seed, epoch))
        drawn = rng.choice(len(self._chances), self._count, p=self._chances)
        # Drawn twice in an epoch, a picture makes two scenes.
        return iter([(epoch * self._count + i, int(index)) for i, index in enumerate(drawn)])


class DetectorData(TrainingData):
    """Scenes to train on, and scenes of other people to validate on."""

    def __init__(
        self,
        sets: Sequence[PictureSet],
        backgrounds: Sequence[UInt8Array],
        size: tuple[int, int],
        batch_size: int,
        steps: int,
        validation_scenes: int,
        validation_share: float,
        seed: int,
        known: Sequence[SsdDetector] = (),
        searcher: SsdDetector | None = None,
    ) -> None:
        """Split the pictures by the people or events that they show.

        Args:
            sets: at least one with faces.
            backgrounds: besides those of the sets.
            size: height and width of the scenes.
            batch_size: scenes a step.
            steps: an epoch.
            validation_scenes: how many to validate on while it trains.
            validation_share: of the pictures.
            seed: of split, order and scenes.
            known: sensitive detectors; where they err there is more to learn (see ``HARD``).
            searcher: one of them; train on what is seen when this one looks closely, also where its
                first looks err.

        Raises:
            UserError: there are too few pictures or people.
        """
        super().__init__()
        rng = np.random.default_rng(seed)
        held_back = _held_back(
            [group for each in sets for group in each.groups], validation_share, rng
        )
        training: list[FacePicture] = []
        validation: list[FacePicture] = []
        self._set_sizes = []
        validation_sets: list[range] = []
        for each in sets:
            before = len(training), len(validation)
            for picture, group in zip(each.faces, each.groups, strict=True):
                (validation if group in held_back else training).append(picture)
            self._set_sizes.append(len(training) - before[0])
            validation_sets.append(range(before[1], len(validation)))
        if not training or not validation:
            raise UserError(
                "the sets show faces of fewer than two people or events: nothing would be left to "
                "validate on"
            )
        empty = [image for each in sets for image in each.backgrounds] + list(backgrounds)
        order = rng.permutation(len(empty))
        kept = round(validation_share * len(empty))
        shown, unseen = [empty[i] for i in order[kept:]], [empty[i] for i in order[:kept]]
        shown += [part for picture in training for part in _without_faces(picture)]
        unseen += [part for picture in validation for part in _without_faces(picture)]
        judging = unseen  # whole frames are before these alone
        if searcher is not None:
            shown += [cut for image in shown for cut in _mistaken(image, searcher)]
            unseen = unseen + [cut for image in unseen for cut in _mistaken(image, searcher)]
        self.counts = {
            "training_pictures": len(training),
            "validation_pictures": len(validation),
            "training_backgrounds": len(shown),
            "validation_backgrounds": len(judging),
        }
        self._size = size
        self._batch_size = batch_size
        self._steps = steps
        self._seed = seed
        chances = [HARD if _misleads(image, known) else 1.0 for image in shown]
        self.counts["hard_backgrounds"] = sum(chance > 1 for chance in chances)
        framing = WEBCAM if searcher is None else CLOSE_LOOKS
        self._training = WebcamScenes(training, shown, size, seed, chances, framing)
        self._validation = WebcamScenes(validation, unseen, size, seed, framing=framing)
        if searcher is not None:
            size = searcher.description.height, searcher.description.width
        frame = round(CAMERA * size[0]), round(CAMERA * size[1])
        self._camera = WebcamScenes(validation, judging, frame, seed)
        # Each set as often here, too: what is rare must count when the score is chosen.
        some = [each for each in validation_sets if each]
        turns = [(some[k % len(some)], k // len(some)) for k in range(validation_scenes)]
        self._validation_keys = [
            (VALIDATION_EPOCH + turn // len(each), each[turn % len(each)]) for each, turn in turns
        ]

    def training_scenes(self, count: int) -> list[Scene]:
        """Some scenes of the first epoch."""
        pictures = len(self._training)
        return [self._training.scene(k // pictures, k % pictures) for k in range(count)]

    def camera_scenes(self) -> Iterator[Scene]:
        """Scenes of the validation pictures, as large as a camera's frames.

        One after the other, since all of them would be gigabytes.
        """
        count = len(self._validation_keys)
        for again in range(CAMERA_SCENES):
            for epoch, index in self._validation_keys:
                yield self._camera.scene(epoch + again * count, index)

    def train_dataloader(self) -> DataLoader[Batch]:
        """An epoch's scenes."""
        count = self._steps * self._batch_size
        order = SceneOrder(self._set_sizes, count, self._seed, lambda: self.epoch)
        return self._loader(self._training, order)

    def val_dataloader(self) -> DataLoader[Batch]:
        """The same scenes each time."""
        return self._loader(self._validation, self._validation_keys)

    def _loader(
        self, scenes: WebcamScenes, order: Sampler[tuple[int, int]] | list[tuple[int, int]]
    ) -> DataLoader[Batch]:
        return DataLoader(
            SceneDataset(scenes),
            self._batch_size,
            sampler=order,
            num_workers=loader_workers(),
        )
