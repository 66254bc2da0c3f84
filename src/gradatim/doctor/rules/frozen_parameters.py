"""Parameters are frozen that should learn, or nothing changes at all.

Checks: the share of values with ``requires_grad`` False; whether the last layer is frozen; whether
the optimiser owns frozen parameters; whether frozen weights are still as they were drawn.

Why: a loop that freezes a backbone easily freezes the head too; BatchNorm's statistics still move,
which hides it.

Evidence: exact, but often intended (fine-tuning, adapters): a note. An alarm when the last layer is
frozen and owned by an optimiser, or most values are frozen and evenly spread (largest / size is the
square root of 3, as PyTorch draws them; trained weights have tails), and the run does badly or the
treatment without freezing lowers its last loss by more than half. An alarm, too, when at least
eight training passes were followed by backward passes and the optimiser that was made never steps.

Wrong when: a fixed random head is meant.

Cure: unfreeze the layers that are new.
"""

from __future__ import annotations

import math

from gradatim.core.finding import Where
from gradatim.doctor.facts import Event, Facts
from gradatim.doctor.outcome import outcome
from gradatim.doctor.rule import Answer, NotSeen, Rule, Want, at, found, number
from gradatim.doctor.trial import better

STEPS, PASSES = 3, 8
"""Steps that freezing can be judged from; passes that show that no step is coming."""


def _never_trained(item: Event) -> bool:
    """Say whether a weight's values are spread evenly, as PyTorch's layers begin."""
    peak, count = item.get("peak"), math.prod(item["shape"])
    return peak is not None and count >= 128 and 1.6 < peak < 1.76 and len(item["shape"]) >= 2


def _never_stepped(facts: Facts) -> Answer:
    """Look for gradients that no optimiser ever uses, although one was made."""
    idle = facts.end.get("idle") or []
    trained = [e for e in facts.backwards if e["reached"]]
    passes = [e for e in facts.forwards if e["training"]]
    if facts.steps or not idle or not facts.finished or min(len(trained), len(passes)) < PASSES:
        return []
    return [
        found(
            "frozen-parameters",
            "gradients are computed, and no optimiser ever steps: nothing is learned",
            number("backward passes", len(trained)),
            number("steps of an optimiser", 0, 1, None),
            where=at(idle[0]),
            step=1,
            cures=[("step after the backward pass", "optimizer.step()")],
        )
    ]


def judge(facts: Facts) -> Answer:
    """Look for frozen layers among those trained, or for steps that are never made."""
    if facts.steps < STEPS:
        return _never_stepped(facts) or NotSeen(f"{facts.steps} steps seen, {STEPS} needed")
    trained = {e["model"] for e in facts.forwards}
    items = [i for name in trained for i in facts.models.get(name, {}).get("parameters", [])]
    frozen = [item for item in items if not item["trainable"]]
    if not frozen:
        return []
    total = sum(math.prod(i["shape"]) for i in items)
    share = sum(math.prod(i["shape"]) for i in frozen) / max(1, total)
    weights = [item for item in items if len(item["shape"]) >= 2]
    head = weights[-1] if weights and not weights[-1]["trainable"] else None
    owned = head is not None and head["name"] in facts.owned
    untaught = [item for item in frozen if _never_trained(item)]
    badly = outcome(facts)
    gain = better(facts, "nothing-frozen")
    useless = 2 * sum(math.prod(i["shape"]) for i in untaught) > total
    suspect = owned or useless
    sure = suspect and (bool(badly.bad) or (gain is not None and gain.clear))
    place = head or (untaught or frozen)[0]
    finding = found(
        "frozen-parameters",
        "the last layer is frozen"
        if head
        else "most weights are frozen as they were drawn at random"
        if useless
        else "some parameters are frozen",
        number("share of values that are frozen", share, 0.0, 0.0),
        number(
            "frozen parameters that an optimiser owns",
            sum(i["name"] in facts.owned for i in frozen),
        ),
        *badly.evidence,
        level="alarm" if sure else "note",
        where=Where(place["name"].rpartition(".")[0], place["name"]),
        step=1,
        cures=[("unfreeze the last layer", "model.head.requires_grad_(True)")],
    )
    if suspect and not sure and gain is None and (badly.share or badly.part or 0.0) > 0.3:
        return Want(("nothing-frozen",), "layers are frozen that never learned", [finding])
    return [finding]


RULE = Rule("frozen-parameters", judge, needs=("forward", "model"), least_steps=0)
