"""Schedules: pure functions from the progress of a run to a factor of the learning rate.

``progress`` goes from 0 to 1. Every function takes the same arguments: ``warmup`` is the share of
the run over which the factor rises, ``every`` and ``factor`` belong to ``step``. The rate of a
step is the schedule's value at the middle of the step, so no step has the rate 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

from gradatim.core.recipe import TrainingRecipe
from gradatim.core.registry import resolve
from gradatim.training import SCHEDULES

Schedule = Callable[[float], float]

# One-cycle starts at 1/25 of the largest rate and ends at 1/10,000 of that, as in
# `torch.optim.lr_scheduler.OneCycleLR` (after Smith and Topin 2019, "Super-convergence").
START = 1 / 25
END = START / 10_000


def constant(progress: float, warmup: float, every: float, factor: float) -> float:
    """1 all along, after a linear rise from 0."""
    return _rise(progress, warmup)


def step(progress: float, warmup: float, every: float, factor: float) -> float:
    """Multiply by ``factor`` after each share ``every`` of the run."""
    return _rise(progress, warmup) * factor ** math.floor(progress / every + 1e-9)


def cosine(progress: float, warmup: float, every: float, factor: float) -> float:
    """Half a cosine from 1 to 0 (Loshchilov and Hutter 2017), after a linear rise from 0."""
    if progress < warmup:
        return progress / warmup
    return _half_cosine(1.0, 0.0, (progress - warmup) / (1 - warmup))


def one_cycle(progress: float, warmup: float, every: float, factor: float) -> float:
    """Half a cosine up from 1/25 over the share ``warmup``, half a cosine down to almost 0."""
    if progress < warmup:
        return _half_cosine(START, 1.0, progress / warmup)
    return _half_cosine(1.0, END, (progress - warmup) / (1 - warmup))


def build(recipe: TrainingRecipe) -> Schedule:
    """Return the schedule of a resolved recipe."""
    return partial(
        resolve(SCHEDULES, str(recipe.schedule), "schedule"),
        warmup=recipe.warmup,
        every=recipe.step_every,
        factor=recipe.step_factor,
    )


def _rise(progress: float, warmup: float) -> float:
    return progress / warmup if progress < warmup else 1.0


def _half_cosine(start: float, end: float, share: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * min(share, 1.0))) / 2
