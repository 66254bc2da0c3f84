"""The model is evaluated while in training mode.

Checks: an evaluation (forward passes without gradients, apart from the training steps) ran with
``model.training`` True, and the model has dropout or BatchNorm in training mode.

Why: dropout then disturbs every prediction, and BatchNorm normalises by the evaluation batch and
learns its running statistics from it. The figures reported are not those of the model.

Evidence: exact. Alarms when every evaluation of a model seen was in training mode and at least one
called a loss, or evaluations are rarer than one in three steps.

Wrong when: dropout is kept on deliberately (Monte-Carlo dropout). It counts as declared when the
model is in evaluation mode and only the dropout modules are not, or when the same samples are
passed three times or more; re-estimating BatchNorm (momentum None, no loss) is not reported, nor
passes inside training steps (the generator of a GAN, a teacher).

Cure: ``model.eval()`` before evaluating, ``model.train()`` after it.
"""

from __future__ import annotations

from gradatim.doctor.facts import Event, Facts
from gradatim.doctor.rule import Answer, Rule, at, found, number


def _modules(event: Event) -> list[str]:
    return [
        item["name"]
        for item in event.get("modal", [])
        if item["training"] and not (item["kind"] == "batchnorm" and item["momentum"] is None)
    ]


def _repeated(event: Event) -> bool:
    """Say whether the same samples were passed three times or more."""
    prints = event.get("fingerprints", [])
    return len(prints) >= 3 * max(1, len(set(prints)))


def judge(facts: Facts) -> Answer:
    """Look for evaluations in training mode."""
    findings = []
    trained = {e["model"] for e in facts.forwards}
    for model in {e["model"] for e in facts.evaluations} & trained:
        evaluations = [e for e in facts.evaluations if e["model"] == model and e["step"] > 0]
        wrong = [e for e in evaluations if e["training"] and _modules(e) and not _repeated(e)]
        if not wrong or any(not e["training"] for e in evaluations):
            continue
        early = {e["step"] for e in wrong if e["step"] <= 8}
        if not any("loss" in e or "paired" in e for e in wrong) and len(early) > 2:
            continue
        names = _modules(wrong[0])
        findings.append(
            found(
                "evaluating-in-train-mode",
                f"{model} is evaluated in training mode",
                number("evaluations in training mode", len(wrong), 0, 0),
                number("modules that compute the wrong thing", ", ".join(names[:5])),
                where=at(wrong[0], module=names[0]),
                step=wrong[0]["step"],
                cures=[("switch modes around the evaluation", "model.eval()\n...\nmodel.train()")],
            )
        )
    return findings


RULE = Rule("evaluating-in-train-mode", judge, needs=("evaluation", "forward"))
