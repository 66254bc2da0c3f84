"""Machine: device, precision, memory layout, threads and kernels of a run.

All of these change bits, so they are never measured at the start of a run: they come from the
table below, made by ``benchmarks/machine.py``, and are kept in the recipe.
"""

from __future__ import annotations

import contextlib
import platform
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn

from gradatim.core.cores import cores
from gradatim.core.recipe import MachineRecipe, Recipe
from gradatim.errors import UsageError, ValueRefusedError
from gradatim.training import memory

Capability = Literal["amx", "avx512-bf16-amd", "avx512-bf16", "other", "cuda-bf16", "cuda", "mps"]
ModelKind = Literal["deep-convolutional", "small-convolutional", "wide-dense", "dense", "recurrent"]


class Choice(NamedTuple):
    """One row of the table.

    Attributes:
        precision, layout: what is taken.
        gain: step time in fp32 and contiguous, divided by that of this choice; None: not measured
            on this kind of machine, so the choice is the plain one.
    """

    precision: Literal["fp32", "bf16"]
    layout: Literal["contiguous", "channels-last"]
    gain: float | None


# Made by benchmarks/machine.py (see benchmarks/results/machine.md), torch 2.13, on an Intel Xeon
# with AMX and on an AMD EPYC of Zen 5; "avx512-bf16" and "other" were played on the Xeon by telling
# oneDNN, MKL and ATen to use no more than them. AMD's AVX-512 multiplies bf16 at twice the rate of
# fp32, Intel's does not: there bf16 was slower than fp32 for every kind. bf16 is taken where it
# gains 5 % over fp32 in its best layout; how it trains: benchmarks/results/precision.md. Rows
# that are missing have not been measured.
MEASURED = "measured 2026-11"
TABLE: dict[tuple[Capability, ModelKind], Choice] = {
    ("amx", "dense"): Choice("fp32", "contiguous", 1.00),
    ("amx", "wide-dense"): Choice("bf16", "contiguous", 1.41),
    ("amx", "small-convolutional"): Choice("bf16", "channels-last", 1.62),
    ("amx", "deep-convolutional"): Choice("bf16", "channels-last", 2.71),
    ("amx", "recurrent"): Choice("bf16", "contiguous", 2.53),
    ("avx512-bf16-amd", "dense"): Choice("fp32", "contiguous", 1.00),
    ("avx512-bf16-amd", "wide-dense"): Choice("bf16", "contiguous", 2.59),
    ("avx512-bf16-amd", "small-convolutional"): Choice("bf16", "channels-last", 1.45),
    ("avx512-bf16-amd", "deep-convolutional"): Choice("bf16", "channels-last", 1.95),
    ("avx512-bf16-amd", "recurrent"): Choice("bf16", "contiguous", 1.65),
    ("avx512-bf16", "dense"): Choice("fp32", "contiguous", 1.00),
    ("avx512-bf16", "wide-dense"): Choice("fp32", "contiguous", 1.00),
    ("avx512-bf16", "small-convolutional"): Choice("fp32", "channels-last", 1.29),
    ("avx512-bf16", "deep-convolutional"): Choice("fp32", "channels-last", 1.08),
    ("avx512-bf16", "recurrent"): Choice("fp32", "contiguous", 1.00),
    ("other", "dense"): Choice("fp32", "contiguous", 1.00),
    ("other", "wide-dense"): Choice("fp32", "contiguous", 1.00),
    ("other", "small-convolutional"): Choice("fp32", "channels-last", 1.34),
    ("other", "deep-convolutional"): Choice("fp32", "channels-last", 1.08),
    ("other", "recurrent"): Choice("fp32", "contiguous", 1.00),
}
PLAIN = Choice("fp32", "contiguous", None)
FAMILIES: dict[Capability, tuple[int, str]] = {"avx512-bf16-amd": (26, "Zen 5")}
"""The family of processors (by CPUID) that a row was measured on, where others may take it."""

# PyTorch's own memory begins at multiples of 64 bytes; NumPy's does not always. Matrix products may
# round differently on other beginnings (Intel's MKL says so), and a resumed run must not.
ALIGNMENT = 64

# Weights from which a net with convolutions counts as deep. A net of dense layers counts as wide by
# the products of one forward pass, weights x samples: an MLP 50-256-128-10 gained nothing by bf16
# at batch 128 (6 million) and was 2.4 times as fast at 1,024 (48 million).
DEEP, WIDE = 150_000, 32_000_000
BATCH = 128  # where it is not known


def kind_of(model: nn.Module, batch: int = BATCH) -> ModelKind:
    """Return the kind of a model, as the table knows it, from its layers and their weights.

    Args:
        model: any module.
        batch: samples of a training step.
    """
    convolved = sum(
        module.weight.numel()
        for module in model.modules()
        if isinstance(module, nn.Conv1d | nn.Conv2d | nn.Conv3d)
    )
    if any(isinstance(module, nn.RNNBase | nn.RNNCellBase) for module in model.modules()):
        return "recurrent"
    if convolved:
        return "deep-convolutional" if convolved >= DEEP else "small-convolutional"
    dense = sum(
        module.weight.numel() for module in model.modules() if isinstance(module, nn.Linear)
    )
    return "wide-dense" if dense * batch >= WIDE else "dense"


def capability(device: torch.device) -> Capability:
    """Return what the device can do that matters for the choice."""
    if device.type == "cuda":
        return "cuda-bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "cuda"
    if device.type == "mps":
        return "mps"
    flags = _processor_flags()
    if "amx_bf16" in flags and "amx_tile" in flags:
        return "amx"
    if "avx512_bf16" not in flags:
        return "other"
    return "avx512-bf16-amd" if vendor() == "AuthenticAMD" else "avx512-bf16"


def advice(recipe: MachineRecipe) -> str:
    """Return what to tell where the table was not measured on such a machine; else nothing."""
    if recipe.precision is not None and recipe.layout is not None:
        return ""  # nothing is taken from the table
    device = check_device(recipe.device or _device()[0]["machine.device"])
    able = capability(device)
    measure = "`gradatim tune RUN` measures your own step and writes the fastest way into a recipe"
    if not any(row == able for row, _ in TABLE):
        return f"nothing was measured on {device}, so fp32 is taken; {measure}"
    number, name = FAMILIES.get(able, (None, ""))
    found = family()
    if number is None or found is None or found == number:
        return ""
    return (
        f"precision and layout are those measured on {name} (family {number}), and this processor "
        f"is of family {found}; {measure}"
    )


def resolve(recipe: Recipe, model: nn.Module | ModelKind) -> Recipe:
    """Return the recipe with every choice of the machine made, each with its reason.

    Args:
        recipe: what it holds already is kept.
        model: the model, or its kind.

    Raises:
        ValueRefusedError: the device is not one, or is not there.
    """
    recipe = recipe.filled(*_device())
    device = check_device(str(recipe.machine.device))
    batch = recipe.data.batch_size or BATCH
    kind = model if isinstance(model, str) else kind_of(model, batch)
    able = capability(device)
    choice = TABLE.get((able, kind), PLAIN)
    reason = (
        f"a {kind} model on {able}: {choice.gain:.2f} x as fast as fp32 and contiguous ({MEASURED})"
        if choice.gain is not None
        else f"a {kind} model on {able}: nothing faster was measured"
    )
    recipe = recipe.filled({"machine.precision": choice.precision}, reason)
    recipe = recipe.filled({"machine.layout": choice.layout}, reason)
    recipe = recipe.filled(
        {"machine.threads": torch.get_num_threads()}, "what PyTorch takes on this machine"
    )
    return recipe.filled({"machine.update": "fused"}, "the fastest form for every model measured")


def check_device(name: str) -> torch.device:
    """Return the device of this name.

    Raises:
        ValueRefusedError: it is not one, or not there.
    """
    allowed = ["cpu"]
    if torch.cuda.is_available():
        allowed += ["cuda", *(f"cuda:{i}" for i in range(torch.cuda.device_count()))]
    if torch.backends.mps.is_available():
        allowed.append("mps")
    if name not in allowed:
        raise ValueRefusedError(
            "this device cannot be used here",
            given=name,
            allowed=allowed,
            next_step="leave machine.device out to take the best there is",
        )
    return torch.device(name)


@dataclass(frozen=True)
class Place:
    """Where the arithmetic is done, and in which form tensors come there."""

    device: torch.device
    precision: Literal["fp32", "bf16"]
    channels_last: bool
    dtype: torch.dtype = torch.float32

    @classmethod
    def of(cls, recipe: MachineRecipe, model: nn.Module | None = None) -> Place:
        """Return the place of a resolved recipe; float inputs take the type of the weights."""
        weights = [] if model is None else [p for p in model.parameters() if p.is_floating_point()]
        return cls(
            check_device(recipe.device or "cpu"),
            recipe.precision or "fp32",
            recipe.layout == "channels-last",
            weights[0].dtype if weights else torch.float32,
        )

    @contextmanager
    def settled(self, model: nn.Module) -> Iterator[None]:
        """Move a model here, where it stays, and give its weights the memory layout for a while."""
        self.settle(model)
        try:
            yield
        finally:
            if self.channels_last:
                model.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]

    def settle(self, model: nn.Module) -> nn.Module:
        """Move a model here and give its weights the memory layout."""
        model.to(self.device)
        if self.channels_last:
            model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return model

    @property
    def loss_dtype(self) -> torch.dtype:
        """Type in which losses and metrics are computed, whatever the weights are."""
        return torch.float64 if self.dtype == torch.float64 else torch.float32

    def autocast(self) -> AbstractContextManager[Any]:
        """Return the context of a forward pass."""
        if self.precision == "bf16":
            return torch.autocast(self.device.type, dtype=torch.bfloat16)
        return contextlib.nullcontext()

    def bring(self, batch: Any) -> tuple[Tensor, Tensor]:
        """Return inputs and targets of a batch, here and in the right form.

        Class indices become int64, other targets the type of the loss, inputs the type of the
        weights; integer inputs (tokens) stay integers.

        Raises:
            UsageError: the batch is not a pair of arrays or tensors.
        """
        try:
            inputs, targets = batch[0], batch[1]
            if not (isinstance(inputs, Tensor) and isinstance(targets, Tensor)):
                inputs, targets = torch.as_tensor(inputs), torch.as_tensor(targets)
        except (TypeError, IndexError, KeyError, ValueError, RuntimeError) as error:
            raise UsageError(
                f"a batch is not a pair (inputs, targets) of tensors ({error})",
                given=type(batch).__name__,
                next_step="let the batches yield (inputs, targets)",
            ) from error
        if self.device.type != "cpu":
            ahead = self.device.type == "cuda"
            inputs = inputs.to(self.device, non_blocking=ahead)
            targets = targets.to(self.device, non_blocking=ahead)
        if inputs.is_floating_point() and inputs.dtype != self.dtype:
            inputs = inputs.to(self.dtype)
        if self.channels_last and inputs.ndim == 4:
            inputs = inputs.contiguous(memory_format=torch.channels_last)
        if inputs.ndim == 2 and inputs.data_ptr() % ALIGNMENT:
            inputs = inputs.clone()
        wanted = self.loss_dtype if targets.is_floating_point() else torch.int64
        return inputs, targets if targets.dtype == wanted else targets.to(wanted)


@contextmanager
def at_work(place: Place, threads: int | None) -> Iterator[None]:
    """Set threads, memory and, on CUDA, kernels that repeat their bits; give all back at last."""
    before = torch.get_num_threads()
    cudnn = torch.backends.cudnn
    flags = cudnn.deterministic, cudnn.benchmark
    if threads is not None and threads != before:
        torch.set_num_threads(threads)
    if place.device.type == "cuda":
        cudnn.deterministic, cudnn.benchmark = True, False
    try:
        with memory.kept():
            yield
    finally:
        if torch.get_num_threads() != before:
            torch.set_num_threads(before)
        if place.device.type == "cuda":
            cudnn.deterministic, cudnn.benchmark = flags


def describe(recipe: MachineRecipe | None = None) -> dict[str, Any]:
    """Return the facts of this machine, and of a run's choices where given, as plain values."""
    facts: dict[str, Any] = {
        "processor": processor(),
        "cores": cores(),
        "threads": torch.get_num_threads(),
        "torch": str(torch.__version__),
        "gradatim": _version(),
    }
    if recipe is not None:
        facts |= {
            "threads": recipe.threads or facts["threads"],
            "device": recipe.device or "cpu",
            "precision": recipe.precision or "fp32",
            "layout": recipe.layout or "contiguous",
        }
        if facts["device"].startswith("cuda"):
            facts["accelerator"] = torch.cuda.get_device_name(facts["device"])
    return facts


@cache
def processor() -> str:
    """Return the processor's name as the system gives it."""
    names = [line for line in _cpuinfo() if line.startswith("model name")]
    if names:
        return names[0].partition(":")[2].strip()
    if platform.system() == "Darwin":
        answer = _ask(["sysctl", "-n", "machdep.cpu.brand_string"])
        if answer:
            return answer
    return platform.processor() or platform.machine()


@cache
def vendor() -> str:
    """Return the processor's maker as CPUID spells it, or nothing."""
    for line in _cpuinfo():
        if line.startswith("vendor_id"):
            return line.partition(":")[2].strip()
    _, comma, maker = platform.processor().rpartition(",")  # Windows: "..., GenuineIntel"
    return maker.strip() if comma else ""


@cache
def family() -> int | None:
    """Return the processor's family as CPUID numbers it; None where the system does not say."""
    for line in _cpuinfo():
        if line.startswith("cpu family"):
            return int(line.partition(":")[2])
    words = platform.processor().split()  # Windows: "AMD64 Family 26 Model 2 Stepping 1, ..."
    return int(words[2]) if words[1:2] == ["Family"] and words[2].isdigit() else None


@cache
def _processor_flags() -> frozenset[str]:
    """Return the processor's feature flags; on systems that do not list them, what torch knows."""
    for line in _cpuinfo():
        if line.startswith("flags"):
            return frozenset(line.partition(":")[2].split())
    known = {"amx_bf16", "amx_tile"} if _torch_says("_is_amx_tile_supported") else set()
    if _torch_says("_is_avx512_bf16_supported"):
        known.add("avx512_bf16")
    return frozenset(known)


def _torch_says(question: str) -> bool:
    ask = getattr(torch.cpu, question, None)
    return bool(ask()) if ask is not None else False


@cache
def _cpuinfo() -> Sequence[str]:
    try:
        return Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []


def _ask(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=2, check=False)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()


@cache
def _version() -> str:
    try:
        return metadata.version("gradatim")
    except metadata.PackageNotFoundError:
        return "unknown"


def _device() -> tuple[dict[str, str], str]:
    """Return the device to take when none is named, with the reason."""
    if torch.cuda.is_available():
        return {"machine.device": "cuda"}, "a CUDA device is there"
    if torch.backends.mps.is_available():
        return {"machine.device": "mps"}, "Apple's GPU is there"
    return {"machine.device": "cpu"}, "no GPU is there"
