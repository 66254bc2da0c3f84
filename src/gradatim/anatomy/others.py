"""What others say about the same network, and which part of their convention makes the difference.

* PyTorch's counter (``torch.utils.flop_counter``): two operations for each MAC of convolutions,
  matrix products and attention, nothing else.
* torchinfo 1.8.0: parameters (biases and normalisation too) times the places of the output for
  modules with Conv in their name, parameters times the batch for all others; functions without a
  module, and products inside attention, are not seen.
* fvcore 0.1.5: MACs under the name of FLOPs, and normalisation (two operations for each value of a
  BatchNorm with fixed statistics, five otherwise) and adaptive average pooling (one for each value
  read).
* torchsummary: parameters once for each call, so shared modules count twice.
* papers: quoted with their rounding.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from gradatim.anatomy.parts import Difference, Layer, Opinion, Totals


@dataclass(frozen=True)
class Quotation:
    """A number a paper prints, rounded as it prints it."""

    quantity: str
    value: int
    source: str
    note: str = ""


_VGG = "Simonyan and Zisserman 2015, table 2"
_RESNET = "He et al. 2016, table 1"
PAPERS: dict[str, tuple[Quotation, ...]] = {
    "lenet": (
        Quotation(
            "parameters",
            60_000,
            "LeCun et al. 1998, section II.B",
            "its C3 reads some of the maps only, and its pooling has weights",
        ),
    ),
    "alexnet": (
        Quotation(
            "parameters",
            60_000_000,
            "Krizhevsky et al. 2012, section 1",
            "two groups of channels and other widths than torchvision's form",
        ),
    ),
    "vgg11": (Quotation("parameters", 133_000_000, _VGG),),
    "vgg13": (Quotation("parameters", 133_000_000, _VGG),),
    "vgg16": (Quotation("parameters", 138_000_000, _VGG),),
    "vgg19": (
        Quotation("parameters", 144_000_000, _VGG),
        Quotation("MACs", 19_600_000_000, "He et al. 2016, figure 3"),
    ),
    "googlenet": (
        Quotation(
            "MACs",
            1_500_000_000,
            "Szegedy et al. 2015, section 1",
            "a budget for inference; true 5 x 5 kernels, no normalisation",
        ),
    ),
    "resnet18": (Quotation("MACs", 1_800_000_000, _RESNET),),
    "resnet34": (Quotation("MACs", 3_600_000_000, _RESNET),),
    "resnet50": (Quotation("MACs", 3_800_000_000, _RESNET),),
    "resnet101": (Quotation("MACs", 7_600_000_000, _RESNET),),
    "resnet152": (Quotation("MACs", 11_300_000_000, _RESNET),),
}


def opinions(
    name: str, layers: Sequence[Layer], totals: Totals, *, training: bool = False
) -> tuple[Opinion, ...]:
    """Return what others say about the layers of a network."""
    found = [_counter(layers, totals), _torchinfo(layers, totals)]
    if not any(layer.kind in ("attention", "recurrent") for layer in layers):
        found.append(_fvcore(layers, totals, training))  # it has no rule for those two
    found.append(_everything(layers, totals))
    summary = _torchsummary(layers, totals)
    if summary.value != summary.ours:
        found.append(summary)
    found += _papers(name, layers, totals)
    return tuple(found)


def _counter(layers: Sequence[Layer], totals: Totals) -> Opinion:
    """Ask PyTorch's counter, whose answer came with the trace."""
    witness = totals.macs.witness
    value = 2 * int(witness.value) if witness else 0
    unseen = [
        Difference(f"{layer.name}: not known to it", -layer.flops.value)
        for layer in layers
        if layer.macs.value and not known_to_counter(layer)
    ]
    return Opinion(
        "PyTorch's FLOP counter",
        "FLOPs",
        value,
        totals.flops.value,
        tuple(unseen),
        "two operations for each MAC; bias, normalisation, activation and pooling not counted",
    )


def known_to_counter(layer: Layer) -> bool:
    """Whether PyTorch's counter has a rule for what the layer does."""
    return layer.macs.witness is not None or layer.macs.derivation.startswith("PyTorch's operators")


def _torchinfo(layers: Sequence[Layer], totals: Totals) -> Opinion:
    """Apply torchinfo's rule: parameters of modules times places (convolutions) or the batch."""
    parts: dict[str, int] = {}

    def add(what: str, amount: int) -> None:
        if amount:
            parts[what] = parts.get(what, 0) + amount

    for layer in layers:
        if layer.macs.status == "not counted" and not layer.parameters:
            continue
        own = {
            item.name.rpartition(".")[2]: item.elements
            for item in layer.parameters
            if item.name.rpartition(".")[0] == layer.path
        }
        alone = layer.operation.startswith(tuple("ABCDEFGHIJKLMNOPQRSTUVWXYZ"))
        made = layer.output_shapes[0]
        if not alone:
            add("products and parameters outside modules, which it does not see", -layer.macs.value)
        elif layer.kind == "convolution":
            places = made[0] * math.prod(made[2:])
            add("biases of convolutions", own.get("bias", 0) * places)
            add(
                "transposed convolutions, counted at their output",
                own.get("weight", 0) * places - layer.macs.value,
            )
        elif layer.kind == "recurrent":
            counted = sum(own.values()) * math.prod(made[:2])
            add("recurrent layers, with their biases", counted - layer.macs.value)
        elif layer.kind == "linear":
            add("biases of linear layers", own.get("bias", 0) * made[0])
            add(
                "linear layers at several places, counted once",
                own.get("weight", 0) * made[0] - layer.macs.value,
            )
        else:
            counted = (own.get("weight", 0) + own.get("bias", 0)) * made[0]
            what = {
                "normalisation": "weights and biases of normalisation",
                "lookup": "tables of embeddings",
                "attention": "attention, whose products it does not see",
            }.get(layer.kind, f"parameters of {layer.kind} layers")
            add(what, counted - layer.macs.value)
    differences = tuple(Difference(what, value) for what, value in parts.items() if value)
    return Opinion(
        "torchinfo 1.8.0",
        "MACs",
        totals.macs.value + sum(item.value for item in differences),
        totals.macs.value,
        differences,
        "parameters of modules, biases and normalisation included, times places or batch",
    )


def _fvcore(layers: Sequence[Layer], totals: Totals, training: bool) -> Opinion:
    """Apply fvcore's rule: MACs, called FLOPs, with normalisation and adaptive pooling."""
    parts: dict[str, int] = {}
    for layer in layers:
        values = math.prod(layer.output_shapes[0])
        if layer.kind == "normalisation" and layer.parameters:
            fixed = "batch_norm" in layer.function and not training
            parts["normalisation"] = parts.get("normalisation", 0) + (2 if fixed else 5) * values
        elif "adaptive_avg" in layer.function:
            read = math.prod(layer.input_shapes[0])
            parts["adaptive average pooling"] = parts.get("adaptive average pooling", 0) + read
    return Opinion(
        "fvcore 0.1.5",
        "MACs",
        totals.macs.value + sum(parts.values()),
        totals.macs.value,
        tuple(Difference(what, value) for what, value in parts.items()),
        "MACs under the name of FLOPs, with normalisation and adaptive average pooling",
    )


def _everything(layers: Sequence[Layer], totals: Totals) -> Opinion:
    """Count every operation that has a rule, as counters that include element-wise work do."""
    parts: dict[str, int] = {}
    for layer in layers:
        for extra in layer.uncounted:
            parts[extra.what] = parts.get(extra.what, 0) + extra.value
    return Opinion(
        "every operation counted",
        "FLOPs",
        totals.flops.value + sum(parts.values()),
        totals.flops.value,
        tuple(Difference(what, value) for what, value in parts.items()),
        "bias 1, normalisation 2, activation 1, merge 1, pooling 1 for each value read",
    )


def _torchsummary(layers: Sequence[Layer], totals: Totals) -> Opinion:
    again = [
        (layer.name, sum(item.elements for item in layer.parameters if not item.counted))
        for layer in layers
    ]
    differences = [Difference(f"{name} counted again", value) for name, value in again if value]
    if totals.unused.value:
        differences.append(Difference("parameters never used", -totals.unused.value))
    return Opinion(
        "torchsummary",
        "parameters",
        totals.parameters.value + sum(item.value for item in differences),
        totals.parameters.value,
        tuple(differences),
        "parameters once for each call of a module",
    )


def _papers(name: str, layers: Sequence[Layer], totals: Totals) -> list[Opinion]:
    key = "".join(letter for letter in name.lower() if letter.isalnum()).removesuffix("bn")
    found = []
    for quotation in PAPERS.get(key, ()):
        ours = totals.macs.value if quotation.quantity == "MACs" else totals.parameters.value
        moved = _stride_moved(layers) if quotation.quantity == "MACs" else []
        note = f"{quotation.source}; rounded there"
        if quotation.note:
            note += f"; {quotation.note}"
        if moved:
            computed = ours + sum(item.value for item in moved)
            found.append(
                Opinion(
                    "the paper's stride",
                    "MACs",
                    computed,
                    ours,
                    tuple(moved),
                    "the paper halves the map in the first 1 x 1 convolution of a stage, "
                    "torchvision in the 3 x 3 after it",
                )
            )
        rounding = quotation.value - ours - sum(item.value for item in moved)
        differences = [*moved, Difference("rounding, and what the note says", rounding)]
        found.append(
            Opinion(
                "the paper",
                quotation.quantity,
                quotation.value,
                ours,
                tuple(differences),
                note,
                computed=False,
            )
        )
    return found


def _stride_moved(layers: Sequence[Layer]) -> list[Difference]:
    """Return what a bottleneck saves when its 1 x 1 convolution takes the stride of its 3 x 3.

    The 1 x 1 then makes a quarter of its outputs; the 3 x 3 makes as many as before.
    """
    found = []
    convolutions = [layer for layer in layers if layer.kind == "convolution"]
    for before, layer in pairwise(convolutions):
        if (
            len(layer.axes) == 2
            and all(axis.kernel == 3 and axis.stride == 2 for axis in layer.axes)
            and all(axis.kernel == 1 and axis.stride == 1 for axis in before.axes)
            and before.path.rpartition(".")[0] == layer.path.rpartition(".")[0] != ""
        ):
            saved = before.macs.value * 3 // 4
            found.append(
                Difference(f"{before.name} at half the height and width: 3/4 of it", -saved)
            )
    return found
