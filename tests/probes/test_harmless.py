"""Watching changes no bit of what a script prints and trains, and leaves nothing behind."""

import runpy
import subprocess
import sys

import torch
from torch import nn
from torch.optim import optimizer

from gradatim.core.record import Record
from gradatim.probes.parent import Script


def test_output_weights_and_random_numbers_are_the_same_to_the_bit(
    kind, scripts, tmp_path, capsys, watched
):
    script = tmp_path / "plain.py"
    script.write_text(scripts.ALL[kind])
    runpy.run_path(str(script), run_name="__main__")
    plain = capsys.readouterr().out
    record = watched(scripts.ALL[kind])
    assert capsys.readouterr().out == plain
    assert len(plain.splitlines()[-1].split()[0]) == 64
    assert record.of("lost") == []
    assert record.last("unwatched")["lost"] == (["compiled"] if kind == "compiled" else [])
    assert record.last("unwatched")["step"] > 0


def test_nothing_is_left_behind(watched, scripts):
    module = nn.modules.module
    before = (
        torch.autograd.backward,
        nn.functional.cross_entropy,
        torch.no_grad.__enter__,
        torch.optim.Optimizer.zero_grad,
        nn.Module.zero_grad,
        torch.utils.data.DataLoader.__iter__,
        nn.utils.clip_grad_norm_,
    )
    watched(scripts.CLASSIFIER)
    after = (
        torch.autograd.backward,
        nn.functional.cross_entropy,
        torch.no_grad.__enter__,
        torch.optim.Optimizer.zero_grad,
        nn.Module.zero_grad,
        torch.utils.data.DataLoader.__iter__,
        nn.utils.clip_grad_norm_,
    )
    assert before == after
    assert not module._global_forward_hooks
    assert not module._global_forward_pre_hooks
    assert not optimizer._global_optimizer_pre_hooks
    assert not optimizer._global_optimizer_post_hooks


def test_a_child_process_behaves_as_python_does(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import sys, os\n"
        "import helper\n"
        "import torch\n"
        "print(__name__, sys.argv, helper.WORD, os.path.basename(__file__))\n"
        "net = torch.nn.Linear(2, 1)\n"
        "torch.save(net, sys.argv[1])\n"
        "x = torch.randn(8, 2)\n"
        "opt = torch.optim.SGD(net.parameters(), 0.1)\n"
        "for _ in range(5):\n"
        "    opt.zero_grad(); net(x).pow(2).mean().backward(); opt.step()\n"
        "torch.save(net, sys.argv[2])\n"
        "sys.exit(7)\n"
    )
    (tmp_path / "helper.py").write_text("WORD = 'beside'\n")
    arguments = [str(tmp_path / "a.pt"), str(tmp_path / "b.pt")]
    plain = subprocess.run(
        [sys.executable, str(script), *arguments], capture_output=True, check=False
    )
    command = [sys.executable, "-m", "gradatim.probes.child", str(tmp_path / "record.jsonl")]
    seen = subprocess.run([*command, str(script), *arguments], capture_output=True, check=False)
    assert seen.stdout == plain.stdout
    assert seen.returncode == plain.returncode == 7
    record = Record.read(tmp_path / "record.jsonl")
    assert record.last("unwatched")["exit"] == 7
    assert record.last("unwatched")["step"] == 5


def test_an_error_of_the_script_is_told_and_recorded(tmp_path, capfd):
    script = tmp_path / "script.py"
    script.write_text(
        "import torch\n\ndef f():\n    return torch.zeros(2) @ torch.zeros(3)\n\nf()\n"
    )
    run = Script(script, record=tmp_path / "record.jsonl")
    assert run.follow(lambda record: False) == 1
    end = Record(run.events).last("unwatched")
    assert end["error"] == "RuntimeError"
    assert end["line"] == 4
    error = capfd.readouterr().err
    assert "RuntimeError" in error
    assert "runpy" not in error


def test_a_killed_script_leaves_a_readable_record(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import torch, os, signal\n"
        "net = torch.nn.Linear(2, 1)\n"
        "opt = torch.optim.SGD(net.parameters(), 0.1)\n"
        "for i in range(2000):\n"
        "    opt.zero_grad(); net(torch.randn(4, 2)).mean().backward(); opt.step()\n"
        "os.kill(os.getpid(), signal.SIGTERM if os.name == 'nt' else signal.SIGKILL)\n"
    )
    run = Script(script, record=tmp_path / "record.jsonl")
    assert run.follow(lambda record: False) != 0
    end = Record.read(tmp_path / "record.jsonl").last("unwatched")
    assert end["killed"] is True
    assert end["step"] > 0


def test_the_parent_can_end_a_script_that_alarms(tmp_path):
    script = tmp_path / "script.py"
    script.write_text("import torch, time\nwhile True:\n    time.sleep(0.05)\n")
    run = Script(script, record=tmp_path / "record.jsonl")
    run.follow(lambda record: bool(record.of("watched")), every=0.1, limit=300)
    record = Record(run.events)
    assert record.last("ended")["why"] == "alarm"
    assert record.last("unwatched")["killed"] is True
