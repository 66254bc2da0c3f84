"""BatchNorm is given batches of very few samples.

Checks: samples per batch at BatchNorm layers in training, and what that does: the run, and the
evaluation loss beside the training loss.

Why: mean and variance of two samples are noise; in training each sample is normalised by its
neighbour, in evaluation by an average that fits neither.

Evidence: exact that batches have at most four samples. An alarm when the run does badly (above
half of the baseline is enough here, a third with two samples), or the evaluation loss is 1.5 times
the training loss and more than half of the baseline; otherwise a note.

Wrong when: feature maps are so large that few samples suffice; then evaluation does not suffer.

Cure: GroupNorm; larger batches; ``drop_last``.
"""

from __future__ import annotations

from statistics import median

from gradatim.core.finding import Where
from gradatim.doctor.facts import Facts
from gradatim.doctor.outcome import generalises_badly, outcome, unfit
from gradatim.doctor.rule import Answer, Rule, found, number

FEW = 4


def judge(facts: Facts) -> Answer:
    """Look at the batches that BatchNorm sees."""
    norms = [item for e in facts.backwards for item in e.get("batch_norms", [])]
    samples = [item["samples"] for item in norms if item["samples"]]
    if not samples or median(samples) > FEW:
        return []
    late, base = facts.late_loss, facts.baseline
    gap = bool(
        facts.evaluated
        and late is not None
        and base
        and facts.evaluated[-1][1] > 1.5 * late
        and facts.evaluated[-1][1] > 0.5 * base
    )
    # With two samples the fit may be fair and the noise still be what limits it.
    share = outcome(facts).share or 0.0
    tiny = median(samples) <= 2 and facts.finished and share > 0.3
    evidence = [number("samples per batch", median(samples), FEW + 1, None)]
    if facts.evaluated:
        evidence.append(number("evaluation loss", facts.evaluated[-1][1], 0.0, late))
    return [
        found(
            "batchnorm-small-batch",
            "BatchNorm normalises by batches of very few samples",
            *evidence,
            level="alarm" if unfit(facts) or tiny or gap or generalises_badly(facts) else "note",
            where=Where(norms[0]["layer"]),
            step=1,
            cures=[
                ("normalise without the batch", "nn.GroupNorm(8, channels)"),
                ("or use larger batches", "batch_size=32"),
            ],
        )
    ]


RULE = Rule("batchnorm-small-batch", judge, needs=("backward",), least_steps=8)
