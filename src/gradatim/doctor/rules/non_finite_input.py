"""The data contain values that are not finite.

Checks: some values of the model's input, or of the targets, are NaN or infinite.

Why: one NaN in a batch makes the loss, then every gradient, then every weight NaN.

Evidence: exact. Alarms when the loss or a weight became non-finite as well; otherwise a note, for a
model may mask such values itself.

Wrong when: never seen together with a non-finite loss.

Cure: find and replace or drop the values; report how many there were.
"""

from __future__ import annotations

from gradatim.doctor.facts import Event, Facts
from gradatim.doctor.rule import Answer, Rule, at, found, number
from gradatim.doctor.rules.non_finite import broken_since


def _bad(event: Event) -> float:
    """Return the share of values in a pass's inputs that are not finite."""
    return max((1.0 - item.get("finite", 1.0) for item in event.get("inputs", [])), default=0.0)


def judge(facts: Facts) -> Answer:
    """Look for inputs and targets that are not finite."""
    inputs = [(e, _bad(e)) for e in facts.forwards if _bad(e) > 0]
    targets = [
        (c, 1.0 - c["target"].get("finite", 1.0))
        for c in facts.criteria
        if c.get("target", {}).get("finite", 1.0) < 1 and not c.get("by_hand")
    ]
    since = broken_since(facts)
    both = sorted(inputs + targets, key=lambda item: item[0]["step"])
    both = [item for item in both if since is None or item[0]["step"] <= since]
    if not both:
        return []
    event, share = both[0]
    return [
        found(
            "non-finite-input",
            ("the input" if inputs else "the targets") + " contain values that are not finite",
            number("share of values that are not finite", share, 0.0, 0.0),
            number("batches looked at that contain some", len(both), 0, 0),
            level="alarm" if since is not None else "note",
            where=at(event),
            step=event["step"],
            cures=[("replace or drop such samples", "X[~np.isfinite(X).all(axis=1)]")],
        )
    ]


RULE = Rule("non-finite-input", judge, needs=("forward",))
