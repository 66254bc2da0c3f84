"""The learning rate is too low.

Checks: how far one step moves the weights, over the whole run; with ``--probe``, the same script at
ten times the rate.

Why: the run would take ten or a thousand times as long.

Evidence: confirmed by a treatment, or overwhelming: the run does badly and the typical step changes
no weight by more than 1e-5 of its size, or all steps together none by more than 3 %, although
gradients are not zero. With the treatment: the
loss falls at least three times as far at ten times the rate, and the run has not got below 70 % of
its baseline.

Wrong when: fine-tuning a little is meant; then the loss begins low and nothing is reported.

Cure: three or ten times the rate; a learning-rate range test.
"""

from __future__ import annotations

from gradatim.doctor.facts import Facts
from gradatim.doctor.outcome import outcome
from gradatim.doctor.rule import Answer, Rule, Want, at, found, number
from gradatim.doctor.trial import better

SMALL = 1e-5
TRAVEL = 0.03
UNFINISHED = 0.7


def _learns(facts: Facts, weighty: list[str]) -> bool:
    """Say whether most weights have gradients to follow: a dead network is not a slow one."""
    gradients = facts.by_parameter("gradient")
    return 2 * sum(gradients.get(name, 0.0) > 0 for name in weighty) > len(weighty)


def _ratios(facts: Facts) -> dict[str, float]:
    """Return how far a typical step moves each weight that did not begin at zero, by its size."""
    updates, weights = facts.by_parameter("update"), facts.by_parameter("weight")
    weighty = [n for n in updates if len(facts.parameters.get(n, {}).get("shape", [])) >= 2]
    return {
        name: updates[name] / weights[name]
        for name in weighty
        if weights[name] > 0 and facts.parameters.get(name, {}).get("rms", 1.0) > 0
    }


def moves(facts: Facts) -> bool:
    """Say whether all steps together could have moved some weight by a noticeable part."""
    return max(_ratios(facts).values(), default=1.0) * facts.steps > 10 * TRAVEL


def judge(facts: Facts) -> Answer:
    """Judge the size of the steps, or the trial at ten times the rate."""
    badly = outcome(facts)
    share = badly.share if badly.bad is not None else badly.part
    if share is None or share < UNFINISHED or not facts.finished:
        return []
    ratios = _ratios(facts)
    weighty = list(ratios)
    largest = max(ratios.values(), default=None)
    rate = facts.rows[0][3] if facts.rows else None
    evidence = [number("learning rate", rate)]
    if largest is not None:
        evidence.append(number("one step's largest change of a weight / its size", largest, SMALL))
        evidence.append(number("the same over all steps", largest * facts.steps, TRAVEL))
    small = largest is not None and (largest < SMALL or largest * facts.steps < TRAVEL)
    sure = bool(badly.bad) and small and _learns(facts, weighty)
    gain = better(facts, "learning-rate-tenfold")
    if gain is not None:
        evidence.append(number("last loss at ten times the rate", gain.late))
        sure = sure or gain.faster >= 3.0
    if not sure:
        if gain is not None or badly.risen:
            return []
        return Want(("learning-rate-tenfold",), "the loss has hardly fallen")
    optimiser = next(iter(facts.optimisers.values()), {})
    return [
        found(
            "learning-rate-too-low",
            "the steps are too short: the loss would fall much faster at a higher rate",
            *evidence,
            *badly.evidence,
            where=at(optimiser),
            step=1,
            cures=[("ten times the learning rate", f"lr={rate * 10:g}" if rate else "lr=lr * 10")],
        )
    ]


RULE = Rule("learning-rate-too-low", judge, needs=("update",), least_steps=30)
