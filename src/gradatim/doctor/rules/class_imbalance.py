"""Some classes are so rare that the network ignores them.

Checks: how often each class occurs in the training batches seen, and how many samples of the rarest
are predicted right in the last quarter of the run, or in the last evaluation.

Why: with 99 samples to 1, always answering the first is right in 99 % of all cases.

Evidence: the rarest class is more than ten times rarer than the commonest, at least ten of its
samples were seen, and fewer than 30 % of them are predicted right. Imbalance with good recall is
healthy.

Wrong when: the rare class cannot be told apart at all.

Cure: class weights; a weighted sampler; recall instead of accuracy as the measure.
"""

from __future__ import annotations

from gradatim.core.finding import Where
from gradatim.doctor.facts import Event, Facts, added
from gradatim.doctor.rule import Answer, NotSeen, Rule, at, found, number

RATIO, RECALL, LEAST = 10.0, 0.3, 10
MOST_CLASSES = 100


def _one_label_a_sample(facts: Facts) -> bool:
    """Say whether the loss has as many labels as the model has inputs."""
    given = {e["step"]: e.get("samples") for e in facts.forwards}
    pairs = [(c.get("samples"), given.get(c["step"])) for c in facts.criteria]
    return bool(pairs) and all(labels == samples for labels, samples in pairs)


def _recalls(facts: Facts) -> tuple[list[int], list[int]]:
    """Return samples and right answers per class, late in the run."""
    late: list[Event] = [c for c in facts.criteria if c["step"] > 0.6 * facts.steps]
    late = [c for c in late if c.get("labels") and c.get("right")]
    for event in facts.evaluations[-3:]:
        counted = (event.get("loss") or {}) if (event.get("loss") or {}).get("labels") else None
        counted = counted or event.get("paired")
        if counted and counted.get("labels"):
            late.append(counted)
    return added(c["labels"] for c in late), added(c["right"] for c in late)


def judge(facts: Facts) -> Answer:
    """Compare class counts and recall."""
    totals = added(counts for _, counts in facts.labels)
    totals = [count for count in totals if count]
    if len(totals) < 2:
        return NotSeen("no class labels were seen")
    if len(totals) > MOST_CLASSES or not _one_label_a_sample(facts):
        return NotSeen("labels are not one class a sample: words and pixels are never balanced")
    if max(totals) < RATIO * min(totals):
        return []
    samples, right = _recalls(facts)
    all_counts = added(counts for _, counts in facts.labels)
    rarest = min((i for i, c in enumerate(all_counts) if c), key=lambda i: all_counts[i])
    if rarest >= len(samples) or samples[rarest] < LEAST:
        return NotSeen("too few samples of the rarest class were seen")
    recall = right[rarest] / samples[rarest]
    if recall >= RECALL:
        return []
    return [
        found(
            "class-imbalance",
            f"class {rarest} is rare, and the network ignores it",
            number("commonest class / rarest class", max(totals) / min(totals), 1.0, RATIO),
            number("recall of the rarest class", recall, RECALL, 1.0),
            where=at(facts.loaders[0]) if facts.loaders else Where(),
            cures=[
                ("weigh the classes", "F.cross_entropy(logits, y, weight=1 / counts)"),
                ("or draw rare samples more often", "WeightedRandomSampler(weights, n)"),
            ],
        )
    ]


RULE = Rule("class-imbalance", judge, needs=("backward",), least_steps=50, at_end=True)
