"""Axes are swapped: batch and time, or channels and space.

Checks: a recurrent or attention module without ``batch_first`` whose first axis has the batch's
length; pictures that are far smoother when their memory is read channels-last.

Why: with batch and time swapped the network walks over the samples and mixes them. ``view`` where
``permute`` was meant cuts pictures into stripes. Both run without an error.

Evidence: exact for such modules: the batch's length is that of the loss's targets, or what the
data loaders give, and the second axis is longer than one (and no loader's batch). For pictures:
neighbours correlate by 0.2 more when read channels-last, in the batches looked at (pictures are
smooth; noise is smooth in neither reading).

Wrong when: time and batch have the same length throughout, which is not reported.

Cure: ``batch_first=True``; ``permute(0, 3, 1, 2)``.
"""

from __future__ import annotations

from statistics import median

from gradatim.core.finding import Finding
from gradatim.doctor.facts import Facts
from gradatim.doctor.rule import Answer, Rule, at, found, number

LEAST_GAIN = 0.2


def _time(facts: Facts) -> Finding | None:
    samples = {c["step"]: c.get("samples") for c in facts.criteria}
    loaded = {e["batch_size"] for e in facts.loaders if e.get("batch_size")}
    for event in facts.forwards:
        count = samples.get(event["step"])
        for call in event["calls"]:
            shape = call.get("shape") or []
            if call.get("batch_first") is not False or len(shape) != 3 or not count or count < 2:
                continue
            if shape[0] in loaded and shape[1] not in loaded:
                count = shape[0]  # one loss for each time step
            if shape[0] == count and shape[1] not in (1, count):
                return found(
                    "swapped-axes",
                    f"{call['name']} takes the batch for time: batch_first is missing",
                    number("shape of its input", " x ".join(map(str, shape))),
                    number("samples in the batch", count),
                    where=at(event, module=call["name"]),
                    step=event["step"],
                    cures=[
                        (
                            "say that the batch comes first",
                            f"nn.{call['kind']}(..., batch_first=True)",
                        )
                    ],
                )
    return None


def _space(facts: Facts) -> Finding | None:
    layouts = [item["layout"] for item in facts.inputs() if item.get("layout")]
    if len(layouts) < 3:
        return None
    gain = median(item["smooth_channels_last"] - item["smooth"] for item in layouts)
    if gain < LEAST_GAIN:
        return None
    event = next(e for e in facts.forwards if (e.get("inputs") or [{}])[0].get("layout"))
    return found(
        "swapped-axes",
        "pictures are smooth only when read channels-last: a view stands where permute was meant",
        number("correlation of neighbours", median(i["smooth"] for i in layouts), 0.5, 1.0),
        number("the same, read channels-last", median(i["smooth_channels_last"] for i in layouts)),
        where=at(event),
        step=event["step"],
        cures=[("move the axis instead of cutting anew", "x = x.permute(0, 3, 1, 2)")],
    )


def judge(facts: Facts) -> Answer:
    """Look at recurrent inputs and pictures."""
    return [finding for finding in (_time(facts), _space(facts)) if finding]


RULE = Rule("swapped-axes", judge, needs=("forward",), least_steps=3)
