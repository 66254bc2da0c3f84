"""Write the packages of the present schema under ``fixtures/``: run once for each new schema.

python tests/package/make_fixture.py
"""

import json
from pathlib import Path

import numpy as np
import polars as pl
import torch
from sklearn.datasets import load_diabetes, load_digits

from gradatim import package
from gradatim.core.spec import Spec
from gradatim.data.columns import Column
from gradatim.data.preprocessing import Preprocessing
from gradatim.models import build
from gradatim.package.manifest import SCHEMA

FIXTURES = Path(__file__).parent / "fixtures"


def write(name, module, model, spec, steps, inputs, facts):
    folder = FIXTURES / f"schema-{SCHEMA}-{name}"
    if folder.exists():
        raise SystemExit(f"{folder} is there already; a fixture is never written again")
    package.save(folder / "model", module, model, module.options, spec, steps, facts)
    shown = pl.DataFrame(inputs) if isinstance(inputs, list) else inputs
    answers = [answer.to_dict() for answer in package.load(folder / "model").predict(shown)]
    content = {"inputs": inputs if isinstance(inputs, list) else inputs.tolist()}
    (folder / "answers.json").write_text(json.dumps(content | {"answers": answers}) + "\n")


def pictures():
    images, labels = load_digits(return_X_y=True)
    stored = np.rint(images / 16 * 255).astype(np.uint8).reshape(-1, 8, 8, 1)
    spec = Spec("classification", "image", (1, 8, 8), tuple("0123456789"))
    steps = Preprocessing("image", (0.305,), (0.376,), size=8, channels=1)
    torch.manual_seed(0)
    module = build("resnet18", spec, {"width": 1})
    optimiser = torch.optim.AdamW(module.parameters(), lr=0.01)
    x, y = torch.from_numpy(steps.normalise(stored)), torch.from_numpy(labels)
    for _ in range(100):
        chosen = torch.randint(0, 1500, (128,))
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(module(x[chosen]), y[chosen]).backward()
        optimiser.step()
    facts = {"source": "digits", "samples": {"train": 1500}}
    write("image", module.eval(), "resnet18", spec, steps, stored[1500:1506], facts)


def rows():
    x, y = load_diabetes(return_X_y=True)
    columns = (
        Column("bmi", "number", fill=0.0, flag=True),
        Column("sex", "category", categories=("f", "m"), other=True),
    )
    features = tuple(name for column in columns for name in column.features)
    spec = Spec(
        "regression",
        "vector",
        (len(features),),
        features=features,
        target="progress",
        unit="points",
    )
    steps = Preprocessing(
        "table",
        (0.0,) * len(features),
        (0.05, 1.0, 1.0, 1.0, 1.0),
        columns=columns,
        target_mean=float(y.mean()),
        target_std=float(y.std()),
    )
    frame = pl.DataFrame({"bmi": x[:, 2], "sex": np.where(x[:, 1] > 0, "m", "f")})
    module = build("linear", spec, {"solver": "normal-equation"})
    inputs = torch.from_numpy(steps.normalise(steps.read_frame(frame)))
    module.solve([(inputs, torch.from_numpy(steps.standardise(y)))])
    shown = [{"bmi": 0.06, "sex": "f"}, {"bmi": None, "sex": "m"}, {"bmi": -0.02, "sex": "x"}]
    write("table", module, "linear", spec, steps, shown, {"source": "diabetes.csv"})


if __name__ == "__main__":
    pictures()
    rows()
