"""The example of docs/adding/source.md works as it is written there."""

import re
import sys
from pathlib import Path

import numpy as np

from gradatim.core.recipe import Recipe
from gradatim.data import SOURCES, prepare

PAGE = Path(__file__).parents[2] / "docs" / "adding" / "source.md"


def test_the_example_is_a_source(tmp_path, monkeypatch):
    code = re.search(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)[1]
    (tmp_path / "rings_of_the_page.py").write_text(code, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(SOURCES, "rings", "rings_of_the_page:read")
    prepared, recipe = prepare(Recipe().with_values({"data.source": "rings"}))
    sys.modules.pop("rings_of_the_page")
    assert prepared.spec.classes == ("inner", "middle", "outer")
    assert prepared.spec.features == ("x", "y")
    assert recipe.data.task == "classification"
    radius = np.linalg.norm(prepared.inputs, axis=1)
    assert (np.rint(radius) - 1 == prepared.targets).mean() > 0.99


def test_the_page_names_files_that_are_there():
    root = PAGE.parents[2]
    text = PAGE.read_text(encoding="utf-8")
    for name in re.findall(r"`(gradatim/data/\w+(?:/\w+)?\.py)`", text):
        assert (root / "src" / name).is_file(), name
    for name in re.findall(r"`(tests/[\w/]+\.py)`", text):
        assert (root / name).is_file(), name
