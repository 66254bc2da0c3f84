"""Causes before symptoms: which fault explains which.

Among the alarms of a run, one that another explains is a symptom. The primary finding is one that
nothing explains; where several are left, the order below decides, from faults of the loop and the
data to those of settings: what stands first makes what follows meaningless. No fault explains
itself by way of others, so that every chain of causes has a beginning.
"""

from __future__ import annotations

SYMPTOMS = (
    "not-converging",
    "under-trained",
    "underfitting",
    "initial-loss-off",
    "oscillating-loss",
    "dying-relu",
    "saturated-activation",
    "non-finite",
    "exploding-gradient",
    "vanishing-gradient",
)
"""What a run shows when something else is wrong; found alone, the cause is still open."""

ORDER = (
    "non-finite-input",
    "degenerate-data",
    "swapped-axes",
    "cut-graph",
    "gradients-wiped",
    "missing-zero-grad",
    "optimiser-owns-wrong-parameters",
    "unused-parameters",
    "frozen-parameters",
    "broadcast-loss",
    "flipped-loss-sign",
    "constant-output",
    "softmax-over-batch",
    "double-softmax",
    "double-sigmoid",
    "loss-input-mismatch",
    "output-range",
    "activation-on-logits",
    "symmetric-init",
    "training-in-eval-mode",
    "evaluating-in-train-mode",
    "missing-nonlinearity",
    "badly-scaled-init",
    "inputs-not-normalised",
    "targets-unscaled",
    "train-test-mismatch",
    "train-test-leakage",
    "target-leakage",
    "not-shuffled",
    "loss-reduction-sum",
    "accumulation-not-divided",
    "wrong-loss",
    "schedule-bug",
    "clip-too-tight",
    "optimiser-settings",
    "weight-decay-too-high",
    "dropout-too-high",
    "batchnorm-small-batch",
    "train-eval-gap",
    "batch-size-unsuited",
    "collapsed-feature-map",
    "learning-rate-too-high",
    "learning-rate-too-low",
    "carried-state",
    "labels-misaligned",
    "augmentation-too-strong",
    "too-little-capacity",
    "class-imbalance",
    "label-noise",
    "wrong-metric",
    "exploding-gradient",
    "vanishing-gradient",
    "non-finite",
    "saturated-activation",
    "dying-relu",
    "oscillating-loss",
    "overfitting",
    "initial-loss-off",
    "under-trained",
    "underfitting",
    "not-converging",
)
"""Every name, the likeliest root first."""

_DIVERGING = {"non-finite", "exploding-gradient", "dying-relu", "oscillating-loss"}
_DIVERGING |= {"saturated-activation", "not-converging", "initial-loss-off"}
_IDLE = {"not-converging", "under-trained", "underfitting"}
_STUCK = _IDLE | {"learning-rate-too-low"}

EXPLAINS: dict[str, set[str]] = {
    "learning-rate-too-high": (_DIVERGING | {"vanishing-gradient"}) - {"initial-loss-off"},
    "initial-loss-off": _DIVERGING - {"exploding-gradient"},
    "carried-state": _STUCK | {"labels-misaligned"},
    "degenerate-data": {"target-leakage", "overfitting"},
    "batch-size-unsuited": _DIVERGING | _STUCK | {"learning-rate-too-high", "vanishing-gradient"},
    "loss-reduction-sum": _DIVERGING | {"learning-rate-too-high", "vanishing-gradient"},
    "accumulation-not-divided": _DIVERGING | {"learning-rate-too-high", "vanishing-gradient"},
    "inputs-not-normalised": _DIVERGING | _STUCK | {"learning-rate-too-high", "vanishing-gradient"},
    "targets-unscaled": _DIVERGING | _STUCK | {"learning-rate-too-high"},
    "badly-scaled-init": _DIVERGING | _STUCK | {"vanishing-gradient", "learning-rate-too-high"},
    "symmetric-init": _DIVERGING | _STUCK | {"vanishing-gradient", "learning-rate-too-high"},
    "vanishing-gradient": _IDLE | {"saturated-activation"},
    "exploding-gradient": _DIVERGING,
    "dying-relu": _IDLE | {"vanishing-gradient"},
    "saturated-activation": _IDLE,
    "non-finite-input": _DIVERGING | _STUCK | {"non-finite", "learning-rate-too-high"},
    "output-range": _STUCK | _DIVERGING | {"targets-unscaled", "learning-rate-too-high"},
    "optimiser-settings": _DIVERGING | _STUCK | {"learning-rate-too-high"},
    "missing-zero-grad": _DIVERGING | _STUCK | {"learning-rate-too-high", "vanishing-gradient"},
    "not-shuffled": {"oscillating-loss", "train-eval-gap", "train-test-mismatch", "overfitting"}
    | {"labels-misaligned", "learning-rate-too-high"},
    "schedule-bug": _DIVERGING | _STUCK | {"learning-rate-too-high"},
    "training-in-eval-mode": {"train-eval-gap", "labels-misaligned", "overfitting"},
    "evaluating-in-train-mode": {"labels-misaligned", "overfitting"},
    "train-eval-gap": {"labels-misaligned", "overfitting"},
    "train-test-mismatch": {"labels-misaligned", "overfitting", "train-eval-gap"},
    "target-leakage": {"labels-misaligned", "overfitting", "train-test-mismatch"},
    "batchnorm-small-batch": {"labels-misaligned", "overfitting", "train-eval-gap"},
    "labels-misaligned": _IDLE | {"overfitting"},
    "overfitting": _IDLE | {"oscillating-loss"},
    "clip-too-tight": _STUCK,
    "too-little-capacity": _STUCK,
    "dropout-too-high": _STUCK,
    "weight-decay-too-high": _STUCK
    | {"vanishing-gradient", "dying-relu", "learning-rate-too-high"},
}

_NOTHING_ELSE = {"labels-misaligned", "overfitting"}
"""No symptoms, and yet no cause of gradients that explode or units that die."""


def explains(cause: str, symptom: str) -> bool:
    """Say whether one fault explains another."""
    if cause == symptom:
        return False
    if symptom in EXPLAINS.get(cause, ()):
        return True
    if {cause, symptom} & {"vanishing-gradient", "saturated-activation"} and (
        "labels-misaligned" in (cause, symptom)
    ):
        return symptom == "labels-misaligned"  # what learns nothing loses nothing by shuffling
    if symptom == "labels-misaligned":  # nothing else is wrong, and yet nothing is learned
        return ORDER.index(cause) < ORDER.index(symptom)
    if cause == "learning-rate-too-high" and symptom == "initial-loss-off":
        return False  # it was so before any step
    # Any fault of structure or data explains that a run learns nothing or falls apart.
    return symptom in SYMPTOMS and cause not in SYMPTOMS and cause not in _NOTHING_ELSE
