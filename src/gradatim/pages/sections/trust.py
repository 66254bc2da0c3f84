"""May its probabilities be believed; and for numbers, predicted against true."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from gradatim.charts import boundary, calibration, figures, predicted
from gradatim.core.page import Block, Cell, Heading, Table, Text
from gradatim.core.record import Event
from gradatim.errors import RunError
from gradatim.pages.run_folder import RunFolder


def blocks(run: RunFolder) -> Iterator[Block]:
    """Yield calibration, the regression's scatter and the decision boundary, where known."""
    test = run.test
    if test is not None and test["metric"] == "bits-per-character":
        yield from language(test, run.noun())
        yield from _continuations(run)
    elif test is not None and run.is_regression:
        yield from _regression(run, test)
    elif test is not None and test.get("calibration"):
        yield from calibrated(test["calibration"])
    if run.boundary is not None:
        yield Heading("Decision boundary", "boundary")
        yield boundary.chart(run.boundary)


def calibrated(facts: Event) -> Iterator[Block]:
    """Yield what the bins of the given probabilities say."""
    filled = [item for item in facts["bins"] if item["count"]]
    total = sum(item["count"] for item in filled)
    if not total:
        return
    said = sum(item["count"] * item["confidence"] for item in filled) / total
    right = sum(item["count"] * item["accuracy"] for item in filled) / total
    if abs(said - right) <= 1.96 * math.sqrt(right * (1 - right) / total):
        lean = "as sure as it is right, within the noise of the samples"
    else:
        lean = "more sure than right" if said > right else "right more often than it says"
    yield Heading("Calibration", "calibration")
    yield Text(
        f"On average it gives its answer {figures.percent(said)} and is right "
        f"{figures.percent(right)} of the time: {lean}. The expected calibration error, the mean "
        f"distance between the two, is {figures.percent(float(facts['error']))}."
    )
    yield calibration.chart(facts)


def _regression(run: RunFolder, test: Event) -> Iterator[Block]:
    name, unit = run.target
    yield Heading("Predictions", "predictions")
    yield errors(test, run.noun(), run.target)
    pairs = _predictions(run)
    if pairs is not None:
        yield predicted.chart(*pairs, target=name, unit=unit)


def language(test: Event, noun: str) -> Iterator[Block]:
    """Yield the measures of a model of the next character with their intervals."""
    facts = test.get("language") or {}
    bits = figures.interval(test["metric"], test.get("low"), test.get("high"))
    rows: list[list[Cell]] = [["bits per character", figures.minus(float(test["value"]), 3), bits]]
    if facts.get("perplexity") is not None:
        shown = figures.significant(facts["perplexity"], 4)
        rows.append(["perplexity, 2 to this power", shown, _ends(facts.get("interval"))])
    caption = (
        f"On {test['samples']:,} test {noun}, {figures.count(facts.get('characters'))} characters"
    )
    yield Heading("Foretelling", "foretelling")
    yield Table(["measure", "value", "95 % interval"], rows, caption=caption)


def _continuations(run: RunFolder) -> Iterator[Block]:
    """Yield how the model continues a text."""
    events = run.record.of("continuation")
    if events:
        yield Heading("Continued", "continued")
        yield Text(f"It was given: {events[0]['prompt']}")
    for event in events:
        yield Text(f"At temperature {float(event['temperature']):g} it went on:", "plain")
        lines: list[Block] = [Text(line) for line in event["text"].splitlines() if line.strip()]
        yield from lines


def errors(test: Event, noun: str, target: tuple[str, str]) -> Table:
    """Return the measures of a regression with their intervals."""
    measured = test.get("regression") or {}
    intervals = measured.get("intervals") or {}
    value = figures.minus(float(test["value"]), 3)
    rows: list[list[Cell]] = [
        ["R²", value, figures.interval("r2", test.get("low"), test.get("high"))]
    ]
    for key in ("mae", "rmse"):
        if measured.get(key) is not None:
            shown = figures.significant(measured[key], 4)
            rows.append([figures.name_of(key), shown, _ends(intervals.get(key))])
    name, unit = target
    what = f"{name}, in {unit}" if unit else name
    columns = ["measure", "value", "95 % interval"]
    return Table(columns, rows, caption=f"On {test['samples']:,} test {noun}: {what}")


def _ends(interval: Any) -> str:
    if not interval:
        return figures.NONE
    return f"{figures.significant(interval[0], 4)} to {figures.significant(interval[1], 4)}"


def _predictions(run: RunFolder) -> tuple[list[float], list[float]] | None:
    """Return true and predicted values of the test part, in the target's own unit."""
    path = run.path / "predictions.safetensors"
    if not path.is_file():
        return None
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        stored = load_file(path)
    except (SafetensorError, OSError) as error:
        raise RunError(
            f"a file of the run is damaged ({error})",
            given=path,
            next_step="evaluate the run again",
        ) from error
    if "test/scores" not in stored or "test/targets" not in stored:
        return None
    preprocessing = run.package.get("preprocessing") or {}
    mean = float(preprocessing.get("target_mean") or 0.0)
    std = float(preprocessing.get("target_std") or 1.0)
    true = stored["test/targets"].astype(float).ravel() * std + mean
    said = stored["test/scores"].astype(float).ravel() * std + mean
    return true.tolist(), said.tolist()
