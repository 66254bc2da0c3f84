"""The answer first: how good on unseen samples, how sure, against which baseline."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gradatim.charts import figures
from gradatim.charts.curves import best_epoch, finite
from gradatim.core.page import Block, Facts, Level, Text, Verdict
from gradatim.core.record import Event
from gradatim.pages.run_folder import RunFolder

WARNINGS = 5


def blocks(run: RunFolder) -> Iterator[Block]:
    """Yield the verdict, what qualifies it, and the facts beside it."""
    yield verdict(run)
    if run.test is not None and run.reason in (None, "interrupted"):
        yield Text(f"The run was stopped early. Go on: gradatim resume {run.path}", "note")
    warnings = list(dict.fromkeys(event["text"] for event in run.record.of("warning")))
    yield from (Text(text, "note") for text in warnings[:WARNINGS])
    if len(warnings) > WARNINGS:
        yield Text(f"{len(warnings) - WARNINGS} more warnings are in record.jsonl.", "note")
    yield Facts(list(_facts(run)))


def verdict(run: RunFolder) -> Verdict:
    """Return the run's answer in one statement with its certainty."""
    if run.test is not None:
        return _regression(run, run.test) if run.is_regression else _classification(run, run.test)
    if run.reason in ("finished", "early-stopping"):
        return _validated(run)
    return _unfinished(run)


def _classification(run: RunFolder, test: Event) -> Verdict:
    value, n = float(test["value"]), int(test["samples"])
    low, high = test.get("low"), test.get("high")
    guess = baseline(test)
    detail = f"{round(value * n):,} of {n:,} test {run.noun(n)}"
    if low is not None and high is not None:
        detail += f"; 95 % interval {figures.interval(run.metric, low, high)}"
    lines = [detail + "."]
    level: Level = "good"
    if guess is not None:
        lines.append(f"Guessing the most frequent class gets {figures.percent(guess)}.")
        if low is not None and low <= guess:
            level = "note"
            lines.append("With these few samples that cannot be told apart from guessing.")
    statement = f"{run.model} names {figures.percent(value)} of unseen {run.noun()} right"
    return Verdict(statement, "\n".join(lines), level)


def _regression(run: RunFolder, test: Event) -> Verdict:
    measured = test.get("regression") or {}
    name, unit = run.target
    error = measured.get("mae")
    guess = baseline(test)
    value, low, high = float(test["value"]), test.get("low"), test.get("high")
    lines = [
        f"R² {figures.minus(value, 3)} on {int(test['samples']):,} test "
        f"{run.noun(test['samples'])}"
        + (f"; 95 % interval {figures.interval('r2', low, high)}." if low is not None else ".")
    ]
    plain = "Guessing the mean"
    guess_error = (test.get("baseline") or {}).get("mae")
    if guess_error is not None:
        lines.append(f"{plain} is off by {_amount(guess_error, unit)} on average.")
    elif guess is not None:
        lines.append(f"{plain} gets R² {figures.minus(guess, 3)}; 1 would be perfect.")
    level: Level = "note" if low is not None and low <= max(0.0, guess or 0.0) else "good"
    if level == "note":
        lines.append("With these few samples that cannot be told apart from guessing.")
    if error is None:
        statement = f"{run.model} explains {figures.percent(value)} of the variance of {name}"
    else:
        within = (
            f" (95 % interval {_between(measured['mae_interval'], unit)})"
            if (measured.get("mae_interval"))
            else ""
        )
        lines.insert(0, f"Mean absolute error on unseen {run.noun()}{within}.")
        statement = f"{run.model} predicts {name}, off by {_amount(error, unit)} on average"
    return Verdict(statement, "\n".join(lines), level)


def _between(ends: Any, unit: str) -> str:
    low, high = ends
    return f"{figures.significant(low)} to {_amount(high, unit)}"


def _amount(value: float, unit: str) -> str:
    return figures.significant(value) + (f"\N{NO-BREAK SPACE}{unit}" if unit else "")


def _validated(run: RunFolder) -> Verdict:
    """Judge a finished run without a test part by the samples it was chosen on."""
    value, detail = _validation(run)
    if value is None:
        return Verdict(f"{run.model} is fitted, but was not measured", "", "note")
    n = (run.run.get("samples") or {}).get("validation")
    on = f"of {n:,} validation {run.noun(n)}" if n else f"of the validation {run.noun()}"
    shown = figures.metric(run.metric, value)
    statement = (
        f"{run.model} reaches R² {shown} on the validation {run.noun()}"
        if run.is_regression
        else f"{run.model} names {shown} {on} right"
    )
    lines = [detail] if detail else []
    lines.append(
        f"No test part was measured: the model was chosen on these {run.noun()}, so it will do a "
        "little worse on unseen ones."
    )
    return Verdict(statement, "\n".join(lines))


def _unfinished(run: RunFolder) -> Verdict:
    heads = {"interrupted": "This run was interrupted", "non-finite": "This run broke off"}
    parts = []
    if run.rungs:
        parts.append(f"{len(run.rungs)} rungs are climbed.")
    step = run.trained.last("step")
    total = (run.trained.last("run") or {}).get("total_steps")
    if step is not None and not run.rungs:
        of = f" of {total:,}" if total else ""
        parts.append(f"{step['step']:,}{of} steps are done, epoch {step['epoch']}.")
    if not run.rungs and step is None:
        parts.append("Nothing was learnt yet.")
    value, _ = _validation(run)
    if value is not None:
        what = (
            f"R² {figures.metric(run.metric, value)}"
            if run.is_regression
            else (f"{figures.metric(run.metric, value)} right")
        )
        parts.append(f"Best so far: {run.model}, {what} on the validation {run.noun()}.")
    if run.reason == "non-finite":
        parts.append("The loss stopped being a number; a smaller learning rate may help.")
        return Verdict(heads["non-finite"], " ".join(parts), "alarm")
    parts.append(f"\nGo on: gradatim resume {run.path}")
    head = heads.get(run.reason or "", "This run is not finished")
    return Verdict(head, " ".join(parts), "note")


def _validation(run: RunFolder) -> tuple[float | None, str]:
    """Return the metric on the validation part, and its interval in words where it is known."""
    if run.best is not None:
        validation = run.best["validation"]
        low, high = validation.get("low"), validation.get("high")
        known = low is not None and high is not None
        text = f"95 % interval {figures.interval(run.metric, low, high)}." if known else ""
        return float(validation["value"]), text
    epoch = best_epoch(run.record)
    return (None, "") if epoch is None else (finite(epoch, "validation", run.metric), "")


def baseline(test: Event) -> float | None:
    """Return the metric of the baseline, however the event names it."""
    given = test.get("baseline")
    if isinstance(given, dict):
        given = given.get(test["metric"], given.get("value"))
    return None if given is None else float(given)


def _facts(run: RunFolder) -> Iterator[tuple[str, str]]:
    event = run.trained.last("run") or run.run
    yield "Task", _task(run)
    parameters = (run.best or event).get("parameters")
    if parameters is not None:
        yield "Model", f"{run.model}, {figures.count(parameters)} parameters"
    winner = run.record.last("winner")
    if winner is not None and winner.get("reason"):
        yield "Chosen because", str(winner["reason"])
    samples = run.run.get("samples") or {}
    if samples:
        shown = [f"{n:,} {part}" for part, n in samples.items() if n]
        yield "Samples", " · ".join(shown).replace(" train", " training")
    end = run.trained.last("end")
    spent = (run.best or {}).get("train_seconds", (end or {}).get("seconds"))
    if spent is not None:
        epochs = f", {end['epoch']} epochs" if end is not None and end.get("epoch") else ""
        yield "Training", f"{figures.seconds(float(spent))}{epochs}"
    per_sample = (run.best or {}).get("prediction_seconds")
    if per_sample is not None:
        yield "Prediction", f"{figures.seconds(float(per_sample))} per {run.noun(1)}"
    for k, share in top_k(run.test):
        yield f"Right class in the first {k}", figures.percent(share)
    if machine := run.run.get("machine"):
        yield "Machine", machine_text(machine)


def top_k(test: Event | None) -> list[tuple[int, float]]:
    """Return (k, share of samples whose class is among the k likeliest)."""
    given: Any = (test or {}).get("top_k")
    if not isinstance(given, dict):
        return []
    if "k" in given:
        return [(int(given["k"]), float(given["value"]))]
    return [(int(str(k).removeprefix("top")), float(share)) for k, share in given.items()]


def _task(run: RunFolder) -> str:
    if run.is_regression:
        name, unit = run.target
        return f"predict {name}" + (f" in {unit}" if unit else "") + f" of {run.noun()}"
    return f"tell {len(run.classes)} classes of {run.noun()} apart" if run.classes else "unknown"


def machine_text(machine: dict[str, Any]) -> str:
    """Return the machine in one line."""
    threads = machine.get("threads")
    parts = [
        machine.get("processor"),
        f"{threads} threads" if threads else None,
        machine.get("device"),
        machine.get("precision"),
        machine.get("layout"),
        f"torch {machine['torch']}" if machine.get("torch") else None,
        f"gradatim {machine['gradatim']}" if machine.get("gradatim") else None,
    ]
    return " · ".join(str(part).replace(" ", "\N{NO-BREAK SPACE}") for part in parts if part)
