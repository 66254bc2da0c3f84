"""A run folder as its report sees it: files read once, what is missing is None."""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from gradatim.core.measures import rank
from gradatim.core.record import Event, Record
from gradatim.errors import NotARunError, RunError

PARTS = {"train": "training", "validation": "validation", "test": "test"}
NOUNS = {"image": "image", "vector": "sample", "table": "row", "text": "text"}
NOUNS |= {"next-token": "passage"}
SPOKEN = {
    "features": "A linear layer on features",
    "fine-tuned": "The fine-tuned network",
    "from scratch": "The network from scratch",
}


class RunFolder:
    """The files of one run.

    Args:
        path: the folder; shown in commands as it was given.

    Raises:
        NotARunError: no run is there.
        RunError: a file of the run is damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if not (path / "recipe.toml").is_file() and not (path / "record.jsonl").is_file():
            what = "this is not a run folder" if path.exists() else "there is no such run folder"
            raise NotARunError(
                what,
                given=path,
                next_step="a run folder holds recipe.toml; by default runs are kept in runs/",
            )
        self.record = _record(path)
        self.audit: Mapping[str, Any] | None = self._json("audit.json")
        self.split: Mapping[str, Any] | None = self._json("split.json")
        self.boundary: Mapping[str, Any] | None = self._json("boundary.json")
        self.package: Mapping[str, Any] = self._json("model/package.json") or {}

    def _json(self, name: str) -> Any:
        path = self.path / name
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise _damaged(path, error) from error

    @cached_property
    def recipe_text(self) -> str:
        """The recipe as written; empty when there is none."""
        path = self.path / "recipe.toml"
        return path.read_text(encoding="utf-8") if path.is_file() else ""

    @cached_property
    def recipe(self) -> dict[str, Any]:
        """The recipe's plain values."""
        return self._toml("recipe.toml")

    @cached_property
    def trained_recipe(self) -> dict[str, Any]:
        """The recipe of the model that is kept: of the winner's rung, or the run's own."""
        rung = "" if self.best is None else str(self.best.get("run") or "")
        return (self._toml(f"{rung}/recipe.toml") if rung else {}) or self.recipe

    def _toml(self, name: str) -> dict[str, Any]:
        path = self.path / name
        try:
            return tomllib.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        except ValueError as error:
            raise _damaged(path, error) from error

    @cached_property
    def run(self) -> Event:
        """The event that began the run; empty when it was killed before."""
        return self.record.last("run") or {}

    @cached_property
    def rungs(self) -> list[Event]:
        """The rungs climbed; empty for a single model."""
        return self.record.of("rung")

    @cached_property
    def best(self) -> Event | None:
        """The rung that won, or so far has the best validation metric."""
        winner = self.record.last("winner")
        if winner is not None:
            for rung in self.rungs:
                if rung["rung"] == winner["rung"]:
                    return rung
        return max(
            self.rungs,
            key=lambda rung: rank(str(rung["metric"]), float(rung["validation"]["value"])),
            default=None,
        )

    @cached_property
    def trained(self) -> Record:
        """The Record of the model that is kept: of the winner's rung, or the run's own."""
        if self.best is None:
            return self.record
        return self.record_of(self.best) or self.record

    def record_of(self, rung: Event) -> Record | None:
        """Return the Record of one rung, where it is there."""
        place = self.path / str(rung.get("run", ""))
        return _record(place) if (place / "record.jsonl").is_file() else None

    @property
    def model(self) -> str:
        """Name of the model that is kept."""
        for event in (self.best, self.trained.last("run"), self.run):
            if event and event.get("model"):
                return str(event["model"])
        return str((self.recipe.get("model") or {}).get("name") or "the model")

    @property
    def spoken(self) -> str:
        """The model that is kept, as a sentence begins with it."""
        return SPOKEN.get(self.model, self.model)

    @property
    def source(self) -> str:
        """What was learnt from, as the user named it."""
        audit = self.audit or {}
        return str((self.recipe.get("data") or {}).get("source") or audit.get("source") or "data")

    @property
    def name(self) -> str:
        """Name of the folder."""
        return self.path.name or os.fspath(self.path)

    @property
    def metric(self) -> str:
        """Name of the metric that models are compared by."""
        named = self.best or self.run
        of_task = {"regression": "r2", "next-token": "bits-per-character"}
        return str(named.get("metric") or of_task.get(str(self.run.get("task")), "accuracy"))

    @property
    def is_regression(self) -> bool:
        """Say whether numbers are predicted, not classes."""
        return self.run.get("task") == "regression"

    @property
    def classes(self) -> list[str]:
        """Names of the classes, in the order of the model's outputs."""
        return [str(name) for name in self.run.get("classes") or []]

    @property
    def samples(self) -> dict[str, int]:
        """Number of samples of each part that has some, by its full name."""
        counted = self.run.get("samples") or {}
        if not counted.get("test") and self.split is not None:
            counted = {part: len(self.split.get(part) or []) for part in PARTS}
        return {PARTS.get(part, part): int(n) for part, n in counted.items() if n}

    @property
    def target(self) -> tuple[str, str]:
        """Name and unit of a regression target."""
        spec = self.package.get("spec") or {}
        audit_target = (self.audit or {}).get("target") or {}
        name = spec.get("target") or self.run.get("target") or audit_target.get("name")
        return str(name or "the target"), str(spec.get("unit") or self.run.get("unit") or "")

    def noun(self, count: float = 2) -> str:
        """Return what one sample is called: ``image``, ``row``, ``sample``."""
        kind = str((self.audit or {}).get("kind") or self.run.get("kind") or "vector")
        if kind == "sequence":
            return "series"
        if self.run.get("task") == "next-token":
            kind = "next-token"
        return NOUNS.get(kind, "sample") + ("" if count == 1 else "s")

    @property
    def reason(self) -> str | None:
        """Why the run ended: ``finished``, ``interrupted`` …; None while it has not."""
        ended = self.record.last("done") or (None if self.rungs else self.record.last("end"))
        if ended is None and self.record.last("winner") and self.record.last("test"):
            return "finished"
        return None if ended is None else str(ended.get("reason", "finished"))

    @property
    def test(self) -> Event | None:
        """The one measurement on the test part."""
        return self.record.last("test")

    @property
    def made(self) -> str:
        """When, as a date: of the package, or else of the Record's last line."""
        created = self.package.get("created")
        if created:
            return str(created)[:16].replace("T", " ") + " UTC"
        for name in ("record.jsonl", "recipe.toml"):
            if (self.path / name).is_file():
                moment = datetime.fromtimestamp((self.path / name).stat().st_mtime, UTC)
                return moment.strftime("%Y-%m-%d %H:%M UTC")
        return ""


def _record(path: Path) -> Record:
    """Return the Record of a folder, empty when nothing has happened yet."""
    if not (path / "record.jsonl").is_file():
        return Record([])
    try:
        return Record.read(path)
    except ValueError as error:
        raise _damaged(path / "record.jsonl", error) from error


def _damaged(path: Path, error: Exception) -> RunError:
    return RunError(
        f"a file of the run is damaged ({error})",
        given=path,
        next_step="fit again with the recipe of this run: gradatim fit --recipe recipe.toml",
    )
