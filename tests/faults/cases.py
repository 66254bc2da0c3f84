"""The open benchmark: every case is a healthy program and a patch of a line or two.

``accept`` lists the right diagnoses, the primary one first; they were written down before any rule
was tuned. ``where`` is a word that the place of the finding must contain (module, parameter, or a
line of the patched script, given by a piece of that line). ``outcome`` is the figure in the last
line of the output by which a fault must show: accuracy falls or loss rises.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROGRAMS = Path(__file__).parent / "programs"


@dataclass(frozen=True)
class Case:
    """One faulty program."""

    id: str
    twin: str
    patch: tuple[tuple[str, str], ...]
    accept: tuple[str, ...]
    where: str = ""
    outcome: str = "accuracy"
    tier: str = "main"  # or "latent": the fault is there but hardly shows in the outcome
    also: tuple[str, ...] = ()  # other words for the place, of which one is enough
    programs: Path = PROGRAMS

    def source(self) -> str:
        """Return the program with its fault."""
        return patched(self.twin, self.patch, self.programs)


def patched(twin: str, patch: tuple[tuple[str, str], ...], programs: Path = PROGRAMS) -> str:
    """Return a program with each first text, which must occur once, replaced by the second."""
    source = (programs / f"{twin}.py").read_text(encoding="utf-8")
    for old, new in patch:
        if source.count(old) != 1:
            raise ValueError(f"{old!r} occurs {source.count(old)} times in {twin}.py")
        source = source.replace(old, new)
    return source


def case(id: str, twin: str, *patch: tuple[str, str], accept: str, **more: Any) -> Case:
    return Case(id, twin, patch, tuple(accept.split()), **more)


CASES = [
    case("F01", "mlp_deep_blobs", ("activation = nn.ReLU", "activation = nn.Sigmoid"),
         accept="vanishing-gradient saturated-activation", where="0"),
    case("F02", "tanh_digits", ("nn.init.xavier_normal_(linear.weight, gain=5 / 3)", "nn.init.normal_(linear.weight, std=0.01)"),
         accept="badly-scaled-init vanishing-gradient", where="0"),
    case("F03", "vgg_fashion", ("activation, p = nn.ReLU, 0.3", "activation, p = nn.Sigmoid, 0.3"),
         accept="vanishing-gradient saturated-activation", where="0"),
    case("F04", "rnn_adding", ("nn.GRU(2, 40", "nn.RNN(2, 40"), ("length = 60", "length = 200"),
         accept="vanishing-gradient", where="rnn", outcome="loss"),
    case("F05", "mlp_deep_circles", ("std=(2 / width) ** 0.5", "std=1.0"),
         accept="badly-scaled-init exploding-gradient", where="0"),
    case("F06", "char_rnn", ("nn.init.orthogonal_(self.rnn.weight_hh_l0)", "nn.init.orthogonal_(self.rnn.weight_hh_l0, gain=3.0)"),
         ("lr=0.5", "lr=4.0"), ("clip = 64, 25, 1.0", "clip = 64, 25, None"),
         accept="exploding-gradient learning-rate-too-high badly-scaled-init", where="rnn", outcome="loss"),
    case("F07", "resnet_plain", ("depth, gain = 30, 0.2", "depth, gain = 30, 2.0"),
         accept="exploding-gradient badly-scaled-init learning-rate-too-high initial-loss-off", where="2"),
    case("F08", "lenet_fashion", ("lr=0.03", "lr=0.5"),
         accept="learning-rate-too-high dying-relu", where="torch.optim.SGD("),
    case("F09", "mlp_digits", ("self.last = nn.Linear(48, 10)", "self.last = nn.Linear(48, 10)\n        nn.init.constant_(self.hidden[1].bias, -5.0)"),
         accept="dying-relu", where="hidden.1"),
    case("F10", "alexnet_fashion", ("lr=0.03", "lr=0.9"),
         accept="learning-rate-too-high oscillating-loss", where="optim.SGD("),
    case("F11", "mlp_digits", ("torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)", "torch.optim.Adam(model.parameters(), lr=0.3)"),
         accept="learning-rate-too-high dying-relu", where="torch.optim.Adam("),
    case("F12", "linear_diabetes", ("x = (x - x.mean(0)) / x.std(0)", "x = x / 1.0"),
         accept="inputs-not-normalised learning-rate-too-high non-finite", where="", outcome="loss"),
    case("F13", "lenet_fashion", ("lr=0.03", "lr=1e-5"),
         accept="learning-rate-too-low", where="torch.optim.SGD("),
    case("F14", "googlenet_fashion", ("lr=4e-3", "lr=4e-3, eps=0.1"),
         accept="optimiser-settings learning-rate-too-low", where="torch.optim.Adam("),
    case("F15", "vgg_fashion", ("        optimizer.step()\n    scheduler.step()", "        optimizer.step()\n        scheduler.step()"),
         accept="schedule-bug learning-rate-too-low", where="ExponentialLR("),
    case("F16", "char_lstm", ("min(1.0, (step + 1) / 20)", "(step + 1) / 3"),
         accept="schedule-bug learning-rate-too-high", where="LambdaLR(", outcome="loss"),
    case("F17", "lenet_fashion", ("batch_size, clip = 32, None", "batch_size, clip = 1, None"), ("lr=0.03, momentum=0.9", "lr=0.1, momentum=0.9"),
         ("for epoch in range(4)", "for epoch in range(1)"),
         accept="batch-size-unsuited learning-rate-too-high", where=""),
    case("F18", "mlp_digits", ("batch_size=32, shuffle=True", "batch_size=1300, shuffle=True"), ("momentum=0.9", "momentum=0.0"),
         accept="batch-size-unsuited under-trained learning-rate-too-low", where=""),
    case("F19", "nin_fashion", ("momentum=0.9", "momentum=0.999"),
         accept="optimiser-settings oscillating-loss learning-rate-too-high", where="torch.optim.SGD("),
    case("F20", "lstm_adding", ("epochs = 12", "epochs = 1"), ("lr=0.01", "lr=0.001"),
         accept="under-trained learning-rate-too-low not-converging", where="", outcome="loss"),
    case("F21", "lenet_fashion", ("batch_size, clip = 32, None", "batch_size, clip = 32, 1e-4"),
         accept="clip-too-tight learning-rate-too-low", where=""),
    case("F22", "lenet_fashion", ("return self.fc3(x)", "return F.softmax(self.fc3(x), dim=1)"),
         accept="double-softmax", where="loss = F.cross_entropy("),
    case("F23", "mlp_moons", ("nn.Linear(32, 1))", "nn.Linear(32, 1), nn.Sigmoid())"), ("(score > 0)", "(score > 0.5)"),
         accept="double-sigmoid", where="loss = criterion(", outcome="loss"),
    case("F24", "lenet_digits", ("nn.Linear(64, 10), nn.LogSoftmax(dim=1),", "nn.Linear(64, 10),"),
         accept="loss-input-mismatch", where="loss = loss_function("),
    case("F25", "mlp_cancer", ("nn.Linear(16, 1), nn.Sigmoid()", "nn.Linear(16, 1), nn.Softmax(dim=1)"),
         accept="constant-output", where="loss.backward()"),
    case("F26", "mlp_digits", ("loss = criterion(outputs, labels)", "loss = criterion(torch.softmax(outputs, dim=0), labels)"),
         accept="softmax-over-batch double-softmax", where="loss = criterion(", outcome="loss"),
    case("F27", "mlp_diabetes", ("nn.Linear(32, 1))", "nn.Linear(32, 1), nn.ReLU())"),
         accept="output-range", where="loss = criterion(", outcome="loss"),
    case("F28", "mlp_diabetes", ("nn.Linear(32, 1))", "nn.Linear(32, 1), nn.Sigmoid())"), ("y = (y - y.mean()) / y.std()", "y = y + 0.0"),
         accept="output-range", where="loss = criterion(", outcome="loss"),
    case("F29", "lenet_fashion", ("loss = F.cross_entropy(scores, y_train[pick])", "loss = F.mse_loss(F.softmax(scores, 1), F.one_hot(y_train[pick], 10).float())"),
         accept="wrong-loss", where="loss = F.mse_loss("),
    case("F30", "mlp_digits", ("loss = criterion(outputs, labels)", "loss = -criterion(outputs, labels)"),
         accept="flipped-loss-sign", where="loss.backward()"),
    case("F31", "alexnet_fashion", ('reduction="mean"', 'reduction="sum"'),
         accept="loss-reduction-sum learning-rate-too-high", where="loss = criterion("),
    case("F32", "mlp_diabetes", (".unsqueeze(1)\nmodel", "\nmodel"),
         accept="broadcast-loss", where="loss = criterion(", outcome="loss"),
    case("F33", "mlp_circles", ("activation = torch.tanh", "activation = torch.clone"),
         accept="missing-nonlinearity", where="b"),
    case("F34", "lenet_fashion", ("return self.fc3(x)", "return F.relu(self.fc3(x))"),
         accept="activation-on-logits dying-relu", where="loss = F.cross_entropy("),
    case("F35", "mlp_digits", ("model = Net()", "model = Net()\nfor parameter in model.parameters(): nn.init.zeros_(parameter)"),
         accept="symmetric-init", where="hidden"),
    case("F36", "mlp_digits", ("nn.Linear(64, 64), nn.Linear(64, 48)", "nn.Linear(64, 64), nn.Linear(64, 2)"), ("self.last = nn.Linear(48, 10)", "self.last = nn.Linear(2, 10)"),
         accept="too-little-capacity underfitting", where="hidden.1"),
    case("F37", "vgg_fashion", ("activation, p = nn.ReLU, 0.3", "activation, p = nn.ReLU, 0.95"),
         accept="dropout-too-high", where="12"),
    case("F38", "resnet_fashion", ("lr=3e-3, weight_decay=1e-2", "lr=1e-2, weight_decay=20"),
         accept="weight-decay-too-high", where="torch.optim.AdamW("),
    case("F39", "resnet_fashion", ("batch_size, momentum, p = 32, 0.1, 0.0", "batch_size, momentum, p = 2, 0.1, 0.0"), ("range(6)", "range(1)"),
         accept="batchnorm-small-batch batch-size-unsuited", where="bn"),
    case("F40", "resnet_fashion", ("batch_size, momentum, p = 32, 0.1, 0.0", "batch_size, momentum, p = 32, 0.0, 0.0"),
         accept="train-eval-gap", where="bn"),
    case("F41", "nin_fashion", ("nin(1, 16, 5, stride), nin(16, 32, 3, stride)", "nin(1, 16, 5, 7), nin(16, 32, 3, 4)"),
         accept="collapsed-feature-map", where=""),
    case("F42", "lstm_digits", ("nn.LSTM(8, 48, batch_first=True)", "nn.LSTM(8, 48)"),
         accept="swapped-axes", where="lstm"),
    case("F43", "cnn_shapes", ("torch.tensor(x).permute(0, 3, 1, 2).contiguous()", "torch.tensor(x).view(-1, 3, 20, 20)"),
         accept="swapped-axes", where=""),
    case("F44", "lstm_adding", ("output, _ = net(inputs, state)", "output, state = net(inputs, state)"),
         accept="carried-state", where="rnn", outcome="loss", tier="latent"),
    case("F45", "mlp_moons", ("    opt.zero_grad()\n", ""),
         accept="missing-zero-grad", where="torch.optim.SGD(", also=("opt.step()",)),
    case("F46", "lenet_digits", ("        optimizer.zero_grad()\n", ""), ("loss.backward()", "loss.backward()\n        optimizer.zero_grad()"),
         accept="gradients-wiped", where="torch.optim.Adam(", also=("optimizer.zero_grad()",)),
    case("F47", "googlenet_fashion", ("accumulate = 1", "accumulate = 16"), (" / accumulate\n", "\n"), ("torch.optim.Adam(model.parameters(), lr=4e-3)", "torch.optim.SGD(model.parameters(), lr=0.1)"),
         accept="accumulation-not-divided learning-rate-too-high", where="loss.backward()"),
    case("F48", "resnet_fashion", ("        self.model.train()\n", ""), ("p = 32, 0.1, 0.0", "p = 32, 0.1, 0.3"),
         accept="training-in-eval-mode", where="", tier="latent"),
    case("F49", "vgg_fashion", ("    model.eval()\n", ""), ("nn.ReLU, 0.3", "nn.ReLU, 0.5"),
         accept="evaluating-in-train-mode", where="scores = model(x_test)"),
    case("F50", "resnet_fashion", ("trainer = Trainer(", "model.head = nn.Linear(32, 10)\ntrainer = Trainer("),
         accept="optimiser-owns-wrong-parameters", where="head", tier="latent"),
    case("F51", "resnet_fashion", ("model = ResNet()", "model = ResNet()\nfor name, weight in model.named_parameters(): weight.requires_grad = 'bn' in name"),
         accept="frozen-parameters", where="head"),
    case("F52", "mlp_digits", ("        self.hidden = nn.ModuleList(self.hidden)\n", ""),
         accept="unused-parameters optimiser-owns-wrong-parameters", where="", tier="latent"),
    case("F53", "alexnet_fashion", ("x = self.relu(self.conv2(x))", "x = self.relu(self.conv2(x)).detach()"),
         accept="cut-graph", where="conv3"),
    case("F54", "googlenet_fashion", ("self.mix = nn.Conv2d(3 * width, 2 * width, 1)", "self.mix = nn.Conv2d(2 * width, 2 * width, 1)"), ("[self.one(x), self.three(x), self.five(x)]", "[self.one(x), self.three(x)]"),
         accept="unused-parameters", where="five", tier="latent"),
    case("F55", "mlp_blobs", ("        loss.backward()", "        loss = torch.tensor(loss.item(), requires_grad=True)\n        loss.backward()"),
         accept="cut-graph", where="loss.backward()"),
    case("F56", "mlp_wine", ("x = (x - x.mean(0)) / x.std(0)", "x = x / 1.0"),
         accept="inputs-not-normalised", where=""),
    case("F57", "lenet_fashion", ("x_train.float() / 255, x_test.float() / 255", "x_train.float(), x_test.float()"), ("lr=0.03", "lr=0.1"),
         accept="inputs-not-normalised learning-rate-too-high", where=""),
    case("F58", "lenet_fashion", ("x_test.float() / 255", "x_test.float()"),
         accept="train-test-mismatch", where="scores = net(x_test)"),
    case("F59", "lenet_fashion", ("x_train.float() / 255, x_test.float() / 255", "x_train.float() / 255 / 255, x_test.float() / 255 / 255"),
         accept="inputs-not-normalised", where=""),
    case("F60", "cnn_shapes", ("torch.tensor(x).permute(0, 3, 1, 2).contiguous()", "torch.tensor(x).reshape(len(x), 3, 20, 20)"),
         accept="swapped-axes", where=""),
    case("F61", "lenet_digits", ("x, y = digits()\n", "x, y = digits()\ny = y[np.random.RandomState(1).permutation(len(y))]\n"),
         accept="labels-misaligned", where=""),
    case("F62", "lenet_fashion", ("batch_size, clip = 32, None", "batch_size, clip = 32, None\nwrong = torch.rand(len(y_train)) < 0.4\ny_train = torch.where(wrong, torch.randint(0, 10, y_train.shape), y_train)"),
         accept="label-noise", where="", tier="latent"),
    case("F63", "mlp_blobs", ("[400, 400, 400]", "[960, 20, 20]"), ("cluster_std=0.9", "cluster_std=1.6"),
         accept="class-imbalance", where=""),
    case("F64", "lenet_digits", ("x_train, y_train, x_test, y_test = x[:1300], y[:1300], x[1300:], y[1300:]", "x_train, y_train, x_test, y_test = x[:1500], y[:1500], x[1300:], y[1300:]"),
         accept="train-test-leakage", where="scores = model(", tier="latent"),
    case("F65", "lenet_fashion", ("batch_size, clip = 32, None", "batch_size, clip = 32, None\nx_train[:, 0, 0, 0] = y_train.float()"),
         accept="target-leakage train-test-mismatch overfitting", where=""),
    case("F66", "lenet_fashion", ("order = torch.randperm(len(x_train))", "order = y_train.argsort()"),
         accept="not-shuffled", where=""),
    case("F67", "mlp_diabetes", ("y = (y - y.mean()) / y.std()", "y = (y - y.mean()) / y.std()\nx[np.random.default_rng(seed).random(x.shape) < 0.002] = np.nan"),
         accept="non-finite-input non-finite", where="model(", outcome="loss"),
    case("F68", "mlp_moons", ("loss = criterion(score, y[:400])", "probability = torch.sigmoid(40 * score)\n    loss = -(y[:400] * probability.log() + (1 - y[:400]) * (1 - probability).log()).mean()"),
         accept="non-finite", where="loss.backward()"),
    case("F69", "mlp_circles", ("nn.Linear(2, 24), nn.Linear(24, 24)", "nn.Linear(2, 24, bias=False), nn.Linear(24, 24, bias=False)"), ("activation = torch.tanh", "activation = torch.tanh\nx[:9] = 0"), ("return self.c(h)", "return self.c(h / (1 + h.pow(2).sum(1, keepdim=True).sqrt()))"),
         accept="non-finite", where="loss.backward()"),
    case("F70", "lenet_fashion", ("    return x\n", "    turned = torch.stack([torch.rot90(s, int(k), (1, 2)) for s, k in zip(x, torch.randint(0, 4, (len(x),)))])\n    return turned + 1.5 * torch.randn_like(x)\n"),
         accept="augmentation-too-strong", where=""),
    case("F71", "resnet_fashion", ("fashion(1280, 400)", "[part[:60] if i < 2 else part for i, part in enumerate(fashion(1280, 400))]"), ("range(6)", "range(60)"),
         accept="overfitting", where=""),
    case("F72", "mlp_diabetes", ("y = (y - y.mean()) / y.std()", "y = y * 1e5"),
         accept="targets-unscaled non-finite learning-rate-too-high", where="", outcome="loss"),
]  # fmt: skip
