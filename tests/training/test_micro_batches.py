"""A step whose memory does not suffice goes through in parts, to the same weights."""

import math
from functools import partial

import pytest
import torch
from torch import nn
from torch.nn import functional

from gradatim.core.record import Record
from gradatim.core.talk import Silence
from gradatim.errors import MemoryShortageError
from gradatim.training import evaluate, train
from gradatim.training.losses import balanced_weights, cross_entropy
from gradatim.training.micro_batches import can_be_halved, is_shortage, portions

ERRORS = [
    MemoryError(),
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to ..."),
    RuntimeError("std::bad_alloc"),
]


class Narrow(nn.Module):
    """A net in a memory that holds so many samples at once."""

    def __init__(self, net, room, error):
        super().__init__()
        self.net, self.room, self.error = net, room, error
        self.seen = []

    def forward(self, inputs):
        self.seen.append(len(inputs))
        if len(inputs) > self.room:
            raise self.error
        return self.net(inputs)


class Talks(Silence):
    def __init__(self):
        self.warnings = []

    def warn(self, text):
        self.warnings.append(text)


def plain_net():
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 2)).double()


def doubled(batches):
    return [(inputs.double(), targets) for inputs, targets in batches]


@pytest.mark.parametrize("error", ERRORS, ids=[type(e).__name__ + str(e)[:9] for e in ERRORS])
@pytest.mark.parametrize("settings", [{}, {"class_weights": "balanced"}, {"l1": 0.01}], ids=str)
def test_parts_end_at_the_weights_of_the_whole(batches_of, error, settings):
    batches, nets = doubled(batches_of(210)), [plain_net(), plain_net()]
    close = {"rtol": 1e-10, "atol": 1e-12}
    if "class_weights" in settings:  # they are single precision
        batches, nets = batches_of(210), [net.float() for net in nets]
        close = {"rtol": 1e-4, "atol": 1e-6}
    whole, narrow = nets[0], Narrow(nets[1], 7, error)
    arguments = {"epochs": 2, "learning_rate": 0.01, "optimiser": "momentum", **settings}
    told = train(whole, batches, **arguments).epochs[-1]["train"]
    told_narrow = train(narrow, batches, **arguments).epochs[-1]["train"]
    for a, b in zip(whole.state_dict().values(), narrow.net.state_dict().values(), strict=True):
        torch.testing.assert_close(a, b, **close)
    assert told_narrow["loss"] == pytest.approx(told["loss"], rel=close["rtol"])
    assert told_narrow["accuracy"] == told["accuracy"]
    assert narrow.seen[:7] == [20, 10, 5, 5, 5, 5, 5]  # halved twice, then so for good
    assert narrow.seen.count(20) == 1


def test_it_is_told_kept_and_resumed(batches_of, folder, epochs_of):
    batches = epochs_of(doubled(batches_of()))
    talk = Talks()
    train(Narrow(plain_net(), 10, MemoryError()), batches, epochs=3, folder=folder, talk=talk)
    assert len(talk.warnings) == 1
    assert "did not suffice for 20 samples at once" in talk.warnings[0]
    assert "2 parts from step 1 on" in talk.warnings[0]
    events = Record.read(folder / "record.jsonl")
    assert [event["text"] for event in events.of("warning")] == talk.warnings


def test_a_resumed_run_goes_on_in_parts_to_the_same_bits(batches_of, tmp_path, epochs_of):
    batches = epochs_of(doubled(batches_of()))

    class Stops(Narrow):
        def forward(self, inputs):
            if len(self.seen) == 33:
                raise KeyboardInterrupt
            return super().forward(inputs)

    through = Narrow(plain_net(), 10, MemoryError())
    train(through, batches, epochs=3, folder=tmp_path / "through")
    with pytest.raises(KeyboardInterrupt):
        train(Stops(plain_net(), 10, MemoryError()), batches, epochs=3, folder=tmp_path / "two")
    again = Narrow(plain_net(), 1000, MemoryError())  # there would be room now
    train(again, batches, epochs=3, folder=tmp_path / "two", resume=True)
    assert set(again.seen) == {10}
    for a, b in zip(through.state_dict().values(), again.state_dict().values(), strict=True):
        assert torch.equal(a, b)


def test_where_nothing_fits_the_error_says_so(batches_of):
    with pytest.raises(MemoryShortageError) as found:
        train(Narrow(plain_net(), 1, MemoryError("no room")), doubled(batches_of()), epochs=1)
    assert "not even for the batch in the smallest parts (no room): '20 samples'" in str(
        found.value
    )
    assert "smaller data.batch_size" in str(found.value)


def test_other_errors_are_not_taken_for_it(batches_of):
    narrow = Narrow(plain_net(), 1, RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    with pytest.raises(RuntimeError, match="mat1"):
        train(narrow, doubled(batches_of()), epochs=1)
    assert narrow.seen == [20]


def test_evaluation_goes_through_in_parts(batches_of):
    batches = doubled(batches_of())
    narrow = Narrow(plain_net(), 6, MemoryError())
    whole, parted = evaluate(plain_net(), batches), evaluate(narrow, batches)
    assert narrow.seen[:6] == [20, 10, 5, 5, 5, 5]
    assert parted.metrics == whole.metrics
    assert parted.loss == pytest.approx(whole.loss, rel=1e-12)
    with pytest.raises(MemoryShortageError, match="smallest parts"):
        evaluate(Narrow(plain_net(), 0, MemoryError()), batches)


def test_shares_are_those_of_samples_or_of_their_class_weights():
    targets = torch.tensor([0, 1, 1, 1, 0])
    rows = torch.arange(10.0).reshape(5, 2)
    shares = [share for _, _, share in portions(rows, targets, 2, functional.cross_entropy)]
    assert shares == pytest.approx([2 / 5, 3 / 5])
    weights = balanced_weights(torch.tensor([2, 3]))

    weighed = partial(cross_entropy, class_weights=weights)
    parts = [*portions(rows, targets, 2, weighed)]
    whole = weighed(rows, targets)
    assert sum(share * weighed(some, wanted) for some, wanted, share in parts) == pytest.approx(
        whole.item()
    )
    assert math.fsum(share for _, _, share in parts) == pytest.approx(1)


def test_a_part_keeps_two_samples():
    assert can_be_halved(4, 1) and not can_be_halved(3, 1)
    assert can_be_halved(8, 2) and not can_be_halved(7, 2)
    assert not is_shortage(ValueError("out of memory"))
