"""The adding problem of Hochreiter and Schmidhuber (1997, "Long short-term memory", experiment 4).

Each step holds a value from -1 to 1 and a mark. Two steps are marked 1, and the sum of their values
is to be told at the end: the answer lies up to T steps back, among steps that say nothing.
"""

from __future__ import annotations

import numpy as np

from gradatim.data.raw import RawSequences
from gradatim.data.sources import Request
from gradatim.errors import ValueRefusedError

LENGTH = 100
SHORTEST = 24
"""The second mark lies among the first T/2 - 1 steps, of which ten may hold the first."""
COUNT = 12_000
SEED = 0
SOLVED = 0.04
"""A sequence counts as solved when the answer is off by less (there)."""


def read(request: Request) -> RawSequences:
    """The sum of two marked values among T (data.length) steps; a long-lag task."""
    length = LENGTH if request.length is None else request.length
    if length < SHORTEST:
        raise ValueRefusedError(
            "data.length is too short for the adding problem",
            given=length,
            allowed=f"{SHORTEST} or more",
        )
    sequences, targets = generate(COUNT, length, SEED)
    return RawSequences(
        name="adding",
        sequences=sequences,
        targets=targets,
        features=("value", "mark"),
        notes=[
            f"the adding problem with T = {length}: {length} to {length + length // 10} steps, the "
            "answer is 0.5 + (the sum of the two values marked 1) / 4; generated, the same in "
            "every run"
        ],
        target="sum",
        length=length,
    )


def generate(count: int, length: int, seed: int) -> tuple[list[np.ndarray], np.ndarray]:
    """Return sequences ``steps x 2`` float32 and their targets ``N`` float32.

    Steps: T to T + T/10. The first mark is on one of the first ten steps, the second on one of the
    first T/2 - 1 that is not marked yet. First and last step are marked -1; should the first step
    get the mark 1, its value counts as 0.
    """
    random = np.random.default_rng(seed)
    sequences, targets = [], np.empty(count, np.float32)
    for row in range(count):
        steps = int(random.integers(length, length + length // 10 + 1))
        values = random.uniform(-1.0, 1.0, steps)
        marks = np.zeros(steps)
        marks[[0, -1]] = -1.0
        first = int(random.integers(10))
        second = int(random.integers(length // 2 - 2))
        second += second >= first  # one of the others
        marks[[first, second]] = 1.0
        if 0 in (first, second):
            values[0] = 0.0
        targets[row] = 0.5 + (values[first] + values[second]) / 4.0
        sequences.append(np.stack([values, marks], axis=1).astype(np.float32))
    return sequences, targets
