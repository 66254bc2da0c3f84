"""Carrying: the state of a recurrent net handed on from batch to batch.

Truncated back-propagation through time (Williams and Peng 1990): each batch goes on where the one
before ended, with the state it left, but the gradient stops at the beginning of the batch. The
state is part of a checkpoint, so a resumed run goes on with the very same.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn


class Carrying:
    """Calls a model batch after batch, and keeps its state between them, cut off from its past.

    Args:
        model: has ``continue_from(inputs, state)``, which answers outputs and the new state: a
            tensor, several, or None. Axis 1 of a state's tensors is that of the samples.

    Attributes:
        state: after the last batch; None at the beginning.
    """

    def __init__(self, model: nn.Module) -> None:
        self._continue: Any = getattr(model, "continue_from")  # noqa: B009 - modules have any
        self.state: tuple[Tensor, ...] | None = None
        self._single = True

    def __call__(self, inputs: Tensor) -> Tensor:
        """Return the outputs of the next batch; its first rows go on from those of the last."""
        outputs, state = self._continue(inputs, self._of_rows(len(inputs)))
        self._keep(state)
        result: Tensor = outputs
        return result

    def forget(self) -> None:
        """Begin anew: the next batch goes on from nothing."""
        self.state = None

    def tensors(self) -> dict[str, Tensor]:
        """Return the state by name, for a checkpoint; nothing at the beginning."""
        kind = "single" if self._single else "part"
        return {f"{kind}{number}": part for number, part in enumerate(self.state or ())}

    def restore(self, tensors: Mapping[str, Tensor], prefix: str, like: Tensor) -> None:
        """Go on from what ``tensors`` returned, named with a prefix, on the device of ``like``."""
        names = sorted(name for name in tensors if name.startswith(prefix))
        self._single = not any(name.startswith(f"{prefix}part") for name in names)
        found = tuple(tensors[name].to(like.device).clone() for name in names)
        self.state = found or None

    def _keep(self, state: Any) -> None:
        if state is None:
            self.state = None
            return
        self._single = isinstance(state, Tensor)
        parts = (state,) if isinstance(state, Tensor) else tuple(state)
        self.state = tuple(part.detach() for part in parts)

    def _of_rows(self, rows: int) -> Any:
        """Return the state of the first rows; None where there are more than were kept."""
        if self.state is None or self.state[0].shape[1] < rows:
            return None
        parts = tuple(part[:, :rows].contiguous() for part in self.state)
        return parts[0] if self._single else parts


def carries(batches: Any, model: nn.Module) -> bool:
    """Whether batches go on where the last ended, and the model can do so too."""
    return bool(getattr(batches, "carries", False)) and hasattr(model, "continue_from")
