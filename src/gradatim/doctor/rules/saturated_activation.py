"""Hidden sigmoid or tanh units sit at their limits, where their slope is nearly zero.

Checks: the share of a hidden layer's values within a hundredth of a limit.

Why: at its limits a sigmoid or tanh has no slope: the gradient stops there.

Evidence: statistical, so it alarms only when the run does badly: more than half of the values of a
hidden layer at the last steps looked at. Gates (results that multiply something) and the output
are not counted: they are meant to be decided.

Wrong when: hidden codes are meant to be binary.

Cure: Xavier initialisation, scaled inputs, normalisation, or ReLU.
"""

from __future__ import annotations

from gradatim.core.finding import Where
from gradatim.doctor.facts import Event, Facts
from gradatim.doctor.outcome import outcome
from gradatim.doctor.rule import Answer, Rule, found, number

SHARE = 0.5


def _hidden(event: Event) -> list[Event]:
    """Return the saturating activations before the last layer."""
    layers = event.get("layers", [])
    last = {n.rpartition(".")[0] for n in layers[-1]["parameters"]} if layers else set()
    return [
        item
        for item in event.get("activations", [])
        if "saturated" in item and not item["gate"] and item["layer"] and item["layer"] not in last
    ]


def judge(facts: Facts) -> Answer:
    """Look for saturated hidden layers, where the run does badly."""
    late = [item for event in facts.backwards[-3:] for item in _hidden(event)]
    worst = max(late, key=lambda item: item["saturated"], default=None)
    if worst is None or worst["saturated"] <= SHARE or not outcome(facts).bad:
        return []
    return [
        found(
            "saturated-activation",
            f"most values of a hidden {worst['kind']} layer are at their limits",
            number("share of saturated values", worst["saturated"], 0.0, SHARE),
            where=Where(worst["layer"]),
            step=facts.backwards[-1]["step"],
            cures=[
                ("initialise smaller", "nn.init.xavier_uniform_(layer.weight)"),
                ("standardise the inputs", "(x - mean) / std"),
            ],
        )
    ]


RULE = Rule("saturated-activation", judge, needs=("backward",), least_steps=8)
