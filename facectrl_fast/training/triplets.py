"""Which faces are compared in training: an anchor, another face of that person, somebody else's."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from sklearn.neighbors import NearestNeighbors

from facectrl_fast.types import Float32Array

HARDER = 0.5
"""Share of the triplets that are drawn by how hard they are; with all of them, mistakes of the data
and the few people that there are would be learnt by heart."""
NEIGHBOURS = 64
"""The faces closest to an anchor, of which the harder negatives are drawn."""

Triplets = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Indices (n,) of anchors, positives and negatives."""


def random_triplets(
    _points: Float32Array, people: np.ndarray, rng: np.random.Generator
) -> Triplets:
    """Each face once as an anchor, with a random other one of that person and one of another.

    Args:
        people: (n,), whose the faces are, each at least twice.
        rng: decides.
    """
    anchors = rng.permutation(len(people))
    drawn = [
        (
            rng.choice(np.flatnonzero((people == people[k]) & (np.arange(len(people)) != k))),
            rng.choice(np.flatnonzero(people != people[k])),
        )
        for k in anchors
    ]
    positives, negatives = np.array(drawn, np.int64).T
    return anchors, positives, negatives


def adaptive_triplets(
    points: Float32Array, people: np.ndarray, rng: np.random.Generator
) -> Triplets:
    """The same, with harder faces more often: far ones of the person, near ones of others.

    Args:
        points: (n, d), where the faces lie now.
        people: (n,), whose they are, each at least twice.
        rng: decides.
    """
    index = NearestNeighbors(n_neighbors=min(NEIGHBOURS, len(points))).fit(points)
    nearest = index.kneighbors(points, return_distance=False)
    anchors, positives, negatives = random_triplets(points, people, rng)
    for place, k in enumerate(anchors):
        if rng.random() < HARDER:
            own = np.flatnonzero((people == people[k]) & (np.arange(len(people)) != k))
            distances = np.square(points[own] - points[k]).sum(1)
            positives[place] = _by_rank(own[np.argsort(-distances, kind="stable")], rng)
        others = nearest[k][people[nearest[k]] != people[k]]
        if rng.random() < HARDER and len(others):
            negatives[place] = _by_rank(others, rng)
    return anchors, positives, negatives


SAMPLINGS: dict[str, Callable[[Float32Array, np.ndarray, np.random.Generator], Triplets]] = {
    "random": random_triplets,
    "adaptive": adaptive_triplets,
}


def _by_rank(candidates: np.ndarray, rng: np.random.Generator) -> int:
    """One of them, the first ones more likely."""
    chances = 1 / (np.arange(len(candidates)) + 1)
    return int(rng.choice(candidates, p=chances / chances.sum()))
