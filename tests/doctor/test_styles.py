"""Other ways to write a training script: faults are named and healthy runs left alone."""

import runpy
import sys

import pytest

from gradatim.core.record import Record, RecordWriter
from gradatim.doctor import diagnose

BEGIN = "import torch\nfrom torch import nn\nF = nn.functional\ntorch.manual_seed(0)\n"

# A hinge loss by hand, weights without module and without optimiser.
BARE = """
x = torch.randn(400, 6)
y = torch.sign(x[:, 0] + 0.5 * x[:, 1])
w, b = torch.zeros(6, requires_grad=True), torch.zeros(1, requires_grad=True)
for step in range(200):
    i = torch.randint(0, 400, (40,))
    loss = torch.clamp(1 - y[i] * (x[i] @ w + b), min=0).mean()
    loss.backward()
    with torch.no_grad():
        for p in (w, b):
            p -= 0.1 * p.grad
            p.grad.zero_()
"""

# Products of matrices on a graph, all nodes in every step.
GRAPH = """
n = 120
y = torch.arange(n) % 3
a = (torch.rand(n, n) < torch.where(y[:, None] == y[None], 0.2, 0.01)).float()
a = ((a + a.t() + torch.eye(n)) > 0).float()
a = a / a.sum(1, keepdim=True)
x = torch.randn(n, 12) + 0.4 * F.one_hot(y, 12)
w1, w2 = nn.Parameter(torch.empty(12, 16)), nn.Parameter(torch.empty(16, 3))
nn.init.xavier_uniform_(w1)
nn.init.xavier_uniform_(w2)
optimizer = torch.optim.Adam([w1, w2], lr=0.01)
train = torch.rand(n) < 0.5
for epoch in range(120):
    scores = a @ (torch.relu(a @ x @ w1) @ w2)
    loss = F.cross_entropy(scores[train], y[train])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""

# Several labels a sample, evaluated by accuracy only.
TAGS = """
x = torch.randn(600, 10)
y = (x[:, :4] + 0.3 * torch.randn(600, 4) > 0.3).float()
model = nn.Sequential(nn.Linear(10, 32), nn.GELU(), nn.Linear(32, 4))
criterion = nn.BCEWithLogitsLoss()
optimizer = torch.optim.RMSprop(model.parameters(), lr=3e-3)
for epoch in range(10):
    for i in torch.randperm(500).split(25):
        loss = criterion(model(x[i]), y[i])
        model.zero_grad()
        loss.backward()
        optimizer.step()
"""

# A squared error written by hand, no module around it.
SQUARES = """
x = torch.randn(500, 5)
y = x[:, 0] - x[:, 1].tanh()
model = nn.Sequential(nn.Linear(5, 24), nn.ReLU(), nn.Linear(24, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
for epoch in range(12):
    for i in torch.randperm(500).split(25):
        out = model(x[i]).squeeze(-1)
        loss = ((out - y[i]) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
"""

# Two branches, one of them an embedding, and a loss of mixed kind.
BRANCHES = """
class Two(nn.Module):
    def __init__(self):
        super().__init__()
        self.numbers = nn.Sequential(nn.Linear(6, 16), nn.ReLU())
        self.kinds = nn.Embedding(5, 8)
        self.joint = nn.Sequential(nn.Linear(24, 24), nn.ReLU(), nn.Linear(24, 1))

    def forward(self, a, c):
        a = self.numbers(a)
        return self.joint(torch.cat([a, self.kinds(c)], 1)).squeeze(1)

x, kind = torch.randn(600, 6), torch.randint(0, 5, (600,))
y = x[:, 0] * 2 + kind.float() - 2
model = Two()
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
for epoch in range(10):
    for i in torch.randperm(600).split(30):
        loss = F.smooth_l1_loss(model(x[i], kind[i]), y[i])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
"""

# An agent that acts without gradients on the very states it learns from.
AGENT = """
value = nn.Sequential(nn.Linear(4, 24), nn.ReLU(), nn.Linear(24, 2))
target = nn.Sequential(nn.Linear(4, 24), nn.ReLU(), nn.Linear(24, 2))
optimizer = torch.optim.Adam(value.parameters(), 1e-3)
state, seen = torch.zeros(4), []
for step in range(200):
    with torch.no_grad():
        action = int(value(state).argmax())
    after = torch.tanh(0.9 * state + 0.3 * torch.randn(4))
    seen.append((state, action, -after.abs().sum(), after))
    state = after
    s, a, r, t = zip(*seen[-32:])
    with torch.no_grad():
        goal = torch.stack(r) + 0.9 * target(torch.stack(t)).max(1).values
    got = value(torch.stack(s)).gather(1, torch.tensor(a)[:, None]).squeeze(1)
    loss = F.smooth_l1_loss(got, goal)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""

# A loss that is negative when all is well.
NEGATIVE = """
x = torch.randn(600, 4)
y = torch.poisson((1.5 + 0.5 * x[:, 0]).exp())
model = nn.Sequential(nn.Linear(4, 16), nn.Softplus(), nn.Linear(16, 1))
criterion = nn.PoissonNLLLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
for epoch in range(12):
    for i in torch.randperm(500).split(25):
        loss = criterion(model(x[i]).squeeze(1), y[i])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        criterion(model(x[500:]).squeeze(1), y[500:])
"""

# A policy and a critic in one sum; what the critic is to learn depends on the policy.
CRITIC = """
best = torch.tensor([2, 0, 3, 1])
trunk, actor, critic = nn.Linear(4, 32), nn.Linear(32, 4), nn.Linear(32, 1)
weights = [p for part in (trunk, actor, critic) for p in part.parameters()]
optimizer = torch.optim.RMSprop(weights, lr=3e-3)
for step in range(300):
    context = torch.randint(0, 4, (16,))
    hidden = torch.tanh(trunk(F.one_hot(context, 4).float()))
    policy = torch.distributions.Categorical(logits=actor(hidden))
    action = policy.sample()
    reward = (action == best[context]).float() + 0.1 * torch.randn(16)
    value = critic(hidden).squeeze(-1)
    gain = -(policy.log_prob(action) * (reward - value.detach())).mean()
    loss = gain + 0.5 * F.mse_loss(value, reward) - 0.01 * policy.entropy().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""

# Gradients are returned, not left behind; weights in a dictionary, no optimiser.
RETURNED = """
rate = 0.5
x = torch.randn(600, 8)
y = (x[:, 0] * 2 + x[:, 1] > 0).long() + (x[:, 2] > 0.5).long()
p = {"a": torch.randn(8, 24) / 3, "b": torch.zeros(24), "c": torch.randn(24, 3) / 5}
for item in p.values():
    item.requires_grad_()
for step in range(240):
    i = torch.randint(0, 600, (40,))
    scores = torch.relu(x[i] @ p["a"] + p["b"]) @ p["c"]
    loss = F.cross_entropy(scores, y[i])
    gradients = torch.autograd.grad(loss, list(p.values()))
    with torch.no_grad():
        for item, gradient in zip(p.values(), gradients):
            item -= rate * gradient
"""

# An Adam of one's own, which PyTorch does not know as an optimiser, and a module.
OWN_ADAM = """
class Own:
    def __init__(self, parameters, rate):
        self.parameters, self.rate, self.count = list(parameters), rate, 0
        self.means = [torch.zeros_like(p) for p in self.parameters]
        self.squares = [torch.zeros_like(p) for p in self.parameters]

    @torch.no_grad()
    def step(self):
        self.count += 1
        for p, m, v in zip(self.parameters, self.means, self.squares):
            m.mul_(0.9).add_(p.grad, alpha=0.1)
            v.mul_(0.99).addcmul_(p.grad, p.grad, value=0.01)
            m_, v_ = m / (1 - 0.9**self.count), v / (1 - 0.99**self.count)
            p.sub_(self.rate * m_ / (v_.sqrt() + 1e-8))
            p.grad = None

x = torch.rand(800, 5) * 2 - 1
y = torch.sin(3 * x[:, 0]) + x[:, 1] * x[:, 2]
model = nn.Sequential(nn.Linear(5, 32), nn.GELU(), nn.Linear(32, 32), nn.GELU(), nn.Linear(32, 1))
optimizer = Own(model.parameters(), 3e-3)
for step in range(400):
    i = torch.randint(0, 800, (50,))
    loss = (model(x[i]).squeeze(1) - y[i]).square().mean()
    loss.backward()
    optimizer.step()
"""

# Two heads; the loss is a sum of two forms written by hand, and a small penalty.
TWO_FORMS = """
class Heads(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(12, 48), nn.ReLU(), nn.Linear(48, 48), nn.ReLU())
        self.kind, self.size = nn.Linear(48, 4), nn.Linear(48, 1)

    def forward(self, x):
        hidden = self.body(x)
        return self.kind(hidden), self.size(hidden).squeeze(-1)

x = torch.randn(1200, 12)
kinds = (x[:, :4] + 0.3 * torch.randn(1200, 4)).argmax(1)
sizes = x[:, 4] * x[:, 5] + x[:, 6]
model = Heads()
optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
for epoch in range(12):
    for i in torch.randperm(1200).split(40):
        scores, size = model(x[i])
        parts = {
            "kind": (scores.logsumexp(1) - scores[torch.arange(len(i)), kinds[i]]).mean(),
            "size": 0.5 * (size - sizes[i]).pow(2).mean(),
        }
        loss = sum(parts.values()) + 1e-5 * sum(p.pow(2).sum() for p in model.parameters())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
"""

# The loop runs in a thread of its own.
THREAD = """
import threading

x = torch.randn(600, 6)
y = (x.abs().sum(1) > 4.7).long()
model = nn.Sequential(nn.Linear(6, 32), nn.ReLU(), nn.Linear(32, 2))

def train():
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    for epoch in range(12):
        for i in torch.randperm(600).split(30):
            loss = F.cross_entropy(model(x[i]), y[i])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

thread = threading.Thread(target=train)
thread.start()
thread.join()
"""

# An activation with a backward pass of its own; body and head are two models.
OWN_SLOPE = """
class Bend(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        y = torch.tanh(x)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, gradient):
        (y,) = ctx.saved_tensors
        return gradient * (1 - y * y)

x = torch.randn(600, 10)
y = (x[:, :3].prod(1) > 0).long()
body, head = nn.Linear(10, 64), nn.Linear(64, 2)
optimizer = torch.optim.Adam([*body.parameters(), *head.parameters()], lr=1e-2)
for epoch in range(15):
    for i in torch.randperm(600).split(30):
        hidden = Bend.apply(body(x[i]))
        loss = F.cross_entropy(head(hidden), y[i])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
"""

# Few steps on the whole data set at once.
FEW = """
x = torch.randn(400, 8)
y = (x[:, 0] + x[:, 1] * x[:, 2] > 0).float()
scale = 1.0
model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
for step in range(24):
    loss = F.binary_cross_entropy_with_logits(model(x * scale).squeeze(1), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""

# One model, called in slices in training and as a whole in evaluation.
SLICES = """
x = torch.randn(700, 12)
y = (x[:, 0] * x[:, 1] > 0).long()
model = nn.Sequential(nn.Linear(12, 48), nn.ReLU(), nn.Linear(48, 48), nn.ReLU(), nn.Linear(48, 2))
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
for epoch in range(12):
    model.train()
    for i in torch.randperm(500).split(25):
        hidden = model[:2](x[i])
        loss = F.cross_entropy(model[2:](hidden), y[i])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        F.cross_entropy(model(x[500:]), y[500:])
"""

# Two models in a dictionary; what comes out is held against what went in, by hand.
HALVES = """
latent = torch.randn(800, 3)
x = torch.sigmoid(latent @ torch.randn(3, 20))
half = {"in": nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 4)),
        "out": nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 20))}
optimizer = torch.optim.Adam([p for one in half.values() for p in one.parameters()], lr=3e-3)
for epoch in range(12):
    for part in x[torch.randperm(800)].split(32):
        loss = ((half["out"](half["in"](part + 0.05 * torch.randn_like(part))) - part) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
"""

HEALTHY = {"halves": HALVES, "slices": SLICES, "returned": RETURNED, "own adam": OWN_ADAM, "two forms": TWO_FORMS, "thread": THREAD,
           "own slope": OWN_SLOPE, "few": FEW, "critic": CRITIC, "bare": BARE, "graph": GRAPH, "tags": TAGS, "squares": SQUARES, "branches": BRANCHES,
           "agent": AGENT, "negative": NEGATIVE}  # fmt: skip

SICK = [
    ("missing-zero-grad", BARE, "p.grad.zero_()", "pass"),
    ("symmetric-init", GRAPH, "nn.init.xavier_uniform_(w1)\nnn.init.xavier_uniform_(w2)",
     "nn.init.constant_(w1, 0.1)\nnn.init.constant_(w2, 0.1)"),
    ("softmax-over-batch", GRAPH, "F.cross_entropy(scores", "F.cross_entropy(scores.softmax(0)"),
    ("flipped-loss-sign", GRAPH, "loss = F", "loss = -F"),
    ("double-sigmoid", TAGS, "criterion(model(x[i])", "criterion(model(x[i]).sigmoid()"),
    ("learning-rate-too-low", TAGS, "lr=3e-3", "lr=1e-7"),
    ("broadcast-loss", SQUARES, "model(x[i]).squeeze(-1)", "model(x[i])"),
    ("output-range", SQUARES, "nn.Linear(24, 1))", "nn.Linear(24, 1), nn.ReLU())"),
    ("cut-graph", BRANCHES, "        a = self.numbers(a)",
     "        with torch.no_grad():\n            a = self.numbers(a)"),
    ("double-softmax", RETURNED, "F.cross_entropy(scores", "F.cross_entropy(scores.softmax(1)"),
    ("learning-rate-too-high", RETURNED, "rate = 0.5", "rate = 500.0"),
    ("learning-rate-too-high", OWN_ADAM, "3e-3", "1.0"),
    ("missing-zero-grad", OWN_ADAM, "p.grad = None", "pass"),
    ("output-range", OWN_ADAM, "nn.Linear(32, 1))", "nn.Linear(32, 1), nn.ReLU())"),
    ("learning-rate-too-low", TWO_FORMS, "lr=3e-3", "lr=1e-8"),
    ("learning-rate-too-high", TWO_FORMS, "lr=3e-3", "lr=3.0"),
    ("flipped-loss-sign", THREAD, "loss = F", "loss = -F"),
    ("cut-graph", OWN_SLOPE, "return gradient * (1 - y * y)", "return None"),
    ("cut-graph", OWN_SLOPE, "Bend.apply(body(x[i]))", "torch.tensor(body(x[i]).tolist())"),
    ("learning-rate-too-high", FEW, "lr=0.05", "lr=8.0"),
    ("inputs-not-normalised", FEW, "scale = 1.0", "scale = torch.logspace(0, 3, 8)"),
    ("learning-rate-too-low", HALVES, "lr=3e-3", "lr=1e-7"),
    ("cut-graph", SLICES, "model[2:](hidden)", "model[2:](hidden.detach())"),
    ("unused-parameters", BRANCHES, "self.kinds(c)]", "torch.zeros(len(c), 8)]"),
]  # fmt: skip


@pytest.fixture
def verdict_of(tmp_path, monkeypatch):
    from gradatim.probes.watcher import Watcher

    def run(source):
        script, path = tmp_path / "train.py", tmp_path / "record.jsonl"
        script.write_text(BEGIN + source)
        monkeypatch.setattr(sys, "argv", [str(script)])
        watcher = Watcher(RecordWriter(path))
        watcher.start()
        try:
            runpy.run_path(str(script), run_name="__main__")
        finally:
            watcher.stop(exit=0)
        return diagnose(Record.read(path))

    return run


@pytest.mark.parametrize("name", HEALTHY)
def test_nothing_is_said_of_healthy_runs_in_other_styles(name, verdict_of):
    verdict = verdict_of(HEALTHY[name])
    assert verdict.verdict == "healthy", [item.name for item in verdict.findings]


@pytest.mark.filterwarnings("ignore:Using a target size")
@pytest.mark.parametrize(("fault", "twin", "old", "new"), SICK, ids=[row[0] for row in SICK])
def test_faults_are_named_in_other_styles(fault, twin, old, new, verdict_of):
    assert twin.count(old) == 1
    verdict = verdict_of(twin.replace(old, new))
    found = {item.name: item.level for item in verdict.findings}
    assert fault in found, found
    if fault != "unused-parameters":  # a note where the run does well without
        assert verdict.primary is not None
        assert verdict.primary.name == fault
