"""Forward passes: what went in and came out, in which mode, through which modules."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from gradatim.probes.measure import (
    Numbers,
    features,
    fingerprints,
    layout,
    plain,
    summary,
    tensors_in,
)
from gradatim.probes.places import place
from gradatim.probes.structure import BATCH_NORMS, DROPOUTS, Structure

MOST_CALLS = 400


class Forward:
    """One call of an outermost module, while it runs and after."""

    def __init__(self, module: nn.Module, name: str, arguments: tuple[Any, ...]) -> None:
        self.module = module
        self.take(arguments)
        self.order: int | None = None  # execution number of the result in the graph
        self.calls: list[Numbers] = []
        self.results: list[tuple[int, Tensor]] = []  # with execution numbers, until the step ends
        self.numbers: Numbers = {
            "model": name,
            "gradient": torch.is_grad_enabled(),
            "training": module.training,
        }

    def take(self, arguments: tuple[Any, ...]) -> None:
        """Note what goes in."""
        self.inputs = tensors_in(arguments)
        self.places = {tensor.data_ptr() for tensor in self.inputs}


class Forwards:
    """Hooks for all modules; ``finished`` holds the passes not yet told apart by a backward."""

    def __init__(self, structure: Structure) -> None:
        self.structure = structure
        self.finished: list[Forward] = []
        self.described: list[Numbers] = []  # models to be written
        self.close = True  # look inside, not only at the outermost module
        self._stack: list[nn.Module] = []
        self._now: Forward | None = None
        self._states: dict[int, list[Tensor]] = {}  # last states of recurrent modules

    def reset(self) -> None:
        """Forget a pass that was left by an exception."""
        self._stack.clear()
        self._now = None

    def before(self, module: nn.Module, arguments: tuple[Any, ...]) -> None:
        """Note that a module is called."""
        self._stack.append(module)
        if len(self._stack) > 1:
            # What a model is given by name is not told to hooks: its first part is given it.
            if self._now is not None and not self._now.inputs:
                self._now.take(tuple(i for i in tensors_in(arguments) if not i.requires_grad))
            return
        if isinstance(module, nn.modules.loss._Loss):
            return  # loss functions are watched as such
        if self.structure.inner(module):
            return  # hooks were put in place inside a pass, or a part is called alone
        name, description = self.structure.root(module)
        if description is not None:
            self.described.append(description)
        self._now = Forward(module, name, arguments)
        if self.close:
            self._now.numbers["file"], self._now.numbers["line"] = place()
            self._modes(module, self._now.numbers)

    def _modes(self, root: nn.Module, numbers: Numbers) -> None:
        """Note the modules that compute one thing in training and another in evaluation."""
        modal = []
        for module in root.modules():
            normalises = isinstance(module, BATCH_NORMS)
            if normalises or (isinstance(module, DROPOUTS) and module.p > 0):
                affine = normalises and module.weight is not None and module.weight.requires_grad
                entry: Numbers = {
                    "name": self.structure.modules.get(id(module), ""),
                    "kind": "batchnorm" if normalises else "dropout",
                    "training": module.training,
                    "trained": bool(affine),
                }
                if normalises:
                    entry["momentum"] = module.momentum
                    entry["tracked"] = module.track_running_stats
                    seen = module.num_batches_tracked
                    entry["batches"] = int(seen.item()) if isinstance(seen, Tensor) else None
                modal.append(entry)
        numbers["modal"] = modal[:200]

    def after(self, module: nn.Module, arguments: tuple[Any, ...], result: Any) -> None:
        """Note what a module gave; finish the pass when it is the outermost."""
        if not self._stack:
            return
        while self._stack and self._stack.pop() is not module:
            pass
        now = self._now
        if now is None:
            return
        if self._stack:
            if self.close and len(now.calls) < MOST_CALLS:
                self._inside(now, module, arguments, result)
            return
        if self.close and isinstance(module, nn.RNNBase | nn.Linear):
            self._inside(now, module, arguments, result)
        self._now = None
        self._finish(now, result)

    def _inside(
        self, now: Forward, module: nn.Module, arguments: tuple[Any, ...], result: Any
    ) -> None:
        name = self.structure.modules.get(id(module))
        own = any(True for _ in module.parameters(recurse=False))
        if name is not None and not own:
            return
        given, gave = tensors_in(arguments), tensors_in(result)
        call: Numbers = {"name": name, "kind": type(module).__name__, "parameters": own}
        if name is None:  # not registered in the outermost module
            if any(item is module for item in now.module.modules()):
                return  # a module added since
            call["trainable"] = any(p.requires_grad for p in module.parameters(recurse=False))
            for path, parameter in module.named_parameters(recurse=False):
                size = "x".join(map(str, parameter.shape))
                self.structure.own(parameter, f"unregistered {type(module).__name__} {path} {size}")
        if given:
            first = given[0]
            call["shape"] = list(first.shape)
            call["gradient"] = first.requires_grad
            call["floating"] = first.is_floating_point()
            call["is_batch"] = first.data_ptr() in now.places
        if gave:
            call["result"] = list(gave[0].shape)
            call["tracked"] = gave[0].requires_grad
        if isinstance(module, nn.MultiheadAttention):
            call["batch_first"] = module.batch_first
        if isinstance(module, nn.RNNBase):
            call["batch_first"] = module.batch_first
            call["carried"] = self._carried(module, arguments)
            call.update(self._through_time(module, given))
            self._states[id(module)] = [state.detach() for state in tensors_in(result)[1:]]
        now.calls.append(call)

    @staticmethod
    def _through_time(module: nn.RNNBase, given: list[Tensor]) -> Numbers:
        """Return the largest eigenvalue of a plain recurrent network, and its sequences' length."""
        weight = getattr(module, "weight_hh_l0", None)
        if module.mode[:3] != "RNN" or weight is None or len(weight) > 512 or not given:
            return {}
        if given[0].dim() != 3:
            return {}
        radius = torch.linalg.eigvals(weight.detach().float().cpu()).abs().max()
        return {"radius": float(radius), "length": given[0].shape[1 if module.batch_first else 0]}

    def _carried(self, module: nn.Module, arguments: tuple[Any, ...]) -> bool:
        """Say whether a recurrent module is given the state with which its last call ended."""
        given = tensors_in(arguments[1:])
        before = self._states.get(id(module), [])
        return bool(given) and any(
            one.shape == other.shape and bool((one != 0).any()) and torch.equal(one, other)
            for one in given
            for other in before
        )

    def _finish(self, now: Forward, result: Any) -> None:
        gave = tensors_in(result)
        if gave and gave[0].dim() == 0 and next(now.module.parameters(), None) is None:
            return  # a loss written as a module
        if gave and gave[0].grad_fn is not None:
            now.order = gave[0].grad_fn._sequence_nr()
        now.results = [
            (-1 if item.grad_fn is None else item.grad_fn._sequence_nr(), item.detach())
            for item in gave[:4]
        ]
        if now.inputs:
            batch = now.inputs[0]
            now.numbers["samples"] = len(batch) if batch.dim() else 1
            if batch.dim() >= 2 and batch.is_floating_point():
                now.numbers["fingerprints"] = fingerprints(batch)
        if self.close and now.inputs:
            now.numbers["inputs"] = [self.describe_input(tensor) for tensor in now.inputs[:3]]
            if gave and gave[0].is_floating_point():
                now.numbers["output"] = output(gave[0])
        now.inputs = now.inputs[:1]
        self.finished.append(now)

    @staticmethod
    def describe_input(tensor: Tensor) -> Numbers:
        """Return scale, features and layout of an input."""
        numbers = summary(tensor)
        numbers["features"] = features(tensor)
        numbers["layout"] = layout(tensor)
        return numbers


def output(tensor: Tensor) -> Numbers:
    """Return a model's output as numbers, with how much it varies from sample to sample."""
    numbers = summary(tensor)
    if plain(tensor) and tensor.dim() >= 1 and len(tensor) > 1:
        rows = tensor.detach()[:256].float().flatten(1) if tensor.dim() > 1 else tensor.detach()
        numbers["varies"] = float(rows.float().std(0, correction=0).max())
    return numbers
