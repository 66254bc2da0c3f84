"""What a rule is: a pure function of the facts that answers with findings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from gradatim.core.finding import Cure, Evidence, Finding, Where
from gradatim.doctor.facts import Facts


@dataclass(frozen=True)
class NotSeen:
    """The run does not offer what the rule needs: nothing is said, healthy least of all."""

    reason: str


@dataclass(frozen=True)
class Want:
    """A treatment to try before the rule can answer; until then, what is known is a note."""

    treatments: tuple[str, ...]
    reason: str
    notes: Sequence[Finding] = ()


Answer = Sequence[Finding] | NotSeen | Want


@dataclass(frozen=True)
class Rule:
    """One fault.

    Args:
        name: the name of its findings.
        judge: facts to answer; asked only when the facts it needs are there.
        needs: events of the Record without which nothing can be said.
        least_steps: steps of the optimiser without which nothing can be said.
        at_end: judged only when the script has ended (how it ends matters).
    """

    name: str
    judge: Callable[[Facts], Answer]
    needs: tuple[str, ...] = ()
    least_steps: int = 1
    at_end: bool = False
    treatments: tuple[str, ...] = field(default=())

    def answer(self, facts: Facts) -> Answer:
        """Return what the rule says of these facts."""
        for event in self.needs:
            if not facts.record.of(event):
                return NotSeen(f"no {event} was observed")
        if facts.steps < self.least_steps:
            return NotSeen(f"{facts.steps} steps seen, {self.least_steps} needed")
        if self.at_end and not facts.finished:
            return NotSeen("the script still runs")
        return self.judge(facts)


def found(
    name: str,
    says: str,
    *evidence: Evidence,
    level: Literal["alarm", "note"] = "alarm",
    where: Where | None = None,
    step: int | None = None,
    because_of: Sequence[str] = (),
    cures: Sequence[tuple[str, str]] = (),
) -> Finding:
    """Return one finding; ``cures`` are pairs of words and code."""
    return Finding(
        name=name,
        level=level,
        says=says,
        where=where or Where(),
        step=step,
        evidence=evidence,
        because_of=because_of,
        cures=[Cure(words, change) for words, change in cures],
    )


def number(
    name: str,
    got: float | str | None,
    low: float | None = None,
    high: float | None = None,
    unit: str = "",
) -> Evidence:
    """Return one value beside its healthy range."""
    return Evidence(name, got, (low, high), unit)


def at(event: dict[str, object], **more: str | None) -> Where:
    """Return the place that an event carries."""
    file, line = event.get("file"), event.get("line")
    return Where(file=str(file) if file else None, line=int(str(line)) if line else None, **more)
