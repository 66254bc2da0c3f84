"""Record -> chart: Vega-Lite specifications with their data inline; no torch.

Specifications are plain dictionaries: they are written in 0.1 ms, where importing a library that
writes them costs a second. ``pages`` renders them.
"""

from __future__ import annotations

from gradatim.core.registry import resolve as _resolve

CHARTS = {
    "boundary": "gradatim.charts.boundary:chart",
    "bought": "gradatim.charts.bought:chart",
    "calibration": "gradatim.charts.calibration:chart",
    "class-counts": "gradatim.charts.class_counts:chart",
    "comparison": "gradatim.charts.comparison:chart",
    "confusion": "gradatim.charts.confusion:chart",
    "dead-units": "gradatim.charts.dead_units:chart",
    "image-sizes": "gradatim.charts.image_sizes:chart",
    "ladder": "gradatim.charts.ladder:chart",
    "layer-sizes": "gradatim.charts.layer_sizes:chart",
    "learning-rate": "gradatim.charts.learning_rate:chart",
    "loss": "gradatim.charts.loss:chart",
    "metric": "gradatim.charts.metric:chart",
    "observed-loss": "gradatim.charts.observed_loss:chart",
    "observed-rate": "gradatim.charts.observed_rate:chart",
    "predicted": "gradatim.charts.predicted:chart",
    "spread-by-depth": "gradatim.charts.spread_by_depth:chart",
    "stress": "gradatim.charts.stress:chart",
    "through-time": "gradatim.charts.through_time:chart",
}


def draw(name: str, *facts: object) -> object:
    """Draw the chart of this name; each chart's module says which facts it takes.

    Raises:
        UnknownNameError: no chart has this name.
    """
    return _resolve(CHARTS, name, "chart")(*facts)
