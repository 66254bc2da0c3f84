"""Each augmentation against a slow reference, one sample and one pixel at a time."""

import colorsys
import math
import platform
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps
from scipy import ndimage, stats

from gradatim.core.recipe import DataRecipe
from gradatim.core.spec import Spec
from gradatim.data import augment as module
from gradatim.data.augment import (
    Augmentation,
    Boxes,
    augment,
    erase,
    flip,
    inside,
    jitter,
    resized_crop,
    shift,
)
from gradatim.data.hue import turn_hue
from gradatim.data.mixing import mix
from gradatim.data.randomness import Draws
from gradatim.data.suggestion import suggest
from gradatim.data.warping import rotate
from gradatim.errors import ValueRefusedError


def images(n=24, rows=20, columns=20, channels=3, seed=0):
    random = np.random.default_rng(seed)
    return random.integers(0, 256, (n, rows, columns, channels), dtype=np.uint8)


def draws(n, seed=0):
    return Draws(seed=seed, epoch=1, first=5, count=n, total=10_000)


@pytest.mark.parametrize("channels", [1, 3])
def test_flip_mirrors_the_chosen_as_pillow_does(channels):
    batch = images(channels=channels)
    chosen = np.random.default_rng(1).random(len(batch)) < 0.5
    flipped = flip(batch.copy(), chosen)
    for before, after, mirrored in zip(batch, flipped, chosen, strict=True):
        picture = Image.fromarray(before.squeeze())
        expected = np.asarray(ImageOps.mirror(picture) if mirrored else picture)
        assert np.array_equal(after.squeeze(), expected)


@pytest.mark.parametrize("shape", [(20, 20, 3), (9, 14, 1)])
def test_shift_is_a_window_of_the_framed_image(shape):
    batch = images(40, *shape)
    top, left = np.random.default_rng(2).integers(0, 7, (2, 40))
    shifted = shift(batch, top, left, padding=3)
    for sample in range(40):
        for channel in range(shape[2]):
            framed = ImageOps.expand(Image.fromarray(batch[sample, :, :, channel]), 3, fill=0)
            x, y = int(left[sample]), int(top[sample])
            window = framed.crop((x, y, x + shape[1], y + shape[0]))
            assert np.array_equal(shifted[sample, :, :, channel], np.asarray(window))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [(24, 30), (13, 11), (41, 60)])
def test_resized_crop_is_pillows_crop_and_bilinear_resize(size, channels):
    """Pillow keeps whole numbers between its two passes, hence one more of 256 levels."""
    batch = images(16, 24, 30, channels)
    random = np.random.default_rng(3)
    height, width = random.integers(8, 25, 16), random.integers(10, 31, 16)
    top, left = random.integers(25 - height), random.integers(31 - width)
    cropped = resized_crop(batch, Boxes(top, left, height, width), size)
    assert cropped.dtype == np.uint8 and cropped.shape == (16, *size, channels)
    for i in range(16):
        box = (left[i], top[i], left[i] + width[i], top[i] + height[i])
        picture = Image.fromarray(batch[i].squeeze()).crop(box)
        expected = np.asarray(picture.resize(size[::-1], Image.Resampling.BILINEAR))
        assert np.abs(cropped[i].squeeze().astype(int) - expected).max() <= 1


def test_a_crop_that_is_shrunk_is_smoothed():
    """Stripes of one pixel become grey; read at single points they would stay black and white."""
    stripes = np.zeros((1, 64, 64, 3), np.uint8)
    stripes[:, :, ::2] = 255
    whole = Boxes(*np.array([[0], [0], [64], [64]]))
    shrunk = resized_crop(stripes, whole, (32, 32))
    assert np.abs(shrunk[:, :, 1:-1].astype(int) - 127.5).max() <= 1


def test_the_whole_image_cropped_and_resized_is_the_image():
    batch = images(3, 8, 8, 1)
    whole = Boxes(*np.tile([[0], [0], [8], [8]], 3))
    assert np.array_equal(resized_crop(batch, whole, (8, 8)), batch)


def test_an_image_of_one_pixel_can_be_cropped():
    batch = images(2, 1, 1, 3)
    cropped = augment(batch.copy(), Augmentation(crop="resized", flip=1.0), draws(2))
    assert np.array_equal(cropped, batch)


def test_crops_of_larger_images_are_flipped_and_of_the_size_asked_for():
    batch = images(20, 30, 30)
    crop = Augmentation(crop="resized")
    plain = augment(batch.copy(), crop, draws(20), (16, 16))
    assert plain.shape == (20, 16, 16, 3) and plain.dtype == np.uint8
    flipped = augment(batch.copy(), replace(crop, flip=1.0), draws(20), (16, 16))
    assert np.array_equal(flipped, plain[:, :, ::-1])
    coloured = augment(batch.copy(), replace(crop, jitter=0.1), draws(20), (16, 16))
    assert coloured.shape == plain.shape and coloured.dtype == np.float32


THREADS = """
import os, threading
import numpy as np, torch
from gradatim.data.augment import Boxes, resized_crop
torch.set_num_threads(4)
torch.rand(2000, 2000).sum()  # PyTorch's own threads are there now
batch = np.zeros((4, 500, 500, 3), np.uint8)
boxes = Boxes(*np.tile([[10], [20], [480], [450]], 4))
told = []
def work():
    resized_crop(batch, boxes, (300, 300))
    told.append(len(os.listdir("/proc/self/task")))
before = len(os.listdir("/proc/self/task"))
thread = threading.Thread(target=work)
thread.start()
thread.join()
print(told[0] - before)
"""


@pytest.mark.skipif(
    not Path("/proc/self/task").is_dir() or platform.machine() != "x86_64",
    reason="threads are counted in /proc, of the kernel for AVX2",
)
def test_crops_start_no_threads_of_their_own():
    done = subprocess.run(
        [sys.executable, "-c", THREADS], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "1"  # the one that makes the crops


def test_jitter_is_brightness_contrast_and_saturation_in_this_order():
    batch = images(12)
    factors = np.random.default_rng(4).uniform(0.6, 1.4, (3, 12))
    changed = jitter(batch, *factors)
    for i, (brightness, contrast, saturation) in enumerate(factors.T):
        pixels = batch[i].astype(np.float64) * brightness
        grey = np.array([[0.299 * r + 0.587 * g + 0.114 * b for r, g, b in row] for row in pixels])
        pixels = grey.mean() + contrast * (pixels - grey.mean())
        grey = np.array([[0.299 * r + 0.587 * g + 0.114 * b for r, g, b in row] for row in pixels])
        pixels = grey[..., None] + saturation * (pixels - grey[..., None])
        np.testing.assert_allclose(changed[i], pixels.clip(0, 255), atol=1e-3)


@pytest.mark.parametrize(
    ("position", "enhance"),
    [(0, ImageEnhance.Brightness), (1, ImageEnhance.Contrast), (2, ImageEnhance.Color)],
)
def test_each_factor_of_jitter_is_what_pillow_calls_so(position, enhance):
    batch = images(6)
    factors = np.ones((3, 6))
    factors[position] = np.random.default_rng(5).uniform(0.5, 1.0, 6)
    changed = jitter(batch, *factors)
    for i in range(6):
        picture = enhance(Image.fromarray(batch[i])).enhance(factors[position, i])
        # Pillow rounds the grey and the result to whole numbers
        assert np.abs(changed[i] - np.asarray(picture, np.float32)).max() <= 1.6


def test_jitter_of_grey_images_knows_no_saturation():
    batch = images(4, channels=1)
    ones = np.ones(4)
    assert np.array_equal(jitter(batch, ones, ones, 0.3 * ones), batch)
    contrast = jitter(batch, ones, 0.5 * ones, ones)
    mean = batch.mean(axis=(1, 2, 3), keepdims=True)
    np.testing.assert_allclose(contrast, mean + 0.5 * (batch - mean), atol=1e-3)


def test_jitter_keeps_the_hue():
    changed = jitter(images(1), np.array([0.9]), np.array([1.0]), np.array([0.5]))[0].reshape(-1, 3)
    for before, after in zip(images(1)[0].reshape(-1, 3) / 255, changed / 255, strict=True):
        if max(before) - min(before) > 0.1:
            hue, hue_after = colorsys.rgb_to_hsv(*before)[0], colorsys.rgb_to_hsv(*after)[0]
            assert abs((hue - hue_after + 0.5) % 1 - 0.5) < 1e-4


@pytest.mark.parametrize("shape", [(17, 17, 3), (12, 19, 1)])
def test_rotation_and_scale_are_scipys_affine_map(shape):
    batch = images(10, *shape)
    random = np.random.default_rng(8)
    degrees, scale = random.uniform(-180, 180, 10), random.uniform(0.5, 2, 10)
    turned = rotate(batch, degrees, scale)
    assert turned.dtype == np.float32 and turned.shape == batch.shape
    middle = (np.array(shape[:2]) - 1) / 2
    for i in range(10):
        cosine, sine = np.cos(np.deg2rad(degrees[i])), np.sin(np.deg2rad(degrees[i]))
        back = np.array([[cosine, sine], [-sine, cosine]]) / scale[i]
        for channel in range(shape[2]):
            expected = ndimage.affine_transform(
                batch[i, :, :, channel].astype(np.float64), back, middle - back @ middle,
                order=1, mode="nearest",
            )  # fmt: skip
            np.testing.assert_allclose(turned[i, :, :, channel], expected, atol=2e-3)


def test_rotation_goes_the_way_of_pillow():
    batch = images(4, 16, 16)
    for quarter, degrees in enumerate((0, 90, 180, -90)):
        turned = rotate(batch, np.full(4, degrees))
        expected = [np.asarray(Image.fromarray(x).rotate(degrees)) for x in batch]
        np.testing.assert_allclose(turned, expected, atol=1e-2, err_msg=str(quarter))


def test_a_rotation_by_nothing_and_an_image_of_one_pixel_stay_as_they_are():
    batch = images(5, 9, 14)
    assert np.array_equal(rotate(batch, np.zeros(5)), batch)
    assert np.array_equal(rotate(images(2, 1, 1), np.array([30.0, 70.0])), images(2, 1, 1))


def test_hue_is_that_of_colorsys():
    batch = images(3, 8, 8)
    turns = np.array([0.2, -0.45, 1 / 3])
    turned = turn_hue(batch, turns)
    for i in range(3):
        for before, after in zip(
            batch[i].reshape(-1, 3) / 255, turned[i].reshape(-1, 3) / 255, strict=True
        ):
            hue, saturation, value = colorsys.rgb_to_hsv(*before)
            expected = colorsys.hsv_to_rgb((hue + turns[i]) % 1, saturation, value)
            np.testing.assert_allclose(after, expected, atol=1e-5)


def test_hue_of_nothing_a_full_turn_and_grey_change_nothing():
    batch = images(3, 8, 8)
    np.testing.assert_allclose(turn_hue(batch, np.zeros(3)), batch, atol=1e-3)
    np.testing.assert_allclose(turn_hue(batch, np.ones(3)), batch, atol=1e-3)
    assert np.array_equal(turn_hue(images(2, channels=1), np.array([0.2, 0.4])),
                          images(2, channels=1))  # fmt: skip
    grey = np.repeat(images(2, channels=1), 3, axis=3)
    np.testing.assert_allclose(turn_hue(grey, np.array([0.2, 0.4])), grey, atol=1e-3)


def test_angles_and_hues_are_drawn_evenly_both_ways(monkeypatch):
    seen = {}
    for name in ("rotate", "turn_hue"):
        real = getattr(module, name)

        def watch(batch, drawn, name=name, real=real):
            seen[name] = drawn
            return real(batch, drawn)

        monkeypatch.setattr(module, name, watch)
    augmented = augment(images(4000, 2, 2), Augmentation(rotation=30, hue=0.1), draws(4000))
    assert augmented.shape == (4000, 2, 2, 3) and augmented.dtype == np.float32
    assert abs(np.corrcoef(seen["rotate"], seen["turn_hue"])[0, 1]) < 0.06
    for name, most in (("rotate", 30), ("turn_hue", 0.1)):
        assert stats.kstest(seen[name], stats.uniform(-most, 2 * most).cdf).pvalue > 0.001


def test_a_turned_image_stays_bytes_until_colours_change():
    turned = augment(images(6), Augmentation(rotation=20), draws(6))
    assert turned.dtype == np.uint8
    reference = rotate(images(6), 20 * (2 * draws(6).uniform("rotation", 1)[:, 0] - 1))
    assert np.abs(turned - reference).max() <= 0.5


@pytest.mark.parametrize("strengths", [{"rotation": 1e-9}, {"hue": 1e-9}, {"jitter": 1e-9}])
def test_next_to_no_strength_is_next_to_no_change(strengths):
    augmented = augment(images(), Augmentation(**strengths), draws(24))
    np.testing.assert_allclose(augmented, images(), atol=1e-3)


def test_inside_is_true_in_the_box_only():
    mask = inside(Boxes(*np.array([[1.0], [2.0], [3.0], [2.0]])), 6, 5)
    expected = [[1 <= row < 4 and 2 <= column < 4 for column in range(5)] for row in range(6)]
    assert np.array_equal(mask[0], expected)


def test_erasing_sets_one_rectangle_of_the_stated_share_and_aspect_to_the_mean():
    n, side = 2000, 40
    batch = np.ones((n, side, side, 1), np.float32)
    erased = erase(batch, 0.5, draws(n))[..., 0] == 0
    touched = erased.any(axis=(1, 2))
    assert abs(touched.mean() - 0.5) < 4 * 0.5 / math.sqrt(n)
    areas, aspects = [], []
    for mask in erased[touched]:
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
        assert mask.sum() == height * width  # one full rectangle
        areas.append(height * width / side**2)
        aspects.append(height / width)
    assert 0.01 < min(areas) < 0.04 and 0.36 < max(areas) <= 0.44
    assert min(aspects) > 0.22 and max(aspects) < 4.5  # 0.3 to 1 / 0.3, rounded to pixels
    assert abs(np.log(aspects).mean()) < 0.1


def test_erasing_reaches_every_corner():
    batch = np.ones((3000, 12, 12, 1), np.float32)
    erased = (erase(batch, 1.0, draws(3000)) == 0)[..., 0].mean(axis=0)
    assert erased.min() > 0.02 and erased[[0, 0, -1, -1], [0, -1, 0, -1]].min() > 0.02


def test_draws_make_flips_and_shifts_as_likely_as_asked():
    batch = np.zeros((4000, 9, 9, 1), np.uint8)
    batch[:, 4, 4] = 255
    moved = augment(batch, Augmentation(crop="padded", crop_padding=2), draws(4000))
    counts = (moved[..., 0] == 255).sum(axis=0)
    assert counts.sum() == 4000 and (counts[2:7, 2:7] > 0).all()
    chi_square = ((counts[2:7, 2:7] - 160) ** 2 / 160).sum()
    assert chi_square < 51.2  # 99.9 % quantile with 24 degrees of freedom
    marked = np.zeros((4000, 4, 4, 1), np.uint8)
    marked[:, 0, 0] = 9
    share = (augment(marked, Augmentation(flip=0.3), draws(4000))[:, 0, 3, 0] == 9).mean()
    assert abs(share - 0.3) < 4 * math.sqrt(0.3 * 0.7 / 4000)


def test_resized_crops_have_the_stated_area_and_aspect(monkeypatch):
    seen = []
    real = module.resized_crop

    def watch(batch, boxes, size):
        seen.append(boxes)
        return real(batch, boxes, size)

    monkeypatch.setattr(module, "resized_crop", watch)
    batch = np.zeros((2000, 200, 100, 1), np.uint8)
    augment(batch, Augmentation(crop="resized"), draws(2000), (8, 8))
    top, left, height, width = seen[0]
    for edge, length, side in ((top, height, 200), (left, width, 100)):
        assert (edge >= 0).all() and (edge + length <= side).all()
        free = length < side - 20
        place = edge[free] / (side - length[free])  # anywhere, as likely
        assert stats.kstest(place, "uniform").pvalue > 1e-3
    height, width = height / 200, width / 100
    area, aspect = height * width, width / height
    assert 0.34 < area.min() < 0.36 and 0.95 < area.max() <= 1
    assert 0.74 < aspect.min() < 0.76 and 1.32 < aspect.max() < 1.35


def test_one_augmentation_does_not_change_the_draws_of_another():
    batch = images(50)
    crop = {"crop": "padded", "crop_padding": 4}
    alone = augment(batch.copy(), Augmentation(**crop), draws(50))
    both = augment(batch.copy(), Augmentation(flip=0.5, **crop), draws(50))
    flipped = draws(50).uniform("flip", 1)[:, 0] < 0.5
    assert 10 < flipped.sum() < 40
    assert np.array_equal(alone[~flipped], both[~flipped])


def test_nothing_asked_is_nothing_done():
    batch = images()
    assert np.array_equal(augment(batch.copy(), Augmentation(), draws(len(batch))), batch)


def mixed_one_by_one(inputs, targets, kind):
    """Mix as the papers write it, sample by sample."""
    n = len(inputs) - 1
    choice, quantile, down, right = draws(n + 1).uniform("mixing", 4)[:n].T
    results = []
    for i in range(n):
        cut = {"mixup": False, "cutmix": True, "both": choice[i] < 0.5}[kind]
        share = stats.beta.ppf(quantile[i], *((1.0, 1.0) if cut else (0.4, 0.4)))
        if cut:
            rows, columns = inputs.shape[1:3]
            x = inputs[i].copy()
            height = int(math.sqrt(1 - share) * rows)
            width = int(math.sqrt(1 - share) * columns)
            top = int(down[i] * rows) - height // 2
            left = int(right[i] * columns) - width // 2
            pasted = 0
            for row in range(max(top, 0), min(top + height, rows)):
                for column in range(max(left, 0), min(left + width, columns)):
                    x[row, column] = inputs[i + 1, row, column]
                    pasted += 1
            share = 1 - pasted / (rows * columns)
        else:
            x = share * inputs[i] + (1 - share) * inputs[i + 1]
        results.append((x, share * targets[i] + (1 - share) * targets[i + 1]))
    return [np.stack(parts) for parts in zip(*results, strict=True)]


@pytest.mark.parametrize("kind", ["mixup", "cutmix", "both"])
def test_mixing_is_that_of_the_papers(kind):
    inputs = np.random.default_rng(6).normal(size=(61, 10, 12, 3)).astype(np.float32)
    targets = np.eye(5, dtype=np.float32)[np.arange(61) % 5]
    augmentation = Augmentation(
        mixup=0.4 if kind != "cutmix" else 0.0, cutmix=1.0 if kind != "mixup" else 0.0
    )
    mixed, shares = mix(inputs, targets, augmentation, draws(61))
    expected, expected_shares = mixed_one_by_one(inputs, targets, kind)
    assert mixed.dtype == shares.dtype == np.float32
    np.testing.assert_allclose(mixed, expected, atol=1e-5)
    np.testing.assert_allclose(shares, expected_shares, atol=1e-6)
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-6)


def test_values_are_mixed_like_inputs():
    inputs = np.random.default_rng(7).normal(size=(21, 4)).astype(np.float32)
    values = inputs @ np.array([1, 2, 3, 4], np.float32)
    mixed, mixed_values = mix(inputs, values, Augmentation(mixup=1.0), draws(21))
    np.testing.assert_allclose(mixed @ np.array([1, 2, 3, 4], np.float32), mixed_values, atol=1e-5)


def test_augmentation_is_read_from_the_recipe():
    recipe = DataRecipe(flip=0.5, crop="padded", crop_padding=4, mixup=None)
    assert Augmentation.from_recipe(recipe) == Augmentation(0.5, "padded", 4)
    assert Augmentation.from_recipe(DataRecipe()) == Augmentation()
    assert not Augmentation(crop="padded", crop_padding=0).of_images


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"flip": 1.5}, "data.flip is out of range: '1.5'\n  allowed: 0 to 1"),
        ({"jitter": float("nan")}, "data.jitter is out of range: 'nan'"),
        ({"crop_padding": -1}, "data.crop_padding is out of range: '-1'\n  allowed: 0 or more"),
        ({"crop_from": -1}, "data.crop_from is out of range: '-1'\n  allowed: 0 or more"),
        ({"mixup": float("inf")}, "data.mixup is out of range"),
        ({"rotation": 200}, "data.rotation is out of range: '200'\n  allowed: 0 to 180 degrees"),
        ({"hue": 0.6}, "data.hue is out of range: '0.6'\n  allowed: 0 to 0.5"),
        ({"crop": "pad"}, "did you mean 'padded'?"),
    ],
)
def test_values_out_of_range_are_refused(values, text):
    with pytest.raises(ValueRefusedError) as raised:
        Augmentation(**values)
    assert text in str(raised.value)


def spec(classes, side=32, channels=3, task="classification"):
    return Spec(task=task, kind="image", shape=(channels, side, side), classes=tuple(classes))


def test_photos_are_flipped_and_shifted():
    suggested = suggest(spec(["cat", "dog"]))
    values = {key: value for key, (value, _) in suggested.items()}
    assert values["data.flip"] == 0.5
    assert (values["data.crop"], values["data.crop_padding"]) == ("padded", 4)
    assert all(reason for _, reason in suggested.values())


@pytest.mark.parametrize(
    "classes",
    [map(str, range(10)), "abcdef", ["zero", "one", "two"], ["A", "B", "other"]],
)
def test_digits_and_letters_are_not_flipped(classes):
    value, reason = suggest(spec(classes, 28, 1))["data.flip"]
    assert value == 0.0 and "digits or letters" in reason


@pytest.mark.parametrize("classes", [["turn_left", "turn_right"], ["Left", "straight"]])
def test_classes_that_name_a_side_are_not_flipped(classes):
    value, reason = suggest(spec(classes))["data.flip"]
    assert value == 0.0 and "names a side" in reason


def test_a_word_with_left_inside_names_no_side():
    assert suggest(spec(["cleft", "bright"]))["data.flip"][0] == 0.5


def test_regression_from_images_is_not_flipped():
    assert suggest(spec([], task="regression"))["data.flip"][0] == 0.0


def test_large_photos_are_cropped_and_resized():
    assert suggest(spec(["cat", "dog"], 224))["data.crop"][0] == "resized"


@pytest.mark.parametrize(
    ("side", "classes", "crop", "padding"),
    [
        (8, "0123456789", "none", 0),
        (28, "0123456789", "padded", 2),
        (8, ["cat", "dog"], "padded", 1),
        (28, ["shirt", "bag"], "padded", 3),
        (4, ["cat", "dog"], "none", 0),
    ],
)
def test_the_shift_follows_from_the_side(side, classes, crop, padding):
    suggested = suggest(spec(classes, side, 1))
    assert suggested["data.crop"][0] == crop and suggested["data.crop_padding"][0] == padding


@pytest.mark.parametrize("kind", ["vector", "image"])
def test_a_suggestion_leaves_no_key_of_the_recipe_open_and_is_accepted(kind):
    data = spec(["cat", "dog"]) if kind == "image" else Spec("regression", "vector", (4,))
    values = {key.removeprefix("data."): value for key, (value, _) in suggest(data).items()}
    from_the_files = {"crop_from"}  # see data/larger.py
    assert set(values) == set(Augmentation.__dataclass_fields__) - from_the_files
    made = Augmentation.from_recipe(DataRecipe(**values))
    assert kind == "image" or made == Augmentation()
