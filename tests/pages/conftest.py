"""Run folders as a fit writes them, made without training: events in the Record's schema."""

import itertools
import json
import math
import random
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import save_file
from sklearn.datasets import load_digits

from gradatim.core.recipe import Recipe
from gradatim.core.record import RecordWriter

DIGITS = [str(digit) for digit in range(10)]
MACHINE = {
    "processor": "x86_64 with AMX",
    "cores": 2,
    "threads": 2,
    "device": "cpu",
    "precision": "bf16",
    "layout": "channels-last",
    "torch": "2.9.0",
    "gradatim": "0.1.0",
}


def wilson(k, n):
    """The interval as published by Wilson (1927), for plausible fixtures."""
    z, p = 1.959964, k / n
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return {"value": p, "low": max(0.0, middle - half), "high": min(1.0, middle + half), "n": n}


def run_event(**more):
    return {
        "name": "run",
        "task": "classification",
        "kind": "image",
        "options": {},
        "classes": DIGITS,
        "samples": {"train": 1149, "validation": 288, "test": 360},
        "batch_size": 32,
        "steps_per_epoch": 36,
        "seed": 0,
        "loss": "cross-entropy",
        "optimiser": "adamw",
        "learning_rate": 0.002,
        "schedule": "cosine",
        "metric": "accuracy",
        "baseline_loss": math.log(10),
        "machine": MACHINE,
    } | more


def write_training(writer, *, epochs, per_epoch, floor, seed=0, metric="accuracy", stop=None):
    """Write steps and epochs of a run that learns; ``stop`` breaks off at this step."""
    draw, total, best = random.Random(seed), epochs * per_epoch, None
    for step in range(1, total + 1):
        if stop is not None and step > stop:
            return
        share = step / total
        level = floor + (2.3 - floor) * math.exp(-9 * share)
        rate = 0.002 * min(1.0, share / 0.1) * 0.5 * (1 + math.cos(math.pi * share))
        loss = level * (0.8 + 0.4 * draw.random())
        epoch = (step - 1) // per_epoch + 1
        writer.write("step", step=step, epoch=epoch, loss=loss, learning_rate=rate, samples=32)
        if step % per_epoch == 0:
            good = 1 - 0.35 * floor - 0.88 * math.exp(-8 * share)
            noisy = min(0.995, good + 0.006 * draw.random())
            writer.write(
                "epoch",
                epoch=epoch,
                step=step,
                seconds=step * 0.01,
                train={"loss": level, metric: min(1.0, noisy + 0.012)},
                validation={"loss": level * 1.05 + 0.05, metric: noisy},
                samples_per_second=3200.0,
                best=best is None or noisy > best,
            )
            best = max(best or 0.0, noisy)
            writer.write("checkpoint", step=step)
    writer.write(
        "end", reason="finished", epoch=epochs, step=total, seconds=total * 0.01,
        best_epoch=epochs - 1, best={"loss": floor, metric: best},
    )  # fmt: skip


def write_run(folder, event, **training):
    folder.mkdir(parents=True, exist_ok=True)
    with RecordWriter(folder / "record.jsonl") as writer:
        writer.write("run", **event)
        if training:
            write_training(writer, **training)


def measured(truth, predicted, probability, classes):
    """The test event of a classification, counted from answers."""
    k = len(classes)
    confusion = np.zeros((k, k), dtype=int)
    np.add.at(confusion, (truth, predicted), 1)
    right = truth == predicted
    edges = np.linspace(0, 1, 11)
    bins = []
    for low, high in itertools.pairwise(edges):
        inside = (probability > low) & (probability <= high)
        n = int(inside.sum())
        bins.append(
            {
                "low": float(low),
                "high": float(high),
                "confidence": float(probability[inside].mean()) if n else None,
                "accuracy": float(right[inside].mean()) if n else None,
                "count": n,
            }
        )
    error = sum(
        b["count"] * abs(b["confidence"] - b["accuracy"]) for b in bins if b["count"]
    ) / len(truth)
    per_class = []
    for i, name in enumerate(classes):
        said, support = int(confusion[:, i].sum()), int(confusion[i].sum())
        per_class.append(
            {
                "name": name,
                "precision": float(confusion[i, i] / said) if said else None,
                "recall": float(confusion[i, i] / support) if support else None,
                "support": support,
            }
        )
    interval = wilson(int(right.sum()), len(truth))
    return {
        "samples": len(truth),
        "metric": "accuracy",
        "value": interval["value"],
        "low": interval["low"],
        "high": interval["high"],
        "loss": 0.071,
        "baseline": float(np.bincount(truth, minlength=k).max() / len(truth)),
        "per_class": per_class,
        "confusion": confusion.tolist(),
        "calibration": {"error": float(error), "bins": bins},
    }


def save_audit(folder, **more):
    audit = {
        "source": "digits", "kind": "image", "samples": 1797, "found": 1797,
        "task": "classification", "classes": DIGITS,
        "class_counts": {"all": dict.fromkeys(DIGITS, 179)}, "target": None, "features": [],
        "sizes": {"distinct": 1, "width": [8, 8, 8], "height": [8, 8, 8], "aspect": [1, 1, 1],
                  "common": [[8, 8, 1797]]},
        "channels": [{"name": "grey", "mean": 78.2, "std": 96.4, "min": 0.0, "max": 255.0}],
        "shape": [8, 8, 1], "choices": {}, "rejected": [], "unused": [], "treated": [],
        "duplicates": [], "duplicates_across_parts": 0, "conflicts": [], "warnings": [],
        "notes": ["Intensities 0 to 16 were scaled to 0 to 255."], "label_errors": [],
        "seconds": 0.4,
    } | more  # fmt: skip
    (folder / "audit.json").write_text(json.dumps(audit))


def save_package(folder, name, parameters, **more):
    (folder / "model").mkdir()
    spec = {"task": "classification", "kind": "image", "shape": [1, 8, 8], "classes": DIGITS,
            "features": [], "target": "digit", "unit": "", "vocabulary": 0}  # fmt: skip
    manifest = {
        "schema": 1, "gradatim": "0.1.0", "created": "2026-03-14T09:26:53+00:00",
        "model": {"name": name, "options": {}, "parameters": parameters},
        "spec": spec, "preprocessing": {"target_mean": 0.0, "target_std": 1.0},
    } | more  # fmt: skip
    (folder / "model" / "package.json").write_text(json.dumps(manifest))


def save_split(folder, train, validation, test):
    ends = np.cumsum([train, validation, test])
    split = {
        "origin": "drawn with seed 0, stratified by class",
        "train": list(range(ends[0])),
        "validation": list(range(ends[0], ends[1])),
        "test": list(range(ends[1], ends[2])),
    }
    (folder / "split.json").write_text(json.dumps(split))


def digits_ladder(folder: Path) -> Path:
    """A finished ladder on images of ten classes."""
    folder.mkdir(parents=True)
    recipe = Recipe().with_values({"data.source": "digits", "training.budget": 120})
    recipe = recipe.with_values({"model.name": "resnet18"}, "the rung with the best validation")
    recipe = recipe.with_values(
        {"training.learning_rate": 0.1, "training.optimiser": "momentum"}, "default of resnet"
    )
    recipe = recipe.with_values({"data.batch_size": 32}, "1,149 training samples")
    recipe = recipe.with_values(
        {"machine.precision": "bf16"}, "measured twice as fast on processors with AMX"
    )
    recipe = recipe.with_values({"training.plan": ((0, 0.0), (1080, 1.0))}, "the budget of 120 s")
    recipe.write(folder / "recipe.toml")
    rungs = [
        ("majority", 0, 0.001, 4e-8, 30),
        ("knn", 0, 0.02, 9.1e-5, 281),
        ("linear", 650, 3.4, 1.2e-6, 275),
        ("mlp", 12_730, 6.9, 2.6e-6, 280),
        ("lenet", 61_706, 11.2, 1.9e-5, 283),
        ("resnet18", 11_172_810, 78.4, 4.1e-4, 286),
    ]
    kept = 281
    with RecordWriter(folder / "record.jsonl") as writer:
        writer.write("run", **run_event(name="digits-ladder-1", model="ladder", parameters=None))
        best = None
        for number, (model, parameters, seconds, per_sample, right) in enumerate(rungs, 1):
            bought = None
            if best is not None:
                difference = (right - best[1]) / 288
                bought = {
                    "against": best[0],
                    "difference": difference,
                    "low": difference - 0.019,
                    "high": difference + 0.019,
                }
            writer.write(
                "rung", rung=number, model=model, run=f"rungs/{number:02d}-{model}",
                parameters=parameters, train_seconds=seconds, prediction_seconds=per_sample,
                metric="accuracy", validation=wilson(right, 288), bought=bought, note="",
            )  # fmt: skip
            if best is None or right > best[1]:
                best = (model, right)
            epochs = {"linear": 40, "mlp": 40, "lenet": 40, "resnet18": 30}.get(model)
            floor = {"linear": 0.11, "mlp": 0.07, "lenet": 0.06, "resnet18": 0.02}.get(model)
            event = run_event(
                name=f"digits-ladder-1/{number:02d}-{model}", model=model, parameters=parameters,
                total_steps=36 * (epochs or 0),
            )  # fmt: skip
            training = {"epochs": epochs, "per_epoch": 36, "floor": floor} if epochs else {}
            write_run(folder / f"rungs/{number:02d}-{model}", event, **training)
        writer.write("skipped", model="resnet50", reason="it would take 9 min of the 2 min left")
        writer.write(
            "winner", rung=6, model="resnet18",
            reason="the best validation accuracy; the nearest rung, lenet, is 1.0 points behind",
        )  # fmt: skip
        digits = load_digits()
        draw = np.random.default_rng(1)
        truth = digits.target[-360:].astype(int)
        predicted = truth.copy()
        mistaken = [5, 33, 80, 129, 210, 301]
        predicted[mistaken] = [8, 9, 1, 8, 5, 3]
        probability = np.clip(draw.beta(14, 0.6, 360), 0.4, 1.0)
        probability[mistaken] = [0.97, 0.91, 0.72, 0.66, 0.58, 0.51]
        test = measured(truth, predicted, probability, DIGITS)
        assert kept and test["value"] == 354 / 360
        test["top_k"] = {"5": 1.0}
        writer.write("test", **test)
        (folder / "wrong").mkdir()
        worst = []
        for rank, index in enumerate(mistaken, 1):
            pixels = (digits.images[-360 + index] * 255 / 16).astype(np.uint8)
            Image.fromarray(pixels).save(folder / f"wrong/{rank:03d}.png")
            first, second = DIGITS[predicted[index]], DIGITS[truth[index]]
            p = float(probability[index])
            worst.append(
                {
                    "name": f"row {1437 + index}",
                    "picture": f"wrong/{rank:03d}.png",
                    "true": second,
                    "predicted": first,
                    "probabilities": [[first, p], [second, (1 - p) * 0.8], ["4", (1 - p) * 0.1]],
                }
            )
        writer.write("wrong", samples=worst)
        writer.write("done", reason="finished", seconds=104.2)
    save_audit(
        folder,
        label_errors=[
            {"name": "row 1553", "given": "9", "suggested": "5", "probability": 0.93},
            {"name": "row 37", "given": "9", "suggested": "4", "probability": 0.88},
        ],
    )
    save_split(folder, 1149, 288, 360)
    save_package(folder, "resnet18", 11_172_810)
    return folder


def photos_run(folder: Path) -> Path:
    """One model on a folder of photographs with odd files, and no test part."""
    folder.mkdir(parents=True)
    classes = [
        "dress",
        "hat",
        "long sleeve",
        "pants",
        "shirt",
        "shoes",
        "shorts",
        "skirt",
        "t-shirt",
    ]
    recipe = Recipe().with_values({"data.source": "photos/", "model.name": "lenet"})
    recipe = recipe.with_values({"data.size": 64}, "half of the images are at least 300 wide")
    recipe.write(folder / "recipe.toml")
    event = run_event(
        name="photos-lenet-1", model="lenet", parameters=120_345, classes=classes,
        samples={"train": 3068, "validation": 341, "test": 0}, total_steps=1200,
        steps_per_epoch=60, baseline_loss=math.log(9),
    )  # fmt: skip
    write_run(folder, event, epochs=20, per_epoch=60, floor=0.9)
    with RecordWriter(folder / "record.jsonl") as writer:
        writer.write("warning", text="class hat has 9 training images")
        writer.write("done", reason="finished", seconds=31.0)
    draw = random.Random(3)
    common = [[draw.randint(180, 1600), draw.randint(240, 2100), n] for n in range(60, 20, -1)]
    save_audit(
        folder, source="photos/", samples=3409, found=3424, classes=classes,
        class_counts={
            "train": {name: 80 + 90 * i for i, name in enumerate(classes)},
            "validation": {name: 9 + 10 * i for i, name in enumerate(classes)},
        },
        sizes={"distinct": 977, "width": [120, 533, 3024], "height": [160, 700, 4032],
               "aspect": [1.0, 1.33, 2.1], "common": common},
        channels=[{"name": name, "mean": mean, "std": 58.0, "min": 0.0, "max": 255.0}
                  for name, mean in (("red", 166.1), ("green", 158.2), ("blue", 152.7))],
        rejected=[
            {"name": "train/hat/<img src=x onerror=alert(1)>.jpg", "reason": "truncated file"},
            {"name": "train/hat/na\udcefve\x1b[31m.png", "reason": "no picture: text"},
            *({"name": f"train/shoes/{i:04d}.jpg", "reason": "zero bytes"} for i in range(13)),
        ],
        treated=[{"treatment": "turned upright as its EXIF data says", "count": 211,
                  "examples": ["train/dress/01.jpg", "train/dress/07.jpg"]}],
        duplicates=[["train/hat/1.jpg", "train/hat/2.jpg"],
                    ["train/skirt/3.jpg", "train/dress/9.jpg"]],
        conflicts=[{"names": ["train/skirt/3.jpg", "train/dress/9.jpg"],
                    "labels": ["skirt", "dress"]}],
        warnings=["Imbalanced classes in the part train: t-shirt has 800 samples, dress 80."],
        notes=[],
    )  # fmt: skip
    save_split(folder, 3068, 341, 0)
    return folder


def moons_run(folder: Path) -> Path:
    """Two-dimensional data with a decision boundary."""
    folder.mkdir(parents=True)
    Recipe().with_values({"data.source": "moons", "model.name": "mlp"}).write(
        folder / "recipe.toml"
    )
    event = run_event(
        name="moons-mlp-1", kind="vector", model="mlp", parameters=8_706,
        classes=["upper", "lower"], samples={"train": 750, "validation": 100, "test": 150},
        total_steps=960, steps_per_epoch=24, baseline_loss=math.log(2),
    )  # fmt: skip
    write_run(folder, event, epochs=40, per_epoch=24, floor=0.05)
    draw = np.random.default_rng(0)
    angle = draw.uniform(0, math.pi, 300)
    label = np.arange(300) % 2
    x = np.where(label == 0, np.cos(angle), 1 - np.cos(angle)) + draw.normal(0, 0.15, 300)
    y = np.where(label == 0, np.sin(angle), 0.5 - np.sin(angle)) + draw.normal(0, 0.15, 300)
    grid_x, grid_y = np.meshgrid(np.linspace(-1.6, 2.6, 80), np.linspace(-1.2, 1.7, 80))
    score = 4 * (grid_y - 0.25 - 0.6 * np.cos(1.55 * (grid_x + 0.05)) * 1.1)
    upper = 1 / (1 + np.exp(-score))
    (folder / "boundary.json").write_text(
        json.dumps(
            {
                "x": [-1.6, 2.6, 80],
                "y": [-1.2, 1.7, 80],
                "classes": ["upper", "lower"],
                "features": ["x", "y"],
                "winner": (upper < 0.5).astype(int).tolist(),
                "probability": np.maximum(upper, 1 - upper).round(3).tolist(),
                "points": [
                    [float(a), float(b), int(c)] for a, b, c in zip(x, y, label, strict=True)
                ],
            }
        )
    )
    truth = label[:150].astype(int)
    predicted = truth.copy()
    predicted[[3, 77, 90]] = 1 - predicted[[3, 77, 90]]
    with RecordWriter(folder / "record.jsonl") as writer:
        writer.write(
            "test",
            **measured(truth, predicted, np.clip(draw.beta(9, 1, 150), 0.5, 1), ["upper", "lower"]),
        )
        writer.write(
            "wrong",
            samples=[
                {"name": f"row {i}", "picture": None, "true": "upper", "predicted": "lower",
                 "probabilities": [["lower", 0.8], ["upper", 0.2]]}
                for i in (3, 77, 90)
            ],
        )  # fmt: skip
        writer.write("done", reason="finished", seconds=4.0)
    save_audit(
        folder, source="moons", kind="vector", samples=1000, found=1000, classes=["upper", "lower"],
        class_counts={"all": {"upper": 500, "lower": 500}}, sizes=None, channels=[], shape=[2],
        notes=["Two half circles with noise of standard deviation 0.2."],
    )  # fmt: skip
    save_split(folder, 750, 100, 150)
    return folder


def regression_ladder(folder: Path) -> Path:
    """A finished ladder on a table with a numeric target."""
    folder.mkdir(parents=True)
    recipe = Recipe().with_values({"data.source": "houses.csv", "data.target": "price"})
    recipe.write(folder / "recipe.toml")
    with RecordWriter(folder / "record.jsonl") as writer:
        event = {
            "kind": "vector", "task": "regression", "classes": [], "metric": "r2",
            "loss": "squared-error", "baseline_loss": 1.0, "name": "houses-ladder-1",
            "samples": {"train": 600, "validation": 100, "test": 150},
        }  # fmt: skip
        writer.write("run", **run_event(model="ladder", parameters=None, **event))
        rungs = [
            ("majority", 0, -0.01),
            ("knn", 0, 0.61),
            ("linear", 14, 0.72),
            ("mlp", 9_281, 0.81),
        ]
        best = None
        for number, (model, parameters, value) in enumerate(rungs, 1):
            bought = best and {
                "against": best[0], "difference": value - best[1],
                "low": value - best[1] - 0.05, "high": value - best[1] + 0.05,
            }  # fmt: skip
            writer.write(
                "rung", rung=number, model=model, run=f"rungs/{number:02d}-{model}",
                parameters=parameters, train_seconds=0.3 * number, prediction_seconds=3e-6,
                metric="r2", bought=bought, note="",
                validation={"value": value, "low": value - 0.06, "high": value + 0.05, "n": 100},
            )  # fmt: skip
            best = (model, value)
            training = (
                {"epochs": 30, "per_epoch": 20, "floor": 0.2, "metric": "r2"}
                if model == "mlp"
                else {}
            )
            write_run(
                folder / f"rungs/{number:02d}-{model}",
                run_event(
                    model=model, parameters=parameters, steps_per_epoch=20, total_steps=600, **event
                ),
                **training,
            )
        writer.write("winner", rung=4, model="mlp", reason="the best validation R²")
        writer.write(
            "test", samples=150, metric="r2", value=0.79, low=0.71, high=0.85, loss=0.21,
            baseline=-0.002,
            regression={"r2": 0.79, "mae": 21_400.0, "rmse": 30_250.0,
                        "intervals": {"r2": [0.71, 0.85], "mae": [18_900.0, 24_100.0],
                                      "rmse": [26_000.0, 34_800.0]}},
        )  # fmt: skip
        writer.write("done", reason="finished", seconds=8.0)
    draw = np.random.default_rng(2)
    true = draw.normal(0, 1, 150).astype(np.float32)
    scores = (0.9 * true + draw.normal(0, 0.35, 150)).astype(np.float32)[:, None]
    save_file(
        {"test/indices": np.arange(700, 850), "test/scores": scores, "test/targets": true},
        folder / "predictions.safetensors",
    )
    number = {"mean": None, "std": None, "min": None, "max": None, "common": [], "note": ""}
    save_audit(
        folder, source="houses.csv", kind="table", task="regression", samples=850, found=850,
        classes=[], class_counts={"all": {"samples": 850}}, sizes=None, channels=[], shape=[13],
        target={"name": "price", "kind": "number", "missing": 0, "distinct": 790, "mean": 210_000.0,
                "std": 65_000.0, "min": 60_000.0, "max": 520_000.0, "common": [], "note": ""},
        features=[
            number | {"name": "area", "kind": "number", "missing": 3, "distinct": 310,
                      "mean": 104.2, "std": 31.0, "min": 24.0, "max": 301.0,
                      "note": "missing values filled with the median"},
            number | {"name": "district", "kind": "category", "missing": 0, "distinct": 6,
                      "common": [["north", 312], ["old town", 201]]},
        ],
        notes=[],
    )  # fmt: skip
    save_split(folder, 600, 100, 150)
    save_package(
        folder, "mlp", 9_281,
        spec={"task": "regression", "kind": "vector", "shape": [13], "classes": [], "features": [],
              "target": "price", "unit": "€", "vocabulary": 0},
        preprocessing={"target_mean": 210_000.0, "target_std": 65_000.0},
    )  # fmt: skip
    return folder


def interrupted_run(folder: Path) -> Path:
    """Killed in the middle of an epoch: no end, no test."""
    folder.mkdir(parents=True)
    Recipe().with_values({"data.source": "digits", "model.name": "mlp"}).write(
        folder / "recipe.toml"
    )
    event = run_event(name="digits-mlp-1", model="mlp", parameters=12_730, total_steps=1440)
    write_run(folder, event, epochs=40, per_epoch=36, floor=0.07, stop=400)
    save_audit(folder)
    save_split(folder, 1149, 288, 360)
    return folder


KINDS = {
    "digits": digits_ladder,
    "photos": photos_run,
    "moons": moons_run,
    "houses": regression_ladder,
    "interrupted": interrupted_run,
}


@pytest.fixture(scope="session")
def runs(tmp_path_factory):
    """One run folder of each kind, by name."""
    root = tmp_path_factory.mktemp("runs")
    return {name: make(root / f"{name}-1") for name, make in KINDS.items()}
