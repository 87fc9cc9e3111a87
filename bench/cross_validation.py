"""How well models know strangers: balanced accuracy on real crops, cross-validated by person.

    python bench/cross_validation.py COMPOSED REAL WEIGHTS [--folds 3] [--pictures 40000]

COMPOSED is a dataset of facectrl_fast.dataset.compose, REAL a folder with real crops in on/, off/
and perhaps earbud_or_neck/ (reported, not part of the figure). For each fold the people of the
fold are left out of COMPOSED, too, and nothing of the fold decides anything: epochs are chosen on
other people. Side by side on the same folds: the cnn as it ships, taught by MobileNetV2, and as
``train cnn`` makes it, and the seed's network, all trained on COMPOSED; the seed's network and
HOG + SVM trained on the real crops alone.
"""

import argparse
import tempfile
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
import torch
from sklearn.metrics import roc_auc_score
from sklearn.svm import SVC

from facectrl_fast.dataset.compose import person_of
from facectrl_fast.dataset.crops import Crops
from facectrl_fast.dataset.folder import read_folder, read_label, split_by_group
from facectrl_fast.training.run import TrainingOptions, fit, prepare
from facectrl_fast.training.tasks import TASKS
from facectrl_fast.training.teacher import TAUGHT_CNN, teach
from facectrl_fast.vision.preprocess import Preprocessing

CUT = Preprocessing()
HOG = cv2.HOGDescriptor((64, 64), (16, 16), (8, 8), (8, 8), 9)


def real_pictures(folder):
    labelled = (("on", 0), ("off", 1), ("earbud_or_neck", 1))
    return [
        replace(picture, group=person_of(picture.path), source=name)
        for name, label in labelled
        for picture in read_label(folder / name, label)
    ]


def group_of(composed):
    """A composed picture's person: collect's groups end in a stretch of time."""
    return composed.group.rsplit(" ", 1)[0]


def crops_of(pictures):
    return Crops(pictures, CUT).plain_crops()


def by_network(task, training, held, options, weights=None):
    training, validation = split_by_group(training, 0.1, options.seed)
    with tempfile.TemporaryDirectory() as out:
        data = prepare(task, training, validation, options)
        if weights is not None:
            teach(data, weights, Path(out) / "teacher", options, print)
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


def judge_fold(number, given):
    """What each column says of the fold's people: column to (n,), the truth (n,), and kinds."""
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    real = real_pictures(given.real)
    people = sorted({picture.group for picture in real})
    rng.shuffle(people)
    out = set(people[number :: given.folds])
    composed = read_folder(given.composed)
    made = [composed[i] for i in rng.permutation(len(composed))]
    made = [picture for picture in made if group_of(picture) not in out][: given.pictures]
    held = [picture for picture in real if picture.group in out]
    known = [p for p in real if p.group not in out and p.source != "earbud_or_neck"]
    options = TrainingOptions(epochs=given.epochs)
    columns = {
        "cnn, composed, taught": lambda: by_network(
            TAUGHT_CNN, made, held, TrainingOptions(), given.weights
        ),
        "cnn, composed": lambda: by_network(TASKS["cnn"], made, held, options),
        "seed's network, composed": lambda: by_network(TASKS["classifier"], made, held, options),
        "seed's network, real": lambda: by_network(
            TASKS["classifier"], known, held, TrainingOptions()
        ),
        "HOG + SVM, real": lambda: by_hog(known, held),
    }
    said = {name: judge() for name, judge in columns.items() if name not in given.without}
    return said, [p.label == 0 for p in held], [p.source for p in held]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("composed", type=Path)
    parser.add_argument("real", type=Path)
    parser.add_argument("weights", type=Path, help="torchvision's MobileNetV2, the teacher")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=16)
    parser.add_argument("--pictures", type=int, default=60000, help="of COMPOSED, at most")
    parser.add_argument("--without", nargs="*", default=[], help="columns to leave out")
    parser.add_argument("--jobs", type=int, default=2, help="folds at a time")
    given = parser.parse_args()
    with ProcessPoolExecutor(given.jobs, mp_context=get_context("spawn")) as pool:
        folds = list(pool.map(judge_fold, range(given.folds), [given] * given.folds))
    truth = np.array([label for _, labels, _ in folds for label in labels])
    kinds = np.array([kind for _, _, those in folds for kind in those])
    judged = kinds != "earbud_or_neck"
    print(f"\n{(truth & judged).sum()} on, {(~truth & judged).sum()} off, {given.folds} folds")
    print(f"{'':26}balanced      on     off     AUC   earbuds and necks off")
    for name in folds[0][0]:
        on = np.concatenate([said[name] for said, _, _ in folds])
        right = (on > 0.5) == truth
        recalls = right[truth & judged].mean(), right[~truth & judged].mean()
        print(
            f"{name:26}{np.mean(recalls):8.1%}{recalls[0]:8.1%}{recalls[1]:8.1%}"
            f"{roc_auc_score(truth[judged], on[judged]):8.3f}{right[~judged].mean():10.1%}"
        )


if __name__ == "__main__":
    main()
