"""A script is run watched, its Record judged while it grows, and what is open settled by trials.

A trial is the same script once more, in a child process of its own, with one treatment. Trials are
made only while nothing found so far explains the run, the likeliest first, within a stated time;
one whose answer is clear is ended at once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from gradatim.core.record import Record
from gradatim.doctor.causes import SYMPTOMS
from gradatim.doctor.diagnosis import Verdict, diagnose
from gradatim.probes.parent import Script
from gradatim.treatments import TREATMENTS

EVERY = 2.0
"""Seconds between two looks at a Record that grows; more when judging it takes long."""

LONGEST = 7.0
"""Seconds between two looks even then: an alarm must come within ten."""

LEAST_LIMIT = 30.0
TIMES = 5.0
"""Trials may take this many times what the script took, and at least ``LEAST_LIMIT`` seconds."""

CLEAR = 100
"""Steps of a trial before it may be ended because its answer is clear."""

INTERRUPTED = (130, -2, -9, -15)
"""Exit codes of a script that was ended from outside: it is not run again."""

Look = Callable[[Verdict], None]


class Diagnosis(NamedTuple):
    """What is known after a script has run, and after the trials."""

    verdict: Verdict
    record: Record
    trials: dict[str, Record]
    exit: int


class _Looking:
    """Judges a growing Record, using at most a tenth of a processor, if that is often enough."""

    def __init__(self, judge: Callable[[Record], bool]) -> None:
        self._judge = judge
        self._next = 0.0

    def __call__(self, record: Record) -> bool:
        now, began = time.monotonic(), time.process_time()
        if now < self._next:
            return False
        answer = self._judge(record)
        self._next = now + min(10 * (time.process_time() - began), LONGEST)
        return answer


def diagnose_script(
    script: Path,
    arguments: Sequence[str] = (),
    *,
    record: Path,
    module: bool = False,
    probe: bool = False,
    limit: float | None = None,
    timeout: float | None = None,
    look: Look | None = None,
    trying: Callable[[str, list[str]], None] | None = None,
    stop_on_alarm: bool = False,
    output: Path | None = None,
    quiet: bool = False,
) -> Diagnosis:
    """Run a script watched and say what is wrong with it.

    Args:
        script: the Python file; it runs in a child process and is not changed.
        arguments: what it is given.
        record: file of the Record; those of trials go beside it, ``NAME-TREATMENT.jsonl``.
        module: ``script`` is the name of a module, run as ``python -m`` would.
        probe: run wanted treatments afterwards.
        limit: seconds for all trials together; None is five times what the script took, and at
            least 30 seconds.
        timeout: seconds after which the script itself is ended; None waits for ever.
        look: called with the verdict so far about every two seconds, and with each new one.
        trying: called before each trial with its treatment and the names that want it.
        stop_on_alarm: end the script as soon as there is an alarm.
        output: file for the script's standard output; None leaves it where it is.
        quiet: throw the script's output away.

    Raises:
        SourceNotFoundError: there is no such script.
    """
    run = Script(script, arguments, record=record, module=module, output=output, quiet=quiet)
    began = time.monotonic()

    def judge(so_far: Record) -> bool:
        verdict = diagnose(so_far, finished=False)
        if look is not None:
            look(verdict)
        return stop_on_alarm and verdict.verdict == "sick"

    live = look is not None or stop_on_alarm
    code = run.follow(_Looking(judge) if live else lambda _: False, every=EVERY, limit=timeout)
    took = time.monotonic() - began
    whole = Record(run.events)
    trials: dict[str, Record] = {}
    verdict = diagnose(whole)
    stopped = stop_on_alarm and verdict.verdict == "sick"
    if probe and not stopped and code not in INTERRUPTED:
        left = max(LEAST_LIMIT, TIMES * took) if limit is None else limit
        deadline = time.monotonic() + left
        while (name := next_trial(verdict, trials)) is not None:
            left = deadline - time.monotonic()
            if left <= 0:
                break
            if trying is not None:
                trying(name, verdict.wants[name])
            trials[name] = _trial(script, arguments, record, name, whole, trials, left, module)
            verdict = diagnose(whole, trials)
            if look is not None:
                look(verdict)
    return Diagnosis(verdict, whole, trials, code)


def next_trial(verdict: Verdict, tried: dict[str, Record]) -> str | None:
    """Return the treatment to try next, or None when nothing is open any more.

    While an alarm stands that is no mere symptom, the run is explained.
    """
    primary = verdict.primary
    if primary is not None and primary.name not in SYMPTOMS:
        return None
    order = list(TREATMENTS)
    wanted = [name for name in verdict.wants if name in TREATMENTS and name not in tried]
    return min(wanted, key=order.index, default=None)


def _trial(
    script: Path,
    arguments: Sequence[str],
    record: Path,
    name: str,
    whole: Record,
    others: dict[str, Record],
    limit: float,
    module: bool,
) -> Record:
    """Run a script once more with one treatment, until its answer is clear or the time is up."""
    run = Script(
        script,
        arguments,
        record=record.with_name(f"{record.stem}-{name}.jsonl"),
        module=module,
        treatments=[TREATMENTS[name]],
        quiet=True,
    )

    def clear(so_far: Record) -> bool:
        steps = sum(len(event["rows"]) for event in so_far.of("losses"))
        if steps < CLEAR:
            return False
        primary = diagnose(whole, {**others, name: so_far}).primary
        return primary is not None and primary.name not in SYMPTOMS

    run.follow(_Looking(clear), every=1.0, limit=limit)
    return Record(run.events)
