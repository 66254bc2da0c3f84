"""What a module does with an input: every call of a function on tensors, in order.

Two modes of PyTorch listen while the module runs once. One hears the functions as people write
them (``conv2d``, ``relu``, ``+``, ``torch.cat``), the other the operators they become, which gives
PyTorch's own count of operations. Hooks on modules give names, hooks on saved tensors the memory
that a backward pass needs, and the identity of tensors the graph.

The module runs on fake tensors, which have a shape and no content: nothing is computed and nothing
allocated. What depends on content (a length, a condition) is run once more on real tensors.
Afterwards the module is as it was: hooks, mode, parameters, buffers, attributes.
"""

from __future__ import annotations

import logging
import warnings
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.nn.parameter import is_lazy
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from gradatim.anatomy.structure import replaced, tensors
from gradatim.errors import UsageError

Source = Literal["input", "parameter", "buffer", "constant", "call", "unknown"]


@dataclass(frozen=True, eq=False)
class Value:
    """A tensor at one moment: an in-place change makes a new value.

    Attributes:
        shape: its shape.
        dtype: name of its type, e.g. ``float32``.
        width: bytes of one element.
        source: where it comes from.
        name: of an input, a parameter or a buffer.
        data: whether it depends on the input of the module.
        parameters: names of the parameters it was made from without any input.
        maker: number of the call that made it; -1 for none.
    """

    shape: tuple[int, ...]
    dtype: str
    width: int
    source: Source
    name: str = ""
    data: bool = False
    parameters: frozenset[str] = frozenset()
    maker: int = -1

    @property
    def elements(self) -> int:
        """Number of elements."""
        count = 1
        for length in self.shape:
            count *= length
        return count

    @property
    def bytes(self) -> int:
        """Bytes of all elements."""
        return self.elements * self.width


@dataclass(frozen=True)
class Frame:
    """A module that is running: its name, class, description and which of its runs this is."""

    path: str
    module: str
    described: str
    visit: int


@dataclass
class Call:
    """One call of a function on tensors.

    ``arguments``, ``options`` and ``result`` hold a ``Value`` wherever a tensor was.
    """

    number: int
    function: str
    run: Callable[..., Any]
    arguments: tuple[Any, ...]
    options: Mapping[str, Any]
    frame: Frame
    result: Any = None
    outputs: tuple[Value, ...] = ()
    operators: Counter[str] = field(default_factory=Counter)
    pointwise: bool = True
    flops: int = 0
    saved: list[tuple[int, str | None]] = field(default_factory=list)
    saved_known: bool = True
    new_bytes: int = 0
    in_place: bool = False

    @property
    def inputs(self) -> tuple[Value, ...]:
        """The values among its arguments."""
        return tuple(values((self.arguments, self.options)))

    @property
    def data(self) -> bool:
        """Whether what it makes depends on the input of the module."""
        return any(value.data for value in self.outputs)


@dataclass
class Trace:
    """One run of a module, as calls."""

    calls: list[Call]
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    parameters: dict[str, Value]
    aliases: dict[str, list[str]]
    visits: dict[str, int]
    unvisited: list[str]
    fake: bool
    why_real: str
    training: bool
    known: dict[Value, Tensor]
    tokens: bool = False

    def evaluate(self, value: Value) -> Tensor | None:
        """Return the content of a value that depends on no input, computed when it is asked for."""
        if value.data:
            return None
        if value in self.known:
            return self.known[value]
        if value.maker < 0:
            return None
        call = self.calls[value.maker]
        if call.in_place or value.elements > 10_000_000:
            return None
        contents = {item: self.evaluate(item) for item in call.inputs}
        if any(content is None for content in contents.values()):
            return None
        try:
            arguments = replaced(call.arguments, Value, contents.__getitem__)
            options = replaced(dict(call.options), Value, contents.__getitem__)
            made = call.run(*arguments, **options)
        except Exception:  # content is a help, never a need
            return None
        self.known.update(zip(call.outputs, tensors(made), strict=False))
        return self.known.get(value)


def values(structure: Any) -> Iterator[Value]:
    """Yield the values of a nested structure, in order."""
    found: list[Value] = []

    def keep(value: Value) -> Value:
        found.append(value)
        return value

    replaced(structure, Value, keep)
    yield from found


# Functions whose result has no content of its input: only its shape, type or place.
_SHAPE_ONLY = frozenset(
    {"zeros_like", "ones_like", "empty_like", "full_like", "rand_like", "randn_like"}
    | {"randint_like", "new_zeros", "new_ones", "new_empty", "new_full", "new_tensor"}
    | {"zeros", "ones", "empty", "full", "rand", "randn"}
)
# Operators that move no content between positions, beside those PyTorch tags as pointwise.
_NEUTRAL = frozenset(
    {"detach", "alias", "clone", "_to_copy", "lift_fresh", "copy_", "expand", "fill_"}
    | {"empty", "full", "zeros", "ones", "new_empty", "new_full", "new_zeros", "scalar_tensor"}
    | {"empty_like", "full_like", "zeros_like", "ones_like", "rand_like", "uniform_"}
    | {"bernoulli", "bernoulli_", "native_dropout", "rrelu_with_noise"}
)
# Operators PyTorch's counter has no rule for, and the one of the same work that has.
_SAME_WORK = {
    "_scaled_dot_product_flash_attention_for_cpu": (
        torch.ops.aten._scaled_dot_product_flash_attention
    )
}
_DEVICE_DEPENDENT = frozenset(
    {"lstm", "gru", "rnn_tanh", "rnn_relu"}
    | {"scaled_dot_product_attention", "multi_head_attention_forward"}
)
_RECURRENT = frozenset({"lstm", "gru", "rnn_tanh", "rnn_relu"})


def function_name(function: Any) -> str:
    """Return the name people write: ``conv2d``, ``__add__``, or the attribute that is read."""
    name = getattr(function, "__name__", None) or str(function)
    if name in ("__get__", "__set__"):
        return str(getattr(getattr(function, "__self__", None), "__name__", name))
    return str(name)


def _storage(tensor: Tensor) -> int | None:
    try:
        return int(tensor.untyped_storage()._cdata)
    except (RuntimeError, NotImplementedError):  # e.g. sparse tensors have no single storage
        return None


def _storage_bytes(tensor: Tensor) -> int:
    try:
        return int(tensor.untyped_storage().nbytes())
    except (RuntimeError, NotImplementedError):
        return tensor.numel() * tensor.element_size()


class _Notebook:
    """Everything that is written down during one run."""

    def __init__(
        self, module: nn.Module, fake_mode: FakeTensorMode | None, device: torch.device | None
    ) -> None:
        self.fake_mode = fake_mode
        places = (p.device for p in module.parameters() if not p.is_meta)
        self.device = device or next(places, torch.device("cpu"))
        self.calls: list[Call] = []
        self.frames: list[Frame] = []
        self.current: Call | None = None
        self.counting = True
        self.deaf = False  # while stand-ins are made
        self.failed: tuple[str, str, str] | None = None
        self.values: dict[int, Value] = {}  # id of a tensor -> its value now
        self.alive: list[Tensor] = []  # so that no id is used twice
        self.stands: dict[int, Tensor] = {}  # id of an outside tensor -> what runs in its place
        self.sharing: dict[int, list[int]] = {}  # storage -> ids of tensors that look into it
        self.own_storages: dict[int, str] = {}
        self.saved_storages: set[int] = set()
        self.known: dict[Value, Tensor] = {}
        self.names: dict[int, tuple[str, Source]] = {}
        self.originals: list[Tensor] = []
        for source, items in (
            ("parameter", module.named_parameters()),
            ("buffer", module.named_buffers()),
        ):
            for name, tensor in items:
                self.names.setdefault(id(tensor), (name, source))  # type: ignore[arg-type]

    # -- tensors and values ------------------------------------------------------------------

    def stand_in(self, tensor: Tensor) -> Tensor:
        """Return the tensor that runs in place of one from outside (a weight, a constant)."""
        if id(tensor) in self.values:
            return tensor
        if id(tensor) in self.stands:
            return self.stands[id(tensor)]
        if isinstance(tensor, FakeTensor) and tensor.is_meta == (self.device.type == "meta"):
            return tensor
        if self.fake_mode is None and tensor.grad_fn is not None and id(tensor) not in self.names:
            return tensor  # made in a way nobody heard: its value is unknown
        if is_lazy(tensor):
            raise UsageError(
                "the model has lazy layers whose sizes are not known yet",
                next_step="run the model once on a real input, then explain it",
            )
        name, source = self.names.get(id(tensor), ("", "constant"))
        self.deaf = True
        try:
            stand = self._made_for(tensor, source)
        finally:
            self.deaf = False
        self.stands[id(tensor)] = stand
        self.originals.append(tensor)
        parameters = frozenset([name]) if source == "parameter" else frozenset()
        value = self._enter(stand, source, name=name, parameters=parameters)
        storage = _storage(stand)
        if name and storage is not None:
            self.own_storages[storage] = name
        if not tensor.is_meta and not isinstance(tensor, FakeTensor):
            self.known[value] = tensor.detach()
        return stand

    def _made_for(self, tensor: Tensor, source: str) -> Tensor:
        if self.fake_mode is None:
            return tensor.detach().clone() if source == "buffer" else tensor
        if tensor.is_meta:
            made = torch.empty_strided(
                tensor.shape, tensor.stride(), dtype=tensor.dtype, device=self.device
            )
            return made.requires_grad_(tensor.requires_grad)
        return self.fake_mode.from_tensor(tensor)

    def _enter(self, tensor: Tensor, source: Source, **facts: Any) -> Value:
        value = Value(
            shape=tuple(int(length) for length in tensor.shape),
            dtype=str(tensor.dtype).removeprefix("torch."),
            width=tensor.element_size(),
            source=source,
            **facts,
        )
        self.values[id(tensor)] = value
        self.alive.append(tensor)
        storage = _storage(tensor)
        if storage is not None:
            self.sharing.setdefault(storage, []).append(id(tensor))
        return value

    def value(self, tensor: Tensor) -> Value:
        """Return the value of a tensor; one nobody has seen may depend on anything."""
        found = self.values.get(id(tensor))
        return found or self._enter(tensor, "unknown", data=True)

    # -- calls -------------------------------------------------------------------------------

    def begin(self, name: str, run: Callable[..., Any], args: Any, kwargs: Any) -> Call:
        """Open a call."""
        return Call(
            number=len(self.calls),
            function=name,
            run=run,
            arguments=replaced(args, Tensor, self.value),
            options=replaced(kwargs, Tensor, self.value),
            frame=self.frames[-1] if self.frames else Frame("", "", "", 1),
        )

    def finish(self, call: Call, args: Any, result: Any) -> None:
        """Close a call: enter what it made, and everything that looks into the same memory."""
        made = list(tensors(args[0])) if call.function == "__setitem__" else list(tensors(result))
        if not made:
            return
        before = {id(tensor) for tensor in tensors((args,))}
        inputs = call.inputs
        data = call.function not in _SHAPE_ONLY and any(value.data for value in inputs)
        parameters = frozenset[str]()
        if not data:
            parameters = parameters.union(*(value.parameters for value in inputs))
        outputs = []
        for tensor in made:
            storage = _storage(tensor)
            known = storage is not None and storage in self.sharing
            if id(tensor) in before:
                call.in_place = True
            elif not known:
                call.new_bytes += _storage_bytes(tensor)
            outputs.append(
                self._enter(tensor, "call", data=data, parameters=parameters, maker=call.number)
            )
        call.outputs = tuple(outputs)
        by_id = dict(zip(map(id, made), outputs, strict=True))
        call.result = replaced(result, Tensor, lambda tensor: by_id[id(tensor)])
        self.calls.append(call)
        if call.in_place and any(name.endswith("_") for name in call.operators):
            self._spread(call, made[0], outputs[0])

    def _spread(self, call: Call, changed: Tensor, value: Value) -> None:
        """Enter the change of a tensor for every other view of the same memory."""
        storage = _storage(changed)
        if storage is None:
            return
        for identity in dict.fromkeys(self.sharing[storage]):
            old = self.values[identity]
            if identity == id(changed) or old is value or not (value.data or old.data):
                continue
            number = len(self.calls)
            new = Value(
                old.shape, old.dtype, old.width, "call", data=True, maker=number, name=old.name
            )
            self.values[identity] = new
            self.calls.append(
                Call(number, "written", torch.clone, (old, value), {}, call.frame, new, (new,))
            )

    # -- memory ------------------------------------------------------------------------------

    def save(self, tensor: Tensor) -> int:
        """Note a tensor kept for the backward pass, once per memory; nothing is really kept."""
        storage = _storage(tensor)
        size = _storage_bytes(tensor)
        if storage is not None:
            if storage in self.saved_storages:
                return 0
            self.saved_storages.add(storage)
            if storage not in self.sharing:
                self.alive.append(tensor)  # keep the memory's number from being given again
        name = self.own_storages.get(storage) if storage is not None else None
        owner = self.current or (self.calls[-1] if self.calls else None)
        if owner is not None:
            owner.saved.append((size, name))
        return 0


class _Operators(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Hears the operators inside each call, and those that no function announced."""

    def __init__(self, notebook: _Notebook) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.notebook = notebook

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        book = self.notebook
        if func.namespace == "prim" or book.deaf:
            return func(*args, **kwargs)
        outside = None
        if book.current is None:  # compiled code, or an operator called by its own name
            args, kwargs = replaced((args, kwargs), Tensor, book.stand_in)
            outside = book.begin(func.overloadpacket.__name__, func, args, kwargs)
            book.current = outside
        try:
            result = func(*args, **kwargs)
        finally:
            call = book.current
            if outside is not None:
                book.current = None
        name = func.overloadpacket.__name__
        call.operators[name] += 1
        if torch.Tag.pointwise not in func.tags and name not in _NEUTRAL:
            call.pointwise = False
        count = flop_registry.get(_SAME_WORK.get(name, func.overloadpacket))
        if count is not None and book.counting:
            call.flops += int(count(*args, **kwargs, out_val=result))
        if outside is not None and name not in ("detach", "alias", "lift_fresh"):
            book.finish(outside, args, result)
        return result


class _Functions(TorchFunctionMode):
    """Hears the functions as they are written."""

    def __init__(self, notebook: _Notebook) -> None:
        super().__init__()
        self.notebook = notebook

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        book = self.notebook
        args, kwargs = replaced((args, kwargs or {}), Tensor, book.stand_in)
        if book.fake_mode is not None:
            args, kwargs = replaced((args, kwargs), torch.device, self._place)
        if book.current is not None:
            return func(*args, **kwargs)
        name = function_name(func)
        call = book.begin(name, func, args, kwargs)
        book.current = call
        try:
            if name in _RECURRENT:
                self._count_recurrent(func, args, kwargs)
                book.counting = False
            result = func(*args, **kwargs)
        except Exception:
            shapes = ", ".join("x".join(map(str, value.shape)) for value in call.inputs)
            book.failed = book.failed or (call.frame.path, name, shapes)
            raise
        finally:
            book.current = None
            book.counting = True
        book.finish(call, args, result)
        return result

    def _place(self, device: torch.device) -> torch.device:
        return self.notebook.device if device.type == "meta" else device

    def _count_recurrent(self, func: Any, args: Any, kwargs: Any) -> None:
        """Count the operations of a recurrent layer through the operators it is made of.

        On a processor PyTorch hands the layer to oneDNN as one operator, which it cannot count.
        """
        with torch.no_grad(), torch.backends.mkldnn.flags(enabled=False):
            func(*args, **kwargs)


def _tables(item: nn.Module) -> dict[str, dict[str, Any]]:
    """Return copies of what an attribute holds, for those a run may fill: lists and tables."""
    return {
        name: dict(value) if isinstance(value, dict) else list(value)  # type: ignore[misc]
        for name, value in item.__dict__.items()
        if type(value) in (dict, list, OrderedDict)
    }


@contextmanager
def _unchanged(module: nn.Module) -> Iterator[None]:
    """Give every module its attributes, parameters and buffers back."""
    before = [
        (item, dict(item.__dict__), _tables(item))
        for item in module.modules()
        if not isinstance(item, torch.jit.ScriptModule)
    ]
    try:
        yield
    finally:
        for item, attributes, tables in before:
            for name in [name for name in item.__dict__ if name not in attributes]:
                del item.__dict__[name]
            for name, value in attributes.items():
                if item.__dict__.get(name) is not value:
                    item.__dict__[name] = value
            for name, table in tables.items():
                _refill(item.__dict__[name], table)


def _refill(now: Any, table: Any) -> None:
    """Give a list or table its content back, without touching one that did not change."""
    if isinstance(table, list):
        if len(now) != len(table) or any(a is not b for a, b in zip(now, table, strict=True)):
            now[:] = table
    elif len(now) != len(table) or any(now.get(key) is not value for key, value in table.items()):
        now.clear()
        now.update(table)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep PyTorch from logging what fake tensors cannot do: it is tried again on real ones."""
    log = logging.getLogger("torch._subclasses.fake_tensor")
    before = log.disabled
    log.disabled = True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.disabled = before


@contextmanager
def _named(module: nn.Module, book: _Notebook) -> Iterator[dict[str, int]]:
    """Keep the stack of running modules by hooks that are removed at the end."""
    visits: dict[str, int] = {}
    with ExitStack() as hooks:
        for path, item in module.named_modules():
            visits[path] = 0
            leaf = not any(True for _ in item.children())
            described = f"{type(item).__name__}({item.extra_repr()})" if leaf else ""

            def enter(
                item: nn.Module, _: Any, path: str = path, described: str = described
            ) -> None:
                visits[path] += 1
                book.frames.append(Frame(path, type(item).__name__, described, visits[path]))

            def leave(item: nn.Module, _: Any, __: Any) -> None:
                book.frames.pop()

            try:
                hooks.callback(item.register_forward_pre_hook(enter).remove)
                hooks.callback(item.register_forward_hook(leave, always_call=True).remove)
            except (RuntimeError, AttributeError):  # some compiled modules take no hooks
                continue
        yield visits


def unwrapped(module: nn.Module) -> nn.Module:
    """Return the module inside the wrapper of ``torch.compile``."""
    while isinstance(inner := getattr(module, "_orig_mod", None), nn.Module):
        module = inner
    return module


def shape_of(inputs: Any) -> tuple[int, ...] | None:
    """Return the shape when the inputs are given as one, else None."""
    if isinstance(inputs, torch.Size) or (
        isinstance(inputs, Sequence) and inputs and all(isinstance(n, int) for n in inputs)
    ):
        return tuple(int(n) for n in inputs)
    return None


def _arguments(
    module: nn.Module, inputs: Any, dtype: torch.dtype | None, book: _Notebook
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return what the module is called with, entered as inputs of the trace."""
    shape = shape_of(inputs)
    if shape is not None:
        if dtype is None:
            floats = (p.dtype for p in module.parameters() if p.dtype.is_floating_point)
            dtype = next(floats, torch.float32)
        if dtype.is_floating_point or dtype.is_complex:
            generator = torch.Generator().manual_seed(0)
            content = (
                torch.empty(1, *shape, dtype=dtype)
                if book.fake_mode is not None
                else torch.randn(1, *shape, generator=generator).to(dtype)
            )
        else:
            content = torch.zeros(1, *shape, dtype=dtype)
        given: Any = (content.to(book.device) if book.fake_mode is None else content,)
    elif isinstance(inputs, Tensor):
        given = (inputs,)
    elif isinstance(inputs, list):
        given = tuple(inputs)
    else:
        given = inputs

    def as_input(tensor: Tensor) -> Tensor:
        if book.fake_mode is None:
            return tensor.detach().clone().requires_grad_(tensor.requires_grad)
        made = torch.empty_strided(
            tensor.shape,
            tensor.stride(),
            dtype=tensor.dtype,
            device=book.device if tensor.is_meta or shape is not None else tensor.device,
        )
        return made.requires_grad_(tensor.requires_grad)

    def enter(given: Any, name: str) -> Any:
        changed = replaced(given, Tensor, as_input)
        for tensor in tensors(changed):
            book._enter(tensor, "input", name=name, data=True)
        return changed

    if isinstance(given, Mapping):
        return (), {key: enter(item, str(key)) for key, item in given.items()}
    if isinstance(given, tuple) and not hasattr(given, "_fields"):
        names = ["input"] if len(given) == 1 else [f"input {i + 1}" for i in range(len(given))]
        return tuple(enter(item, name) for item, name in zip(given, names, strict=True)), {}
    return (enter(given, "input"),), {}


def _run(
    module: nn.Module,
    inputs: Any,
    dtype: torch.dtype | None,
    fake: bool,
    device: torch.device | None = None,
) -> Trace:
    fake_mode = FakeTensorMode(allow_non_fake_inputs=True) if fake else None
    book = _Notebook(module, fake_mode, device)
    hooks = torch.autograd.graph.saved_tensors_hooks(book.save, lambda kept: kept)
    with (
        _unchanged(module),
        torch.random.fork_rng(devices=[]),
        fake_mode or nullcontext(),
        _quiet(),
    ):
        args, kwargs = _arguments(module, inputs, dtype, book)
        entered = tuple(book.values[id(tensor)] for tensor in tensors((args, kwargs)))
        try:
            with (
                _named(module, book) as visits,
                torch.enable_grad(),
                hooks,
                _Operators(book),
                _Functions(book),
            ):
                result = module(*args, **kwargs)
        except Exception as error:
            error.failed_at = book.failed  # type: ignore[attr-defined]
            raise
    for call in book.calls if fake else ():
        if "mkldnn_rnn_layer" in call.operators:
            _measure_workspace(call)
        elif device is not None and call.function in _DEVICE_DEPENDENT:
            call.saved_known = False
    parameters, aliases = _parameters(module)
    paths_run = {path for path, count in visits.items() if count}
    used = {name for call in book.calls for value in call.inputs for name in value.parameters}
    unvisited = [
        path
        for path, item in module.named_modules()
        if path
        and path not in paths_run
        and not any(True for _ in item.children())
        and not any(f"{path}.{name}" in used for name, _ in item.named_parameters())
    ]
    return Trace(
        calls=book.calls,
        inputs=entered,
        outputs=tuple(book.value(tensor) for tensor in tensors(result)),
        parameters=parameters,
        aliases=aliases,
        visits=visits,
        unvisited=unvisited,
        fake=fake,
        why_real="",
        training=module.training,
        known=book.known,
    )


def _measure_workspace(call: Call) -> None:
    """Measure what oneDNN keeps of a recurrent layer, which fake tensors do not know.

    The call runs alone, on zeros; a layer too large for that keeps what is known as a bound.
    """
    call.saved_known = False
    if sum(value.elements for value in (*call.inputs, *call.outputs)) > 50_000_000:
        return
    sizes: list[int] = []
    seen: set[int | None] = set()

    def note(tensor: Tensor) -> None:
        if (storage := _storage(tensor)) not in seen:
            seen.add(storage)
            sizes.append(_storage_bytes(tensor))
            keep.append(tensor)

    def zeros(value: Value) -> Tensor:
        made = torch.zeros(value.shape, dtype=getattr(torch, value.dtype))
        return made.requires_grad_(value.source == "parameter")

    keep: list[Tensor] = []
    contents = {value: zeros(value) for value in call.inputs}
    arguments, options = replaced((call.arguments, dict(call.options)), Value, contents.__getitem__)
    with torch.autograd.graph.saved_tensors_hooks(note, lambda kept: kept):
        call.run(*arguments, **options)
    known = [size for size, _ in call.saved]
    if len(known) == len(sizes) and all(a in (b, 0) for a, b in zip(known, sizes, strict=True)):
        call.saved = [(size, name) for size, (_, name) in zip(sizes, call.saved, strict=True)]
        call.saved_known = True


def _parameters(module: nn.Module) -> tuple[dict[str, Value], dict[str, list[str]]]:
    """Return the parameters by their first name, and the other names of shared ones."""
    first: dict[int, str] = {}
    parameters: dict[str, Value] = {}
    aliases: dict[str, list[str]] = {}
    for name, parameter in module.named_parameters(remove_duplicate=False):
        if id(parameter) in first:
            aliases.setdefault(first[id(parameter)], []).append(name)
            continue
        first[id(parameter)] = name
        parameters[name] = Value(
            tuple(parameter.shape),
            str(parameter.dtype).removeprefix("torch."),
            parameter.element_size(),
            "parameter",
            name=name,
        )
    return parameters, aliases


def trace(module: nn.Module, inputs: Any, *, dtype: torch.dtype | None = None) -> Trace:
    """Run a module once and write down every call.

    Args:
        module: any eager module; it is left as it was.
        inputs: the shape of one sample without the batch axis, a tensor, a list or tuple of
            arguments, or a mapping of named arguments.
        dtype: type of the input when a shape is given; that of the weights by default.

    Raises:
        UsageError: the module does not run on this input, or has lazy layers.
    """
    lazy = [n for n, p in module.named_parameters() if is_lazy(p)]
    if lazy:
        raise UsageError(
            "the model has lazy layers whose sizes are not known yet",
            given=", ".join(lazy[:4]),
            next_step="run the model once on a real input, then explain it",
        )
    failed: list[tuple[torch.dtype | None, Exception]] = []
    for settings in _ways(module, inputs, dtype):
        try:
            found = _run(module, inputs, **settings)
        except UsageError:
            raise
        except Exception as error:
            failed.append((settings["dtype"], error))
            continue
        found.tokens = settings["dtype"] is not dtype
        if not found.fake:
            first = next(error for kind, error in failed if kind is settings["dtype"])
            found.why_real = (str(first).strip() or type(first).__name__).splitlines()[0]
        return found
    # A table that was given no indices says little: what failed with indices is the reason.
    looked_up = "indices" in str(failed[0][1])
    kinds = [error for kind, error in failed if looked_up is (kind is not dtype)]
    reason = kinds[-1] if kinds else failed[0][1]
    raise _does_not_run(reason, inputs) from reason


def _ways(module: nn.Module, inputs: Any, dtype: torch.dtype | None) -> list[dict[str, Any]]:
    """Return how a module is run, in turn, until one works."""
    given = [] if shape_of(inputs) is not None else list(tensors(inputs))
    ways: list[dict[str, Any]] = [{"dtype": dtype, "fake": True}]
    if dtype is None and not given and any(isinstance(m, nn.Embedding) for m in module.modules()):
        ways.append({"dtype": torch.long, "fake": True})  # the shape may be one of tokens
    if any(t.is_meta for t in [*module.parameters(), *module.buffers(), *given]):
        # Some models take a way of their own when they see the meta device.
        return ways + [{**way, "device": torch.device("meta")} for way in ways]
    return ways + [{**way, "fake": False} for way in ways]


def _does_not_run(error: Exception, inputs: Any) -> UsageError:
    """Say where a module failed, and on what."""
    shape = shape_of(inputs)
    given = (
        "x".join(map(str, shape))
        if shape is not None
        else ", ".join("x".join(map(str, tensor.shape)) for tensor in tensors(inputs))
    )
    place = ""
    failed = getattr(error, "failed_at", None)
    if failed is not None:
        path, name, shapes = failed
        place = f" at {path or 'the model itself'} ({name} of {shapes})"
    said = (str(error).strip() or type(error).__name__).splitlines()[0]
    return UsageError(
        f"the model does not run on this input{place}: {said}",
        given=given,
        next_step="give the shape of one sample without the batch, e.g. 3x224x224, "
        "or the tensors themselves",
    )
