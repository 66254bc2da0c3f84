"""Packages of every version that was ever written stay loadable, and answer as they did.

The folders under ``fixtures/`` are never written again: a new schema gets a folder of its own.
``make_fixture.py`` beside them says how the latest was made.
"""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from gradatim import package
from gradatim.package.manifest import SCHEMA

FIXTURES = Path(__file__).parent / "fixtures"
FOLDERS = sorted(FIXTURES.glob("schema-*"))


def test_every_schema_has_its_packages():
    assert {int(path.name.split("-")[1]) for path in FOLDERS} == set(range(1, SCHEMA + 1))
    size = sum(file.stat().st_size for path in FOLDERS for file in path.rglob("*"))
    assert size < 100_000


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)
def test_it_answers_as_it_did(folder):
    model = package.load(folder / "model")
    expected = json.loads((folder / "answers.json").read_text())
    if model.spec.kind == "image":
        inputs = np.asarray(expected["inputs"], np.uint8)
    else:
        inputs = pl.DataFrame(expected["inputs"])
    for prediction, answer in zip(model.predict(inputs), expected["answers"], strict=True):
        got = prediction.to_dict()
        assert got.keys() == answer.keys()
        assert got.get("label") == answer.get("label")
        assert got.get("unit") == answer.get("unit")
        if "value" in answer:
            assert got["value"] == pytest.approx(answer["value"], rel=1e-4)
        assert got.get("probabilities", {}) == pytest.approx(
            answer.get("probabilities", {}), abs=1e-4
        )
