"""The anatomy of torchvision's and timm's networks beside PyTorch's counter.

    OMP_NUM_THREADS=1 python benchmarks/anatomy_others.py > benchmarks/results/anatomy_others.md

Needs torchvision and timm. Each network of ``anatomy_others.txt`` is explained, and, apart from
that, built by its library and run under ``torch.utils.flop_counter`` with gradients on (otherwise
PyTorch runs fused attention that the counter does not know). Compared are the parameters with the
sum of ``numel``, and the MACs of convolutions, and of linear layers, products, attention and
recurrent layers together (the counter sees products of matrices in all of them), with half of the
counter's operations. Networks run on the ``meta`` device where they can: nothing is computed.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from pathlib import Path

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from gradatim.anatomy.named import explain_named
from gradatim.anatomy.parts import Anatomy

LIST = Path(__file__).with_suffix(".txt")
SHAPE = (3, 224, 224)
PRODUCTS = ("linear", "product", "attention", "recurrent")


def networks() -> list[tuple[str, tuple[int, ...] | None]]:
    """Return the names of the list with the shape of the input, where one is given."""
    found = []
    for line in LIST.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            name, _, shape = line.partition(" ")
            found.append((name, tuple(int(part) for part in shape.split("x")) if shape else None))
    return found


def build(name: str) -> nn.Module:
    """Build a network by its library alone, without weights of others."""
    library, _, model = name.partition(":")
    if library == "timm":
        import timm

        module: nn.Module = timm.create_model(model, pretrained=False)
        return module
    from torchvision import models

    takes = models.get_model_builder(model).__annotations__
    options = {"weights_backbone": None} if "weights_backbone" in takes else {}
    made: nn.Module = models.get_model(model, weights=None, **options)
    return made


def counted(name: str, shape: tuple[int, ...]) -> tuple[int, Counter[str]]:
    """Return the parameters and the counter's MACs by kind of operator."""
    try:
        return _counted(name, shape, "meta")
    except Exception:  # it needs numbers
        return _counted(name, shape, "cpu")


def _counted(name: str, shape: tuple[int, ...], device: str) -> tuple[int, Counter[str]]:
    with torch.device(device):
        module = build(name).eval()
        x = torch.zeros(1, *shape)
    with FlopCounterMode(display=False) as counter:
        module(x)
    macs: Counter[str] = Counter()
    for operator, flops in counter.get_flop_counts()["Global"].items():
        macs["convolution" if "conv" in str(operator) else "products"] += flops // 2
    return sum(parameter.numel() for parameter in module.parameters()), macs


def ours(anatomy: Anatomy) -> tuple[int, Counter[str]]:
    """Return the parameters and MACs by kind as the anatomy has them."""
    macs: Counter[str] = Counter()
    for layer in anatomy.layers:
        if layer.macs.value:
            kind = "products" if layer.kind in PRODUCTS else layer.kind
            macs[kind] += layer.macs.value
    return anatomy.totals.parameters.value, macs


def compare(name: str, shape: tuple[int, ...] | None) -> str:
    """Return one row of the table."""
    began = time.process_time()
    anatomy = explain_named(name, shape=shape)
    seconds = time.process_time() - began
    parameters, macs = ours(anatomy)
    true_parameters, true_macs = counted(name, shape or anatomy.inputs[0][1:])
    kinds = sorted(macs.keys() | true_macs.keys())
    off = [
        f"{kind} {macs[kind]:,}, counter {true_macs[kind]:,}"
        for kind in kinds
        if macs[kind] != true_macs[kind]
    ]
    if parameters != true_parameters:
        off.append(f"parameters, numel {true_parameters:,}")
    disagreeing = [place for place, witness in anatomy.witnesses() if not witness.agrees]
    if disagreeing:
        off.append(f"{len(disagreeing)} witnesses disagree, first at {disagreeing[0]}")
    size = "x".join(str(length) for length in anatomy.inputs[0][1:])
    where = "fake" if anatomy.ran_on.startswith("fake") else "real"
    return (
        f"| {name} | {size} | {len(anatomy.layers):,} | {parameters:,} | {macs['convolution']:,} "
        f"| {macs['products']:,} | {where} | {seconds:.1f} | {'; '.join(off) or 'equal'} |"
    )


def main() -> None:
    """Compare the networks that are named, or all of the list."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", help="parts of names; all when left out")
    chosen = parser.parse_args().names
    print(
        "| network | input | layers | parameters | convolution | products | tensors | s | verdict |"
    )
    print("|---|---|--:|--:|--:|--:|---|--:|---|")
    equal = count = 0
    for name, shape in networks():
        if chosen and not any(part in name for part in chosen):
            continue
        count += 1
        try:
            row = compare(name, shape)
        except Exception as error:
            row = f"| {name} | failed: {type(error).__name__}: {error} |".replace("\n", " ")
        equal += row.endswith("| equal |")
        print(row, flush=True)
    print(f"{equal} of {count} equal", file=sys.stderr)


if __name__ == "__main__":
    main()
