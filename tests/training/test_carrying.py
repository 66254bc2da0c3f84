"""Truncated back-propagation through time: the state goes on with the batches and the run."""

import math

import numpy as np
import pytest
import torch

from gradatim.core.spec import Spec
from gradatim.models import build
from gradatim.training import evaluate, train
from gradatim.training.carrying import Carrying

from .test_resume import Stop, StopAt

SPEC = Spec("next-token", "text", (6,), vocabulary=8)


class Stretches:
    """Four streams of six batches; the last stream ends one batch early."""

    carries = True
    samples = 23
    batch_size = 4

    def __init__(self, seed=0):
        drawn = torch.Generator().manual_seed(seed)
        step = torch.randint(1, 3, (23 * 6 + 1,), generator=drawn)
        text = step.cumsum(0) % 8
        self.inputs, self.targets = text[:-1].reshape(23, 6), text[1:].reshape(23, 6)

    def __len__(self):
        return 6

    def __iter__(self):
        return self.epoch(0)

    def epoch(self, number, start=0):
        for step in range(start, 6):
            chosen = np.arange(23)[step::6]
            yield self.inputs[chosen], self.targets[chosen], torch.from_numpy(chosen)


class Fresh(Stretches):
    carries = False


def net(cell="lstm"):
    torch.manual_seed(0)
    return build(cell, SPEC, {"hidden": 6, "embedding": 4, "layers": 2, "dropout": 0.2})


SETTINGS = {"spec": SPEC, "epochs": 3, "optimiser": "adam", "learning_rate": 0.01}


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
@pytest.mark.parametrize("step", [1, 5, 6, 8, 12, 17])
def test_a_run_broken_off_goes_on_with_its_state(cell, step, folder, same_weights):
    batches, validation = Stretches(), Stretches(seed=1)
    settings = {**SETTINGS, "validation": validation}
    with pytest.raises(Stop):
        train(
            net(cell), batches, folder=folder, watch=StopAt(step), checkpoint_seconds=0, **settings
        )
    resumed, whole = net(cell), net(cell)
    train(resumed, batches, folder=folder, resume=True, **settings)
    train(whole, batches, **settings)
    assert same_weights(resumed, whole)


def test_a_run_that_carries_nothing_learns_something_else(same_weights):
    carried, fresh = net(), net()
    train(carried, Stretches(), **SETTINGS)
    train(fresh, Fresh(), **SETTINGS)
    assert not same_weights(carried, fresh)


def test_evaluation_reads_the_streams_as_whole_texts():
    model, batches = net().eval(), Stretches()
    found = evaluate(model, batches, spec=SPEC)
    assert found.scores.shape == found.targets.shape == (23, 6)
    with torch.inference_mode():
        for stream in range(4):
            rows = torch.arange(6 * stream, min(6 * stream + 6, 23))
            scores = model(batches.inputs[rows].reshape(1, -1))[0].log_softmax(dim=1)
            right = scores.gather(1, batches.targets[rows].reshape(-1, 1))[:, 0]
            own = np.isin(found.indices, rows.numpy())
            order = np.argsort(found.indices[own])
            read = found.scores[own][order].reshape(-1)
            np.testing.assert_allclose(read, right.numpy(), atol=1e-5)
    bits = -found.scores.mean() / math.log(2)
    assert found.metrics["bits-per-character"] == pytest.approx(bits, rel=1e-5)
    assert found.loss == pytest.approx(bits * math.log(2), rel=1e-5)
    assert set(found.metrics) == {"bits-per-character", "accuracy"}


def test_the_best_epoch_is_that_of_fewest_bits():
    trained = train(net(), Stretches(), validation=Stretches(seed=1), **SETTINGS)
    bits = [event["validation"]["bits-per-character"] for event in trained.epochs]
    assert trained.best["bits-per-character"] == min(bits)
    assert trained.best_epoch == 1 + bits.index(min(bits))


def test_the_gradient_stops_at_the_beginning_of_a_batch():
    model = net("rnn")
    carrying = Carrying(model)
    carrying(torch.tensor([[1, 2, 3]]))
    assert not carrying.state[0].requires_grad
    kept = carrying.tensors()
    assert list(kept) == ["single0"]
    stored = {f"carried.{name}": value for name, value in kept.items()}
    other = Carrying(model)
    other.restore(stored, "carried.", kept["single0"])
    model.eval()
    more = torch.tensor([[4, 5]])
    assert torch.equal(carrying(more), other(more))
    other.forget()
    assert not torch.equal(carrying(more), other(more))


def test_rows_that_were_not_there_begin_anew():
    model = net().eval()
    carrying = Carrying(model)
    first = torch.randint(0, 8, (3, 4))
    carrying(first)
    fewer = carrying(first[:2])
    whole = model(torch.cat([first[:2], first[:2]], dim=1))[:, 4:]
    assert torch.allclose(fewer, whole, atol=1e-6)
    assert torch.equal(carrying(first), model(first))
