"""Receptive fields against the support of gradients measured on real copies of the networks.

A copy has ones as weights, average pooling instead of maximum pooling, no bias, and normalisation
and activation that leave positive numbers alone, so that no gradient cancels.
"""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from gradatim import models
from gradatim.anatomy import explain


def positive_copy(module):
    module = copy.deepcopy(module).double().eval()
    for name, item in list(module.named_modules()):
        if isinstance(item, nn.modules.conv._ConvNd):
            item.weight.data.fill_(1.0 / item.weight[0].numel())
            if item.bias is not None:
                item.bias.data.zero_()
        elif isinstance(item, nn.modules.batchnorm._BatchNorm):
            item.reset_running_stats()
        elif isinstance(item, nn.MaxPool2d):
            parent = module.get_submodule(name.rpartition(".")[0])
            average = nn.AvgPool2d(item.kernel_size, item.stride, item.padding, item.ceil_mode)
            setattr(parent, name.rpartition(".")[2], average)
    return module


def support(module, name, shape):
    """Rows and columns of the input that the middle of a module's last output depends on."""
    outputs = []
    handle = module.get_submodule(name).register_forward_hook(lambda _m, _i, y: outputs.append(y))
    x = torch.ones(1, *shape, dtype=torch.float64, requires_grad=True)
    try:
        module(x)
    finally:
        handle.remove()
    y = outputs[-1]
    row, column = y.shape[2] // 2, y.shape[3] // 2
    (gradient,) = torch.autograd.grad(y[0, :, row, column].sum(), x)
    read = gradient[0].abs().sum(0) > 0
    rows, columns = read.any(1).nonzero().flatten(), read.any(0).nonzero().flatten()
    return (row, int(rows[0]), int(rows[-1])), (column, int(columns[0]), int(columns[-1]))


def check(module, shape, names):
    anatomy = explain(module.eval(), shape)
    twin = positive_copy(module)
    for name in names:
        layer = anatomy.layer(name)
        for field, (position, first, last) in zip(
            layer.fields, support(twin, name, shape), strict=True
        ):
            length = shape[1] if field.axis == "height" else shape[2]
            start = field.start + position * int(field.jump)
            end = start + field.size - 1
            assert (first, last) == (max(start, 0), min(end, length - 1)), (name, field)
            assert field.witness is None or field.witness.agrees


@pytest.mark.parametrize(
    ("name", "options", "size", "layers"),
    [
        ("lenet", {}, 28, ["features.c1", "features.s2", "features.c3", "features.s4"]),
        ("alexnet", {"units": 8}, 400, [f"features.{i}" for i in (0, 2, 3, 5, 6, 8, 10, 12)]),
        ("vgg11", {"width": 2, "units": 4}, 224, [f"features.{i}" for i in (0, 5, 10, 15, 20)]),
        ("resnet18", {"width": 2}, 512, ["maxpool", "layer1.1.conv2", "layer3.0", "layer4.1"]),
        ("resnet50", {"width": 1}, 512, ["layer1.0", "layer2.0.conv2", "layer3.5.conv3"]),
        (
            "resnet50",
            {"width": 1, "stride_on": "1x1"},
            544,
            ["layer2.0.conv1", "layer2.0.conv2", "layer4.2.conv2"],
        ),
        (
            "googlenet",
            {"width": 4},
            448,
            ["maxpool1", "inception3a.branch3.1.conv", "inception4a.branch4.0", "maxpool3"],
        ),
    ],
)
def test_fields_of_the_zoo(name, options, size, layers):
    module = models.full_size(name, options)
    found = [layer for layer in layers if layer not in ("layer1.0", "layer3.0", "layer4.1")]
    check(module, (module.full_input[0], size, size), found)


class Mixed(nn.Module):
    """Dilation, groups, uneven kernels, transposed and strided branches that meet."""

    def __init__(self):
        super().__init__()
        self.a = nn.Conv2d(2, 4, (3, 5), padding=(1, 2), bias=False)
        self.b = nn.Conv2d(4, 4, 3, 2, 2, dilation=2, groups=2, bias=False)
        self.c = nn.Conv2d(4, 4, 1, 2, bias=False)
        self.up = nn.ConvTranspose2d(8, 2, 2, 2, bias=False)
        self.d = nn.Conv2d(3, 2, 3, bias=False)

    def forward(self, x):
        y = self.a(F.pad(x, (1, 0, 2, 1)))
        y = torch.cat([self.b(y), self.c(y)], 1).flip(1)
        y = self.up(y.permute(0, 1, 3, 2).transpose(2, 3))
        return self.d(torch.cat([y[..., :60, :60], x[:, :1, :60, :60]], 1))


def test_branches_dilation_groups_and_unusual_shapes():
    module = Mixed()
    check(module, (2, 61, 62), ["a", "b", "c"])
    anatomy = explain(module, (2, 61, 62))
    assert [f.jump for f in anatomy.layer("up").fields] == ["1", "1"]
    twin = positive_copy(module)
    widest = {"height": 0, "width": 0}
    for axis in widest:  # positions behind a transposed convolution see differently much
        x = torch.ones(1, 2, 61, 62, dtype=torch.float64, requires_grad=True)
        y = twin(x)
        for place in range(24, 30):
            at = (place, 28) if axis == "height" else (28, place)
            (g,) = torch.autograd.grad(y[0, 0, at[0], at[1]], x, retain_graph=True)
            read = (g[0].sum(0) > 0).any(1 if axis == "height" else 0).nonzero().flatten()
            widest[axis] = max(widest[axis], int(read[-1] - read[0]) + 1)
    fields = {field.axis: field.size for field in anatomy.layer("d").fields}
    assert fields == widest


@pytest.mark.parametrize(
    ("function", "exact"),
    [
        (lambda x: x.roll(3, 2), True),
        (lambda x: x.flip(3), True),
        (lambda x: F.interpolate(x, scale_factor=2), True),
        (lambda x: F.pixel_unshuffle(x, 2), True),
        (lambda x: x.unfold(2, 4, 4), True),
        (lambda x: x[:, :, ::2, 3:], True),
        (lambda x: torch.stack([x, x], 2), True),
        (lambda x: x.softmax(3), True),
        (lambda x: x.cumsum(2), False),
        (lambda x: x.mean(2), True),
        (lambda x: F.adaptive_avg_pool2d(x, 5), True),
        (lambda x: x.reshape(2, 6, 2, 4, 3), True),
        (lambda x: torch.einsum("bchw,bcvw->bhv", x, x), True),
        (lambda x: x @ x.transpose(2, 3), True),
        (lambda x: F.unfold(x, 3, padding=1), True),
    ],
)
def test_every_position_is_followed(function, exact):
    """The first and last row and column of every single output, against its gradient."""
    from gradatim.anatomy.fields import follow
    from gradatim.anatomy.trace import trace

    class Wrapped(nn.Module):
        def forward(self, x):
            return function(x)

    found = trace(Wrapped(), torch.zeros(1, 2, 12, 12))
    x = (torch.rand(1, 2, 12, 12, dtype=torch.float64) + 0.5).requires_grad_()
    y = function(x)
    outputs = list(range(0, y.numel(), max(1, y.numel() // 40)))
    for axis in (2, 3):
        reach = follow(found, found.inputs[0], axis)[found.outputs[0]]
        low = torch.from_numpy(reach.low).expand(y.shape).reshape(-1)
        high = torch.from_numpy(reach.high).expand(y.shape).reshape(-1)
        for index in outputs:
            (g,) = torch.autograd.grad(y.reshape(-1)[index], x, retain_graph=True)
            other = tuple(i for i in range(4) if i != axis)
            read = (g.abs().amax(other) > 0).nonzero().flatten()
            if not len(read):
                continue
            first, last = int(read[0]), int(read[-1])
            seen = max(int(low[index]), 0), min(int(high[index]), 11)
            assert seen[0] <= first and seen[1] >= last
            if exact:
                assert seen == (first, last)


def test_a_causal_stack_and_a_text_are_followed_along_their_steps():
    class Causal(nn.Module):
        def __init__(self):
            super().__init__()
            self.table = nn.Embedding(7, 4)
            self.conv = nn.Conv1d(4, 4, 3, dilation=2)

        def forward(self, tokens):
            x = self.table(tokens).transpose(1, 2)
            return self.conv(F.pad(x, (4, 0)))

    anatomy = explain(Causal(), torch.zeros(1, 9, dtype=torch.long))
    (field,) = anatomy.layers[-1].fields
    assert (field.axis, field.size, field.start, field.jump) == ("step", 5, -4, "1")
    assert field.witness.agrees


def test_statistics_of_normalisation_are_a_bound():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.GroupNorm(2, 4), nn.LayerNorm([4, 6, 6]))
    fields = explain(model, (3, 8, 8)).layers[-1].fields
    assert [(f.size, f.status) for f in fields] == [(3, "bound")] * 2
    assert "statistics of the normalisation" in fields[0].note


class Shifted(nn.Module):
    """Two branches that read every second position, one beside the other (as NASNet's)."""

    def __init__(self):
        super().__init__()
        self.left, self.right = nn.AvgPool2d(1, 2), nn.AvgPool2d(1, 2)
        self.last = nn.Conv2d(4, 1, 1)

    def forward(self, x):
        beside = nn.functional.pad(x, (-1, 1, -1, 1))
        return self.last(torch.cat([self.left(x), self.right(beside)], 1))


def test_channels_that_read_different_places():
    anatomy = explain(Shifted(), (2, 9, 9))
    joined = next(layer for layer in anatomy.layers if "cat" in layer.function)
    assert joined.fields[0].size == 1
    assert joined.fields[0].note == "the channels read different places: 2 positions together"
    assert anatomy.layer("last").fields[0].size == 2
    assert anatomy.layer("last").fields[0].witness.agrees
    assert all(witness.agrees for _, witness in anatomy.witnesses())


class Finder(nn.Module):
    """Nothing is found, so a tensor without values goes on."""

    def __init__(self):
        super().__init__()
        self.score, self.refine = nn.Conv2d(1, 1, 3), nn.Linear(1, 2)

    def forward(self, x):
        scores = self.score(x).flatten()
        return self.refine(scores[scores > 1e9][:, None])


def test_tensors_without_values():
    anatomy = explain(Finder(), (1, 8, 8))
    assert anatomy.outputs == ((0, 2),)
    assert anatomy.layer("refine").macs.value == 0
