"""Optimisers: what they own, in which order they are called, what a step changes."""

from __future__ import annotations

import math
import weakref
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from gradatim.probes.measure import Numbers, equal_rows
from gradatim.probes.places import place
from gradatim.probes.structure import SMALL, Structure, describe_parameter

MOST_PARAMETERS = 240
MOST_COPIED = 20_000_000
_WITNESSES = 3


def numbers_of(tensors: list[Tensor]) -> list[float]:
    """Return the root mean square of each tensor, in one pass over all."""
    if not tensors:
        return []
    norms = torch._foreach_norm([tensor.detach().float() for tensor in tensors])
    values: list[float] = torch.stack([norm.cpu() for norm in norms]).tolist()
    return [
        value / math.sqrt(max(1, tensor.numel()))
        for value, tensor in zip(values, tensors, strict=True)
    ]


class Owner:
    """One optimiser: its number, parameters, and the gradients its last step left behind."""

    def __init__(self, optimiser: torch.optim.Optimizer, number: int) -> None:
        self.reference = weakref.ref(optimiser)
        self.number = number
        self.file, self.line = place()
        self.described = -1  # number of parameters when it was last described
        self.steps = 0
        self.left: list[float | None] | None = None  # gradients of the witnesses, as last seen
        self.reset = False  # the gradients were reset since the last step
        self.grew = False  # a backward pass added to them since the last step
        self.learning_rate: float | None = None

    def parameters(self) -> list[Tensor]:
        """Return what it owns, in order."""
        optimiser = self.reference()
        if optimiser is None:
            return []
        return [item for group in optimiser.param_groups for item in group["params"]]

    def gradient(self, item: Tensor) -> Tensor | None:
        """Return the gradient of a parameter."""
        return item.grad

    def describe(self, structure: Structure) -> Numbers | None:
        """Return options and parameters when they are new or more than before."""
        optimiser = self.reference()
        parameters = self.parameters()
        if optimiser is None or self.described == len(parameters):
            return None
        self.described = len(parameters)
        groups = []
        for group in optimiser.param_groups:
            groups.append(
                {
                    key: value if isinstance(value, bool | int | float) else list(value)
                    for key, value in group.items()
                    if isinstance(value, bool | int | float)
                    or (isinstance(value, tuple) and all(isinstance(v, float) for v in value))
                }
                | {"size": len(group["params"])}
            )
        owned = []
        for index, item in enumerate(parameters[:2000]):
            size = "x".join(map(str, item.shape))
            name = structure.own(item, f"optimiser {self.number} parameter {index} {size}")
            owned.append({"name": name, **describe_parameter(item)})
        return {
            "optimiser": self.number,
            "kind": type(optimiser).__name__,
            "groups": groups,
            "parameters": owned,
            "file": self.file,
            "line": self.line,
        }

    def witnesses(self) -> list[float | None]:
        """Return the size of the gradient of a few parameters; None where there is none."""
        owned = self.parameters()
        if not owned:
            return []
        few = [owned[0], owned[len(owned) // 2], owned[-1]][: min(_WITNESSES, len(owned))]
        return [
            None if item is None or item.is_sparse else float(item.detach().norm())
            for item in map(self.gradient, few)
        ]


def _has_equal_rows(item: Tensor) -> bool:
    return item.dim() >= 2 and item.numel() <= SMALL and equal_rows(item)


@dataclass
class _Before:
    """What a step finds: weights that have gradients, their copies, and the gradients' sizes."""

    weights: list[Tensor]
    copies: list[Tensor]
    gradients: list[float]
    equal: list[bool]
    missing: list[Tensor] = field(default_factory=list)


class Updates:
    """What is known of all optimisers."""

    def __init__(self, structure: Structure) -> None:
        self.structure = structure
        self.owners: dict[int, Owner] = {}
        self._count = 0
        self._before: _Before | None = None

    def owner(self, optimiser: torch.optim.Optimizer) -> Owner:
        """Return what is known of an optimiser."""
        known = self.owners.get(id(optimiser))
        if known is None or known.reference() is not optimiser:
            known = self.owners[id(optimiser)] = Owner(optimiser, self._count)
            self._count += 1
        return known

    @property
    def begun(self) -> bool:
        """Say whether the weights before a step are at hand."""
        return self._before is not None

    # -- are gradients reset between two steps of the optimiser that owns them?

    def backward_begins(self) -> None:
        """Compare the gradients with what was last seen: different means they were reset."""
        for owner in self.owners.values():
            if owner.left is not None and not owner.reset:
                now = owner.witnesses()
                if now != owner.left or not any(now):
                    owner.reset = True

    def backward_ended(self) -> None:
        """Remember the gradients as the backward pass left them."""
        for owner in self.owners.values():
            now = owner.witnesses()
            if now != owner.left and any(now):
                owner.grew = True
            if owner.left is not None and not owner.reset:
                owner.left = now

    # -- one step

    def step_begins(self, owner: Owner) -> None:
        """Measure gradients and keep a copy of the weights."""
        found = _Before([], [], [], [])
        parameters = owner.parameters()
        stride = -(-len(parameters) // MOST_PARAMETERS) or 1
        copied = 0
        gradients: list[Tensor] = []
        for item in parameters[::stride]:
            gradient = owner.gradient(item)
            if gradient is None:
                if item.requires_grad:
                    found.missing.append(item)
                continue
            if gradient.is_sparse or not item.is_floating_point() or item.numel() == 0:
                continue
            copied += item.numel()
            if copied > MOST_COPIED:
                break
            found.weights.append(item)
            gradients.append(gradient)
        found.gradients = numbers_of(gradients)
        found.equal = [_has_equal_rows(item) for item in gradients]
        found.copies = [item.detach().clone() for item in found.weights]
        self._before = found

    def step_ended(self, owner: Owner) -> Numbers:
        """Return what the step changed, and whether gradients had been reset before it.

        Names are looked up only now: with a closure the model runs for the first time inside.
        """
        numbers: Numbers = {"optimiser": owner.number, "learning_rate": owner.learning_rate}
        numbers["owned_step"] = owner.steps
        numbers["reset"] = owner.reset if owner.left is not None else None
        numbers["grew"] = owner.grew
        owner.left, owner.reset, owner.grew = owner.witnesses(), False, False
        before, self._before = self._before, None
        if before is None:
            return numbers
        name_of = self.structure.parameters.get
        weights = before.weights
        names = [name_of(id(item), f"?{index}") for index, item in enumerate(weights)]
        pairs = zip(weights, before.copies, strict=True)
        changed = numbers_of([item.detach() - old for item, old in pairs])
        sizes = zip(before.gradients, numbers_of(before.copies), changed, strict=True)
        numbers["parameters"] = {
            name: {"gradient": gradient, "weight": weight, "update": update}
            for name, (gradient, weight, update) in zip(names, sizes, strict=True)
        }
        numbers["missing"] = [name_of(id(item), "?") for item in before.missing]
        numbers["finite"] = all(bool(torch.isfinite(item.detach()).all()) for item in weights)
        numbers["equal_rows"] = [
            name for name, item in zip(names, weights, strict=True) if _has_equal_rows(item)
        ]
        numbers["equal_gradients"] = [
            name for name, equal in zip(names, before.equal, strict=True) if equal
        ]
        numbers.update(self._moments(owner, weights))
        return numbers

    @staticmethod
    def _moments(owner: Owner, weights: list[Tensor]) -> Numbers:
        """Return the root of Adam's second moment, to be set beside its epsilon."""
        optimiser = owner.reference()
        if optimiser is None:
            return {}
        roots = []
        for item in weights:
            state: dict[str, Any] = optimiser.state.get(item, {})
            second = state.get("exp_avg_sq")
            if second is None:
                second = state.get("square_avg")
            if isinstance(second, Tensor) and second.numel():
                roots.append(math.sqrt(max(0.0, float(second.detach().mean()))))
        return {"root_second_moment": sorted(roots)[len(roots) // 2]} if roots else {}


def learning_rate(optimiser: torch.optim.Optimizer) -> float | None:
    """Return the learning rate of the first group."""
    for group in optimiser.param_groups:
        value = group.get("lr")
        if isinstance(value, int | float):
            return float(value)
        if isinstance(value, Tensor) and value.numel() == 1:
            return float(value)
    return None
