"""The network is too small for the task.

Checks: the narrowest hidden layer beside the number of classes; with ``--probe``, whether the
network can learn one single batch by heart. A narrow layer counts where every path from the inputs
to the loss passes it: biases, gates and heads beside the main path do not.

Why: everything must pass the narrowest layer. Two units cannot keep ten classes well apart.

Evidence: the training loss ends above a quarter of the baseline, and the narrowest hidden layer has
at most a quarter as many units as there are classes (and at most four; one unit is too few for any
three); or the loss no longer falls
above a third of the baseline, and in the trial on one batch it stays above 30 %.

Wrong when: strong augmentation or dropout keep the training loss up.

Cure: wider or deeper.
"""

from __future__ import annotations

import math
from itertools import pairwise

from gradatim.core.finding import Where
from gradatim.doctor.facts import Event, Facts
from gradatim.doctor.outcome import outcome
from gradatim.doctor.rule import Answer, Rule, Want, found, number
from gradatim.doctor.rules.learning_rate_too_low import moves
from gradatim.doctor.trial import better


def _flat(facts: Facts) -> bool:
    windows = facts.windows
    if len(windows) < 12:
        return False
    quarter = len(windows) // 4
    before = sum(windows[-2 * quarter : -quarter]) / quarter
    last = sum(windows[-quarter:]) / quarter
    return before - last < 0.1 * before


def _passes_all(layer: Event, following: Event) -> bool:
    """Say whether all that the loss knows of the inputs passes a layer: no gate, head or bias.

    And the next layer is given just what it puts out, not the inputs beside it.
    """
    if not layer.get("only_way") or not following.get("input_shape"):
        return False
    return bool(math.prod(layer["shape"][1:]) == math.prod(following["input_shape"][1:]))


def judge(facts: Facts) -> Answer:
    """Look at the narrowest layer, or at the trial on one batch."""
    badly = outcome(facts)
    if badly.share is None or badly.share < 0.25 or badly.risen:
        return []
    classes = next((c["classes"] for c in facts.criteria if c.get("classes")), None)
    layers = facts.backwards[-1].get("layers", [])
    hidden: list[tuple[int, list[str]]] = [
        (math.prod(layer["shape"][1:]), layer["parameters"])
        for layer, following in pairwise(layers)
        if len(layer["shape"]) >= 2 and _passes_all(layer, following)
    ]
    hidden += [
        (math.prod(layer["input_shape"][1:]), layer["parameters"])
        for layer in layers[1:]  # what a recurrent layer or a pooling hands on
        if layer.get("only_way") and len(layer.get("input_shape") or []) >= 2
    ]
    narrow = min(hidden, default=None)
    enough = max(min(4, (classes or 0) / 4), float((classes or 0) > 2))
    sure = narrow is not None and narrow[0] <= enough
    last = facts.criteria[-1] if facts.criteria else {}
    one_number = last.get("input", {}).get("shape", [0, 0])[1:] in ([], [1])
    if narrow is not None and classes is None and one_number and len(layers) >= 3:
        sure = narrow[0] == 1 and badly.share > 0.5 and _flat(facts)
    gain = better(facts, "one-batch")
    if gain is not None and not math.isnan(gain.late) and moves(facts):
        sure = sure or (
            _flat(facts) and gain.late > 0.3 * gain.base and narrow is not None and narrow[0] <= 8
        )
    if not sure:
        if badly.share < 0.33 or not _flat(facts):
            return []
        return Want(("one-batch",), "the loss stays high") if gain is None else []
    name = next(iter(narrow[1]), None) if narrow is not None else None
    return [
        found(
            "too-little-capacity",
            "the loss no longer falls, and the network is too narrow for the task",
            number("units in the narrowest hidden layer", narrow[0] if narrow else None, classes),
            number("classes", classes),
            *badly.evidence,
            where=Where(name.rpartition(".")[0] if name else None, name),
            cures=[("more units", "nn.Linear(features, 64)")],
        )
    ]


RULE = Rule("too-little-capacity", judge, needs=("backward", "losses"), least_steps=60, at_end=True)
