"""The page on adding a network says what works."""

import re
import sys
from pathlib import Path

import pytest
import torch

from gradatim import models
from gradatim.core.spec import Spec
from gradatim.errors import UnknownNameError, ValueRefusedError

PAGE = Path(__file__).parents[2] / "docs" / "adding" / "model.md"


@pytest.fixture
def blocks(tmp_path, monkeypatch):
    file, usage = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "tiny.py").write_text(file)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(models.MODELS, "tiny", "tiny:Tiny")
    yield file, usage
    sys.modules.pop("tiny", None)


def test_the_network_of_the_page_works(blocks, tmp_path):
    _, usage = blocks
    (tmp_path / "usage.py").write_text(usage)
    import importlib

    importlib.import_module("usage")
    sys.modules.pop("usage")


def test_what_the_page_says_about_options_holds(blocks):
    spec = Spec("classification", "image", (3, 16, 16), ("a", "b"))
    module = models.build("tiny", spec, {"activation": "tanh", "dropout": 0.5})
    assert any(isinstance(layer, torch.nn.Tanh) for layer in module.modules())
    with pytest.raises(UnknownNameError, match="did you mean 'width'"):
        models.build("tiny", spec, {"widht": 3})
    with pytest.raises(ValueRefusedError, match="at least 1"):
        models.build("tiny", spec, {"width": 0})
    with pytest.raises(ValueRefusedError, match="at least 4 x 4 pixels"):
        models.build("tiny", Spec("classification", "image", (3, 2, 2), ("a", "b")))


def test_the_row_and_the_types_named_on_the_page_are_there():
    page = PAGE.read_text(encoding="utf-8")
    from gradatim.models import options

    for word in ("Positive", "Share", "Widths", "Between"):
        assert f"`{word}" in page or f"{word}(" in page
        assert hasattr(options, word)
    for path in re.findall(r"`(models/\w+\.py)`", page):
        assert (Path(models.__file__).parents[1] / path).is_file(), path
    for path in re.findall(r"(tests/\w+/test_\w+\.py)", page):
        assert (PAGE.parents[2] / path).is_file(), path
