"""Before any step, the loss is far above that of knowing nothing.

Checks: the first training loss beside the entropy of the labels (or the variance of the targets).

Why: an untrained network should be undecided. A loss far above that means confident wrong answers:
a badly initialised head, unscaled inputs or targets, or a wrong input to the loss.

Evidence: nearly exact: more than three times the baseline at step 1. It is a symptom: an alarm only
when the run also does badly (thirty times the baseline: ends above half of it), otherwise a note.

Wrong when: fine-tuning from weights trained for something else; class weights; auxiliary losses.

Cure: follow the cause named beside it; initialise the last layer small.
"""

from __future__ import annotations

from gradatim.doctor.facts import Facts
from gradatim.doctor.outcome import outcome, unfit
from gradatim.doctor.rule import Answer, Rule, found, number

FACTOR, WILD = 3.0, 30.0


def judge(facts: Facts) -> Answer:
    """Compare the first loss with the baseline."""
    first, base = facts.first_loss, facts.baseline
    classes = facts.criterion in ("cross_entropy", "binary_cross_entropy_with_logits")
    if not classes or first is None or base is None or base < 0.3 or first < FACTOR * base:
        return []
    wild = first > WILD * base
    return [
        found(
            "initial-loss-off",
            "the untrained network is confident and wrong",
            number("loss before any step", first, 0.0, FACTOR * base, "nats"),
            number("loss of knowing only the class shares", base, None, None, "nats"),
            level="alarm" if outcome(facts).bad or (wild and unfit(facts)) else "note",
            step=1,
            cures=[("start the last layer small", "nn.init.normal_(head.weight, std=0.01)")],
        )
    ]


RULE = Rule("initial-loss-off", judge, needs=("losses", "backward"))
