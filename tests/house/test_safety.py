"""Nothing is unpickled or executed from data, weights or recipes; no effects at import."""

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "gradatim"
FILES = sorted(SOURCE.rglob("*.py"))
FORBIDDEN_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__"}
IDS = [str(path.relative_to(SOURCE)) for path in FILES]


def called(node: ast.Call) -> str:
    return ast.unparse(node.func)


@pytest.mark.parametrize("path", FILES, ids=IDS)
def test_nothing_is_executed_from_data(path):
    for node in ast.walk(ast.parse(path.read_text())):
        where = f"{path}:{getattr(node, 'lineno', 0)}"
        if isinstance(node, ast.Import):
            assert not {alias.name.split(".")[0] for alias in node.names} & FORBIDDEN_MODULES, where
        elif isinstance(node, ast.ImportFrom):
            assert (node.module or "").split(".")[0] not in FORBIDDEN_MODULES, where
        elif isinstance(node, ast.Call):
            name = called(node)
            assert name not in FORBIDDEN_CALLS, where
            keywords = {item.arg: ast.unparse(item.value) for item in node.keywords}
            if name == "torch.load":
                assert keywords.get("weights_only") == "True", where
            if name in ("np.load", "numpy.load"):
                assert keywords.get("allow_pickle", "False") == "False", where
            assert not name.endswith("sympify"), where


@pytest.mark.parametrize("path", FILES, ids=IDS)
def test_no_effects_at_import(path):
    """Module bodies define and import; they seed nothing, read no environment, set no handler."""
    allowed = (
        ast.Import, ast.ImportFrom, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef,
        ast.Assign, ast.AnnAssign, ast.AugAssign, ast.If, ast.Try,
    )  # fmt: skip
    for node in ast.parse(path.read_text()).body:
        docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        type_alias = type(node).__name__ == "TypeAlias"
        main = path.name == "__main__.py" and isinstance(node, ast.Expr)
        assert docstring or type_alias or main or isinstance(node, allowed), (
            f"{path}:{node.lineno}: {ast.unparse(node)}"
        )
        text = ast.unparse(node)
        if isinstance(node, ast.Assign | ast.AnnAssign):
            assert "environ" not in text, f"{path}:{node.lineno}"
            assert "manual_seed" not in text, f"{path}:{node.lineno}"


def test_the_project_speaks_of_itself_only():
    root = SOURCE.parents[1]
    words = ["/work" + "/", "/tmp" + "/house", "farm" + "-"]
    texts = [
        *root.glob("*.md"),
        *(root / "docs").rglob("*.md"),
        *FILES,
        *root.glob("recipes/*.toml"),
    ]
    for path in texts:
        text = path.read_text()
        assert not [word for word in words if word in text], path
