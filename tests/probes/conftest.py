import importlib.util
import runpy
import sys
from pathlib import Path

import pytest

from gradatim.core.record import Record, RecordWriter


def load_scripts():
    """Read the scripts' module by its path: test folders are no packages."""
    spec = importlib.util.spec_from_file_location("scripts", Path(__file__).with_name("scripts.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def scripts():
    return load_scripts()


def pytest_generate_tests(metafunc):
    if "kind" in metafunc.fixturenames:
        metafunc.parametrize("kind", list(load_scripts().ALL))


@pytest.fixture
def watched(tmp_path, monkeypatch):
    """Run a script's text watched inside this process; return its Record."""
    from gradatim.probes.watcher import Watcher

    def run(source):
        script = tmp_path / "script.py"
        script.write_text(source)
        path = tmp_path / "record.jsonl"
        path.unlink(missing_ok=True)
        watcher = Watcher(RecordWriter(path))
        monkeypatch.setattr(sys, "argv", [str(script)])
        watcher.start()
        try:
            runpy.run_path(str(script), run_name="__main__")
        finally:
            watcher.stop()
        return Record.read(path)

    return run
