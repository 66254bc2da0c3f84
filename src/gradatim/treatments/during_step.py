"""Settings of an optimiser that hold only while it steps, so that schedules go on unharmed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch.optim import optimizer as optimisers

Group = dict[str, Any]


def change(settings: Callable[[Group], Group]) -> None:
    """Give every group of every optimiser other settings during each of its steps.

    Args:
        settings: what to change, computed from the group as the script left it.
    """
    kept: dict[int, list[Group]] = {}

    def before(optimiser: Any, arguments: Any, options: Any) -> None:
        kept[id(optimiser)] = []
        for group in optimiser.param_groups:
            changed = {key: value for key, value in settings(group).items() if key in group}
            kept[id(optimiser)].append({key: group[key] for key in changed})
            group.update(changed)

    def after(optimiser: Any, arguments: Any, options: Any) -> None:
        for group, old in zip(optimiser.param_groups, kept.pop(id(optimiser), []), strict=False):
            group.update(old)

    optimisers.register_optimizer_step_pre_hook(before)
    optimisers.register_optimizer_step_post_hook(after)
