"""Optimisers of ``torch.optim``, with the house's names, and what they share.

Every function takes the parameter groups, the resolved recipe and the form in which the update is
computed: ``fused`` (one kernel for everything), ``foreach`` (one kernel a kind of operation) or
``loop`` (one a parameter). The forms may differ in the last bit, so the form is kept in the recipe.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cache
from typing import Any, cast

import torch
from torch import nn
from torch.optim import Optimizer

from gradatim.core.recipe import TrainingRecipe
from gradatim.core.registry import resolve
from gradatim.errors import UsageError
from gradatim.training import OPTIMISERS

Groups = list[dict[str, Any]]
Builder = Callable[[Groups, TrainingRecipe, dict[str, bool]], Optimizer]


def sgd(groups: Groups, recipe: TrainingRecipe, form: dict[str, bool]) -> Optimizer:
    """Stochastic gradient descent: w -= rate * g."""
    return light(torch.optim.SGD)(groups, lr=_rate(recipe), **form)


def momentum(groups: Groups, recipe: TrainingRecipe, form: dict[str, bool]) -> Optimizer:
    """Heavy ball (Polyak 1964): v = m v + g, w -= rate * v."""
    return light(torch.optim.SGD)(groups, lr=_rate(recipe), momentum=_momentum(recipe), **form)


def nesterov(groups: Groups, recipe: TrainingRecipe, form: dict[str, bool]) -> Optimizer:
    """Momentum with a look ahead (Nesterov 1983): v = m v + g, w -= rate * (g + m v)."""
    return light(torch.optim.SGD)(
        groups, lr=_rate(recipe), momentum=_momentum(recipe), nesterov=True, **form
    )


def adagrad(groups: Groups, recipe: TrainingRecipe, form: dict[str, bool]) -> Optimizer:
    """Divide by the root of the sum of squared gradients (Duchi et al. 2011)."""
    return light(torch.optim.Adagrad)(groups, lr=_rate(recipe), eps=_epsilon(recipe), **form)


def rmsprop(groups: Groups, recipe: TrainingRecipe, form: dict[str, bool]) -> Optimizer:
    """Divide by the root of a running mean of squares, of decay ``beta2`` (Hinton 2012)."""
    return light(torch.optim.RMSprop)(
        groups,
        lr=_rate(recipe),
        alpha=_beta2(recipe),
        eps=_epsilon(recipe),
        momentum=recipe.momentum or 0.0,
        **_unfused(form),
    )


def adadelta(groups: Groups, recipe: TrainingRecipe, form: dict[str, bool]) -> Optimizer:
    """Scale by running means of squared updates and gradients, of decay ``beta2`` (Zeiler 2012)."""
    return light(torch.optim.Adadelta)(
        groups, lr=_rate(recipe), rho=_beta2(recipe), eps=_epsilon(recipe), **_unfused(form)
    )


def adam(groups: Groups, recipe: TrainingRecipe, form: dict[str, bool]) -> Optimizer:
    """Running means of gradients and of their squares, bias-corrected (Kingma and Ba 2015)."""
    return light(torch.optim.Adam)(
        groups, lr=_rate(recipe), betas=_betas(recipe), eps=_epsilon(recipe), **form
    )


def adamw(groups: Groups, recipe: TrainingRecipe, form: dict[str, bool]) -> Optimizer:
    """Adam with weight decay beside the gradient (Loshchilov and Hutter 2019)."""
    return light(torch.optim.AdamW)(
        groups, lr=_rate(recipe), betas=_betas(recipe), eps=_epsilon(recipe), **form
    )


@cache
def light(kind: type[Optimizer]) -> Callable[..., Optimizer]:
    """Return an optimiser class without what PyTorch wraps around it for its compiler.

    The wrappers import the whole compiler at the first step or checkpoint, 0.9 to 1.3 seconds of
    every run, to keep it out of the update. The arithmetic below them, hooks and states are the
    class's own.
    """

    def zero_grad(self: Optimizer, set_to_none: bool = True) -> None:
        inspect.unwrap(Optimizer.zero_grad)(self, set_to_none)  # looked up now: it may be watched

    methods = {
        "__doc__": kind.__doc__,
        "__module__": kind.__module__,
        "add_param_group": inspect.unwrap(kind.add_param_group),
        "load_state_dict": inspect.unwrap(kind.load_state_dict),
        "state_dict": inspect.unwrap(kind.state_dict),
        "step": torch.no_grad()(inspect.unwrap(cast(Callable[..., Any], kind.step))),
        "zero_grad": zero_grad,
    }
    return cast(Callable[..., Optimizer], type(kind.__name__, (kind,), methods))


def weights_and_others(model: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """Return the trained parameters that decay (weights) and those that do not.

    Biases and the scales and shifts of normalisations have one axis; all weights have more.
    """
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return (
        [parameter for parameter in trained if parameter.ndim > 1],
        [parameter for parameter in trained if parameter.ndim <= 1],
    )


def build(
    model: nn.Module, recipe: TrainingRecipe, form: str, groups: Groups | None = None
) -> Optimizer:
    """Return the optimiser of a resolved recipe over the parameters that are trained.

    Args:
        model: the module, already on its device and in its memory layout.
        recipe: resolved.
        form: ``fused``, ``foreach`` or ``loop``; an optimiser without a fused kernel takes
            ``foreach`` instead.
        groups: the parameters with their decay, where they are not all alike.

    Raises:
        UsageError: the model has nothing to train.
    """
    weights, others = weights_and_others(model)
    if not weights and not others:
        raise UsageError(
            "this model has no parameters that are trained by descent",
            given=type(model).__name__,
            next_step="models such as majority and knn are solved: call their solve()",
        )
    if groups is None:
        groups = [
            {"params": parameters, "weight_decay": decay}
            for parameters, decay in ((weights, recipe.weight_decay or 0.0), (others, 0.0))
            if parameters
        ]
    builder: Builder = resolve(OPTIMISERS, str(recipe.optimiser), "optimiser")
    return builder(groups, recipe, {"loop": {"foreach": False}}.get(form, {form: True}))


def _unfused(form: dict[str, bool]) -> dict[str, bool]:
    return {"foreach": True} if form.get("fused") else form


def _rate(recipe: TrainingRecipe) -> float:
    return float(recipe.learning_rate or 0.0)


def _momentum(recipe: TrainingRecipe) -> float:
    return float(recipe.momentum or 0.0)


def _epsilon(recipe: TrainingRecipe) -> float:
    return float(recipe.epsilon or 0.0)


def _beta2(recipe: TrainingRecipe) -> float:
    return float(recipe.beta2 or 0.0)


def _betas(recipe: TrainingRecipe) -> tuple[float, float]:
    return float(recipe.beta1 or 0.0), _beta2(recipe)
