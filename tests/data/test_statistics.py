"""Means and deviations against NumPy on the whole array."""

import numpy as np

from gradatim.data import statistics

RNG = np.random.default_rng(0)


def test_images_against_numpy(monkeypatch):
    monkeypatch.setattr(statistics, "BLOCK_BYTES", 1000)
    images = RNG.integers(0, 256, (50, 7, 5, 3)).astype(np.uint8)
    rows = np.sort(RNG.permutation(50)[:30])
    mean, std = statistics.of_images(images, rows)
    chosen = images[rows].astype(np.float64) / 255
    np.testing.assert_allclose(mean, chosen.mean(axis=(0, 1, 2)), rtol=1e-12)
    np.testing.assert_allclose(std, chosen.std(axis=(0, 1, 2)), rtol=1e-12)


def test_image_rows_left_out_do_not_count():
    images = np.zeros((10, 2, 2, 1), np.uint8)
    images[5:] = 255
    assert statistics.of_images(images, np.arange(5)) == ((0.0,), (1.0,))


def test_vectors_against_numpy(monkeypatch):
    monkeypatch.setattr(statistics, "BLOCK_BYTES", 1000)
    vectors = RNG.normal(3, 2, (500, 4)).astype(np.float32)
    rows = np.sort(RNG.permutation(500)[:300])
    mean, std = statistics.of_vectors(vectors, rows)
    np.testing.assert_allclose(mean, vectors[rows].astype(np.float64).mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(std, vectors[rows].astype(np.float64).std(axis=0), rtol=1e-12)


def test_large_offsets_lose_nothing():
    vectors = (1e6 + RNG.normal(size=(1000, 1))).astype(np.float32)
    _, std = statistics.of_vectors(vectors, np.arange(1000))
    np.testing.assert_allclose(std, vectors.astype(np.float64).std(axis=0), rtol=1e-9)


def test_constants_and_marks():
    vectors = np.stack(
        [np.full(40, 0.1), np.arange(40) % 2, np.zeros(40), np.arange(40)], axis=1
    ).astype(np.float32)
    mean, std = statistics.of_vectors(vectors, np.arange(40))
    assert std[:3] == (1.0, 1.0, 1.0)
    assert mean[1:3] == (0.0, 0.0)
    assert abs(mean[0] - 0.1) < 1e-7
    assert std[3] > 10


def test_histogram_counts_every_pixel():
    images = RNG.integers(0, 256, (9, 4, 4, 2)).astype(np.uint8)
    counts = statistics.histogram(images, np.arange(9))
    for channel in range(2):
        expected = np.bincount(images[..., channel].ravel(), minlength=256)
        np.testing.assert_array_equal(counts[channel], expected)


def test_an_odd_number_of_pixels_is_counted_to_the_last():
    images = RNG.integers(0, 256, (3, 5, 7, 3)).astype(np.uint8)
    counts = statistics.value_counts(images)
    expected = [np.bincount(images[..., channel].ravel(), minlength=256) for channel in range(3)]
    assert (counts == np.stack(expected)).all()
