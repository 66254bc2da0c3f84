"""The second, larger store that crops are taken from, against files read one by one."""

import io
import math
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from tests.data.hostile import encoded, picture

from gradatim.core.recipe import Recipe
from gradatim.core.talk import Silence
from gradatim.data import larger as module
from gradatim.data import order, prepare
from gradatim.data import store as store_module
from gradatim.data.augment import Augmentation, Boxes, _crop_boxes
from gradatim.data.augmented import sheet
from gradatim.data.batches import Batches
from gradatim.data.decode import REDUCED_SIDE, Policy, fit_to, read
from gradatim.data.larger import Larger, imply, seen_in_training, settle
from gradatim.data.order import Blocks
from gradatim.data.randomness import Draws
from gradatim.errors import DataError, DiskError, UsageError, ValueRefusedError

SIZE, SIDE = 16, 27
CROPS = Augmentation(flip=0.5, crop="resized", crop_from=SIDE)


class Told(Silence):
    """A talk that notes what is said and decoded."""

    def __init__(self):
        self.said, self.decoded = [], []

    def say(self, text):
        self.said.append(text)

    def track(self, what, total, unit=""):
        self.decoded += [what] * (what == "decode")
        return super().track(what, total, unit)


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    """Files that were written a moment ago are remembered, too."""
    monkeypatch.setattr(store_module, "SETTLED_SECONDS", -3600.0)


@pytest.fixture
def photos(tmp_path):
    """Forty photos of two classes; two of them cannot be read."""
    root = tmp_path / "photos"
    for number in range(40):
        file = root / "ab"[number % 2] / f"{number:02d}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(encoded(picture(44 + number, 40, seed=number), "PNG"))
    for name in ("a/08.png", "b/13.png"):
        (root / name).write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    return root


def recipe(root, **data):
    values = {"source": str(root), "size": SIZE, "shape": "crop", **data}
    return Recipe().with_values({f"data.{key}": value for key, value in values.items()})


@pytest.fixture
def prepared(photos, tmp_path):
    return prepare(recipe(photos), cache=tmp_path / "cache")[0]


def file_of(prepared, photos, row):
    return np.asarray(Image.open(photos / prepared.names[row]))


# --- the store ----------------------------------------------------------------------------------


def test_every_row_is_the_picture_of_the_same_row_at_the_larger_side(prepared, photos):
    pixels = prepared.larger.at(SIDE)
    assert isinstance(pixels, np.memmap) and pixels.shape == (38, SIDE, SIDE, 3)
    assert len(prepared.inputs) == 38 and prepared.larger.bytes_at(SIDE) == pixels.nbytes
    for row in range(38):
        original = file_of(prepared, photos, row)
        assert np.array_equal(prepared.inputs[row], fit_to(original, SIZE, "crop"))
        assert np.array_equal(pixels[row], fit_to(original, SIDE, "crop"))


def test_it_is_stored_once_and_found_again(photos, tmp_path):
    for expected in (["decode"] * 2, []):
        talk = Told()
        prepared, _ = prepare(recipe(photos), cache=tmp_path / "cache", talk=talk)
        assert prepared.larger.at(SIDE) is prepared.larger.at(SIDE)
        assert talk.decoded == expected
        stored = ["crops are taken from larger photos, stored once: 27 pixels"]
        assert talk.said == stored[: len(expected)]


def test_nothing_but_training_sees_it(photos, tmp_path):
    cache = tmp_path / "cache"
    plain, _ = prepare(recipe(photos, crop="resized", crop_from=SIZE), cache=cache)
    other, _ = prepare(recipe(photos, crop="resized", crop_from=SIDE), cache=cache)
    other.larger.at(SIDE)
    assert np.array_equal(plain.inputs, other.inputs) and plain.key == other.key
    assert plain.preprocessing == other.preprocessing and plain.spec == other.spec
    assert replace(plain.audit, seconds=0) == replace(other.audit, seconds=0)
    measured = [
        torch.cat([b.inputs for b in Batches(data, "validation", batch_size=4, shuffle=False)])
        for data in (plain, other)
    ]
    assert torch.equal(*measured)


def test_files_that_changed_meanwhile_are_refused(prepared, photos):
    (photos / "a" / "00.png").write_bytes(encoded(picture(50, 40, seed=99), "PNG"))
    with pytest.raises(DataError) as caught:
        prepared.larger.at(SIDE)
    assert str(caught.value) == (
        f"the files are not those that were read a moment ago: {str(photos)!r}\n"
        "  next: run the same command again; if that does not help, set data.crop_from=16"
    )


def test_rows_that_do_not_line_up_are_refused(prepared):
    other = replace(prepared.larger, kept=prepared.larger.kept[1:], _opened={})
    with pytest.raises(DataError, match="not those that were read"):
        other.at(SIDE)


def test_large_photos_are_decoded_at_a_fraction_down_to_512_pixels(tmp_path):
    root, cache = tmp_path / "photos", tmp_path / "cache"
    contents = [encoded(picture(1300, 1100, seed=seed)) for seed in range(10)]
    for number, content in enumerate(contents):
        (root / "ab"[number % 2]).mkdir(parents=True, exist_ok=True)
        (root / "ab"[number % 2] / f"{number}.jpg").write_bytes(content)
    prepared, _ = prepare(recipe(root, size=224), cache=cache)
    for side, reduced in ((379, True), (REDUCED_SIDE, True), (REDUCED_SIDE + 1, False)):
        policy = Policy(side, "crop", 3, spare=1)
        pixels, decoded = read(contents[0], policy)
        assert ("reduced" in decoded.treatments) == reduced
        assert np.array_equal(prepared.larger.at(side)[0], pixels)
    # of the ordinary store at the same side they are not: that is decoded at full size
    ordinary, _ = prepare(recipe(root, size=379), cache=cache)
    pixels, decoded = read(contents[0], Policy(379, "crop", 3))
    assert "reduced" not in decoded.treatments and np.array_equal(ordinary.inputs[0], pixels)
    assert not np.array_equal(ordinary.inputs[0], prepared.larger.at(379)[0])


# --- the choice ---------------------------------------------------------------------------------


def larger_of(tmp_path, size=224, middle=400, shape="crop", count=10):
    policy = Policy(size, shape, 3)
    return Larger([], tmp_path, "photos", tmp_path, policy, "key", np.arange(count), middle)


@pytest.mark.parametrize(
    ("size", "middle", "shape", "side", "reason"),
    [
        (224, 400, "crop", 379,
         "so the smallest crop, 35 % of a picture, has the detail of 224 pixels"),
        (224, 300, "crop", 300, "half of the pictures have at most 300 pixels on the shorter side"),
        (224, 300, "letterbox", 300,
         "half of the pictures have at most 300 pixels on the longer side"),
        (224, 246, "crop", 224,
         "half of the pictures have at most 246 pixels on the shorter side: no more detail"),
        (1500, 5000, "crop", 2048, "pictures are stored at 2048 pixels at most"),
        (2000, 5000, "crop", 2000, "pictures are stored at 2048 pixels at most: no more detail"),
        (32, 32, "crop", 32,
         "half of the pictures have at most 32 pixels on the shorter side: no more detail"),
    ],
)  # fmt: skip
def test_the_side_gives_the_smallest_crop_its_pixels(tmp_path, size, middle, shape, side, reason):
    assert larger_of(tmp_path, size, middle, shape).choose() == (side, reason)


def test_the_smallest_crop_has_as_many_pixels_as_the_result(tmp_path):
    for size in (64, 128, 224, 384):
        side, _ = larger_of(tmp_path, size, 5000).choose()
        assert math.sqrt(0.35) * side >= size > math.sqrt(0.35) * (side - 1)


def test_without_room_crops_are_taken_from_the_ordinary_store(tmp_path, monkeypatch):
    pictures = larger_of(tmp_path, count=10_000)
    needed = 10_000 * 379 * 379 * 3
    usage = shutil.disk_usage(tmp_path)._replace(free=2 * needed - 2)
    monkeypatch.setattr(store_module.shutil, "disk_usage", lambda path: usage)
    assert pictures.choose() == (
        224, "pictures of 379 pixels would take 4.0 of the 8.0 GiB that are free on the disk"
    )  # fmt: skip
    monkeypatch.setattr(module, "is_stored", lambda *_: True)  # what is there needs no room
    assert pictures.choose()[0] == 379


def test_what_is_stored_is_known(prepared):
    assert not module.is_stored(prepared.larger.cache, "other", Policy(SIZE, "crop", 3))
    policy = prepared.larger._policy(SIDE)
    assert not module.is_stored(prepared.larger.cache, prepared.larger.content, policy)
    prepared.larger.at(SIDE)
    assert module.is_stored(prepared.larger.cache, prepared.larger.content, policy)


def test_the_recipe_says_the_side_and_why(prepared, photos):
    settled = settle(recipe(photos, crop="resized"), prepared)
    assert settled.data.crop_from == math.ceil(16 / math.sqrt(0.35)) == 28
    assert "has the detail of 16 pixels" in settled.reasons["data.crop_from"]
    assert settle(settled, prepared) == settled
    for crop in ("padded", "none", None):
        assert settle(recipe(photos, crop=crop), prepared).data.crop_from is None


def test_a_side_that_is_given_is_kept_and_means_resized_crops(photos, tmp_path):
    prepared, found = prepare(recipe(photos, crop_from=20), cache=tmp_path / "cache")
    implied = imply(found)
    assert (implied.data.crop, implied.data.crop_from) == ("resized", 20)
    assert implied.reasons["data.crop"] == "data.crop_from says what such crops are taken from"
    assert settle(implied, prepared) == implied
    assert imply(recipe(photos)).data.crop is None


def test_arrays_have_no_larger_pictures(tmp_path):
    prepared, found = prepare(Recipe().with_values({"data.source": "digits"}))
    assert prepared.larger is None
    settled = settle(found.with_values({"data.crop": "resized"}), prepared)
    assert settled.data.crop_from == 8
    assert settled.reasons["data.crop_from"] == (
        "the source has no files that could be read at a larger size"
    )
    with pytest.raises(UsageError, match="these images come from no files"):
        seen_in_training(prepared, Augmentation(crop="resized", crop_from=12))


def test_larger_pictures_than_the_memory_holds_are_shuffled_in_blocks(
    photos, tmp_path, monkeypatch
):
    cache = tmp_path / "cache"
    memory = 2 * 38 * 3 * 28**2 - 2
    monkeypatch.setattr(order, "memory_bytes", lambda: memory)
    prepared, found = prepare(recipe(photos, crop="resized"), cache=cache)
    assert found.data.order == "shuffled"
    settled = settle(found, prepared)
    assert settled.data.order == "blocks" and "in stretches" in settled.reasons["data.order"]
    asked, given = prepare(recipe(photos, crop="resized", order="shuffled"), cache=cache)
    assert settle(given, asked).data.order == "shuffled"  # as the user says
    assert prepare(recipe(photos, crop_from=28), cache=cache)[1].data.order == "blocks"
    monkeypatch.setattr(order, "memory_bytes", lambda: 10 * memory)  # and a run that goes on
    assert settle(settled, prepared) == settled


# --- what is refused ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "error", "text"),
    [
        ({"crop_from": 15}, ValueRefusedError,
         "data.crop_from is out of range: '15'\n"
         "  allowed: 16 (data.size: crops of the pictures as they are) ... 2048 pixels"),
        ({"crop_from": 2049}, ValueRefusedError, "data.crop_from is out of range: '2049'"),
        ({"crop_from": 27, "crop": "padded"}, UsageError,
         "data.crop_from is the side that resized crops are taken from; another crop is set: "
         "'data.crop=padded'\n  next: leave data.crop_from out, or set data.crop=resized"),
        ({"crop_from": "far"}, ValueRefusedError, "data.crop_from takes a whole number: 'far'"),
    ],
)  # fmt: skip
def test_a_side_that_cannot_be_is_refused(photos, tmp_path, values, error, text):
    with pytest.raises(error) as caught:
        prepare(recipe(photos, **values), cache=tmp_path / "cache")
    assert str(caught.value).startswith(text)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("digits", "larger pictures are read from image files; digits is one array: "
         "'data.crop_from=12'\n  allowed: 8, as data.size\n  next: leave data.crop_from out"),
        ("iris", "data.crop_from is for images; the samples of iris are vectors: '12'"),
    ],
)  # fmt: skip
def test_a_side_is_for_image_files(source, text):
    with pytest.raises(UsageError) as caught:
        prepare(Recipe().with_values({"data.source": source, "data.crop_from": 12}))
    assert str(caught.value).startswith(text)


def test_a_full_disk_is_told_before_anything_is_stored(photos, tmp_path, monkeypatch):
    prepared, found = prepare(recipe(photos, crop_from=2000), cache=tmp_path / "cache")
    usage = shutil.disk_usage(tmp_path)._replace(free=2**20)
    monkeypatch.setattr(store_module.shutil, "disk_usage", lambda path: usage)
    with pytest.raises(DiskError) as caught:
        settle(imply(found), prepared)
    assert "need 435 MiB and only 1 MiB are free" in str(caught.value)
    assert str(caught.value).endswith("take crops of smaller pictures with --set data.crop_from=16")


# --- the batches --------------------------------------------------------------------------------


def crops_by_pillow(prepared, photos, indices, epoch, seed):
    """Return what training should see, one file at a time, before normalisation."""
    draws = Draws(seed, epoch, 0, len(indices), len(indices))
    boxes = _crop_boxes((len(indices), SIDE, SIDE, 3), draws)
    flips = draws.uniform("flip", 1)[:, 0] < CROPS.flip
    expected = []
    for row, index in enumerate(indices):
        top, left, height, width = (int(edge[row]) for edge in boxes)
        whole = Image.fromarray(fit_to(file_of(prepared, photos, index), SIDE, "crop"))
        crop = whole.crop((left, top, left + width, top + height))
        pixels = np.asarray(crop.resize((SIZE, SIZE), Image.Resampling.BILINEAR))
        expected.append(pixels[:, ::-1] if flips[row] else pixels)
    assert 0 < flips.sum() < len(flips) and isinstance(boxes, Boxes)
    return np.stack(expected).astype(int)


def pixels_of(prepared, inputs):
    mean, std = (np.array(v) for v in (prepared.preprocessing.mean, prepared.preprocessing.std))
    return np.rint(255 * (inputs.numpy().transpose(0, 2, 3, 1) * std + mean)).astype(int)


@pytest.mark.parametrize("order_", ["shuffled", "blocks"])
def test_training_sees_crops_of_the_larger_pictures(prepared, photos, order_):
    batches = Batches(
        prepared, "train", batch_size=8, seed=5, augmentation=CROPS, shuffle=True, order=order_
    )
    for epoch in (0, 2):
        made = list(batches.epoch(epoch))
        indices = np.concatenate([batch.indices for batch in made])
        assert sorted(indices) == sorted(prepared.split.train)
        seen = pixels_of(prepared, torch.cat([batch.inputs for batch in made]))
        expected = crops_by_pillow(prepared, photos, indices, epoch, seed=5)
        # both keep whole numbers between the two passes, and round the filter differently
        apart = np.abs(seen - expected)
        assert seen.shape == expected.shape and apart.max() <= 2 and (apart <= 1).mean() > 0.999
        rest = list(batches.epoch(epoch, start=2))
        assert all(torch.equal(a.inputs, b.inputs) for a, b in zip(made[2:], rest, strict=True))


def test_blocks_count_the_bytes_of_the_larger_pictures(prepared, monkeypatch):
    asked = []
    real = Blocks.of

    def watch(indices, sample_bytes, seed, epoch):
        asked.append(sample_bytes)
        return real(indices, sample_bytes, seed, epoch)

    monkeypatch.setattr(Blocks, "of", staticmethod(watch))
    batches = Batches(
        prepared, "train", batch_size=8, augmentation=CROPS, shuffle=True, order="blocks"
    )
    list(batches)
    assert asked == [3 * SIDE**2]


def test_the_sheet_shows_crops_of_the_larger_pictures(prepared, monkeypatch):
    grey = np.full((38, SIDE, SIDE, 3), 77, np.uint8)
    monkeypatch.setattr(Larger, "at", lambda self, side: grey if side == SIDE else None)
    strip = sheet(prepared, CROPS, seed=0)[0]
    shown = np.asarray(Image.open(io.BytesIO(strip.content)).convert("RGB"))
    passes = shown[:, -shown.shape[1] // 2 :]  # the last of the passes
    assert (passes == 77).all() and not (shown == 77).all()
