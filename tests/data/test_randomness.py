import numpy as np
import pytest

from gradatim.data.randomness import Draws, permutation, uniform


def philox4x64_10(counter, key):
    """Philox 4x64 with ten rounds, written out from the paper (Salmon et al. 2011)."""
    c, k = list(counter), list(key)
    for _ in range(10):
        low0, low1 = 0xD2E7470EE14C6C93 * c[0], 0xCA5A826395121157 * c[2]
        high0, high1 = low0 >> 64, low1 >> 64
        c = [high1 ^ c[1] ^ k[0], low1 % 2**64, high0 ^ c[3] ^ k[1], low0 % 2**64]
        k = [(k[0] + 0x9E3779B97F4A7C15) % 2**64, (k[1] + 0xBB67AE8584CAA73B) % 2**64]
    return c


def test_draws_are_those_of_the_published_function():
    import zlib

    seed, epoch, position = 12345678901, 3, 1000
    key = (seed, epoch << 32 | zlib.crc32(b"flip"))
    # NumPy steps the counter before it uses it
    words = philox4x64_10((position + 1, 0, 0, 0), key)
    expected = [(word >> 11) / 2**53 for word in words]
    assert uniform(seed, epoch, "flip", position, 1, 4)[0].tolist() == expected


@pytest.mark.parametrize("per_sample", [1, 3, 4, 6, 9])
def test_draws_do_not_depend_on_where_a_batch_begins(per_sample):
    whole = uniform(7, 2, "crop", 0, 100, per_sample)
    parts = [uniform(7, 2, "crop", a, b - a, per_sample) for a, b in [(0, 33), (33, 34), (34, 100)]]
    assert whole.shape == (100, per_sample)
    assert np.array_equal(whole, np.concatenate(parts))


@pytest.mark.parametrize("other", [(8, 2, "crop"), (7, 3, "crop"), (7, 2, "flip")])
def test_another_seed_epoch_or_purpose_gives_independent_draws(other):
    draws = uniform(7, 2, "crop", 0, 4000, 1)[:, 0]
    others = uniform(*other, 0, 4000, 1)[:, 0]
    assert abs(np.corrcoef(draws, others)[0, 1]) < 0.06  # four standard errors


def test_draws_are_uniform():
    draws = uniform(0, 0, "any", 0, 50_000, 4).ravel()
    assert draws.min() >= 0 and draws.max() < 1
    counts = np.histogram(draws, bins=20, range=(0, 1))[0]
    chi_square = ((counts - 10_000) ** 2 / 10_000).sum()
    assert chi_square < 43.8  # 99.9 % quantile with 19 degrees of freedom


@pytest.mark.parametrize("n", [0, 1, 2, 3, 64, 65, 1000])
def test_permutation_holds_every_index_once(n):
    order = permutation(3, 1, n)
    assert order.dtype == np.int64
    assert np.array_equal(np.sort(order), np.arange(n))


def test_permutations_are_repeatable_and_differ_by_seed_and_epoch():
    assert np.array_equal(permutation(1, 5, 500), permutation(1, 5, 500))
    assert not np.array_equal(permutation(1, 5, 500), permutation(1, 6, 500))
    assert not np.array_equal(permutation(1, 5, 500), permutation(2, 5, 500))


def test_every_permutation_of_four_is_as_likely():
    counts: dict[tuple[int, ...], int] = {}
    for epoch in range(4800):
        order = tuple(permutation(0, epoch, 4).tolist())
        counts[order] = counts.get(order, 0) + 1
    assert len(counts) == 24
    chi_square = sum((count - 200) ** 2 / 200 for count in counts.values())
    assert chi_square < 49.7  # 99.9 % quantile with 23 degrees of freedom


def test_draws_wrap_around_the_end_of_the_order():
    whole = uniform(1, 1, "mix", 0, 10, 2)
    wrapped = Draws(seed=1, epoch=1, first=8, count=3, total=10).uniform("mix", 2)
    assert np.array_equal(wrapped, whole[[8, 9, 0]])
    inside = Draws(seed=1, epoch=1, first=2, count=3, total=10).uniform("mix", 2)
    assert np.array_equal(inside, whole[2:5])
