"""What neighbours say of mirrored samples, on sets where the answer is known."""

import numpy as np
import pytest

from gradatim.data.mirrors import NEIGHBOURS, judge


def arrows(count=240, side=12, seed=0):
    """Bright pictures that are darker towards one side: class 0 to the left, class 1 to the right."""
    random = np.random.default_rng(seed)
    targets = np.arange(count) % 2
    ramp = np.linspace(-60, 60, side)[None, None, :] * np.where(targets, -1, 1)[:, None, None]
    pixels = 128 + ramp + random.normal(0, 10, (count, side, side))
    return pixels.clip(0, 255).astype(np.uint8)[..., None], targets


def stripes(count=240, side=12, seed=0):
    """Lying and standing stripes: a mirror changes neither class."""
    random = np.random.default_rng(seed)
    targets = np.arange(count) % 2
    wave = 60 * np.sin(np.arange(side) * 2)
    grid = np.where(targets[:, None, None], wave[None, :, None], wave[None, None, :])
    pixels = 128 + grid + random.normal(0, 10, (count, side, side))
    return pixels.clip(0, 255).astype(np.uint8)[..., None], targets


def test_a_flip_that_exchanges_two_classes_is_seen():
    judged = judge(*arrows(), classes=2, seed=0)
    right = judged.answers == judged.truth
    assert right.all() and len(right) == 80 and judged.neighbours == 160
    assert (judged.mirrored != judged.truth).all()
    counts = np.bincount(judged.truth).tolist()
    assert sorted(judged.confusions()) == [(0, 1, counts[0]), (1, 0, counts[1])]
    assert (judged.with_copies == judged.truth).mean() < 0.7


def test_a_flip_that_changes_nothing_is_let_pass():
    judged = judge(*stripes(), classes=2, seed=0)
    for answers in (judged.answers, judged.mirrored, judged.with_copies):
        assert (answers == judged.truth).all()
    assert judged.confusions() == []


def test_the_vote_is_that_of_the_neighbours_by_correlation():
    random = np.random.default_rng(1)
    images = random.integers(0, 256, (120, 6, 6, 1), dtype=np.uint8)
    targets = random.integers(0, 3, 120)
    judged = judge(images, targets, classes=3, seed=5)
    order = np.random.default_rng(5).permutation(120)
    asked, voters = order[:40], np.sort(order[40:])
    flat = images.reshape(120, -1).astype(np.float64)
    for row, index in enumerate(asked):
        likeness = [np.corrcoef(flat[index], flat[voter])[0, 1] for voter in voters]
        nearest = voters[np.argsort(likeness)[::-1][:NEIGHBOURS]]
        assert judged.answers[row] == np.bincount(targets[nearest], minlength=3).argmax()
    assert np.array_equal(judged.truth, targets[asked])


@pytest.mark.parametrize("shape", [(40, 30, 3), (20, 20, 1)])
def test_larger_pictures_are_made_smaller(shape):
    images = np.random.default_rng(2).integers(0, 256, (100, *shape), dtype=np.uint8)
    assert len(judge(images, np.arange(100) % 2, 2, 0).answers) == 33


def test_too_few_samples_say_nothing():
    assert judge(*(part[:60] for part in arrows()), classes=2, seed=0) is None
