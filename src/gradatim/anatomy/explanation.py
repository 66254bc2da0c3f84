"""Explain a network: every number of every layer, where it comes from, and who agrees."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from gradatim.anatomy import counting, sizes
from gradatim.anatomy.fields import Reach, Reaches, axes_of, follow
from gradatim.anatomy.folding import fold
from gradatim.anatomy.geometry import bound, slidings
from gradatim.anatomy.others import known_to_counter, opinions
from gradatim.anatomy.parts import (
    Anatomy,
    Axis,
    Field,
    Layer,
    Number,
    Parameter,
    Shares,
    Totals,
    Uncounted,
    Witness,
)
from gradatim.anatomy.trace import Call, Trace, Value, trace, unwrapped
from gradatim.anatomy.witness import measured_fields

COUNTER = "PyTorch's FLOP counter / 2"


def explain(
    module: nn.Module,
    inputs: Any,
    *,
    witnesses: bool = True,
    name: str = "",
    dtype: torch.dtype | None = None,
) -> Anatomy:
    """Return every number of a network on one input, with derivations.

    The module runs once, on fake tensors where possible, and is left as it was: mode, parameters,
    buffers, hooks. A model on the ``meta`` device needs no memory for its weights.

    Args:
        module: any eager module.
        inputs: the shape of one sample without the batch axis, such as ``(3, 224, 224)``; or a
            tensor with it; or a list or tuple of arguments; or a mapping of named arguments.
        witnesses: also measure the receptive fields on a one-channel copy (the other witnesses
            cost nothing and are always asked).
        name: of the network; when it is known, what its paper says is compared.
        dtype: type of the input when a shape is given; by default that of the weights, or token
            indices for a module that looks its input up in a table.

    Raises:
        UsageError: the module does not run on this input, or has lazy layers.
    """
    began = time.perf_counter()
    module = unwrapped(module)
    found = trace(module, inputs, dtype=dtype)
    numel = {name: parameter.numel() for name, parameter in module.named_parameters()}
    source, axes = axes_of(found)
    reaches = {axis: follow(found, source, axis) for axis in axes} if source is not None else {}
    measured = (
        {axis: measured_fields(found, source, axis, reaches[axis]) for axis in axes}
        if witnesses and source is not None
        else {}
    )
    builder = _Builder(found, numel, source, reaches, measured)
    layers = builder.layers()
    totals = builder.totals(layers)
    layers = _with_shares(layers, totals)
    classes = {path: type(item).__name__ for path, item in module.named_modules()}
    name = name or type(module).__name__
    return Anatomy(
        name=name,
        inputs=tuple(value.shape for value in found.inputs),
        outputs=tuple(value.shape for value in found.outputs),
        mode="train" if found.training else "eval",
        ran_on="fake tensors" if found.fake else f"real tensors, because: {found.why_real}",
        layers=layers,
        blocks=fold(layers, classes),
        totals=totals,
        others=opinions(name, layers, totals, training=found.training),
        unused_modules=tuple(found.unvisited),
        unused_parameters=tuple(n for n in found.parameters if n not in builder.used),
        shared=tuple((first, tuple(rest)) for first, rest in found.aliases.items()),
        notes=builder.notes(module),
        seconds=time.perf_counter() - began,
    )


AXES = {1: ("length",), 2: ("height", "width"), 3: ("depth", "height", "width")}


def axis_names(source: Value, axes: Sequence[int]) -> dict[int, str]:
    """Return names for the places of an input."""
    named = AXES.get(len(axes), tuple(f"axis {axis}" for axis in axes))
    if len(axes) == 1:
        named = ("length",) if axes[0] == 2 else ("step",)
    return dict(zip(axes, named, strict=True))


def _role(name: str) -> str:
    """Return ``biases`` or ``weights`` by a parameter's name, as PyTorch's layers use it."""
    last = name.rpartition(".")[2]
    if last.startswith("original"):  # parametrizations.bias.original
        last = name.split(".")[-2]
    return (
        "biases"
        if last == "bias" or last.startswith("bias_") or last.endswith("_bias")
        else ("weights")
    )


def _apart(reach: Reach) -> str:
    """Say where the channels of one position read different places."""
    if not reach.moves or reach.joint == reach.size:
        return ""
    return f"the channels read different places: {reach.joint} positions together"


@dataclass
class _Builder:
    trace: Trace
    numel: Mapping[str, int]
    source: Value | None
    reaches: Mapping[int, Reaches]
    measured: Mapping[int, Mapping[Value, tuple[int, int]]]

    def __post_init__(self) -> None:
        self.used: set[str] = set()
        self.names = axis_names(self.source, list(self.reaches)) if self.source else {}
        every = [call for call in self.trace.calls if self._is_layer(call)]
        main = [call for call in every if _is_main(call)]
        self.per_visit = Counter((call.frame.path, call.frame.visit) for call in main)
        self.all_per_visit = Counter((call.frame.path, call.frame.visit) for call in every)
        paths = {call.frame.path for call in main}
        self.parents = {path[:end] for path in paths for end in _dots(path)} | {""}

    def _stands_for_module(self, call: Call) -> bool:
        """Whether a call is all that its module does, so that it may carry the module's name."""
        path, visit = call.frame.path, call.frame.visit
        main = self.per_visit[path, visit] == 1 and _is_main(call)
        return (main or self.all_per_visit[path, visit] == 1) and path not in self.parents

    def _is_layer(self, call: Call) -> bool:
        return call.data or call.flops > 0

    # -- layers ------------------------------------------------------------------------------

    def layers(self) -> tuple[Layer, ...]:
        made: list[Layer] = []
        makers: dict[Value, int] = dict.fromkeys(self.trace.inputs, -1)
        taken: Counter[tuple[str, int]] = Counter()
        for call in self.trace.calls:
            if not self._is_layer(call):
                continue
            layer = self._layer(call, len(made), makers, taken)
            for value in call.outputs:
                makers[value] = layer.index
            made.append(layer)
        return tuple(made)

    def _layer(
        self,
        call: Call,
        index: int,
        makers: Mapping[Value, int],
        taken: Counter[tuple[str, int]],
    ) -> Layer:
        sort = counting.kind(call)
        parameters = self._parameters(call)
        weights, biases = self._counts(parameters)
        macs = self._macs(call)
        notes = self._notes(call, parameters)
        data = [value for value in call.inputs if value.data]
        saved = sum(size for size, owner in call.saved if owner is None)
        kept = sum(size for size, owner in call.saved if owner is not None)
        return Layer(
            index=index,
            name=self._name(call, taken),
            path=call.frame.path,
            visit=call.frame.visit,
            kind=sort,
            operation=self._operation(call),
            function=call.function,
            inputs=tuple(dict.fromkeys(makers[value] for value in data if value in makers)),
            input_shapes=tuple(value.shape for value in data),
            output_shapes=tuple(value.shape for value in call.outputs),
            axes=_axes(call),
            parameters=parameters,
            weights=weights,
            biases=biases,
            macs=macs,
            flops=Number(2 * macs.value, f"2*{macs.value:,} = {2 * macs.value:,}", macs.status)
            if macs.value
            else Number(0, "", macs.status),
            uncounted=tuple(
                Uncounted(extra.what, extra.value, extra.derivation)
                for extra in counting.extras(call)
            ),
            fields=tuple(self._fields(call)),
            activation_bytes=_activation(call),
            saved_bytes=Number(
                saved,
                "measured with hooks on saved tensors, each memory once"
                if call.saved_known
                else "a bound: what the processor's own operator keeps is not known here",
                "exact" if call.saved_known else "bound",
            ),
            saved_parameter_bytes=kept,
            notes=notes,
        )

    def _name(self, call: Call, taken: Counter[tuple[str, int]]) -> str:
        path, visit = call.frame.path, call.frame.visit
        function = call.function.strip("_") or call.function
        name = path if self._stands_for_module(call) else f"{path}.{function}".strip(".")
        taken[name, visit] += 1
        return name if taken[name, visit] == 1 else f"{name} #{taken[name, visit]}"

    def _operation(self, call: Call) -> str:
        if self._stands_for_module(call):
            return call.frame.described or call.frame.module
        return call.function.strip("_") or call.function

    def _parameters(self, call: Call) -> tuple[Parameter, ...]:
        names: dict[str, None] = {}
        for value in call.inputs:
            if value.source == "parameter":
                names[value.name] = None
            else:
                names.update(dict.fromkeys(sorted(value.parameters)))
        found = []
        for name in names:
            shape = self.trace.parameters[name].shape
            fresh = name not in self.used
            found.append(Parameter(name, shape, _role(name), fresh))  # type: ignore[arg-type]
            self.used.add(name)
        return tuple(found)

    def _counts(self, parameters: Sequence[Parameter]) -> tuple[Number, Number]:
        numbers = []
        for role in ("weights", "biases"):
            fresh = [item for item in parameters if item.role == role and item.counted]
            parts = [math.prod(item.shape) for item in fresh]
            said = sum(self.numel[item.name] for item in fresh)
            total = sum(parts)
            if len(fresh) == 1:
                text = sizes.product(fresh[0].shape)
            else:
                products = ["*".join(map(str, item.shape)) or "1" for item in fresh]
                shown = " + ".join(products[:6]) + (" + ..." if len(products) > 6 else "")
                text = f"{shown} = {total:,}" if fresh else ""
            witness = Witness("numel", said, said == total) if fresh else None
            numbers.append(Number(total, text, "exact", witness))
        return numbers[0], numbers[1]

    def _macs(self, call: Call) -> Number:
        count = counting.macs(self.trace, call)
        sort = counting.kind(call)
        if not count.value and sort not in ("convolution", "linear", "product", "attention"):
            return Number(0, "", "not counted")
        witness = None
        if count.own and call.flops:
            witness = Witness(COUNTER, call.flops / 2, call.flops == 2 * count.value)
        return Number(count.value, count.derivation, "exact", witness)

    def _fields(self, call: Call) -> list[Field]:
        found = []
        value = call.outputs[0]
        for axis, reaches in self.reaches.items():
            reach = reaches.get(value)
            if reach is None or self.source is None:
                continue
            length = self.source.shape[axis]
            first, last = reach.start, reach.end
            if not reach.moves:  # the same for every position: what is really read
                first, last = max(first, 0), min(last, length - 1)
            witness = None
            interval = self.measured.get(axis, {}).get(value)
            if interval is not None:
                size = interval[1] - interval[0] + 1
                witness = Witness("measured gradient support", size, size == reach.size)
            found.append(
                Field(
                    axis=self.names[axis],
                    size=reach.size if reach.moves else max(last - first + 1, 0),
                    jump=None if reach.jump is None else str(reach.jump),
                    start=first,
                    end=last,
                    whole=reach.covers(length),
                    status=reach.status,
                    note=reach.why or _apart(reach),
                    witness=witness,
                )
            )
        return found

    def _notes(self, call: Call, parameters: Sequence[Parameter]) -> tuple[str, ...]:
        notes = []
        again = [item.name for item in parameters if not item.counted]
        if again:
            notes.append(f"shares {', '.join(again[:3])}: counted where it was used first")
        if call.frame.visit > 1:
            notes.append(f"run {call.frame.visit} of the same module")
        if call.in_place and any(name.endswith("_") for name in call.operators):
            notes.append("changes its input in place: no new memory")
        elif call.in_place and call.function != "__setitem__":
            notes.append("does nothing here: its output is its input")
        if not call.data:
            notes.append("does not depend on the input: the same for every sample")
        if call.function == "pad" and (mode := bound(call, ("input", "pad", "mode")).get("mode")):
            notes.append(f"padding mode {mode}")
        return tuple(notes)

    # -- the whole ---------------------------------------------------------------------------

    def totals(self, layers: Sequence[Layer]) -> Totals:
        weights = sum(layer.weights.value for layer in layers)
        biases = sum(layer.biases.value for layer in layers)
        unused = sum(
            value.elements for name, value in self.trace.parameters.items() if name not in self.used
        )
        total = weights + biases + unused
        numel = sum(self.numel.values())
        macs = sum(layer.macs.value for layer in layers)
        flops = sum(call.flops for call in self.trace.calls)
        activation = sum(layer.activation_bytes.value for layer in layers)
        saved = sum(layer.saved_bytes.value for layer in layers)
        size = sum(value.bytes for value in self.trace.parameters.values())
        text = f"{weights:,} weights + {biases:,} biases"
        if unused:
            text += f" + {unused:,} never used"
        measured = sum(call.new_bytes for call in self.trace.calls if self._is_layer(call))
        known = all(call.saved_known for call in self.trace.calls)
        return Totals(
            parameters=Number(
                total, f"{text} = {total:,}", "exact", Witness("numel", numel, numel == total)
            ),
            weights=Number(weights),
            biases=Number(biases),
            unused=Number(unused),
            macs=Number(macs, "", "exact", _counted(layers, macs, flops)),
            flops=Number(2 * macs, f"2*{macs:,} = {2 * macs:,}"),
            parameter_bytes=Number(size),
            activation_bytes=Number(
                activation,
                "",
                "exact",
                Witness("memory of the tensors", measured, measured == activation),
            ),
            saved_bytes=Number(saved, "", "exact" if known else "bound"),
        )

    def notes(self, module: nn.Module) -> tuple[str, ...]:
        notes = []
        batch = {value.shape[0] for value in self.trace.inputs if len(value.shape) > 1}
        if len(batch) == 1 and (size := batch.pop()) > 1:
            notes.append(f"MACs and memory are for the whole batch of {size}")
        if self.trace.tokens:
            notes.append(
                "the input is taken as indices of tokens, since it is looked up in a table"
            )
        if any(value.source == "unknown" for value in self.trace.outputs):
            notes.append("a part of the model could not be heard, so that its calls are missing")
        if self.trace.unvisited:
            shown = ", ".join(self.trace.unvisited[:8])
            more = len(self.trace.unvisited) - 8
            notes.append(f"never called: {shown}" + (f" and {more} more" if more > 0 else ""))
        for first, rest in self.trace.aliases.items():
            notes.append(f"{first} is also {', '.join(rest)}: one parameter, counted once")
        if len(self.trace.inputs) > 1 and self.reaches and self.source is not None:
            notes.append(f"receptive fields are those of {self.source.name}")
        norms = nn.modules.batchnorm._BatchNorm
        if module.training and any(isinstance(item, norms) for item in module.modules()):
            notes.append(
                "in training, batch statistics also reach over the whole batch and map; "
                "receptive fields do not count that"
            )
        return tuple(notes)


def _dots(path: str) -> list[int]:
    return [place for place, letter in enumerate(path) if letter == "."]


def _counted(layers: Sequence[Layer], macs: int, flops: int) -> Witness:
    """Return PyTorch's count of the whole, which leaves out functions it has no rule for."""
    unknown = [layer for layer in layers if layer.macs.value and not known_to_counter(layer)]
    left_out = sum(layer.macs.value for layer in unknown)
    names = ", ".join(sorted({layer.function for layer in unknown}))
    name = f"{COUNTER}, which has no rule for {names}" if unknown else COUNTER
    return Witness(name, flops / 2, flops == 2 * (macs - left_out))


def _is_main(call: Call) -> bool:
    return counting.kind(call) not in ("move", "other") and call.function != "written"


def _activation(call: Call) -> Number:
    """Return the new memory of a call's output, against the memory it really got."""
    if not call.data:
        return Number(call.new_bytes, "the same for every sample", "exact")
    if not call.new_bytes:
        said = "in place" if call.in_place else "a view of its input"
        return Number(0, f"{said}: no new memory")
    parts = []
    for value in call.outputs:
        factors = [*value.shape, value.width]
        parts.append((math.prod(factors), "*".join(map(str, factors))))
    total = sum(size for size, _ in parts)
    text = " + ".join(text for _, text in parts[:4]) + (" + ..." if len(parts) > 4 else "")
    if total != call.new_bytes:  # some outputs share one memory, or padding was added
        return Number(call.new_bytes, f"{text}, of which {call.new_bytes:,} are new memory")
    witness = Witness("memory of the tensors", call.new_bytes, True)
    return Number(total, f"{text} = {total:,}", "exact", witness)


def _axes(call: Call) -> tuple[Axis, ...]:
    along = slidings(call)
    if along:
        named = AXES.get(len(along), tuple(f"axis {i}" for i in range(len(along))))
        made = []
        for name, sliding in zip(named, along, strict=True):
            size = sliding.size()
            windows = sliding.kind in ("window", "transposed")
            made.append(
                Axis(
                    name=name,
                    input=sliding.input,
                    output=sliding.output,
                    formula=size.formula,
                    derivation=size.derivation,
                    kernel=sliding.kernel if windows else None,
                    stride=sliding.stride if windows else None,
                    padding=sliding.padding if windows else None,
                    dilation=sliding.dilation if windows else None,
                    exact=size.exact,
                    unread=size.unread if len(size.unread) <= 1000 else size.unread[:1000],
                    notes=size.notes,
                    witness=Witness(
                        "shape of the tensor", sliding.output, size.output == sliding.output
                    ),
                )
            )
        return tuple(made)
    if call.function == "linear" and call.inputs:
        before, after = call.inputs[0].shape[-1], call.outputs[0].shape[-1]
        return (Axis("features", before, after, "rows of the weight", f"{before} -> {after}"),)
    if call.function in ("flatten", "reshape", "view") and call.inputs and call.outputs:
        before_shape, after_shape = call.inputs[0].shape, call.outputs[0].shape
        if len(after_shape) == 2 and len(before_shape) > 2 and before_shape[0] == after_shape[0]:
            text = sizes.product(before_shape[1:])
            return (Axis("features", math.prod(before_shape[1:]), after_shape[1], "C*H*W", text),)
    return ()


def _with_shares(layers: Sequence[Layer], totals: Totals) -> tuple[Layer, ...]:
    def share(part: int, whole: int) -> float:
        return part / whole if whole else 0.0

    return tuple(
        replace(
            layer,
            shares=Shares(
                share(layer.weights.value + layer.biases.value, totals.parameters.value),
                share(layer.macs.value, totals.macs.value),
                share(layer.activation_bytes.value, totals.activation_bytes.value),
                share(layer.saved_bytes.value, totals.saved_bytes.value),
            ),
        )
        for layer in layers
    )
