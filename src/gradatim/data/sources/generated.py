"""Points in the plane whose classes no straight line, or just one, tells apart.

The points are always the same (a fixed seed), so that results of different runs can be compared.
"""

from __future__ import annotations

import numpy as np
from sklearn import datasets

from gradatim.data.raw import RawArrays
from gradatim.data.sources import Request

POINTS = 1000
SEED = 0


def moons(request: Request) -> RawArrays:
    """Two half circles that reach into each other, with noise of deviation 0.2."""
    points, labels = datasets.make_moons(POINTS, noise=0.2, random_state=SEED)
    return _plane("moons", points, labels, ("upper", "lower"))


def circles(request: Request) -> RawArrays:
    """A circle inside a circle of twice its radius, with noise of deviation 0.1."""
    points, labels = datasets.make_circles(POINTS, noise=0.1, factor=0.5, random_state=SEED)
    return _plane("circles", points, labels, ("outer", "inner"))


def blobs(request: Request) -> RawArrays:
    """Four round clouds of deviation 1 around the corners of a square of side 4."""
    corners = np.array([(-2.0, -2.0), (-2.0, 2.0), (2.0, -2.0), (2.0, 2.0)])
    points, labels = datasets.make_blobs(POINTS, centers=corners, random_state=SEED)
    return _plane(
        "blobs", points, labels, ("lower left", "upper left", "lower right", "upper right")
    )


def _plane(
    name: str, points: np.ndarray, labels: np.ndarray, classes: tuple[str, ...]
) -> RawArrays:
    return RawArrays(
        name=name,
        inputs=points.astype(np.float32),
        targets=labels.astype(np.int64),
        classes=classes,
        features=("x", "y"),
        notes=[f"{len(points):,} generated points, the same in every run"],
        target="class",
    )
