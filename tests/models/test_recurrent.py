import math

import pytest
import torch
from torch import nn

from gradatim.core.spec import Spec
from gradatim.errors import UsageError, ValueRefusedError
from gradatim.models import build
from gradatim.models.sequences import detach_state, lengths_of

SERIES = Spec("classification", "sequence", (9, 3), ("up", "down"))
TEXT = Spec("classification", "text", (9,), ("yes", "no"), vocabulary=12)
NEXT = Spec("next-token", "text", (9,), vocabulary=12)
CELLS = ("rnn", "lstm", "gru")


def filled_up(sequences, steps, fill):
    shape = (steps, *sequences[0].shape[1:])
    out = torch.full((len(sequences), *shape), fill, dtype=sequences[0].dtype)
    for row, sequence in zip(out, sequences, strict=True):
        row[: len(sequence)] = sequence
    return out


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("options", [{}, {"layers": 2, "bidirectional": True, "dropout": 0.3}])
@pytest.mark.parametrize("spec", [SERIES, TEXT], ids=["series", "text"])
def test_filling_up_changes_nothing(cell, options, spec):
    torch.manual_seed(0)
    module = build(cell, spec, {"hidden": 5, "embedding": 4, **options}).eval()
    lengths = (4, 9, 1, 6)
    if spec is TEXT:
        sequences = [torch.randint(1, 12, (n,)) for n in lengths]
        padded, further = filled_up(sequences, 9, 0), filled_up(sequences, 15, 0)
    else:
        sequences = [torch.randn(n, 3) for n in lengths]
        padded, further = filled_up(sequences, 9, math.nan), filled_up(sequences, 15, math.nan)
    alone = torch.cat([module(sequence[None]) for sequence in sequences])
    assert torch.allclose(module(padded), alone, atol=1e-6)
    assert torch.allclose(module(further), alone, atol=1e-6)
    assert torch.allclose(module(padded, torch.tensor(lengths)), alone, atol=1e-6)
    assert torch.equal(lengths_of(padded), torch.tensor(lengths))


def test_gradients_do_not_see_the_filling():
    module = build("lstm", SERIES, {"hidden": 5})
    padded = filled_up([torch.randn(4, 3), torch.randn(9, 3)], 9, math.nan)
    module(padded).square().sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in module.parameters())


def test_true_steps_at_the_start_may_hold_a_zero_or_a_nan_number():
    assert lengths_of(torch.tensor([[3, 0, 5, 0, 0], [0, 0, 0, 0, 0]])).tolist() == [3, 1]
    x = torch.zeros(1, 4, 2)
    x[0, 1, 0] = math.nan
    assert lengths_of(x).tolist() == [4]


@pytest.mark.parametrize("spec", [SERIES, TEXT], ids=["series", "text"])
@pytest.mark.parametrize("cell", CELLS)
def test_the_equations_are_what_the_cell_computes(cell, spec):
    torch.manual_seed(1)
    module = build(cell, spec, {"hidden": 6, "embedding": 4}).eval()
    sequence = torch.randn(9, 3) if spec is SERIES else torch.randint(1, 12, (9,))
    parts = module.unrolled(sequence)
    assert all(values.shape == (9, 6) for values in parts.values())
    assert torch.allclose(parts["hidden"], module.states(sequence[None])[0], atol=1e-6)
    if cell == "rnn":
        relu = build(cell, spec, {"hidden": 6, "embedding": 4, "activation": "relu"}).eval()
        assert torch.allclose(
            relu.unrolled(sequence)["hidden"], relu.states(sequence[None])[0], atol=1e-6
        )


def test_the_forget_gate_starts_open():
    module = build("lstm", SERIES, {"hidden": 6})
    bias = module.recurrent.bias_ih_l0 + module.recurrent.bias_hh_l0
    assert torch.equal(bias[6:12], torch.ones(6))
    assert not torch.equal(bias[:6], torch.ones(6))


def test_initialisation_of_the_cell():
    module = build("rnn", SERIES, {"hidden": 6, "initialisation": "orthogonal"})
    square = module.recurrent.weight_hh_l0
    assert torch.allclose(square @ square.T, torch.eye(6), atol=1e-5)
    assert not module.recurrent.bias_ih_l0.any()


@pytest.mark.parametrize("cell", CELLS)
def test_a_text_in_pieces_is_the_text_in_one(cell):
    module = build(cell, NEXT, {"hidden": 7, "layers": 2}).eval()
    tokens = torch.randint(0, 12, (2, 20))
    whole = module(tokens)
    assert whole.shape == (2, 20, 12)
    state, pieces = None, []
    for piece in tokens.split(6, dim=1):
        scores, state = module.continue_from(piece, state)
        state = detach_state(state)
        pieces.append(scores)
    assert torch.allclose(torch.cat(pieces, dim=1), whole, atol=1e-6)


def test_a_detached_state_stops_the_gradient():
    module = build("lstm", NEXT, {"hidden": 7})
    _, state = module.continue_from(torch.randint(0, 12, (1, 5)), None)
    assert all(part.requires_grad for part in state)
    assert not any(part.requires_grad for part in detach_state(state))
    assert not detach_state(torch.ones(1, requires_grad=True)).requires_grad


def test_the_next_token_is_not_seen():
    module = build("gru", NEXT, {"hidden": 7}).eval()
    tokens = torch.randint(0, 12, (1, 9))
    other = tokens.clone()
    other[0, 6] = (other[0, 6] + 1) % 12
    assert torch.equal(module(tokens)[0, :6], module(other)[0, :6])
    assert not torch.equal(module(tokens)[0, 6:], module(other)[0, 6:])
    with pytest.raises(ValueRefusedError, match="would see the token it is to predict"):
        build("gru", NEXT, {"bidirectional": True})


def test_sampling():
    torch.manual_seed(0)
    module = build("lstm", NEXT, {"hidden": 16})
    first = module.sample([3, 4], 30, seed=5)
    assert first == module.sample([3, 4], 30, seed=5)
    assert first != module.sample([3, 4], 30, seed=6)
    assert len(first) == 30
    assert all(0 <= token < 12 for token in first)
    assert module.training
    likeliest = module.sample([3, 4], 5, temperature=0)
    module.eval()
    tokens = [3, 4]
    for token in likeliest:
        assert token == int(module(torch.tensor([tokens]))[0, -1].argmax())
        tokens.append(token)


def test_sampling_follows_the_probabilities():
    torch.manual_seed(0)
    module = build("rnn", Spec("next-token", "text", (4,), vocabulary=3), {"hidden": 4}).eval()
    with torch.no_grad():
        module.output.weight.zero_()
        module.output.bias.copy_(torch.tensor([0.5, 0.3, 0.2]).log())
    drawn = torch.tensor(module.sample([0], 4000))
    shares = torch.bincount(drawn, minlength=3) / 4000
    assert torch.allclose(shares, torch.tensor([0.5, 0.3, 0.2]), atol=0.03)
    cold = torch.bincount(torch.tensor(module.sample([0], 4000, temperature=0.5)), minlength=3)
    sharper = torch.tensor([0.25, 0.09, 0.04]) / 0.38
    assert torch.allclose(cold / 4000, sharper, atol=0.03)


def test_what_cannot_be_sampled_is_refused():
    with pytest.raises(UsageError, match="does not continue texts"):
        build("lstm", TEXT).sample([1], 3)
    with pytest.raises(UsageError, match="at least one token"):
        build("lstm", NEXT).sample([], 3)
    with pytest.raises(ValueRefusedError, match="at least two tokens"):
        build("lstm", Spec("classification", "text", (4,), ("a", "b")))


def test_a_long_lag_is_learnt():
    """The answer is the first of twelve numbers: the gradient has to pass through all steps."""
    torch.manual_seed(0)
    spec = Spec("regression", "sequence", (12, 1))
    module = build("lstm", spec, {"hidden": 16})
    optimiser = torch.optim.Adam(module.parameters(), lr=0.02)
    for _ in range(400):
        x = torch.rand(64, 12, 1)
        loss = nn.functional.mse_loss(module(x)[:, 0], x[:, 0, 0])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert float(loss.detach()) < 0.02 < 1 / 12
