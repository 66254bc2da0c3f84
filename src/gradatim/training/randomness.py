"""Randomness of a step as a pure function: dropout's seed is f(seed, step)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

_MASK = (1 << 64) - 1


def mix(*numbers: int) -> int:
    """Return a seed of 63 bits that depends on every number and on their order.

    SplitMix64's finaliser (Steele, Lea and Flood 2014) is applied after each number, so that
    neighbouring seeds and steps have unrelated streams.
    """
    state = 0
    for number in numbers:
        state = (state + 0x9E3779B97F4A7C15 + (number & _MASK)) & _MASK
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & _MASK
        state ^= state >> 31
    return state >> 1


# What a stream of random numbers is for: the forward pass of a step, or fetching its batch.
FORWARD, FETCH = 1, 2


def seeder(device: torch.device) -> Callable[[int], object]:
    """Return the function that seeds PyTorch's generators of the processor and of the device.

    It is `torch.manual_seed` without the devices that are not used: about 2 microseconds.
    """
    seed_processor = torch.default_generator.manual_seed
    if device.type == "cpu":
        return seed_processor
    seed_device: Callable[[int], object] = (
        torch.cuda.manual_seed_all if device.type == "cuda" else torch.mps.manual_seed
    )

    def seed_both(seed: int) -> None:
        seed_processor(seed)
        seed_device(seed)

    return seed_both


@contextmanager
def given_back(device: torch.device) -> Iterator[None]:
    """Give the state of PyTorch's random numbers back at the end, as it was found."""
    state = torch.get_rng_state()
    device_state: torch.Tensor | list[torch.Tensor] | None = None
    if device.type == "cuda":
        device_state = torch.cuda.get_rng_state_all()
    elif device.type == "mps":
        device_state = torch.mps.get_rng_state()
    try:
        yield
    finally:
        torch.set_rng_state(state)
        if isinstance(device_state, list):
            torch.cuda.set_rng_state_all(device_state)
        elif device_state is not None:
            torch.mps.set_rng_state(device_state)
