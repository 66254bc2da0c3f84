"""The documents are tests: their Python runs, their commands parse, their links lead somewhere.

Every ```python block of a page runs in order in one namespace, in a temporary folder and on one
thread; an ``assert`` in a block is the second witness of a figure in the text. Commands in blocks
of the shell and in the text are parsed by the command line itself, without running.
"""

import importlib
import re
import shlex
import sys
import traceback
import types
from pathlib import Path

import click
import pytest
import torch

from gradatim import cli
from gradatim.core.recipe import Recipe, parse_settings
from gradatim.core.registry import resolve
from gradatim.errors import GradatimError
from gradatim.models import MODELS, check_name
from gradatim.models.options import resolve_options
from gradatim.training import LOSSES, OPTIMISERS, SCHEDULES

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
CONCEPTS = sorted(path for path in (ROOT / "docs/concepts").glob("*.md") if path.stem != "README")

RUN_ELSEWHERE = {
    "docs/adding/model.md": "tests/models/test_docs.py",
    "docs/adding/source.md": "tests/data/test_adding_source_doc.py",
}
"""Pages whose blocks are files to be put into the package: their own test puts them there."""

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
TABLES = {"loss": LOSSES, "optimiser": OPTIMISERS, "schedule": SCHEDULES}


def name_of(page):
    return page.relative_to(ROOT).as_posix()


def blocks(page, *languages):
    """Yield (number of the line before, text) of the fenced blocks in some languages."""
    text = page.read_text(encoding="utf-8")
    for match in FENCE.finditer(text):
        if match[1] in languages:
            yield text.count("\n", 0, match.start()) + 1, match[2]


def run(page):
    """Run the Python blocks of a page; return the place and the words of an error, or nothing."""
    module = types.ModuleType("page")
    sys.modules["page"] = module
    try:
        for line, text in blocks(page, "python"):
            # Empty lines before the block, so that line numbers are those of the page.
            code = compile("\n" * line + text, str(page), "exec", dont_inherit=True)
            exec(code, module.__dict__)
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        if isinstance(error, SyntaxError):
            where, what = error.lineno, error.text
        else:
            frame = next(frame for frame in reversed(frames) if frame.filename == str(page))
            where, what = frame.lineno, frame.line
        return f"{name_of(page)}:{where}: {what}\n{type(error).__name__}: {error}"
    finally:
        del sys.modules["page"]
    return ""


def commands(page):
    """Yield (line, words) of the commands in shell blocks and in the text."""
    text = page.read_text(encoding="utf-8")
    for start, block in blocks(page, "", "sh", "console"):
        for number, line in enumerate(block.replace("\\\n", "  ").split("\n"), start + 1):
            if line.removeprefix("$ ").startswith("gradatim "):
                yield number, shlex.split(line.removeprefix("$ "), comments=True)[1:]
    prose = FENCE.sub(lambda match: "\n" * match[0].count("\n"), text)
    for match in re.finditer(r"`gradatim ([^`]+)`", prose):
        words = match[1].replace("\\|", "|").split()
        if words[0].isalpha() and words[0].islower():
            yield prose.count("\n", 0, match.start()) + 1, words


def check_command(words, own_models=False):
    """Let the command line parse a command, and check the names it holds.

    A verb alone is a mention of it. With ``own_models`` the page adds a model of its own.
    """
    verb, *arguments = words
    assert verb in cli.VERBS, f"there is no verb {verb!r}"
    command = importlib.import_module(f"gradatim.cli.{verb}").command
    if not arguments:
        return
    try:
        given = command.make_context(verb, arguments).params
    except click.exceptions.Exit:  # --help
        return
    name = given.get("model")
    if name and not name.isupper() and "/" not in name and not own_models:
        check_name(name)
    settings = [item for item in given.get("settings") or () if item != "KEY=VALUE"]
    values = parse_settings(settings)
    recipe = Recipe().with_values(values)
    for key in TABLES:
        named = getattr(recipe.training, key)
        assert named is None or named in TABLES[key], f"there is no {key} {named!r}"
    if recipe.model.options and name in MODELS:
        resolve_options(resolve(MODELS, name, "model"), recipe.model.options)


@pytest.fixture
def alone(tmp_path, monkeypatch):
    """A folder, a cache, one thread and random numbers of the page's own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GRADATIM_CACHE", str(tmp_path / "cache"))
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(threads)
    torch.set_rng_state(state)


@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if any(blocks(page, "python")) and name_of(page) not in RUN_ELSEWHERE],
    ids=name_of,
)
def test_the_python_of_a_page_runs(page, alone):
    error = run(page)
    if error:
        pytest.fail(error, pytrace=False)


def test_pages_that_run_elsewhere_have_their_test():
    for page, test in RUN_ELSEWHERE.items():
        assert (ROOT / page).is_file()
        assert Path(page).name in (ROOT / test).read_text(encoding="utf-8")


@pytest.mark.parametrize("page", [page for page in PAGES if any(commands(page))], ids=name_of)
def test_the_commands_of_a_page_parse(page):
    wrong = []
    for line, words in commands(page):
        try:
            check_command(words, own_models=name_of(page) in RUN_ELSEWHERE)
        except click.ClickException as error:
            wrong.append(f"{name_of(page)}:{line}: {' '.join(words)}: {error.format_message()}")
        except (AssertionError, GradatimError) as error:
            said = str(error).partition("\n")[0]
            wrong.append(f"{name_of(page)}:{line}: {' '.join(words)}: {said}")
    if wrong:
        pytest.fail("\n".join(wrong), pytrace=False)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_the_links_of_a_page_lead_somewhere(page):
    prose = FENCE.sub("", page.read_text(encoding="utf-8"))
    for target in re.findall(r"\]\(([^)\s]+)\)", prose):
        if not target.startswith(("http:", "https:", "#", "mailto:")):
            assert (page.parent / target.partition("#")[0]).exists(), f"{name_of(page)}: {target}"


@pytest.mark.parametrize("page", CONCEPTS, ids=lambda page: page.stem)
def test_a_concept_is_told_with_its_chinese_terms_and_witnessed_figures(page):
    text = page.read_text(encoding="utf-8")
    assert len(set(re.findall(r"[\u4e00-\u9fff]{2,}", text))) >= 3
    assert any("assert " in block for _, block in blocks(page, "python"))
    assert any(commands(page)), "the page names no command"


def test_the_index_of_concepts_has_a_line_for_every_page():
    index = (ROOT / "docs/concepts/README.md").read_text(encoding="utf-8")
    for page in CONCEPTS:
        assert re.search(rf"^.*\[[^]]+\]\({re.escape(page.name)}\).*\S", index, re.M), page.name


def test_an_error_in_a_page_is_told_with_page_and_line(tmp_path, alone, monkeypatch):
    page = tmp_path / "page.md"
    page.write_text("# Title\n\n```python\nx = 1\n```\n\ntext\n\n```python\nassert x == 2\n```\n")
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    assert run(page) == "page.md:10: assert x == 2\nAssertionError: "
    page.write_text("```python\nx = 1 +\n```\n")
    assert run(page).startswith("page.md:2: x = 1 +")


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("fti digits", "no verb"),
        ("fit digits --modle mlp", "No such option"),
        ("fit digits --model mpl", "did you mean"),
        ("fit digits --set training.rate=1", "no such key"),
        ("fit digits --model mlp --set model.widht=3", "no option"),
        ("fit digits --set training.loss=huber", "no loss 'huber'"),
    ],
)
def test_a_command_that_does_not_exist_is_found(command, message):
    with pytest.raises(Exception, match=message):
        check_command(command.split())
