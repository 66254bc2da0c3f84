"""What every network of the zoo is: a plain module that is built from a ``Spec``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

from torch import nn

from gradatim.core.spec import Kind, Spec, Task
from gradatim.errors import ValueRefusedError
from gradatim.models.options import resolve_options


class Network(nn.Module):
    """A plain module with the answers to: what does it suit, how is it built, how is it learnt.

    A network's ``__init__`` takes the spec and its options as keywords with types and defaults;
    ``forward`` takes ``B x spec.shape`` and answers ``B x spec.outputs`` raw scores.

    Attributes:
        tasks, kinds: what the network suits.
        smallest_side: least height and width of an image in pixels.
        full_input, full_outputs: input and number of classes of the form as published.
        full_options: options of the form as published that are not the defaults.
        sized_by_weights: names of the entries of the state that take the size of what is loaded.
        options: every option as resolved.
        solved: the module is solved (``solve(batches)``), not descended.
        optional_weights: beginnings of names that a weight file may hold though the module does
            not.

    A network whose ``forward`` answers more than scores in training answers a tuple with the
    scores first, and has ``training_loss(outputs, targets, loss)`` that says what is descended.
    """

    tasks: ClassVar[tuple[Task, ...]] = ("classification", "regression")
    kinds: ClassVar[tuple[Kind, ...]] = ("image",)
    smallest_side: ClassVar[int] = 1
    full_input: ClassVar[tuple[int, ...]] = (3, 224, 224)
    full_outputs: ClassVar[int] = 1000
    full_options: ClassVar[Mapping[str, Any]] = {}
    sized_by_weights: ClassVar[frozenset[str]] = frozenset()
    optional_weights: ClassVar[tuple[str, ...]] = ()
    options: dict[str, Any]

    @property
    def solved(self) -> bool:
        """Whether the module is solved from the samples, not by gradient descent."""
        return False

    @classmethod
    def for_spec(cls, spec: Spec, **options: Any) -> Self:
        """Build the form fitted to the data.

        Raises:
            UnknownNameError: the network has no such option.
            ValueRefusedError: a value is refused, or the network does not suit the data.
        """
        cls.check_suits(spec)
        resolved = resolve_options(cls, options)
        network = cls(spec, **resolved)
        network.options = resolved
        return network

    @classmethod
    def full_size(cls, **options: Any) -> Self:
        """Build the form as published, for ``full_input`` and ``full_outputs`` classes."""
        resolved = resolve_options(cls, {**cls.full_options, **options})
        spec = cls.full_spec().with_shape(*cls.full_shape(resolved))
        network = cls.for_spec(spec, **resolved)
        network.full_input = spec.shape  # type: ignore[misc]
        return network

    @classmethod
    def full_shape(cls, options: Mapping[str, Any]) -> tuple[int, ...]:
        """Return the input of the form as published, where an option decides it."""
        return cls.full_input

    @classmethod
    def full_spec(cls) -> Spec:
        """Return what enters and leaves the form as published."""
        classes = tuple(str(index) for index in range(cls.full_outputs))
        return Spec("classification", "image", cls.full_input, classes)

    @classmethod
    def check_suits(cls, spec: Spec) -> None:
        """Refuse data the network is not made for, with the reason.

        Raises:
            ValueRefusedError: the task or the kind does not suit, or the image is too small.
        """
        if spec.task not in cls.tasks:
            raise ValueRefusedError(
                f"{cls.__name__} does not suit this task", given=spec.task, allowed=cls.tasks
            )
        if spec.kind not in cls.kinds:
            raise ValueRefusedError(
                f"{cls.__name__} does not take this kind of sample",
                given=spec.kind,
                allowed=cls.kinds,
                next_step="`gradatim names models` says what each model takes",
            )
        if spec.kind == "image" and min(spec.shape[1:]) < cls.smallest_side:
            raise ValueRefusedError(
                f"the images are too small for {cls.__name__}",
                given=" x ".join(str(side) for side in spec.shape[1:]),
                allowed=f"at least {cls.smallest_side} x {cls.smallest_side} pixels",
                next_step=f"set data.size={cls.smallest_side} or choose a smaller network",
            )
