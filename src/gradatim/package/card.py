"""``card.md``: the model card, plain English for whoever gets the folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gradatim.core.spec import Spec

SHOWN_CLASSES = 20


def model_card(manifest: Mapping[str, Any]) -> str:
    """Return the card as Markdown.

    Args:
        manifest: what ``package.json`` says.
    """
    spec = Spec.from_dict(dict(manifest["spec"]))
    sections = [
        _title(manifest, spec),
        _task(spec),
        _data(manifest),
        _quality(manifest),
        _use(spec),
        _limits(),
        _origin(manifest),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _title(manifest: Mapping[str, Any], spec: Spec) -> str:
    model = manifest["model"]
    options = ", ".join(f"{key} = {_plain(value)}" for key, value in model["options"].items())
    return (
        f"# {model['name']}: {_what(spec)}\n\n"
        f"A `{model['name']}` model with {model['parameters']:,} parameters"
        + (f" ({options})." if options else ".")
    )


def _what(spec: Spec) -> str:
    if spec.task == "classification":
        return f"tells {len(spec.classes)} classes apart"
    if spec.task == "regression":
        return f"predicts {spec.target or 'a number'}"
    return "continues a text"


def _task(spec: Spec) -> str:
    lines = ["## What goes in and comes out", "", f"- Input: {_input(spec)}."]
    if spec.task == "classification":
        shown = ", ".join(spec.classes[:SHOWN_CLASSES])
        rest = len(spec.classes) - SHOWN_CLASSES
        lines.append(
            f"- Output: a probability for each class: {shown}"
            + (f" and {rest} more." if rest > 0 else ".")
        )
    elif spec.task == "regression":
        unit = f", in {spec.unit}" if spec.unit else ""
        lines.append(f"- Output: one number{unit}.")
    else:
        lines.append(f"- Output: a probability for each of {spec.vocabulary} tokens.")
    return "\n".join(lines)


def _input(spec: Spec) -> str:
    if spec.kind == "image":
        channels, height, width = spec.shape
        colour = "grey" if channels == 1 else "colour" if channels == 3 else f"{channels}-channel"
        return f"a {colour} image, brought to {height} x {width} pixels as in training"
    if spec.kind == "vector":
        names = f": {', '.join(spec.features[:SHOWN_CLASSES])}" if spec.features else ""
        return f"{spec.size} numbers{names}"
    if spec.kind == "sequence":
        return f"a sequence of at most {spec.shape[0]} steps of {spec.shape[1]} numbers"
    return f"a text of at most {spec.shape[0]} tokens"


def _data(manifest: Mapping[str, Any]) -> str:
    samples = manifest.get("samples", {})
    lines = ["## What it learnt from", ""]
    if manifest.get("source"):
        lines.append(f"- Source: {manifest['source']}.")
    if samples:
        parts = ", ".join(f"{count:,} {part}" for part, count in samples.items())
        lines.append(f"- Samples: {parts}.")
    lines += [f"- {note}" for note in manifest.get("notes", [])]
    return "\n".join(lines) if len(lines) > 2 else ""


def _quality(manifest: Mapping[str, Any]) -> str:
    metrics: Sequence[Mapping[str, Any]] = manifest.get("metrics", [])
    if not metrics:
        return "## How good it is\n\nIt was not measured."
    rows = [
        f"| {metric['name']} | {metric.get('part', '')} | {metric.get('samples', '')} | "
        f"{metric['value']:.4g} | {_interval(metric)} | {_number(metric.get('baseline'))} |"
        for metric in metrics
    ]
    return "\n".join(
        [
            "## How good it is",
            "",
            "| measure | part | samples | value | 95 % interval | baseline |",
            "|---|---|--:|--:|---|--:|",
            *rows,
            "",
            "The baseline answers without looking at the input: the largest class, or the mean.",
        ]
    )


def _interval(metric: Mapping[str, Any]) -> str:
    if metric.get("low") is None or metric.get("high") is None:
        return ""
    return f"{metric['low']:.4g} to {metric['high']:.4g}"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def _use(spec: Spec) -> str:
    examples = {"image": '"picture.jpg"', "sequence": "steps", "text": '"a text"'}
    example = examples.get(spec.kind, "row")
    answers = {"regression": "prediction.value", "next-token": "prediction.text"}
    answer = answers.get(spec.task, "prediction.label")
    return "\n".join(
        [
            "## How to use it",
            "",
            "```python",
            "import gradatim",
            "",
            'model = gradatim.load("this folder")',
            f"prediction = model.predict({example})",
            f"print({answer})",
            "```",
            "",
            "`model.module` is a plain `torch.nn.Module`. The weights are in "
            "`weights.safetensors`; architecture, preprocessing and class names are in "
            "`package.json`.",
        ]
    )


def _limits() -> str:
    return (
        "## What it is not good for\n\n"
        "The figures hold for samples drawn as those it was measured on. For inputs of another "
        "kind it answers just as surely, and nothing here says how well."
    )


def _origin(manifest: Mapping[str, Any]) -> str:
    return (
        f"Written by gradatim {manifest['gradatim']} with torch {manifest['torch']} "
        f"on {manifest['created']}."
    )


def _plain(value: Any) -> str:
    if isinstance(value, list | tuple):
        return "[" + ", ".join(str(item) for item in value) + "]"
    return "auto" if value is None else str(value)
