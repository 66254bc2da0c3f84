"""Draw how many times as fast Gradatim was as each peer, from what ``run.py --json`` kept.

    python benchmarks/speed/plot.py docs/images/speed.svg lenet.json resnet18.json table.json

Points are medians over the rounds, by the wall; lines reach from the least to the largest ratio of
a round. A peer at its best (``-best``) has a row of its own.
"""

import argparse
import json
from pathlib import Path
from statistics import median

from run import rates

from gradatim.charts import theme
from gradatim.core.page import Chart
from gradatim.pages.svg import draw

TITLES = {
    "lenet": "LeNet, 32 px",
    "resnet18": "ResNet-18, 64 px",
    "clothing": "ResNet-18, 224 px",
    "table": "MLP on a table",
    "characters": "LSTM, characters",
    "neighbours": "5 nearest neighbours",
    "predict": "LeNet, answers",
}
NAMES = {"plain": "plain loop", "fastai": "fastai", "lightning": "Lightning"}
NAMES |= {"keras-torch": "Keras on torch", "keras-jax": "Keras on JAX"}
ROW = 19


def compared(path):
    """Return rows of one file: which peer, and the median, least and largest ratio."""
    kept = json.loads(Path(path).read_text(encoding="utf-8"))
    lap = "search" if kept["workload"] == "neighbours" else "epoch 2"
    found = {}
    for told in kept["rounds"]:
        for name, result in told.items():
            if name not in ("gradatim", "resident") and "gradatim" in told:
                ratio = rates(told["gradatim"], lap)["wall"] / rates(result, lap)["wall"]
                found.setdefault(name, []).append(ratio)
    title = TITLES[kept["workload"]]
    for name, ratios in found.items():
        best = " at its best" if name.endswith("-best") else ""
        peer = NAMES.get(name.removesuffix("-best"), name) + best
        yield {
            "row": f"{title}: {peer}",
            "x": round(median(ratios), 3),
            "low": round(min(ratios), 3),
            "high": round(max(ratios), 3),
            "faster": median(ratios) >= 1,
        }


def chart(rows):
    """Return the ratios as a chart with a logarithmic axis."""
    most = max(row["high"] for row in rows)
    ticks = [tick for tick in (0.5, 1, 2, 3, 5, 10, 20, 30) if tick <= 1.3 * most]
    x = theme.quantity(
        "x",
        "times as fast as the peer",
        scale={"type": "log", "domain": [min(0.8, *(row["low"] for row in rows)), 1.1 * most]},
        axis={"values": ticks, "format": "~g"},
    )
    y = theme.category(
        "row",
        None,
        [row["row"] for row in rows],
        axis={"grid": False, "labelColor": theme.INK, "labelLimit": 300},
    )
    colour = {
        "condition": {"test": "datum.faster", "value": theme.ACCENT},
        "value": theme.MUTED,
    }
    range_ = {"y": y, "x": {**x, "field": "low"}, "x2": {"field": "high"}, "color": colour}
    layers = [
        theme.layer("rule", [{"x": 1}], {"x": x}, color=theme.INK, strokeWidth=1),
        theme.layer("rule", rows, range_, strokeWidth=2),
        theme.layer("point", rows, {"y": y, "x": x, "color": colour}, filled=True, size=60),
    ]
    return Chart(
        title="How many times as fast",
        specification=theme.specification(layers, height=60 + ROW * len(rows)),
        alternative="; ".join(f"{row['row']} {row['x']:.2f}" for row in rows),
        caption="",
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("svg", type=Path)
    parser.add_argument("results", nargs="+")
    options = parser.parse_args()
    found = chart([row for path in options.results for row in compared(path)])
    svg = draw(found, "speed")
    frame = '<svg xmlns="http://www.w3.org/2000/svg" role="img" font-family="sans-serif" font-size="12px" style="background:#fff"'
    options.svg.write_text(svg.replace("<svg", frame, 1) + "\n", encoding="utf-8")
    print(found.alternative)


if __name__ == "__main__":
    main()
