"""Which sample belongs to which part: stratified, seeded, equal samples never on both sides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from gradatim.data.dataset import PARTS, Part, Split
from gradatim.errors import DataError, ValueRefusedError

FEWEST_SAMPLES = 10
"""Fewer samples than this cannot be split into three parts that mean anything."""

MOST_BINS = 10
"""Regression is stratified by at most this many quantile bins of the target ..."""

SAMPLES_PER_BIN = 10
"""... with at least this many samples each."""

_SALT = {"test": 1, "validation": 2, "limit": 3}  # one stream of random numbers a purpose


@dataclass(frozen=True)
class Drawn:
    """A split, with what could not be done as usual.

    Attributes:
        split: the parts.
        left_out: (index, reason) of samples that are in no part.
        notes: one sentence each.
    """

    split: Split
    left_out: tuple[tuple[int, str], ...] = ()
    notes: tuple[str, ...] = ()


def strata_of(targets: np.ndarray, classes: Sequence[str]) -> np.ndarray:
    """Return the stratum of each sample: its class, or the quantile bin of its value."""
    if classes:
        return targets.astype(np.int64)
    bins = min(MOST_BINS, max(1, len(targets) // SAMPLES_PER_BIN))
    edges = np.quantile(targets.astype(np.float64), np.linspace(0, 1, bins + 1)[1:-1])
    return np.searchsorted(edges, targets, side="right").astype(np.int64)


def draw(
    targets: np.ndarray,
    *,
    classes: Sequence[str],
    groups: np.ndarray,
    given: Sequence[Part | None] | np.ndarray | None,
    seed: int,
    validation_share: float,
    test_share: float,
) -> Drawn:
    """Split a data set; a pure function of its arguments.

    Parts that the source names are kept. What is missing is drawn from the rest: the shares asked
    for of each class (or bin of values), at least one sample of every class of three or more;
    classes of one or two stay in training.

    Args:
        targets: ``N`` class indices or values.
        classes: names of the classes; empty for regression.
        groups: ``N`` integers; equal samples share one and stay together.
        given: the part the source puts each sample in, or None.
        seed: of what is drawn.
        validation_share: share of the samples that the source puts into no held-out part; used
            when the source has no validation part.
        test_share: likewise for the test part.

    Raises:
        ValueRefusedError: a share is not between 0 and 1, or both leave nothing to learn from.
        DataError: too few samples, or no training samples.
    """
    _check_shares(validation_share, test_share)
    count = len(targets)
    if count < FEWEST_SAMPLES:
        raise DataError(
            f"{count} usable samples are too few",
            allowed=f"at least {FEWEST_SAMPLES}",
            next_step="add samples; the audit lists those that cannot be used",
        )
    part = np.array([None] * count if given is None else list(given), dtype=object)
    named = [name for name in PARTS if (part == name).any()]
    left_out = _separate_equal_samples(part, groups)
    part[[index for index, _ in left_out]] = "nowhere"
    part[part == None] = "train"  # noqa: E711 - an element-wise comparison
    strata = strata_of(targets, classes)
    shares = {"test": test_share, "validation": validation_share}
    drawn = {name: share for name, share in shares.items() if name not in named}
    pool = np.flatnonzero(part == "train")
    if len(pool) == 0:
        raise DataError(
            "the source has no training samples",
            given=", ".join(named),
            next_step="add a part named train",
        )
    sizes = _sizes(strata[pool])
    for name, share in drawn.items():
        pool = np.flatnonzero(part == "train")
        part[_take(pool, strata, groups, _wanted(sizes, share), [seed, _SALT[name]])] = name
    indices = {name: np.flatnonzero(part == name) for name in PARTS}
    for name in PARTS:
        if len(indices[name]) == 0:
            raise DataError(
                f"no sample is left for the part {name}",
                next_step="add samples: a class needs three or more that are not equal",
            )
    split = Split(**indices, origin=_origin(named, drawn, seed, bool(classes)))
    return Drawn(split, tuple(left_out), tuple(_notes(strata, split, classes, drawn)))


def limited(
    split: Split, targets: np.ndarray, classes: Sequence[str], limit: int, seed: int
) -> Split:
    """Return the split with at most ``limit`` training samples, drawn stratified."""
    train = split.train
    if limit >= len(train):
        return split
    strata = strata_of(targets[train], classes)
    present = np.unique(strata)
    if limit < len(present):
        raise ValueRefusedError(
            "data.limit is smaller than the number of classes",
            given=limit,
            allowed=f"at least {len(present)}",
        )
    rng = np.random.default_rng([seed, _SALT["limit"]])
    order = rng.permutation(len(train))
    # The j-th sample of a stratum of n gets the place (j + 1/2) / n on a line from 0 to 1;
    # the first `limit` places hold each stratum in proportion. The very first of each come first.
    place = np.empty(len(train))
    for stratum in present:
        members = order[strata[order] == stratum]
        place[members] = (np.arange(len(members)) + 0.5) / len(members)
        place[members[0]] = -1.0
    kept = np.argsort(place, kind="stable")[:limit]
    origin = f"{split.origin}; {limit:,} of {len(train):,} training samples drawn with seed {seed}"
    return replace(split, train=np.sort(train[kept]), origin=origin)


def limited_per_class(
    split: Split, targets: np.ndarray, classes: Sequence[str], limit: int, seed: int
) -> Split:
    """Return the split with at most ``limit`` training samples of each class, drawn with the seed.

    The samples of a smaller limit are among those of a larger one, so that along a curve over the
    limit samples are only added.

    Raises:
        ValueRefusedError: there are no classes, or the limit is below 1.
    """
    if not classes:
        raise ValueRefusedError(
            "data.samples_per_class needs classes",
            given=limit,
            next_step="data.limit holds the number of training samples of a regression or a text",
        )
    if limit < 1:
        raise ValueRefusedError(
            "data.samples_per_class is out of range", given=limit, allowed="1 or more"
        )
    train = split.train
    order = np.random.default_rng([seed, _SALT["limit"]]).permutation(train)
    kept = [order[targets[order] == name][:limit] for name in range(len(classes))]
    chosen = np.sort(np.concatenate(kept))
    origin = f"{split.origin}; at most {limit:,} training samples a class, drawn with seed {seed}"
    return replace(split, train=chosen, origin=origin)


def _check_shares(validation_share: float, test_share: float) -> None:
    for key, share in (("validation_share", validation_share), ("test_share", test_share)):
        if not 0.0 < share < 1.0:
            raise ValueRefusedError(f"data.{key} is out of range", given=share, allowed="0 to 1")
    if validation_share + test_share >= 1.0:
        raise ValueRefusedError(
            "data.validation_share and data.test_share leave nothing to learn from",
            given=f"{validation_share:g} + {test_share:g}",
            allowed="a sum below 1",
        )


def _separate_equal_samples(part: np.ndarray, groups: np.ndarray) -> list[tuple[int, str]]:
    """Return the samples to leave out because an equal one lies in a part that is measured on.

    Copies in the test part stay; copies of them elsewhere go; then likewise for validation.
    Samples without a part join the equal ones that have one only if that part is train.
    """
    left_out: list[tuple[int, str]] = []
    gone = np.zeros(len(part), dtype=bool)
    for kept in ("test", "validation"):
        held = np.unique(groups[(part == kept) & ~gone])
        doubled = np.isin(groups, held) & (part != kept) & ~gone
        for index in np.flatnonzero(doubled):
            own = part[index] or "train"
            left_out.append(
                (int(index), f"an equal sample is in the part {kept}; this is in {own}")
            )
        gone |= doubled
    return sorted(left_out)


def _sizes(strata: np.ndarray) -> dict[int, int]:
    values, counts = np.unique(strata, return_counts=True)
    return dict(zip(values.tolist(), counts.tolist(), strict=True))


def _wanted(sizes: dict[int, int], share: float) -> dict[int, int]:
    """Return how many samples of each stratum are to be drawn.

    The total is the share of all samples, rounded; strata get the whole part of theirs and those
    with the largest remainders one more (the method of Hamilton). A stratum of three or more gets
    at least one, a smaller one none.
    """
    able = {stratum: size for stratum, size in sizes.items() if size >= 3}
    wanted = {stratum: int(size * share) for stratum, size in able.items()}
    left = int(sum(able.values()) * share + 0.5) - sum(wanted.values())
    remainders = sorted(
        able, key=lambda stratum: (wanted[stratum] - able[stratum] * share, stratum)
    )
    for stratum in remainders[:left]:
        wanted[stratum] += 1
    return {stratum: max(1, count) for stratum, count in wanted.items()}


def _take(
    pool: np.ndarray,
    strata: np.ndarray,
    groups: np.ndarray,
    wanted: dict[int, int],
    seed: list[int],
) -> np.ndarray:
    """Return the samples drawn from the pool, whole groups at a time.

    A group belongs to the stratum of its first sample; one group of each stratum is always left.
    """
    rng = np.random.default_rng(seed)
    _, first, inverse, counts = np.unique(
        groups[pool], return_index=True, return_inverse=True, return_counts=True
    )
    stratum_of_group = strata[pool[first]]
    taken = np.zeros(len(first), dtype=bool)
    for stratum in np.unique(stratum_of_group):
        members = rng.permutation(np.flatnonzero(stratum_of_group == stratum))
        goal, have = wanted.get(int(stratum), 0), 0
        for group in members[:-1]:
            # The first may be a little too large.
            most = goal if have else 2 * goal
            if have + counts[group] <= most:
                taken[group] = True
                have += int(counts[group])
            if have >= goal:
                break
    drawn: np.ndarray = pool[taken[inverse]]
    return drawn


def _origin(named: list[Part], drawn: dict[str, float], seed: int, classes: bool) -> str:
    by = "class" if classes else "quantiles of the target"
    pieces = []
    if named:
        pieces.append(f"{', '.join(named)} given by the source")
    if drawn:
        shares = " and ".join(f"{name} ({share:.0%})" for name, share in drawn.items())
        pieces.append(f"{shares} drawn with seed {seed}, stratified by {by}")
    return "; ".join(pieces)


def _notes(
    strata: np.ndarray, split: Split, classes: Sequence[str], drawn: dict[str, float]
) -> list[str]:
    """Say which classes are missing from a part that was drawn, and from training."""
    if not classes:
        return []
    notes = []
    held = {str(name): set(np.unique(strata[split.part(name)]).tolist()) for name in PARTS}
    for name in (*drawn, "train"):
        others = set().union(*held.values()) - held[name]
        absent = [classes[index] for index in sorted(others)]
        if absent and name == "train":
            notes.append(f"no training sample of: {', '.join(absent)}")
        elif absent:
            notes.append(f"too few samples to have one in the part {name}: {', '.join(absent)}")
    return notes
