"""Inside recurrent networks: gate values over a sequence, and the gradient's norm by time step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from gradatim.anatomy.features import evaluating
from gradatim.errors import UsageError, ValueRefusedError


@dataclass(frozen=True)
class Gates:
    """What a recurrent layer does at every step, for one sequence.

    Attributes:
        kind: ``LSTM``, ``GRU`` or ``RNN``.
        layer: index of the layer in the stack.
        values: by name, ``steps x hidden``: ``input``, ``forget``, ``cell candidate``, ``output``
            of an LSTM with its ``cell`` and ``hidden`` state; ``reset``, ``update``, ``candidate``
            and ``hidden`` of a GRU; ``hidden`` of an RNN.
        error: largest difference of the hidden states from those PyTorch's layer computes.
    """

    kind: str
    layer: int
    values: dict[str, list[list[float]]]
    error: float

    def means(self) -> dict[str, list[float]]:
        """Return the mean over the units at every step, by name."""
        return {name: [sum(row) / len(row) for row in rows] for name, rows in self.values.items()}

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)


def gates(layer: nn.RNNBase, x_TF: Tensor, index: int = 0) -> Gates:
    """Compute the gates of one recurrent layer over one sequence, by the written equations.

    The equations are those of ``torch.nn.LSTM``, ``GRU`` and ``RNN``; the hidden states are
    compared with what the layer itself computes. In a stack, layers below ``index`` are run first.

    Args:
        layer: the recurrent module (its forward direction is opened up).
        x_TF: one sequence, ``steps x features``.
        index: which layer of the stack.

    Raises:
        UsageError: the module has projections, or is bidirectional below ``index``.
        ValueRefusedError: no such layer, or the sequence does not fit.
    """
    if not 0 <= index < layer.num_layers:
        raise ValueRefusedError(
            "the stack has no such layer", given=index, allowed=f"0 to {layer.num_layers - 1}"
        )
    if x_TF.dim() != 2 or x_TF.shape[1] != layer.input_size:
        raise ValueRefusedError(
            "the sequence does not fit the layer",
            given="x".join(map(str, x_TF.shape)),
            allowed=f"steps x {layer.input_size}",
        )
    if getattr(layer, "proj_size", 0):
        raise UsageError("a recurrent layer with projections cannot be opened up")
    if layer.bidirectional and index > 0:
        raise UsageError(
            "above the first layer of a bidirectional stack no single direction exists"
        )
    with evaluating(layer), torch.no_grad():
        x = x_TF.to(_weights(layer, 0)[0].dtype)
        for below in range(index):
            x = torch.stack(_values(layer, x, below)["hidden"])
        values = _values(layer, x, index)
        expected = _hidden_of(layer, x, index)
    error = float((torch.stack(values["hidden"]) - expected).abs().max())
    kind = "RNN" if layer.mode.startswith("RNN") else layer.mode
    plain = {name: torch.stack(rows).double().tolist() for name, rows in values.items()}
    return Gates(kind, index, plain, error)


def _weights(layer: nn.RNNBase, index: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    into, back = getattr(layer, f"weight_ih_l{index}"), getattr(layer, f"weight_hh_l{index}")
    if not layer.bias:
        nothing = torch.zeros(into.shape[0], dtype=into.dtype)
        return into, back, nothing, nothing
    return into, back, getattr(layer, f"bias_ih_l{index}"), getattr(layer, f"bias_hh_l{index}")


def _values(layer: nn.RNNBase, x: Tensor, index: int) -> dict[str, list[Tensor]]:
    into, back, bias_in, bias_back = _weights(layer, index)
    hidden = torch.zeros(layer.hidden_size, dtype=x.dtype)
    cell = torch.zeros_like(hidden)
    step = {"LSTM": _lstm_step, "GRU": _gru_step}.get(layer.mode) or _rnn_step(layer)
    found: dict[str, list[Tensor]] = {}
    for x_t in x:
        given, remembered = into @ x_t + bias_in, back @ hidden + bias_back
        values, hidden, cell = step(given, remembered, hidden, cell)
        for name, value in values.items():
            found.setdefault(name, []).append(value)
    return found


Step = Callable[[Tensor, Tensor, Tensor, Tensor], tuple[dict[str, Tensor], Tensor, Tensor]]


def _lstm_step(
    given: Tensor, remembered: Tensor, hidden: Tensor, cell: Tensor
) -> tuple[dict[str, Tensor], Tensor, Tensor]:
    into, forget, candidate, out = (given + remembered).chunk(4)
    into, forget, out = into.sigmoid(), forget.sigmoid(), out.sigmoid()
    candidate = candidate.tanh()
    cell = forget * cell + into * candidate
    hidden = out * cell.tanh()
    return (
        {
            "input": into,
            "forget": forget,
            "cell candidate": candidate,
            "output": out,
            "cell": cell,
            "hidden": hidden,
        },
        hidden,
        cell,
    )


def _gru_step(
    given: Tensor, remembered: Tensor, hidden: Tensor, cell: Tensor
) -> tuple[dict[str, Tensor], Tensor, Tensor]:
    reset_x, update_x, new_x = given.chunk(3)
    reset_h, update_h, new_h = remembered.chunk(3)
    reset, update = (reset_x + reset_h).sigmoid(), (update_x + update_h).sigmoid()
    candidate = (new_x + reset * new_h).tanh()
    hidden = (1 - update) * candidate + update * hidden
    return (
        {"reset": reset, "update": update, "candidate": candidate, "hidden": hidden},
        hidden,
        cell,
    )


def _rnn_step(layer: nn.RNNBase) -> Step:
    activation = torch.relu if layer.mode == "RNN_RELU" else torch.tanh

    def step(
        given: Tensor, remembered: Tensor, hidden: Tensor, cell: Tensor
    ) -> tuple[dict[str, Tensor], Tensor, Tensor]:
        hidden = activation(given + remembered)
        return {"hidden": hidden}, hidden, cell

    return step


def _hidden_of(layer: nn.RNNBase, x: Tensor, index: int) -> Tensor:
    """Return the hidden states of one layer as PyTorch computes them."""
    options = {"nonlinearity": "relu"} if layer.mode == "RNN_RELU" else {}
    kind = {"LSTM": nn.LSTM, "GRU": nn.GRU}.get(layer.mode, nn.RNN)
    with torch.random.fork_rng(devices=[]):  # its own start is overwritten at once
        single = kind(x.shape[1], layer.hidden_size, bias=layer.bias, **options).to(x.dtype)
    state = {
        name.replace(f"_l{index}", "_l0"): tensor
        for name, tensor in layer.state_dict().items()
        if name.endswith(f"_l{index}")
    }
    single.load_state_dict(state)
    out: Tensor = single(x[:, None])[0][:, 0]
    return out


def gates_in(module: nn.Module, x: Tensor, index: int = 0) -> Gates:
    """Compute the gates of the first recurrent layer inside a network, for the first sequence.

    Args:
        module: the network.
        x: what the network takes, a batch.
        index: which layer of the recurrent stack.

    Raises:
        UsageError: the network has no recurrent layer.
    """
    layer = next((item for item in module.modules() if isinstance(item, nn.RNNBase)), None)
    if layer is None:
        raise UsageError("the model has no recurrent layer", given=type(module).__name__)
    inputs: list[Any] = []
    handle = layer.register_forward_pre_hook(lambda _m, args: inputs.append(args[0]))
    try:
        with evaluating(module), torch.no_grad():
            module(x)
    finally:
        handle.remove()
    entered = inputs[0]
    if isinstance(entered, nn.utils.rnn.PackedSequence):
        padded, lengths = nn.utils.rnn.pad_packed_sequence(entered, batch_first=True)
        sequence = padded[0, : int(lengths[0])]
    else:
        sequence = entered[0] if layer.batch_first else entered[:, 0]
    return gates(layer, sequence, index)


@dataclass(frozen=True)
class TimeGradient:
    """How strongly the loss depends on each step of the input.

    Attributes:
        norms: norm of the loss's gradient by the input of each step, mean over the batch.
        ratio: norm at the first step divided by that at the last; 0 when it vanished.
    """

    norms: tuple[float, ...]
    ratio: float

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)


def gradient_by_step(module: nn.Module, x: Tensor, target: Tensor | None = None) -> TimeGradient:
    """Return the norm of the gradient by time step.

    It is the gradient of the cross-entropy of the targets; without targets, of the sum of the
    scores. A norm that falls by a constant factor for every step back is a vanishing gradient.
    For a text it is taken by the vectors that stand for the tokens.

    Args:
        module: a network whose input is a sequence.
        x: the batch: ``N x steps x features``, or token indices ``N x steps``.
        target: class indices (N), or values.

    Raises:
        UsageError: the input is no batch of sequences.
    """
    tokens = not x.is_floating_point()
    if x.dim() != (2 if tokens else 3):
        raise UsageError(
            "the gradient by step needs a batch of sequences",
            given="x".join(map(str, x.shape)),
            allowed="batch x steps x features of floating point, or batch x steps of tokens",
        )
    leaves: list[Tensor] = []

    def as_leaf(_: object, __: object, output: Tensor) -> Tensor:
        leaves.append(output.detach().requires_grad_())
        return leaves[-1]

    handle = None
    if tokens:
        table = next((item for item in module.modules() if isinstance(item, nn.Embedding)), None)
        if table is None:
            raise UsageError("the model looks up no token vectors", given=type(module).__name__)
        handle = table.register_forward_hook(as_leaf)
    else:
        x = x.detach().clone().requires_grad_()
        leaves.append(x)
    try:
        # cuDNN's recurrent layers refuse a backward pass in evaluation; PyTorch's own do not.
        with evaluating(module), torch.enable_grad(), torch.backends.cudnn.flags(enabled=False):
            scores = module(x)
            scores = scores[0] if isinstance(scores, tuple) else scores
            (gradient,) = torch.autograd.grad(_loss(scores, target), leaves[0])
    finally:
        if handle is not None:
            handle.remove()
    norms = gradient.norm(dim=2).mean(0)
    last = float(norms[-1])
    ratio = float(norms[0]) / last if last else 0.0
    return TimeGradient(tuple(norms.double().tolist()), ratio)


def _loss(scores: Tensor, target: Tensor | None) -> Tensor:
    if target is None:
        return scores.sum()
    if target.is_floating_point():
        return (scores.reshape(target.shape) - target).square().sum()
    return nn.functional.cross_entropy(scores, target, reduction="sum")
