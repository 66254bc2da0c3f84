"""The learning rate is too high.

Checks: how far one step moves the weights in the first steps; whether the loss jumps far above
where it began; with ``--probe``, the same script at a tenth of the rate.

Why: steps longer than the curvature allows throw the weights about: the loss diverges, jumps, or
the network is pushed into a flat place (dead units) and stays there.

Evidence: confirmed by a treatment, or overwhelming: the run does badly, and either one step moves
the typical weight by more than a tenth of its size (in the first steps by more than 0.3, where
later ones move it less than 0.03: adaptive methods begin with longer steps), or within the first
half the loss exceeds three times both its beginning and the baseline. With the treatment: the run
ends above half of its baseline (or the classifying part of a loss of unknown terms does; or above
a quarter, where the loss leapt or the steps are long as above), and at a tenth of the rate its last
loss is below half of what it was, by a quarter of the baseline; after such a leap or such steps,
clearly lower is enough. The absolute rate is never judged: 0.1 is right for many networks trained
with momentum.

Wrong when: inputs or targets of a large scale make any rate too high; those are named as cause.

Cure: a third, or a tenth, of the rate; warm-up.
"""

from __future__ import annotations

import math
from statistics import median

from gradatim.doctor.facts import Facts
from gradatim.doctor.outcome import HALF, outcome, unfit
from gradatim.doctor.rule import Answer, Rule, Want, at, found, number
from gradatim.doctor.trial import better

MOVED = 0.1
JUMP = 3.0


def moved(facts: Facts, early: bool = True) -> float | None:
    """Return how far the first (or the later) steps move a typical weight, relative to its size."""
    updates, weights = facts.by_parameter("update", early), facts.by_parameter("weight", early)
    ratios = [
        updates[name] / weights[name]
        for name in updates
        if weights[name] > 0 and len(facts.parameters.get(name, {}).get("shape", [])) >= 2
    ]
    ratios = [ratio for ratio in ratios if not math.isnan(ratio)]
    return median(ratios) if ratios else None


def jump(facts: Facts) -> float | None:
    """Return the highest loss of the first half, relative to where the loss began."""
    first = facts.first_loss
    base = facts.baseline
    if first is None or not math.isfinite(first) or first <= 0:
        return None
    half = [v for s, v in facts.curve if s <= max(20, facts.steps / 2)]
    return max((v for v in half if math.isfinite(v)), default=0.0) / max(first, base or first)


def judge(facts: Facts) -> Answer:
    """Judge the first steps, or the trial at a tenth of the rate."""
    badly = outcome(facts)
    poor = unfit(facts) or (facts.finished and (badly.part or 0.0) > HALF)
    leap = jump(facts)
    leapt = leap is not None and leap > JUMP
    suspect = facts.finished and (badly.share or 0.0) > HALF / 2
    suspect = suspect and (leapt or (moved(facts) or 0.0) > MOVED)
    if not (poor or suspect) or facts.several_players:
        return []
    if any(trouble.get("hazards") for trouble in facts.troubles):
        return []  # a formula broke, at whatever rate
    rate = facts.rows[0][3] if facts.rows else None
    step = moved(facts)
    evidence = [number("learning rate", rate)]
    sure = False
    if step is not None and step > MOVED:
        # Adaptive methods take longer steps at first; those alone do no harm.
        later = moved(facts, early=False) or 0.0
        sure = bool(badly.bad) and (step > 3 * MOVED or later > MOVED / 3)
        evidence.append(number("one step's change of a weight / its size", step, 0.0, MOVED))
    if leapt:
        sure = bool(badly.bad)
        evidence.append(number("highest loss / first loss", leap, 0.0, JUMP))
    gain = better(facts, "learning-rate-tenth")
    if gain is not None:
        evidence.append(number("last loss at a tenth of the rate", gain.late, None, None))
        strange = leapt or (step is not None and step > MOVED)
        sure = sure or gain.much or (strange and gain.clear)
    if not sure:
        if gain is not None:
            return []
        return Want(("learning-rate-tenth",), "the run does badly")
    optimiser = next(iter(facts.optimisers.values()), {})
    return [
        found(
            "learning-rate-too-high",
            "the steps are too long for this loss",
            *evidence,
            *badly.evidence,
            where=at(optimiser),
            step=1,
            cures=[
                ("a tenth of the learning rate", f"lr={rate / 10:g}" if rate else "lr=lr / 10"),
                ("a warm-up over the first steps", "LinearLR(optimizer, 0.1, total_iters=100)"),
            ],
        )
    ]


RULE = Rule("learning-rate-too-high", judge, needs=("update",), least_steps=2)
