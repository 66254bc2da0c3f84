"""The ladder: rungs from the simplest model to the deepest that fits the budget.

Each rung is a run of its own under ``rungs/``, measured on the same validation samples, so that
what each step bought can be told with a paired interval. The cheap rungs share at most 15 % of the
budget; the deep rung gets all that is left, and is always tried.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gradatim.core.duration import write_seconds
from gradatim.core.page import Cell, Table
from gradatim.core.recipe import ModelRecipe, Recipe, StartRecipe
from gradatim.core.record import RecordWriter
from gradatim.core.talk import Talk
from gradatim.data.augment import Augmentation
from gradatim.data.dataset import Prepared
from gradatim.data.larger import seen_in_training
from gradatim.experiments import defaults, ending, fitting, starting
from gradatim.experiments import folder as folders
from gradatim.experiments.clock import Clock
from gradatim.experiments.fitting import Fitted
from gradatim.experiments.measure import Measured, bought
from gradatim.stats import Interval

CHEAP_SHARE = 0.13  # of the budget for all rungs but the deep one; 0.15 is the promise
SHARES = {"knn": 1.5, "linear": 1.0, "mlp": 1.5, "lenet": 2.5}  # how the cheap rungs divide it
SHARES |= {"bag": 1.0, "ngram": 0.5, "rnn": 2.0, "gru": 2.5}
SCRATCH_SHARE = 0.5  # of what is left, so that weights and no weights get the same time
FEATURES_SHARE = 0.3  # of what is left; fine-tuning begins with them and takes none anew
WIDTHS = {"resnet9": (16, 24, 32, 48, 64), "resnet18": (16, 32, 64)}  # of the first layer
PATIENCE = 0.02  # of what is left, for timing one width
LEAST_EPOCHS = 10.0  # seen fewer times, a wide net does worse than a narrower one (ResNet-9)


@dataclass(frozen=True)
class Rung:
    """One rung that has been climbed, with what the step to it bought."""

    number: int
    fitted: Fitted
    place: Path
    gain: Interval | None
    against: str

    @property
    def measured(self) -> Measured:
        """What it gets right on the validation samples."""
        return self.fitted.measured


def climb(place: Path, prepared: Prepared, recipe: Recipe, clock: Clock, talk: Talk) -> Rung:
    """Climb the ladder that suits the data, and return the best rung.

    A rung that an earlier part of the same run has finished is taken as it is. The Record of the
    ladder is written anew from its first line, so a resumed ladder repeats no event.

    Args:
        place: the run folder.
        prepared: the data.
        recipe: of the run; ``rungs`` of an earlier run are climbed again as they were.
        clock: what is left of the budget.
        talk: where the live table goes.
    """
    names = _names(prepared, recipe)
    rungs: list[Rung] = []
    with RecordWriter(place / folders.RECORD, length=0) as record:
        record.write("run", **_facts(prepared, recipe, names))
        for number, name in enumerate(names, start=1):
            folder = place / "rungs" / f"{number:02d}-{name.replace(' ', '-')}"
            talk.say(f"rung {number} of {len(names)}: {name}")
            own = _own_recipe(folder, recipe, number, name)
            if rungs and name == starting.LABELS["fine-tuning"]:
                own = _with_features_of(rungs[-1].fitted.recipe, own)
            if name == names[-1] and clock.budget is not None and not folder.exists():
                # what has to be stored for it is stored before the time that is left is taken
                settled = fitting.settle(prepared, own)
                seen_in_training(prepared, Augmentation.from_recipe(settled.data))
                own = _fitting_width(prepared, own, clock.left(ending.SECONDS) or 0.0)
            seconds = _seconds(name, names, clock, rungs)
            fitted = fitting.fit_model(prepared, own, folder, talk, seconds=seconds)
            before = rungs[-1].fitted if rungs else None
            gain = bought(before.measured, fitted.measured) if before else None
            rungs.append(Rung(number, fitted, folder, gain, before.label if before else ""))
            record.write("rung", **_event(rungs[-1], place), **_beside_scratch(rungs))
            record.flush(durable=True)
            talk.board(_board(rungs))
            if fitted.reason == "interrupted":
                break
        winner, reason = _best(rungs)
        record.write("winner", rung=winner.number, model=winner.fitted.label, reason=reason)
        record.flush(durable=True)
    kept = tuple(rung.fitted.differences(recipe) for rung in rungs)
    folders.write_recipe(place, replace(recipe, rungs=kept))
    return winner


def _names(prepared: Prepared, recipe: Recipe) -> Sequence[str]:
    if recipe.rungs:
        return [_label(recipe, rung) for rung in recipe.rungs]
    if recipe.start.weights is not None:
        compared = ("scratch",) if recipe.start.scratch else ()
        return ("majority", *(starting.LABELS[name] for name in (*compared, *starting.METHODS)))
    return defaults.rungs(prepared.spec)


def _label(recipe: Recipe, rung: Mapping[str, Any]) -> str:
    """Return the name of a rung that is climbed again."""
    method = rung.get("start.method")
    return starting.LABELS[method] if method else str(rung.get("model.name", recipe.model.name))


def _own_recipe(folder: Path, recipe: Recipe, number: int, name: str) -> Recipe:
    """Return the recipe of a rung: the one it was begun with, the one it repeats, or a new one."""
    if (folder / folders.RECIPE).exists():
        return folders.read_recipe(folder)
    method = {label: method for method, label in starting.LABELS.items()}.get(name)
    if recipe.start.weights is not None and method is None:  # it starts from nothing
        recipe = replace(recipe, start=StartRecipe(), model=ModelRecipe())
    values: dict[str, Any] = {"start.method": method} if method else {"model.name": name}
    if recipe.rungs:
        values |= recipe.rungs[number - 1]
    return recipe.with_values(values)


def _with_features_of(before: Recipe, recipe: Recipe) -> Recipe:
    """Return the recipe of fine-tuning that begins with the features which the rung before took."""
    taken = {key: before.get(key) for key in ("start.views", "start.samples")}
    return recipe.filled({k: v for k, v in taken.items() if v is not None}, "as for the features")


def _seconds(name: str, names: Sequence[str], clock: Clock, rungs: Sequence[Rung]) -> float | None:
    """Return the seconds a rung may take; None without a budget.

    The cheap rungs still to come divide what is left of their share; the last takes all the rest.
    """
    if clock.budget is None:
        return None
    if name == names[-1]:
        return clock.left(ending.SECONDS)
    if name == starting.LABELS["scratch"]:
        return SCRATCH_SHARE * (clock.left(ending.SECONDS) or 0.0)
    if name == starting.LABELS["features"]:
        return FEATURES_SHARE * (clock.left(ending.SECONDS) or 0.0)
    to_come = names[len(rungs) : -1]
    left = max(CHEAP_SHARE * clock.budget - clock.spent, 0.01 * clock.budget)
    return left * SHARES.get(name, 0.2) / sum(SHARES.get(other, 0.2) for other in to_come)


def _fitting_width(prepared: Prepared, recipe: Recipe, seconds: float) -> Recipe:
    """Return the recipe of a deep net with the widest form that is seen often enough in time.

    The step is timed on copies, from the narrowest form up; that one is taken when none fits.
    """
    widths = WIDTHS.get(str(recipe.model.name), ())
    if not widths or recipe.get("model.width") or recipe.start.weights is not None:
        return recipe
    chosen, passes = widths[0], 0.0
    for width in widths:
        tried = recipe.with_values({"model.width": width})
        steps = len(prepared.split.train) / (fitting.settle(prepared, tried).data.batch_size or 1)
        enough = seconds / steps / LEAST_EPOCHS
        step = fitting.seconds_per_step(prepared, tried, enough, PATIENCE * seconds)
        epochs = seconds / step / steps
        if epochs >= LEAST_EPOCHS or width == widths[0]:
            chosen, passes = width, epochs
        if epochs < LEAST_EPOCHS:
            break
    reason = f"about {passes:.1f} passes fit in {write_seconds(seconds)}"
    return recipe.with_values({"model.width": chosen}, reason)


def _best(rungs: Sequence[Rung]) -> tuple[Rung, str]:
    """Return the rung that does best on the validation samples, the earliest of equals, and why."""
    best = max(rungs, key=lambda rung: (rung.measured.rank, -rung.number))
    metric = best.measured.metric
    most = "fewest" if metric == "bits-per-character" else "highest"
    said = f"the {most} validation {metric.replace('-', ' ')}, {best.measured.value.text()}"
    others = [rung for rung in rungs if rung is not best]
    if not others:
        return best, said
    second = max(others, key=lambda rung: rung.measured.rank)
    gain = bought(second.measured, best.measured)
    if gain.low > 0:
        return best, f"{said}; ahead of {second.fitted.label} beyond the noise of the samples"
    return best, f"{said}; the lead over {second.fitted.label} is within the noise of the samples"


def _facts(prepared: Prepared, recipe: Recipe, names: Sequence[str]) -> dict[str, Any]:
    return {
        **fitting.data_facts(prepared, recipe),
        "model": "ladder",
        "rungs": list(names),
    }


def _event(rung: Rung, place: Path) -> dict[str, Any]:
    fitted = rung.fitted
    gain = rung.gain
    return {
        "rung": rung.number,
        "model": fitted.label,
        "run": rung.place.relative_to(place).as_posix(),
        "parameters": fitted.parameters,
        "train_seconds": fitted.seconds,
        "prediction_seconds": rung.measured.seconds,
        "metric": rung.measured.metric,
        "validation": rung.measured.event(),
        "bought": None
        if gain is None
        else {
            "against": rung.against,
            "difference": gain.value,
            "low": gain.low,
            "high": gain.high,
        },
        "note": fitted.note,
    }


def _beside_scratch(rungs: Sequence[Rung]) -> dict[str, Any]:
    """Return what the weights bought: the last rung against the same network from scratch."""
    scratch = [rung for rung in rungs if rung.fitted.label == starting.LABELS["scratch"]]
    last = rungs[-1]
    if not scratch or last is scratch[0] or scratch[0].fitted.name != last.fitted.name:
        return {}
    gain = bought(scratch[0].measured, last.measured)
    told = {"difference": gain.value, "low": gain.low, "high": gain.high}
    return {"weights_bought": {"against": scratch[0].fitted.label, **told}}


def _board(rungs: Sequence[Rung]) -> Table:
    """Return the live table of the rungs climbed so far."""
    best, _ = _best(rungs)
    metric = rungs[0].measured.metric
    rows: list[list[Cell]] = [
        [
            rung.fitted.label,
            rung.fitted.parameters,
            f"{rung.measured.value.value:.3f}",
            f"{rung.measured.value.low:.3f} to {rung.measured.value.high:.3f}",
            write_seconds(rung.fitted.seconds),
            write_seconds(rung.measured.seconds),
            "" if rung.gain is None else f"{rung.gain.value:+.3f}",
        ]
        for rung in rungs
    ]
    columns = ["rung", "parameters", metric, "95 % interval", "training", "a sample", "bought"]
    return Table(columns, rows, emphasis=[rungs.index(best)], formats={"parameters": ",d"})
