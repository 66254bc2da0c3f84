"""Learning curve of the layer on features: what more samples of each class would buy."""

from __future__ import annotations

from collections.abc import Iterator
from shlex import quote
from typing import Any

from gradatim.charts import comparison
from gradatim.core.page import Block, Code, Heading, Text
from gradatim.pages.run_folder import RunFolder
from gradatim.stats import wilson


def blocks(run: RunFolder) -> Iterator[Block]:
    """Yield the section; nothing where no layer was fitted on features, or on one size only."""
    points = _points(run)
    if len(points) < 2:
        return
    yield Heading("More samples of each class", "features")
    yield Text(
        f"The linear layer on features, fitted on so many {run.noun()} of each class, those of a "
        "smaller number among those of a larger one. Where the curve still rises at its end, more "
        f"{run.noun()} will help."
    )
    yield comparison.chart(
        {
            "metric": "accuracy",
            "key": "data.samples_per_class",
            "on": "validation",
            "values": [_value(point) for point in points],
            "seeds": [run.run.get("seed", 0)],
        }
    )
    start = run.recipe.get("start") or {}
    yield Text("The same curve of fine-tuning, or of the network from scratch:")
    yield Code(
        f"gradatim compare {quote(run.source)} --over samples-per-class=10,20,50 "
        f"--set start.weights={quote(str(start.get('weights', 'WEIGHTS')))} "
        "--set start.method=fine-tuning  # or scratch",
        "shell",
    )


def _points(run: RunFolder) -> list[dict[str, int]]:
    records = [run.record, *(record for rung in run.rungs if (record := run.record_of(rung)))]
    for record in records:
        start = (record.last("run") or {}).get("start") or {}
        if curve := (start.get("features") or {}).get("curve"):
            return list(curve)
    return []


def _value(point: dict[str, int]) -> dict[str, Any]:
    share = wilson(point["right"], point["n"])
    return {
        "value": point["each"],
        "label": f"{point['each']:,}",
        "each": [share.value],
        "mean": share.value,
        "low": share.low,
        "high": share.high,
        "train": None,
        "seeds": 1,
    }
