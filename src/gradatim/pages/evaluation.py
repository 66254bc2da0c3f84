"""A model measured on held-out samples, as a page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gradatim.charts import confusion
from gradatim.core.page import Block, Page, Table, Verdict


def page(result: Mapping[str, Any]) -> Page:
    """Return what ``evaluate`` measured: the metric with its interval, then where it errs."""
    blocks: list[Block] = [_verdict(result)]
    if result.get("per_class"):
        rows = [
            [row["name"], row["precision"], row["recall"], row["support"]]
            for row in result["per_class"]
        ]
        formats = {"precision": ".3f", "recall": ".3f", "samples": ",d"}
        names = [str(row["name"]) for row in result["per_class"]]
        blocks.append(Table(["class", "precision", "recall", "samples"], rows, formats=formats))
        blocks.append(confusion.chart(names, result["confusion"]))
    return Page("Evaluation", blocks, subtitle=f"{result['model']} on {result['source']}")


def _verdict(result: Mapping[str, Any]) -> Verdict:
    count = result["samples"]
    if "regression" in result:
        found = result["regression"]
        statement = f"R² {result['value']:.3f} on {count:,} samples"
        detail = (
            f"95 % interval {result['low']:.3f} to {result['high']:.3f}; mean absolute error "
            f"{found['mae']:.4g}, root mean squared error {found['rmse']:.4g}"
        )
    else:
        right = round(result["value"] * count)
        statement = f"{right:,} of {count:,} right ({_percent(result['value'], count)})"
        detail = (
            f"95 % interval {100 * result['low']:.1f} to {100 * result['high']:.1f} %; "
            f"always the largest class: {100 * result['baseline']:.1f} %"
        )
    return Verdict(statement, detail)


def _percent(share: float, count: int) -> str:
    return f"{100 * share:.1f} %" if share < 1 else f"all {count:,}"
