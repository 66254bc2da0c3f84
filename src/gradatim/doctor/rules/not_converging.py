"""The run does not learn, and nothing that is known explains it.

Checks: the training loss at the end beside the loss of an answer that ignores the input; with
``--probe``, whether the same script learns from another seed.

Why: this is the umbrella. It stands alone only when no other alarm explains the run; where another
does, it is dropped from the list of causes.

Evidence: after at least 200 steps the training loss is above 97 % of the baseline, or not finite.

Wrong when: the task cannot be learned from these inputs at all, which is worth knowing too.

Cure: where another seed learns, a start that depends less on luck (normalisation, He
initialisation, warm-up). Else over-fit one batch first; if that fails, look at model and loss; if
it works, at the data.
"""

from __future__ import annotations

from gradatim.doctor.facts import Facts
from gradatim.doctor.outcome import outcome
from gradatim.doctor.rule import Answer, Rule, Want, found, number
from gradatim.doctor.trial import better


def judge(facts: Facts) -> Answer:
    """Say that nothing was learned."""
    badly = outcome(facts)
    if not badly.bad or badly.share is None or badly.share < 0.97:
        return []
    gain = better(facts, "another-seed")
    evidence = [*badly.evidence, number("steps", facts.steps, 200, None)]
    cures = [("over-fit a single batch first", "for _ in range(200): step(x[:16], y[:16])")]
    if gain is not None:
        evidence.append(number("last loss from another seed", gain.late))
        if gain.much:
            cures = [("normalise between the layers", "nn.BatchNorm1d(units)"), *cures]
    finding = found("not-converging", badly.why, *evidence, cures=cures)
    return Want(("another-seed",), "it may be bad luck", [finding]) if gain is None else [finding]


RULE = Rule("not-converging", judge, needs=("losses", "backward"), least_steps=200, at_end=True)
