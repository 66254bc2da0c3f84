"""The recipe with its reasons, and the commands that use the run or make it again."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Any

from gradatim.core.page import Block, Cell, Code, Fold, Heading, Table, Text
from gradatim.pages.run_folder import RunFolder


def blocks(run: RunFolder) -> Iterator[Block]:
    """Yield the sections on the recipe and on using the run."""
    if run.recipe_text:
        yield Heading("Recipe", "recipe")
        rows = _rows(run.trained_recipe)
        reasoned = [row for row in rows if not str(row[2]).startswith("default")]
        defaults = [row for row in rows if row not in reasoned]
        if rows:
            whose = f" for {run.model}" if run.best is not None else ""
            yield Text(f"What was chosen automatically{whose}, and why.")
        if reasoned:
            yield Table(["key", "value", "reason"], reasoned)
        if defaults:
            yield Fold(
                f"{len(defaults)} keys at their default",
                [Table(["key", "value", "reason"], defaults)],
            )
        yield Fold("The whole recipe, recipe.toml", [Code(run.recipe_text.strip(), "toml")])
    yield Heading("Use it", "use")
    yield from _commands(run)


def _rows(recipe: dict[str, Any]) -> list[list[Cell]]:
    """Return (key, value, reason) for every choice with a reason."""
    rows: list[list[Cell]] = []
    for key, reason in (recipe.get("reasons") or {}).items():
        section, _, name = key.rpartition(".")
        owner = recipe.get(section, {}) if section else recipe
        value = owner.get(name) if isinstance(owner, dict) else None
        rows.append([key, _value(value), str(reason)])
    return rows


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    text = "left open" if value is None else str(value)
    return text if len(text) <= 60 else text[:59] + "…"


def _example(run: RunFolder) -> tuple[str, str]:
    """Return what is given to ``gradatim predict``, and the same in Python."""
    if run.run.get("task") == "next-token":
        return '"How it begins" --length 200', 'continue_text("How it begins", 200)'
    kind = str((run.audit or {}).get("kind") or run.run.get("kind"))
    given = {"image": "photo.jpg", "text": "One text"}.get(kind, "rows.csv")
    return shlex.quote(given).replace("'", '"'), f'predict("{given}")'


def _commands(run: RunFolder) -> Iterator[Block]:
    folder = shlex.quote(str(run.path))
    if run.reason in (None, "interrupted"):
        yield Text("Go on where it stopped, bit for bit:")
        yield Code(f"gradatim resume {folder}", "shell")
    if (run.path / "model").is_dir():
        yield Text("Predict, from the command line or from Python:")
        given, call = _example(run)
        yield Code(f"gradatim predict {folder} {given}", "shell")
        yield Code(
            "import gradatim\n\n"
            f'model = gradatim.load("{run.path.as_posix()}")\n'
            f"print(model.{call})",
            "python",
        )
        yield Text("Measure it on other data:")
        yield Code(f"gradatim evaluate {folder} SOURCE", "shell")
    if run.recipe_text:
        yield Text(
            "Make the same run again; on the same machine with the same number of threads the "
            "result is the same to the bit:"
        )
        yield Code(f"gradatim fit --recipe {folder}/recipe.toml", "shell")
