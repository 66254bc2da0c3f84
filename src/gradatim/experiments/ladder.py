"""The ladder: rungs from the simplest model to the deepest that fits the budget.

Each rung is a run of its own under ``rungs/``, measured on the same validation samples, so that
what each step bought can be told with a paired interval. The cheap rungs share at most 15 % of the
budget; the deep rung gets all that is left.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gradatim import stats
from gradatim.core.duration import write_seconds
from gradatim.core.page import Table
from gradatim.core.recipe import Recipe
from gradatim.core.record import Record, RecordWriter
from gradatim.core.talk import Talk
from gradatim.data.dataset import Prepared
from gradatim.errors import ValueRefusedError
from gradatim.experiments.clock import Clock
from gradatim.experiments.defaults import RUNGS
from gradatim.experiments.fitting import Fitted, fit_model, seconds_per_step
from gradatim.experiments.measure import Measured, bought, measure

CHEAP_SHARE = 0.13  # of the budget for all rungs but the deep one; 0.15 is the promise
NEIGHBOUR_SHARE = 0.3  # of the cheap share, for comparing all samples with all
SHARES = {"linear": 1.0, "mlp": 1.5, "lenet": 2.5}  # how the other cheap rungs divide the rest
LEAST_EPOCHS = 4.0  # a deep net seen fewer times does worse than a smaller one: docs/why/ladder.md
WIDTHS = (64, 32, 16)  # of the residual net's first stage, widest first


@dataclass(frozen=True)
class Rung:
    """One rung that has been climbed."""

    number: int
    name: str
    fitted: Fitted
    measured: Measured
    place: Path


def climb(
    place: Path, prepared: Prepared, recipe: Recipe, clock: Clock, talk: Talk
) -> tuple[Rung, Recipe]:
    """Climb the ladder that suits the data, and return the best rung.

    Rungs that an earlier part of the same run has finished are taken as they are.

    Returns:
        the winner, and the recipe with the rungs as they were climbed.
    """
    names = RUNGS[prepared.spec.kind, prepared.spec.task]
    climbed: list[Rung] = []
    with RecordWriter(place / "record.jsonl") as record:
        told = {event["rung"] for event in Record.read(place).of("rung")}
        for number, name in enumerate(names, start=1):
            folder = place / "rungs" / f"{number:02d}-{name}"
            deep = number == len(names)
            ...
    return climbed[0], recipe
