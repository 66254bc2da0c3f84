"""The end of a run: one measurement on the test part, the package, the pictures, the report."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from safetensors.numpy import save as tensors_to_bytes

from gradatim import package, stats
from gradatim.core.duration import write_seconds
from gradatim.core.files import write_bytes, write_json, write_text
from gradatim.core.record import RecordWriter
from gradatim.core.talk import Talk
from gradatim.data.dataset import Prepared
from gradatim.experiments import fitting
from gradatim.experiments import folder as folders
from gradatim.experiments.fitting import Fitted
from gradatim.experiments.measure import Measured

EXCERPT = 120  # characters of a text that are shown
PROMPT, CONTINUED = 60, 400  # characters a model of the next one is given, and adds
TEMPERATURES = (0.5, 1.0)
WORST = 24  # most wrong samples that are kept with their pictures
GRID = 80  # points along each axis of a decision boundary
SECONDS = 3.0  # to leave for package and report; each model leaves what measuring it takes


def measure_and_keep(
    place: Path, prepared: Prepared, fitted: Fitted, record: RecordWriter, talk: Talk
) -> None:
    """Measure the model on the test part once, and write everything the report is made of."""
    parts = {"validation": fitted.measured}
    test: dict[str, Any] | None = None
    if len(prepared.split.test):
        parts["test"] = fitting.measure_on(prepared, fitted.recipe, fitted.model, "test")
        test = test_event(prepared, parts["test"])
        record.write("test", **test)
        if prepared.spec.task != "next-token":
            record.write("wrong", samples=_wrong(place, prepared, parts["test"]))
    if prepared.spec.task == "next-token":
        _write_continuation(prepared, _packaged(prepared, fitted), record)
    _write_predictions(place, parts)
    if prepared.spec.kind == "vector" and prepared.spec.shape == (2,) and prepared.spec.classes:
        _write_boundary(place, prepared, fitted)
    package.save(
        place / folders.MODEL,
        fitted.model,
        fitted.name,
        getattr(fitted.model, "options", {}),
        prepared.spec,
        prepared.preprocessing,
        _facts(prepared, fitted, test),
    )
    if test is not None:
        talk.say(
            f"{fitted.name} on {len(prepared.split.test):,} test samples: "
            f"{test['metric']} {parts['test'].value.text()}"
        )


def write_report(place: Path) -> None:
    """Write ``report.html`` from the run folder."""
    from gradatim.pages import to_html
    from gradatim.pages.report import report

    write_text(place / folders.REPORT, to_html(report(place)))


def test_event(prepared: Prepared, result: Measured) -> dict[str, Any]:
    """Return the fields of the ``test`` event: the metric with its interval, and all around it."""
    evaluation, spec, in_unit = result.evaluation, prepared.spec, prepared.preprocessing.in_unit
    common = {"loss": evaluation.loss, "prediction_seconds": result.seconds}
    if spec.task == "next-token":
        report_of_text = stats.language_report(evaluation.scores)
        baseline = _bits_without_context(prepared, evaluation.targets)
        return {**report_of_text.to_event(), **common, "baseline": baseline}
    if spec.task == "regression":
        truth = in_unit(evaluation.targets.astype(np.float64))
        answers = in_unit(evaluation.scores[:, 0].astype(np.float64))
        mean = np.full_like(truth, prepared.preprocessing.target_mean)
        report = stats.regression_report(answers, truth, spec.unit)
        return {**report.to_event(), **common, "baseline": stats.r2(mean, truth)}
    counts = np.array(fitting.class_counts(prepared))
    largest = float((evaluation.targets == counts.argmax()).mean())
    return {
        **stats.classification_report(
            evaluation.scores, evaluation.targets, spec.classes
        ).to_event(),
        **common,
        "baseline": largest,
    }


def _bits_without_context(prepared: Prepared, tokens: np.ndarray) -> float:
    """Return the bits a token takes when each is given its share of the run's training part.

    Where there is none (a model measured on another text), the share in the text itself.
    """
    learnt = prepared.targets[prepared.split.train] if len(prepared.split.train) else tokens
    counts = np.bincount(learnt.ravel(), minlength=prepared.spec.vocabulary).clip(min=0.5)
    return float(-np.log2(counts / counts.sum())[tokens].mean())


def _wrong(place: Path, prepared: Prepared, result: Measured) -> list[dict[str, Any]]:
    """Return the most wrong samples, most wrong first; pictures of images are written."""
    evaluation, spec = result.evaluation, prepared.spec
    regression = spec.task == "regression"
    chosen = (
        stats.farthest_off(evaluation.scores[:, 0], evaluation.targets, WORST)
        if regression
        else stats.most_wrong(evaluation.scores, evaluation.targets, WORST)
    )
    found = []
    for number, row in enumerate(chosen, start=1):
        index = int(evaluation.indices[row])
        name = f"wrong/{number:03d}.png" if spec.kind == "image" else None
        if name is not None:
            write_bytes(place / name, png(prepared.inputs[index]))
        sample: dict[str, Any] = {"name": _told(prepared, index), "picture": name}
        if regression:
            in_unit = prepared.preprocessing.in_unit
            sample["true"] = float(in_unit(evaluation.targets[row]))
            sample["predicted"] = float(in_unit(evaluation.scores[row, 0]))
        else:
            likely = np.argsort(-evaluation.scores[row])[:3]
            sample["true"] = spec.classes[int(evaluation.targets[row])]
            sample["predicted"] = spec.classes[int(likely[0])]
            sample["probabilities"] = [
                [spec.classes[int(k)], float(evaluation.scores[row, k])] for k in likely
            ]
        found.append(sample)
    return found


def _told(prepared: Prepared, index: int) -> str:
    """Return the name of a sample; of a text, with how it begins."""
    vocabulary, name = prepared.preprocessing.vocabulary, prepared.names[index]
    if vocabulary is None:
        return name
    text = vocabulary.decode(prepared.inputs[index])
    return f"{name}: {text[:EXCERPT]}" + ("…" if len(text) > EXCERPT else "")


def _write_continuation(prepared: Prepared, model: package.Model, record: RecordWriter) -> None:
    """Write how the model continues the beginning of the test part."""
    vocabulary = prepared.preprocessing.vocabulary
    assert vocabulary is not None
    part = prepared.split.test if len(prepared.split.test) else prepared.split.validation
    start = vocabulary.decode(prepared.inputs[part[0]][:PROMPT])
    for temperature in TEMPERATURES:
        text = model.continue_text(start, CONTINUED, temperature=temperature)
        record.write("continuation", prompt=start, text=text, temperature=temperature, seed=0)


def png(pixels_HWC: np.ndarray) -> bytes:
    """Return one stored image as a PNG file."""
    pixels = pixels_HWC[..., 0] if pixels_HWC.shape[-1] == 1 else pixels_HWC
    content = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(content, "PNG")
    return content.getvalue()


def _write_predictions(place: Path, parts: dict[str, Measured]) -> None:
    tensors = {
        f"{part}/{name}": np.ascontiguousarray(getattr(result.evaluation, name))
        for part, result in parts.items()
        for name in ("indices", "scores", "targets")
    }
    write_bytes(place / folders.PREDICTIONS, tensors_to_bytes(tensors))


def _write_boundary(place: Path, prepared: Prepared, fitted: Fitted) -> None:
    """Write what the model answers on a grid over a plane of two features."""
    points = np.asarray(prepared.inputs, np.float64)
    margin = 0.1 * (points.max(0) - points.min(0))
    low, high = points.min(0) - margin, points.max(0) + margin
    x, y = (low[axis] + (np.arange(GRID) + 0.5) * (high - low)[axis] / GRID for axis in (0, 1))
    grid = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2).astype(np.float32)
    scores = _packaged(prepared, fitted).predict_scores(grid)
    write_json(
        place / "boundary.json",
        {
            "x": [float(low[0]), float(high[0]), GRID],
            "y": [float(low[1]), float(high[1]), GRID],
            "features": list(prepared.spec.features),
            "classes": list(prepared.spec.classes),
            "winner": scores.argmax(1).reshape(GRID, GRID).tolist(),
            "probability": scores.max(1).astype(np.float64).round(4).reshape(GRID, GRID).tolist(),
            "points": [
                [*map(float, prepared.inputs[index]), int(prepared.targets[index])]
                for index in range(len(prepared))
            ],
        },
    )


def _packaged(prepared: Prepared, fitted: Fitted) -> package.Model:
    return package.Model(fitted.model, fitted.name, prepared.spec, prepared.preprocessing, {})


def _facts(prepared: Prepared, fitted: Fitted, test: dict[str, Any] | None) -> dict[str, Any]:
    """Return what the package's card tells about the run."""
    value = fitted.measured.event()
    metrics = [{"name": fitted.measured.metric, "part": "validation", **value}]
    metrics[0]["samples"] = metrics[0].pop("n")
    if test is not None:
        keys = ("value", "low", "high", "samples", "baseline")
        shown = {key: test[key] for key in keys}
        metrics.insert(0, {"name": test["metric"], "part": "test", **shown})
    facts = fitting.data_facts(prepared, fitted.recipe)
    return {
        "source": facts["source"],
        "samples": facts["samples"],
        "metrics": metrics,
        "notes": [fitted.note] if fitted.note else [],
        "training_seconds": write_seconds(fitted.seconds),
    }
