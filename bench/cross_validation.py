"""How well models know strangers: balanced accuracy on real crops, cross-validated by person.

    python bench/cross_validation.py COMPOSED REAL [--folds 5] [--epochs 16] [--pictures 60000]

COMPOSED is a dataset of facectrl_fast.dataset.compose, REAL a folder with real crops in on/, off/
and perhaps earbud_or_neck/ (reported, not part of the figure). For each fold the people of the
fold are left out of COMPOSED, too, and nothing of the fold decides anything: epochs are chosen on
other people. Side by side on the same folds: the cnn and the seed's network, trained on COMPOSED,
the seed's network and HOG + SVM trained on the real crops alone.
"""

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import torch
from sklearn.metrics import roc_auc_score
from sklearn.svm import SVC

from facectrl_fast.dataset.crops import Crops
from facectrl_fast.dataset.folder import name_group, read_folder, read_label, split_by_group
from facectrl_fast.training.run import TrainingOptions, fit, prepare
from facectrl_fast.training.tasks import TASKS
from facectrl_fast.vision.preprocess import Preprocessing

CUT = Preprocessing()
HOG = cv2.HOGDescriptor((64, 64), (16, 16), (8, 8), (8, 8), 9)


def person(path):
    """As compose names the groups of such crops."""
    return name_group(path.stem.removeprefix("me_")) or path.stem


def real_pictures(folder):
    labelled = (("on", 0), ("off", 1), ("earbud_or_neck", 1))
    return [
        replace(picture, group=person(picture.path), source=name)
        for name, label in labelled
        for picture in read_label(folder / name, label)
    ]


def group_of(composed):
    """A composed picture's person: collect's groups end in a stretch of time."""
    return composed.group.rsplit(" ", 1)[0]


def crops_of(pictures):
    crops = Crops(pictures, CUT)
    return np.stack([crops.plain_crop(index) for index in range(len(crops))])


def by_network(task, training, held, options):
    training, validation = split_by_group(training, 0.1, options.seed)
    with tempfile.TemporaryDirectory() as out:
        data = prepare(task, training, validation, options)
        module = fit(task, data, Path(out), options, print)
    with torch.no_grad():
        return module.validation_output(torch.from_numpy(crops_of(held))).numpy()


def by_hog(training, held):
    def features(pictures):
        crops = (crops_of(pictures)[:, 0] * 255).astype(np.uint8)
        return np.stack([HOG.compute(crop).ravel() for crop in crops])

    machine = SVC(C=10, class_weight="balanced")
    machine.fit(features(training), [p.label == 0 for p in training])
    return 1 / (1 + np.exp(-machine.decision_function(features(held))))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("composed", type=Path)
    parser.add_argument("real", type=Path)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--only", type=int, nargs="*", help="these folds, counted from 0")
    parser.add_argument("--epochs", type=int, default=16)
    parser.add_argument("--pictures", type=int, default=60000, help="of COMPOSED, at most")
    parser.add_argument("--repeat", type=int, default=0, help="real crops on, added so often")
    parser.add_argument("--without", nargs="*", default=[], help="columns to leave out")
    given = parser.parse_args()
    rng = np.random.default_rng(0)
    real = real_pictures(given.real)
    people = sorted({picture.group for picture in real})
    rng.shuffle(people)
    composed = read_folder(given.composed)
    composed = [composed[i] for i in rng.permutation(len(composed))]
    said, truth, kinds = {}, [], []
    for number in range(given.folds):
        if given.only is not None and number not in given.only:
            continue
        out = set(people[number :: given.folds])
        held = [picture for picture in real if picture.group in out]
        known = [p for p in real if p.group not in out and p.source != "earbud_or_neck"]
        made = [p for p in composed if group_of(p) not in out][: given.pictures]
        made += [p for p in known if p.label == 0] * given.repeat
        same = [p for p in real if p.group not in out and p.label == 1 and p.path.name[:3] == "de_"]
        made += same * (given.repeat * sum(p.label == 0 for p in known) // len(same))
        options = TrainingOptions(epochs=given.epochs)
        columns = {
            "cnn, composed": lambda m=made, h=held, o=options: by_network(TASKS["cnn"], m, h, o),
            "seed's network, composed": lambda m=made, h=held, o=options: by_network(
                TASKS["classifier"], m, h, o
            ),
            "seed's network, real": lambda k=known, h=held: by_network(
                TASKS["classifier"], k, h, TrainingOptions()
            ),
            "HOG + SVM, real": lambda k=known, h=held: by_hog(k, h),
        }
        for name, judge in columns.items():
            if name not in given.without:
                print(f"fold {number}: {name}", flush=True)
                on = judge()
                said.setdefault(name, []).append(on)
                right = [
                    np.mean((on[[p.source == kind for p in held]] > 0.5) == (kind == "on"))
                    for kind in ("on", "off")
                ]
                print(f"fold {number}: {name}: on {right[0]:.1%}, off {right[1]:.1%}", flush=True)
        truth += [picture.label == 0 for picture in held]
        kinds += [picture.source for picture in held]
    truth, kinds = np.array(truth), np.array(kinds)
    judged = kinds != "earbud_or_neck"
    print(f"\n{(truth & judged).sum()} on, {(~truth & judged).sum()} off")
    print(f"{'':26}balanced      on     off     AUC   earbuds and necks off")
    for name, parts in said.items():
        on = np.concatenate(parts)
        right = (on > 0.5) == truth
        recalls = right[truth & judged].mean(), right[~truth & judged].mean()
        print(
            f"{name:26}{np.mean(recalls):8.1%}{recalls[0]:8.1%}{recalls[1]:8.1%}"
            f"{roc_auc_score(truth[judged], on[judged]):8.3f}{right[~judged].mean():10.1%}"
        )


if __name__ == "__main__":
    main()
