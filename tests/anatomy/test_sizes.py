"""Sizes and counts: the worked examples of the courses, and PyTorch's own layers."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from gradatim.anatomy import sizes
from gradatim.errors import ValueRefusedError


@pytest.mark.parametrize(
    ("arguments", "derivation", "output"),
    [
        ((7, 3, 1), "(7 - 3)/1 + 1 = 5", 5),
        ((7, 3, 2), "(7 - 3)/2 + 1 = 3", 3),
        ((7, 3, 3), "(7 - 3)/3 + 1 = 2.33 -> 2", 2),
        ((5, 3, 1, 1), "(5 - 3 + 2*1)/1 + 1 = 5", 5),
        ((5, 3, 2, 1), "(5 - 3 + 2*1)/2 + 1 = 3", 3),
        ((227, 11, 4), "(227 - 11)/4 + 1 = 55", 55),
        ((224, 11, 4, 2), "(224 - 11 + 2*2)/4 + 1 = 55.25 -> 55", 55),
        ((224, 7, 2, 3), "(224 - 7 + 2*3)/2 + 1 = 112.5 -> 112", 112),
        ((4, 2, 1), "(4 - 2)/1 + 1 = 3", 3),
        ((500, 1, 1), "(500 - 1)/1 + 1 = 500", 500),
        ((3, 3, 1, 1), "(3 - 3 + 2*1)/1 + 1 = 3", 3),
        ((28, 3, 1, (0, 1)), "(28 - 3 + 0 + 1)/1 + 1 = 27", 27),
    ],
)
def test_the_derivation_shows_its_numbers(arguments, derivation, output):
    found = sizes.window(*arguments)
    assert found.derivation == derivation
    assert found.output == output


def test_a_stride_that_does_not_fit_says_so():
    found = sizes.window(7, 3, 3)
    assert not found.fits
    assert found.notes[0] == "stride 3 does not fit evenly: 2.33 is rounded down"
    assert found.notes[1] == "position 6 of the 7 padded ones is never read (inside the input)"


def test_why_55():
    found = sizes.window(224, 11, 4, 2)
    assert found.exact == 55.25
    assert found.padded == 228
    assert found.unread == (227,)
    assert "never read (only padding)" in found.notes[-1]


def test_googlenets_first_pooling_rounds_up():
    assert sizes.window(112, 3, 2).output == 55
    up = sizes.window(112, 3, 2, ceil_mode=True)
    assert (up.output, up.unread) == (56, ())
    assert "reaches 1 beyond the end" in up.notes[0]


def test_padding_keeps_the_size_and_is_not_the_output():
    assert [sizes.window(28, k, 1, p).output for k, p in ((3, 1), (5, 2))] == [28, 28]
    padded = sizes.window(3, 3, 1, 1)
    assert (padded.padded, padded.output) == (5, 3)  # 3 + 1*2 = 5 is the padded input


def test_sharing_the_kernel_of_alexnets_first_layer():
    found = sizes.sharing((96, 55, 55), 3, (11, 11))
    assert (found.neurons, found.unshared, found.shared) == (290_400, 105_705_600, 34_944)
    texts = [text for _, text in found.lines]
    assert "290,400*364 = 105,705,600" in texts
    assert "96*363 + 96 = 34,848 + 96 = 34,944" in texts


def test_three_small_kernels_see_what_one_large_one_sees():
    assert sizes.stacked_field([3, 3, 3]) == sizes.stacked_field([7]) == 7
    channels = 64
    small = sum(p.numel() for _ in range(3) for p in nn.Conv2d(64, 64, 3, bias=False).parameters())
    large = sum(p.numel() for p in nn.Conv2d(64, 64, 7, bias=False).parameters())
    assert (small, large) == (27 * channels**2, 49 * channels**2)


def test_kernels_that_do_not_fit_explain_themselves():
    with pytest.raises(ValueRefusedError) as caught:
        sizes.window(4, 7)
    text = str(caught.value)
    assert "a kernel that reaches 7 positions does not fit into a padded input of 4" in text
    assert "(4 - 7)/1 + 1" in text
    assert "use a kernel of at most 4, more padding, or an input of at least 7" in text
    with pytest.raises(ValueRefusedError, match="stride of a sliding window must be at least 1"):
        sizes.window(4, 3, 0)
    with pytest.raises(ValueRefusedError, match="cuts the whole output away"):
        sizes.transposed(2, 1, 1, 3)


@settings(max_examples=150, deadline=None)
@given(
    st.integers(1, 40),
    st.integers(1, 7),
    st.integers(1, 5),
    st.integers(0, 3),
    st.integers(1, 3),
    st.booleans(),
)
def test_every_size_is_pytorchs(size, kernel, stride, padding, dilation, ceil_mode):
    padding = min(padding, kernel // 2)  # PyTorch's pooling refuses more
    pool = nn.MaxPool1d(kernel, stride, padding, dilation, ceil_mode=ceil_mode)
    try:
        expected = pool(torch.zeros(1, 1, size)).shape[-1]
    except RuntimeError:
        with pytest.raises(ValueRefusedError):
            sizes.window(size, kernel, stride, padding, dilation, ceil_mode=ceil_mode)
        return
    found = sizes.window(size, kernel, stride, padding, dilation, ceil_mode=ceil_mode)
    assert found.output == expected


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 30), st.integers(1, 5), st.integers(1, 5), st.integers(0, 2))
def test_unread_positions_are_those_without_a_gradient(size, kernel, stride, padding):
    x = torch.zeros(1, 1, size + 2 * padding, requires_grad=True)
    if size + 2 * padding < kernel:
        return
    weight = torch.ones(1, 1, kernel)
    nn.functional.conv1d(x, weight, stride=stride).sum().backward()
    unread = tuple((x.grad.flatten() == 0).nonzero().flatten().tolist())
    assert sizes.window(size, kernel, stride, padding).unread == unread


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 20), st.integers(1, 5), st.integers(1, 4), st.integers(0, 2))
def test_transposed_sizes_are_pytorchs(size, kernel, stride, padding):
    layer = nn.ConvTranspose1d(1, 1, kernel, stride, padding)
    try:
        expected = layer(torch.zeros(1, 1, size)).shape[-1]
    except RuntimeError:
        with pytest.raises(ValueRefusedError):
            sizes.transposed(size, kernel, stride, padding)
        return
    assert sizes.transposed(size, kernel, stride, padding).output == expected


@pytest.mark.parametrize(("size", "output"), [(13, 6), (7, 3), (6, 6), (5, 7), (9, 1), (14, 4)])
def test_adaptive_windows_are_pytorchs(size, output):
    x = torch.eye(size).reshape(size, 1, size)
    read = nn.functional.adaptive_avg_pool1d(x, output).reshape(size, output) > 0
    windows = sizes.adaptive_windows(size, output)
    for i, (start, end) in enumerate(windows):
        assert read[:, i].nonzero().flatten().tolist() == list(range(start, end))


def test_adaptive_pooling_says_its_windows():
    found = sizes.adaptive(13, 6)
    assert "[0, 3), [2, 5)" in found.derivation
    assert "neighbouring windows overlap" in found.notes


@pytest.mark.parametrize(
    ("layers", "kernel", "expected"),
    [(5, 3, 1.8257), (10, 3, 2.5820), (20, 3, 3.6515), (5, 5, 3.1623)],
)
def test_the_effective_field_of_stacked_convolutions(layers, kernel, expected):
    assert sizes.effective_field(layers, kernel) == pytest.approx(expected, abs=5e-5)
    x = torch.zeros(1, 1, 201, dtype=torch.float64, requires_grad=True)
    y, weight = x, torch.ones(1, 1, kernel, dtype=torch.float64)
    for _ in range(layers):
        y = nn.functional.conv1d(y, weight, padding=kernel // 2)
    (gradient,) = torch.autograd.grad(y[0, 0, 100], x)
    share = gradient.flatten() / gradient.sum()
    place = torch.arange(201, dtype=torch.float64) - 100
    measured = (share * place**2).sum().sqrt().item()
    assert measured == pytest.approx(expected, rel=0.01)
