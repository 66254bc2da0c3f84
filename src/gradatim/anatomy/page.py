"""An anatomy as a page: totals, river, layers with their arithmetic, what others say. No torch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from gradatim.anatomy import derivations
from gradatim.anatomy.parts import Anatomy, Axis, Block, Field, Layer
from gradatim.anatomy.river import river
from gradatim.core.page import (
    Arithmetic,
    Facts,
    Fold,
    Heading,
    Page,
    Picture,
    Table,
    Text,
    Verdict,
)
from gradatim.core.page import Block as PageBlock

Cell = str | int | float | None


def page(anatomy: Anatomy) -> Page:
    """Return an anatomy as a page: the totals first, the derivations folded below each layer."""
    return Page(
        f"Anatomy of {anatomy.name}",
        (
            _verdict(anatomy),
            Facts(tuple(_facts(anatomy))),
            Picture(river(anatomy), "image/svg+xml", _river_in_words(anatomy)),
            *(Text(note, "note") for note in anatomy.notes),
            Heading("Layers", "layers"),
            _layer_table(anatomy),
            Heading("Where every number comes from", "derivations"),
            Text(
                "Open a layer. A MAC is one multiplication with its addition; FLOPs are twice the "
                "MACs. n is the input length, k the kernel, p the padding, s the stride, "
                "d the dilation."
            ),
            *_derivations(anatomy, anatomy.blocks),
            Heading("What others say", "others"),
            *_others(anatomy),
            Heading("Witnesses", "witnesses"),
            *_witnesses(anatomy),
        ),
        subtitle="input " + ", ".join("x".join(map(str, shape)) for shape in anatomy.inputs),
    )


def _verdict(anatomy: Anatomy) -> Verdict:
    totals = anatomy.totals
    found = [witness for _, witness in anatomy.witnesses()]
    agreeing = sum(witness.agrees for witness in found)
    level = "good" if agreeing == len(found) else "alarm"
    return Verdict(
        f"{totals.parameters.value:,} parameters, {totals.macs.value:,} MACs",
        f"{agreeing:,} of {len(found):,} second ways to the same number agree",
        level,  # type: ignore[arg-type]
    )


def _facts(anatomy: Anatomy) -> Iterator[tuple[str, str]]:
    totals = anatomy.totals
    yield "parameters", totals.parameters.derivation
    yield "memory of the parameters", _bytes(totals.parameter_bytes.value)
    yield "MACs", f"{totals.macs.value:,}"
    yield "FLOPs", totals.flops.derivation
    yield "memory of the outputs", _bytes(totals.activation_bytes.value)
    bound = "at least " if totals.saved_bytes.status == "bound" else ""
    yield "kept for the backward pass", bound + _bytes(totals.saved_bytes.value)
    last = _last_map(anatomy)
    if last is not None:
        fields = ", ".join(f"{field.axis} {_field(field)}" for field in last.fields)
        yield f"receptive field of {last.name}", fields
    weighted = sum(1 for layer in anatomy.layers if layer.macs.value and layer.parameters)
    yield "layers that multiply by weights", str(weighted)
    yield "counted", f"in {anatomy.mode} mode on {anatomy.ran_on}, in {anatomy.seconds:.2f} s"


def _last_map(anatomy: Anatomy) -> Layer | None:
    """Return the last layer whose field still moves over the input."""
    moving = [
        layer
        for layer in anatomy.layers
        if layer.fields and any(field.jump is not None for field in layer.fields) and layer.shown
    ]
    return moving[-1] if moving else None


def _river_in_words(anatomy: Anatomy) -> str:
    if not anatomy.layers:
        return "The network does nothing to its input."
    heaviest = max(anatomy.layers, key=lambda layer: layer.macs.value)
    fattest = max(anatomy.layers, key=lambda layer: layer.weights.value + layer.biases.value)
    return (
        f"The network from left to right. Most MACs: {heaviest.name} "
        f"({heaviest.shares.macs:.1%}). Most parameters: {fattest.name} "
        f"({fattest.shares.parameters:.1%})."
    )


# -- the table of layers -------------------------------------------------------------------------


def _layer_table(anatomy: Anatomy) -> Table:
    rows: list[list[Cell]] = []
    emphasis: list[int] = []
    for depth, block in _unfolded(anatomy, anatomy.blocks, 0):
        if block.count > 1:
            emphasis.append(len(rows))
        rows.append(_row(anatomy, block, depth))
    return Table(
        ("layer", "kind", "times", "output", "parameters", "MACs", "share", "field", "bytes"),
        rows,
        caption="Blocks that repeat stand once, with their count and the sums of all repetitions; "
        "the lines below show one of them. Field: receptive field in input positions.",
        emphasis=tuple(emphasis),
        formats={"parameters": ",d", "MACs": ",d", "share": ".1%", "bytes": ",d"},
    )


def _unfolded(
    anatomy: Anatomy, blocks: tuple[Block, ...], depth: int
) -> Iterator[tuple[int, Block]]:
    """Yield what is shown: single layers, and runs of blocks with what is inside one."""
    for block in blocks:
        if not block.children:
            if anatomy.layers[block.layers[0]].shown:
                yield depth, block
        elif block.count > 1:
            yield depth, block
            yield from _unfolded(anatomy, block.children, depth + 1)
        else:
            yield from _unfolded(anatomy, block.children, depth)


def _row(anatomy: Anatomy, block: Block, depth: int) -> list[Cell]:
    inside = [anatomy.layers[index] for index in block.layers]
    first = inside[0]
    main = [layer for layer in inside if layer.shown] or inside
    run = f" (run {first.visit})" if not block.children and first.visit > 1 else ""
    return [
        "· " * depth + block.name + run,
        first.kind if not block.children else block.kind,
        f"x {block.count}, identical" if block.count > 1 else "",
        "x".join(map(str, main[-1].output_shapes[0][1:])),
        sum(layer.weights.value + layer.biases.value for layer in inside) or None,
        sum(layer.macs.value for layer in inside) or None,
        sum(layer.shares.macs for layer in inside) or None,
        _fields(main[-1]),
        sum(layer.activation_bytes.value for layer in inside) or None,
    ]


def _fields(layer: Layer) -> str:
    texts = list(dict.fromkeys(_field(field) for field in layer.fields))
    return " x ".join(texts)


def _field(field: Field) -> str:
    if field.whole and field.jump is None:
        return "all"
    sign = "about " if field.status == "bound" else ""
    return f"{sign}{field.size}"


# -- derivations ---------------------------------------------------------------------------------


def _derivations(anatomy: Anatomy, blocks: tuple[Block, ...]) -> Iterator[PageBlock]:
    """Yield one fold a layer; a run of identical blocks is a fold of folds."""
    for block in blocks:
        if not block.children:
            layer = anatomy.layers[block.layers[0]]
            if layer.shown or layer.axes:
                yield _layer_fold(anatomy, layer)
        elif block.count > 1:
            inside = tuple(_derivations(anatomy, block.children))
            if inside:
                yield Fold(f"{block.name}: x {block.count}, identical", inside)
        else:
            yield from _derivations(anatomy, block.children)


def _layer_fold(anatomy: Anatomy, layer: Layer) -> Fold:
    size = "x".join(map(str, layer.output_shapes[0][1:]))
    run = f", run {layer.visit}" if layer.visit > 1 else ""
    rounded = _rounded(layer)
    why = f", why {rounded[0].output}?" if rounded else ""
    # The first size that was rounded stands open: one click on the section's name shows it.
    first = next((item.index for item in anatomy.layers if _rounded(item)), None)
    blocks: list[PageBlock] = [Text(layer.operation)]
    found = derivations.lines(anatomy, layer)
    if found:
        blocks.append(Arithmetic(found))
    blocks += [Text(note) for note in layer.notes]
    summary = f"{layer.name}{run}, {layer.kind}: {size}{why}"
    return Fold(summary, tuple(blocks), open=layer.index == first)


def _rounded(layer: Layer) -> list[Axis]:
    """Return the axes whose length the formula gives with a rest."""
    return [axis for axis in layer.axes if axis.exact is not None and axis.exact % 1]


# -- others and witnesses ------------------------------------------------------------------------


def _others(anatomy: Anatomy) -> Iterator[PageBlock]:
    rows: list[list[Cell]] = []
    for opinion in anatomy.others:
        rows.append([opinion.who, opinion.quantity, opinion.value, opinion.value - opinion.ours])
    yield Table(
        ("who", "counts", "says", "more than here"),
        rows,
        caption="The same network under other conventions.",
        formats={"says": ",d", "more than here": "+,d"},
    )
    for opinion in anatomy.others:
        lines: list[tuple[str, str]] = [("here", f"{opinion.ours:,}")]
        lines += [(item.what, f"{item.value:+,}") for item in opinion.differences]
        lines.append((opinion.who, f"{opinion.value:,}"))
        yield Fold(
            f"{opinion.who}, {opinion.quantity}: what makes the difference",
            (Text(opinion.note), Arithmetic(tuple(lines))),
        )


def _witnesses(anatomy: Anatomy) -> Iterator[PageBlock]:
    found = anatomy.witnesses()
    asked = Counter(witness.name for _, witness in found)
    agreed = Counter(witness.name for _, witness in found if witness.agrees)
    yield Table(
        ("second way", "asked", "agrees"),
        [[name, count, agreed[name]] for name, count in asked.items()],
        caption="Every kind of number here is checked by a second way that shares no code with "
        "the first.",
        formats={"asked": ",d", "agrees": ",d"},
    )
    wrong = [(place, witness) for place, witness in found if not witness.agrees]
    for place, witness in wrong[:20]:
        yield Text(f"{place}: {witness.name} says {witness.value:,.0f}", "alarm")
    statuses = Counter(
        number.status
        for layer in anatomy.layers
        for number in (layer.macs, layer.weights, layer.saved_bytes)
    )
    yield Text(
        "Status of the numbers: " + ", ".join(f"{n:,} {status}" for status, n in statuses.items())
    )


def _bytes(value: int) -> str:
    for unit, size in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if value >= size:
            return f"{value:,} bytes = {value / size:.1f} {unit}"
    return f"{value:,} bytes"
