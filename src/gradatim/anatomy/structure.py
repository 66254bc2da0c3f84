"""Tensors inside nested arguments: tuples, lists, mappings, data classes and packed sequences."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch


def tensors(value: Any) -> Iterator[torch.Tensor]:
    """Yield the tensors of a nested value, in order."""
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from tensors(item)
    elif isinstance(value, list | tuple | set | frozenset):
        for item in value:
            yield from tensors(item)
    elif isinstance(value, slice):
        yield from tensors((value.start, value.stop, value.step))
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            yield from tensors(getattr(value, field.name, None))


def replaced(value: Any, leaf: type | tuple[type, ...], change: Callable[[Any], Any]) -> Any:
    """Return a nested value with every ``leaf`` changed; parts that hold none stay as they are."""
    if isinstance(value, leaf):
        return change(value)
    if isinstance(value, Mapping):
        items = {key: replaced(item, leaf, change) for key, item in value.items()}
        if all(items[key] is value[key] for key in items):
            return value
        if type(value) is dict:
            return items
        copy = value.copy() if hasattr(value, "copy") else dict(value)
        copy.update(items)
        return copy
    if isinstance(value, list | tuple):
        parts = [replaced(item, leaf, change) for item in value]
        if all(new is old for new, old in zip(parts, value, strict=True)):
            return value
        if hasattr(value, "_fields"):
            return type(value)(*parts)
        return parts if isinstance(value, list) else tuple(parts)
    if isinstance(value, slice):
        start, stop, step = value.start, value.stop, value.step
        return slice(*(replaced(item, leaf, change) for item in (start, stop, step)))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        changes = {}
        for field in dataclasses.fields(value):
            old = getattr(value, field.name, None)
            new = replaced(old, leaf, change)
            if new is not old and field.init:
                changes[field.name] = new
        return dataclasses.replace(value, **changes) if changes else value
    return value
