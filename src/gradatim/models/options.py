"""Options of a model, read from the signature of its constructor: names, types, ranges, defaults.

A network writes each option once, as a keyword of ``__init__`` with its type::

    def __init__(self, spec: Spec, *, hidden: Widths = (256, 128), dropout: Share = 0.0) -> None:

and the names, the values allowed and the defaults follow from it.
"""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args, get_origin

from gradatim.errors import UnknownNameError, ValueRefusedError


@dataclass(frozen=True)
class Between:
    """The range of a number: ``low`` is allowed, ``high`` (where there is one) is not."""

    low: float
    high: float | None = None

    def holds(self, value: float) -> bool:
        """Return whether the value lies in the range."""
        return self.low <= value and (self.high is None or value < self.high)

    def __str__(self) -> str:
        if self.high is None:
            return f"at least {self.low:g}"
        return f"from {self.low:g} to below {self.high:g}"


Share = Annotated[float, Between(0, 1)]
"""A share, e.g. the probability with which dropout sets a value to zero."""
Positive = Annotated[int, Between(1)]
"""A number of things."""
Widths = tuple[Positive, ...]
"""Numbers of units of layers in order; may be empty."""


@dataclass(frozen=True)
class Option:
    """One option: its type as written in the signature, and its default."""

    name: str
    hint: Any
    default: Any


def options_of(network: type) -> dict[str, Option]:
    """Return the options of a network by name, in the order of its signature."""
    constructor = network.__init__  # type: ignore[misc]
    hints = typing.get_type_hints(constructor, include_extras=True)
    return {
        name: Option(name, hints[name], parameter.default)
        for name, parameter in inspect.signature(constructor).parameters.items()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    }


def resolve_options(network: type, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return every option of a network: the given values, checked, and the defaults.

    Raises:
        UnknownNameError: the network has no such option; the closest one is named.
        ValueRefusedError: a value is not of the option's type or outside its range.
    """
    options = options_of(network)
    for name in given:
        if name not in options:
            raise UnknownNameError(
                f"{network.__name__} has no option of this name",
                given=name,
                allowed=list(options) or "no options",
            )
    return {
        name: _read(name, option.hint, given[name]) if name in given else option.default
        for name, option in options.items()
    }


def _read(name: str, hint: Any, value: Any) -> Any:
    """Return the value as its type, or refuse it."""
    try:
        return _convert(hint, value)
    except (TypeError, ValueError):
        allowed = [str(word) for word in _words(hint)] or describe(hint)
        raise ValueRefusedError(
            f"the option {name} does not take this value", given=value, allowed=allowed
        ) from None


def _convert(hint: Any, value: Any) -> Any:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        number = _convert(arguments[0], value)
        if any(isinstance(note, Between) and not note.holds(number) for note in arguments[1:]):
            raise ValueError
        return number
    if origin in (types.UnionType, typing.Union):
        if value is None or value == "auto":
            return None
        return _convert(next(item for item in arguments if item is not types.NoneType), value)
    if origin is Literal:
        if value not in arguments:
            raise ValueError
        return value
    if origin is tuple:
        return _convert_tuple(arguments[0], value)
    return _SIMPLE[hint](value)


def _convert_tuple(hint: Any, value: Any) -> tuple[Any, ...]:
    """Read ``[256, 128]``, ``256`` or the text ``256,128`` of a command line."""
    if isinstance(value, str):
        value = [int(part) for part in value.split(",") if part.strip()]
    elif not isinstance(value, list | tuple):
        value = [value]
    return tuple(_convert(hint, item) for item in value)


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float) or value != int(value):
        raise ValueError
    return int(value)


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError
    return float(value)


def _truth(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError
    return value


_SIMPLE: dict[Any, Callable[[Any], Any]] = {
    int: _whole,
    float: _number,
    bool: _truth,
    str: _text,
}


def _words(hint: Any) -> tuple[Any, ...]:
    """Return the words a hint allows, empty where it allows other values than words."""
    if get_origin(hint) is Literal:
        return get_args(hint)
    if get_origin(hint) in (types.UnionType, typing.Union):
        return next((_words(item) for item in get_args(hint) if _words(item)), ())
    return ()


def describe(hint: Any) -> str:
    """Return in words what an option takes."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return " ".join([describe(arguments[0]), *(str(note) for note in arguments[1:])])
    if origin in (types.UnionType, typing.Union):
        others = [describe(item) for item in arguments if item is not types.NoneType]
        return " or ".join([*others, "auto"])
    if origin is Literal:
        return ", ".join(str(word) for word in arguments)
    if origin is tuple:
        return f"a list, each {describe(arguments[0])}"
    words = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}
    return words[hint]
