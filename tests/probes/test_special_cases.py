"""What few scripts do: they too are the same to the bit when watched, and nothing grows."""

import gc
import runpy
import tracemalloc

import pytest
import torch
from torch import nn

from gradatim.core.record import Record, RecordWriter
from gradatim.probes.watcher import Watcher, watch

BEGIN = """
import copy, hashlib, io, pickle
import torch
from torch import nn
from torch.nn import functional as F
torch.manual_seed(0)
torch.set_num_threads(1)
net = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2))
optimizer = torch.optim.Adam(net.parameters(), 0.01)
x, y = torch.randn(16, 4), torch.randint(0, 2, (16,))
def digest(tensors):
    return hashlib.sha256(b"".join(t.detach().numpy().tobytes() for t in tensors)).hexdigest()
"""

END = """
print(digest(net.parameters()), torch.rand(1).item())
"""

SPECIAL = {
    "double backward": """
for step in range(20):
    inputs = x.clone().requires_grad_()
    scores = net(inputs)
    slope = torch.autograd.grad(scores.sum(), inputs, create_graph=True)[0]
    loss = F.cross_entropy(scores, y) + (slope.norm(dim=1) - 1).pow(2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    print(loss.item())
""",
    "backward through gradients that backward made": """
for step in range(20):
    optimizer.zero_grad()
    loss = F.cross_entropy(net(x), y)
    loss.backward(create_graph=True)
    penalty = sum(p.grad.pow(2).sum() for p in net.parameters())
    penalty.backward()
    optimizer.step()
    for p in net.parameters(): p.grad = None
    print(penalty.item())
""",
    "functional calls under vmap": """
from torch.func import functional_call, grad, vmap
def loss_of(parameters, one, label):
    return F.cross_entropy(functional_call(net, parameters, (one[None],)), label[None])
for step in range(20):
    parameters = {name: p.detach() for name, p in net.named_parameters()}
    each = vmap(grad(loss_of), in_dims=(None, 0, 0))(parameters, x, y)
    optimizer.zero_grad()
    for name, p in net.named_parameters(): p.grad = each[name].mean(0)
    optimizer.step()
    print(F.cross_entropy(net(x), y).item())
""",
    "a function with its own backward": """
class Sign(torch.autograd.Function):
    @staticmethod
    def forward(context, given):
        context.save_for_backward(given)
        return given.sign()
    @staticmethod
    def backward(context, gradient):
        (given,) = context.saved_tensors
        return gradient * (given.abs() < 1)
for step in range(20):
    optimizer.zero_grad()
    loss = F.cross_entropy(net[2](Sign.apply(net[0](x))), y)
    loss.backward()
    optimizer.step()
    print(loss.item())
""",
    "copies and pickles": """
def saved(thing):
    file = io.BytesIO()
    torch.save(thing, file)
    return hashlib.sha256(file.getvalue()).hexdigest()
for step in range(20):
    optimizer.zero_grad()
    loss = F.cross_entropy(net(x), y)
    loss.backward()
    if step in (0, 3, 12):
        twin, other = copy.deepcopy((net, optimizer))
        other.step()
        again = pickle.loads(pickle.dumps(net))
        print(digest(twin.parameters()), digest(again.parameters()), sorted(vars(twin)))
        print(saved(net), saved(optimizer), saved(net.state_dict()))
        print(hashlib.sha256(pickle.dumps(optimizer.state_dict()["param_groups"])).hexdigest())
    optimizer.step()
""",
}


@pytest.mark.parametrize("name", SPECIAL)
def test_special_cases_are_the_same_to_the_bit(name, tmp_path, capsys, watched):
    source = BEGIN + SPECIAL[name] + END
    script = tmp_path / "plain.py"
    script.write_text(source)
    runpy.run_path(str(script), run_name="__main__")
    plain = capsys.readouterr().out
    record = watched(source)
    assert capsys.readouterr().out == plain
    assert record.last("unwatched")["lost"] == []
    assert record.last("unwatched")["step"] >= 20


def test_an_interrupted_script_keeps_its_weights_and_its_record(tmp_path):
    net = nn.Linear(3, 1)
    optimiser = torch.optim.SGD(net.parameters(), 0.1)
    with pytest.raises(KeyboardInterrupt), watch(path=tmp_path / "record.jsonl"):
        for step in range(30):
            optimiser.zero_grad()
            net(torch.ones(4, 3)).mean().backward()
            if step == 20:
                raise KeyboardInterrupt
            optimiser.step()
    assert not nn.modules.module._global_forward_hooks
    assert Record.read(tmp_path / "record.jsonl").last("unwatched")["step"] == 20


def test_a_long_run_grows_neither_the_record_nor_the_memory(tmp_path):
    torch.set_num_threads(1)
    net = nn.Linear(2, 1)
    optimiser = torch.optim.SGD(net.parameters(), 0.001)
    x = torch.ones(2, 2)

    def train(steps):
        for _ in range(steps):
            optimiser.zero_grad()
            net(x).pow(2).mean().backward()
            optimiser.step()

    def tensors():
        gc.collect()
        return sum(issubclass(type(item), torch.Tensor) for item in gc.get_objects())

    path = tmp_path / "record.jsonl"
    watcher = Watcher(RecordWriter(path))
    watcher.start()
    train(1000)
    tracemalloc.start()
    train(1000)  # what is kept for a while, such as rows not yet written, is there by now
    size, held = path.stat().st_size, tensors()
    before, _ = tracemalloc.get_traced_memory()
    train(3000)
    held = tensors() - held
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    watcher.stop()
    size = path.stat().st_size - size
    assert grown < 150_000
    assert held < 20
    assert 0 < size < 1_500_000
