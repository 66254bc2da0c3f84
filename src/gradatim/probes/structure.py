"""What models are made of: names of modules and parameters, and the options that matter."""

from __future__ import annotations

import re
import weakref
from typing import Any

import torch
from torch import nn

from gradatim.probes.measure import Numbers, equal_rows, rms

_OPTIONS = (
    "p",
    "dim",
    "eps",
    "momentum",
    "track_running_stats",
    "affine",
    "batch_first",
    "kernel_size",
    "stride",
    "padding",
    "in_features",
    "out_features",
    "in_channels",
    "out_channels",
    "hidden_size",
    "num_features",
    "bidirectional",
)

BATCH_NORMS = (nn.modules.batchnorm._BatchNorm,)
DROPOUTS = (nn.modules.dropout._DropoutNd,)
SMALL = 1 << 20


def options(module: nn.Module) -> Numbers:
    """Return the options of a module that say how it computes."""
    found: Numbers = {}
    for name in _OPTIONS:
        value = module.__dict__.get(name)
        if isinstance(value, bool | int | float | str):
            found[name] = value
        elif isinstance(value, tuple) and all(isinstance(item, int) for item in value):
            found[name] = list(value)
    return found


class Structure:
    """The models seen so far and the names of all they hold. Nothing is kept alive by it."""

    def __init__(self) -> None:
        self.modules: dict[int, str] = {}  # id -> full name
        self.parameters: dict[int, str] = {}
        self._roots: dict[int, tuple[weakref.ref[nn.Module], str, int]] = {}
        self._kinds: dict[str, int] = {}
        self._holders: dict[str, list[weakref.ref[torch.Tensor]]] = {}
        self._inner: dict[int, weakref.ref[nn.Module]] = {}
        self._sizes: dict[str, int] = {}  # parameters of every outermost module

    def inner(self, module: nn.Module) -> bool:
        """Say whether a module is part of a model that is known."""
        known = self._inner.get(id(module))
        return known is not None and known() is module

    def root(self, module: nn.Module) -> tuple[str, Numbers | None]:
        """Return the name of an outermost module, and its description when new or changed."""
        known = self._roots.get(id(module))
        # A sum over identities changes when a module or parameter is replaced.
        form = sum(id(item) for item in module.parameters()) + sum(map(id, module.modules()))
        if known is not None and known[0]() is module:
            name = known[1]
            if known[2] == form:
                return name, None
        else:
            kind = type(module).__name__
            self._kinds[kind] = self._kinds.get(kind, 0) + 1
            name = kind if self._kinds[kind] == 1 else f"{kind}#{self._kinds[kind]}"
        self._roots[id(module)] = (weakref.ref(module), name, form)
        return name, self._describe(module, name)

    def _describe(self, root: nn.Module, name: str) -> Numbers:
        modules = []
        self._sizes[name] = sum(1 for _ in root.parameters())
        for path, module in root.named_modules():
            known = self.modules.get(id(module)) if self.inner(module) else None
            full, was = self._settle(known, f"{name}.{path}" if path else name, name)
            self.modules[id(module)] = full
            if path:
                self._inner[id(module)] = weakref.ref(module)
            modules.append(
                {
                    **_named(full, was),
                    "kind": type(module).__name__,
                    "batchnorm": isinstance(module, BATCH_NORMS),
                    "dropout": isinstance(module, DROPOUTS),
                    "recurrent": isinstance(module, nn.RNNBase),
                    **options(module),
                }
            )
        parameters = []
        for path, parameter in root.named_parameters():
            full, was = self._unique(parameter, f"{name}.{path}", name)
            parameters.append({**_named(full, was), **describe_parameter(parameter)})
        return {"model": name, "modules": modules[:2000], "parameters": parameters[:2000]}

    def _settle(self, known: str | None, name: str, root: str) -> tuple[str, str | None]:
        """Choose between the name a thing has and the one in another root; tell the one given up.

        What several roots share (a model called in slices, and as a whole) is called by its place
        in the largest of them.
        """
        if known is None or known == name:
            return name, None
        if self._sizes[root] > self._sizes.get(known.split(".")[0], 0):
            return name, known
        return known, None

    def _unique(self, parameter: torch.Tensor, name: str, root: str) -> tuple[str, str | None]:
        """Give a parameter its name; one that has taken another's place gets a number."""
        known = self.parameters.get(id(parameter))
        if known is not None and not self._holds(known, parameter):
            known = None
        full, was = self._settle(known, self._numbered(parameter, name), root)
        self.parameters[id(parameter)] = full
        return full, was

    def _holds(self, name: str, parameter: torch.Tensor) -> bool:
        holders = self._holders.get(_unnumbered(name), [])
        return any(holder() is parameter for holder in holders)

    def _numbered(self, parameter: torch.Tensor, name: str) -> str:
        holders = self._holders.setdefault(name, [])
        known = [index for index, holder in enumerate(holders) if holder() is parameter]
        if not known:
            known = [len(holders)]
            holders.append(weakref.ref(parameter))
        return name if known[0] == 0 else f"{name}#{known[0] + 1}"

    def own(self, parameter: torch.Tensor, name: str) -> str:
        """Return the name of a parameter; give it this one when no model is known to hold it."""
        return self.parameters.setdefault(id(parameter), name)


def _named(name: str, was: str | None) -> Numbers:
    """Return what a Record calls a thing, with the name it was known by before, if there is one."""
    return {"name": name} if was is None else {"name": name, "was": was}


def _unnumbered(name: str) -> str:
    """Return a parameter's name without the number of one that took another's place."""
    return re.sub(r"#\d+$", "", name)


def describe_parameter(parameter: Any) -> Numbers:
    """Return shape, whether it is trained, its size, and whether all its units are equal.

    ``peak`` of a frozen weight is its largest value beside its size: the square root of three for
    values spread evenly.
    """
    lazy = isinstance(parameter, nn.parameter.UninitializedParameter)
    shape = [] if lazy else list(parameter.shape)
    numbers: Numbers = {"shape": shape, "trainable": bool(parameter.requires_grad)}
    if shape and parameter.numel() > 0:
        numbers["rms"] = rms(parameter)
        if not numbers["trainable"] and parameter.numel() <= SMALL and numbers["rms"] > 0:
            whole = parameter.detach().float()
            numbers["peak"] = float(whole.abs().max() / whole.pow(2).mean().sqrt())
        if len(shape) >= 2 and parameter.numel() <= SMALL:
            numbers["equal_rows"] = equal_rows(parameter)
    return numbers
