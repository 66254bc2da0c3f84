"""What a trained network has learnt and where it looks: filters, feature maps, Grad-CAM, templates.

All functions leave the module as it was: mode, gradients and hooks.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from gradatim.core.page import Gallery, Picture
from gradatim.errors import UnknownNameError, UsageError, ValueRefusedError

Pixels = np.ndarray


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Set a module to evaluation and give every part its mode and gradients back."""
    modes = [(item, item.training) for item in module.modules()]
    kept = [(parameter, parameter.grad) for parameter in module.parameters()]
    module.eval()
    try:
        yield
    finally:
        for item, training in modes:
            item.training = training
        for parameter, gradient in kept:
            parameter.grad = gradient


def png(pixels: Pixels, scale: int = 1) -> bytes:
    """Return an array ``H x W`` or ``H x W x 3`` of uint8 as a PNG file, each pixel enlarged."""
    image = Image.fromarray(pixels)
    if scale > 1:
        image = image.resize((image.width * scale, image.height * scale), Image.Resampling.NEAREST)
    out = io.BytesIO()
    image.save(out, format="PNG", optimize=True)
    return out.getvalue()


def to_pixels(values: Tensor, *, symmetric: bool = False) -> Pixels:
    """Stretch numbers to 0 ... 255; ``symmetric`` keeps 0 in the middle, for weights."""
    array = values.detach().to(torch.float64).cpu().numpy()
    if symmetric:
        most = float(np.abs(array).max()) or 1.0
        array = (array / most + 1) / 2
    else:
        low, high = float(array.min()), float(array.max())
        array = (array - low) / ((high - low) or 1.0)
    return np.asarray((array * 255).round().clip(0, 255), dtype=np.uint8)


# -- filters and templates -----------------------------------------------------------------------


def filters(module: nn.Module, most: int = 64) -> Gallery:
    """Return the kernels of the first convolution as pictures.

    Kernels of three channels are shown in colour, of others channel by channel in grey; 0 is the
    middle of the scale, and the scale is the same for all.

    Raises:
        UsageError: the model has no two-dimensional convolution.
    """
    named = ((name, item) for name, item in module.named_modules() if isinstance(item, nn.Conv2d))
    name, layer = next(named, ("", None))
    if layer is None:
        raise UsageError(
            "the model has no convolution whose kernels could be shown",
            given=type(module).__name__,
            next_step="a linear model has templates instead",
        )
    weight_KCHW = layer.weight.detach()
    kernels, channels = weight_KCHW.shape[:2]
    colour = channels == 3
    shown = weight_KCHW[:most] if colour else weight_KCHW.flatten(0, 1)[:most, None]
    pixels_KCHW = to_pixels(shown, symmetric=True)
    pictures = []
    for index, pixels in enumerate(pixels_KCHW):
        image = pixels.transpose(1, 2, 0) if colour else pixels[0]
        number = index if colour else index // channels
        label = f"kernel {number}" + (
            "" if colour or channels == 1 else f", channel {index % channels}"
        )
        pictures.append(
            Picture(
                png(np.ascontiguousarray(image)),
                "image/png",
                f"{label} of {name}, {layer.kernel_size[0]} x {layer.kernel_size[1]}",
                label,
                pixelated=True,
            )
        )
    total = kernels if colour else kernels * channels
    more = f"; the first {len(pictures)} of {total}" if total > len(pictures) else ""
    return Gallery(tuple(pictures), f"kernels of {name or 'the first layer'}{more}; grey is 0")


def templates(weight: Tensor, shape: Sequence[int], classes: Sequence[str] = ()) -> Gallery:
    """Return the rows of a linear classifier's weight as pictures, one for each class.

    The score of a class is the inner product of its template with the image, plus a bias.

    Args:
        weight: ``classes x pixels``.
        shape: (channels, height, width) of one image.
        classes: names of the rows.

    Raises:
        ValueRefusedError: the shape does not hold as many values as a row.
    """
    rows = weight.detach()
    if rows.dim() != 2 or rows.shape[1] != int(np.prod(list(shape))):
        raise ValueRefusedError(
            "a template needs one weight for each value of the image",
            given=f"{'x'.join(map(str, weight.shape))} for {'x'.join(map(str, shape))}",
        )
    pictures = []
    for index, row in enumerate(rows):
        pixels = to_pixels(row.reshape(*shape), symmetric=True)
        image = pixels.transpose(1, 2, 0) if shape[0] == 3 else pixels.mean(0).astype(np.uint8)
        label = classes[index] if index < len(classes) else f"class {index}"
        pictures.append(
            Picture(
                png(np.ascontiguousarray(image)),
                "image/png",
                f"template of {label}",
                label,
                pixelated=True,
            )
        )
    return Gallery(tuple(pictures), "templates of the linear classifier; grey is 0")


# -- feature maps --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Maps:
    """The feature maps of one layer, ``C x H x W``."""

    layer: str
    maps: Tensor

    def gallery(self, most: int = 16) -> Gallery:
        """Return the strongest maps as pictures, each stretched on its own."""
        strength = self.maps.abs().mean((1, 2))
        order = strength.argsort(descending=True)[:most].tolist()
        pictures = tuple(
            Picture(
                png(to_pixels(self.maps[index])),
                "image/png",
                f"feature map {index} of {self.layer}",
                f"{index}",
                pixelated=True,
            )
            for index in order
        )
        size = "x".join(map(str, self.maps.shape))
        return Gallery(pictures, f"{self.layer}: the {len(order)} strongest maps of {size}")


def feature_maps(
    module: nn.Module, x: Tensor, layers: Sequence[str] | None = None
) -> tuple[Maps, ...]:
    """Return the outputs of convolutions for one image, layer by layer.

    Args:
        module: the network.
        x: one image, ``1 x C x H x W``, as the network takes it.
        layers: names of modules; every convolution when None.

    Raises:
        UnknownNameError: no such module.
    """
    named = dict(module.named_modules())
    wanted = list(layers) if layers is not None else convolutions(module)
    for name in wanted:
        if name not in named:
            raise UnknownNameError("the model has no such layer", given=name, allowed=list(named))
    found: dict[str, Tensor] = {}
    handles = [
        named[name].register_forward_hook(
            lambda _m, _i, output, name=name: found.setdefault(name, output.detach())
        )
        for name in wanted
    ]
    try:
        with evaluating(module), torch.no_grad():
            module(x)
    finally:
        for handle in handles:
            handle.remove()
    return tuple(
        Maps(name, found[name][0]) for name in wanted if name in found and found[name].dim() == 4
    )


def convolutions(module: nn.Module) -> list[str]:
    """Return the names of the two-dimensional convolutions, in order."""
    return [name for name, item in module.named_modules() if isinstance(item, nn.Conv2d)]


# -- Grad-CAM ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Attention:
    """Where a network looked for one class.

    Attributes:
        layer: whose maps were weighted.
        target: index of the class.
        weights: one for each map: the mean of the class score's gradient over the map.
        coarse: the weighted sum of the maps, its negative part cut off, between 0 and 1, at the
            size of the maps.
        full: the same at the size of the image.
    """

    layer: str
    target: int
    weights: tuple[float, ...]
    coarse: Tensor
    full: Tensor


def grad_cam(
    module: nn.Module, x: Tensor, target: int | None = None, layer: str | None = None
) -> Attention:
    """Return where a network looks for a class (Grad-CAM, Selvaraju et al. 2017).

    The maps of a layer are weighted with the mean gradient of the class score over each map,
    summed, and cut off at 0 (equations 1 and 2 of the paper).

    Args:
        module: a classifier with convolutions.
        x: one image, ``1 x C x H x W``, as the network takes it.
        target: the class; the one with the highest score when None.
        layer: name of a module; the last convolution when None.

    Raises:
        UsageError: the model has no convolution, or more than one image is given.
        UnknownNameError: no such layer.
        ValueRefusedError: no such class.
    """
    if x.dim() != 4 or len(x) != 1:
        raise UsageError(
            "one image is looked at at a time",
            given="x".join(map(str, x.shape)),
            allowed="1 x channels x height x width",
        )
    found = convolutions(module)
    if layer is None:
        if not found:
            raise UsageError("the model has no convolution to look at", given=type(module).__name__)
        layer = found[-1]
    named = dict(module.named_modules())
    if layer not in named:
        raise UnknownNameError("the model has no such layer", given=layer, allowed=found)
    maps: list[Tensor] = []

    def keep(_: nn.Module, __: object, output: Tensor) -> Tensor:
        maps.append(output)
        # A copy goes on, so that an activation in place behind does not change the maps.
        return output.clone()

    handle = named[layer].register_forward_hook(keep)
    try:
        with evaluating(module), torch.enable_grad():
            scores = module(x.detach().clone().requires_grad_())
            scores = scores[0] if isinstance(scores, tuple) else scores
            if target is None:
                target = int(scores[0].argmax())
            if not 0 <= target < scores.shape[1]:
                raise ValueRefusedError(
                    "there is no class of this number",
                    given=target,
                    allowed=f"0 to {scores.shape[1] - 1}",
                )
            (gradient,) = torch.autograd.grad(scores[0, target], maps[-1])
    finally:
        handle.remove()
    weights = gradient[0].mean((1, 2))
    coarse = functional.relu((weights[:, None, None] * maps[-1][0].detach()).sum(0))
    coarse = coarse / coarse.max().clamp_min(1e-12)
    full = functional.interpolate(
        coarse[None, None], size=x.shape[2:], mode="bilinear", align_corners=False
    )[0, 0]
    return Attention(layer, target, tuple(weights.tolist()), coarse, full)


def overlay(image: Pixels, attention: Tensor) -> Pixels:
    """Lay an attention map over an image in colour.

    Args:
        image: ``H x W x 3`` or ``H x W x 1`` of uint8.
        attention: between 0 and 1, same height and width.
    """
    base = image if image.ndim == 3 else image[..., None]
    base = np.repeat(base, 3, axis=2) if base.shape[2] == 1 else base
    strength = attention.cpu().numpy()[..., None].clip(0, 1)
    warm = np.array([214.0, 39.0, 40.0])
    mixed = base * (1 - 0.6 * strength) + warm * (0.6 * strength)
    return np.asarray(mixed.round().clip(0, 255), dtype=np.uint8)


# -- neighbours ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Neighbour:
    """A training sample near to an image: its index and its distance."""

    index: int
    distance: float


def nearest(
    x: Tensor,
    stored: Sequence[Tensor] | Tensor,
    count: int = 5,
    module: nn.Module | None = None,
    layer: str | None = None,
    block: int = 256,
) -> tuple[Neighbour, ...]:
    """Return the stored samples nearest to one, by Euclidean distance.

    Args:
        x: one sample without the batch axis, as the network takes it.
        stored: samples, ``N x ...``.
        count: how many.
        module: compare what this network makes of the samples, instead of the samples.
        layer: name of the module whose output is compared; what enters the last linear layer
            when None.
        block: samples compared at a time, which bounds the memory.

    Raises:
        ValueRefusedError: nothing is stored, or the shapes differ.
        UnknownNameError: no such layer.
    """
    if not len(stored):
        raise ValueRefusedError("no samples are stored to compare with", given=0)
    if tuple(stored[0].shape) != tuple(x.shape):
        raise ValueRefusedError(
            "the stored samples have another shape",
            given="x".join(map(str, stored[0].shape)),
            allowed="x".join(map(str, x.shape)),
        )

    def described(batch: Tensor) -> Tensor:
        if module is None:
            return batch.flatten(1).double()
        return _features(module, batch, layer).flatten(1).double()

    with torch.no_grad():
        here = described(x[None])
        distances = []
        for start in range(0, len(stored), block):
            part = stored[start : start + block]
            batch = part if isinstance(part, Tensor) else torch.stack(list(part))
            # Differences, not the expanded square: equal samples are at distance 0 exactly.
            distances.append((described(batch) - here).square().sum(1).sqrt())
    all_distances = torch.cat(distances)
    order = torch.argsort(all_distances, stable=True)[:count].tolist()
    return tuple(Neighbour(index, float(all_distances[index])) for index in order)


def _features(module: nn.Module, batch: Tensor, layer: str | None) -> Tensor:
    named = dict(module.named_modules())
    if layer is not None and layer not in named:
        raise UnknownNameError("the model has no such layer", given=layer, allowed=list(named))
    found: list[Tensor] = []
    if layer is not None:
        handle = named[layer].register_forward_hook(lambda _m, _i, output: found.append(output))
    else:
        dense = [item for item in named.values() if isinstance(item, nn.Linear)]
        if not dense:
            raise UsageError(
                "the model has no linear layer whose input could be compared",
                next_step="name a layer",
            )
        handle = dense[-1].register_forward_pre_hook(lambda _m, args: found.append(args[0]))
    try:
        with evaluating(module):
            module(batch)
    finally:
        handle.remove()
    return found[-1].detach()
