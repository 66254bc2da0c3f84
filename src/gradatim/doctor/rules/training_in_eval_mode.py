"""The model is trained while in evaluation mode.

Checks: a forward pass whose loss is trained on ran with ``model.training`` False, and the model
has dropout, or BatchNorm layers that are themselves trained.

Why: in evaluation mode dropout does nothing and BatchNorm uses its running statistics, which are
then never updated: the usual cause is ``model.eval()`` in a validation function without
``model.train()`` afterwards.

Evidence: exact. Alarms when at least three trained passes, and all of the last ones, ran in
evaluation mode, with dropout in it, or with BatchNorm that was in training mode before or whose
statistics were never estimated.

Wrong when: fine-tuning with BatchNorm deliberately frozen. So BatchNorm alone, in evaluation mode
from the first step and with statistics from elsewhere, is not reported; neither is a model of
which only the smaller part is trained, nor single modules in evaluation mode of it.

Cure: ``model.train()`` at the start of every epoch.
"""

from __future__ import annotations

from gradatim.doctor.facts import Event, Facts
from gradatim.doctor.rule import Answer, Rule, at, found, number


def _mostly_trained(facts: Facts, model: str) -> bool:
    """Say whether more than half of a model's values are trained."""
    sizes = [0, 0]
    for item in facts.models.get(model, {}).get("parameters", []):
        size = 1
        for length in item["shape"]:
            size *= length
        sizes[item["trainable"]] += size
    return sizes[1] >= sizes[0]


def _harmed(event: Event, passes: list[Event]) -> list[str]:
    """Return the modules for which evaluation mode is wrong in this pass."""
    harmed = []
    before = {
        item["name"]
        for e in passes
        if e["step"] < event["step"]
        for item in e.get("modal", [])
        if item["training"]
    }
    for item in event.get("modal", []):
        if item["training"]:
            continue
        never = item["kind"] == "batchnorm" and item.get("tracked") and item.get("batches") == 0
        if item["kind"] == "dropout" or (item["trained"] and (item["name"] in before or never)):
            harmed.append(item["name"])
    return harmed


def judge(facts: Facts) -> Answer:
    """Look for trained passes in evaluation mode."""
    findings = []
    for model in {e["model"] for e in facts.forwards}:
        passes = [e for e in facts.forwards if e["model"] == model]
        wrong = [e for e in passes if not e["training"] and _harmed(e, passes)]
        if len(wrong) < 3 or passes[-1] is not wrong[-1] or not _mostly_trained(facts, model):
            continue
        harmed = _harmed(wrong[-1], passes)
        findings.append(
            found(
                "training-in-eval-mode",
                f"{model} is trained in evaluation mode since step {wrong[0]['step']}",
                number("trained passes in evaluation mode", len(wrong), 0, 0),
                number("modules that compute the wrong thing", ", ".join(harmed[:5])),
                where=at(wrong[0], module=harmed[0]),
                step=wrong[0]["step"],
                cures=[("switch back before training goes on", "model.train()")],
            )
        )
    return findings


RULE = Rule("training-in-eval-mode", judge, needs=("forward",), least_steps=3)
