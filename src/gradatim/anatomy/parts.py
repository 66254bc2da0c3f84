"""What an anatomy holds: plain numbers, each with its derivation, its status and its witness."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Status = Literal["exact", "bound", "not counted"]


@dataclass(frozen=True)
class Witness:
    """A second way to the same number.

    Attributes:
        name: what was asked: ``numel``, ``PyTorch's FLOP counter / 2``, ``measured gradient``.
        value: what it answered.
        agrees: whether both are equal.
    """

    name: str
    value: float
    agrees: bool


@dataclass(frozen=True)
class Number:
    """A number, how it comes about, how sure it is, and who else says so."""

    value: int
    derivation: str = ""
    status: Status = "exact"
    witness: Witness | None = None


@dataclass(frozen=True)
class Axis:
    """One axis of an output: its length with the formula and its numbers.

    Attributes:
        name: ``height``, ``width``, ``depth`` or ``length``.
        input, output: lengths before and after.
        formula: the rule in letters, ``(n - k + 2p)/s + 1``.
        derivation: with numbers, ``(224 - 11 + 2*2)/4 + 1 = 55.25 -> 55``.
        kernel, stride, padding, dilation: of the window, None where there is none.
        exact: the length before rounding.
        unread: positions of the padded input that no window reads.
        notes: what a reader should know.
        witness: the length of the tensor itself.
    """

    name: str
    input: int
    output: int
    formula: str
    derivation: str
    kernel: int | None = None
    stride: int | None = None
    padding: tuple[int, int] | None = None
    dilation: int | None = None
    exact: float | None = None
    unread: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()
    witness: Witness | None = None


@dataclass(frozen=True)
class Field:
    """The receptive field along one axis of the input.

    Attributes:
        axis: name of the input axis.
        size: input positions that one output position depends on (the most of any).
        jump: input positions from one output position to the next; a fraction as text, or None
            where the steps are not even.
        start: first input position of the first output position; negative in the padding.
        end: last input position of the last output position.
        whole: whether every output position depends on the whole input.
        status: ``bound`` when the true field may be smaller, or something is not counted.
        note: what is special: misaligned branches, statistics, a growing field.
        witness: the support of measured gradients on a one-channel copy.
    """

    axis: str
    size: int
    jump: str | None
    start: int
    end: int
    whole: bool
    status: Status = "exact"
    note: str = ""
    witness: Witness | None = None


@dataclass(frozen=True)
class Parameter:
    """A parameter as a layer uses it.

    ``role``: ``weights`` or ``biases``. ``counted`` is False when an earlier layer counted it.
    """

    name: str
    shape: tuple[int, ...]
    role: Literal["weights", "biases"]
    counted: bool = True

    @property
    def elements(self) -> int:
        """Number of values."""
        count = 1
        for length in self.shape:
            count *= length
        return count


@dataclass(frozen=True)
class Uncounted:
    """Operations that are no MACs: what they are, how many by the rule, and the rule."""

    what: str
    value: int
    derivation: str


@dataclass(frozen=True)
class Shares:
    """Shares of the whole, between 0 and 1."""

    parameters: float
    macs: float
    activation: float
    saved: float


@dataclass(frozen=True)
class Layer:
    """One call of a function on tensors, which for most networks is one layer.

    Attributes:
        index: its place in the order of execution.
        name: name of the module, or of the module and the function it calls.
        path: name of the module whose code made the call.
        visit: which run of that module this is, from 1.
        kind: what sort of work it is: ``convolution``, ``linear``, ``pooling``, ``move``, ...
        operation: the module or function in words.
        function: name of the function.
        inputs: indices of the layers it reads from; -1 is the input of the model.
        input_shapes, output_shapes: of the tensors that depend on the input, batch included.
        axes: derivation of the output's lengths.
        parameters: what it uses.
        weights, biases: how many it adds to the model.
        macs, flops: multiplications with addition, and twice that.
        uncounted: operations that the convention leaves out.
        fields: the receptive field, one for each axis of the input that is a place.
        activation_bytes: new memory for its output.
        saved_bytes: memory it keeps for the backward pass, beside parameters and buffers, counted
            where it is first kept.
        saved_parameter_bytes: parameters and buffers kept by reference, no new memory.
        shares: of the whole.
        notes: what a reader should know.
    """

    index: int
    name: str
    path: str
    visit: int
    kind: str
    operation: str
    function: str
    inputs: tuple[int, ...]
    input_shapes: tuple[tuple[int, ...], ...]
    output_shapes: tuple[tuple[int, ...], ...]
    axes: tuple[Axis, ...]
    parameters: tuple[Parameter, ...]
    weights: Number
    biases: Number
    macs: Number
    flops: Number
    uncounted: tuple[Uncounted, ...]
    fields: tuple[Field, ...]
    activation_bytes: Number
    saved_bytes: Number
    saved_parameter_bytes: int
    shares: Shares = field(default_factory=lambda: Shares(0, 0, 0, 0))
    notes: tuple[str, ...] = ()

    @property
    def shown(self) -> bool:
        """Whether a reader wants to see it at first: not what only moves or checks content."""
        return self.kind not in ("move", "arithmetic") or bool(self.parameters or self.macs.value)


@dataclass(frozen=True)
class Block:
    """Layers that belong together: a module, or a run of identical modules.

    Attributes:
        name: name of the module; of a run, the names of its first and last module.
        kind: class of the module; of a run, of its modules.
        layers: indices of all layers inside, of all repetitions.
        children: what is inside one repetition; empty for a single layer.
        count: how often it is repeated, identical each time.
    """

    name: str
    kind: str
    layers: tuple[int, ...]
    children: tuple[Block, ...] = ()
    count: int = 1


@dataclass(frozen=True)
class Totals:
    """The sums over the layers, each with its witness."""

    parameters: Number
    weights: Number
    biases: Number
    unused: Number
    macs: Number
    flops: Number
    parameter_bytes: Number
    activation_bytes: Number
    saved_bytes: Number


@dataclass(frozen=True)
class Difference:
    """One part of what lies between two totals."""

    what: str
    value: int


@dataclass(frozen=True)
class Opinion:
    """What somebody else says about the same network, and why it differs.

    Attributes:
        who: the tool or the paper.
        quantity: ``MACs``, ``FLOPs`` or ``parameters``.
        value: what they say.
        ours: the number here of the same quantity.
        differences: parts that add up to ``value - ours``, where all are known.
        note: their convention in words.
        computed: True when their convention was applied to these layers, False when it is quoted.
    """

    who: str
    quantity: str
    value: int
    ours: int
    differences: tuple[Difference, ...] = ()
    note: str = ""
    computed: bool = True

    @property
    def closes(self) -> bool:
        """Whether the differences add up."""
        return self.ours + sum(item.value for item in self.differences) == self.value


@dataclass(frozen=True)
class Anatomy:
    """Every number of a network on one input.

    Attributes:
        name: of the network.
        inputs: shapes of its inputs, batch included.
        outputs: shapes of its outputs.
        mode: ``train`` or ``eval``, as the model came.
        ran_on: ``fake tensors`` (nothing computed) or ``real tensors``, with the reason.
        layers: in the order of execution.
        blocks: the same as a tree of modules, identical repetitions folded.
        totals: the sums.
        others: what others say.
        unused_modules: modules that were never called.
        unused_parameters: parameters that no layer used.
        shared: parameters with several names, as (name, other names).
        notes: what a reader should know about the whole.
        seconds: how long it took.
    """

    name: str
    inputs: tuple[tuple[int, ...], ...]
    outputs: tuple[tuple[int, ...], ...]
    mode: Literal["train", "eval"]
    ran_on: str
    layers: tuple[Layer, ...]
    blocks: tuple[Block, ...]
    totals: Totals
    others: tuple[Opinion, ...]
    unused_modules: tuple[str, ...] = ()
    unused_parameters: tuple[str, ...] = ()
    shared: tuple[tuple[str, tuple[str, ...]], ...] = ()
    notes: tuple[str, ...] = ()
    seconds: float = 0.0

    def layer(self, name: str, visit: int = 1) -> Layer:
        """Return the layer of a name.

        Raises:
            KeyError: there is none.
        """
        for layer in self.layers:
            if layer.name == name and layer.visit == visit:
                return layer
        raise KeyError(name)

    def of_kind(self, *kinds: str) -> tuple[Layer, ...]:
        """Return the layers of some kinds, in order."""
        return tuple(layer for layer in self.layers if layer.kind in kinds)

    def witnesses(self) -> tuple[tuple[str, Witness], ...]:
        """Return every witness with the place it speaks of."""
        return tuple(_witnesses(self))

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        plain: dict[str, Any] = _plain(asdict(self))
        return plain


def _witnesses(anatomy: Anatomy) -> list[tuple[str, Witness]]:
    found: list[tuple[str, Witness]] = []

    def keep(place: str, owner: Any, names: Sequence[str]) -> None:
        for name in names:
            witness = getattr(owner, name).witness
            if witness is not None:
                found.append((f"{place} {name}".strip(), witness))

    counted = ("weights", "biases", "macs", "activation_bytes")
    for layer in anatomy.layers:
        keep(layer.name, layer, counted)
        for axis in layer.axes:
            if axis.witness is not None:
                found.append((f"{layer.name} {axis.name}", axis.witness))
        for item in layer.fields:
            if item.witness is not None:
                found.append((f"{layer.name} receptive field, {item.axis}", item.witness))
    keep("total", anatomy.totals, ("parameters", "macs", "activation_bytes"))
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value
