"""Dropout removes more than the network can spare.

Checks: the probability of each dropout module in training; with ``--probe``, the same script
without dropout; where evaluations were seen, their loss beside the training loss.

Why: with p = 0.9 only a tenth of the units speak at a time; the noise drowns the signal.

Evidence: some p of 0.7 or more, and the run does badly (with 0.9 or more, a training loss above
half of the baseline is enough); or the training loss is more than half the
baseline and 1.5 times the evaluation loss; or the treatment without dropout lowers the last loss
by more than half.

Wrong when: p = 0.5 in the head of a large network, which is usual and not reported.

Cure: p between 0.1 and 0.3.
"""

from __future__ import annotations

from gradatim.core.finding import Where
from gradatim.doctor.facts import Facts
from gradatim.doctor.outcome import outcome
from gradatim.doctor.rule import Answer, Rule, Want, found, number
from gradatim.doctor.trial import better

HIGH, EXTREME = 0.7, 0.9


def judge(facts: Facts) -> Answer:
    """Look for strong dropout, and at what it costs."""
    strong = [m for m in facts.modules.values() if m["dropout"] and m.get("p", 0.0) >= HIGH]
    if not strong:
        return []
    badly = outcome(facts)
    late, base = facts.late_loss, facts.baseline
    gap = bool(
        facts.evaluated
        and late is not None
        and base is not None
        and late > 0.5 * base
        and late > 1.5 * facts.evaluated[-1][1]
    )
    gain = better(facts, "no-dropout")
    extreme = strong[0]["p"] >= EXTREME and (badly.share or 0.0) > 0.5
    sure = bool(badly.bad) or extreme or gap or (gain is not None and gain.clear)
    if not sure:
        if gain is None and (badly.share or 0.0) > 0.4:
            return Want(("no-dropout",), "strong dropout, and the loss stays high")
        return []
    evidence = [number("probability", strong[0]["p"], 0.0, HIGH), *badly.evidence]
    if facts.evaluated:
        evidence.append(number("evaluation loss", facts.evaluated[-1][1]))
    return [
        found(
            "dropout-too-high",
            "dropout removes so much that the network cannot fit the data",
            *evidence,
            where=Where(strong[0]["name"]),
            step=1,
            cures=[("drop less", "nn.Dropout(0.2)")],
        )
    ]


RULE = Rule("dropout-too-high", judge, needs=("model", "losses"), least_steps=30, at_end=True)
