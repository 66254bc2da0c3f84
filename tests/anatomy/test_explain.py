"""Any eager module: what is counted, what is said, and that the module stays as it was."""

import json

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from gradatim.anatomy import explain
from gradatim.errors import UsageError


def agrees(anatomy):
    """Every witness agrees, the sums close, and everything is plain JSON."""
    wrong = [item for item in anatomy.witnesses() if not item[1].agrees]
    assert wrong == []
    counted = sum(x.weights.value + x.biases.value for x in anatomy.layers)
    assert counted + anatomy.totals.unused.value == anatomy.totals.parameters.value
    assert all(opinion.closes for opinion in anatomy.others)
    assert json.loads(json.dumps(anatomy.to_dict()))["totals"]["macs"]["value"] >= 0
    return anatomy


def flops(module, *args, **kwargs):
    """PyTorch's own counter on a real run, with attention by plain products."""
    from torch.nn.attention import SDPBackend, sdpa_kernel

    counter = FlopCounterMode(display=False)
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), counter:
        module(*args, **kwargs)
    return counter.get_total_flops()


class Functional(nn.Module):
    """Functions, merges, and no module for most of the work."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.weight = nn.Parameter(torch.zeros(4, 8, 1, 1))
        self.head = nn.Linear(12, 5)

    def forward(self, x):
        x = F.relu(self.conv(x))
        y = F.conv2d(x, self.weight)
        x = torch.cat([x, y], 1)
        x = F.max_pool2d(x, 2)
        x = F.adaptive_avg_pool2d(x, 1) + x.mean((2, 3), keepdim=True)
        return self.head(torch.flatten(x, 1))


def test_functions_without_modules():
    anatomy = agrees(explain(Functional(), (3, 9, 9)))
    kinds = [layer.kind for layer in anatomy.layers]
    assert kinds == [
        *("convolution", "activation", "convolution", "merge", "pooling", "pooling"),
        *("reduction", "merge", "move", "linear"),
    ]
    assert anatomy.totals.parameters.value == 3 * 8 * 9 + 8 + 32 + 12 * 5 + 5
    assert anatomy.layers[3].inputs == (1, 2)
    assert anatomy.layers[4].axes[0].derivation == "(9 - 2)/2 + 1 = 4.5 -> 4"


def test_the_arithmetic_of_alexnets_first_layer():
    layer = explain(nn.Conv2d(3, 64, 11, 4, 2), (3, 224, 224)).layers[0]
    assert layer.axes[0].derivation == "(224 - 11 + 2*2)/4 + 1 = 55.25 -> 55"
    assert layer.axes[0].unread == (227,)
    assert layer.weights.derivation == "64*3*11*11 = 23,232"
    assert layer.biases.derivation == "64"
    assert layer.macs.derivation == "55*55*64 * 3*11*11 = 70,276,800"
    assert layer.flops.derivation == "2*70,276,800 = 140,553,600"
    assert layer.activation_bytes.derivation == "1*64*55*55*4 = 774,400"


def test_two_channels_three_kernels_have_three_biases():
    layer = explain(nn.Conv2d(2, 3, 3), (2, 8, 8)).layers[0]
    assert (layer.weights.value, layer.biases.value) == (54, 3)
    assert layer.weights.derivation == "3*2*3*3 = 54"


def test_a_dense_network_adds_its_layers():
    network = nn.Sequential(nn.Linear(784, 15), nn.Sigmoid(), nn.Linear(15, 10))
    totals = explain(network, (784,)).totals
    assert totals.parameters.value == 11_935
    assert totals.parameters.derivation == "11,910 weights + 25 biases = 11,935"
    # 117,625 comes from multiplying the two layers: (784 + 1) * 15 = 11,775 and 15 * 10 more.
    assert 784 * 15 + 15 + 15 * 10 + 10 == 11_935 != 117_625


def test_a_small_map_keeps_its_channels_through_pooling():
    network = nn.Sequential(nn.Conv2d(1, 1, 2, bias=False), nn.MaxPool2d(2, 1))
    with torch.no_grad():
        network[0].weight.copy_(torch.tensor([[[[1.0, -1], [1, -1]]]]))
    shapes = [layer.output_shapes[0] for layer in explain(network, (1, 4, 4)).layers]
    assert shapes == [(1, 1, 3, 3), (1, 1, 2, 2)]


def test_one_by_one_filters_on_a_large_volume():
    anatomy = agrees(explain(nn.Conv2d(100, 20, 1), (100, 500, 500)))
    assert anatomy.outputs == ((1, 20, 500, 500),)


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(4, 6, 3, 2, 1, dilation=2),
        nn.Conv2d(4, 6, 3, padding="same", dilation=2),
        nn.Conv2d(4, 8, 3, groups=4, bias=False),
        nn.Conv2d(4, 6, (1, 5), padding=(0, 2)),
        nn.Conv2d(4, 6, 3, padding=1, padding_mode="circular"),
        nn.Conv2d(4, 6, 3, padding=1, padding_mode="reflect"),
        nn.ConvTranspose2d(4, 6, 4, 2, 1, output_padding=1),
        nn.ConvTranspose2d(4, 6, 3, 2, groups=2, dilation=2),
        nn.MaxPool2d(3, 2, ceil_mode=True),
        nn.AvgPool2d(3, 2, 1),
        nn.LPPool2d(2, 3),
        nn.AdaptiveAvgPool2d((5, 3)),
        nn.AdaptiveMaxPool2d(4),
        nn.Upsample(scale_factor=2, mode="bilinear"),
        nn.Upsample(scale_factor=3),
        nn.PixelShuffle(2),
        nn.GroupNorm(2, 4),
        nn.LocalResponseNorm(3),
        nn.Unfold(3),
        nn.Softmax(1),
        nn.ZeroPad2d((1, 2, 0, 3)),
    ],
    ids=lambda layer: str(layer)[:60],
)
@pytest.mark.parametrize("size", [(13, 16), (8, 11)])
def test_sizes_and_counts_of_every_kind_of_layer(layer, size):
    x = torch.randn(2, 4, *size)
    anatomy = agrees(explain(layer, x))
    assert anatomy.outputs[0] == tuple(layer(x).shape)
    assert anatomy.totals.flops.value == flops(layer, x)
    assert anatomy.totals.parameters.value == sum(p.numel() for p in layer.parameters())


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("both", [True, False])
@pytest.mark.parametrize("kind", [nn.RNN, nn.LSTM, nn.GRU])
def test_recurrent_layers(kind, both, bias):
    layer = kind(3, 5, num_layers=2, bidirectional=both, bias=bias, batch_first=True)
    anatomy = agrees(explain(layer, torch.randn(2, 7, 3)))
    (found,) = (x for x in anatomy.layers if x.kind == "recurrent")
    ways, gates = 1 + both, {nn.RNN: 1, nn.LSTM: 4, nn.GRU: 3}[kind]
    per_step = ways * gates * 5 * ((3 + 5) + (5 * ways + 5))
    assert found.macs.value == 2 * 7 * per_step
    assert found.macs.witness.agrees
    assert found.saved_bytes.status == "exact"
    assert found.fields[0].axis == "step"
    if not both:
        assert "the field grows along the sequence" in found.fields[0].note


def test_packed_sequences_run_for_real_and_count_true_steps():
    class Packed(nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm = nn.LSTM(3, 4)

        def forward(self, x, lengths):
            packed = nn.utils.rnn.pack_padded_sequence(x, lengths, enforce_sorted=False)
            return nn.utils.rnn.pad_packed_sequence(self.lstm(packed)[0])[0]

    anatomy = agrees(explain(Packed(), (torch.randn(6, 3, 3), torch.tensor([6, 2, 4]))))
    assert anatomy.ran_on.startswith("real tensors")
    assert anatomy.totals.macs.value == (6 + 2 + 4) * 4 * 4 * (3 + 4)


@pytest.mark.parametrize("training", [True, False])
def test_transformers_and_their_fast_path(training):
    layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)
    network = nn.Sequential(nn.Embedding(11, 16), nn.TransformerEncoder(layer, 2), nn.Linear(16, 4))
    network.train(training)
    tokens = torch.zeros(2, 7, dtype=torch.long)
    anatomy = agrees(explain(network, tokens))
    assert anatomy.totals.flops.value == flops(network.train(), tokens)
    attention = anatomy.of_kind("attention")
    assert len(attention) == 2
    assert attention[0].macs.witness.agrees
    assert attention[0].fields[0].whole
    assert "scores 2 * 7 * 7 * 16 = 1,568" in attention[0].macs.derivation


def test_the_shape_of_a_text_is_one_of_tokens():
    network = nn.Sequential(nn.Embedding(11, 4), nn.LSTM(4, 3, batch_first=True))
    anatomy = agrees(explain(network, (9,)))
    assert anatomy.inputs == ((1, 9),)
    assert any("indices of tokens" in note for note in anatomy.notes)
    assert anatomy.totals.macs.value == 9 * 4 * 3 * (4 + 3)
    with pytest.raises(UsageError, match="does not run on this input"):
        explain(nn.Sequential(nn.Embedding(11, 4), nn.Linear(5, 2)), (9,))


def test_products_of_tensors():
    class Products(nn.Module):
        def forward(self, x):
            y = torch.einsum("bnd,bmd->bnm", x, x)
            z = torch.bmm(y, x) + y.softmax(-1) @ x
            return F.scaled_dot_product_attention(z, x, x), torch.einsum("bnd,bd->bn", z, z[:, 0])

    x = torch.randn(2, 5, 6)
    anatomy = agrees(explain(Products(), x))
    assert anatomy.totals.flops.value == flops(Products(), x)
    assert anatomy.of_kind("attention")[0].macs.value == 2 * (2 * 5 * 5 * 6)


def test_inputs_and_outputs_of_any_structure():
    class Structured(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(4, 4)

        def forward(self, pair, *, more):
            a, b = pair
            return {"sum": self.linear(a) + b, "list": [self.linear(more["x"]), None]}

    data = {"pair": (torch.ones(2, 4), torch.ones(2, 4)), "more": {"x": torch.ones(3, 4)}}
    anatomy = agrees(explain(Structured(), data))
    assert anatomy.inputs == ((2, 4), (2, 4), (3, 4))
    assert anatomy.outputs == ((2, 4), (3, 4))
    assert anatomy.totals.parameters.value == 20
    assert anatomy.layers[-1].notes == (
        "shares linear.weight, linear.bias: counted where it was used first",
        "run 2 of the same module",
    )


def test_shared_repeated_and_unused_modules_are_said():
    class Shared(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 4)
            self.b.weight = self.a.weight
            self.never = nn.Linear(4, 9)

        def forward(self, x):
            return self.b(self.a(self.a(x)))

    anatomy = agrees(explain(Shared(), (4,)))
    assert [layer.weights.value for layer in anatomy.layers] == [16, 0, 0]
    assert [layer.name for layer in anatomy.layers] == ["a", "a", "b"]
    assert [layer.visit for layer in anatomy.layers] == [1, 2, 1]
    assert anatomy.unused_modules == ("never",)
    assert anatomy.unused_parameters == ("never.weight", "never.bias")
    assert anatomy.shared == (("a.weight", ("b.weight",)),)
    assert any("never called: never" in note for note in anatomy.notes)
    summary = next(item for item in anatomy.others if item.who == "torchsummary")
    assert summary.closes


def test_parametrizations_count_what_is_learnt():
    layer = nn.utils.parametrizations.weight_norm(nn.Conv1d(4, 6, 3))
    anatomy = agrees(explain(layer, (4, 10)))
    assert anatomy.totals.parameters.value == sum(p.numel() for p in layer.parameters())
    (conv,) = anatomy.of_kind("convolution")
    assert conv.weights.value == 6 + 6 * 4 * 3
    assert anatomy.unused_parameters == ()


def test_conditions_on_content_run_for_real_and_leave_everything_as_it_was():
    class Conditional(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm = nn.BatchNorm1d(4)
            self.linear = nn.Linear(4, 4)

        def forward(self, x):
            self.seen = x.shape
            x = F.dropout(self.norm(x), 0.5)
            return self.linear(x) if x.sum() > -1e9 else x

    model, x = Conditional(), torch.randn(6, 4)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    random = torch.get_rng_state()
    anatomy = agrees(explain(model, x))
    assert anatomy.ran_on.startswith("real tensors, because")
    assert anatomy.totals.macs.value == 6 * 16
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert torch.equal(random, torch.get_rng_state())
    assert not hasattr(model, "seen")
    assert model.training


@pytest.mark.parametrize("fails", [False, True])
def test_no_hook_buffer_mode_or_gradient_changes(fails):
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.Dropout()
    )
    model[1].eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    modes = [item.training for item in model.modules()]
    if fails:
        with pytest.raises(UsageError):
            explain(model, (5, 8, 8))
    else:
        explain(model, (3, 8, 8))
    for item in model.modules():
        assert not item._forward_hooks and not item._forward_pre_hooks
    assert [item.training for item in model.modules()] == modes
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert all(p.grad is None and not p.is_meta for p in model.parameters())


def test_meta_models_need_no_weights():
    with torch.device("meta"):
        model = nn.Sequential(nn.Conv2d(3, 512, 3), nn.Flatten(), nn.Linear(512 * 62 * 62, 20_000))
    anatomy = agrees(explain(model, (3, 64, 64)))
    assert anatomy.totals.parameters.value > 39_000_000_000
    assert all(p.is_meta for p in model.parameters())


def test_half_precision_and_batches_are_measured_as_given():
    layer = nn.Linear(8, 4).to(torch.bfloat16)
    anatomy = agrees(explain(layer, torch.zeros(16, 8, dtype=torch.bfloat16)))
    assert anatomy.layers[0].activation_bytes.derivation == "16*4*2 = 128"
    assert "MACs and memory are for the whole batch of 16" in anatomy.notes
    assert explain(layer, (8,)).layers[0].activation_bytes.value == 8


def test_what_cannot_run_says_where():
    with pytest.raises(UsageError) as caught:
        explain(nn.Sequential(nn.ReLU(), nn.Conv2d(3, 4, 7)), (3, 5, 5))
    text = str(caught.value)
    assert "does not run on this input at 1 (conv2d of 1x3x5x5, 4x3x7x7, 4)" in text
    assert "Kernel size can't be greater than actual input size" in text
    assert "give the shape of one sample without the batch" in text
    with pytest.raises(UsageError, match="lazy layers") as caught:
        explain(nn.Sequential(nn.LazyLinear(3)), (4,))
    assert "run the model once on a real input" in str(caught.value)


def test_memory_kept_for_the_backward_pass():
    model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4))
    anatomy = agrees(explain(model, torch.randn(32, 8)))
    kept = [layer.saved_bytes.value for layer in anatomy.layers]
    # The input for the first weight; the activation, which both its own backward pass and the
    # second weight need, once. Weights are parameters, no new memory.
    assert kept == [32 * 8 * 4, 32 * 16 * 4, 0]
    assert anatomy.layers[2].saved_parameter_bytes == 16 * 4 * 4
    frozen = model.requires_grad_(False)
    assert explain(frozen, torch.randn(32, 8)).totals.saved_bytes.value == 0


def test_the_measured_memory_is_that_of_a_real_run():
    model = nn.Sequential(
        *(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()),
        *(nn.Dropout(), nn.Linear(8 * 9, 5), nn.LogSoftmax(1)),
    )
    x = torch.randn(4, 3, 8, 8)
    owned = {p.untyped_storage().data_ptr() for p in [*model.parameters(), *model.buffers()]}
    sizes, kept = {}, []

    def pack(tensor):
        storage = tensor.untyped_storage()
        kept.append(tensor)
        if storage.data_ptr() not in owned:
            sizes[storage.data_ptr()] = storage.nbytes()
        return tensor

    anatomy = explain(model, x)
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        model(x)
    assert anatomy.totals.saved_bytes.value == sum(sizes.values())


def test_vgg16_rows_of_the_course_do_not_give_93_megabytes():
    from gradatim import models

    with torch.device("meta"):
        model = models.full_size("vgg16")
    anatomy = explain(model, model.full_input, witnesses=False)
    rows = [x for x in anatomy.layers if x.kind in ("convolution", "linear")]
    rows += [x for x in anatomy.layers if x.kind == "pooling" and x.axes[0].kernel]
    floats = 3 * 224 * 224 + sum(torch.Size(x.output_shapes[0]).numel() for x in rows)
    assert floats == 15_237_608
    assert floats * 4 / 2**20 == pytest.approx(58.1, abs=0.05)


class WindowAttention(nn.Module):
    """Attention inside windows of a rolled map, as Swin transformers have it."""

    def __init__(self, width=8, heads=2, side=4):
        super().__init__()
        self.heads, self.side = heads, side
        self.embed = nn.Conv2d(3, width, 2, 2)
        self.norm = nn.LayerNorm(width)
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.bias = nn.Parameter(torch.zeros(heads, side**2, side**2))

    def forward(self, x):
        x = self.embed(x).permute(0, 2, 3, 1)
        n, h, w, c = x.shape
        s = self.side
        y = torch.roll(self.norm(x), (-2, -2), (1, 2))
        y = y.view(n, h // s, s, w // s, s, c).permute(0, 1, 3, 2, 4, 5).reshape(-1, s * s, c)
        q, k, v = (
            self.qkv(y).reshape(-1, s * s, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)
        )
        y = (q @ k.transpose(-2, -1) + self.bias).softmax(-1) @ v
        y = self.proj(y.transpose(1, 2).reshape(-1, s * s, c))
        y = y.view(n, h // s, w // s, s, s, c).permute(0, 1, 3, 2, 4, 5).reshape(n, h, w, c)
        return x + torch.roll(y, (2, 2), (1, 2))


def test_window_attention_is_followed_through_its_views():
    model = WindowAttention()
    anatomy = agrees(explain(model, (3, 16, 16)))
    assert anatomy.totals.flops.value == flops(model, torch.zeros(1, 3, 16, 16))
    assert anatomy.layer("proj").fields[0].size == 16  # two windows meet at the rolled edge
    inner = next(x for x in anatomy.layers if x.name == "matmul")
    assert inner.fields[0].size == 16
    assert anatomy.layers[-1].name == "add #2"


def test_gates_over_the_whole_map_reach_everything():
    class Excited(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.gate = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 1)

        def forward(self, x):
            x = self.conv(x)
            return x * self.gate(x.mean((2, 3), keepdim=True)).sigmoid()

    anatomy = agrees(explain(Excited(), (3, 8, 8)))
    assert [f.size for f in anatomy.layer("conv").fields] == [3, 3]
    assert all(f.whole for f in anatomy.layers[-1].fields)


def test_misaligned_branches_are_said():
    class Branches(nn.Module):
        def __init__(self):
            super().__init__()
            self.fine, self.coarse = nn.Conv1d(1, 1, 3, padding=1), nn.Conv1d(1, 1, 2, 2)

        def forward(self, x):
            return self.fine(x)[..., :4] + self.coarse(x)

    last = explain(Branches(), (1, 8)).layers[-1]
    assert "misaligned: branches with jumps 1 and 2 meet" in last.fields[0].note


class Twice(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x * 2

    @staticmethod
    def backward(ctx, gradient):
        return gradient * 2


def scores(x):
    return torch.matmul(x, x.transpose(-1, -2)).sigmoid()


class Unusual(nn.Module):
    """A function with its own gradient, compiled code, recomputation, a list that fills."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 4)
        self.scores = torch.jit.script(scores)
        self.scripted = torch.jit.script(nn.Sequential(nn.Linear(3, 5), nn.ReLU()))
        self.seen = []

    def forward(self, x):
        x = torch.utils.checkpoint.checkpoint(self.linear, Twice.apply(x), use_reentrant=False)
        self.seen.append(x)
        return self.scripted(self.scores(x))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_code_that_is_no_plain_python_is_heard():
    model = Unusual()
    anatomy = agrees(explain(model, torch.randn(2, 3, 4)))
    macs = 2 * 3 * 4 * 4 + 2 * 3 * 3 * 4 + 2 * 3 * 3 * 5
    assert anatomy.totals.macs.value == macs
    assert anatomy.totals.flops.value == flops(model, torch.randn(2, 3, 4))
    assert len(model.seen) == 1  # of the run just above; the trace left none


def test_compiled_modules_are_unwrapped():
    anatomy = agrees(explain(torch.compile(nn.Linear(4, 3)), (4,)))
    assert anatomy.layers[0].weights.value == 12


def test_what_pytorchs_counter_does_not_know_is_said():
    class Rare(nn.Module):
        def __init__(self):
            super().__init__()
            self.bilinear = nn.Bilinear(4, 5, 3)
            self.weight = nn.Parameter(torch.ones(3))

        def forward(self, a, b):
            return torch.mv(self.bilinear(a, b), self.weight)

    anatomy = agrees(explain(Rare(), (torch.ones(2, 4), torch.ones(2, 5))))
    assert anatomy.totals.macs.value == 2 * 3 * 4 * 5 + 2 * 3
    assert "has no rule for bilinear, mv" in anatomy.totals.macs.witness.name
    counter = next(item for item in anatomy.others if "counter" in item.who)
    assert (counter.value, counter.closes) == (0, True)


def test_changes_in_place_through_views_are_followed():
    class Changing(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3, padding=1)

        def forward(self, x):
            y = self.conv(x)
            y[:, :2] += 1
            y[:, :, :4] = x[:, :1, 4:].roll(1, 3)
            return y * 2

    anatomy = agrees(explain(Changing(), (3, 8, 8)))
    height = anatomy.layers[-1].fields[0]
    assert (height.size, height.start, height.end) == (3, 3, 8)
    assert anatomy.totals.activation_bytes.witness.agrees


def test_speed_of_the_deepest_network():
    from gradatim import models

    with torch.device("meta"):
        model = models.full_size("resnet152")
    explain(nn.Conv2d(3, 3, 3), (3, 8, 8))  # what PyTorch loads once is not counted
    assert explain(model, model.full_input).seconds < 12  # about 1 s on an idle machine
