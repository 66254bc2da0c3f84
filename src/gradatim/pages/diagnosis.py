"""A diagnosis as a page: short for a terminal, whole for a browser."""

from __future__ import annotations

import linecache
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from textwrap import dedent

from gradatim.charts import dead_units, layer_sizes, observed_loss, observed_rate, spread_by_depth
from gradatim.charts.figures import NONE, count, percent, seconds, significant
from gradatim.core.finding import Evidence, Finding, Where
from gradatim.core.page import Block, Code, Facts, Fold, Heading, Page, Table, Text, Verdict
from gradatim.core.record import Record
from gradatim.doctor.diagnosis import Verdict as Judged
from gradatim.doctor.ending import ending
from gradatim.doctor.table import RULES

FEW = 8
"""Steps below which a run without alarm is said to be short rather than well."""
AROUND = 2
"""Lines of a script shown before and after the one meant."""


@dataclass(frozen=True)
class Case:
    """What a page is made of.

    Attributes:
        subject: the script or run as the user names it.
        judged: the doctor's verdict.
        record: what was observed.
        trials: Records of the treatments tried, by name.
        files: where things are kept, as pairs of words and path.
        run: whether it is a run of ours, and no script.
    """

    subject: str
    judged: Judged
    record: Record
    trials: Mapping[str, Record] = field(default_factory=dict)
    files: Sequence[tuple[str, str]] = ()
    run: bool = False


def short(case: Case) -> Page:
    """Return what a terminal shows: the answer, its reasons, its cures; the rest in a line each."""
    blocks = [verdict(case), *_crash(case)]
    primary = case.judged.primary
    if primary is not None:
        blocks += finding(primary, case)
    chart = observed_loss.chart(case.record, case.judged.findings)
    if chart.line:
        blocks.append(chart)
    blocks += _others(case) + _notes(case)
    blocks.append(Facts(_facts(case)))
    unseen = case.judged.not_seen
    if unseen and case.judged.verdict != "unknown":
        blocks.append(Fold(f"{len(unseen)} faults could not be judged", [_unseen(case)]))
    return Page(case.subject, blocks, _subtitle(case))


def page(case: Case) -> Page:
    """Return everything: the short page, and what happened over time."""
    blocks = [verdict(case), *_crash(case)]
    alarms = [item for item in case.judged.findings if item.level == "alarm"]
    notes = [item for item in case.judged.findings if item.level == "note"]
    if alarms:
        blocks.append(Heading("Evidence and cures", "primary"))
        blocks += finding(alarms[0], case)
    if alarms[1:]:
        blocks.append(Heading("Other alarms", "alarms"))
        blocks += [Fold(f"{item.name}: {item.says}", finding(item, case)) for item in alarms[1:]]
    if notes:
        blocks.append(Heading("Notes", "notes"))
        blocks.append(Text("Seen, and often meant: no reason for alarm by themselves."))
        blocks += [Fold(f"{item.name}: {item.says}", finding(item, case)) for item in notes]
    blocks += _trials(case)
    blocks += _over_time(case)
    blocks += [Heading("What was watched", "watched"), Facts(_facts(case))]
    if case.judged.not_seen:
        words = f"{len(case.judged.not_seen)} of {len(RULES)} faults could not be judged"
        blocks.append(Fold(words, [_unseen(case)]))
    return Page(case.subject, blocks, _subtitle(case))


def verdict(case: Case) -> Verdict:
    """Return the answer in one statement."""
    judged = case.judged
    primary = judged.primary
    if primary is not None:
        since = f"since step {count(primary.step)}" if primary.step else ""
        where = place(primary.where)
        detail = ", ".join(part for part in (since, f"at {where}" if where else "") if part)
        return Verdict(f"{primary.name}: {primary.says}", detail, "alarm")
    if judged.verdict == "unknown":
        why, step = _nothing_seen(case)
        return Verdict("No training was seen", f"{why}\n{step}", "note")
    seen = len(RULES) - len(judged.not_seen)
    steps = _steps(case.record)
    told = f"{seen} of {len(RULES)} faults could be judged; silence is no proof of health."
    if steps < FEW:
        return Verdict(
            f"No fault was found in {steps} {'step' if steps == 1 else 'steps'}",
            f"That is too little to tell much. {told}",
            "note",
        )
    return Verdict("No fault was found", told, "good")


def place(where: Where) -> str:
    """Return the place of a finding in words: parameter or module, file and line."""
    name = where.parameter or where.module or ""
    line = f"{PurePath(where.file).name}:{where.line}" if where.file and where.line else ""
    return f"{name} ({line})" if name and line else name or line


def healthy(evidence: Evidence) -> str:
    """Return a healthy range in words."""
    low, high = evidence.healthy
    if low is None and high is None:
        return ""
    if low is None:
        return f"at most {_figure(high)}"
    if high is None:
        return f"at least {_figure(low)}"
    return _figure(low) if low == high else f"{_figure(low)} to {_figure(high)}"


def _figure(value: float | None) -> str:
    """Return a number in words: one that was counted is whole."""
    return count(value) if isinstance(value, int) else significant(value)


def _nothing_seen(case: Case) -> tuple[str, str]:
    """Return why no training was seen, and what to do."""
    record = case.record
    if case.run:
        return (
            "The Record of this run holds no observations.",
            "Next: a model that is fitted in one go, such as k-NN, has no steps to judge.",
        )
    how = ending(record)
    ended = "" if how.itself else f" The script {how.says}."
    if not record.of("watched"):
        return (
            f"The script never imported PyTorch.{ended}",
            "Next: name the script that trains; `-m package.module` runs a module.",
        )
    if record.of("forward") or record.of("evaluation"):
        what = "Models were run, but no loss was followed back to weights"
    else:
        what = "PyTorch was imported, but no model was trained by the script's own thread"
    return (
        f"{what}.{ended}",
        "Next: where other processes train, call `gradatim.watch(model, optimizer)` in their loop.",
    )


def _crash(case: Case) -> list[Block]:
    how = ending(case.record)
    if how.itself or case.judged.verdict == "unknown":
        return []
    after = f"after {count(_steps(case.record))} steps"
    blocks: list[Block] = [Text(f"The script {how.says}, {after}.", "note")]
    return blocks + _source(how.file, how.line)


def finding(found: Finding, case: Case) -> list[Block]:
    """Return place, evidence and cures of one finding."""
    blocks: list[Block] = []
    if found.level == "alarm" and found is not case.judged.primary:
        blocks.append(Text(f"At {place(found.where) or 'no single place'}."))
    blocks += _source(found.where.file, found.where.line)
    if found.evidence:
        rows = [
            [
                item.name,
                _figure(item.got) if isinstance(item.got, float | int) else item.got,
                healthy(item),
                item.unit,
            ]
            for item in found.evidence
        ]
        units = any(row[3] for row in rows)
        columns = ["evidence", "seen", "healthy", "unit"][: 4 if units else 3]
        blocks.append(Table(columns, [row[: len(columns)] for row in rows]))
    chain = _chain(found, case)
    if chain:
        blocks.append(Text(chain))
    for number, cure in enumerate(found.cures, start=1):
        head = "Cure: " if len(found.cures) == 1 else f"Cure {number}: "
        blocks.append(Text(head + cure.says))
        if cure.change:
            blocks.append(Code(cure.change, "" if case.run else "python"))
    return blocks


def _chain(finding: Finding, case: Case) -> str:
    """Return what explains a finding, or what it explains."""
    if finding.because_of:
        return f"Because of: {', '.join(finding.because_of)}."
    explained = [item.name for item in case.judged.findings if finding.name in item.because_of]
    return f"It explains: {', '.join(explained)}." if explained else ""


def _source(file: str | None, line: int | None) -> list[Block]:
    """Return the lines of a script around a place, where they can be read."""
    if not file or not line:
        return []
    lines = linecache.getlines(file) if file.endswith(".py") or file.startswith("<") else []
    if not 0 < line <= len(lines):
        return []
    first, last = max(1, line - AROUND), min(len(lines), line + AROUND)
    width = len(str(last))
    # Without their common indent: narrow pages are read too.
    around = dedent("".join(lines[first - 1 : last])).rstrip().split("\n")
    shown = [
        f"{'>' if number == line else ' '} {number:>{width}}  {text.rstrip()}"
        for number, text in enumerate(around, first)
    ]
    return [Code("\n".join(shown), "python")]


def _others(case: Case) -> list[Block]:
    rest = [item for item in case.judged.findings if item.level == "alarm"][1:]
    if not rest:
        return []
    return [
        Table(
            ["other alarms", "", "because of"],
            [[item.name, item.says, ", ".join(item.because_of) or NONE] for item in rest],
        )
    ]


def _notes(case: Case) -> list[Block]:
    notes = [item for item in case.judged.findings if item.level == "note"]
    if not notes:
        return []
    return [Table(["notes", ""], [[item.name, item.says] for item in notes])]


def _unseen(case: Case) -> Block:
    """Return what could not be judged, by reason."""
    reasons: dict[str, list[str]] = {}
    for name, reason in case.judged.not_seen.items():
        reasons.setdefault(reason, []).append(name)
    ordered = sorted(reasons.items(), key=lambda item: -len(item[1]))
    return Table(["reason", "faults"], [[reason, ", ".join(names)] for reason, names in ordered])


def _trials(case: Case) -> list[Block]:
    """Return what the treatments did to the loss."""
    wants = case.judged.wants
    if not case.trials and not wants:
        return []
    blocks: list[Block] = [Heading("Trials", "trials")]
    if case.trials:
        rows = [_trial("as it is", case.record)]
        rows += [_trial(name.replace("-", " "), record) for name, record in case.trials.items()]
        blocks.append(
            Table(
                ["the script, with", "steps", "first loss", "last loss", "ending"],
                rows,
                "The script run again, with one change each",
            )
        )
    left = [name for name in wants if name not in case.trials]
    if left and not case.judged.primary:
        blocks.append(
            Text(
                f"Not tried: {', '.join(name.replace('-', ' ') for name in left)}. "
                "`--probe` runs the script again with such a change, within a stated time."
            )
        )
    return blocks if len(blocks) > 1 else []


def _trial(name: str, record: Record) -> list[str | int | float | None]:
    losses = observed_loss.points(record)
    steps = losses[-1][0] if losses else 0
    late = [value for _, value in losses[-max(1, len(losses) // 10) :]]
    last = sum(late) / len(late) if late else None
    return [name, steps, losses[0][1] if losses else None, last, ending(record).says]


def _over_time(case: Case) -> Iterator[Block]:
    """Yield the charts, each with the findings at their step and layer."""
    record, findings = case.record, case.judged.findings
    charts = [
        observed_loss.chart(record, findings),
        observed_rate.chart(record),
        layer_sizes.chart(record, "gradient", findings),
        layer_sizes.chart(record, "update", findings),
        spread_by_depth.chart(record),
        dead_units.chart(record),
    ]
    drawn = [chart for chart in charts if chart.specification]
    if drawn:
        yield Heading("What happened over time", "time")
        yield from drawn


def _steps(record: Record) -> int:
    last = record.last("unwatched") or {}
    points = observed_loss.points(record)
    return int(last.get("step") or (points[-1][0] if points else 0))


def _subtitle(case: Case) -> str:
    last = case.record.last("unwatched") or {}
    parts = [f"{count(_steps(case.record))} steps"]
    if last.get("seconds") is not None:
        parts.append(f"in {seconds(float(last['seconds']))}")
    return " ".join(parts)


def _facts(case: Case) -> list[tuple[str, str]]:
    record = case.record
    watched = record.last("watched") or {}
    pairs = [] if case.run else [("the script", ending(record).says)]
    pairs.append(("steps seen", count(_steps(record))))
    if watched.get("torch"):
        pairs.append(("PyTorch", f"{watched['torch']}, threads: {watched.get('threads')}"))
    if case.judged.overhead is not None:
        looked = sorted({event["step"] for event in record.of("update")})
        spent = seconds(float((record.last("unwatched") or {}).get("looking") or 0.0))
        share = percent(case.judged.overhead, 1)
        pairs.append(("cost of watching", f"{share} of the working time ({spent})"))
        pairs.append(("looked at closely", f"{count(len(looked))} steps"))
    lost = [f"{event['observation']} ({event['reason']})" for event in record.of("lost")]
    if lost:
        pairs.append(("observations that failed", "; ".join(lost)))
    return [*pairs, *((name, str(Path(path))) for name, path in case.files)]
