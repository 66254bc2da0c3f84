"""The data behind each chart, and what every chart has in common."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from gradatim import charts
from gradatim.charts import boundary, confusion, curves, loss, theme
from gradatim.core.finding import Finding, Where
from gradatim.core.page import Chart
from gradatim.core.record import Record
from gradatim.core.registry import resolve
from gradatim.errors import UnknownNameError


def record(*, steps=12, per_epoch=4, losses=None, rates=None):
    events = [
        {
            "event": "run",
            "metric": "accuracy",
            "loss": "cross-entropy",
            "steps_per_epoch": per_epoch,
            "baseline_loss": math.log(10),
        }
    ]
    for step in range(1, steps + 1):
        events.append(
            {
                "event": "step",
                "step": step,
                "epoch": (step - 1) // per_epoch + 1,
                "loss": losses[step - 1] if losses else 2.0 / step,
                "learning_rate": rates[step - 1] if rates else 0.1,
            }
        )
        if step % per_epoch == 0:
            epoch = step // per_epoch
            events.append(
                {
                    "event": "epoch",
                    "epoch": epoch,
                    "step": step,
                    "train": {"loss": 1.0, "accuracy": 0.5 + 0.1 * epoch},
                    "validation": {"loss": 1.5 / epoch, "accuracy": 0.4 + 0.1 * epoch},
                    "best": epoch == 2,
                }
            )
    return Record(events)


def ladder():
    rungs = [("majority", 0.1, None), ("knn", 0.9, ("majority", 0.8)), ("mlp", 0.95, ("knn", 0.05))]
    events = [
        {
            "event": "rung",
            "rung": number,
            "model": model,
            "metric": "accuracy",
            "validation": {"value": value, "low": value - 0.02, "high": value + 0.02, "n": 200},
            "bought": bought
            and {
                "against": bought[0],
                "difference": bought[1],
                "low": bought[1] - 0.06,
                "high": bought[1] + 0.06,
            },
        }
        for number, (model, value, bought) in enumerate(rungs, 1)
    ]
    return Record([*events, {"event": "winner", "rung": 3, "model": "mlp", "reason": "best"}])


BINS = [
    {"low": 0.0, "high": 0.5, "confidence": None, "accuracy": None, "count": 0},
    {"low": 0.5, "high": 1.0, "confidence": 0.9, "accuracy": 0.8, "count": 10},
]
PLANE = {
    "x": [0.0, 3.0, 3],
    "y": [0.0, 2.0, 2],
    "classes": ["a", "b"],
    "winner": [[0, 0, 1], [1, 1, 1]],
    "probability": [[1.0, 1.0, 0.5], [0.9, 0.9, 0.9]],
    "points": [[0.5, 0.5, 0], [2.5, 1.5, 1]],
}
SIZES = {
    "distinct": 3,
    "width": [8, 10, 40],
    "height": [8, 20, 30],
    "common": [[10, 20, 7], [8, 8, 2]],
}
PARAMETERS = [
    {"name": "Net.a.weight", "shape": [4, 4]},
    {"name": "Net.a.bias", "shape": [4]},
    {"name": "Net.b.weight", "shape": [2, 4]},
]


def watched(losses=None, steps=(1, 2, 3, 8, 16)):
    """A Record as the probes write it."""
    losses = losses or [2.0 / step for step in range(1, 21)]
    rows = [[step, 0, value, 0.1 / step, 1] for step, value in enumerate(losses, start=1)]
    events = [
        {"event": "model", "model": "Net", "parameters": PARAMETERS},
        {"event": "optimiser", "optimiser": 0, "kind": "SGD", "parameters": PARAMETERS},
        {"event": "losses", "rows": rows},
        {"event": "evaluation", "step": 10, "loss": {"value": 0.5}},
    ]
    for step in steps:
        sizes = {
            item["name"]: {"gradient": 0.1 / step, "weight": 2.0, "update": 0.01 * number}
            for number, item in enumerate(PARAMETERS, start=1)
        }
        events.append({"event": "update", "step": step, "parameters": sizes})
        activations = [
            {"kind": "relu", "layer": name, "std": std / step, "units": 8, "dead": dead}
            for name, std, dead in (("Net.a", 1.0, 0), ("Net.b", 0.1, min(step, 8)))
        ]
        events.append({"event": "backward", "step": step, "activations": activations})
    return Record(events)


COMPARED = {
    "metric": "accuracy",
    "key": "training.learning_rate",
    "on": "validation",
    "seeds": [0, 1],
    "values": [
        {"value": 0.01, "label": "0.01", "seeds": [0, 1], "each": [0.7, 0.8],
         "mean": 0.75, "low": 0.1, "high": 1.4, "train": 0.9},
        {"value": 0.1, "label": "0.1", "seeds": [0, 1], "each": [0.8, 0.9],
         "mean": 0.85, "low": 0.2, "high": 1.5, "train": None},
    ],
}  # fmt: skip
STRESSED = {
    "run": "runs/digits-mlp-1",
    "clean": {"value": 0.9, "low": 0.85, "high": 0.94},
    "kinds": [
        {
            "kind": "blur",
            "steps": [
                {"strength": s, "setting": f"radius {s}", "value": 0.9 - s / 10,
                 "low": 0.8 - s / 10, "high": 0.95 - s / 10}
                for s in range(1, 6)
            ],
        }
    ],
}  # fmt: skip

ALARMS = [Finding("dying-relu", "alarm", "dead", Where(parameter="Net.b.weight"), 2)]

FACTS = {
    "boundary": (PLANE,),
    "bought": (ladder(),),
    "calibration": ({"error": 0.1, "bins": BINS},),
    "class-counts": ({"train": {"cat": 5, "dog": 3}, "test": {"cat": 2, "dog": 1}},),
    "comparison": (COMPARED,),
    "confusion": (["cat", "dog"], [[8, 2], [1, 9]]),
    "dead-units": (watched(),),
    "image-sizes": (SIZES,),
    "ladder": (ladder(),),
    "layer-sizes": (watched(), "update", ALARMS),
    "learning-rate": (record(),),
    "loss": (record(),),
    "metric": (record(),),
    "observed-loss": (watched(), ALARMS),
    "observed-rate": (watched(),),
    "predicted": ([1.0, 2.0, 3.0], [1.5, 2.0, 2.0], "price", "€"),
    "spread-by-depth": (watched(),),
    "stress": (STRESSED, "blur"),
    "through-time": ("Gates", {"input": [0.1, 0.2], "forget": [0.9, 0.8]}, "mean", True),
}


@pytest.fixture(params=sorted(charts.CHARTS))
def drawn(request):
    return charts.draw(request.param, *FACTS[request.param])


def rows(chart, layer):
    return chart.specification["layer"][layer]["data"]["values"]


def test_every_file_has_a_row_and_every_row_resolves():
    shared = {"__init__", "theme", "curves", "figures"}
    files = {path.stem for path in Path(charts.__file__).parent.glob("*.py")} - shared
    assert {name.replace("-", "_") for name in charts.CHARTS} == files
    assert all(callable(resolve(charts.CHARTS, name, "chart")) for name in charts.CHARTS)
    with pytest.raises(UnknownNameError, match="did you mean 'confusion'"):
        charts.draw("confusoin")


def test_every_chart_has_words_with_figures_and_named_axes(drawn):
    assert isinstance(drawn, Chart)
    assert drawn.title and any(character.isdigit() for character in drawn.alternative)
    assert drawn.alternative.endswith(".")
    for layer in drawn.specification["layer"]:
        for axis in ("x", "y"):
            encoding = layer["encoding"].get(axis, {})
            if encoding.get("type") == "quantitative":
                assert encoding["title"], (drawn.title, axis)
    json.dumps(drawn.specification, allow_nan=False)


def test_every_colour_is_one_the_page_can_map(drawn):
    known = {colour.light for colour in theme.COLOURS.values()}
    known |= {colour.light for colour in theme.CLASSES}
    text = json.dumps(drawn.specification)
    used = {word for word in text.replace('"', " ").split() if word.startswith("#")}
    assert used and used <= known


def test_every_chart_renders_without_a_complaint(drawn, capfd):
    import vl_convert

    svg = vl_convert.vegalite_to_svg(drawn.specification, allowed_base_urls=[])
    assert svg.startswith("<svg") and "NaN" not in svg
    assert capfd.readouterr().err == ""


def test_a_comparison_has_a_point_a_value_and_a_dot_a_seed_within_what_a_share_can_be():
    chart = charts.draw("comparison", COMPARED)
    lines, ends, means, dots = (rows(chart, layer) for layer in range(4))
    assert [(row["value"], row["y"]) for row in means] == [(0.01, 75.0), (0.1, 85.0)]
    assert [(row["low"], row["high"]) for row in ends] == [(10.0, 100.0), (20.0, 100.0)]
    assert [row["y"] for row in dots] == [70.0, 80.0, 80.0, 90.0]
    assert [row["y"] for row in lines if row["series"] == "training"] == [90.0]


def test_stress_is_drawn_from_the_picture_as_it_is_to_the_strongest():
    other = {**STRESSED, "run": "runs/digits-lenet-1"}
    chart = charts.draw("stress", {**STRESSED, "against": other}, "blur")
    points = rows(chart, 2)
    assert {row["run"] for row in points} == {"digits-mlp-1", "digits-lenet-1"}
    own = [row for row in points if row["run"] == "digits-mlp-1"]
    assert [row["x"] for row in own] == [0, 1, 2, 3, 4, 5]
    assert [row["y"] for row in own] == pytest.approx([90, 80, 70, 60, 50, 40])
    assert all(row["low"] < row["y"] < row["high"] for row in own)


def test_loss_is_drawn_by_epoch_with_the_baseline():
    chart = charts.draw("loss", record())
    means, validation, guess = rows(chart, 1), rows(chart, 2), rows(chart, 3)
    assert [row["x"] for row in means] == [step / 4 for step in range(1, 13)]
    assert [row["y"] for row in means] == pytest.approx([2 / s for s in range(1, 13)], rel=1e-4)
    assert [(row["x"], row["y"]) for row in validation] == [(1.0, 1.5), (2.0, 0.75), (3.0, 0.5)]
    assert guess[0]["y"] == pytest.approx(2.302585)
    assert "epoch kept, 2" in chart.alternative and "guessing costs 2.30" in chart.alternative


def test_loss_that_falls_far_is_drawn_on_a_logarithm():
    steep = record(losses=[10.0 ** (1 - step / 3) for step in range(12)])
    scale = charts.draw("loss", steep).specification["layer"][1]["encoding"]["y"]["scale"]
    assert scale["type"] == "log"
    flat = charts.draw("loss", record()).specification["layer"][1]["encoding"]["y"]["scale"]
    assert flat == {"zero": True}


def test_loss_that_is_no_number_is_left_out_and_said():
    broken = record(losses=[2.0, 1.0, "nan", "inf", *([1.0] * 8)])
    chart = charts.draw("loss", broken)
    assert len(rows(chart, 1)) == 10
    assert "not a number from step 3 on" in chart.alternative


def test_thinning_keeps_means_and_quartiles():
    values = np.random.default_rng(0).normal(size=1000)
    buckets = curves.thin(list(range(1000)), values.tolist(), points=100)
    blocks = values.reshape(100, 10)
    assert np.allclose([bucket.mean for bucket in buckets], blocks.mean(1))
    assert np.allclose([bucket.low for bucket in buckets], np.quantile(blocks, 0.25, axis=1))
    assert np.allclose([bucket.high for bucket in buckets], np.quantile(blocks, 0.75, axis=1))


def test_metric_marks_the_epoch_that_is_kept():
    chart = charts.draw("metric", record())
    assert rows(chart, 1) == [{"x": 2.0, "y": 60.0}]
    values = [(row["series"], row["y"]) for row in rows(chart, 0)]
    assert values == [
        *(("training", y) for y in (60.0, 70.0, 80.0)),
        *(("validation", y) for y in (50.0, 60.0, 70.0)),
    ]


def test_ladder_draws_what_is_wrong():
    chart = charts.draw("ladder", ladder())
    shown = [
        (row["rung"], row["y"], row["low"], row["high"], row["winner"]) for row in rows(chart, 1)
    ]
    assert shown == [
        ("majority", 90.0, 88.0, 92.0, False),
        ("knn", 10.0, 8.0, 12.0, False),
        ("mlp", 5.0, 3.0, 7.0, True),
    ]
    assert "mlp 95.0\N{NO-BREAK SPACE}% (93.0 to 97.0\N{NO-BREAK SPACE}%)" in chart.alternative


def test_ladder_of_a_perfect_rung_has_a_place_on_the_logarithm():
    perfect = ladder()
    perfect.events[2]["validation"] = {"value": 1.0, "low": 0.98, "high": 1.0, "n": 200}
    row = rows(charts.draw("ladder", perfect), 1)[2]
    assert row["y"] == row["low"] == 0.25 and row["high"] == 2.0


def test_bought_tells_clear_steps_from_the_others():
    shown = rows(charts.draw("bought", ladder()), 1)
    assert [(row["step"], row["x"], row["clear"]) for row in shown] == [
        ("knn over majority", 80.0, True),
        ("mlp over knn", 5.0, False),
    ]


def test_confusion_keeps_every_count_that_is_not_zero():
    chart = charts.draw("confusion", ["cat", "dog"], [[8, 2], [0, 9]])
    cells = {(row["true"], row["predicted"]): row["n"] for row in rows(chart, 0)}
    assert cells == {("cat", "cat"): 8, ("cat", "dog"): 2, ("dog", "dog"): 9}
    assert "17 of 19 right" in chart.alternative and "cat taken for dog (2)" in chart.alternative


@pytest.mark.parametrize("classes", [2, 10, 40, 100])
def test_confusion_of_many_classes_stays_legible(classes):
    counts = np.random.default_rng(classes).integers(0, 3, (classes, classes)) + np.eye(
        classes, dtype=int
    )
    names = [f"a class with a long name {index}" for index in range(classes)]
    chart = charts.draw("confusion", names, counts.tolist())
    assert len({row["true"] for row in rows(chart, 0)}) == classes
    assert len(chart.specification["layer"]) == (2 if classes <= confusion.COUNTS_UP_TO else 1)
    assert 300 <= chart.specification["height"] <= theme.WIDTH


def test_most_confused_agrees_with_sorting():
    counts = np.random.default_rng(1).integers(0, 50, (6, 6))
    found = confusion.most_confused(list("abcdef"), counts.tolist())
    off = counts[~np.eye(6, dtype=bool)]
    assert [item[2] for item in found] == sorted(off[off > 0].tolist(), reverse=True)
    true, said, n, share = found[0]
    row, column = "abcdef".index(true), "abcdef".index(said)
    assert counts[row, column] == n and share == pytest.approx(n / counts[row].sum())


def test_calibration_leaves_empty_bins_out():
    assert rows(charts.draw("calibration", *FACTS["calibration"]), 1) == [
        {"x": 90.0, "y": 80.0, "n": 10}
    ]


def test_class_counts_hold_every_part():
    chart = charts.draw("class-counts", *FACTS["class-counts"])
    assert sum(row["n"] for row in rows(chart, 0)) == 11
    assert {row["part"] for row in rows(chart, 0)} == {"training", "test"}
    assert "from 4 (dog) to 7 (cat)" in chart.alternative


def test_predicted_keeps_the_extremes_of_many_samples():
    true = np.random.default_rng(0).normal(size=20_000)
    chart = charts.draw("predicted", true.tolist(), (true + 1).tolist(), "y")
    shown = [row["x"] for row in rows(chart, 1)]
    assert len(shown) == 1500
    assert min(shown) == pytest.approx(true.min(), rel=1e-4)
    assert max(shown) == pytest.approx(true.max(), rel=1e-4)
    assert "half of the errors are below 1.00" in chart.alternative


def test_boundary_regions_cover_the_plane_once():
    regions = rows(charts.draw("boundary", PLANE), 0)
    area = {"a": 0.0, "b": 0.0}
    for region in regions:
        area[region["class"]] += (region["x2"] - region["x"]) * (region["y2"] - region["y"])
    assert area == {"a": pytest.approx(2.0), "b": pytest.approx(4.0)}
    assert len(regions) == 3  # neighbours that look the same are one


def test_boundary_shades_follow_certainty():
    assert boundary._runs([0, 1], [0.5, 1.0], classes=2) == [
        (0, 1, 0, 0),
        (1, 2, 1, boundary.LEVELS),
    ]


def test_layer_sizes_hold_every_weight_at_every_step_looked_at():
    cells = {
        (row["layer"], row["step"]): row["power"]
        for row in rows(charts.draw("layer-sizes", watched(), "update"), 0)
    }
    assert set(cells) == {(layer, str(step)) for layer in "ab" for step in (1, 2, 3, 8, 16)}
    assert cells["b", "3"] == pytest.approx(math.log10(0.03 / 2.0), abs=0.01)
    gradient = rows(charts.draw("layer-sizes", watched(), "gradient"), 0)
    at_8 = [row["power"] for row in gradient if row["step"] == "8"]
    assert at_8 == [pytest.approx(math.log10(0.1 / 8), abs=0.01)] * 2


def test_an_alarm_is_pinned_to_its_layer_and_step():
    chart = charts.draw("layer-sizes", watched(), "gradient", ALARMS)
    assert rows(chart, 1) == [{"layer": "b", "step": "2", "label": "dying-relu"}]
    assert "outline" in chart.caption
    rule = charts.draw("observed-loss", watched(), ALARMS).specification["layer"][2]
    assert rule["mark"]["type"] == "rule"
    assert rule["data"]["values"][0]["x"] == 2


def test_steps_looked_at_are_thinned_but_the_first():
    many = watched(losses=[1.0] * 3000, steps=(*range(1, 9), *range(16, 3000, 8)))
    chart = charts.draw("layer-sizes", many, "update")
    steps = sorted({int(row["step"]) for row in rows(chart, 0)})
    assert steps[:8] == list(range(1, 9))
    assert len(steps) <= 60
    assert steps[-1] > 2900


def test_observed_loss_says_where_it_is_no_number():
    broken = watched(losses=[2.0, 1.0, 0.9, *(["nan"] * 300)])
    chart = charts.draw("observed-loss", broken)
    assert [row["y"] for row in rows(chart, 0)] == [2.0, 1.0, 0.9]
    assert "not a finite number from step 4 on" in chart.alternative
    domain = chart.specification["layer"][0]["encoding"]["x"]["scale"]["domain"]
    assert domain == [0, 10]


def test_observed_loss_names_evaluations_only_where_there_are_some():
    def named(record):
        chart = charts.draw("observed-loss", record)
        colours = chart.specification["layer"][0]["encoding"]["color"]
        return colours["scale"]["domain"]

    alone = watched(losses=[2.0, 1.0, 0.9])
    alone = Record([event for event in alone.events if event["event"] != "evaluation"])
    assert named(alone) == ["training"]
    evaluated = {"event": "evaluation", "step": 2, "loss": {"value": 1.5}}
    assert named(Record([*alone.events, evaluated])) == ["training", "evaluation"]


def test_dead_units_are_shares_of_the_layers_that_have_any():
    shown = {
        (row["series"], row["x"]): row["y"] for row in rows(charts.draw("dead-units", watched()), 0)
    }
    assert shown["b", 2] == 25.0
    assert shown["b", 16] == 100.0
    assert {series for series, _ in shown} == {"b"}


def test_spread_compares_the_first_with_the_last_step():
    shown = {
        (row["series"], row["layer"]): row["y"]
        for row in rows(charts.draw("spread-by-depth", watched()), 0)
    }
    assert shown == {
        ("step 1", "a"): 1.0, ("step 1", "b"): 0.1,
        ("step 16", "a"): 0.0625, ("step 16", "b"): 0.00625,
    }  # fmt: skip


def test_nothing_observed_is_no_drawing():
    for name in ("observed-loss", "observed-rate", "spread-by-depth", "dead-units"):
        chart = charts.draw(name, Record([]))
        assert chart.specification == {}
        assert chart.alternative
    assert charts.draw("layer-sizes", Record([]), "gradient").specification == {}


def test_an_empty_record_still_has_its_charts():
    empty = Record([])
    for name in ("loss", "metric", "learning-rate", "ladder", "bought"):
        assert charts.draw(name, empty).alternative


def test_logarithmic_ticks_lie_inside():
    assert theme.ticks(0.3, 30) == [0.5, 1.0, 2.0, 5.0, 10.0, 20.0]
    assert theme.ticks(40, 98) == [40.0, 50.0, 60.0, 70.0, 80.0, 90.0]
    assert theme.ticks(0.001, 50) == [0.001, 0.01, 0.1, 1.0, 10.0]


def test_no_step_means_steps_are_the_axis():
    assert curves.along(Record([])).title == "step"
    assert loss.chart(Record([])).line == []
