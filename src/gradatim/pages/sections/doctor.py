"""What the doctor says of the model that is kept; nothing where it has nothing to say."""

from __future__ import annotations

from collections.abc import Iterator

from gradatim.core.page import Block, Fold, Heading, Text, Verdict
from gradatim.doctor.diagnosis import diagnose
from gradatim.doctor.recipe_cures import for_run
from gradatim.pages import diagnosis
from gradatim.pages.run_folder import RunFolder


def blocks(run: RunFolder) -> Iterator[Block]:
    """Yield the section of a run whose training was watched and is no longer going on."""
    if run.trained.last("unwatched") is None:
        return
    judged = for_run(diagnose(run.trained), run.trained_recipe)
    if not judged.findings:
        return
    case = diagnosis.Case(run.name, judged, run.trained, run=True)
    yield Heading("Doctor", "doctor")
    if judged.primary is not None:
        found = diagnosis.verdict(case)
        yield Verdict(found.statement, found.detail, found.level)
        yield from diagnosis.finding(judged.primary, case)
    rest = [item for item in judged.findings if item is not judged.primary]
    for item in rest:
        yield Fold(f"{item.level} {item.name}: {item.says}", diagnosis.finding(item, case))
    yield Text(f"`gradatim diagnose {run.path}` shows all that was observed.")
