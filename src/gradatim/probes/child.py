"""Run a script as Python would, watched: ``python -m gradatim.probes.child RECORD SCRIPT ARGS``.

The script finds the same ``sys.argv``, ``sys.path`` and ``__main__`` as under plain Python, also in
its threads and exit handlers, which outlive it. Its standard output is not touched, and PyTorch is
imported when the script imports it, not before.
A treatment (``--with module:function``) is applied at the same moment.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.abc
import importlib.util
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType, TracebackType
from typing import TYPE_CHECKING, Any

from gradatim.core.record import RecordWriter

if TYPE_CHECKING:
    from gradatim.probes.watcher import Watcher


class _AfterImport(importlib.abc.MetaPathFinder):
    """Calls a function once, right after a module has been imported."""

    def __init__(self, name: str, then: Callable[[], None]) -> None:
        self.name, self.then = name, then

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Wrap the loader of the one module waited for."""
        if fullname != self.name:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        if spec is None or spec.loader is None:
            return spec
        loader, then = spec.loader, self.then
        execute = loader.exec_module

        def exec_module(module: ModuleType) -> None:
            vars(loader).pop("exec_module", None)
            execute(module)
            then()

        vars(loader)["exec_module"] = exec_module
        return spec


class _Main(SourceFileLoader):
    """Loads a script as ``__main__``; like Python, it neither reads nor writes a compiled file."""

    def get_code(self, fullname: str) -> CodeType:
        """Return the script, compiled."""
        path = self.get_filename(fullname)
        code: CodeType = self.source_to_code(self.get_data(path), path)
        return code

    def run(self) -> None:
        """Run the script as the module ``__main__``."""
        module = ModuleType("__main__")
        vars(module).update(__file__=self.path, __loader__=self, __cached__=None)
        sys.modules["__main__"] = module
        self.exec_module(module)


class Run:
    """One script, watched from the moment it imports PyTorch."""

    def __init__(self, record: Path, treatments: list[str]) -> None:
        self.writer = RecordWriter(record)
        self.treatments = treatments
        self.watcher: Watcher | None = None
        self.process = os.getpid()

    def begin(self) -> None:
        """Put treatments and hooks in place; a process that the script forked is not watched."""
        if os.getpid() != self.process:
            return
        for treatment in self.treatments:
            module, _, name = treatment.partition(":")
            getattr(importlib.import_module(module), name)()
        from gradatim.probes.watcher import Watcher

        self.watcher = Watcher(self.writer, whole=True)
        self.watcher.start()

    def end(self, **facts: Any) -> None:
        """Write how the script ended."""
        if os.getpid() != self.process:
            return
        if self.watcher is not None:
            self.watcher.stop(**facts)
        else:
            self.writer.write("unwatched", step=0, **facts)
            self.writer.close()


def _own_frames(trace: TracebackType | None, script: str) -> TracebackType | None:
    """Return the part of a traceback that begins in the script."""
    while trace is not None and trace.tb_frame.f_code.co_filename != script:
        trace = trace.tb_next
    return trace


def run(record: Path, script: str, arguments: list[str], treatments: list[str]) -> int:
    """Run a script and return its exit code."""
    watched = Run(record, treatments)
    watched.writer.write("script", script=str(Path(script).resolve()), arguments=arguments)
    watched.writer.flush()
    sys.meta_path.insert(0, _AfterImport("torch", watched.begin))
    sys.argv = [script, *arguments]
    sys.path[0] = str(Path(script).resolve().parent)
    try:
        _Main("__main__", script).run()
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
        if isinstance(stop.code, str):
            print(stop.code, file=sys.stderr)
        watched.end(exit=code)
        return code
    except BaseException as error:
        trace = _own_frames(error.__traceback__, script)
        sys.excepthook(type(error), error, trace or error.__traceback__)
        steps = traceback.extract_tb(trace)
        from gradatim.probes.places import is_library

        own = [step for step in steps if not is_library(step.filename)]
        watched.end(
            exit=1,
            error=type(error).__name__,
            message=str(error)[:2000],
            file=str(Path(own[-1].filename).resolve()) if own else None,
            line=own[-1].lineno if own else None,
        )
        return 130 if isinstance(error, KeyboardInterrupt) else 1
    watched.end(exit=0)
    return 0


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(prog="gradatim.probes.child")
    parser.add_argument("--with", dest="treatments", action="append", default=[])
    parser.add_argument("record", type=Path)
    parser.add_argument("script")
    parser.add_argument("arguments", nargs=argparse.REMAINDER)
    given = parser.parse_args()
    code = run(given.record, given.script, given.arguments, given.treatments)
    sys.stdout.flush()
    sys.exit(code)


if __name__ == "__main__":
    main()
