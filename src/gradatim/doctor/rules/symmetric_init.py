"""Weights begin equal, so all units of a layer stay copies of one another.

Checks: all rows of a trained weight are equal at the start, its rows get equal gradients, and
after several steps they are still equal.

Why: units with the same weights compute the same value and get the same gradient. A layer of any
width is then worth one unit; with all weights zero, nothing but the last bias learns.

Evidence: exact. Alarms when two weights, or one hidden weight together with a uniform one, stay
equal over at least three steps. Weights that begin at zero and become different (LoRA, zero-init
residual branches, zero heads) are not reported.

Wrong when: a layer is not used by the loss at all; then ``unused-parameters`` speaks.

Cure: leave PyTorch's initialisation, or use He or Xavier.
"""

from __future__ import annotations

from gradatim.core.finding import Where
from gradatim.doctor.facts import Facts
from gradatim.doctor.rule import Answer, NotSeen, Rule, found, number


def judge(facts: Facts) -> Answer:
    """Look for weights whose rows never become different."""
    steps = [e for e in facts.updates if "equal_rows" in e][:8]
    if len(steps) < 3:
        return NotSeen("fewer than three steps were measured")
    begins = {n for n, item in facts.parameters.items() if item.get("equal_rows")}
    begins |= {n for n in steps[0]["equal_rows"] if n in steps[0]["equal_gradients"]}
    stays = {name for e in steps[2:] for name in e["equal_rows"]}
    stays = {n for n in stays if all(n in e["equal_rows"] for e in steps[2:])}
    equal = {n for n in stays if all(n in e["equal_gradients"] for e in steps[2:])}
    names = [
        n for n in facts.parameters if n in begins & equal and facts.parameters[n]["trainable"]
    ]
    uniform = [n for n in facts.parameters if n in begins and n not in names]
    if not names or len(names) + len(uniform) < 2:
        return []
    return [
        found(
            "symmetric-init",
            "all units of a layer began equal and stay equal: the layer is worth one unit",
            number("weights whose rows stay equal", len(names), 0, 0),
            number("size at the start", facts.parameters[names[0]].get("rms")),
            where=Where(names[0].rpartition(".")[0], names[0]),
            step=1,
            cures=[
                (
                    "initialise at random",
                    "nn.init.kaiming_normal_(layer.weight, nonlinearity='relu')",
                )
            ],
        )
    ]


RULE = Rule("symmetric-init", judge, needs=("update",), least_steps=3)
