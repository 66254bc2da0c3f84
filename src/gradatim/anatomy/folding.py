"""Layers as a tree of modules, with identical repetitions folded into one."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

from gradatim.anatomy.parts import Block, Layer


def fold(layers: Sequence[Layer], classes: Mapping[str, str]) -> tuple[Block, ...]:
    """Return the layers as blocks: modules inside modules, runs of identical ones folded.

    Two blocks are identical when their layers are, one by one: the same work, shapes, parameters
    and MACs. Receptive fields may differ.

    Args:
        layers: in the order of execution.
        classes: class of each module by its name.
    """
    return _folded(_grouped(layers, "", classes), layers)


def _grouped(layers: Sequence[Layer], prefix: str, classes: Mapping[str, str]) -> list[Block]:
    """Group neighbouring layers whose module is the same child of ``prefix``."""
    blocks: list[Block] = []
    index = 0
    while index < len(layers):
        child = _child(layers[index].path, prefix)
        end = index + 1
        if child is None:
            blocks.append(Block(layers[index].name, "", (layers[index].index,)))
        else:
            while end < len(layers) and _same_run(layers[index], layers[end], child, prefix):
                end += 1
            inside = layers[index:end]
            name = f"{prefix}.{child}" if prefix else child
            if len(inside) == 1 and inside[0].path == name:
                blocks.append(Block(inside[0].name, classes.get(name, ""), (inside[0].index,)))
            else:
                children = tuple(_grouped(inside, name, classes))
                numbers = tuple(layer.index for layer in inside)
                blocks.append(Block(name, classes.get(name, ""), numbers, children))
        index = end
    return blocks


def _same_run(first: Layer, layer: Layer, child: str, prefix: str) -> bool:
    """Whether a layer belongs to the same call of the same child; a second call is a new block."""
    if _child(layer.path, prefix) != child:
        return False
    same_module = layer.path == first.path
    return not same_module or layer.visit == first.visit


def _child(path: str, prefix: str) -> str | None:
    """Return the child of ``prefix`` that a module is in; None for ``prefix`` itself."""
    if path == prefix:
        return None
    rest = path[len(prefix) + 1 :] if prefix else path
    return rest.partition(".")[0]


def _signature(block: Block, layers: Sequence[Layer], root: str) -> Hashable:
    if block.children:
        return (
            block.kind,
            block.count,
            tuple(_signature(child, layers, block.name) for child in block.children),
        )
    layer = layers[block.layers[0]]
    return (
        layer.kind,
        layer.operation,
        layer.function,
        layer.input_shapes,
        layer.output_shapes,
        layer.weights.value,
        layer.biases.value,
        layer.macs.value,
    )


def _folded(blocks: Sequence[Block], layers: Sequence[Layer]) -> tuple[Block, ...]:
    """Fold runs at this level, after folding inside every block."""
    inner = [
        Block(b.name, b.kind, b.layers, _folded(b.children, layers), b.count) if b.children else b
        for b in blocks
    ]
    signs = [_signature(block, layers, "") for block in inner]
    numbers = {sign: number for number, sign in enumerate(dict.fromkeys(signs))}
    codes = [numbers[sign] for sign in signs]
    found: list[Block] = []
    index = 0
    while index < len(inner):
        period, count = _repetition(codes, index)
        if count == 1:
            found.append(inner[index])
            index += 1
            continue
        run = inner[index : index + period * count]
        unit = run[:period]
        numbers_inside = tuple(number for block in run for number in block.layers)
        name = _run_name(run)
        kind = unit[0].kind if period == 1 else ", ".join(b.kind or b.name for b in unit)
        children = unit[0].children if period == 1 and unit[0].children else tuple(unit)
        found.append(Block(name, kind, numbers_inside, children, count))
        index += period * count
    return tuple(found)


def _run_name(run: Sequence[Block]) -> str:
    """Return the names of the first and last block, shortened: ``layer3.1 to layer3.35``."""
    return f"{run[0].name} to {run[-1].name}"


def _repetition(codes: Sequence[int], start: int) -> tuple[int, int]:
    """Return the period and count of the repetition at a place that covers most blocks."""
    best = (1, 1)
    for period in range(1, (len(codes) - start) // 2 + 1):
        unit = codes[start : start + period]
        count = 1
        while codes[start + count * period : start + (count + 1) * period] == unit:
            count += 1
        if count > 1 and period * count > best[0] * best[1]:
            best = (period, count)
    return best
