"""The ladder: every rung with what it costs, what it reaches, and what it bought."""

from __future__ import annotations

from collections.abc import Iterator

from gradatim.charts import bought as bought_chart
from gradatim.charts import figures
from gradatim.charts import ladder as ladder_chart
from gradatim.core.page import Block, Cell, Heading, Table, Text
from gradatim.core.record import Event
from gradatim.pages.run_folder import RunFolder


def blocks(run: RunFolder) -> Iterator[Block]:
    """Yield the section; nothing for a single model."""
    if not run.rungs:
        return
    yield Heading("The ladder", "ladder")
    yield Text(
        f"From the simplest model to the deepest that fits the time. Every rung is measured on the "
        f"same validation {run.noun()}; what it bought is the difference on them, with its 95 % "
        "interval."
    )
    yield table(run.rungs, winner=(run.record.last("winner") or {}).get("rung"), noun=run.noun(1))
    yield from _weights(run)
    yield from _not_climbed(run)
    yield ladder_chart.chart(run.record)
    if any(rung.get("bought") for rung in run.rungs):
        yield bought_chart.chart(run.record)


def table(rungs: list[Event], winner: int | None = None, noun: str = "sample") -> Table:
    """Return the rungs as a table, also for the terminal while they are climbed."""
    name = str(rungs[0]["metric"]) if rungs else "accuracy"
    return Table(
        columns=[
            "rung",
            "parameters",
            figures.name_of(name),
            "95 % interval",
            "bought (points)" if figures.is_share(name) else "bought",
            "training",
            f"per {noun}",
        ],
        rows=[_row(rung, name) for rung in rungs],
        emphasis=[index for index, rung in enumerate(rungs) if rung["rung"] == winner],
    )


def _row(rung: Event, name: str) -> list[Cell]:
    validation = rung["validation"]
    return [
        str(rung["model"]),
        rung.get("parameters"),
        figures.metric(name, float(validation["value"])),
        figures.interval(name, validation.get("low"), validation.get("high")),
        _bought(rung, name),
        figures.seconds(rung.get("train_seconds")),
        figures.seconds(rung.get("prediction_seconds")),
    ]


def _weights(run: RunFolder) -> Iterator[Block]:
    """Say what the weights bought that a network started from."""
    told = [rung for rung in run.rungs if rung.get("weights_bought")]
    if told:
        name = str(told[0]["metric"])
        unit = " points" if figures.is_share(name) else ""
        parts = [f"{r['model']} {_bought(r, name, 'weights_bought')}{unit}" for r in told]
        yield Text(
            "What the weights bought, beside the same network from scratch on the same samples: "
            + "; ".join(parts)
            + "."
        )


def _bought(rung: Event, name: str, key: str = "bought") -> str:
    bought = rung.get(key)
    if not bought:
        return figures.NONE
    factor, digits = (100.0, 1) if figures.is_share(name) else (1.0, 3)
    middle, low, high = (
        figures.minus(factor * float(bought[part]), digits, sign=True)
        for part in ("difference", "low", "high")
    )
    return f"{middle} ({low} to {high})"


def _not_climbed(run: RunFolder) -> Iterator[Block]:
    skipped = run.record.of("skipped")
    if skipped:
        told = "; ".join(f"{event['model']}: {event['reason']}" for event in skipped)
        yield Text(f"Not tried: {told}.")
    notes = [f"{rung['model']}: {rung['note']}" for rung in run.rungs if rung.get("note")]
    if notes:
        yield Text("; ".join(notes) + ".")
