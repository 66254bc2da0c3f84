"""Names that users see: every verb is a documented function with the command line's options."""

import ast
import importlib
import inspect
import re
from pathlib import Path

import click
import pytest

import gradatim
from gradatim import cli

ROOT = Path(__file__).parents[2]
NOT_IN_PYTHON = {"json_to", "html_to", "csv_to", "explained"}


@pytest.mark.parametrize("name", [name for name in gradatim.__all__ if name != "__version__"])
def test_public_names_resolve_and_are_documented(name):
    value = getattr(gradatim, name)
    assert value.__doc__
    assert len(value.__doc__) > 20


def test_dir_lists_the_public_names():
    assert set(gradatim.__all__) <= set(dir(gradatim))


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'fits'"):
        gradatim.fits  # noqa: B018


CALLED = {"talk", "tell"}
"""What a function calls while it works: a command has its terminal for that."""


@pytest.mark.parametrize("verb", list(cli.VERBS))
def test_every_verb_is_a_function_with_the_same_options(verb):
    command = importlib.import_module(f"gradatim.cli.{verb}").command
    assert isinstance(command, click.Command)
    function = getattr(gradatim, verb)
    given = {item.name for item in command.params} - NOT_IN_PYTHON
    taken = set(inspect.signature(function).parameters) - CALLED
    assert given == taken


@pytest.mark.parametrize("verb", list(cli.VERBS))
def test_every_verb_file_has_a_row(verb):
    files = {path.stem for path in (ROOT / "src/gradatim/cli").glob("*.py")}
    assert files - {"__init__", "options"} == set(cli.VERBS)


@pytest.mark.parametrize("verb", list(cli.VERBS))
def test_docs_name_every_verb_and_option(verb):
    text = (ROOT / "docs/verbs.md").read_text()
    section = re.search(rf"^## `{verb}[ `].*?(?=^## |\Z)", text, re.M | re.S)
    assert section, f"docs/verbs.md has no section for {verb}"
    command = importlib.import_module(f"gradatim.cli.{verb}").command
    for item in command.params:
        for option in item.opts:
            if option.startswith("--"):
                assert f"`{option}" in section[0], f"{verb}: {option}"
    known = {option for item in command.params for option in item.opts} | {"--help"}
    for option in re.findall(r"^\| `(--[a-z-]+)", section[0], re.M):
        assert option in known, f"{verb}: {option} is documented but not there"


def test_readme_has_a_row_for_every_verb():
    text = (ROOT / "README.md").read_text()
    for verb in cli.VERBS:
        assert f"| `{verb}" in text, verb


def test_every_public_function_has_a_docstring_with_types():
    """What ruff cannot see: registries resolve to documented objects."""
    tables = {
        "gradatim.models": ["MODELS"],
        "gradatim.training": ["LOSSES", "OPTIMISERS", "SCHEDULES", "METRICS"],
        "gradatim.data.sources": ["SOURCES"],
        "gradatim.charts": ["CHARTS"],
    }
    for module, names in tables.items():
        for name in names:
            table = getattr(importlib.import_module(module), name)
            assert table
            for row, place in table.items():
                home, _, attribute = place.partition(":")
                assert getattr(importlib.import_module(home), attribute).__doc__, (name, row)


def test_no_unfinished_work_in_the_source():
    for path in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Raise) and node.exc is not None:
                assert "NotImplementedError" not in ast.unparse(node), f"{path}:{node.lineno}"
        assert not re.search(r"\b(TODO|FIXME|XXX)\b", path.read_text()), path
