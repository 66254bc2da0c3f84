"""What ``gradatim diagnose`` is asked about: a script to run, a run of ours, a Record kept."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gradatim.core.files import disk_errors, write_json, write_text
from gradatim.core.finding import Finding
from gradatim.core.measures import rank
from gradatim.core.record import Event, Record
from gradatim.core.talk import Talk
from gradatim.data.cache import cache_folder, claim
from gradatim.doctor.diagnosis import Verdict, diagnose
from gradatim.errors import NotARunError, SourceNotFoundError, UsageError
from gradatim.experiments.diagnosing import Diagnosis, diagnose_script
from gradatim.experiments.folder import short_name

if TYPE_CHECKING:
    from gradatim.core.page import Page

RECORD = "record.jsonl"
PAGE = "diagnosis.html"
RESULT = "diagnosis.json"


@dataclass(frozen=True)
class Diagnosed:
    """A diagnosis: the answer, its reasons, and the page that shows them.

    Attributes:
        subject: the script, run or Record, as it was named.
        judged: everything the doctor said.
        record: what was observed.
        trials: Records of the treatments tried, by name.
        folder: where Record and page are kept; None when nothing was written.
        is_run: whether it is a run of ``fit``.
    """

    subject: str
    judged: Verdict
    record: Record = field(repr=False)
    trials: Mapping[str, Record] = field(default_factory=dict, repr=False)
    folder: Path | None = None
    is_run: bool = False

    @property
    def verdict(self) -> str:
        """``healthy``, ``sick``, or ``unknown`` when no training was seen."""
        return self.judged.verdict

    @property
    def findings(self) -> list[Finding]:
        """What was found: the primary one first, then other alarms, then notes."""
        return self.judged.findings

    @property
    def page(self) -> Page:
        """The whole page, with the charts of what happened over time."""
        from gradatim.pages import diagnosis

        return diagnosis.page(self._case())

    @property
    def page_file(self) -> Path | None:
        """The HTML page, where one is kept."""
        kept = self.folder / PAGE if self.folder is not None else None
        return kept if kept is not None and kept.exists() else None

    @property
    def summary(self) -> Page:
        """The short page, as a terminal shows it."""
        from gradatim.pages import diagnosis

        return diagnosis.short(self._case())

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON, schema 1."""
        return self.judged.to_dict()

    def __str__(self) -> str:
        """Return the short page as text."""
        from io import StringIO

        from rich.console import Console

        from gradatim.pages import print_page

        paper = StringIO()
        print_page(self.summary, Console(file=paper, width=96, highlight=False))
        return paper.getvalue()

    def _case(self) -> Any:
        from gradatim.pages.diagnosis import Case

        files = []
        if self.folder is not None:
            files = [
                (word, str(self.folder / name))
                for word, name in (("Record", RECORD), ("page", PAGE))
                if (self.folder / name).exists()
            ]
        return Case(self.subject, self.judged, self.record, self.trials, files, self.is_run)


def of_script(
    script: str,
    arguments: Sequence[str],
    *,
    module: bool,
    probe: bool,
    limit: float | None,
    stop_on_alarm: bool,
    out: Path | None,
    talk: Talk,
    tell: Callable[[Diagnosed], None] | None = None,
) -> Diagnosed:
    """Run a script watched, tell alarms while it runs, and keep Record, page and result.

    ``tell`` is called with the diagnosis before its page is drawn; the rest is as in ``verbs``.

    Raises:
        UsageError: it is no Python script.
        DiskError: the Record cannot be written.
    """
    if not module:
        check_script(Path(script))
    folder = _folder(script, out)
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for old in (*folder.glob("record*.jsonl"), folder / RESULT, folder / PAGE):
            old.unlink(missing_ok=True)
    done = diagnose_script(
        Path(script),
        list(arguments),
        record=folder / RECORD,
        module=module,
        probe=probe,
        limit=limit,
        timeout=limit,
        look=_Teller(talk),
        trying=lambda name, names: talk.say(
            f"trial: the script again with {name.replace('-', ' ')}, for {', '.join(names)}"
        ),
        stop_on_alarm=stop_on_alarm,
    )
    found = _of(done, " ".join(["-m", script] if module else [script]), folder)
    keep(found, tell)
    return found


def of_record(place: Path) -> Diagnosed:
    """Judge a run of ours, or the Record of a diagnosis made before.

    Raises:
        NotARunError: neither is there.
    """
    file = place / RECORD if place.is_dir() else place
    if not file.is_file():
        raise NotARunError(
            "nothing here can be diagnosed",
            given=place,
            allowed="a Python script, a run folder, or a Record (record.jsonl)",
            next_step="name the script that trains, e.g. `gradatim diagnose train.py`"
            if place.is_dir() and any(place.glob("*.py"))
            else "`gradatim diagnose train.py` runs a script watched",
        )
    try:
        record = Record.read(file)
        if not record.of("record"):
            raise ValueError("it does not begin as a Record")
    except (ValueError, KeyError, TypeError, UnicodeDecodeError) as error:
        raise NotARunError(
            f"this is no Record ({error})", given=file, next_step="name a record.jsonl"
        ) from error
    if place.is_dir() and record.last("run") is not None:
        return _of_run(place)
    trials = {
        path.stem.removeprefix(f"{file.stem}-"): Record.read(path)
        for path in sorted(file.parent.glob(f"{file.stem}-*.jsonl"))
    }
    script = record.last("script")
    subject = str(place) if script is None else Path(str(script["script"])).name
    return Diagnosed(subject, diagnose(record, trials), record, trials, None)


def _standing(rung: Event) -> float:
    return rank(str(rung["metric"]), float(rung["validation"]["value"]))


def _of_run(place: Path) -> Diagnosed:
    """Judge the model that a run keeps; of a ladder, the best rung that was trained by steps."""
    from gradatim.doctor.recipe_cures import for_run
    from gradatim.pages.run_folder import RunFolder

    run = RunFolder(place)
    records = {run.model: run.trained}
    for rung in sorted(
        run.rungs, key=lambda rung: -rank(str(rung["metric"]), float(rung["validation"]["value"]))
    ):
        record = run.record_of(rung)
        if record is not None:
            records.setdefault(str(rung["model"]), record)
    watched = {name: record for name, record in records.items() if record.of("watched")}
    name, record = next(iter((watched or records).items()))
    judged = for_run(diagnose(record), run.trained_recipe)
    return Diagnosed(f"{place} ({name})", judged, record, {}, None, True)


def check_script(script: Path) -> None:
    """Refuse what is no Python script, with the next step.

    Raises:
        SourceNotFoundError: nothing is there.
        UsageError: it is something else.
    """
    if not script.exists():
        raise SourceNotFoundError(
            "there is no script here",
            given=script,
            next_step="give the path of a .py file, or `-m package.module` for a module",
        )
    if script.suffix == ".ipynb":
        raise UsageError(
            "a notebook is not run from outside",
            given=script,
            next_step="inside it, put the loop into `with gradatim.watch(model, optimizer) as "
            "seen:` and look at `seen.verdict()`",
        )
    if script.suffix not in (".py", ".pyw"):
        raise UsageError(
            "this is no Python script",
            given=script,
            allowed="a .py file, a run folder, or a Record (record.jsonl)",
            next_step="where a shell script starts the training, name the Python file it starts",
        )


def _of(done: Diagnosis, subject: str, folder: Path) -> Diagnosed:
    return Diagnosed(subject, done.verdict, done.record, done.trials, folder)


def _folder(script: str, out: Path | None) -> Path:
    """Return where Record and page go: never beside the script unless it is asked for."""
    if out is not None:
        if out.is_file():
            raise UsageError("this is a file", given=out, next_step="name a folder with --out")
        return out
    name = f"{short_name(script)}-{time.strftime('%Y%m%d-%H%M%S')}-{time.time_ns() % 1000:03d}"
    return claim(cache_folder(), "diagnoses", name, script)


def keep(found: Diagnosed, tell: Callable[[Diagnosed], None] | None = None) -> None:
    """Write result and page beside the Record; tell between them, as drawing a page takes long."""
    assert found.folder is not None
    from gradatim.pages import to_html

    write_json(found.folder / RESULT, found.to_dict())
    if tell is not None:
        tell(found)
    write_text(found.folder / PAGE, to_html(found.page))


class _Teller:
    """Tells each alarm once while the script runs, and takes back what no longer holds."""

    def __init__(self, talk: Talk) -> None:
        self._talk = talk
        self._told: list[str] = []

    def __call__(self, verdict: Verdict) -> None:
        from gradatim.pages.diagnosis import place

        alarms = {item.name: item for item in verdict.findings if item.level == "alarm"}
        for name, item in alarms.items():
            if name not in self._told:
                where = place(item.where)
                since = f" since step {item.step:,}" if item.step else ""
                self._talk.say(
                    f"ALARM {name}{since}: {item.says}" + (f" [{where}]" if where else "")
                )
        for name in self._told:
            if name not in alarms:
                self._talk.say(f"no longer an alarm: {name}")
        self._told = list(alarms)
