"""A watched script is told the same of itself, and ends the same, as under plain Python."""

import os
import signal
import subprocess
import sys
import textwrap

import pytest

from gradatim.core.record import Record


def outcome(command, folder):
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False)
    return done.stdout, done.stderr, done.returncode


def both(folder, script, source):
    """Run a script, named as given, plainly and watched; return what plain Python does."""
    place = folder / script
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(textwrap.dedent(source))
    record = str(folder / "record.jsonl")
    plain = outcome([sys.executable, script, "word"], folder)
    child = [sys.executable, "-m", "gradatim.probes.child", record]
    assert outcome([*child, script, "word"], folder) == plain
    return plain


@pytest.mark.parametrize("script", ["near.py", "./near.py", "sub/near.py", "sub/../near.py"])
def test_a_relative_path_is_given_as_python_gives_it(tmp_path, script):
    (tmp_path / "sub").mkdir()
    out, err, code = both(
        tmp_path,
        script,
        """
        import os, sys
        import __main__
        print(__file__, __main__.__file__, sys.argv, sys.path[0])
        print(sorted(globals()), __builtins__.__name__, __spec__, __package__, __doc__)
        def fail(): raise KeyError(__file__)
        print(fail.__code__.co_filename)
        fail()
        """,
    )
    assert out.startswith(str(tmp_path))
    assert f"['{script}', 'word']" in out
    assert "KeyError" in err
    assert code == 1


def test_a_script_that_changes_the_folder_finds_what_lies_beside_it(tmp_path):
    (tmp_path / "words.txt").write_text("found")
    (tmp_path / "elsewhere").mkdir()
    out, err, code = both(
        tmp_path,
        "near.py",
        """
        import os, sys
        os.chdir("elsewhere")
        print(open(os.path.join(os.path.dirname(__file__), "words.txt")).read())
        raise ValueError(sys.argv[0])
        """,
    )
    assert out == "found\n"
    assert "raise ValueError(sys.argv[0])\nValueError: near.py" in err
    assert code == 1
    end = Record.read(tmp_path / "record.jsonl").last("unwatched")
    assert (end["file"], end["line"]) == (str(tmp_path / "near.py"), 5)


@pytest.mark.skipif(os.name == "nt", reason="no signal ends a process there")
def test_an_interrupted_script_is_ended_by_the_signal_after_its_exit_handlers(tmp_path):
    out, err, code = both(
        tmp_path,
        "near.py",
        """
        import atexit, os, signal
        atexit.register(print, "left")
        os.kill(os.getpid(), signal.SIGINT)
        for _ in range(10**6): pass
        """,
    )
    assert out == "left\n"
    assert err.count("KeyboardInterrupt") == 1
    assert code == -signal.SIGINT
    end = Record.read(tmp_path / "record.jsonl").last("unwatched")
    assert end["error"] == "KeyboardInterrupt"


def test_a_script_is_watched_when_the_environment_has_imported_pytorch_before_it(tmp_path):
    (tmp_path / "sitecustomize.py").write_text("import torch\n")
    script = tmp_path / "script.py"
    script.write_text(
        "import torch\n"
        "net = torch.nn.Linear(2, 1)\n"
        "opt = torch.optim.SGD(net.parameters(), 0.1)\n"
        "for _ in range(5):\n"
        "    opt.zero_grad(); net(torch.ones(4, 2)).mean().backward(); opt.step()\n"
    )
    record = tmp_path / "record.jsonl"
    places = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    subprocess.run(
        [sys.executable, "-m", "gradatim.probes.child", str(record), str(script)],
        env={**os.environ, "PYTHONPATH": places},
        check=True,
    )
    assert Record.read(record).last("unwatched")["step"] == 5
