"""The same fit with one choice changed: every value on the same seeds, with paired intervals.

Each value and seed is a run of its own under ``members/``. A seed draws the split (where the source
has none), the first weights and the order, the same for every value; so what makes a seed lucky is
lucky for all, and cancels out in the differences. A comparison that was stopped goes on when it is
asked for again in the same folder: members that ended are not run again, one under way goes on.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from safetensors.numpy import load as tensors_from_bytes
from safetensors.numpy import save as tensors_to_bytes

from gradatim import stats
from gradatim.core.duration import write_seconds
from gradatim.core.files import write_bytes, write_json, write_text
from gradatim.core.measures import rank
from gradatim.core.page import Page
from gradatim.core.recipe import Recipe, fingerprint, keys
from gradatim.core.talk import Talk
from gradatim.data import prepare
from gradatim.data.dataset import Prepared
from gradatim.data.preparation import narrowed
from gradatim.errors import CheckpointError, DataError, UnknownNameError, UsageError
from gradatim.experiments import defaults, fitting
from gradatim.experiments import folder as folders
from gradatim.experiments.clock import Clock
from gradatim.experiments.measure import Measured, bought, measured
from gradatim.pages import comparison as pages
from gradatim.stats import Interval
from gradatim.training import Evaluation

MODELS = {"image": "lenet", "vector": "mlp", "sequence": "gru", "text": "gru"}
"""The model that is compared when none is named: of each kind the smallest that learns features."""
TRAINING_SAMPLES = 2000  # of the training part that are measured, for the training error
MEMBER_SECONDS = 2.0  # beside the training: reading the data, measuring
EVALUATED = 0.4  # seconds to measure a sample, in those to train on one
PATIENCE = 0.02  # of the budget, for timing the steps of one value

MEMBERS, MEMBER, ANSWERS = "members", "member.json", "answers.safetensors"

OTHER_SAMPLES = ("source", "folder", "target", "text", "series", "time", "task", "tokens",
                 "vocabulary", "length", "validation_share", "test_share")  # fmt: skip
REFUSED = {
    "seed": "name how many seeds with --seeds",
    "training.budget": "the clock decides nothing here; compare values of training.epochs",
    "training.plan": "compare values of training.epochs",
    **{
        f"data.{name}": "with other values other samples are measured; fit each by itself"
        for name in OTHER_SAMPLES
    },
}
On = Literal["validation", "test"]


@dataclass(frozen=True)
class Compared:
    """A comparison: ``facts`` are plain values, ``page`` shows them.

    Attributes:
        folder: where everything is kept.
        facts: per value the metric over the seeds, and what it gains over the first value.
        page: the report.
        finished: whether every member has ended.
    """

    folder: Path
    facts: dict[str, Any]
    page: Page
    finished: bool


@dataclass(frozen=True)
class Member:
    """One value with one seed, fitted and measured."""

    facts: dict[str, Any]
    result: Measured


def compare(
    recipe: Recipe,
    over: str | Mapping[str, Iterable[Any]],
    seeds: int,
    on: On,
    out: Path | None,
    talk: Talk,
) -> Compared:
    """Fit and measure every value with every seed, and compare them.

    Args:
        recipe: what all members share; ``training.budget`` is for all together, and ``seed`` is
            the first of the seeds.
        over: the key and its values: ``learning_rate=0.01,0.1``, or a mapping of one key.
        seeds: how many.
        on: the part that is measured.
        out: folder; an unfinished comparison there, with the same choices, goes on.
        talk: where progress goes.

    Raises:
        UsageError: the key cannot be compared, fewer than two values, no seed, or another
            comparison is in the folder.
        DataError: the source cannot be used, or has no such part.
    """
    key, values = read_over(over, recipe)
    if seeds < 1:
        raise UsageError("a comparison needs a seed", given=seeds, allowed="1 or more")
    budget = recipe.training.budget
    recipe = recipe.with_values({"training.budget": None})
    numbers = [recipe.seed + number for number in range(seeds)]
    first, recipe = _data(recipe, talk)
    if not len(first.split.part(on)):
        raise DataError(f"this source has no {on} part", given=recipe.data.source)
    if key != "model.name" and recipe.model.name is None:
        named = {"model.name": MODELS[first.spec.kind]}
        recipe = recipe.with_values(named, "none was named for the comparison")
    recipes = [recipe.with_values({key: value}) for value in values]
    for own in recipes:  # refuses options before anything is written
        fitting.build(first, fitting.settle(first, own))
    place = _place(recipe, out)
    plan = {
        "key": key,
        "values": list(values),
        "seeds": numbers,
        "on": on,
        "budget": budget,
        "recipe": fingerprint(recipe),
    }
    epochs = _plan(place, plan, recipes, first, seeds, budget, talk)
    recipes = [
        own if count is None else own.with_values({"training.epochs": count}, "the plan")
        for own, count in zip(recipes, epochs, strict=True)
    ]
    members: list[list[Member]] = [[] for _ in values]
    finished = True
    total = len(values) * seeds
    talk.say(f"folder {place}")
    for done, (row, member) in enumerate(_members(place, recipes, numbers, first, key, on, talk)):
        if member is None:
            finished = False
            break
        members[row].append(member)
        shown = _label(values[row])
        talk.say(f"{done + 1} of {total}: {key}={shown}, seed {member.facts['seed']}: "
                 f"{on} {member.result.metric} {member.result.value.text()}")  # fmt: skip
    facts = _facts(recipe, key, values, numbers, on, members, first, place, finished)
    page = pages.page(facts)
    write_json(place / folders.COMPARISON, facts)
    from gradatim.pages import to_html

    write_text(place / folders.REPORT, to_html(page))
    return Compared(place, facts, page, finished)


def report(place: Path) -> Page | None:
    """Return the page of a comparison that was made in a folder; None where there is none.

    Raises:
        CheckpointError: what is kept of it is damaged.
    """
    kept = place / folders.COMPARISON
    if not kept.is_file():
        return None
    try:
        return pages.page(json.loads(kept.read_text(encoding="utf-8")))
    except (ValueError, KeyError, TypeError) as error:
        raise CheckpointError(
            "what is kept of this comparison is damaged",
            given=kept,
            next_step=f"the `gradatim compare` command that made it, with --out {place}, writes it "
            "again from its members",
        ) from error


def read_over(
    over: str | Mapping[str, Iterable[Any]], recipe: Recipe
) -> tuple[str, tuple[Any, ...]]:
    """Return the dotted key and its values, each read as the key's type.

    A key may be given without its section, and with ``-`` for ``_``: ``samples-per-class`` is
    ``data.samples_per_class``.

    Raises:
        UsageError: there is no ``=``, not one key, fewer than two different values, or the key is
            one that cannot be compared.
        UnknownNameError: no such key.
    """
    if isinstance(over, str):
        word, sign, text = over.partition("=")
        given: list[Any] = _split(text)
        if not sign or not word.strip():
            raise UsageError(
                "--over takes a key and its values",
                given=over,
                next_step="e.g. --over learning_rate=0.01,0.1",
            )
    else:
        if len(over) != 1:
            raise UsageError("one key is compared at a time", given=", ".join(over))
        ((word, listed),) = over.items()
        given = list(listed)
    key = _full(word.strip())
    if key in REFUSED:
        raise UsageError("this key cannot be compared", given=key, next_step=REFUSED[key])
    read = [recipe.with_values({key: value}).get(key) for value in given]
    values = [value for place, value in enumerate(read) if value not in read[:place]]
    if len(values) < 2:
        raise UsageError(
            "a comparison needs at least two different values",
            given=over if isinstance(over, str) else f"{key}: {given}",
            next_step=f"e.g. --over {word}=A,B",
        )
    return key, tuple(values)


def _split(text: str) -> list[str]:
    """Cut at the commas that are not inside brackets: ``[64,32],[128]`` are two values."""
    pieces, depth = [""], 0
    for letter in text:
        depth += (letter in "[(") - (letter in "])")
        if letter == "," and depth == 0:
            pieces.append("")
        else:
            pieces[-1] += letter
    return [piece.strip() for piece in pieces if piece.strip()]


def _full(word: str) -> str:
    """Return the dotted key that a word names."""
    name = word.replace("-", "_")
    if "." in name or name == "seed":
        return name
    found = [key for key in keys() if key.partition(".")[2] == name]
    if name == "model":
        found = ["model.name"]
    if len(found) != 1:
        known = sorted({key.partition(".")[2] for key in keys() if "." in key})
        raise UnknownNameError(
            "the recipe has no such key",
            given=word,
            allowed=known,
            next_step="an option of a model is written with its section: model.width",
        )
    return found[0]


def _data(recipe: Recipe, talk: Talk) -> tuple[Prepared, Recipe]:
    """Return the data of a seed with all training samples, and the recipe with what was found."""
    asked = {
        "data.limit": recipe.data.limit,
        "data.samples_per_class": recipe.data.samples_per_class,
    }
    prepared, found = prepare(recipe.with_values(dict.fromkeys(asked)), talk=talk)
    return prepared, found.with_values({k: v for k, v in asked.items() if v is not None})


def _of_value(recipe: Recipe, whole: Prepared, key: str, talk: Talk) -> Prepared:
    """Return the data as one value sees them, in the parts of its seed."""
    split = narrowed(whole.split, whole.targets, whole.spec.classes, recipe)
    if split is whole.split and not key.startswith("data."):
        return whole
    prepared, _ = prepare(recipe, talk=talk, split=split)
    return prepared


def _place(recipe: Recipe, out: Path | None) -> Path:
    if out is not None:
        if (out / folders.PLAN).is_file():
            return out
        folders.check_free(out)
        return out
    name = f"{folders.short_name(recipe.data.source)}-compare"
    number = 1
    while (Path("runs") / f"{name}-{number}").exists():
        number += 1
    return Path("runs") / f"{name}-{number}"


def _plan(
    place: Path,
    plan: dict[str, Any],
    recipes: Sequence[Recipe],
    whole: Prepared,
    seeds: int,
    budget: float | None,
    talk: Talk,
) -> list[int | None]:
    """Return the epochs of each value, None where its recipe has them; kept in the folder.

    Raises:
        UsageError: the folder holds a comparison with other choices.
    """
    kept = place / folders.PLAN
    if kept.is_file():
        old = json.loads(kept.read_text(encoding="utf-8"))
        plan = json.loads(json.dumps(plan))
        different = _different(plan, old)
        if different:
            raise UsageError(
                f"another comparison is in this folder: it differs in {', '.join(different)}",
                given=place,
                next_step="choose another with --out",
            )
        epochs: list[int | None] = old["epochs"]
        return epochs
    epochs = _epochs(recipes, whole, seeds, budget, plan["key"], talk)
    place.mkdir(parents=True, exist_ok=True)
    write_json(kept, {**plan, "epochs": epochs})
    return epochs


def _different(plan: Mapping[str, Any], old: Mapping[str, Any]) -> list[str]:
    """Return what differs between two plans; of their recipes, the dotted keys."""
    found = [name for name in plan if name != "recipe" and plan[name] != old.get(name)]
    for section, values in plan["recipe"].items():
        before = old["recipe"].get(section)
        if isinstance(values, Mapping) and isinstance(before, Mapping):
            names = sorted({*values, *before})
            found += [f"{section}.{n}" for n in names if values.get(n) != before.get(n)]
        elif values != before:
            found.append(section)
    return found


def _epochs(
    recipes: Sequence[Recipe],
    whole: Prepared,
    seeds: int,
    budget: float | None,
    key: str,
    talk: Talk,
) -> list[int | None]:
    """Return the epochs with which all members together fit the budget.

    A step of each value is timed once; then nothing depends on the clock any more, and every value
    and seed gets the same number of passes, or fewer where its own default is less.
    """
    if key == "training.epochs" or recipes[0].training.epochs is not None:
        if budget is not None:
            raise UsageError(
                "a comparison takes a budget or epochs, not both",
                next_step="leave --budget out; the epochs say how long it takes",
            )
        return [None] * len(recipes)
    budget = defaults.BUDGET if budget is None else budget
    clock = Clock(budget)
    most, seconds = [], []
    for own in recipes:
        settled = fitting.settle(whole, own)
        split = narrowed(whole.split, whole.targets, whole.spec.classes, own)
        train, validation = len(split.train), len(whole.split.validation)
        most.append(defaults.most_epochs(train))
        if getattr(fitting.build(whole, settled), "solved", False):
            seconds.append(0.0)
            continue
        step = fitting.seconds_per_step(whole, own, 0.0, PATIENCE * budget)
        size = int(settled.data.batch_size or 32)
        seconds.append(step * (train + EVALUATED * validation) / size)
    left = (clock.left() or budget) / seeds - MEMBER_SECONDS * len(recipes)

    def needed(count: int) -> float:
        return sum(min(count, m) * s for m, s in zip(most, seconds, strict=True))

    count = max(most)
    while count > 1 and needed(count) > left:
        count -= 1
    if needed(count) > max(left, 0):
        talk.warn(
            f"one pass of every value and seed will take about "
            f"{write_seconds(seeds * (needed(1) + MEMBER_SECONDS * len(recipes)))}, "
            f"longer than the budget of {write_seconds(budget)}"
        )
    talk.say(f"planned: at most {count} epochs for each member, {seeds} seeds")
    return [min(count, m) for m in most]


def _members(
    place: Path,
    recipes: Sequence[Recipe],
    seeds: Sequence[int],
    first: Prepared,
    key: str,
    on: On,
    talk: Talk,
) -> Iterator[tuple[int, Member | None]]:
    """Yield each member with the number of its value; None, and no more, after an interruption."""
    whole: Prepared | None = first
    for seed in seeds:
        for row, recipe in enumerate(recipes):
            folder = place / MEMBERS / f"{row + 1:02d}-seed-{seed}"
            own = recipe.with_values({"seed": seed})
            if (folder / MEMBER).is_file():
                yield row, _read(folder, first)
                continue
            if whole is None:
                whole = _data(own, talk)[0]
            prepared = _of_value(own, whole, key, talk)
            if not np.array_equal(prepared.split.part(on), whole.split.part(on)):
                raise DataError("this key changes which samples are measured", given=key)
            member = _fit(folder, prepared, own, on, talk)
            yield row, member
            if member is None:
                return
        whole = None


def _fit(folder: Path, prepared: Prepared, recipe: Recipe, on: On, talk: Talk) -> Member | None:
    fitted = fitting.fit_model(prepared, recipe, folder, talk, seconds=None)
    if fitted.reason == "interrupted":
        return None
    result = fitted.measured
    if on == "test":
        result = fitting.measure_on(prepared, fitted.recipe, fitted.model, "test")
    train = None
    if prepared.spec.task != "next-token":
        part = prepared.split.train
        count = min(len(part), TRAINING_SAMPLES)
        shown = part[np.linspace(0, len(part) - 1, count).astype(np.int64)]
        train = fitting.measure_on(prepared, fitted.recipe, fitted.model, shown).value.value
    facts = {
        "seed": recipe.seed,
        "train": train,
        "samples": len(prepared.split.train),
        "epochs": None if getattr(fitted.model, "solved", False) else fitted.recipe.training.epochs,
        "reason": fitted.reason,
        "seconds": fitted.seconds,
        "parameters": fitted.parameters,
        "model": fitted.name,
    }
    answers = {
        name: np.ascontiguousarray(getattr(result.evaluation, name))
        for name in ("indices", "scores", "targets")
    }
    write_bytes(folder / ANSWERS, tensors_to_bytes(answers))
    write_json(folder / MEMBER, facts)
    return Member(facts, result)


def _read(folder: Path, prepared: Prepared) -> Member:
    facts = json.loads((folder / MEMBER).read_text(encoding="utf-8"))
    answers = tensors_from_bytes((folder / ANSWERS).read_bytes())
    evaluation = Evaluation(**answers, loss=float("nan"), metrics={}, seconds=0.0)
    return Member(facts, measured(evaluation, prepared.spec))


def _facts(
    recipe: Recipe,
    key: str,
    values: Sequence[Any],
    seeds: Sequence[int],
    on: On,
    members: Sequence[Sequence[Member]],
    prepared: Prepared,
    place: Path,
    finished: bool,
) -> dict[str, Any]:
    rows = []
    for number, (value, own) in enumerate(zip(values, members, strict=True)):
        row: dict[str, Any] = {"value": value, "label": _label(value), "seeds": len(own)}
        if own:
            row |= _summary(own)
            row["gain"] = _gain(members[0], own) if number else None
            row["step"] = _gain(members[number - 1], own) if number > 1 else None
        rows.append(row)
    metric = next((m.result.metric for own in members for m in own), "accuracy")
    return {
        "folder": str(place),
        "source": recipe.data.source,
        "kind": prepared.spec.kind,
        "model": recipe.model.name,
        "key": key,
        "on": on,
        "measured": len(prepared.split.part(on)),
        "metric": metric,
        "seeds": list(seeds),
        "finished": finished,
        "values": rows,
        "best": _best(values, members),
    }


def _best(values: Sequence[Any], members: Sequence[Sequence[Member]]) -> dict[str, Any] | None:
    """Return the value of the best mean, and its gain over each other, the next best first."""
    done = [number for number, own in enumerate(members) if own]
    if len(done) < 2:
        return None

    def reached(number: int) -> float:
        results = [member.result for member in members[number]]
        return float(np.mean([rank(result.metric, result.value.value) for result in results]))

    best, *others = sorted(done, key=reached, reverse=True)
    over = [
        {"label": _label(values[other]), "gain": _gain(members[other], members[best])}
        for other in others
    ]
    return {"label": _label(values[best]), "over": over}


def _summary(own: Sequence[Member]) -> dict[str, Any]:
    """Return what one value reached: the mean over seeds, or the one result, with its interval."""
    results = [member.result.value.value for member in own]
    interval = stats.mean_interval(results) if len(own) > 1 else own[0].result.value
    trained = [member.facts["train"] for member in own if member.facts["train"] is not None]
    last = own[-1].facts
    return {
        "mean": interval.value,
        "low": interval.low,
        "high": interval.high,
        "each": results,
        "train": float(np.mean(trained)) if trained else None,
        "samples": last["samples"],
        "epochs": last["epochs"],
        "parameters": last["parameters"],
        "seconds": float(np.mean([member.facts["seconds"] for member in own])),
        "diverged": sum(member.facts["reason"] == "non-finite" for member in own),
    }


def _gain(before: Sequence[Member], after: Sequence[Member]) -> dict[str, Any] | None:
    """Return what one value gains over another on the seeds both have: positive is better."""
    pairs = list(zip(before, after, strict=False))
    if not pairs:
        return None
    if len(pairs) == 1:
        interval = bought(pairs[0][0].result, pairs[0][1].result)
    else:
        metric = pairs[0][0].result.metric
        differences = [
            rank(metric, b.result.value.value) - rank(metric, a.result.value.value)
            for a, b in pairs
        ]
        interval = stats.mean_interval(differences)
    return {**_ends(interval), "seeds": len(pairs), "verdict": interval.verdict}


def _ends(interval: Interval) -> dict[str, float]:
    return {"difference": interval.value, "low": interval.low, "high": interval.high}


def _label(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
