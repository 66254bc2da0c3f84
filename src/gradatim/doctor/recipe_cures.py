"""Cures for a run of ours: a change of the recipe in place of a change of code."""

from __future__ import annotations

from dataclasses import replace

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


def for_run(verdict: Verdict) -> Verdict:
    """Return a verdict on a run: its cures are changes of the recipe, its places layers."""
    return replace(verdict, findings=[_for_run(item) for item in verdict.findings])


def _for_run(finding: Finding) -> Finding:
    where = Where(finding.where.module, finding.where.parameter)
    rate = _rate(finding.evidence)
    cures = [Cure(says, _change(change, rate)) for says, change in CURES.get(finding.name, ())]
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


def _change(change: str, rate: float | None) -> str:
    """Return what is put on the command line."""
    if change.startswith("gradatim "):
        return change
    key, _, value = change.partition("=")
    if value[:1] in "*/":
        factor = float(value[1:]) if value[0] == "*" else 1 / float(value[1:])
        if key != RATE or rate is None:
            times = value[1:]
            return (
                f"--set {key}=… ({times} times as many)"
                if value[0] == "*"
                else f"--set {key}=… (a tenth)"
            )
        value = f"{rate * factor:g}"
    return f"--set {key}={value}"
