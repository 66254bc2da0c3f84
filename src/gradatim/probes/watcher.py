"""The watcher: puts hooks in place, follows the loop, writes what it sees into a Record.

Between the steps it looks at closely little is in place: a hook after ``Optimizer.step``, thin
wrappers around losses and what is called rarely, and one around ``torch.autograd.backward`` for the
steps whose loss is read. Hooks on modules are there for the steps looked at, and for evaluations.
"""

from __future__ import annotations

import math
import os
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import optimizer as optimisers

from gradatim.core.record import RecordWriter, Writer
from gradatim.probes import criteria
from gradatim.probes.activations import (
    Activations,
    batch_norms,
    first_input,
    first_non_finite,
    hazards,
    is_linear,
    layers,
    over_first_axis,
)
from gradatim.probes.by_hand import ByHand
from gradatim.probes.evaluations import Evaluations
from gradatim.probes.forwards import Forward, Forwards
from gradatim.probes.graph import Graph, addends, chain, readable, several_terms, tail, walk
from gradatim.probes.loaders import Loaders
from gradatim.probes.measure import Numbers, plain, summary, tensors_in
from gradatim.probes.pace import FIRST_STEPS, Pace
from gradatim.probes.patches import Function, Patches
from gradatim.probes.places import place, waits
from gradatim.probes.structure import Structure
from gradatim.probes.updates import Owner, Updates, learning_rate

IDLE, SCOUT, CLOSE = 0, 1, 2
"""Nothing but the loss; what goes in (samples, labels); everything."""

SCOUTED_SAMPLES = 20_000

LONGEST_WAIT = 2.0
"""Seconds that losses may wait before they are written: an alarm must not come late."""


def _follow_forks(watcher: Watcher) -> None:
    """Tell a watcher of forks for as long as there is one: handlers cannot be taken away."""
    if not hasattr(os, "register_at_fork"):
        return
    known = weakref.ref(watcher)

    def before() -> None:
        if (watcher := known()) is not None:
            watcher.forking()

    def after() -> None:
        if (watcher := known()) is not None:
            watcher.forked()

    os.register_at_fork(before=before, after_in_child=after)


_WATCHERS: weakref.WeakSet[Watcher] = weakref.WeakSet()


def watching(*, whole: bool = True) -> bool:
    """Say whether a watcher is at work in this thread; without ``whole``, one of a part of it."""
    return any(watcher.here() for watcher in _WATCHERS if whole or not watcher.whole)


class Loss:
    """One call of a loss function."""

    def __init__(
        self, numbers: Numbers, order: int | None, gradient: bool, target: Tensor | None
    ) -> None:
        self.numbers, self.order, self.gradient = numbers, order, gradient
        self.target = target


class Watcher:
    """Watches everything PyTorch does in this thread, from ``start`` to ``stop``.

    Args:
        writer: where the observations go.
        pace: which steps are looked at.
        whole: watching begins before the script does. Then the functions it imports are the
            replaced ones, and they stay in place: what is pickled is found by its name, and must
            be the same thing there.
        step: steps that were made before watching begins, in a run that goes on.
    """

    def __init__(
        self, writer: Writer, pace: Pace | None = None, *, whole: bool = False, step: int = 0
    ) -> None:
        self.writer, self.whole = writer, whole
        self.pace = pace or Pace()
        self.structure = Structure()
        self.forwards = Forwards(self.structure)
        self.updates = Updates(self.structure)
        self.activations = Activations()
        self.evaluations = Evaluations()
        self.loaders = Loaders()
        self.active = False
        self.busy = False
        self.level = CLOSE
        self.step = step  # steps finished
        self.spent = 0.0
        self._rest = 0  # coming steps of which nothing is read
        self._always = Patches()
        self._near = Patches()  # only while modules are hooked
        self._criteria = Patches()  # the same, but see ``whole``
        self._backward = Patches()  # only while losses are read
        self._hooks: list[Any] = []
        self._calls: list[str] = []
        self._losses: list[Loss] = []
        self._values: list[float | Tensor] = []  # losses of the backward passes since the step
        self._rows: list[tuple[int, int, Any, float | None, int]] = []
        self._matched: list[Forward] = []
        self._clips: list[Numbers] = []
        self._wiped: Numbers | None = None  # where gradients were reset after a backward pass
        self._seen: set[int] = set()
        self._samples = 0
        self._scouting = True
        self._stepping = False  # an optimiser's step is under way in this thread
        self._opaque = False  # saved tensors must not be read: they would be computed again
        self._compiled = False  # only losses and steps are watched
        self._troubles = 0
        self._manual: ByHand | None = None
        self._older = (0, 0)  # forward passes and losses that the last backward pass left over
        self._asked = 0  # the step for which it was last asked whether to look closely
        self._lost: set[str] = set()
        self._flushed = 0.0

    # -- life

    def catch_up(self) -> None:
        """Write what was read and not written yet."""
        self._look(self._conclude)

    def start(self) -> None:
        """Put the hooks in place and write the first event."""
        self._began = self._flushed = time.perf_counter()
        self._worked = self._known = 0.0
        self._write("watched", torch=torch.__version__, threads=torch.get_num_threads())
        _follow_forks(self)
        self._prepare_patches()
        _WATCHERS.add(self)
        self.resume()

    def resume(self) -> None:
        """Put the hooks in place, in the thread that calls."""
        self.active = True
        self._thread = threading.get_ident()
        self._resumed = time.thread_time()
        self._always.place()
        if self.whole:
            self._criteria.place()
        self._counters = [
            optimisers.register_optimizer_step_pre_hook(self._before_step),
            optimisers.register_optimizer_step_post_hook(self._after_step),
        ]
        if self.level != IDLE:
            self._hook()
        elif not self._rest:
            self._backward.place()

    def pause(self) -> None:
        """Take every hook away; what is known is kept."""
        self._worked, self._resumed = self.worked, time.thread_time()
        self.active = False
        self._unhook()
        for patches in (self._backward, self._criteria, self._always):
            patches.remove()
        for handle in self._counters:
            handle.remove()

    def forking(self) -> None:
        """Leave nothing in the buffer that a child process would write a second time."""
        if self.active:
            self.writer.flush()

    def forked(self) -> None:
        """A child process, such as a worker of a data loader, is not watched."""
        self.active = False

    def stop(self, **facts: Any) -> None:
        """Take every hook away and write the last event."""
        if not self.active:
            return
        if not self.here():  # the thread that trained has ended, or is left to itself
            self._worked, self._resumed = self._known, time.thread_time()
            self._thread = threading.get_ident()
        self._look(self._conclude)
        self.pause()
        passed = time.perf_counter() - self._began
        self._write(
            "unwatched",
            worked=self.worked,
            step=self.step,
            seconds=passed,
            looking=self.spent,
            interval=self.pace.interval,
            lost=sorted(self._lost),
            idle=[
                {"file": owner.file, "line": owner.line}
                for owner in self.updates.owners.values()
                if not owner.steps
            ],
            **facts,
        )
        self.writer.close()

    @property
    def worked(self) -> float:
        """Seconds that this thread has worked while watched, looking included.

        Time that others take from it does not count: a busy machine makes no difference to which
        steps are looked at.
        """
        if self.here():
            self._known = self._worked + time.thread_time() - self._resumed
        return self._known

    def _conclude(self) -> None:
        self._flush_evaluations()
        self._flush_rows()

    def _write(self, event: str, **fields: Any) -> None:
        self.writer.write(event, **fields)
        now = time.perf_counter()
        if now - self._flushed > 0.5 or event in ("watched", "unwatched", "trouble"):
            self._flushed = now
            self.writer.flush()

    def here(self) -> bool:
        """Say whether watching goes on, and in this thread."""
        return self.active and threading.get_ident() == self._thread

    def _follow(self) -> bool:
        """Move to this thread when it begins to train, and the watched one waits for it."""
        if not self.active or self.step or self._values or self.busy or not waits(self._thread):
            return False
        self._worked, self._resumed = self._known, time.thread_time()
        self._thread = threading.get_ident()
        return True

    def _look(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Run an observation: count its time, and never let its failure reach the script."""
        if self.busy or not self.here():
            return None
        self.busy = True
        began = time.thread_time()
        try:
            if readable():
                return function(*arguments)
        except Exception as error:  # an observer must never harm what it observes
            name = getattr(function, "__name__", "observation")
            if name not in self._lost:
                self._lost.add(name)
                self._write("lost", observation=name, reason=f"{type(error).__name__}: {error}")
        finally:
            self.busy = False
            self.spent += time.thread_time() - began
        return None

    def _within(self, function: Callable[[], None]) -> None:
        """Do something as part of an observation, under way or of its own."""
        if self.busy:
            function()
        else:
            self._look(function)

    # -- hooks

    def _hook(self) -> None:
        """Put hooks on all modules."""
        self._rest = 0
        self._backward.place()
        if not self._hooks and not self._compiled:
            module = nn.modules.module
            self._hooks = [
                module.register_module_forward_pre_hook(self._before_forward),
                module.register_module_forward_hook(self._after_forward, always_call=True),
            ]
            self._near.place()
            self._criteria.place()

    def _unhook(self) -> None:
        for handle in self._hooks:
            handle.remove()
        self._hooks = []
        self._near.remove()
        if not self.whole:
            self._criteria.remove()
        self.forwards.reset()

    def _before_forward(self, module: nn.Module, arguments: tuple[Any, ...]) -> None:
        if not self.here() and torch.is_grad_enabled():
            self._follow()
        self._look(self.forwards.before, module, arguments)

    def _after_forward(self, module: nn.Module, arguments: tuple[Any, ...], result: Any) -> None:
        if not self.here():
            return
        self._look(self.forwards.after, module, arguments, result)
        if self.forwards.finished and not self.forwards.finished[-1].numbers["gradient"]:
            self._look(self._evaluated)

    def _prepare_patches(self) -> None:
        always, near = self._always, self._near
        self._backward.replace(torch.autograd, "backward", self._around_backward)
        always.replace(torch.autograd, "grad", self._around_grad)
        always.replace(torch.inference_mode, "__enter__", self._around_inference)
        always.replace(torch.set_grad_enabled, "__init__", self._around_grad_mode)
        always.replace(torch.optim.Optimizer, "__init__", self._around_new_optimiser)
        always.replace(torch.optim.lr_scheduler.LRScheduler, "__init__", self._around_scheduler)
        for name in ("clip_grad_norm_", "clip_grad_value_"):
            for owner in (nn.utils, nn.utils.clip_grad):
                always.replace(owner, name, self._around_clip(name))
        always.replace(torch, "compile", self._around_compile)
        hooks = torch.autograd.graph.saved_tensors_hooks
        always.replace(torch.utils.checkpoint, "checkpoint", self._around_recomputing)
        always.replace(hooks, "__init__", self._around_recomputing)
        self.loaders.patch(always, self)
        if not self.whole:
            always.replace(torch, "save", self._around_save)
        for name in criteria.WATCHED:
            self._criteria.replace(nn.functional, name, self._around(name))
        near.replace(torch.optim.Optimizer, "zero_grad", self._around_zero_grad)
        near.replace(nn.Module, "zero_grad", self._around_zero_grad)
        near.replace(torch, "eq", self._around_equal)
        for name in ("__eq__", "eq"):
            near.replace(Tensor, name, self._around_equal)

    # -- wrappers

    def _around(self, name: str) -> Callable[[Function], Function]:
        def make(original: Function) -> Function:
            def loss(*arguments: Any, **options: Any) -> Any:
                value = original(*arguments, **options)
                if self.level and not self.busy:
                    self._look(self._loss_called, name, arguments, options, value)
                return value

            return loss

        return make

    def _around_equal(self, original: Function) -> Function:
        def equal(one: Any, other: Any, *arguments: Any, **options: Any) -> Any:
            if self.evaluations.passes and not self.busy and type(one) is type(other) is Tensor:
                self._look(self.evaluations.compared, one, other)
            return original(one, other, *arguments, **options)

        return equal

    def _around_backward(self, original: Function) -> Function:
        def backward(tensors: Any, *arguments: Any, **options: Any) -> None:
            if not self.here() and self._follow():
                self.level = IDLE  # its forward pass was not seen: know the model first
            if self._rest or self.busy or not self.here():
                original(tensors, *arguments, **options)
                return
            if self.level == IDLE and not self._hooks:
                self._idle_backward(tensors)
                original(tensors, *arguments, **options)
                if self._manual is not None:
                    self._look(self._follow_by_hand)
                return
            self._look(self._backward_begins, tensors)
            original(tensors, *arguments, **options)
            self._look(self._backward_ended)

        return backward

    def _around_grad(self, original: Function) -> Function:
        """Gradients that are returned make a step only in scripts without optimiser."""

        def grad(outputs: Any, inputs: Any, *arguments: Any, **options: Any) -> Any:
            by_hand = self._manual is not None or not (self.step or self.updates.owners)
            if not by_hand or options.get("create_graph") or self.busy or not self.here():
                return original(outputs, inputs, *arguments, **options)
            leaves = tensors_in(inputs)
            if not leaves or not all(item.is_leaf for item in leaves):
                return original(outputs, inputs, *arguments, **options)
            if self._manual is not None:
                self._manual.returned = {}
            self._look(self._backward_begins, outputs)
            found = original(outputs, inputs, *arguments, **options)
            if self._manual is not None:
                pairs = zip(leaves, found, strict=False)
                self._manual.returned = {id(leaf): item for leaf, item in pairs if plain(item)}
                if self.step == 0 and not self._manual.returns_all:
                    self._manual, self._values = None, []  # it asks for something else
            self._look(self._backward_ended)
            return found

        return grad

    def _around_inference(self, original: Function) -> Function:
        def enter(context: Any) -> Any:
            if not (self.busy or self._stepping or self.forwards.close):
                self._look(self._evaluation_may_begin)
            return original(context)

        return enter

    def _around_grad_mode(self, original: Function) -> Function:
        """``no_grad`` switches gradients off by this too."""

        def initialise(context: Any, mode: bool) -> None:
            # Optimisers switch gradients off too, some of them in every step.
            if not (mode or self.busy or self._stepping or self.forwards.close):
                self._look(self._evaluation_may_begin)
            original(context, mode)

        return initialise

    def _around_zero_grad(self, original: Function) -> Function:
        def zero_grad(owner: Any, *arguments: Any, **options: Any) -> None:
            if self.level and len(self._calls) < 200 and self.here():
                if "backward" in self._calls:
                    self._wiped = dict(zip(("file", "line"), place(), strict=True))
                self._calls.append("zero_grad")
            original(owner, *arguments, **options)

        return zero_grad

    def _around_new_optimiser(self, original: Function) -> Function:
        def initialise(optimiser: Any, *arguments: Any, **options: Any) -> None:
            original(optimiser, *arguments, **options)
            self._look(self.updates.owner, optimiser)

        return initialise

    def _around_scheduler(self, original: Function) -> Function:
        def initialise(scheduler: Any, *arguments: Any, **options: Any) -> None:
            original(scheduler, *arguments, **options)
            self._look(self._scheduler_made, scheduler)

        return initialise

    def _around_clip(self, name: str) -> Callable[[Function], Function]:
        def make(original: Function) -> Function:
            def clip(parameters: Any, limit: Any, *arguments: Any, **options: Any) -> Any:
                if not self.here():
                    return original(parameters, limit, *arguments, **options)
                was, self.busy = self.busy, True  # it enters no_grad: no evaluation begins
                try:
                    norm = original(parameters, limit, *arguments, **options)
                finally:
                    self.busy = was
                if self.level == CLOSE:
                    self._look(self._clipped, name, limit, norm)
                return norm

            return clip

        return make

    def _around_compile(self, original: Function) -> Function:
        def compile_(*arguments: Any, **options: Any) -> Any:
            if "compiled" not in self._lost:
                self._lost.add("compiled")
                self._look(self._write, "compiled")
                self._compiled = True
                self.level, self.forwards.close = IDLE, False
                self._unhook()
            return original(*arguments, **options)

        return compile_

    def _around_save(self, original: Function) -> Function:
        def save(*arguments: Any, **options: Any) -> Any:
            """A loss function that a model holds is found by its name: let it be that one."""
            placed = self._criteria.on
            self._criteria.remove()
            try:
                return original(*arguments, **options)
            finally:
                if placed:
                    self._criteria.place()

        return save

    def _around_recomputing(self, original: Function) -> Function:
        def recomputing(*arguments: Any, **options: Any) -> Any:
            self._opaque = True
            return original(*arguments, **options)

        return recomputing

    # -- what happens

    def _loss_called(
        self, name: str, arguments: tuple[Any, ...], options: dict[str, Any], value: Any
    ) -> None:
        gradient = plain(value) and value.grad_fn is not None
        order = value.grad_fn._sequence_nr() if gradient else None
        if self.level == SCOUT and gradient:
            given, target = (*arguments, None, None)[:2]
            if not (plain(given) and plain(target)):
                return
            numbers = {"name": name, **criteria.outcome(name, given, target)}
        else:
            numbers = criteria.call(name, arguments, options, value)
            numbers["file"], numbers["line"] = place()
        if plain(arguments[0] if arguments else None) and arguments[0].grad_fn is not None:
            numbers["given"] = arguments[0].grad_fn._sequence_nr()
        target = (*tensors_in(arguments[1:2]), None)[0]
        self._losses.append(Loss(numbers, order, gradient, target))
        if not gradient:
            self.evaluations.loss(numbers)

    def _evaluation_may_begin(self) -> None:
        """Gradients are switched off: look at the forward passes that follow."""
        if self._compiled:
            return
        spent, worked = self.spent, self.worked
        if self.pace.affordable(spent, worked) or (
            self.pace.bearable(spent, worked) and self.evaluations.worth(self.step)
        ):
            self._hook()
            self.forwards.close = True
            self.level = max(self.level, SCOUT)

    def _evaluated(self) -> None:
        """A forward pass without gradients has ended."""
        forward = self.forwards.finished.pop()
        self._describe_models()
        self.evaluations.forward(forward, self.step, self.loaders.labels_of(forward))
        if self.level == SCOUT and self.evaluations.passes >= 2:
            self.forwards.close = False

    def _idle_backward(self, tensors: Any) -> None:
        if self._manual is not None:
            self._look(self._manual_step)
        if type(tensors) is Tensor:
            # On the host the value is at hand; on an accelerator it is read later, in one go.
            value = tensors.item() if tensors.is_cpu and tensors.numel() == 1 else tensors.detach()
            self._values.append(value)
            if type(value) is float and not math.isfinite(value) and self._troubles < 3:
                self._look(self._trouble, tensors, value)

    def _backward_begins(self, tensors: Any) -> None:
        found = tensors_in(tensors)
        if not found:
            return
        loss = found[0]
        self._describe_models()
        self.updates.backward_begins()
        if self._manual is not None:
            self._manual_step()
        value = float(loss.detach()) if loss.numel() == 1 else None
        if value is not None:
            self._values.append(value)
            if not math.isfinite(value) and self._troubles < 3:
                self._trouble(loss, value)
        self._calls.append("backward")
        if self.level == CLOSE:
            self._read_graph(loss, value)
        else:
            self._scouted()

    def _describe_models(self) -> None:
        for description in self.forwards.described:
            self._write("model", step=self.step, **description)
        self.forwards.described.clear()

    def _scouted(self) -> None:
        """A training pass of which only samples and labels are kept."""
        for forward in self.forwards.finished:
            if forward.numbers["gradient"]:
                self._remember(forward, None)
        labels = [
            loss.numbers["labels"]
            for loss in self._losses
            if loss.gradient and loss.numbers.get("labels")
        ]
        for counts in labels:
            self._write("labels", step=self.step + 1, counts=counts)
        self.forwards.finished.clear()
        self._losses.clear()

    def _remember(self, forward: Forward, kind: str | None) -> None:
        """Write which samples a training pass saw; stop scouting when they come round again."""
        prints = forward.numbers.pop("fingerprints", None)
        if not prints or not self._scouting:
            return
        known = sum(item in self._seen for item in prints)
        self._seen.update(prints)
        self._samples += len(prints)
        self._write("samples", step=self.step + 1, fingerprints=prints, again=known)
        if known > len(prints) // 2 or self._samples > SCOUTED_SAMPLES:
            self._scouting = False

    def _read_graph(self, loss: Tensor, value: float | None) -> None:
        graph = walk(loss)
        names = self.structure.parameters
        name_of = names.get
        orders = graph.orders
        self._matched = [f for f in self.forwards.finished if f.order in orders]
        rest = [f for f in self.forwards.finished if f.order not in orders]
        self.forwards.finished = rest
        end = tail(graph.root)
        called = [item for item in self._losses if item.order in orders]
        self._losses = [item for item in self._losses if item.order not in orders]
        by_order = {node.order: node for node in graph.nodes}
        losses = []
        factors = {node.order: factor for node, factor in addends(graph)}
        for item in called:
            if item.order in factors:
                item.numbers["factor"] = abs(factors[item.order])
            given = by_order.get(item.numbers.pop("given", None))
            item.numbers["chain"] = criteria.describe(chain(given)) if given else []
            losses.append(item.numbers)
        revealing = None
        if len(self._matched) == 1 and len(called) == 1 and called[0].target is not None:
            inputs = self._matched[0].inputs
            revealing = criteria.revealing(inputs[0], called[0].target) if inputs else None
        file, line = place()
        if not losses and not self._opaque:
            outputs = [output for forward in self._matched for output in forward.results]
            losses = criteria.by_hand(graph, outputs, alone=len(self._matched) == 1)
            if len(losses) == 1:
                self._complete(losses[0], value)
            for reading in losses:
                reading["file"], reading["line"] = file, line
        for forward in self._matched:
            self._remember(forward, "training")
            self._write("forward", step=self.step + 1, calls=forward.calls, **forward.numbers)
        reached = {names[leaf] for leaf in graph.leaves if leaf in names}
        facts: Numbers = {
            "value": value,
            "leaf": loss.grad_fn is None,
            "complete": graph.complete,
            "reached": sorted(reached),
            "anonymous": sum(leaf not in names for leaf in graph.leaves),
            "losses": losses,
            "several_terms": several_terms(graph, {i.order for i in called if i.order is not None}),
            "tail": criteria.describe(end),
            "revealing": revealing,
            "file": file,
            "line": line,
            **criteria.sign_and_scale(graph, end),
        }
        first = None if self._opaque or self._matched else first_input(graph)
        if first is not None:
            facts["inputs"] = [Forwards.describe_input(first)]
        if not self._opaque:
            facts["activations"] = self.activations.read(graph, name_of)
            facts["layers"] = layers(graph, name_of)
            facts["batch_norms"] = batch_norms(graph, name_of)
            facts["hazards"] = hazards(graph)
            facts["linear"] = is_linear(graph)
            facts["over_first_axis"] = over_first_axis(graph)
        self._write("backward", step=self.step + 1, **facts)
        self._leaves(graph)

    def _complete(self, reading: Numbers, value: float | None) -> None:
        """Add to a loss written by hand what the loader's labels and the model's output tell."""
        reading.setdefault("value", value)
        if len(self._matched) != 1:
            return
        target = self.loaders.target_of(self._matched[0])
        if target is not None and "target" not in reading:
            reading["target"] = summary(target)
            reading["constant"] = criteria.constant(reading["name"], target, {})

    def _leaves(self, graph: Graph) -> None:
        """Where no optimiser of PyTorch is used, follow the parameters by hand."""
        if self._manual is None and not self.updates.owners and self.step == 0 and graph.leaves:
            self._manual = ByHand(list(graph.leaves.values()))

    def _backward_ended(self) -> None:
        self.updates.backward_ended()
        if self._manual is not None:
            self._follow_by_hand()

    def _trouble(self, loss: Tensor, value: float, *, final: bool = False) -> None:
        """The loss is not finite: find out where that began; ``final``: the script ends on it."""
        self._troubles += 1
        graph = walk(loss)
        name_of = self.structure.parameters.get
        bad = [
            name_of(leaf) or "?"
            for leaf, tensor in graph.leaves.items()
            if not bool(torch.isfinite(tensor.detach()).all())
        ]
        self._write(
            "trouble",
            step=self.step + 1,
            value=value,
            final=final,
            parameters=bad[:20],
            first=None if self._opaque else first_non_finite(graph, name_of),
            hazards=[] if self._opaque else hazards(graph),
        )

    def left_over(self, values: list[Any]) -> None:
        """Look at the variables of a script that ends itself, for a loss that is not finite.

        Many scripts check their loss before they call ``backward``, and stop.
        """
        self._look(self._left_over, values)

    def _left_over(self, values: list[Any]) -> None:
        for item in values:
            if not plain(item) or item.numel() != 1 or item.grad_fn is None or self._troubles >= 3:
                continue
            value = float(item.detach())
            if not math.isfinite(value):
                self._trouble(item, value, final=True)
                return

    def _clipped(self, name: str, limit: Any, norm: Any) -> None:
        file, line = place()
        self._clips.append(
            {
                "function": name,
                "limit": float(limit),
                "norm": float(norm.detach()) if plain(norm) else None,
                "file": file,
                "line": line,
            }
        )

    def _scheduler_made(self, scheduler: Any) -> None:
        file, line = place()
        plan = {
            key: value
            for key, value in vars(scheduler).items()
            if isinstance(value, int | float) and not isinstance(value, bool) and key[0] != "_"
        }
        self._write("scheduler", kind=type(scheduler).__name__, plan=plan, file=file, line=line)

    # -- steps

    def _before_step(self, optimiser: Any, arguments: Any, options: Any) -> None:
        if not self.here():
            return
        self._stepping = True
        if self.level == CLOSE:
            self._look(self._step_begins, optimiser)

    def _step_begins(self, optimiser: torch.optim.Optimizer) -> None:
        self.updates.step_begins(self.updates.owner(optimiser))

    def _after_step(self, optimiser: Any, arguments: Any, options: Any) -> None:
        if not self.here():
            return
        self._stepping = False
        if self.busy:
            return
        if self._rest:
            self.step += 1
            self._rest -= 1
            if not self._rest:
                self._next_level(self.step + 1)
            return
        owner = self.updates.owners.get(id(optimiser)) or self.updates.owner(optimiser)
        rate = optimiser.param_groups[0].get("lr")
        owner.learning_rate = rate if type(rate) is float else learning_rate(optimiser)
        if self._manual is not None:
            if self._manual.returned:  # of something else, before training began
                self._values = self._values[-1:]
            self._manual = None
        self._step_done(owner)

    def _step_done(self, owner: Owner) -> None:
        self._count(owner)
        if self.level or self._hooks:
            self._look(self._step_ended, owner)
        self.step += 1
        self._next_level(self.step + 1)

    def _count(self, owner: Owner) -> None:
        """Note a step and its loss; write losses when they are many or have waited long."""
        owner.steps += 1
        if self._values:
            self._rows.append(
                (self.step + 1, owner.number, self._mean(), owner.learning_rate, len(self._values))
            )
            self._values = []
        if len(self._rows) >= 256 or time.perf_counter() - self._flushed > LONGEST_WAIT:
            self._within(self._flush_rows)

    def _mean(self) -> Any:
        first = self._values[0]
        if len(self._values) == 1:
            return first
        return sum(float(value) for value in self._values) / len(self._values)

    def _tell_step(self, owner: Owner) -> None:
        """Write what a step that was looked at closely changed."""
        description = owner.describe(self.structure)
        if description is not None:
            self._write("optimiser", step=self.step, **description)
        numbers = self.updates.step_ended(owner)
        file, line = place()
        self._write(
            "update",
            step=self.step + 1,
            calls=[*self._calls, "step"][-60:],
            clips=self._clips,
            wiped=self._wiped,
            wasted=[
                item.numbers["model"]
                for item in self.forwards.finished
                if item.numbers["training"] and item.numbers["gradient"]
            ],
            file=file,
            line=line,
            **numbers,
        )
        self._flush_rows()
        self.writer.flush()  # what was seen stays seen, however the script ends

    def _step_ended(self, owner: Owner) -> None:
        if self.level == CLOSE:
            self._tell_step(owner)
        self._losses = [item for item in self._losses if not item.gradient]
        for forward in self.forwards.finished:
            if not forward.numbers["training"]:  # gradients left on, but never used
                self.evaluations.forward(forward, self.step, self.loaders.labels_of(forward))
        self.forwards.finished.clear()
        self._flush_evaluations()
        self._matched = []
        self._forget_calls()

    def _forget_calls(self) -> None:
        self._calls.clear()
        self._clips = []
        self._wiped = None

    def _next_level(self, step: int) -> None:
        """Decide how closely to look at a step that is about to begin."""
        if self._compiled:
            return
        turns = len(self.updates.owners) or 1
        if self.pace.candidate(step, turns) and self.pace.closely(step, self.spent, self.worked):
            self.level = CLOSE
            self.forwards.close = True
            self._hook()
            if step > FIRST_STEPS:  # the step before was not looked at: know what it left behind
                self._within(self._prepare)
            return
        if self._scouting and self.pace.affordable(self.spent, self.worked):
            self.level = SCOUT
            self.forwards.close = False
            self._hook()
        else:
            self.level = IDLE
            self.forwards.close = False
            if self._hooks:
                self._unhook()
            self._rest = 0 if self._manual is not None else self.pace.rest(step)
            self.loaders.forget()
            if self._rest:
                self._backward.remove()
            else:
                self._backward.place()

    def _prepare(self) -> None:
        for owner in self.updates.owners.values():
            owner.left, owner.reset, owner.grew = owner.witnesses(), False, False

    # -- steps made by hand, known only when the next backward pass begins

    def _follow_by_hand(self) -> None:
        """A backward pass has ended: remember what it found, and prepare for the next step."""
        owner = self._manual
        if owner is None:
            return
        owner.remember()
        if self.level == CLOSE:
            self.updates.step_begins(owner)
        self._older = (len(self.forwards.finished), len(self._losses))
        if self._asked <= self.step:
            self._asked = self.step + 1
            self._next_level(self.step + 2)

    def _manual_step(self) -> None:
        """A backward pass begins in a script without optimiser: were the weights changed?"""
        owner = self._manual
        if owner is None or not owner.stepped():
            return
        if self.updates.owners.get(id(owner)) is not owner:
            self.updates.owners[id(owner)] = owner
            self.updates.backward_begins()
        self._count(owner)
        if self.updates.begun:
            self._tell_step(owner)
        passes, losses = self._older
        del self.forwards.finished[:passes], self._losses[:losses]
        self._flush_evaluations()
        self._forget_calls()
        self.step += 1

    def _flush_evaluations(self) -> None:
        for numbers in self.evaluations.take():
            self._write("evaluation", **numbers)

    def _flush_rows(self) -> None:
        if self._rows:
            rows = [(a, b, float(c), d, e) for a, b, c, d, e in self._rows]
            passed = time.perf_counter() - self._began
            self._write("losses", rows=rows, seconds=passed, worked=self.worked, looking=self.spent)
            self._rows = []


@contextmanager
def watch(*_: Any, path: Path) -> Iterator[Watcher]:
    """Watch what happens inside a ``with`` block; the Record goes to ``path``.

    Models and optimisers may be given for the reader's sake; everything that trains in this
    thread is seen.
    """
    watcher = Watcher(RecordWriter(path))
    watcher.start()
    try:
        yield watcher
    finally:
        watcher.stop()
