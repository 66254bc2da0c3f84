"""One sample seen by a trained network, as a page: loss, pixel, filters, maps, Grad-CAM, gates."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from gradatim.anatomy import features, losses, recurrent
from gradatim.anatomy.pixel import open_pixel
from gradatim.core.page import (
    Arithmetic,
    Block,
    Chart,
    Fold,
    Gallery,
    Heading,
    Page,
    Picture,
    Text,
    Verdict,
)
from gradatim.core.spec import Spec

_COLOURS = ("#0a5d7b", "#c2570c", "#4d7c1f", "#8d3d8b", "#a8323e", "#5a5fc0")
MAPS = 6
"""Layers whose feature maps are shown, spread over the network."""


def look(
    module: nn.Module,
    x: Tensor,
    spec: Spec,
    *,
    target: int | None = None,
    pixels: np.ndarray | None = None,
    stored: Tensor | None = None,
    stored_pixels: Sequence[np.ndarray] = (),
    loss: Literal["cross-entropy", "hinge"] = "cross-entropy",
    name: str = "",
) -> Page:
    """Return what a trained classifier makes of one sample, as a page.

    Args:
        module: the network; it is left as it was.
        x: the sample as the network takes it, without the batch axis.
        spec: what the network takes and answers.
        target: index of the right class; the predicted one when None.
        pixels: the sample as a picture, ``H x W x C`` of uint8, for the overlay.
        stored: training samples as the network takes them, ``N x ...``, for the neighbours.
        stored_pixels: the same samples as pictures.
        loss: which loss is derived.
        name: of the sample.
    """
    with features.evaluating(module), torch.no_grad():
        scores = module(x[None])
    scores = scores[0] if isinstance(scores, tuple) else scores
    values = scores[0].double().tolist()
    predicted = int(np.argmax(values))
    right = predicted if target is None else target
    return Page(
        f"What the network sees in {name or 'one sample'}",
        (
            _verdict(values, predicted, target, spec),
            *_loss(values, right, spec, loss),
            *(_image(module, x, spec, predicted, pixels) if spec.kind == "image" else ()),
            *(_steps(module, x, right) if spec.kind in ("sequence", "text") else ()),
            *_neighbours(module, x, stored, stored_pixels),
        ),
    )


def _verdict(values: list[float], predicted: int, target: int | None, spec: Spec) -> Verdict:
    probability = losses.cross_entropy(values, predicted).probabilities[predicted]
    label = spec.classes[predicted]
    if target is None:
        return Verdict(f"{label}, with probability {probability:.1%}", level="plain")
    right = predicted == target
    said = "right" if right else f"wrong: it is {spec.classes[target]}"
    return Verdict(
        f"{label}, {said}", f"probability {probability:.1%}", "good" if right else "note"
    )


def _loss(values: list[float], right: int, spec: Spec, loss: str) -> Iterator[Block]:
    derive = losses.hinge if loss == "hinge" else losses.cross_entropy
    found = derive(values, right, names=spec.classes)
    yield Heading("The loss of this sample", "loss")
    yield Text(f"Right class: {spec.classes[right]}. {found.loss}: {found.value:.4f}.")
    yield Arithmetic(found.lines)


def _image(
    module: nn.Module, x: Tensor, spec: Spec, predicted: int, pixels: np.ndarray | None
) -> Iterator[Block]:
    names = features.convolutions(module)
    if not names:
        yield from _linear(module, spec)
        return
    yield Heading("Where it looks", "grad-cam")
    seen = features.grad_cam(module, x[None], predicted)
    base = features.to_pixels(x).transpose(1, 2, 0) if pixels is None else pixels
    base = base if base.ndim == 3 else base[..., None]
    size = f"{seen.coarse.shape[0]} x {seen.coarse.shape[1]}"
    shown = base[..., 0] if base.shape[2] == 1 else base
    pictures = [_picture(shown, "the image")]
    if base.shape[:2] == tuple(seen.full.shape):
        pictures.append(_picture(features.overlay(base, seen.full), "where the score comes from"))
    heat = features.to_pixels(seen.coarse)
    pictures.append(_picture(heat, f"the map of {seen.layer}, {size}"))
    yield Gallery(
        tuple(pictures), f"Grad-CAM for {spec.classes[predicted]} (Selvaraju et al. 2017)"
    )

    yield Heading("One pixel opened up", "pixel")
    yield from _pixel(module, names[0], x)
    yield Heading("Filters", "filters")
    yield features.filters(module)
    yield Heading("Feature maps", "maps")
    step = max(1, -(-len(names) // MAPS))
    for maps in features.feature_maps(module, x[None], names[::step]):
        size = "x".join(map(str, maps.maps.shape))
        yield Fold(f"{maps.layer}: {size}", (maps.gallery(),))


def _picture(pixels: np.ndarray, caption: str) -> Picture:
    content = features.png(np.ascontiguousarray(pixels))
    return Picture(content, "image/png", caption, caption, pixelated=True)


def _pixel(module: nn.Module, name: str, x: Tensor) -> Iterator[Block]:
    """Open the middle pixel of the strongest map of the first convolution."""
    layer = module.get_submodule(name)
    assert isinstance(layer, nn.Conv2d)
    with torch.no_grad():
        entered: list[Tensor] = []
        handle = layer.register_forward_pre_hook(lambda _m, args: entered.append(args[0].clone()))
        try:
            with features.evaluating(module):
                module(x[None])
        finally:
            handle.remove()
        out = layer(entered[0])[0]
    channel = int(out.abs().mean((1, 2)).argmax())
    row, column = out.shape[1] // 2, out.shape[2] // 2
    found = open_pixel(layer, entered[0], row, column, channel, nn.ReLU())
    rows, columns = found.rows, found.columns
    yield Text(
        f"{name}, kernel {channel}, output row {row}, column {column}: it reads rows "
        f"{rows[0]} to {rows[-1]} and columns {columns[0]} to {columns[-1]} of its input "
        f"(outside of it: padding). The layer itself answers {found.measured:.4g}."
    )
    yield Arithmetic(found.lines(), "products of patch and kernel, channel by channel")


def _linear(module: nn.Module, spec: Spec) -> Iterator[Block]:
    layers = [item for item in module.modules() if isinstance(item, nn.Linear)]
    if len(layers) == 1 and layers[0].in_features == spec.size:
        yield Heading("Templates", "templates")
        yield features.templates(layers[0].weight, spec.shape, spec.classes)


def _steps(module: nn.Module, x: Tensor, right: int) -> Iterator[Block]:
    if not any(isinstance(item, nn.RNNBase) for item in module.modules()):
        return
    found = recurrent.gates_in(module, x[None])
    yield Heading("Gates over the sequence", "gates")
    yield gates_chart(found)
    gradient = recurrent.gradient_by_step(module, x[None], torch.tensor([right]))
    yield Heading("The gradient by time step", "gradient")
    yield gradient_chart(gradient)


def gates_chart(gates: recurrent.Gates) -> Chart:
    """Return the mean of every gate over the units, step by step."""
    means = gates.means()
    rows = [
        {"step": step + 1, "gate": name, "value": value}
        for name, values in means.items()
        for step, value in enumerate(values)
    ]
    main = means.get("forget") or means.get("update") or means["hidden"]
    words = "; ".join(
        f"{name} {values[0]:.2f} at the first step, {values[-1]:.2f} at the last"
        for name, values in means.items()
    )
    colour = {
        "field": "gate",
        "type": "nominal",
        "title": None,
        "scale": {"domain": list(means), "range": list(_COLOURS[: len(means)])},
    }
    title = f"{gates.kind}, layer {gates.layer + 1}: mean over the units"
    return Chart(
        title, _lines(rows, "value", "mean value", colour), f"{title}: {words}.", line=main
    )


def gradient_chart(gradient: recurrent.TimeGradient) -> Chart:
    """Return the gradient's norm by time step, on a logarithmic scale."""
    norms = gradient.norms
    rows = [{"step": i + 1, "norm": value} for i, value in enumerate(norms) if value > 0]
    words = (
        f"Norm of the loss's gradient by the input of each step: {norms[0]:.3g} at the first, "
        f"{norms[-1]:.3g} at the last, {gradient.ratio:.3g} times."
    )
    specification = _lines(rows, "norm", "gradient norm", {"value": _COLOURS[0]})
    specification["encoding"]["y"]["scale"] = {"type": "log"}
    return Chart("Gradient by time step", specification, words, line=norms)


def _lines(
    rows: list[dict[str, Any]], field: str, title: str, colour: dict[str, Any]
) -> dict[str, Any]:
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "width": 736,
        "height": 220,
        "data": {"values": rows},
        "mark": {"type": "line", "strokeWidth": 1.6},
        "encoding": {
            "x": {
                "field": "step",
                "type": "quantitative",
                "title": "time step",
                "axis": {"grid": False, "tickMinStep": 1},
            },
            "y": {"field": field, "type": "quantitative", "title": title},
            "color": colour,
        },
    }


def _neighbours(
    module: nn.Module, x: Tensor, stored: Tensor | None, pictures: Sequence[np.ndarray]
) -> Iterator[Block]:
    if stored is None or not len(stored):
        return
    dense = any(isinstance(item, nn.Linear) for item in module.modules())
    yield Heading("Nearest training samples", "neighbours")
    for said, network in (("by their values", None), ("by their features", module)):
        if network is not None and not dense:
            continue
        found = features.nearest(x, stored, 6, module=network)
        text = ", ".join(f"sample {item.index} at {item.distance:.3g}" for item in found)
        yield Text(f"Nearest {said}: {text}.")
        shown = [item for item in found if item.index < len(pictures)]
        if shown:
            yield Gallery(
                tuple(
                    _picture(pictures[item.index], f"sample {item.index}, {item.distance:.3g}")
                    for item in shown
                ),
                f"nearest {said}",
            )
