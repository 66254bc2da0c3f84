"""Does the run do badly? Statistical findings may alarm only if it does.

Nobody tells the doctor what was hoped for, so the yardstick is the loss of an answer that ignores
the input: the entropy of the labels, or the variance of the targets. A run does badly when, after
enough steps, it has not beaten that by a tenth; when its loss is not finite; or when the loss has
risen far above where it was. Where no yardstick is known (losses written by hand that cannot be
read, several players, moving targets), the answer is None: nothing is known, and nothing alarms.

The tenth and the numbers of steps are proposals of the fault vocabulary, checked on the
development half of the open benchmark.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from gradatim.core.finding import Evidence
from gradatim.doctor.facts import Facts, added

REGRESSION = ("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss")

MARGIN = 0.9
"""Share of the baseline that a run must get below."""

UNFIT = 0.7
"""Share of the baseline above which an evaluation worse than the baseline makes a run bad."""

WELL = 0.6
"""Share of the baseline below which an evaluation shows that a run does well."""

HALF = 0.5
"""Share of the baseline above which a run fits poorly."""

STEPS_AT_END = 30
"""Steps after which a finished run can be said to have failed."""

STEPS_RUNNING = 1000
"""Steps after which a run under way can be said to fail: plateaus of hundreds of steps end well."""

STEPS_TO_FALL, FALLEN_APART = 6, 3.0
"""Steps after which a shorter run can be seen to fall apart: its last third stays above so many
times its beginning and its baseline."""

ASTRONOMICAL = 1e15
"""An error that no unit of measurement explains: even of money in the millions, squared."""

RISEN = 1.5
"""A loss this many times its own smallest twentieth has risen."""


@dataclass(frozen=True)
class Outcome:
    """Whether a run does badly (None: cannot be told), and the figures that say so."""

    bad: bool | None
    why: str = ""
    evidence: tuple[Evidence, ...] = ()
    share: float | None = None  # late loss divided by the baseline
    risen: bool = False
    part: float | None = None  # the same of a criterion beside other terms: enough for a trial


def outcome(facts: Facts) -> Outcome:
    """Return how the run does."""
    gave_up = facts.refused or any(event.get("final") for event in facts.troubles)
    if facts.finished and gave_up:
        return Outcome(True, "the loss is not finite", (Evidence("loss", "not finite"),))
    if facts.steps < STEPS_AT_END or not (facts.finished or facts.steps >= STEPS_RUNNING):
        return _fallen_apart(facts)
    late, base = facts.late_loss, facts.baseline
    if late is None:
        last = facts.curve[-1][1] if facts.curve else 0.0
        if not math.isfinite(last):
            return Outcome(True, "the loss is not finite", (Evidence("loss", repr(last)),))
        return Outcome(None, "no loss was seen")
    if base is None and facts.criterion in REGRESSION and late > ASTRONOMICAL:
        seen = Evidence("training loss", late, (0.0, ASTRONOMICAL))
        return Outcome(True, "the loss is astronomical", (seen,))
    if base is None:
        first = facts.first_loss
        moving = facts.several_players or facts.targets_move
        if facts.criterion in REGRESSION and not moving and first and late > 0.9 * first:
            seen = Evidence("training loss", late, (0.0, 0.9 * first))
            return Outcome(True, "the loss has hardly fallen from where it began", (seen,))
        return _by_a_part(facts)
    share = late / base
    if facts.criterion == "l1_loss":
        share = share**2  # as for squared errors: a tenth of the variance is a third of the error
    if _predicts_well(facts, base):
        return Outcome(False, "", (), share)
    beats = Evidence("training loss", late, (0.0, MARGIN * base), "nats" if _nats(facts) else "")
    if share > MARGIN:
        return Outcome(True, "the loss is no better than ignoring the input", (beats,), share)
    lowest = min(facts.windows, default=late)
    if late > RISEN * lowest and late - lowest > 0.25 * base:
        risen = Evidence("training loss", late, (0.0, RISEN * lowest))
        return Outcome(True, "the loss has risen far above where it was", (risen,), share, True)
    worse = generalises_badly(facts)
    if worse is not None and share > UNFIT:
        return Outcome(
            True,
            "new samples are predicted worse than by ignoring the input",
            (worse, beats),
            share,
        )
    return Outcome(False, "", (beats,), share)


def _by_a_part(facts: Facts) -> Outcome:
    """Judge a loss of which only one term, a classification, has a yardstick.

    The run does badly only where this term is at chance and the whole has not fallen either.
    """
    part, first, late = facts.part, facts.first_loss, facts.late_loss
    if part is not None and part > 0.97 and first and late and late > 0.95 * first > 0:
        seen = Evidence("its classifying part / ignoring the input", part, (0.0, MARGIN))
        whole = Evidence("training loss", late, (0.0, 0.95 * first))
        why = "the loss has not fallen, and its classifying part ignores the input"
        return Outcome(True, why, (seen, whole), part, part=part)
    return Outcome(None, "no yardstick for this loss is known", part=part)


def _fallen_apart(facts: Facts) -> Outcome:
    """Judge a run of few steps, of which only the worst can be told: the loss has left all bounds.

    Its last third lies far above both its beginning and the baseline, or is not finite.
    """
    few = Outcome(None, "too few steps")
    values = [value for _, value in facts.curve]
    if not facts.finished or len(values) < STEPS_TO_FALL or facts.several_players:
        return few
    late, start = values[-(len(values) // 3) :], max(values[0], facts.baseline or values[0])
    if not all(map(math.isfinite, late)):
        return Outcome(True, "the loss is not finite", (Evidence("loss", repr(late[-1])),))
    if start <= 0 or min(late) < FALLEN_APART * start:
        return few
    seen = Evidence("lowest of the last losses", min(late), (0.0, start))
    share = late[-1] / facts.baseline if facts.baseline else None
    return Outcome(True, "the loss has risen far above where it was", (seen,), share, True)


def unfit(facts: Facts) -> bool:
    """Say whether a run that has ended does badly, or stayed above half of the baseline.

    For faults of structure that are often harmless: beside such a fault, a poor fit is enough.
    """
    seen = outcome(facts)
    return bool(seen.bad) or (facts.finished and seen.share is not None and seen.share > HALF)


def _predicts_well(facts: Facts, base: float) -> bool:
    """Say whether new samples are predicted well, however hard training is made to be."""
    return bool(facts.evaluated) and facts.evaluated[-1][1] < WELL * base


def generalises_badly(facts: Facts) -> Evidence | None:
    """Return the last evaluation's loss when it is worse than ignoring the input."""
    if not facts.finished:
        return None
    base = facts.baseline
    if facts.evaluated and base and not facts.evaluated[-1][1] <= base:
        return Evidence("evaluation loss", facts.evaluated[-1][1], (0.0, base))
    counts = added(counts for _, counts in facts.labels)
    if facts.accuracies and sum(counts):
        accuracy, commonest = facts.accuracies[-1][1], max(counts) / sum(counts)
        if accuracy < commonest + 0.02 and commonest < 0.6:
            return Evidence("evaluation accuracy", accuracy, (commonest + 0.02, 1.0))
    return None


def _nats(facts: Facts) -> bool:
    return facts.criterion != "mse_loss"
