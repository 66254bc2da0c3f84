"""A comparison as a page: which value does better, by how much, and how sure that is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from gradatim.charts import comparison as chart
from gradatim.charts import figures
from gradatim.core.page import Block, Cell, Heading, Page, Table, Text, Verdict


def page(facts: Mapping[str, Any]) -> Page:
    """Return the page of a comparison.

    Args:
        facts: of ``gradatim.compare``.
    """
    blocks: list[Block] = [_verdict(facts)]
    done = [row for row in facts["values"] if row["seeds"]]
    if done:
        blocks += [chart.chart(facts), _table(facts, done), *_notes(facts, done)]
    model = f"{facts['model']}, " if facts["model"] and facts["key"] != "model.name" else ""
    subtitle = f"{model}{facts['key']}, {_seeds(len(facts['seeds']))}"
    return Page(f"{facts['source']}: a comparison", blocks, subtitle)


def _verdict(facts: Mapping[str, Any]) -> Verdict:
    """Return what can be said of the best value: over the first or, where it is that, the next."""
    metric, key, best = str(facts["metric"]), _key(facts), facts["best"]
    if best is None:
        return Verdict("Nothing to compare yet", "fewer than two values have been measured", "note")
    first = facts["values"][0]["label"]
    other = next((row for row in best["over"] if row["label"] == first), best["over"][0])
    alike = [row["label"] for row in best["over"] if row["gain"]["verdict"] == "not told apart"]
    gain = other["gain"]
    where = (
        f"{facts['on']} {figures.name_of(metric)}, {_seeds(gain['seeds'])}, paired; "
        f"95 % interval {_range(metric, gain)}"
    )
    if alike and other["label"] not in alike:
        where += f"; not told apart from {', '.join(alike)}"
    if not facts["finished"]:
        where += "; the comparison is not finished"
    if other["label"] in alike:
        told = f"{key} = {best['label']} and {other['label']} cannot be told apart"
        return Verdict(told, where, "note")
    amount = figures.difference(metric, gain["difference"])
    told = f"{key} = {best['label']} does better than {other['label']}: {amount}"
    return Verdict(told, where, "good")


def _table(facts: Mapping[str, Any], done: list[dict[str, Any]]) -> Table:
    """Return what each value reached, and what it gained."""
    metric = str(facts["metric"])
    unit = " (points)" if figures.is_share(metric) else ""
    steps = any(row.get("step") for row in done)
    columns = [
        _key(facts),
        f"{facts['on']} {figures.name_of(metric)}",
        "95 % interval",
        "training",
        f"gain over {done[0]['label']}{unit}",
        *(["over the one above"] if steps else []),
    ]
    rows: list[list[Cell]] = [
        [
            row["label"],
            figures.metric(metric, row["mean"]),
            figures.interval(metric, row["low"], row["high"]),
            figures.metric(metric, row["train"]),
            _gain(metric, row.get("gain")),
            *([_gain(metric, row.get("step"))] if steps else []),
        ]
        for row in done
    ]
    return Table(columns, rows)


def _costs(facts: Mapping[str, Any], done: list[dict[str, Any]]) -> Table:
    columns = [_key(facts), "training samples", "epochs", "parameters", "time a fit"]
    rows: list[list[Cell]] = [
        [row["label"], row["samples"], row["epochs"], row["parameters"],
         figures.seconds(row["seconds"])]
        for row in done
    ]  # fmt: skip
    return Table(columns, rows, formats=dict.fromkeys(("training samples", "parameters"), ",d"))


def _key(facts: Mapping[str, Any]) -> str:
    return str(facts["key"]).partition(".")[2]


def _gain(metric: str, gain: Mapping[str, Any] | None) -> str:
    if not gain:
        return figures.NONE
    factor, digits = (100.0, 1) if figures.is_share(metric) else (1.0, 3)
    middle = figures.minus(factor * gain["difference"], digits, sign=True)
    return f"{middle} ({_range(metric, gain)})"


def _range(metric: str, gain: Mapping[str, Any]) -> str:
    factor, digits = (100.0, 1) if figures.is_share(metric) else (1.0, 3)
    low, high = (figures.minus(factor * gain[end], digits, sign=True) for end in ("low", "high"))
    return f"{low} to {high}"


def _notes(facts: Mapping[str, Any], done: list[dict[str, Any]]) -> Iterator[Block]:
    yield Heading("How it was compared", "how")
    yield _costs(facts, done)
    if len(facts["seeds"]) > 1:
        yield Text(
            "Each seed draws the split (where the source has none), the first weights and the "
            "order, the same for every value. An interval of a mean is Student's t over the seeds; "
            "a gain is the mean of the differences seed by seed. With few seeds the intervals are "
            "wide: that is the honest width."
        )
    else:
        yield Text(
            "One seed: the intervals hold for these samples and this one training; another seed "
            "may turn a small difference round."
        )
    if facts["on"] == "validation":
        yield Text("Measured on validation samples, so the best value may be chosen by it.")
    else:
        yield Text(
            "Measured on test samples: whoever chooses by it needs other samples to test on."
        )
    differences = len(done) - 1
    if differences > 2:
        yield Text(
            f"{differences} differences with 95 % intervals: about one in twenty misses the truth."
        )
    diverged = [
        f"{row['label']} ({row['diverged']} of {row['seeds']})" for row in done if row["diverged"]
    ]
    if diverged:
        yield Text(
            f"The loss stopped being a finite number for {', '.join(diverged)}; what counts there "
            "is the best epoch before.",
            "note",
        )


def _seeds(count: int) -> str:
    return "1 seed" if count == 1 else f"{count} seeds"
