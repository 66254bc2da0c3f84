"""The gradient vanishes on its way to the first layers.

Checks: the size of the gradient beside the size of the weight, layer by layer, over the steps
looked at; and for plain recurrent networks the largest eigenvalue of the recurrent weights raised
to the length of the sequence.

Why: each saturating activation and each small weight shrinks the gradient. Layers that get a
thousandth of the others' gradient do not learn.

Evidence: statistical, so it alarms only when the run does badly. The first third of the weights
must have a median gradient-to-weight ratio below a thousandth of the largest layer's. The ratio is
free of scale: converged runs, tiny losses and Adam do not matter. For recurrent networks, an
eigenvalue whose power over the sequence is below one millionth (Pascanu et al. 2013).

Wrong when: the first layers are meant to stand still (fine-tuning), which is not counted as they
are frozen; embeddings of rare tokens.

Cure: ReLU or GELU with He initialisation; normalisation; residual connections; LSTM or GRU.
"""

from __future__ import annotations

from statistics import median

from gradatim.core.finding import Where
from gradatim.doctor.facts import Facts
from gradatim.doctor.outcome import outcome
from gradatim.doctor.rule import Answer, Rule, found, number

RATIO = 1e-3
POWER = 1e-6
_CURES = (
    ("use an activation that does not saturate, with its initialisation", "nn.ReLU()"),
    ("or normalise between the layers", "nn.BatchNorm1d(units)"),
)


def relative_gradients(facts: Facts, early: bool = False) -> dict[str, float]:
    """Return gradient divided by weight for every weight, in the order of the model."""
    gradients, weights = facts.by_parameter("gradient", early), facts.by_parameter("weight", early)
    order = [name for name in facts.parameters if name in gradients]
    return {
        name: gradients[name] / weights[name]
        for name in order
        if len(facts.parameters[name]["shape"]) >= 2 and weights[name] > 0
    }


def by_depth(facts: Facts) -> tuple[str, float, float] | None:
    """Return the first weight, its layers' typical ratio and the largest, where they vanish."""
    ratios = list(relative_gradients(facts, early=True).items())
    if len(ratios) < 4:
        return None
    first = ratios[: max(1, len(ratios) // 3)]
    typical, largest = median(value for _, value in first), max(value for _, value in ratios)
    if largest <= 0 or typical >= RATIO * largest:
        return None
    return first[0][0], typical, largest


def _through_time(facts: Facts) -> tuple[str, float, int] | None:
    for event in facts.forwards:
        for call in event["calls"]:
            radius, length = call.get("radius"), call.get("length")
            if call["kind"] == "RNN" and radius is not None and radius**length < POWER:
                return call["name"], radius, length
    return None


def judge(facts: Facts) -> Answer:
    """Compare the layers, where the run does badly."""
    if not outcome(facts).bad:
        return []
    depth = by_depth(facts)
    if depth is not None:
        name, typical, largest = depth
        return [
            found(
                "vanishing-gradient",
                "the first layers get less than a thousandth of the others' gradient",
                number("gradient / weight, first layers", typical, RATIO * largest, None),
                number("gradient / weight, largest layer", largest),
                where=Where(name.rpartition(".")[0], name),
                step=1,
                cures=_CURES,
            )
        ]
    time = _through_time(facts)
    if time is not None:
        module, radius, length = time
        return [
            found(
                "vanishing-gradient",
                f"over {length} time steps a gradient through this recurrent network vanishes",
                number("largest eigenvalue of the recurrent weights", radius, 0.9, 1.1),
                number("its power over the sequence", radius**length, POWER, None),
                where=Where(module),
                step=1,
                cures=[
                    ("use a gated network", "nn.LSTM(...)"),
                    ("or orthogonal recurrent weights", "nn.init.orthogonal_(rnn.weight_hh_l0)"),
                ],
            )
        ]
    return []


RULE = Rule("vanishing-gradient", judge, needs=("update",), least_steps=8)
