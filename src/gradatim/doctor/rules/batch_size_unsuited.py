"""The batch is too small for the learning rate, or so large that too few steps are made.

Checks: samples per step, samples in all, and steps made; with ``--probe``, the same script with
batches eight times as large.

Why: a single sample's gradient is mostly noise: at a high rate it throws the weights about. The
whole data set as one batch makes one step per epoch: too few steps for any but small problems.

Evidence: an alarm when the run does badly and steps use one or two samples; or every step uses all
samples, fewer than 100 steps were made, and the loss was still falling at the end between half of
the baseline and the baseline (or above a fifth, by 5 % from one fifth of the run to the next). With
up to eight samples a step, the treatment decides: an alarm when an eighth of the steps on batches
eight times as large end with less than half of the loss.

Wrong when: gradients are accumulated over many small batches; passes per step are counted. LBFGS
is meant for whole data sets and not judged.

Cure: 32 to 128 samples.
"""

from __future__ import annotations

from collections import Counter

from gradatim.core.finding import Where
from gradatim.doctor.facts import Facts
from gradatim.doctor.outcome import outcome
from gradatim.doctor.rule import Answer, Rule, Want, at, found, number
from gradatim.doctor.rules.under_trained import fifths
from gradatim.doctor.trial import better

SLOW, FALL = 0.2, 0.05


def samples_per_step(facts: Facts) -> int | None:
    """Return the usual number of samples that go into one step."""
    per_step: Counter[int] = Counter()
    for item in facts.criteria:
        per_step[item["step"]] += item.get("samples", 0)
    sizes = [size for size in per_step.values() if size]
    return Counter(sizes).most_common(1)[0][0] if sizes else None


def judge(facts: Facts) -> Answer:
    """Judge the number of samples per step."""
    size = samples_per_step(facts)
    badly = outcome(facts)
    if size is None:
        return []
    place = at(facts.loaders[0]) if facts.loaders else Where()
    if size <= 2 and badly.bad:
        return [
            found(
                "batch-size-unsuited",
                "each step rests on one or two samples, too few for this learning rate",
                number("samples per step", size, 8, None),
                *badly.evidence,
                where=place,
                step=1,
                cures=[("a larger batch", "batch_size=32"), ("or a lower rate", "lr=lr / 10")],
            )
        ]
    if size <= 8 and badly.bad:
        gain = better(facts, "larger-batch")
        if gain is None:
            return Want(("larger-batch",), "the run does badly on few samples a step")
        if gain.much:
            return [
                found(
                    "batch-size-unsuited",
                    "each step rests on too few samples for this learning rate",
                    number("samples per step", size, 8, None),
                    number("last loss with eight times as many", gain.late),
                    *badly.evidence,
                    where=place,
                    step=1,
                    cures=[("a larger batch", f"batch_size={8 * size}")],
                )
            ]
    repeats = facts.record.of("samples")[1:4]
    poor = bool(facts.baseline and facts.late_loss and facts.late_loss > 0.5 * facts.baseline)
    whole = bool(repeats) and all(e["again"] > 0.5 * len(e["fingerprints"]) for e in repeats)
    parts = fifths(facts)
    falling = len(parts) == 5 and parts[4] < parts[3] < parts[2]
    share = badly.share or 0.0
    poor = poor or (falling and share > SLOW and parts[4] < (1 - FALL) * parts[3])
    meant = any(e["kind"] == "LBFGS" for e in facts.optimisers.values())  # for whole data sets
    wild = poor and (facts.late_loss or 0.0) > 1.1 * (facts.baseline or 0.0)  # more is wrong
    if whole and size >= 200 and facts.steps < 100 and falling and poor and not (meant or wild):
        return [
            found(
                "batch-size-unsuited",
                "all samples go into every step, so too few steps are made",
                number("samples per step", size, None, 256),
                number("steps", facts.steps, 100, None),
                *badly.evidence,
                where=place,
                step=1,
                cures=[("mini-batches", "DataLoader(dataset, batch_size=32, shuffle=True)")],
            )
        ]
    return []


RULE = Rule("batch-size-unsuited", judge, needs=("backward",), least_steps=5, at_end=True)
