"""From facts to a verdict: every rule is asked, one finding comes first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from gradatim.core.finding import Finding
from gradatim.core.record import Record
from gradatim.core.registry import resolve
from gradatim.doctor.causes import ORDER, explains
from gradatim.doctor.facts import Facts
from gradatim.doctor.rule import Answer, NotSeen, Rule, Want
from gradatim.doctor.table import RULES

SCHEMA = 1
FAILED = "the rule could not read this Record"


@dataclass(frozen=True)
class Verdict:
    """What the doctor says of a run.

    Attributes:
        verdict: ``sick`` with an alarm, ``healthy`` without, ``unknown`` when no training was seen.
        findings: the primary one first, then other alarms, then notes.
        not_seen: names that could not be judged, with the reason.
        wants: treatments that would settle what is open, with the names that ask for them.
    """

    verdict: Literal["healthy", "sick", "unknown"]
    findings: list[Finding] = field(default_factory=list)
    not_seen: dict[str, str] = field(default_factory=dict)
    wants: dict[str, list[str]] = field(default_factory=dict)
    script_exit: int | None = None
    overhead: float | None = None

    @property
    def primary(self) -> Finding | None:
        """The finding that explains the others, when there is an alarm."""
        return self.findings[0] if self.verdict == "sick" else None

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON, schema 1."""
        return {
            "schema": SCHEMA,
            "verdict": self.verdict,
            "script_exit": self.script_exit,
            "findings": [finding.to_dict() for finding in self.findings],
            "not_seen": sorted(self.not_seen),
            "overhead": self.overhead,
        }


def _rank(finding: Finding) -> int:
    return ORDER.index(finding.name)


def ordered(alarms: list[Finding]) -> list[Finding]:
    """Return alarms with the root first, each with the alarms that explain it."""
    names = {finding.name for finding in alarms}
    chained = [
        replace(
            finding,
            because_of=[
                cause for cause in ORDER if cause in names and explains(cause, finding.name)
            ],
        )
        for finding in alarms
    ]
    return sorted(chained, key=lambda finding: (len(finding.because_of) > 0, _rank(finding)))


def diagnose(
    record: Record,
    trials: Mapping[str, Record] | None = None,
    *,
    finished: bool = True,
    rules: Mapping[str, str] = RULES,
) -> Verdict:
    """Return the verdict on a Record.

    Args:
        record: what the probes wrote, so far or in all.
        trials: Records of the same script with one treatment each, by the treatment's name.
        finished: False while the script runs.
        rules: the table of rules to ask.
    """
    others = {name: Facts(other) for name, other in (trials or {}).items()}
    facts = Facts(record, others, finished=finished)
    code = facts.end.get("exit")
    overhead = _overhead(facts)
    findings: list[Finding] = []
    not_seen: dict[str, str] = {}
    wants: dict[str, list[str]] = {}
    for name in rules:
        rule: Rule = resolve(rules, name, "fault")
        answer = _asked(rule, facts)
        if isinstance(answer, NotSeen):
            not_seen[name] = answer.reason
        elif isinstance(answer, Want):
            findings += answer.notes
            for treatment in answer.treatments:
                wants.setdefault(treatment, []).append(name)
        else:
            findings += answer
    alarms = ordered([item for item in findings if item.level == "alarm"])
    notes = sorted((item for item in findings if item.level == "note"), key=_rank)
    trained = bool(facts.steps or facts.backwards)
    sick = bool(alarms)
    verdict: Literal["healthy", "sick", "unknown"] = (
        "sick" if sick else "healthy" if trained else "unknown"
    )
    return Verdict(verdict, alarms + notes, not_seen, wants, code, overhead)


def _asked(rule: Rule, facts: Facts) -> Answer:
    """Return a rule's answer; one that stumbles over a Record says so and stops no other."""
    try:
        return rule.answer(facts)
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        return NotSeen(f"{FAILED}: {type(error).__name__}: {error}")


def _overhead(facts: Facts) -> float | None:
    """Return the share of time spent on looking, as the watcher measured it."""
    last = facts.end or facts.record.last("losses")
    worked = last.get("worked") if last else None
    if last is None or not worked:
        return None
    looking = float(last.get("looking", 0.0))
    return round(looking / max(1e-9, float(worked) - looking), 4)
