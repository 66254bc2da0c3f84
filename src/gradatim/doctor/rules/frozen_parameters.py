"""Parameters are frozen that should learn, or nothing changes at all.

Checks: the share of values with ``requires_grad`` False; whether the last layer is frozen; whether
the optimiser owns frozen parameters.

Why: a loop that freezes a backbone easily freezes the head too; BatchNorm's statistics still move,
which hides it.

Evidence: exact, but often intended (fine-tuning, adapters): a note. An alarm when the last layer is
frozen and owned by an optimiser, and the run does badly or the treatment without freezing lowers
its last loss by more than half.

Wrong when: a fixed random head is meant.

Cure: unfreeze the layers that are new.
"""

from __future__ import annotations

import math

from gradatim.core.finding import Where
from gradatim.doctor.facts import Facts
from gradatim.doctor.outcome import outcome
from gradatim.doctor.rule import Answer, Rule, Want, found, number
from gradatim.doctor.trial import better


def judge(facts: Facts) -> Answer:
    """Look for frozen layers among those trained."""
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
    badly = outcome(facts)
    gain = better(facts, "nothing-frozen")
    sure = owned and (bool(badly.bad) or (gain is not None and gain.much))
    place = head or frozen[0]
    finding = found(
        "frozen-parameters",
        "the last layer is frozen" if head else "some parameters are frozen",
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
    if owned and not sure and gain is None and (badly.share or 0.0) > 0.3:
        return Want(("nothing-frozen",), "the last layer is frozen", [finding])
    return [finding]


RULE = Rule("frozen-parameters", judge, needs=("forward", "model"), least_steps=3)
