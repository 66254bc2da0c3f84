"""Filters, feature maps, Grad-CAM, templates, neighbours; gates and gradients by step."""

import io

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from gradatim.anatomy import features, recurrent
from gradatim.errors import UnknownNameError, UsageError, ValueRefusedError


def network(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(
        *(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool2d(2)),
        *(nn.Conv2d(4, 6, 3, padding=1), nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1)),
        *(nn.Flatten(), nn.Linear(6, 3)),
    )


def pixels(picture):
    return np.asarray(Image.open(io.BytesIO(picture.content)))


def test_filters_are_pictures_with_grey_as_zero():
    model = network()
    gallery = features.filters(model)
    assert len(gallery.pictures) == 4
    image = pixels(gallery.pictures[1])
    assert image.shape == (3, 3, 3)
    weight = model[0].weight.detach()
    expected = (weight[1] / weight.abs().max() + 1) / 2 * 255
    assert np.abs(image.transpose(2, 0, 1) - expected.numpy()).max() <= 0.51
    assert "kernel 1 of 0, 3 x 3" in gallery.pictures[1].alternative
    grey = features.filters(nn.Conv2d(2, 3, 5), most=4)
    assert [p.caption for p in grey.pictures] == [
        *("kernel 0, channel 0", "kernel 0, channel 1", "kernel 1, channel 0"),
        "kernel 1, channel 1",
    ]
    assert "the first 4 of 6" in grey.caption
    with pytest.raises(UsageError, match="no convolution") as caught:
        features.filters(nn.Linear(2, 2))
    assert "a linear model has templates instead" in str(caught.value)


def test_templates_are_rows_of_the_weight():
    weight = torch.tensor([[0.0, 1.0, 2.0, -2.0], [0.0, 0.0, 0.0, 0.0]])
    gallery = features.templates(weight, (1, 2, 2), ("cat", "dog"))
    assert [p.caption for p in gallery.pictures] == ["cat", "dog"]
    assert pixels(gallery.pictures[0]).tolist() == [[128, 191], [255, 0]]
    assert set(pixels(gallery.pictures[1]).flatten().tolist()) == {128}
    with pytest.raises(ValueRefusedError, match="one weight for each value"):
        features.templates(weight, (1, 3, 2))


def test_feature_maps_are_the_layers_outputs():
    model, x = network().train(), torch.randn(1, 3, 8, 8)
    maps = features.feature_maps(model, x)
    assert [item.layer for item in maps] == ["0", "3"]
    assert model.training and not model[0]._forward_hooks
    expected = nn.functional.conv2d(x, model[0].weight, model[0].bias, padding=1)[0]
    first = features.feature_maps(nn.Sequential(model[0]), x)[0]
    assert torch.allclose(first.maps, expected)
    assert len(first.gallery(2).pictures) == 2
    strongest = int(expected.abs().mean((1, 2)).argmax())
    assert first.gallery(1).pictures[0].caption == str(strongest)
    with pytest.raises(UnknownNameError, match="no such layer"):
        features.feature_maps(model, x, ["9"])


def test_grad_cam_by_finite_differences():
    """Weights are mean gradients: shift a whole map by e, and the score changes by e * area * w."""
    model = network().double().eval()
    x = torch.randn(1, 3, 8, 8, dtype=torch.float64)
    found = features.grad_cam(model, x, target=2)
    assert found.layer == "3"
    maps = model[:4](x)
    area, e = maps.shape[2] * maps.shape[3], 1e-6
    for index in range(6):
        moved = maps.detach().clone()
        moved[:, index] += e
        change = (model[4:](moved) - model[4:](maps.detach().clone()))[0, 2] / e
        assert found.weights[index] * area == pytest.approx(change.item(), abs=1e-5)
    heat = torch.relu(sum(w * m for w, m in zip(found.weights, maps[0].detach(), strict=True)))
    assert torch.allclose(found.coarse, heat / heat.max().clamp_min(1e-12))
    assert found.full.shape == (8, 8)
    assert float(found.full.min()) >= 0 and float(found.full.max()) <= 1


def test_grad_cam_looks_where_the_object_is_and_leaves_the_model_alone():
    model = nn.Sequential(
        nn.Conv2d(1, 2, 3, padding=1), nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    ).train()
    with torch.no_grad():
        model[0].weight.fill_(0.0)
        model[0].weight[0].fill_(1.0)
        model[0].bias.zero_()
    x = torch.zeros(1, 1, 16, 16)
    x[..., 2:5, 10:13] = 1
    found = features.grad_cam(model, x)
    assert found.target == 0
    assert divmod(int(found.full.argmax()), 16) == (3, 11)
    assert float(found.full[8:, :8].max()) == 0
    assert model.training and all(p.grad is None for p in model.parameters())
    laid = features.overlay(np.full((16, 16, 1), 100, np.uint8), found.full)
    assert laid.shape == (16, 16, 3)
    assert laid[3, 11, 0] > laid[3, 11, 1]
    assert laid[15, 0].tolist() == [100, 100, 100]


def test_grad_cam_refuses_what_it_cannot_show():
    model, x = network(), torch.randn(1, 3, 8, 8)
    with pytest.raises(UsageError, match="no convolution to look at"):
        features.grad_cam(nn.Sequential(nn.Flatten(), nn.Linear(192, 2)), x)
    with pytest.raises(UsageError, match="one image is looked at at a time"):
        features.grad_cam(model, torch.randn(2, 3, 8, 8))
    with pytest.raises(ValueRefusedError, match="no class of this number"):
        features.grad_cam(model, x, target=3)
    with pytest.raises(UnknownNameError, match="no such layer"):
        features.grad_cam(model, x, layer="conv9")
    assert not model[3]._forward_hooks


def test_neighbours_by_values_and_by_features():
    stored = torch.randn(700, 3, 8, 8)
    found = features.nearest(stored[431], stored, 3)
    assert found[0] == features.Neighbour(431, 0.0)
    distances = (stored - stored[431]).flatten(1).double().norm(dim=1)
    order = distances.argsort()[:3].tolist()
    assert [item.index for item in found] == order
    model = network().eval()
    inside = features.nearest(stored[5], stored, 2, module=model)
    described = model[:7](stored).double()
    expected = (described - described[5]).norm(dim=1).argsort()[:2].tolist()
    assert [item.index for item in inside] == expected
    with pytest.raises(ValueRefusedError, match="no samples are stored"):
        features.nearest(stored[0], stored[:0])
    with pytest.raises(ValueRefusedError, match="another shape"):
        features.nearest(stored[0, :1], stored)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(
    ("kind", "options", "names"),
    [
        (nn.LSTM, {}, ["input", "forget", "cell candidate", "output", "cell", "hidden"]),
        (nn.GRU, {}, ["reset", "update", "candidate", "hidden"]),
        (nn.RNN, {}, ["hidden"]),
        (nn.RNN, {"nonlinearity": "relu"}, ["hidden"]),
    ],
)
def test_gates_follow_the_written_equations(kind, options, names, bias):
    layer = kind(3, 5, num_layers=2, bias=bias, **options)
    x = torch.randn(9, 3)
    random = torch.get_rng_state()
    for index in (0, 1):
        found = recurrent.gates(layer, x, index)
        assert list(found.values) == names
        assert found.error < 1e-6
        assert len(found.values["hidden"]) == 9
        assert len(found.means()["hidden"]) == 9
    assert torch.equal(random, torch.get_rng_state())
    assert np.allclose(found.values["hidden"], layer(x[:, None])[0][:, 0].detach(), atol=1e-6)


def test_gates_of_what_cannot_be_opened_are_refused():
    with pytest.raises(ValueRefusedError, match="the stack has no such layer"):
        recurrent.gates(nn.LSTM(3, 4), torch.randn(5, 3), 1)
    with pytest.raises(ValueRefusedError, match="does not fit the layer"):
        recurrent.gates(nn.LSTM(3, 4), torch.randn(5, 2))
    with pytest.raises(UsageError, match="projections"):
        recurrent.gates(nn.LSTM(3, 4, proj_size=2), torch.randn(5, 3))
    with pytest.raises(UsageError, match="no recurrent layer"):
        recurrent.gates_in(nn.Linear(2, 2), torch.randn(1, 2))


class Last(nn.Module):
    def __init__(self, layer, inputs=None):
        super().__init__()
        self.table = nn.Embedding(7, 3) if inputs else nn.Identity()
        self.layer = layer
        self.head = nn.Linear(layer.hidden_size, 2)

    def forward(self, x):
        return self.head(self.layer(self.table(x))[0][:, -1])


def test_gates_inside_a_network():
    model = Last(nn.LSTM(3, 4, batch_first=True), inputs=True)
    found = recurrent.gates_in(model, torch.tensor([[1, 2, 3], [4, 5, 6]]))
    assert found.kind == "LSTM" and len(found.values["forget"]) == 3 and found.error < 1e-6


def test_a_linear_recurrence_loses_its_gradient_by_a_constant_factor():
    """With a recurrent weight of 0.5 and small numbers each step back halves the gradient."""
    layer = nn.RNN(1, 1, batch_first=True)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.zero_()
        layer.weight_ih_l0.fill_(1.0)
        layer.weight_hh_l0.fill_(0.5)
    model = Last(layer)
    found = recurrent.gradient_by_step(model, torch.full((4, 8, 1), 1e-6))
    ratios = [a / b for a, b in zip(found.norms, found.norms[1:], strict=False)]
    assert ratios == pytest.approx([0.5] * 7, rel=1e-3)
    assert found.ratio == pytest.approx(0.5**7, rel=1e-3)


def test_gradients_by_step_are_those_of_the_loss():
    model = Last(nn.GRU(3, 4, batch_first=True)).double()
    x, target = torch.randn(5, 6, 3, dtype=torch.float64), torch.tensor([0, 1, 0, 1, 1])
    found = recurrent.gradient_by_step(model, x, target)
    leaf = x.clone().requires_grad_()
    nn.functional.cross_entropy(model(leaf), target, reduction="sum").backward()
    assert found.norms == pytest.approx(leaf.grad.norm(dim=2).mean(0).tolist())
    text = Last(nn.GRU(3, 4, batch_first=True), inputs=True)
    assert len(recurrent.gradient_by_step(text, torch.tensor([[1, 2, 3]])).norms) == 3
    assert all(p.grad is None for p in text.parameters())
    with pytest.raises(UsageError, match="needs a batch of sequences"):
        recurrent.gradient_by_step(model, x[0])
    with pytest.raises(UsageError, match="looks up no token vectors"):
        recurrent.gradient_by_step(model, torch.tensor([[1, 2]]))
