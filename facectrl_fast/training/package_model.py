"""Makes the model that ships with the program, and the anchors that calibration needs.

    python -m facectrl_fast.training.package_model DATA WORK

DATA is the folder with headphones/, lfw/, beauty/ and models/ (YuNet, and MobileNetV2, which
teaches); WORK gets the composed dataset and the training runs: after a kill, composing starts over
and training goes on. What ships is written into facectrl_fast/models.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from facectrl_fast.dataset import compose
from facectrl_fast.dataset.crops import Crops
from facectrl_fast.dataset.folder import LABELS, read_folder, split_by_group
from facectrl_fast.errors import UserError
from facectrl_fast.files import digest, whole_file
from facectrl_fast.models import ANCHORS, PACKAGED_MODEL
from facectrl_fast.training.data import HeadphoneData
from facectrl_fast.training.run import TrainingOptions, train
from facectrl_fast.training.teacher import TAUGHT_CNN, teach
from facectrl_fast.vision.classify import Classifier

OPTIONS = TrainingOptions()
ANCHORS_A_LABEL = 1000


def compose_pictures(data: Path, out: Path) -> None:
    """Compose the dataset, unless it is there.

    Raises:
        UserError: it could not be composed.
    """
    if out.exists():
        return
    draft = out.with_name(f"{out.name}.draft")
    shutil.rmtree(draft, ignore_errors=True)
    lfw = data / "lfw"
    arguments = ["--faces", lfw / "gray160_bbx_gt.txt", lfw / "gray160"]
    arguments += ["--face-variants", "2", "--crop-variants", "24"]
    arguments += ["--portraits", data / "beauty" / "Images", "--crops", data / "headphones"]
    arguments += ["--detector-model", data / "models" / "face_detection_yunet_2023mar.onnx"]
    if compose.main([str(part) for part in (draft, *arguments)]):
        raise UserError(f"the pictures in {data} could not be composed")
    draft.rename(out)


def make_anchors(model: Path, dataset: Path, out: Path) -> None:
    """Embed people that the model was not trained on.

    Raises:
        UserError: a picture cannot be read, or the file cannot be written.
    """
    classifier = Classifier(model)
    _, strangers = split_by_group(read_folder(dataset), OPTIONS.validation_share, OPTIONS.seed)
    rng = np.random.default_rng(OPTIONS.seed)
    chosen = []
    for label in range(len(LABELS)):
        those = [picture for picture in strangers if picture.label == label]
        chosen += [those[i] for i in rng.permutation(len(those))[:ANCHORS_A_LABEL]]
    crops = Crops(chosen, classifier.description.preprocessing)
    embedding = classifier.embed(crops.plain_crops())
    try:
        np.savez_compressed(
            out,
            embedding=embedding.astype(np.float16),
            labels=crops.labels.astype(np.uint8),
            model=digest(model),
        )
    except OSError as error:
        raise UserError(f"cannot write {out}: {error.strerror}") from None


def main(arguments: Sequence[str]) -> int:
    """Run the command line; returns the exit status."""
    if len(arguments) != 2:
        print("usage: python -m facectrl_fast.training.package_model DATA WORK", file=sys.stderr)
        return 2
    data, work = map(Path, arguments)
    dataset, run = work / "composed", work / "cnn"
    try:
        compose_pictures(data, dataset)
        if not (run / "report.html").exists():
            weights = data / "models" / "mobilenet_v2-b0353104.pth"

            def taught(crops: HeadphoneData) -> None:
                teach(crops, weights, work / "teacher", OPTIONS, print)

            bar = sys.stderr.isatty()
            train(TAUGHT_CNN, dataset, run, OPTIONS, print, bar, prepared=taught)
        anchors = work / ANCHORS.name
        make_anchors(run / "model.onnx", dataset, anchors)
        for made, packaged in ((run / "model.onnx", PACKAGED_MODEL), (anchors, ANCHORS)):
            with whole_file(packaged) as draft:
                shutil.copyfile(made, draft)
    except OSError as error:
        print(f"package_model: {error}", file=sys.stderr)
        return 1
    except UserError as error:
        print(f"package_model: {error}", file=sys.stderr)
        return error.status
    print(f"{PACKAGED_MODEL} and {ANCHORS.name} are new; see {run / 'report.html'}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
