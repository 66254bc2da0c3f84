"""The gradient vanishes on its way to the first layers.

Checks: the size of the gradient beside the size of the weight, layer by layer, over the steps
looked at; and for plain recurrent networks the largest eigenvalue of the recurrent weights raised
to the length of the sequence.

Why: each saturating activation and each small weight shrinks the gradient. Layers that get a
thousandth of the others' gradient do not learn.

Evidence: statistical, so it alarms only when the run does badly. The first third of the weights
must have a median gradient-to-weight ratio below a thousandth of the last third's. The ratio is
free of scale: converged runs, tiny losses and Adam do not matter. Weights that begin at zero, or at
a twentieth of the usual size of the others (class tokens, last layers of residual branches), are
left out, as their ratio says nothing. For recurrent networks, an
eigenvalue whose power over the sequence is below one millionth (Pascanu et al. 2013).

Wrong when: the first layers are meant to stand still (fine-tuning), which is not counted as they
are frozen; embeddings of rare tokens.

Cure: ReLU or GELU with He initialisation; normalisation; residual connections; LSTM or GRU.
"""

from __future__ import annotations

from statistics import median

from gradatim.core.finding import Where
from gradatim.core.record import number as value
from gradatim.doctor.facts import Facts
from gradatim.doctor.outcome import outcome
from gradatim.doctor.rule import Answer, Rule, found, number

RATIO = 1e-3
BEGAN_SMALL = 0.05
POWER = 1e-6
_CURES = (
    ("use an activation that does not saturate, with its initialisation", "nn.ReLU()"),
    ("or normalise between the layers", "nn.BatchNorm1d(units)"),
)


def _began_small(facts: Facts) -> set[str]:
    """Return the weights that begin at zero, or far smaller than the others."""
    sizes = {
        name: value(item["rms"])
        for name, item in facts.parameters.items()
        if len(item["shape"]) >= 2 and item.get("rms") is not None
    }
    usual = median(sizes.values()) if sizes else 0.0
    return {name for name, size in sizes.items() if size == 0 or size < BEGAN_SMALL * usual}


def relative_gradients(facts: Facts, early: bool = False) -> dict[str, float]:
    """Return gradient divided by weight for every weight, in the order of the model.

    Those that begin at zero, or far smaller than the others, are left out.
    """
    small = _began_small(facts)
    gradients, weights = facts.by_parameter("gradient", early), facts.by_parameter("weight", early)
    order = [name for name in facts.parameters if name in gradients]
    return {
        name: gradients[name] / weights[name]
        for name in order
        if len(facts.parameters[name]["shape"]) >= 2 and weights[name] > 0 and name not in small
    }


def by_depth(facts: Facts) -> tuple[str, float, float] | None:
    """Return the first weight, and the typical ratios of the first and last layers, if it vanishes.

    The first and the last third of the weights are compared.
    """
    ratios = list(relative_gradients(facts, early=True).items())
    if len(ratios) < 4:
        return None
    third = max(1, len(ratios) // 3)
    first = median(ratio for _, ratio in ratios[:third])
    last = median(ratio for _, ratio in ratios[-third:])
    if last <= 0 or first >= RATIO * last:
        return None
    return ratios[0][0], first, last


def through_time(facts: Facts) -> tuple[str, float, int] | None:
    """Return a plain recurrent network whose gradient vanishes over time, with the figures."""
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
        name, first, last = depth
        return [
            found(
                "vanishing-gradient",
                "the first layers get less than a thousandth of the last layers' gradient",
                number("gradient / weight, first layers", first, RATIO * last, None),
                number("gradient / weight, last layers", last),
                where=Where(name.rpartition(".")[0], name),
                step=1,
                cures=_CURES,
            )
        ]
    time = through_time(facts)
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
