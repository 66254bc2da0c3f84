"""``gradatim diagnose`` as a user meets it: exit codes, streams, alarms while the script runs."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest

from gradatim import cli

HEAD = """
import sys
import torch
from torch import nn
torch.manual_seed(0)
x = torch.randn(256, 4)
y = (x[:, 0] > x[:, 1]).long()
model = nn.Sequential(nn.Linear(4, 32), nn.Tanh(), nn.Linear(32, 2))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
"""
LOOP = """
for step in range(60):
    i = torch.randint(0, 256, (32,))
    optimizer.zero_grad()
    loss = nn.functional.cross_entropy(model(x[i]), y[i])
    loss.backward()
    optimizer.step()
    print(step, loss.item())
"""
HEALTHY = HEAD + LOOP
SICK = HEAD + LOOP.replace("    optimizer.zero_grad()\n", "")
KEYS = {"schema", "verdict", "script_exit", "findings", "not_seen", "overhead"}
COMMAND = [sys.executable, "-c", "from gradatim.cli import main; main()", "diagnose"]


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("GRADATIM_CACHE", str(folder))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    return folder


@pytest.fixture
def write(tmp_path):
    def write(text, name="train.py"):
        place = tmp_path / "own" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")
        return place

    return write


def diagnose(*arguments, **more):
    """Run the command in a process of its own."""
    command = [*COMMAND, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, timeout=120, check=False, **more)


def plain(script, *arguments, **more):
    command = [sys.executable, str(script), *arguments]
    return subprocess.run(command, capture_output=True, timeout=120, check=False, **more)


def result(done, kind):
    """Return the JSON of a diagnosis after checking its form."""
    found = json.loads(done.stdout)
    assert set(found) == KEYS
    assert found["schema"] == 1
    assert found["verdict"] == kind
    assert done.returncode == {"healthy": 0, "sick": 1, "unknown": 2}[kind]
    assert found["not_seen"] == sorted(found["not_seen"])
    for finding in found["findings"]:
        assert set(finding) == {
            "name", "level", "says", "where", "step", "evidence", "because_of", "cures",
        }  # fmt: skip
        assert finding["level"] in ("alarm", "note")
        assert set(finding["where"]) == {"module", "parameter", "file", "line"}
        for item in finding["evidence"]:
            assert set(item) == {"name", "got", "healthy", "unit"}
            assert item["got"] is None or isinstance(item["got"], int | float | str)
            assert len(item["healthy"]) == 2
        assert all(set(cure) == {"says", "change"} for cure in finding["cures"])
    return found


def test_a_healthy_script_prints_the_same_to_the_byte_and_leaves_nothing(write, cache):
    script = write(HEALTHY)
    done = diagnose(script)
    assert done.stdout == plain(script).stdout
    assert done.returncode == 0
    assert b"No fault was found" in done.stderr
    assert [path.name for path in script.parent.iterdir()] == ["train.py"]
    kept = next((cache / "diagnoses").iterdir())
    assert {path.name for path in kept.iterdir()} == {
        "about.json", "record.jsonl", "diagnosis.json", "diagnosis.html",
    }  # fmt: skip


def test_a_sick_script_is_told_where_and_how_to_cure_it(write, tmp_path):
    # slow enough to be looked at while it runs, which is every two seconds
    slow = SICK.replace("import sys", "import sys, time")
    script = write(slow.replace("    print(step", "    time.sleep(0.06)\n    print(step"))
    out = tmp_path / "out"
    done = diagnose(script, "--json", tmp_path / "a.json", "--html", tmp_path / "a.html",
                    "--out", out)  # fmt: skip
    assert done.returncode == 1
    assert done.stdout == plain(script).stdout
    told = done.stderr.decode()
    assert "ALARM missing-zero-grad since step" in told
    assert "optimizer.zero_grad()" in told
    line = 1 + next(i for i, text in enumerate(SICK.splitlines()) if "optimizer.step()" in text)
    assert f"train.py:{line}" in told
    found = json.loads((tmp_path / "a.json").read_text())
    first = found["findings"][0]
    assert (first["name"], first["level"]) == ("missing-zero-grad", "alarm")
    assert first["where"]["line"] == line
    assert "<html" in (tmp_path / "a.html").read_text()
    assert json.loads((out / "diagnosis.json").read_text()) == found
    again = diagnose(out, "--json")
    assert result(again, "sick") == found


def test_the_verdict_is_told_before_the_page_is_made(write, tmp_path, monkeypatch, capsys):
    from gradatim import pages

    drawn, seen = pages.to_html, []

    def draw(page):
        seen.append(capsys.readouterr().err)
        return drawn(page)

    monkeypatch.setattr(pages, "to_html", draw)
    out = tmp_path / "out"
    assert run("diagnose", write(SICK), "--out", out) == 1
    assert len(seen) == 1
    assert "Cure" in seen[0]
    assert re.search(r"step +[0-9]+ +0$", seen[0], re.M)  # steps are counted: no decimals
    assert "diagnosis.html" not in seen[0]
    last = capsys.readouterr().err
    assert last == f"page {out / 'diagnosis.html'}\n"
    assert (out / "diagnosis.html").is_file()


def test_json_alone_goes_to_standard_output(write):
    done = diagnose("--json", write(SICK), "--", "--json", "x.json")
    found = result(done, "sick")
    assert found["script_exit"] == 0
    assert 0 <= found["overhead"] < 10
    assert b"59 " in done.stderr  # what the script printed
    result(diagnose(write(HEALTHY), "--json", "-"), "healthy")


def test_the_json_is_written_though_nobody_reads_the_text(write, tmp_path):
    read, written = os.pipe()
    os.close(read)  # as `2>&1 | head` does once it has its lines
    place = tmp_path / "found.json"
    with os.fdopen(written, "wb") as closed:
        for given in (["--json", "-"], ["--json", place]):
            command = [*COMMAND, *map(str, given), str(write(SICK.replace("print(", "max(")))]
            done = subprocess.run(
                command, stdout=subprocess.PIPE, stderr=closed, timeout=120, check=False
            )
            done.stdout = done.stdout or place.read_bytes()
            result(done, "sick")


def test_arguments_reach_the_script(write):
    script = write("import sys\nprint(sys.argv[1:])\n")
    for given, words in (
        (["--", "--json", "-v", "a b"], ["--json", "-v", "a b"]),
        (["--epochs", "3", "word"], ["--epochs", "3", "word"]),
        (["--", "--", "x"], ["--", "x"]),
    ):
        done = diagnose(script, *given)
        assert done.stdout.decode() == f"{words}\n"
        assert done.returncode == 2
        assert b"never imported PyTorch" in done.stderr


def test_a_module_runs_as_python_would(write):
    script = write("from .part import words\nimport sys\nprint(words, sys.argv[1:], __name__)\n",
                   "package/train.py")  # fmt: skip
    write("words = 'beside'\n", "package/part.py")
    root = script.parents[1]
    done = diagnose("-m", "package.train", "--", "a", cwd=root)
    assert done.stdout == b"beside ['a'] __main__\n"
    assert done.returncode == 2
    assert b"No module named package.tran" in diagnose("-m", "package.tran", cwd=root).stderr


AWKWARD = {
    "standard input": ("print(sum(int(line) for line in sys.stdin))", b"1\n2\n"),
    "sys.exit": ("print('bye'); sys.exit(3)", b""),
    "exit with words": ("print('bye'); sys.exit('told')", b""),
    "unicode": ("print('Gr\\u00f6\\u00dfe \\u2192 \\U0001f600')", b""),
    "other folder": ("import os; os.chdir('/'); print(os.getcwd(), __file__)", b""),
    "beside": ("import helper; print(helper.words, __name__)", b""),
    "no newline": ("sys.stdout.write('half'); sys.stdout.flush()", b""),
    "bytes": ("sys.stdout.buffer.write(bytes(range(256)))", b""),
}


@pytest.mark.parametrize(("text", "given"), AWKWARD.values(), ids=AWKWARD)
def test_whatever_a_script_does_its_output_and_end_are_its_own(text, given, write):
    write("words = 'from beside'\n", "helper.py")
    script = write(f"import sys\n{text}\n")
    alone, watched = plain(script, input=given), diagnose(script, "--json", "x.json", input=given,
                                                          cwd=script.parent)  # fmt: skip
    assert watched.stdout == alone.stdout
    assert watched.returncode == 2
    found = json.loads((script.parent / "x.json").read_text())
    assert found["verdict"] == "unknown"
    assert found["script_exit"] == alone.returncode


def test_a_crash_is_told_with_its_line(write):
    script = write(HEALTHY + "raise RuntimeError('out of luck')\n")
    done = diagnose(script)
    told = " ".join(done.stderr.decode().split())
    assert done.returncode == 0
    assert "stopped with RuntimeError: out of luck (train.py:18), after 60 steps" in told
    assert told.count("Traceback") == 1
    assert "runpy" not in told


def test_a_syntax_error_is_told_as_python_tells_it(write):
    done = diagnose(write("import torch\nfor x in range(3) print(x)\n"))
    told = done.stderr.decode()
    assert done.returncode == 2
    assert "SyntaxError" in told
    assert "runpy" not in told
    assert "train.py:2" in told


def test_training_that_is_elsewhere_is_unknown_with_the_next_step(write):
    done = diagnose(write("import torch\nprint(torch.ones(2).sum())\n"), "--json")
    assert result(done, "unknown")["findings"] == []
    assert "gradatim.watch(" in diagnose(write("import torch\n")).stderr.decode()


def test_a_script_killed_from_outside_is_judged_by_what_was_seen(write):
    script = write(SICK + "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n")
    done = diagnose(script, "--json")
    found = result(done, "sick")
    assert found["script_exit"] == -9
    assert found["findings"][0]["name"] == "missing-zero-grad"
    assert b"ran out of memory" in done.stderr


ENDLESS = SICK.replace("range(60)", "range(10**9)").replace(
    "    print(step, loss.item())", "    __import__('time').sleep(0.02)"
)


def test_an_alarm_is_told_while_the_script_runs(write):
    process = subprocess.Popen(
        [*COMMAND, str(write(ENDLESS))], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        for line in process.stderr:
            if line.startswith(b"ALARM missing-zero-grad"):
                break
        assert process.poll() is None
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM


def test_stop_on_alarm_and_limit_end_it_even_if_it_will_not(write):
    stubborn = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    done = diagnose(write(stubborn + ENDLESS), "--stop-on-alarm", "--json")
    assert result(done, "sick")["script_exit"] == -9
    assert b"was ended after its alarm" in done.stderr
    hangs = HEALTHY.replace("range(60)", "range(5)") + "import time\ntime.sleep(1000)\n"
    done = diagnose(write(hangs), "--limit", "20s", "--json")
    assert result(done, "healthy")["script_exit"] == -15
    assert "was ended when its time was up, after 5 steps" in " ".join(done.stderr.decode().split())


def test_ctrl_c_ends_the_script_and_is_told(write):
    script = write(ENDLESS + "    print(step, flush=True)\n")
    process = subprocess.Popen(
        [*COMMAND, str(script)], stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    while process.stdout.readline() != b"20\n":
        pass
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 1
    assert b"was stopped by Ctrl-C" in told


def run(*arguments):
    with pytest.raises(SystemExit) as stopped:
        cli.main([str(argument) for argument in arguments])
    return stopped.value.code or 0


def test_wrong_subjects_end_in_words(write, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad.jsonl").write_text("no record\n")
    script = write(HEALTHY)
    for arguments, words in (
        (["none.py"], "there is no script here"),
        ([write("{}", "book.ipynb")], "gradatim.watch("),
        ([write("echo", "start.sh")], "this is no Python script"),
        ([tmp_path / "empty"], "nothing here can be diagnosed"),
        ([script.parent], "name the script that trains"),
        ([tmp_path / "bad.jsonl"], "this is no Record"),
        ([tmp_path / "empty", "--probe"], "judged, not run again"),
        ([script, "--limit", "soon"], "this is not a time"),
        ([script, "--out", script], "this is a file"),
        (["--explain", "double-softmx"], "did you mean 'double-softmax'"),
        ([], "no script was named"),
    ):
        assert run("diagnose", *arguments) == 2, arguments
        shown = capsys.readouterr()
        assert words in shown.err
        assert "Traceback" not in shown.err
        assert shown.out == ""


def test_faults_are_listed_and_explained(capsys):
    assert run("names", "faults") == 0
    listed = capsys.readouterr().out
    assert "missing-zero-grad" in listed
    assert run("diagnose", "--explain", "missing-zero-grad") == 0
    shown = capsys.readouterr().out
    assert all(part in shown for part in ("Checks", "Why", "Evidence", "Wrong when", "Cure"))
    assert run("diagnose", "--explain", "missing-zero-grad", "--json") == 0
    assert json.loads(capsys.readouterr().out)["title"] == "missing-zero-grad"


def test_probing_tells_its_trials(write, tmp_path):
    slow = HEALTHY.replace("lr=0.1", "lr=0.00003").replace("range(60)", "range(200)")
    done = diagnose(write(slow), "--probe", "--out", tmp_path / "out", "--json")
    found = result(done, "sick")
    assert found["findings"][0]["name"] == "learning-rate-too-low"
    assert b"trial: the script again with" in done.stderr
    assert "The script run again" in (tmp_path / "out" / "diagnosis.html").read_text()


def test_in_python_it_is_the_same(write, tmp_path):
    import gradatim

    started = time.monotonic()
    found = gradatim.diagnose(write(SICK), out=tmp_path / "out", limit=60)
    assert time.monotonic() - started < 60
    assert found.verdict == "sick"
    assert found.findings[0].name == "missing-zero-grad"
    assert found.to_dict()["schema"] == 1
    assert found.page.blocks[0].level == "alarm"
    assert "missing-zero-grad" in str(found)
    assert os.listdir(tmp_path / "own") == ["train.py"]
