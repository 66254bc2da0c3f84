"""What the probes write, beside what is known of the script."""

import math
from dataclasses import make_dataclass

import pytest
import torch
from torch import nn

from gradatim.core.record import Record, RecordWriter
from gradatim.probes import measure
from gradatim.probes.activations import (
    Activations,
    batch_norms,
    hazards,
    is_linear,
    layers,
    over_first_axis,
)
from gradatim.probes.criteria import hand_written, outcome, probabilities, revealing
from gradatim.probes.graph import chain, tail, walk
from gradatim.probes.pace import ALLOWANCE, FIRST_STEPS, Pace
from gradatim.probes.updates import numbers_of
from gradatim.probes.watcher import Watcher


def test_every_step_has_its_loss_and_learning_rate(watched, scripts):
    record = watched(scripts.CLASSIFIER)
    rows = [row for event in record.of("losses") for row in event["rows"]]
    assert [row[0] for row in rows] == list(range(1, 33))
    assert [row[3] for row in rows] == pytest.approx([0.01] * 16 + [0.001] * 16)
    assert all(math.isfinite(row[2]) for row in rows)


def test_the_first_steps_are_looked_at_closely(watched, scripts):
    record = watched(scripts.CLASSIFIER)
    assert [e["step"] for e in record.of("backward")][:FIRST_STEPS] == list(range(1, 9))
    forward = record.of("forward")[0]
    assert forward["training"] is True
    assert forward["samples"] == 20
    assert {item["kind"] for item in forward["modal"]} == {"batchnorm", "dropout"}
    backward = record.of("backward")[0]
    assert len(backward["reached"]) == 6
    assert backward["losses"][0]["name"] == "cross_entropy"
    assert sum(backward["losses"][0]["labels"]) == 20
    assert backward["value"] == pytest.approx(backward["losses"][0]["value"])
    update = record.of("update")[1]
    assert update["calls"] == ["zero_grad", "backward", "step"]
    assert update["reset"] is True
    assert update["clips"][0]["limit"] == 1.0
    for item in update["parameters"].values():
        assert 0 < item["update"] <= 0.0101 * 1.01  # Adam moves no weight further than its rate


@pytest.mark.parametrize(
    ("old", "new", "wiped"),
    [("", "", None), ("        optimizer.step()", "        net.zero_grad()\n        optimizer.step()",
                      "net.zero_grad()")],
)  # fmt: skip
def test_places_are_those_of_the_lines_to_change(old, new, wiped, watched, scripts):
    source = scripts.CLASSIFIER.replace(old, new) if old else scripts.CLASSIFIER
    record = watched(source)
    lines = source.splitlines()

    def told(event):
        assert event["file"].endswith("script.py")
        return lines[event["line"] - 1].strip()

    assert told(record.of("loader")[0]).startswith("loader = torch.utils.data.DataLoader(")
    update = record.of("update")[0]
    assert told(update) == "optimizer.step()"
    assert told(update["clips"][0]).startswith("nn.utils.clip_grad_norm_(")
    assert (told(update["wiped"]) if wiped else update["wiped"]) == wiped


def test_evaluations_are_told_from_training(watched, scripts):
    evaluations = watched(scripts.CLASSIFIER).of("evaluation")
    assert [e["step"] for e in evaluations] == [8, 16, 24, 32]
    assert all(e["training"] is False and e["samples"] == 160 for e in evaluations)
    assert all(sum(e["loss"]["labels"]) == 160 for e in evaluations)


RIGHT = {
    "scores.argmax(1) == y[400:]": "scores = model(x[400:])",
    "y[400:].view(-1, 1).eq(scores.argmax(1, keepdim=True))": "scores = model(x[400:])",
    "torch.eq(torch.cat(found), y[400:])": "found = [model(b).argmax(1) for b in x[400:].split(30)]",
}


@pytest.mark.parametrize("compared", RIGHT)
def test_accuracy_is_seen_where_a_script_compares_classes(compared, tmp_path):
    """No loss is called in evaluation, and no loader tells the labels."""
    torch.manual_seed(0)
    x = torch.randn(500, 6)
    y = x[:, :3].argmax(1)
    model = nn.Linear(6, 3)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    path, equal = tmp_path / "record.jsonl", torch.Tensor.__eq__
    known = {"torch": torch, "model": model, "x": x, "y": y}
    watcher = Watcher(RecordWriter(path))
    watcher.start()
    for _ in range(5):
        loss = nn.functional.cross_entropy(model(x[:400]), y[:400])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        exec(f"{RIGHT[compared]}\nright = ({compared}).sum().item()", known)
    watcher.stop(exit=0)
    paired = Record.read(path).of("evaluation")[-1]["paired"]
    assert paired["labels"] == torch.bincount(y[400:]).tolist()
    assert sum(paired["right"]) == known["right"]
    assert torch.Tensor.__eq__ is equal
    assert "__eq__" not in vars(torch.Tensor)


@pytest.mark.parametrize("fused", [False, True])
def test_an_optimiser_that_switches_gradients_off_hides_no_evaluation(fused, tmp_path):
    """With little time left, looking depends on how often evaluations come: steps are none."""
    pace = Pace(-1.0)
    pace.bearable = lambda spent, passed: True
    watcher = Watcher(RecordWriter(tmp_path / "record.jsonl"), pace)
    watcher.start()
    net, x = nn.Linear(3, 2), torch.ones(4, 3)
    optimiser = torch.optim.AdamW(net.parameters(), fused=fused)
    for step in range(1, 401):
        optimiser.zero_grad()
        net(x).square().mean().backward()
        optimiser.step()
        if step % 40 == 0:
            with torch.no_grad():
                net(x)
    watcher.stop()
    evaluated = [e["step"] for e in Record.read(tmp_path / "record.jsonl").of("evaluation")]
    assert evaluated == list(range(40, 401, 40))


def test_steps_without_an_optimiser_are_seen(watched, scripts):
    record = watched(scripts.BY_HAND)
    assert record.last("unwatched")["step"] >= 38
    reading = record.of("backward")[0]["losses"][0]
    assert reading["name"] == "cross_entropy"
    assert reading["by_hand"] is True
    assert sum(reading["labels"]) == 64


def test_a_closure_runs_inside_its_step(watched, scripts):
    record = watched(scripts.CLOSURE)
    assert record.of("update")[2]["calls"].count("backward") > 1
    assert record.of("backward")[0]["losses"][0]["name"] == "mse_loss"


def test_the_graph_reaches_all_parameters_and_orders_layers():
    net = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    graph = walk(nn.functional.cross_entropy(net(torch.randn(5, 3)), torch.tensor([0, 1, 0, 1, 0])))
    assert set(graph.leaves) == {id(p) for p in net.parameters()}
    names = {id(p): name for name, p in net.named_parameters()}
    found = layers(graph, names.get)
    assert [item["parameters"] for item in found] == [
        ["0.bias", "0.weight"],
        ["2.bias", "2.weight"],
    ]
    assert [node.operation for node in tail(graph.root)] == ["NllLoss", "LogSoftmax"]
    assert not is_linear(graph)
    assert is_linear(walk(nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))(torch.randn(5, 3)).sum()))


def test_the_chain_before_a_loss_is_read():
    net = nn.Linear(3, 4)
    given = torch.softmax(net(torch.randn(5, 3)), 0)
    graph = walk(given.sum())
    node = max(graph.nodes, key=lambda item: item.order).inputs[0]
    assert [item.operation for item in chain(node)] == ["Softmax"]


def test_dead_units_are_those_at_zero_for_every_sample():
    net = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1))
    with torch.no_grad():
        net[0].bias.copy_(torch.tensor([-100.0, -100.0, 100.0, 100.0]))
    activations = Activations()
    for _ in range(3):
        entry = activations.read(walk(net(torch.randn(20, 3)).sum()), {}.get)[0]
    assert (entry["dead"], entry["units"], entry["samples"], entry["batches"]) == (2, 4, 60, 3)


def test_batch_norm_statistics_are_compared_with_the_batch():
    net = nn.BatchNorm1d(4)
    net(torch.randn(64, 4) * 3 + 5)
    item = batch_norms(walk(net(torch.randn(64, 4) * 3 + 5).sum()), {}.get)[0]
    assert item["samples"] == 64
    assert item["shift"] == pytest.approx((5 - 0.95) / 3, rel=0.2)


def test_hazards_are_found():
    x = torch.tensor([0.0, 1.0], requires_grad=True)
    assert hazards(walk((x * 1).log().sum())) == [{"operation": "log", "values": 1}]
    assert hazards(walk((x + 1).log().sum())) == []


@pytest.mark.parametrize("form", ["gather", "index", "square"])
def test_losses_written_by_hand_are_read(form):
    net = nn.Linear(3, 4)
    scores, y = net(torch.randn(6, 3)), torch.tensor([0, 1, 2, 3, 0, 1])
    log = scores.log_softmax(1)
    loss = {
        "gather": lambda: -log.gather(1, y[:, None]).mean(),
        "index": lambda: -log[torch.arange(6), y].mean(),
        "square": lambda: ((scores - torch.ones(6, 4)) ** 2).mean(),
    }[form]()
    graph = walk(loss)
    reading = hand_written(tail(graph.root))
    if form == "square":
        assert reading["name"] == "mse_loss"
    else:
        assert reading["name"] == "cross_entropy"
        assert reading["labels"] == [2, 2, 1, 1]
        assert sum(reading["right"]) == int((log.argmax(1) == y).sum())


def test_actions_weighed_by_returns_are_no_labels():
    net, x = nn.Linear(4, 3), torch.randn(6, 4)
    actions, returns = torch.randint(0, 3, (6,)), torch.randn(6)

    def reading(loss):
        graph = walk(loss)
        return hand_written(tail(graph.root))

    chosen = net(x).log_softmax(1).gather(1, actions[:, None]).squeeze(1)
    assert reading(-(chosen * returns).mean()) is None
    assert reading(-(torch.exp(chosen - chosen.detach()) * returns).mean()) is None
    steps = [net(x[i : i + 1]).log_softmax(1).gather(1, actions[i : i + 1, None]) for i in range(3)]
    assert reading(torch.cat([-s * r for s, r in zip(steps, returns, strict=False)]).sum()) is None
    assert reading(-(chosen * 0.5).mean())["name"] == "cross_entropy"
    assert reading(-(chosen * (returns > 0)).sum() / 3)["name"] == "cross_entropy"


def test_probabilities_know_rows_columns_and_logs():
    x = torch.randn(6, 3)
    assert probabilities(x.softmax(1))["rows_sum_to_one"]
    assert probabilities(x.softmax(0))["columns_sum_to_one"]
    assert not probabilities(x.softmax(0))["rows_sum_to_one"]
    assert probabilities(x.log_softmax(1))["rows_are_log"]
    assert not probabilities(x)["inside"]


def test_right_answers_are_counted_per_class():
    scores = torch.tensor([[2.0, 1.0], [0.0, 1.0], [3.0, 0.0]])
    numbers = outcome("cross_entropy", scores, torch.tensor([0, 0, 0]))
    assert numbers["labels"] == [3, 0]
    assert numbers["right"] == [2, 0]


def test_a_feature_that_tells_the_label_is_found():
    labels = torch.arange(60) % 3
    inputs = torch.randn(60, 5)
    assert revealing(inputs, labels)["within"] > 0.3
    inputs[:, 2] = labels.float()
    assert revealing(inputs, labels) == {"feature": 2, "within": pytest.approx(0.0, abs=1e-9)}


@pytest.mark.parametrize("shape", [(64,), (64, 1)])
def test_a_feature_that_tells_one_of_two_classes_is_found(shape):
    labels = (torch.arange(64) % 2).float()
    inputs = torch.randn(64, 5, generator=torch.Generator().manual_seed(0))
    inputs[:, 3] = 7 * labels
    found = revealing(inputs, labels.view(shape))
    assert found is not None
    assert found["feature"] == 3
    assert found["within"] == pytest.approx(0.0, abs=1e-9)
    assert revealing(inputs, labels.view(shape) * 0.4) is None  # numbers, not classes


def test_softmaxes_over_the_first_of_three_axes_are_found():
    scores = torch.randn(4, 6, 6, requires_grad=True)
    for axis, found in ((0, [[4, 6, 6]]), (-3, [[4, 6, 6]]), (2, []), (-1, [])):
        assert over_first_axis(walk(scores.softmax(axis).pow(2).sum())) == found
    assert over_first_axis(walk(scores[0].softmax(0).sum())) == []  # contrasts of samples


@pytest.mark.parametrize(
    "call", ["net(x[pick])", "net(points=x[pick])", "net(**{'points': x[pick]})"]
)
def test_what_a_model_is_given_by_name_is_seen(call, watched):
    record = watched(f"""
import torch
from torch import nn
torch.manual_seed(0)
x, y = 3 * torch.randn(64, 4), torch.randint(0, 2, (64,))
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    def forward(self, points):
        return self.layers(points)
net = Net()
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
for step in range(6):
    pick = torch.arange(32)
    optimizer.zero_grad()
    nn.functional.cross_entropy({call}, y[pick]).backward()
    optimizer.step()
""")
    forward = record.of("forward")[0]
    assert forward["samples"] == 32
    assert forward["inputs"][0]["std"] == pytest.approx(3, rel=0.2)
    assert forward["calls"][0]["is_batch"]
    assert len(record.of("samples")[0]["fingerprints"]) == 32


@pytest.mark.parametrize("form", ["no_grad()", "inference_mode()", "set_grad_enabled(False)"])
def test_inputs_of_an_evaluation_are_seen_however_gradients_are_switched_off(form, watched):
    record = watched(f"""
import torch
from torch import nn
torch.manual_seed(0)
x, y = torch.randn(64, 4), torch.randint(0, 2, (64,))
net = nn.Linear(4, 2)
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
for step in range(12):
    optimizer.zero_grad()
    nn.functional.cross_entropy(net(x[:32]), y[:32]).backward()
    optimizer.step()
with torch.{form}:
    nn.functional.cross_entropy(net(5 * x[32:]), y[32:])
""")
    (seen,) = record.of("evaluation")
    assert seen["step"] == 12
    assert seen["inputs"][0]["std"] == pytest.approx(5, rel=0.2)


def test_equal_samples_have_equal_fingerprints():
    x = torch.randn(50, 1, 9, 9)
    prints = measure.fingerprints(x)
    assert len(set(prints)) == 50
    assert measure.fingerprints(x[20:30]) == prints[20:30]
    x[3] = x[4]
    assert len(set(measure.fingerprints(x))) == 49


def test_pictures_cut_by_view_are_smoother_channels_last():
    rows, columns = torch.meshgrid(torch.arange(20.0), torch.arange(20.0), indexing="ij")
    shade = torch.sin(rows / 4) + torch.cos(columns / 5)
    pictures = (
        torch.stack([shade, shade * 0.2 - 2, 3 - shade], -1).expand(8, -1, -1, -1).contiguous()
    )
    right, wrong = pictures.permute(0, 3, 1, 2), pictures.view(8, 3, 20, 20)
    good, bad = measure.layout(right), measure.layout(wrong)
    assert good["smooth"] > good["smooth_channels_last"]
    assert bad["smooth_channels_last"] > bad["smooth"] + 0.2


def test_tensors_are_found_in_what_models_give():
    a, b = torch.zeros(2), torch.ones(3)
    Output = make_dataclass("Output", ["loss", "logits", "words"])
    for value in (a, [a, b], (a, {"b": b}), {"a": a, "b": [b]}, Output(a, b, "none")):
        found = measure.tensors_in(value)
        assert found[0] is a
        assert found[1:] == [] or found[1] is b
    assert measure.tensors_in(Output) == []


def test_sizes_are_root_mean_squares():
    tensors = [torch.randn(7, 3), torch.randn(11)]
    expected = [float(t.pow(2).mean().sqrt()) for t in tensors]
    assert numbers_of(tensors) == pytest.approx(expected, rel=1e-5)
    assert measure.rms(tensors[0]) == pytest.approx(expected[0], rel=1e-5)


def test_the_pace_is_fixed_steps_that_widen_when_looking_costs_too_much():
    pace = Pace()
    assert all(pace.closely(step, 100.0, 1.0) for step in range(1, FIRST_STEPS + 1))
    assert not pace.candidate(9)
    assert pace.closely(16, ALLOWANCE / 2, 1.0)
    assert not pace.closely(24, ALLOWANCE + 1, 1.0)
    assert pace.interval == 16
    assert not pace.candidate(40)
    assert pace.closely(48, ALLOWANCE + 1, 1000.0)


def test_evaluations_are_looked_at_up_to_a_share_of_the_time():
    pace = Pace()
    assert pace.bearable(ALLOWANCE + 1.9, 100.0)
    assert not pace.bearable(ALLOWANCE + 2.1, 100.0)
    assert not pace.affordable(ALLOWANCE + 1.9, 100.0)


def test_a_long_run_is_looked_at_ever_less_and_optimisers_that_take_turns_are_all_met():
    pace = Pace()
    looks = [s for s in range(1, 200_000) if pace.candidate(s, 2) and pace.closely(s, 0.0, 1.0)]
    assert len(looks) < 512 + 256 * 7
    assert pace.interval == 512
    assert {step % 2 for step in looks[-50:]} == {0, 1}


def test_every_candidate_lies_in_a_row_of_steps_whose_loss_is_read():
    pace = Pace()
    pace.interval, pace.loss_interval = 256, 8
    read = [step for step in range(1, 2049) if pace.rest(step) == 0]
    assert len(read) == pytest.approx(2048 / 8, abs=4)
    assert all(step in read for step in range(9, 2049) if pace.candidate(step, 3))
    step = 37  # a rest ends exactly where the next row begins
    assert pace.rest(step + pace.rest(step)) == 0
    assert pace.rest(step + pace.rest(step) - 1) == 1


def test_gradients_asked_for_before_training_begins_belong_to_no_step(watched):
    record = watched(
        """
import torch
from torch import nn
torch.manual_seed(0)
net = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1))
x = torch.randn(32, 4, requires_grad=True)
torch.autograd.grad(1000 * net(x).square().sum(), x)
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
for _ in range(12):
    loss = net(x.detach()).square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""
    )
    rows = [row for event in record.of("losses") for row in event["rows"]]
    assert [row[0] for row in rows] == list(range(1, 13))
    assert rows[0][2] < 10
    assert {event["kind"] for event in record.of("optimiser")} == {"SGD"}
