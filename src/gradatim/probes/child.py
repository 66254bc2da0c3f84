"""Run a script as Python would, watched: ``python -m gradatim.probes.child RECORD SCRIPT ARGS``.

With ``--module``, SCRIPT is the name of a module, run as ``python -m`` would. The script finds the
same ``sys.argv``, ``sys.path`` and ``__main__`` as under plain Python, also in its threads and exit
handlers, which outlive it. Its standard output is not touched, and PyTorch is imported when the
script imports it, not before.
A treatment (``--with module:function``) is applied at the same moment.
"""

from __future__ import annotations

import builtins
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

    def run(self, spec: ModuleSpec | None = None) -> None:
        """Run the script as the module ``__main__``; ``spec`` is that of a module with a name."""
        module = ModuleType("__main__")
        vars(module).update(__file__=self.path, __loader__=self, __cached__=None)
        vars(module)["__builtins__"] = builtins
        if sys.version_info < (3, 14):
            vars(module)["__annotations__"] = {}
        if spec is not None:
            vars(module).update(__spec__=spec, __package__=spec.parent)
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

    def examine(self, error: BaseException) -> None:
        """Look at what a script that ended itself had in its hands: a loss that is no number?"""
        if os.getpid() != self.process or self.watcher is None:
            return
        from gradatim.probes.places import is_library

        trace = error.__traceback__
        while trace is not None:
            if not is_library(trace.tb_frame.f_code.co_filename):
                self.watcher.left_over(list(trace.tb_frame.f_locals.values()))
            trace = trace.tb_next

    def end(self, **facts: Any) -> None:
        """Write how the script ended."""
        if os.getpid() != self.process:
            return
        if self.watcher is not None:
            self.watcher.stop(**facts)
        else:
            self.writer.write("unwatched", step=0, **facts)
            self.writer.close()


def _absolute(script: str) -> str:
    """Return the path that Python gives ``__file__``: absolute, but not simplified on POSIX."""
    if os.name == "nt":
        return os.path.abspath(script)  # noqa: PTH100 (links stay)
    return os.path.join(os.getcwd(), script)  # noqa: PTH109, PTH118 (a leading ./ stays)


def _module(name: str) -> None:
    """Run a module, or the ``__main__`` of a package, as ``python -m`` would."""
    spec = importlib.util.find_spec(name)
    if spec is not None and spec.submodule_search_locations is not None:
        spec = importlib.util.find_spec(f"{name}.__main__")
    if spec is None or spec.origin is None:
        raise SystemExit(f"{sys.executable}: No module named {name}")
    sys.argv[0] = spec.origin
    _Main("__main__", spec.origin).run(spec)


def _own_frames(
    trace: TracebackType | None, script: str, module: bool = False
) -> TracebackType | None:
    """Return the part of a traceback that begins in the script or the module."""
    while trace is not None:
        names = trace.tb_frame.f_globals
        main = names.get("__name__") == "__main__" and names is not globals()
        if main if module else trace.tb_frame.f_code.co_filename == script:
            break
        trace = trace.tb_next
    return trace


def _place(error: BaseException, trace: TracebackType | None) -> tuple[str | None, int | None]:
    """Return file and line of the user's own code that an error left last."""
    from gradatim.probes.places import is_library

    steps = [(step.filename, step.lineno) for step in traceback.extract_tb(trace)]
    if isinstance(error, SyntaxError) and error.filename:
        steps.append((error.filename, error.lineno))
    own = [(file, line) for file, line in steps if not is_library(file)]
    return (str(Path(own[-1][0]).resolve()), own[-1][1]) if own else (None, None)


def run(
    record: Path, script: str, arguments: list[str], treatments: list[str], module: bool = False
) -> int:
    """Run a script, or a module by its name, and return its exit code.

    Raises:
        KeyboardInterrupt: the script was interrupted; it has been shown.
    """
    watched = Run(record, treatments)
    file = script if module else _absolute(script)  # now: the script may change the folder
    place = script if module else str(Path(script).resolve())
    watched.writer.write("script", script=place, arguments=arguments)
    watched.writer.flush()
    if "torch" in sys.modules:  # by a start-up file of the environment
        watched.begin()
    else:
        sys.meta_path.insert(0, _AfterImport("torch", watched.begin))
    sys.argv = [script, *arguments]
    sys.path[0] = str(Path.cwd()) if module else str(Path(script).resolve().parent)
    try:
        if module:
            _module(script)
        else:
            _Main("__main__", file).run()
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
        if isinstance(stop.code, str):
            print(stop.code, file=sys.stderr)
        if code:
            watched.examine(stop)
        watched.end(exit=code)
        return code
    except BaseException as error:
        trace = _own_frames(error.__traceback__, file, module)
        ours = None if isinstance(error, SyntaxError) else error.__traceback__
        error.__traceback__ = trace or ours  # what is shown is the error's own
        sys.excepthook(type(error), error, error.__traceback__)
        where, line = _place(error, trace)
        if not isinstance(error, KeyboardInterrupt):
            watched.examine(error)
        watched.end(
            exit=1, error=type(error).__name__, message=str(error)[:2000], file=where, line=line
        )
        if isinstance(error, KeyboardInterrupt):
            sys.excepthook = lambda *_: None  # it is shown already
            raise  # for Python to end as it does then, by the signal
        return 1
    watched.end(exit=0)
    return 0


def main() -> None:
    """Read the command line, of which everything after the script is the script's, and run."""
    words = sys.argv[1:]
    treatments, module = [], False
    while words[0].startswith("--"):
        option = words.pop(0)
        if option == "--module":
            module = True
        else:  # --with
            treatments.append(words.pop(0))
    record, script, *arguments = words
    code = run(Path(record), script, arguments, treatments, module)
    sys.stdout.flush()
    sys.exit(code)


if __name__ == "__main__":
    main()
