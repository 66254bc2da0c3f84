"""The learning-rate schedule is not the one that was meant.

Checks: the learning rate at every step.

Why: a schedule stepped once per batch instead of once per epoch brings the rate to nothing early; a
warm-up that never ends lets it grow until the loss rises, or leaves it at nothing.

Evidence: an alarm when the rate is below a thousandth of its peak for more than half of the run and
the loss is not far below the baseline (30 %) or hardly fell afterwards; or when the rate rises to
the very end, at least fivefold, and the loss has risen from its lowest by a tenth of the baseline,
or the run does badly and never gets to a third of the rate that the optimiser was given; or when
the run does badly and the rate stays where a schedule began it, below that third: nobody steps it.

Wrong when: a learning-rate range test is meant; then it ends soon after the loss rises.

Cure: call ``scheduler.step()`` once per epoch, or set its length in steps.
"""

from __future__ import annotations

from itertools import pairwise

from gradatim.core.finding import Finding
from gradatim.doctor.facts import Facts
from gradatim.doctor.outcome import outcome
from gradatim.doctor.rule import Answer, Rule, at, found, number


def rates(facts: Facts) -> list[tuple[int, float]]:
    """Return step and learning rate of the first optimiser."""
    if not facts.rows:
        return []
    first = facts.rows[0][1]
    return [(row[0], row[3]) for row in facts.rows if row[1] == first and row[3] is not None]


def _collapsed(facts: Facts, trace: list[tuple[int, float]]) -> Finding | None:
    peak = max(rate for _, rate in trace)
    begins = next((step for step, rate in trace if rate < 1e-3 * peak), None)
    gone = sum(rate < 1e-3 * peak for _, rate in trace) / len(trace)
    share = outcome(facts).share
    if begins is None or gone < 0.5 or share is None or share < 0.3:
        return None
    scheduler = facts.schedulers[-1] if facts.schedulers else {}
    return found(
        "schedule-bug",
        "the learning rate falls to nothing in the first half of the run",
        number("share of steps below a thousandth of the peak rate", gone, 0.0, 0.5),
        number("last learning rate / peak", trace[-1][1] / peak, 1e-3, 1.0),
        where=at(scheduler),
        step=begins,
        cures=[("step the schedule once per epoch, not per batch", "scheduler.step()")],
    )


def _never_stepped(facts: Facts, trace: list[tuple[int, float]]) -> Finding | None:
    """Look for a schedule that begins with a small rate and is left there."""
    meant, badly = _meant(facts), outcome(facts)
    rate = trace[-1][1]
    still = all(other == rate for _, other in trace)
    if not facts.schedulers or not still or not meant or rate >= meant / 3 or not badly.bad:
        return None
    return found(
        "schedule-bug",
        "the schedule is never stepped: the learning rate stays where its warm-up begins",
        number("learning rate / the optimiser's", rate / meant, 1 / 3, 1.0),
        *badly.evidence,
        where=at(facts.schedulers[-1]),
        step=1,
        cures=[("step the schedule after the optimiser", "scheduler.step()")],
    )


def _meant(facts: Facts) -> float | None:
    """Return the learning rate that the optimiser was given, where a schedule works from it."""
    groups = (group for event in facts.optimisers.values() for group in event["groups"])
    rate = next((group.get("initial_lr") for group in groups), None)
    return float(rate) if rate else None


def _endless(facts: Facts, trace: list[tuple[int, float]]) -> Finding | None:
    values = [rate for _, rate in trace]
    later = values[len(values) // 5 :]
    never = _never_reached(facts, trace)
    rising = all(b >= a for a, b in pairwise(values))
    if never or not rising or later[-1] < 5 * values[0] or later[-1] < 1.5 * later[0]:
        return never
    return _overshot(facts, trace)


def _never_reached(facts: Facts, trace: list[tuple[int, float]]) -> Finding | None:
    """Look for a warm-up that the run ends within, far below the rate that was meant."""
    meant, badly = _meant(facts), outcome(facts)
    highest = max(rate for _, rate in trace)
    climbs = highest > 2 * trace[0][1]
    if not meant or not climbs or highest >= meant / 3 or not badly.bad or badly.risen:
        return None
    scheduler = facts.schedulers[-1] if facts.schedulers else {}
    return found(
        "schedule-bug",
        "the run ends within the warm-up, at a small part of the learning rate that was meant",
        number("highest learning rate / the optimiser's", highest / meant, 1 / 3, 1.0),
        *badly.evidence,
        where=at(scheduler),
        step=trace[len(trace) // 2][0],
        cures=[("a shorter warm-up", f"LinearLR(optimizer, 0.1, total_iters={len(trace) // 10})")],
    )


def _overshot(facts: Facts, trace: list[tuple[int, float]]) -> Finding | None:
    """Look for a rate that grows until the loss rises."""
    values = [rate for _, rate in trace]
    windows, base = facts.windows, facts.baseline or facts.first_loss
    if not base:
        return None
    risen = (facts.late_loss if facts.late_loss is not None else 1e9) - min(windows, default=0.0)
    if risen < 0.1 * base:
        return None
    scheduler = facts.schedulers[-1] if facts.schedulers else {}
    return found(
        "schedule-bug",
        "the learning rate rises to the end of the run, and the loss with it",
        number("last learning rate / first", values[-1] / values[0], 0.0, 5.0),
        number("loss at the end above its lowest", risen, 0.0, 0.1 * base),
        where=at(scheduler),
        step=trace[len(trace) // 2][0],
        cures=[("end the warm-up", "LambdaLR(optimizer, lambda s: min(1.0, s / warmup))")],
    )


def judge(facts: Facts) -> Answer:
    """Look at the trace of the learning rate."""
    trace = rates(facts)
    if len(trace) < 30 or max(rate for _, rate in trace) <= 0:
        return []
    finding = _collapsed(facts, trace) or _endless(facts, trace) or _never_stepped(facts, trace)
    return [finding] if finding else []


RULE = Rule("schedule-bug", judge, needs=("losses",), least_steps=30, at_end=True)
