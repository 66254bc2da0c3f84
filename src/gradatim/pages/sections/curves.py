"""Learning curves of the model that is kept, and behind a fold those of the others."""

from __future__ import annotations

from collections.abc import Iterator

from gradatim.charts import figures, learning_rate, loss, metric
from gradatim.core.page import Block, Fold, Heading, Text
from gradatim.core.record import Record
from gradatim.pages.run_folder import RunFolder


def blocks(run: RunFolder) -> Iterator[Block]:
    """Yield the section; nothing while no step was taken."""
    others = _others(run)
    own = run.trained
    if len(own.of("step")) < 2:
        if not others:
            return
        best = max(others, key=lambda other: other[0])
        others.remove(best)
        _, name, own = best
        yield Heading("Learning curves", "curves")
        yield Text(f"{run.spoken} has no learning curve. These are the curves of {name}.")
    else:
        yield Heading("Learning curves", "curves")
    yield loss.chart(own)
    if own.of("epoch"):
        yield metric.chart(own)
    yield Fold("Learning rate and plan", list(_plan(run, own)))
    if others:
        charts: list[Block] = []
        for _, name, record in others:
            charts += [Heading(name), loss.chart(record)]
        yield Fold("Loss of the other rungs", charts)


def _plan(run: RunFolder, own: Record) -> Iterator[Block]:
    for event in (*run.record.of("plan"), *(own.of("plan") if own is not run.record else [])):
        if event.get("reason"):
            yield Text(str(event["reason"]))
    end = own.last("end")
    if end is not None:
        ended = str(end.get("reason", "finished")).replace("-", " ")
        yield Text(
            f"Ended after {figures.count(end.get('step'))} steps, {end.get('epoch')} epochs and "
            f"{figures.seconds(end.get('seconds'))}: {ended}."
        )
    yield learning_rate.chart(own)


def _others(run: RunFolder) -> list[tuple[float, str, Record]]:
    """Return the rungs, other than the one kept, that were trained by steps, with their metric."""
    found = []
    for rung in run.rungs:
        record = run.record_of(rung) if rung is not run.best else None
        if record is not None and len(record.of("step")) > 1:
            found.append((float(rung["validation"]["value"]), str(rung["model"]), record))
    return found
