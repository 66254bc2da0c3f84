"""Units of a ReLU layer are zero for every sample and can never learn again.

Checks: units whose output is zero on every sample of the last (up to six) batches looked at.

Why: where a ReLU gives zero its gradient is zero; a unit that is zero for all data is dead.

Evidence: statistical, so it alarms only when the run does badly: more than 40 % of a layer's units
dead over at least 128 samples from at least four batches. Zeros per sample do not count: half of
all values being zero is how ReLU works.

Wrong when: batches are all alike (unshuffled data): units wait for other samples.

Cure: lower the learning rate; start biases at zero; LeakyReLU or GELU.
"""

from __future__ import annotations

from gradatim.core.finding import Where
from gradatim.doctor.facts import Facts
from gradatim.doctor.outcome import outcome
from gradatim.doctor.rule import Answer, Rule, found, number

SHARE, SAMPLES, BATCHES = 0.4, 128, 4


def dead_share(facts: Facts) -> tuple[float, str | None, int, int] | None:
    """Return the largest share of dead units of a layer at the end, its name, step and samples."""
    worst = None
    for event in facts.backwards[-3:]:
        for item in event.get("activations", []):
            if item.get("samples", 0) < SAMPLES or item["batches"] < BATCHES or item["units"] < 4:
                continue
            share = item["dead"] / item["units"]
            if worst is None or share > worst[0]:
                worst = (share, item["layer"], event["step"], item["samples"])
    return worst


def judge(facts: Facts) -> Answer:
    """Look for dead units, where the run does badly."""
    worst = dead_share(facts)
    if worst is None or worst[0] <= SHARE or not outcome(facts).bad:
        return []
    share, layer, _, samples = worst
    since = next(
        (
            event["step"]
            for event in facts.backwards
            for item in event.get("activations", [])
            if item["layer"] == layer and item.get("units") and item["dead"] > SHARE * item["units"]
        ),
        None,
    )
    return [
        found(
            "dying-relu",
            "most units of a layer are zero for every sample",
            number("share of dead units", share, 0.0, SHARE),
            number("samples this rests on", samples, SAMPLES, None),
            where=Where(layer),
            step=since,
            cures=[
                ("lower the learning rate tenfold", "lr=lr / 10"),
                ("start biases at zero", "nn.init.zeros_(layer.bias)"),
                ("or use an activation that is never flat", "nn.LeakyReLU(0.01)"),
            ],
        )
    ]


RULE = Rule("dying-relu", judge, needs=("backward",), least_steps=8)
