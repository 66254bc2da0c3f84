"""The answer first: how good on unseen samples, how sure, against which baseline."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from gradatim.charts import figures
from gradatim.charts.curves import best_epoch, finite
from gradatim.core.page import Block, Facts, Level, Text, Verdict
from gradatim.core.record import Event
from gradatim.pages.run_folder import RunFolder

WARNINGS = 5
UNSURE = "With these samples that cannot be told apart from guessing."


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
        return measured(run.test, run.spoken, run.noun(), run.target)
    if run.reason in ("finished", "early-stopping"):
        return _validated(run)
    return _unfinished(run)


def measured(test: Event, model: str, noun: str, target: tuple[str, str]) -> Verdict:
    """Return what a measurement on unseen samples says.

    Args:
        test: fields of the ``test`` event.
        model: name of the model.
        noun: what the samples are, in the plural.
        target: name and unit of what is predicted, for a regression.
    """
    if test["metric"] == "accuracy":
        return _classification(test, model, noun)
    if test["metric"] == "bits-per-character":
        return _language(test, model, noun)
    return _regression(test, model, noun, target)


def _classification(test: Event, model: str, noun: str) -> Verdict:
    value, n = float(test["value"]), int(test["samples"])
    low, high = test.get("low"), test.get("high")
    lines = ["" if value == 1 else f"{round(value * n):,} of {n:,} test {noun}; "]
    if low is not None and high is not None:
        lines[0] += f"95 % interval {figures.interval('accuracy', low, high)}."
    lines[0] = lines[0].removesuffix("; ")
    guess = baseline(test)
    level: Level = "good"
    if guess is not None:
        lines.append(f"Guessing the most frequent class gets {figures.percent(guess)}.")
        if low is not None and low <= guess:
            level = "note"
            lines.append(UNSURE)
    how_many = f"all {n:,}" if value == 1 else f"{figures.percent(value)} of"
    return Verdict(f"{model} names {how_many} unseen {noun} right", "\n".join(lines), level)


def _regression(test: Event, model: str, noun: str, target: tuple[str, str]) -> Verdict:
    name, unit = target
    facts = test.get("regression") or {}
    value, low, high = float(test["value"]), test.get("low"), test.get("high")
    known = low is not None and high is not None
    lines = [f"R² {figures.minus(value, 3)} on {int(test['samples']):,} test {noun}"]
    lines[0] += f"; 95 % interval {figures.interval('r2', low, high)}." if known else "."
    guess = baseline(test)
    if guess is not None:
        lines.append(f"Guessing the mean gets R² {figures.minus(guess, 3)}; 1 would be perfect.")
    level: Level = "good"
    if low is not None and low <= max(0.0, guess or 0.0):
        level = "note"
        lines.append(UNSURE)
    error = facts.get("mae")
    if error is None:
        statement = f"{model} explains {figures.percent(value)} of the variance of {name}"
    else:
        statement = f"{model} predicts {name}, off by {_amount(error, unit)} on average"
        ends = (facts.get("intervals") or {}).get("mae")
        if ends:
            between = f"{figures.significant(ends[0])} to {_amount(ends[1], unit)}"
            lines.insert(0, f"Mean absolute error; 95 % interval {between}.")
    return Verdict(statement, "\n".join(lines), level)


def _language(test: Event, model: str, noun: str) -> Verdict:
    facts = test.get("language") or {}
    value, low, high = float(test["value"]), test.get("low"), test.get("high")
    characters = figures.count(facts.get("characters"))
    lines = [f"Foretelling {characters} characters of {int(test['samples']):,} unseen {noun}"]
    known = low is not None and high is not None
    lines[0] += f"; 95 % interval {figures.interval(test['metric'], low, high)}." if known else "."
    if facts.get("perplexity"):
        lines.append(
            f"Perplexity {figures.significant(facts['perplexity'])}: as if it chose among so many "
            "equally likely characters."
        )
    guess = baseline(test)
    level: Level = "good"
    if guess is not None:
        lines.append(f"Knowing only how frequent each is takes {figures.minus(guess, 3)} bits.")
        if high is not None and high >= guess:
            level = "note"
            lines.append("With this text that cannot be told apart from it.")
    statement = f"{model} needs {figures.minus(value, 3)} bits per character"
    return Verdict(statement, "\n".join(lines), level)


def _amount(value: float, unit: str) -> str:
    return figures.significant(value) + (f"\N{NO-BREAK SPACE}{unit}" if unit else "")


def _validated(run: RunFolder) -> Verdict:
    """Judge a finished run without a test part by the samples it was chosen on."""
    value, detail = _validation(run)
    if value is None:
        return Verdict(f"{run.model} is fitted, but was not measured", "", "note")
    shown = figures.metric(run.metric, value)
    statement = f"{run.spoken} names {shown} of the validation {run.noun()} right"
    if run.metric != "accuracy":
        name = figures.name_of(run.metric)
        statement = f"{run.model} reaches {name} {shown} on the validation {run.noun()}"
    lines = [detail] if detail else []
    lines.append(
        f"No test part was measured: the model was chosen on these {run.noun()}, so it will do a "
        "little worse on unseen ones."
    )
    return Verdict(statement, "\n".join(lines))


def _unfinished(run: RunFolder) -> Verdict:
    parts = []
    step = run.trained.last("step")
    if run.rungs:
        parts.append(f"{len(run.rungs)} rungs are climbed.")
    elif step is not None:
        total = (run.trained.last("run") or {}).get("total_steps")
        of = f" of {total:,}" if total else ""
        parts.append(f"{step['step']:,}{of} steps are done, epoch {step['epoch']}.")
    else:
        parts.append("Nothing was learnt yet.")
    value, _ = _validation(run)
    if value is not None:
        shown = figures.metric(run.metric, value)
        right = run.metric == "accuracy"
        what = f"{shown} right" if right else f"{figures.name_of(run.metric)} {shown}"
        parts.append(f"Best so far: {run.model}, {what} on the validation {run.noun()}.")
    if run.reason == "non-finite":
        parts.append("The loss stopped being a number; a smaller learning rate may help.")
        return Verdict("This run broke off", " ".join(parts), "alarm")
    head = "This run was interrupted" if run.reason == "interrupted" else "This run is not finished"
    return Verdict(head, " ".join(parts) + f"\nGo on: gradatim resume {run.path}", "note")


def _validation(run: RunFolder) -> tuple[float | None, str]:
    """Return the metric on the validation part, and its certainty in words where it is known."""
    if run.best is not None:
        validation = run.best["validation"]
        low, high = validation.get("low"), validation.get("high")
        known = low is not None and high is not None
        text = f"95 % interval {figures.interval(run.metric, low, high)}" if known else ""
        on = f"{validation['n']:,} {run.noun()}" if validation.get("n") else ""
        certainty = "; ".join(part for part in (on, text) if part)
        return float(validation["value"]), f"{certainty}." if certainty else ""
    epoch = best_epoch(run.record)
    n = (run.run.get("samples") or {}).get("validation")
    value = None if epoch is None else finite(epoch, "validation", run.metric)
    return value, f"{n:,} {run.noun(n)}." if n else ""


def baseline(test: Event) -> float | None:
    """Return the metric of the baseline: a number, or one named by the metric."""
    given = test.get("baseline")
    if isinstance(given, Mapping):
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
    if run.samples:
        yield "Samples", " · ".join(f"{n:,} {part}" for part, n in run.samples.items() if n)
    end = run.trained.last("end")
    spent = (run.best or {}).get("train_seconds", (end or {}).get("seconds"))
    if spent is not None:
        epochs = (end or {}).get("epoch") if run.trained.of("step") else None
        text = "" if not epochs else f", {epochs} epoch{'s' if epochs != 1 else ''}"
        yield "Training", figures.seconds(float(spent)) + text
    per_sample = (run.best or run.test or {}).get("prediction_seconds")
    if per_sample is not None:
        yield "Prediction", f"{figures.seconds(float(per_sample))} per {run.noun(1)}"
    for k, share in ((run.test or {}).get("top_k") or {}).items():
        yield f"Right class in the first {k}", figures.percent(float(share))
    if machine := event.get("machine"):
        yield "Machine", machine_text(machine)


def _task(run: RunFolder) -> str:
    if run.is_regression:
        name, unit = run.target
        return f"predict {name}" + (f" in {unit}" if unit else "") + f" of {run.noun()}"
    if run.run.get("task") == "next-token":
        return "continue a text, character by character"
    return f"tell {len(run.classes)} classes of {run.noun()} apart" if run.classes else "unknown"


def machine_text(machine: Mapping[str, Any]) -> str:
    """Return the machine in one line."""
    threads = machine.get("threads")
    parts = [
        machine.get("processor"),
        f"{threads} {'thread' if threads == 1 else 'threads'}" if threads else None,
        machine.get("device"),
        machine.get("precision"),
        machine.get("layout"),
        f"torch {machine['torch']}" if machine.get("torch") else None,
        f"gradatim {machine['gradatim']}" if machine.get("gradatim") else None,
    ]
    shown = [str(part) for part in parts if part]
    return " · ".join(p.replace(" ", "\N{NO-BREAK SPACE}") if len(p) < 20 else p for p in shown)
