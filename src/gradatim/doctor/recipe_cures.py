"""Cures for a run of ours: a change of the recipe in place of a change of code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from gradatim.core.finding import Cure, Evidence, Finding, Where
from gradatim.doctor.diagnosis import Verdict

RATE = "training.learning_rate"
_LOWER = ("a tenth of the learning rate", f"{RATE}=/10")
_HIGHER = ("ten times the learning rate", f"{RATE}=*10")
_CLIP = ("clip the gradients", "training.clip=1")
_LONGER = ("train longer", "training.epochs=*3")
_WARM = ("a warm-up over the first tenth", "training.warmup=0.1")
_NORMAL = ("a model with normalisation and residual connections", "model.name=resnet18")
_REGULAR = (
    ("more augmentation, where the data are images", "data.erasing=0.25"),
    ("more weight decay", "training.weight_decay=0.05"),
    ("stop when validation no longer improves", "training.early_stopping=5"),
)

CURES: dict[str, tuple[tuple[str, str], ...]] = {
    "learning-rate-too-high": (_LOWER, _WARM),
    "learning-rate-too-low": (_HIGHER,),
    "non-finite": (_LOWER, _CLIP),
    "exploding-gradient": (_CLIP, _LOWER),
    "oscillating-loss": (_LOWER,),
    "vanishing-gradient": (_NORMAL,),
    "dying-relu": (_LOWER, _WARM),
    "clip-too-tight": (("do not clip, or less", "training.clip=0"),),
    "weight-decay-too-high": (("less weight decay", "training.weight_decay=0.0001"),),
    "optimiser-settings": (("the usual settings of the optimiser", "training.optimiser=adam"),),
    "schedule-bug": (("a schedule that ends with the run", "training.schedule=cosine"),),
    "batch-size-unsuited": (("another batch size", "data.batch_size=64"),),
    "batchnorm-small-batch": (("a larger batch", "data.batch_size=32"),),
    "class-imbalance": (("weigh the classes", "training.class_weights=balanced"),),
    "label-noise": (
        ("look at the labels", "gradatim audit SOURCE"),
        ("smooth the labels", "training.label_smoothing=0.1"),
    ),
    "augmentation-too-strong": (("weaken the augmentation", "data.erasing=0"),),
    "overfitting": _REGULAR,
    "under-trained": (_LONGER,),
    "underfitting": (_LONGER, ("a larger model", "model.name=resnet18")),
    "too-little-capacity": (("a larger model", "model.name=resnet18"),),
    "not-converging": (_LOWER, _LONGER),
    "train-test-leakage": (("look at the duplicates", "gradatim audit SOURCE"),),
    "target-leakage": (("look at the columns", "gradatim audit SOURCE"),),
}
"""By fault, in order of cheapness: words, and a key of the recipe (``=/10``: a tenth of what it is)
or a command."""


def for_run(verdict: Verdict, recipe: Mapping[str, Any] | None = None) -> Verdict:
    """Return a verdict on a run: its cures are changes of the recipe, its places layers.

    Args:
        verdict: what the doctor said of its Record.
        recipe: the plain values of its recipe, from which new ones are computed.
    """
    return replace(verdict, findings=[_for_run(item, recipe or {}) for item in verdict.findings])


def _for_run(finding: Finding, recipe: Mapping[str, Any]) -> Finding:
    where = Where(finding.where.module, finding.where.parameter)
    known = {
        f"{part}.{key}": value
        for part, values in recipe.items()
        if isinstance(values, Mapping)
        for key, value in values.items()
    }
    if (rate := _rate(finding.evidence)) is not None:
        known.setdefault(RATE, rate)
    cures = [Cure(says, _change(change, known)) for says, change in CURES.get(finding.name, ())]
    if not cures:
        cures = [
            Cure(
                "no choice of a recipe is known to bring this about: please report it",
                f"gradatim diagnose --explain {finding.name}",
            )
        ]
    return replace(finding, where=where, cures=cures)


def _rate(evidence: object) -> float | None:
    for item in evidence if isinstance(evidence, list | tuple) else ():
        if isinstance(item, Evidence) and item.name == "learning rate":
            return float(item.got) if isinstance(item.got, int | float) else None
    return None


def _change(change: str, known: Mapping[str, Any]) -> str:
    """Return what is put on the command line."""
    if change.startswith("gradatim "):
        return change
    key, _, value = change.partition("=")
    if value[:1] not in "*/":
        return f"--set {key}={value}"
    now, by = known.get(key), float(value[1:])
    if not isinstance(now, int | float):
        words = f"{by:g} times what it is" if value[0] == "*" else f"what it is, divided by {by:g}"
        return f"--set {key}=… ({words})"
    return f"--set {key}={now * by if value[0] == '*' else now / by:g}"
