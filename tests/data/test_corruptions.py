"""Every kind of stress against its definition, one picture at a time."""

import colorsys
import io

import numpy as np
import pytest
from PIL import Image, ImageFilter

from gradatim.cli.options import KINDS
from gradatim.data import corruptions
from gradatim.data.corruptions import (
    CORRUPTIONS,
    STRENGTHS,
    backgrounds,
    corrupt,
    count_backgrounds,
)

NUMBERS = np.arange(40, 52)


def images(count=12, rows=24, columns=30, channels=3, seed=0):
    """Smooth random pictures."""
    coarse = np.random.default_rng(seed).integers(0, 256, (count, 5, 5, channels), np.uint8)
    shown = [
        [np.asarray(Image.fromarray(c[..., k]).resize((columns, rows))) for k in range(channels)]
        for c in coarse
    ]
    return np.stack(shown).transpose(0, 2, 3, 1).astype(np.uint8)


def test_the_command_line_knows_every_kind():
    assert ("all", *CORRUPTIONS) == KINDS


@pytest.mark.parametrize("kind", list(CORRUPTIONS))
@pytest.mark.parametrize("shape", [(24, 30, 3), (20, 20, 1), (120, 100, 3)])
def test_shape_and_type_stay_and_more_strength_changes_more(kind, shape):
    before = images(6, *shape)
    kept = before.copy()
    changes = []
    for strength in range(1, STRENGTHS + 1):
        after = corrupt(kind, before, NUMBERS[:6], strength)
        assert after.shape == before.shape and after.dtype == np.uint8
        changes.append(np.abs(after.astype(float) - before).mean())
    assert np.array_equal(before, kept)
    assert changes[-1] > 0.5 and changes[-1] > changes[0]


@pytest.mark.parametrize("kind", list(CORRUPTIONS))
def test_what_is_drawn_depends_on_the_sample_alone(kind):
    before = images()
    together = corrupt(kind, before, NUMBERS, 4)
    assert np.array_equal(together, corrupt(kind, before, NUMBERS, 4))
    order = np.random.default_rng(1).permutation(12)[:5]
    assert np.array_equal(together[order], corrupt(kind, before[order], NUMBERS[order], 4))


def test_illumination_adds_to_the_value_and_keeps_hue_and_saturation():
    before = images(8, 6, 6)
    after = corruptions.illumination(before, NUMBERS[:8], 0.2)
    sides = set()
    for picture, changed in zip(before / 255, after / 255, strict=True):
        first = max(picture[3, 3])
        side = np.sign(max(changed[3, 3]) - first)
        sides.add(side)
        for old, new in zip(picture.reshape(-1, 3), changed.reshape(-1, 3), strict=True):
            hue, saturation, value = colorsys.rgb_to_hsv(*old)
            expected = colorsys.hsv_to_rgb(hue, saturation, np.clip(value + 0.2 * side, 0, 1))
            np.testing.assert_allclose(new, expected, atol=0.0021)
    assert sides == {-1.0, 1.0}


def test_contrast_is_a_blend_with_the_mean_of_each_channel():
    before = images(4)
    after = corruptions.contrast(before, NUMBERS[:4], 0.3)
    for picture, changed in zip(before, after, strict=True):
        grey = np.broadcast_to(picture.mean(axis=(0, 1)), picture.shape)
        np.testing.assert_allclose(changed, 0.3 * picture + 0.7 * grey, atol=0.51)


def test_occlusion_covers_one_square_of_the_share_inside():
    white = np.full((200, 20, 20, 1), 255, np.uint8)
    covered = corruptions.occlusion(white, np.arange(200), 0.25)[..., 0] == 127
    assert (covered.sum(axis=(1, 2)) == 100).all()
    assert covered.any(axis=0).all()  # anywhere
    assert all((mask.any(0).sum(), mask.any(1).sum()) == (10, 10) for mask in covered)


def test_noise_is_gaussian_of_the_deviation_and_independent():
    grey = np.full((40, 20, 20, 3), 128, np.uint8)
    noisy = corruptions.noise(grey, np.arange(40), 0.1).astype(float) - 128
    assert abs(noisy.mean()) < 0.3 and abs(noisy.std() / 25.5 - 1) < 0.01
    fourth = (noisy**4).mean() / (noisy**2).mean() ** 2
    assert abs(fourth - 3) < 0.1
    assert abs(np.corrcoef(noisy[..., 0].ravel(), noisy[..., 1].ravel())[0, 1]) < 0.03
    assert abs(np.corrcoef(noisy[0].ravel(), noisy[1].ravel())[0, 1]) < 0.12


def test_blur_is_pillows_gaussian_blur_nearly():
    before = images(3, 64, 64)
    after = corruptions.blur(before, NUMBERS[:3], 2 / 64)
    for picture, changed in zip(before, after, strict=True):
        expected = np.asarray(Image.fromarray(picture).filter(ImageFilter.GaussianBlur(2)), float)
        assert np.abs(changed - expected)[8:-8, 8:-8].mean() < 1.0


def test_jpeg_is_pillows():
    before = images(2, channels=1)
    after = corruptions.jpeg(before, NUMBERS[:2], 40)
    for picture, changed in zip(before, after, strict=True):
        content = io.BytesIO()
        Image.fromarray(picture[..., 0]).save(content, "JPEG", quality=40)
        assert np.array_equal(changed[..., 0], np.asarray(Image.open(content)))


def test_a_plain_ground_is_found_and_replaced_and_the_object_is_left():
    scene = np.full((3, 20, 20, 3), 230, np.uint8)
    scene[:, 6:14, 6:14] = (200, 20, 20)
    scene[:, 9:11, 9:11] = 230  # a hole of the same colour is not joined to the border
    found = backgrounds(scene)
    expected = np.ones((20, 20), bool)
    expected[6:14, 6:14] = False
    assert (found == expected).all() and count_backgrounds(scene) == 3
    replaced = corruptions.background(scene, NUMBERS[:3], 1.0)
    assert np.array_equal(replaced[:, 6:14, 6:14], scene[:, 6:14, 6:14])
    assert (replaced[0][expected] != 230).any(axis=1).mean() > 0.9
    assert not np.array_equal(replaced[0], replaced[1])


def test_without_a_plain_ground_the_border_is_blended_and_the_middle_left():
    busy = np.random.default_rng(3).integers(0, 256, (4, 20, 20, 3), np.uint8)
    assert count_backgrounds(busy) == 0
    assert count_backgrounds(np.full((2, 9, 9, 1), 7, np.uint8)) == 0  # nothing but ground
    blended = corruptions.background(busy, NUMBERS[:4], 1.0)
    assert np.array_equal(blended[:, 8:12, 8:12], busy[:, 8:12, 8:12])
    assert (blended[:, 0, 0] != busy[:, 0, 0]).any()


def test_strengths_are_those_of_the_paper_and_blur_is_scaled():
    assert CORRUPTIONS["noise"].strengths(32) == (0.04, 0.06, 0.08, 0.09, 0.1)
    assert CORRUPTIONS["noise"].strengths(224) == (0.08, 0.12, 0.18, 0.26, 0.38)
    assert CORRUPTIONS["jpeg"].strengths(96)[0] == 80 and CORRUPTIONS["jpeg"].strengths(97)[0] == 25
    assert [round(32 * s, 6) for s in CORRUPTIONS["blur"].strengths(32)] == [0.4, 0.6, 0.7, 0.8, 1]
    assert [round(224 * s, 6) for s in CORRUPTIONS["blur"].strengths(224)] == [1, 2, 3, 4, 6]
