"""Watching changes no bit of what a script prints and trains, and leaves nothing behind."""

import runpy
import subprocess
import sys

import torch
from torch import nn
from torch.optim import optimizer

from gradatim.core.record import Record
from gradatim.probes.parent import Script
from gradatim.probes.watcher import watch


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


def run_both(tmp_path, source, *, code=0):
    """Run a script plainly and watched in child processes; return the Record."""
    script = tmp_path / "script.py"
    script.write_text(source)
    plain = subprocess.run(
        [sys.executable, str(script)], capture_output=True, cwd=tmp_path, check=False
    )
    record = tmp_path / "record.jsonl"
    record.unlink(missing_ok=True)
    seen = subprocess.run(
        [sys.executable, "-m", "gradatim.probes.child", str(record), str(script)],
        capture_output=True,
        cwd=tmp_path,
        check=False,
    )
    assert seen.stdout == plain.stdout
    assert seen.stderr == plain.stderr
    assert plain.returncode == seen.returncode == code, plain.stderr.decode()
    return Record.read(record)


SMALL = """
import torch, sys
from torch import nn
from torch.nn import functional as F
torch.manual_seed(0)
torch.set_num_threads(1)
net = nn.Linear(4, 2)
opt = torch.optim.SGD(net.parameters(), 0.1)
x, y = torch.randn(16, 4), torch.randint(0, 2, (16,))
def train(steps, net=net, opt=opt):
    for _ in range(steps):
        opt.zero_grad()
        F.cross_entropy(net(x), y).backward()
        opt.step()
"""


def test_exit_handlers_threads_and_forked_processes_see_the_script_as_main(tmp_path):
    """The thread goes on when the main thread has ended; nothing depends on who is faster."""
    record = run_both(
        tmp_path,
        SMALL
        + """
import atexit, os, pickle, threading
class Mine: pass
def later():
    threading.main_thread().join()
    print("thread", pickle.loads(pickle.dumps(Mine())).__class__.__name__, flush=True)
atexit.register(lambda: print("exit", type(pickle.loads(pickle.dumps(Mine()))).__name__))
threading.Thread(target=later).start()
train(20)
if os.fork() == 0:
    train(20)
    sys.exit()
os.wait()
train(20)
""",
    )
    assert record.last("unwatched")["step"] == 40
    assert len(record.of("unwatched")) == len(record.of("watched")) == 1


def test_loss_functions_are_saved_by_their_name(tmp_path):
    run_both(
        tmp_path,
        SMALL
        + """
import hashlib, io, copy
net.criterion, net.other = F.cross_entropy, nn.CrossEntropyLoss()
for steps in (1, 7, 40, 300):
    train(steps)
    file = io.BytesIO()
    torch.save((net, opt, F.mse_loss), file)
    copy.deepcopy((net, opt))
    print(hashlib.sha256(file.getvalue()).hexdigest())
""",
    )


def test_threads_that_train_do_not_meet(tmp_path):
    record = run_both(
        tmp_path,
        SMALL
        + """
import threading
def other():
    net = nn.Linear(4, 2)
    train(300, net, torch.optim.Adam(net.parameters()))
    with torch.no_grad(): net(x)
    nn.utils.clip_grad_norm_(net.parameters(), 1.0)
threads = [threading.Thread(target=other) for _ in range(3)]
for thread in threads: thread.start()
train(300)
for thread in threads: thread.join()
print([p.sum().item() for p in net.parameters()])
""",
    )
    assert record.last("unwatched")["step"] == 300
    assert record.last("unwatched")["lost"] == []


def test_an_uncaught_error_is_shown_as_python_shows_it(tmp_path):
    run_both(tmp_path, SMALL + "train(3)\ndef f():\n    return {}[3]\nf()\n", code=1)


def test_a_hook_for_uncaught_errors_is_the_scripts_own(tmp_path):
    run_both(
        tmp_path,
        SMALL
        + """
sys.excepthook = lambda kind, error, trace: print("mine", kind.__name__, error)
train(3)
raise ValueError("here")
""",
        code=1,
    )


def test_a_loss_function_can_be_saved_while_a_block_is_watched(tmp_path):
    net = nn.Linear(3, 1)
    net.criterion = nn.functional.mse_loss
    optimiser = torch.optim.SGD(net.parameters(), 0.1)
    with watch(path=tmp_path / "record.jsonl"):
        for step in range(30):
            optimiser.zero_grad()
            nn.functional.mse_loss(net(torch.ones(4, 3)), torch.zeros(4, 1)).backward()
            optimiser.step()
            torch.save(net, tmp_path / f"{step}.pt")
    seen = Record.read(tmp_path / "record.jsonl").of("backward")[0]["losses"][0]["name"]
    assert seen == "mse_loss"
