"""Run folder -> page: the report of one run, and several runs side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gradatim.charts import figures
from gradatim.core.measures import rank
from gradatim.core.page import Block, Cell, Fold, Heading, Page, Table, Verdict
from gradatim.pages.run_folder import RunFolder
from gradatim.pages.sections import (
    curves,
    data,
    doctor,
    features,
    ladder,
    mistakes,
    recipe,
    trust,
    verdict,
)

SECTIONS = (verdict, ladder, features, doctor, curves, mistakes, trust, data, recipe)


def report(folder: Path) -> Page:
    """Return the report of a run, read from its folder alone; a run under way has one too.

    Args:
        folder: the run folder, as the user names it: commands on the page show it like that.

    Raises:
        NotARunError: no run is there.
        RunError: a file of the run is damaged.
    """
    run = RunFolder(Path(folder))
    blocks: list[Block] = [block for section in SECTIONS for block in section.blocks(run)]
    subtitle = " · ".join(part for part in (run.name, run.made) if part)
    return Page(title=run.source, blocks=blocks, subtitle=subtitle)


def reports(folders: Sequence[Path]) -> Page:
    """Return several runs side by side; a single one gets its full report.

    Raises:
        NotARunError: no run is at one of the places.
        RunError: a file of a run is damaged.
    """
    if len(folders) == 1:
        return report(folders[0])
    runs = [RunFolder(Path(folder)) for folder in folders]
    measured = [run for run in runs if run.test is not None]
    comparable = len({(run.source, run.metric) for run in measured}) == 1
    best = max(
        measured,
        key=lambda run: rank(run.metric, float((run.test or {})["value"])),
        default=None,
    )
    blocks: list[Block] = []
    if comparable and best is not None and len(measured) > 1:
        blocks.append(_best(best, len(measured)))
    blocks.append(
        Table(
            [
                "run",
                "source",
                "model",
                "parameters",
                "test",
                "95 % interval",
                "baseline",
                "training",
            ],
            [_row(run) for run in runs],
            emphasis=[runs.index(best)] if comparable and best is not None else [],
        )
    )
    for run in runs:
        answer = verdict.verdict(run)
        blocks += [Heading(run.name), answer]
        shown = [*ladder.blocks(run)][1:] or [*curves.blocks(run)][1:]
        if shown:
            blocks.append(Fold("The ladder" if run.rungs else "Learning curves", shown))
    return Page(title="Runs side by side", blocks=blocks, subtitle=f"{len(runs)} runs")


def _best(run: RunFolder, measured: int) -> Verdict:
    test = run.test or {}
    shown = figures.metric(run.metric, float(test["value"]))
    return Verdict(
        f"{run.name} is the best of {measured} runs: {figures.name_of(run.metric)} {shown}",
        "Each was measured on its own test part; overlapping intervals cannot be told apart.",
        "good",
    )


def _row(run: RunFolder) -> list[Cell]:
    test = run.test
    value = None if test is None else float(test["value"])
    event = run.best or run.trained.last("run") or {}
    end = run.trained.last("end") or {}
    return [
        run.name,
        run.source,
        run.model,
        event.get("parameters"),
        "not measured" if value is None else _with_name(run.metric, value),
        figures.NONE
        if test is None
        else figures.interval(run.metric, test.get("low"), test.get("high")),
        figures.metric(run.metric, None if test is None else verdict.baseline(test)),
        figures.seconds((run.best or {}).get("train_seconds", end.get("seconds"))),
    ]


def _with_name(metric: str, value: float) -> str:
    shown = figures.metric(metric, value)
    return shown if figures.is_share(metric) else f"{shown} {figures.name_of(metric)}"
