"""Weight decay is stronger than what the data ask for.

Checks: the pull of the decay beside the gradient (or beside Adam's step, which is about the
learning rate), and what became of the weights' size.

Why: a pull towards zero larger than the gradient leaves only small weights: the network cannot fit.

Evidence: the decay is stronger in more than 80 % of the weights, and either the run does badly and
its weights have shrunk, or the treatment without decay lowers its last loss by more than half. Or
the run does badly and rate x decay is above 0.02, of SGD or where the decay is apart from the
gradient: every step takes that part of each weight.

Wrong when: weight decay of 0.1 with AdamW, which is usual, and does not meet this.

Cure: a tenth, or a hundredth, of the decay; none for biases and normalisation.
"""

from __future__ import annotations

from gradatim.core.record import number as value
from gradatim.doctor.facts import Event, Facts
from gradatim.doctor.outcome import outcome
from gradatim.doctor.rule import Answer, Rule, Want, at, found, number
from gradatim.doctor.trial import better

SHARE = 0.8
LEAST = 0.02
PER_STEP = 0.02
"""Rate x decay above which a weight that is not renewed is halved in less than 35 steps."""


def _stronger(facts: Facts, event: Event, decay: float) -> float:
    """Return the share of weights where the decay's pull exceeds what the loss asks for."""
    adaptive = event["kind"] in ("AdamW", "NAdamW", "Lion")  # the decay is apart from the gradient
    gradients, weights = facts.by_parameter("gradient"), facts.by_parameter("weight")
    known = facts.parameters
    names = [n for n in weights if len(known.get(n, {}).get("shape", [])) >= 2]
    names = [n for n in names if known[n].get("rms", 1.0) > 0]
    if not names:
        return 0.0
    pull = [decay * weights[n] > (0.02 if adaptive else gradients[n]) for n in names]
    return sum(pull) / len(pull)


def _per_step(event: Event) -> float:
    """Return by how much of its size the decay alone shortens a weight in one step."""
    if event["kind"] not in ("SGD", "AdamW", "NAdamW", "Lion"):
        return 0.0  # the decay goes through the gradient's scale
    return max(
        (g.get("lr", 0.0) * g.get("weight_decay", 0.0) for g in event["groups"]), default=0.0
    )


def _shrunk(facts: Facts) -> float:
    """Return the size of the weights at the end, relative to the start."""
    first = facts.updates[0].get("parameters", {})
    last = facts.updates[-1].get("parameters", {})
    ratios = [
        value(last[n]["weight"]) / value(first[n]["weight"])
        for n in first
        if n in last
        and value(first[n]["weight"]) > 0
        and len(facts.parameters.get(n, {}).get("shape", [])) >= 2
    ]
    return sorted(ratios)[len(ratios) // 2] if ratios else 1.0


def judge(facts: Facts) -> Answer:
    """Compare the pull of the decay with the gradient."""
    for event in facts.optimisers.values():
        decay = max((g.get("weight_decay", 0.0) for g in event["groups"]), default=0.0)
        if decay < LEAST:
            continue
        share, shrunk, badly = _stronger(facts, event, decay), _shrunk(facts), outcome(facts)
        gain = better(facts, "no-weight-decay")
        unfit = badly.bad or (badly.share or 0.0) > 0.5
        sure = (share > SHARE and bool(unfit) and shrunk < 0.7) or (gain is not None and gain.clear)
        sure = sure or (bool(badly.bad) and _per_step(event) > PER_STEP)
        if not sure:
            strong = share > SHARE and shrunk < 0.7 and (badly.share or 0.0) > 0.3
            if gain is not None or not (unfit or strong):
                return []
            return Want(("no-weight-decay",), "strong weight decay, and the loss stays high")
        return [
            found(
                "weight-decay-too-high",
                "weight decay pulls harder than the loss",
                number("weight decay", decay, 0.0, LEAST),
                number("share of weights where it is stronger", share, 0.0, SHARE),
                number("size of the weights, end / start", shrunk, 0.7, None),
                *badly.evidence,
                where=at(event),
                step=1,
                cures=[("a hundredth of the decay", f"weight_decay={decay / 100:g}")],
            )
        ]
    return []


RULE = Rule("weight-decay-too-high", judge, needs=("optimiser", "update"), least_steps=8)
