"""Imports go down; rooms on one floor do not import each other; some rooms never see torch."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "gradatim"

FLOORS = {
    "errors": 0,
    "core": 1,
    "data": 2, "models": 2,
    "training": 3, "probes": 3, "anatomy": 3, "lab": 3, "doctor": 3, "treatments": 3,
    "stats": 3, "charts": 3,
    "package": 4, "pages": 4,
    "experiments": 5, "server": 5,
    "verbs": 6, "estimators": 6,
    "cli": 7,
    "__main__": 8,
}  # fmt: skip
WITHOUT_TORCH = ["errors", "core", "doctor", "stats", "charts", "pages", "cli"]


def room_of(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imported_rooms(path: Path) -> list[tuple[str, int]]:
    """Return every room a file imports, also inside functions, with the line."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names = (
                [f"gradatim.{alias.name}" for alias in node.names]
                if node.module == "gradatim"
                else [node.module]
            )
        else:
            continue
        for name in names:
            if name == "gradatim" or name.startswith("gradatim."):
                found.append((name.partition(".")[2].split(".")[0], node.lineno))
    return found


def files() -> list[Path]:
    return sorted(path for path in SOURCE.rglob("*.py") if path != SOURCE / "__init__.py")


def test_every_room_has_a_floor():
    assert {room_of(path) for path in files()} <= set(FLOORS)


@pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_go_down(path):
    room = room_of(path)
    wrong = [
        f"line {line}: {room} (floor {FLOORS[room]}) imports {other or 'the root package'}"
        for other, line in imported_rooms(path)
        if other != room and (not other or FLOORS[other] >= FLOORS[room])
    ]
    assert not wrong


def test_server_sees_models_only_through_packages():
    allowed = {"server", "package", "pages", "core", "errors"}
    for path in files():
        if room_of(path) == "server":
            assert {room for room, _ in imported_rooms(path)} <= allowed


def test_no_relative_imports():
    for path in files():
        for node in ast.walk(ast.parse(path.read_text())):
            assert not (isinstance(node, ast.ImportFrom) and node.level), f"{path}:{node.lineno}"


def modules_without_torch() -> list[str]:
    names = []
    for path in files():
        if room_of(path) in WITHOUT_TORCH:
            parts = path.relative_to(SOURCE.parent).with_suffix("").parts
            names.append(".".join(parts).removesuffix(".__init__"))
    return names


def run(code: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    ).stdout


def test_rooms_without_torch_load_none():
    names = modules_without_torch()
    assert "gradatim.core.record" in names
    code = "import sys\n" + "".join(f"import {name}\n" for name in names)
    assert run(code + "print('torch' in sys.modules)").strip() == "False"


@pytest.mark.parametrize(
    "code",
    [
        "import gradatim",
        "import gradatim.verbs",
        "import gradatim.models, gradatim.data, gradatim.training",
        "from gradatim.data.sources import SOURCES",
    ],
)
def test_light_imports(code):
    heavy = (
        "[m for m in ('torch', 'sklearn', 'polars', 'altair', 'rich', 'PIL') if m in sys.modules]"
    )
    assert run(f"import sys\n{code}\nprint({heavy})").strip() == "[]"


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["names", "models"]])
def test_light_commands(arguments):
    code = (
        "import sys\nfrom gradatim.cli import main\n"
        f"try: main({arguments!r})\nexcept SystemExit as stop: assert not stop.code, stop.code\n"
        "print('torch' in sys.modules, 'numpy' in sys.modules)"
    )
    assert run(code).strip().endswith("False False")
