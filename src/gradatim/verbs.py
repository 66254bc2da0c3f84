"""The verbs: each is a command of the command line and a function of the package.

Wiring only: what a verb does is done in the rooms below. Nothing is imported before it is used,
so that listing names or asking for help loads no torch.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gradatim.core.talk import SILENCE, Talk
from gradatim.errors import UnknownNameError, UsageError

if TYPE_CHECKING:
    from gradatim.core.page import Page
    from gradatim.core.recipe import Recipe
    from gradatim.data.card import Card
    from gradatim.experiments.comparison import Compared
    from gradatim.experiments.diagnosed import Diagnosed
    from gradatim.experiments.explaining import Explained
    from gradatim.experiments.run import Run
    from gradatim.experiments.seen import Seen
    from gradatim.experiments.tuning import Tuned
    from gradatim.package import Model

Place = str | Path
WEIGHTS_VARIABLE = "GRADATIM_WEIGHTS"  # what a folder of images starts from, where nothing is said
LENGTH = ("training.budget", "training.epochs", "training.plan")
Settings = Mapping[str, Any] | Iterable[str]


def fit(
    source: Place | None = None,
    *,
    model: str | None = None,
    weights: Place | None = None,
    budget: str | float | None = None,
    epochs: int | None = None,
    seed: int | None = None,
    device: str | None = None,
    precision: str | None = None,
    target: str | None = None,
    data_dir: Place | None = None,
    settings: Settings = (),
    recipe: Place | Recipe | None = None,
    out: Place | None = None,
    talk: Talk = SILENCE,
) -> Run:
    """Fit the best model the time allows, or one model, and measure it on the test part.

    Args:
        source: a name (``digits``), a folder of images, a table, an ``.npz`` file.
        model: one model only; without it a ladder of models is climbed.
        weights: what to start from: a run or package folder, a ``.safetensors`` or ``.pth`` file
            (with ``model``), ``torchvision:NAME``, ``timm:NAME`` or ``package.module:factory``.
            A linear layer is fitted on the features, then the network is fine-tuned. Where
            neither they nor a model are given, a folder of images starts from those that the
            environment variable ``GRADATIM_WEIGHTS`` names.
        budget: seconds, or a text such as ``"10m"``, that the call may take, the audit included.
        epochs: passes over the training samples; with a budget, at most so many.
        seed: every random choice follows from it.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1`` or ``mps``.
        precision: ``fp32`` or ``bf16``.
        target: column to predict, for a table.
        data_dir: where local copies of named sets are looked for first.
        settings: keys of the recipe: a mapping, or texts ``key=value``.
        recipe: a recipe or the file of one, to start from.
        out: the run folder; by default ``runs/<source>-<model>-<n>``.
        talk: where progress goes; nowhere by default.

    Returns:
        The finished run: its folder, recipe, winner and test result.

    Raises:
        GradatimError: the source, a name, a value or the disk does not allow it; nothing is lost.
    """
    began = time.monotonic()  # before torch is loaded: a budget is the time of the whole call
    from gradatim.experiments.run import start

    chosen = _recipe(
        recipe,
        {
            "data.source": source,
            "data.target": target,
            "data.folder": data_dir,
            "model.name": model,
            "start.weights": weights,
            "training.epochs": epochs,
            "training.budget": budget,
            "seed": seed,
            "machine.device": device,
            "machine.precision": precision,
        },
        settings,
    )
    if recipe is None:
        chosen = _with_default_weights(chosen)
    return start(chosen, Path(out) if out is not None else None, talk, began)


def _with_default_weights(recipe: Recipe) -> Recipe:
    """Return the recipe with the weights the user keeps at hand, for a ladder over photos."""
    named = os.environ.get(WEIGHTS_VARIABLE)
    chosen = recipe.start.weights or recipe.start.method or recipe.model.name
    if not named or chosen or not Path(recipe.data.source).expanduser().is_dir():
        return recipe
    return recipe.filled({"start.weights": named}, f"{WEIGHTS_VARIABLE} names them")


def resume(run: Place, *, talk: Talk = SILENCE) -> Run:
    """Go on with a run after a stop, a crash or a kill, bit for bit; leave a finished run alone.

    Args:
        run: the run folder.
        talk: where progress goes; nowhere by default.

    Raises:
        NotARunError: no run is there.
        CheckpointError: the checkpoint is damaged, or the data are no longer the same.
    """
    began = time.monotonic()
    from gradatim.experiments.run import go_on

    return go_on(Path(run), talk, began)


def evaluate(
    run: Place,
    source: Place | None = None,
    *,
    stress: str | None = None,
    against: Place | None = None,
    target: str | None = None,
    data_dir: Place | None = None,
    talk: Talk = SILENCE,
) -> dict[str, Any]:
    """Measure the model of a run on its own test part, or on another source.

    Args:
        run: the run folder.
        source: where it has a test part, that part is used; else all of it. None: the run's own.
        stress: measures on corrupted images instead: ``all`` kinds, or names such as
            ``noise,rotation``.
        against: with ``stress``: another run, measured on the same samples.
        target: column with the truth, for a table; by default the run's.
        data_dir: where local copies of named sets are looked for first.
        talk: where progress goes; nowhere by default.

    Returns:
        The fields of the Record's ``test`` event, with ``source`` and ``model``. With ``stress``:
        ``clean``, ``kinds`` (per kind and strength the accuracy with its interval) and
        ``pictures``; with ``against`` also its figures and the ``paired`` differences.

    Raises:
        NotARunError: no run is there.
        DataError: the source cannot be used, or has classes the model does not know.
        UsageError: stress for a run that does not tell images apart, or of an unknown kind.
    """
    if stress is not None:
        from gradatim.experiments import stress as stressing

        other = Path(against) if against is not None else None
        return stressing.stress(
            Path(run), _text(source), stress, other, target, _text(data_dir), talk
        )
    if against is not None:
        raise UsageError(
            "two runs are measured side by side under stress only",
            given=against,
            next_step="add --stress; `gradatim report RUN RUN` shows two reports",
        )
    from gradatim.experiments.evaluation import evaluate_run

    return evaluate_run(Path(run), _text(source), target, _text(data_dir), talk)


def compare(
    source: Place | None = None,
    *,
    over: str | Mapping[str, Iterable[Any]],
    model: str | None = None,
    seeds: int = 3,
    on: str = "validation",
    budget: str | float | None = None,
    epochs: int | None = None,
    seed: int | None = None,
    device: str | None = None,
    precision: str | None = None,
    target: str | None = None,
    data_dir: Place | None = None,
    settings: Settings = (),
    recipe: Place | Recipe | None = None,
    out: Place | None = None,
    talk: Talk = SILENCE,
) -> Compared:
    """Fit a model with several values of one key, each on the same seeds, and compare them.

    Args:
        source: as for ``fit``.
        over: a key of the recipe and its values: ``"learning_rate=0.01,0.1"``, or a mapping of one
            key: ``{"data.samples_per_class": [10, 20, 50]}``.
        model: one model; by default a small one that suits the source.
        seeds: how many; each draws the split, the first weights and the order, for every value.
        on: the part that is measured: ``validation`` or ``test``.
        budget: seconds, or a text such as ``"10m"``, for all members together: from the time of a
            step follow the epochs, the same for every value and seed.
        epochs: passes over the training samples, instead of a budget.
        seed: the first of the seeds.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1`` or ``mps``.
        precision: ``fp32`` or ``bf16``.
        target: column to predict, for a table.
        data_dir: where local copies of named sets are looked for first.
        settings: keys of the recipe that all members share.
        recipe: a recipe or the file of one, to start from.
        out: the folder; asked for again there, an unfinished comparison goes on.
        talk: where progress goes; nowhere by default.

    Returns:
        The comparison: ``facts`` (plain values), ``page``, ``folder`` and ``finished``.

    Raises:
        GradatimError: the source, the key, a value or the disk does not allow it.
    """
    from gradatim.experiments.comparison import compare as compared

    if on not in ("validation", "test"):
        raise UnknownNameError(
            "a comparison is measured on another part", given=on, allowed=["validation", "test"]
        )
    chosen = _recipe(
        recipe,
        {
            "data.source": source,
            "data.target": target,
            "data.folder": data_dir,
            "model.name": model,
            "training.epochs": epochs,
            "training.budget": budget,
            "seed": seed,
            "machine.device": device,
            "machine.precision": precision,
        },
        settings,
    )
    part: Any = on
    return compared(chosen, over, seeds, part, Path(out) if out is not None else None, talk)


def predict(
    run: Place,
    *inputs: Place,
    length: int | None = None,
    temperature: float | None = None,
    seed: int | None = None,
    talk: Talk = SILENCE,
) -> list[dict[str, Any]]:
    """Say what images, rows of tables, series or texts are, or continue texts.

    Args:
        run: a run folder or a model package.
        inputs: images, folders of images, tables, arrays; texts, or files of texts.
        length: characters that are added to a text (default 200).
        temperature: of these characters' draws (default 0.8); 0 always takes the likeliest.
        seed: of these draws (default 0).
        talk: where progress goes; nowhere by default.

    Returns:
        One mapping an input: ``input``, and ``label``, ``probability``, ``probabilities``, or
        ``value`` for a regression, or ``prompt`` and ``text`` for a text that is continued, or
        ``error`` with the reason why it could not be read.
    """
    from gradatim.experiments.prediction import Continuation, predict_inputs

    given = {"length": length, "temperature": temperature, "seed": seed}
    said: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    continuation = Continuation(**said) if said else None
    return predict_inputs(Path(run), list(inputs), talk, continuation)


def explain(
    model: Place,
    *,
    input: str | None = None,
    sample: str | None = None,
    weights: Place | None = None,
    settings: Settings = (),
    talk: Talk = SILENCE,
) -> Explained:
    """Explain a network: every size, parameter, operation and receptive field, with its arithmetic.

    Args:
        model: a name (``resnet18``), a run folder, ``torchvision:NAME``, ``timm:NAME``, or
            ``package.module:factory``.
        input: shape of one input, such as ``3x224x224``.
        sample: to be opened up: an image file or, for a run, the number of a test sample.
        weights: for a network by name: ``.safetensors`` or ``.pth`` file of its weights, with its
            (torchvision's) names. Nothing in the file is run.
        settings: options of the model, as ``model.width=32`` or ``width=32``.
        talk: where progress goes; nowhere by default.

    Returns:
        The anatomy: ``facts`` (plain values) and ``page``.

    Raises:
        UnknownNameError: there is no such model.
        UsageError: the model does not run on this input.
        WeightsError: the file cannot be read, or its names or shapes differ from the network's.
    """
    from gradatim.core.recipe import Recipe, parse_settings
    from gradatim.experiments.explaining import explain as explained

    given = settings if isinstance(settings, Mapping) else parse_settings(settings)
    keys = {f"model.{key.removeprefix('model.')}": value for key, value in given.items()}
    options = Recipe().with_values(keys).model.options
    file = None if weights is None else Path(weights)
    return explained(str(model), input, _text(sample), file, options, talk)


def diagnose(
    script: Place,
    arguments: Sequence[str] = (),
    *,
    module: bool = False,
    probe: bool = False,
    limit: str | float | None = None,
    stop_on_alarm: bool = False,
    out: Place | None = None,
    talk: Talk = SILENCE,
    tell: Callable[[Diagnosed], None] | None = None,
) -> Diagnosed:
    """Run a PyTorch script watched and say why it does not learn; or judge a run.

    The script runs in a child process, unchanged; what it prints and computes is the same to the
    bit.

    Args:
        script: a ``.py`` file; or a run folder, or the ``record.jsonl`` of an earlier diagnosis.
        arguments: what the script is given.
        module: ``script`` is the name of a module, run as ``python -m`` would.
        probe: run the script again with one change each to settle what is open.
        limit: seconds, or a text such as ``"10m"``, after which the script is ended; with
            ``probe``, all trials together take at most as long again.
        stop_on_alarm: end the script at the first alarm.
        out: folder for Record and page; by default one in the cache folder.
        talk: where alarms go while the script runs; nowhere by default.
        tell: called with the diagnosis of a script before its HTML page is written.

    Returns:
        The diagnosis: ``verdict`` (``healthy``, ``sick`` or ``unknown``), ``findings``,
        ``to_dict()`` (the JSON), ``page``.

    Raises:
        SourceNotFoundError: there is no such script.
        UsageError: it is neither a script nor a run.
    """
    from gradatim.core.duration import read_seconds
    from gradatim.experiments import diagnosed

    place = Path(script)
    seconds = None if limit is None else read_seconds(limit)
    recorded = not module and (place.is_dir() or place.suffix == ".jsonl")
    if not recorded:
        return diagnosed.of_script(
            str(script),
            arguments,
            module=module,
            probe=probe,
            limit=seconds,
            stop_on_alarm=stop_on_alarm,
            out=Path(out) if out is not None else None,
            talk=talk,
            tell=tell,
        )
    wrong = {"--probe": probe, "--stop-on-alarm": stop_on_alarm, "--limit": limit, "--out": out}
    refused = [name for name, value in wrong.items() if value] + list(arguments)
    if refused:
        raise UsageError(
            "a run is judged, not run again", given=" ".join(refused), next_step="leave it out"
        )
    return diagnosed.of_record(place)


def watch(*parts: Any, out: Place | None = None) -> Seen:
    """Watch a training loop of your own: ``with gradatim.watch(model, optimizer) as seen:``.

    Inside and after the block, ``seen.verdict()`` says what is wrong, as ``diagnose`` does, and
    ``print`` shows it; ``seen.page`` is the whole page. Training is not changed by a bit.

    Args:
        parts: the models and optimisers that train.
        out: folder for Record, page and result; without it nothing is written.

    Raises:
        UsageError: a part is no model and no optimiser; or, when the block is entered, the
            thread is watched already.
    """
    from gradatim.experiments.seen import Seen

    return Seen(*parts, out=Path(out) if out is not None else None)


def load(run: Place) -> Model:
    """Load the model of a run or a package: ``.predict(...)``, ``.module``, ``.classes``.

    Raises:
        PackageError: there is none, or it is damaged.
    """
    from gradatim import package

    return package.load(Path(run))


def report(*runs: Place) -> Page:
    """Return the report of one run (and write its ``report.html`` again), or of several runs.

    That of a comparison is shown as it was when it ended or was stopped.

    Raises:
        NotARunError: no run is there.
        CheckpointError: what is kept of it is damaged.
    """
    from gradatim.core.files import write_text
    from gradatim.experiments import comparison, folder
    from gradatim.pages import to_html
    from gradatim.pages.report import reports

    if not runs:
        raise UsageError("no run was named", next_step="gradatim report runs/NAME")
    found = comparison.report(Path(runs[0])) if len(runs) == 1 else None
    places = [Path(run) if found else folder.find(Path(run)) for run in runs]
    page = found or reports(places)
    if len(places) == 1:
        write_text(places[0] / folder.REPORT, to_html(page))
    return page


def audit(
    source: Place,
    *,
    target: str | None = None,
    data_dir: Place | None = None,
    augment: str | None = None,
    settings: Settings = (),
    talk: Talk = SILENCE,
) -> Card:
    """Read every sample of a source and say what is there and what is wrong with it.

    Args:
        source: a name, a folder, a table, an ``.npz`` file.
        target: column to predict, for a table.
        data_dir: where local copies of named sets are looked for first.
        augment: shows samples beside what training makes of them: ``fit`` for what ``fit`` would
            do, or augmentations such as ``flip,crop,colour=0.3``.
        settings: keys of the recipe, e.g. ``{"data.size": 64}``.
        talk: where progress goes; nowhere by default.

    Returns:
        The data card: ``facts`` (plain values) and ``page``.

    Raises:
        DataError: the source cannot be used at all.
    """
    values = {"data.source": source, "data.target": target, "data.folder": data_dir}
    recipe = _recipe(None, values, settings)
    if augment is not None:
        from gradatim.experiments import auditing

        return auditing.audit(recipe, augment, talk)
    from gradatim.data.preparation import audit_card

    return audit_card(recipe, talk=talk)


def tune(
    what: Place,
    *,
    model: str | None = None,
    target: str | None = None,
    data_dir: Place | None = None,
    settings: Settings = (),
    recipe: Place | Recipe | None = None,
    out: Place = "tuned.toml",
    seconds: float | None = None,
    compiled: bool = False,
    talk: Talk = SILENCE,
) -> Tuned:
    """Measure one's own training step in every precision, layout, update and number of threads.

    Args:
        what: a run folder, or a source with ``model``.
        model: its name in ``gradatim names models``, for a source.
        target: column to predict, for a table.
        data_dir: where local copies of named sets are looked for first.
        settings: keys of the recipe; what they say of the machine is not tried otherwise.
        recipe: a recipe or the file of one, to start from.
        out: file the recipe with the fastest way is written to; it must not be there yet.
        seconds: of measuring, about; 20 when left out.
        compiled: whether ``torch.compile`` is tried, too; it takes a minute and a C++ compiler.
        talk: where progress goes; nowhere by default.

    Returns:
        What each way took, as ``facts`` and ``page``, and the ``recipe``.

    Raises:
        UsageError: no model is named, it takes no steps, or the file is there.
        DataError: the source cannot be used.
    """
    from gradatim.experiments import tuning

    values = {
        "data.source": what,
        "data.target": target,
        "data.folder": data_dir,
        "model.name": model,
    }
    start = recipe
    if (Path(what) / "recipe.toml").is_file():
        start, values = tuning.of_run(Path(what)), {"model.name": model}
    chosen = _recipe(start, values, settings)
    return tuning.tune(
        chosen, Path(out), talk, seconds=seconds or tuning.SECONDS, compiled=compiled
    )


def names(table: str | None = None) -> dict[str, str]:
    """Return the names of a table with what each means; without a table, the tables there are.

    Args:
        table: a table; or a model, for the names of its options.

    Raises:
        UnknownNameError: no such table or model.
    """
    from gradatim.core.recipe import describe_keys
    from gradatim.core.registry import describe, describe_options
    from gradatim.data.sources import SOURCES
    from gradatim.doctor.explanation import summaries
    from gradatim.models import MODELS
    from gradatim.training import LOSSES, METRICS, OPTIMISERS, SCHEDULES

    tables = {
        "models": ("what is fitted", MODELS),
        "sources": ("data sets known by name; a folder or a file is named by its path", SOURCES),
        "losses": ("what training makes small", LOSSES),
        "optimisers": ("how the weights are moved", OPTIMISERS),
        "schedules": ("how the learning rate goes", SCHEDULES),
        "metrics": ("what is measured", METRICS),
    }
    if table is None:
        found = {name: meaning for name, (meaning, _) in tables.items()}
        found["faults"] = "what the doctor finds (`gradatim diagnose --explain NAME`)"
        found["recipe"] = "keys of a recipe, for --set"
        return {**found, "<a model>": "options of a model, for --set model.OPTION=VALUE"}
    if table == "recipe":
        return describe_keys()
    if table == "faults":
        return summaries()
    if table in MODELS:
        return describe_options(MODELS[table])
    if table not in tables:
        raise UnknownNameError(
            "there is no table or model of this name",
            given=table,
            allowed=[*tables, "faults", "recipe", *MODELS],
        )
    return describe(tables[table][1])


def cache(action: str = "show") -> dict[str, Any]:
    """Show or clear what is kept on this machine: decoded images and downloads.

    Args:
        action: ``show`` or ``clear``.

    Returns:
        ``folder``, ``bytes`` and ``entries``; after ``clear``, what was removed.
    """
    from gradatim.data import cache as kept

    if action not in ("show", "clear"):
        raise UnknownNameError(
            "the cache has no such action", given=action, allowed=["show", "clear"]
        )
    entries = kept.clear() if action == "clear" else kept.entries()
    listed = [entry.to_dict() for entry in entries]
    return {
        "action": action,
        "folder": str(kept.cache_folder()),
        "bytes": sum(entry["bytes"] for entry in listed),
        "entries": listed,
    }


def _text(place: Place | None) -> str | None:
    return None if place is None else str(place)


def _recipe(start: Place | Recipe | None, values: Mapping[str, Any], settings: Settings) -> Recipe:
    """Return the recipe with the values that were given, then the settings."""
    from gradatim.core.duration import read_seconds
    from gradatim.core.recipe import Recipe, parse_settings

    recipe = start if isinstance(start, Recipe) else Recipe.read(Path(start)) if start else Recipe()
    given = {key: value for key, value in values.items() if value is not None}
    given |= settings if isinstance(settings, Mapping) else parse_settings(settings)
    given = {key: str(value) if isinstance(value, Path) else value for key, value in given.items()}
    if given.get("training.budget") is not None:
        given["training.budget"] = read_seconds(given["training.budget"])
    if "training.budget" in given or "training.epochs" in given:  # what it says replaces the old
        recipe = recipe.with_values(dict.fromkeys(LENGTH))
    recipe = recipe.with_values(given)
    if not recipe.data.source:
        raise UsageError("no source was named", next_step="e.g. gradatim fit digits")
    return recipe
