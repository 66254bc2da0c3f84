"""The sheet of augmented samples: what fit would do, what is asked for, and what a flip may do."""

import io

import numpy as np
import pytest
from PIL import Image

import gradatim
from gradatim.core.page import Heading, Picture, Table, Text
from gradatim.core.recipe import Recipe
from gradatim.core.spec import Spec
from gradatim.data import prepare
from gradatim.data.augment import Augmentation, augment
from gradatim.data.augmented import EPOCHS, sheet
from gradatim.data.randomness import Draws
from gradatim.data.suggestion import asked
from gradatim.errors import UnknownNameError, UsageError, ValueRefusedError


def spec(side=32, classes=("cat", "dog")):
    return Spec("classification", "image", (3, side, side), tuple(classes))


def after(card):
    """Return the blocks of the section about augmentation."""
    blocks = list(card.page.blocks)
    start = next(
        i for i, b in enumerate(blocks) if isinstance(b, Heading) and b.anchor == "augmentation"
    )
    ends = [i for i, b in enumerate(blocks) if isinstance(b, Heading) and i > start]
    return blocks[start : ends[0] if ends else None]


def texts(card):
    return " ".join(block.text for block in after(card) if isinstance(block, Text))


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Pictures of two classes that a mirror exchanges, under names that do not say so."""
    folder = tmp_path_factory.mktemp("ramps")
    random = np.random.default_rng(0)
    for name, way in (("port", 1), ("starboard", -1)):
        (folder / name).mkdir()
        for number in range(80):
            ramp = 128 + way * np.linspace(-60, 60, 16)[None, :, None]
            pixels = (ramp + random.normal(0, 10, (16, 16, 3))).clip(0, 255)
            Image.fromarray(pixels.astype(np.uint8)).save(folder / name / f"{number}.png")
    return folder


def test_a_list_of_names_and_strengths_is_read():
    chosen = asked("flip, colour=0.4, rotation=20, mixup", spec())
    assert chosen["data.flip"] == 0.5 and chosen["data.jitter"] == "0.4"
    assert chosen["data.rotation"] == "20" and chosen["data.mixup"] == 0.2
    assert chosen["data.crop"] == "none" and chosen["data.erasing"] == 0
    read = Augmentation.from_recipe(Recipe().with_values(chosen).data)
    assert read == Augmentation(flip=0.5, jitter=0.4, rotation=20, mixup=0.2)


@pytest.mark.parametrize(
    ("words", "side", "crop", "padding"),
    [("crop", 32, "padded", 4), ("crop", 224, "resized", 0), ("crop=resized", 32, "resized", 0),
     ("crop=padded", 224, "padded", 28), ("crop=padded,crop_padding=2", 32, "padded", 2),
     ("crop", 8, "padded", 1)],
)  # fmt: skip
def test_a_crop_is_the_one_that_suits_the_size_or_the_one_named(words, side, crop, padding):
    read = Augmentation.from_recipe(Recipe().with_values(asked(words, spec(side))).data)
    assert (read.crop, read.crop_padding) == (crop, padding)


def test_wrong_words_are_refused():
    with pytest.raises(UnknownNameError, match="did you mean 'flip'"):
        asked("flop", spec())
    with pytest.raises(UsageError, match="no augmentation was named"):
        asked(" , ", spec())
    with pytest.raises(ValueRefusedError, match=r"data\.flip takes a number"):
        gradatim.audit("digits", augment="flip=often")
    with pytest.raises(UsageError, match="only images are augmented"):
        gradatim.audit("iris", augment="flip")


def test_the_sheet_shows_what_the_batches_of_training_hold():
    prepared, _ = prepare(Recipe().with_values({"data.source": "digits"}))
    augmentation = Augmentation(flip=0.5, rotation=30)
    strips = sheet(prepared, augmentation, seed=7)
    assert [strip.caption for strip in strips] == [str(digit) for digit in range(8)]
    train = prepared.split.train
    first = [train[prepared.targets[train] == digit][0] for digit in range(8)]
    originals = np.asarray(prepared.inputs)[first]
    pixels = [np.asarray(Image.open(io.BytesIO(strip.content)))[4::8, 4::8] for strip in strips]
    gap = 1
    for row in range(8):
        assert np.array_equal(pixels[row][:, :8], originals[row, :, :, 0])
        for epoch in range(EPOCHS):
            draws = Draws(seed=7, epoch=epoch, first=0, count=8, total=8)
            expected = augment(originals.copy(), augmentation, draws)[row, :, :, 0]
            left = 8 + gap + 8 * epoch
            assert np.array_equal(pixels[row][:, left : left + 8], expected)


def test_mixed_samples_say_what_is_left_of_them():
    prepared, _ = prepare(Recipe().with_values({"data.source": "digits"}))
    captions = [strip.caption for strip in sheet(prepared, Augmentation(cutmix=1.0), seed=0)]
    assert all("its share after mixing" in caption for caption in captions)


def test_by_default_it_is_what_fit_does(photos):
    card = gradatim.audit(photos, augment="fit")
    facts = card.facts["augmentation"]
    assert facts["chosen_by"] == "what fit does for resnet9"
    assert facts["strengths"]["data.flip"] == 0.5 and facts["strengths"]["data.crop"] == "padded"
    assert facts["reasons"]["data.flip"] == "a mirrored photo shows the same class"
    run = Recipe().with_values({"data.source": str(photos), "model.name": "resnet9"})
    from gradatim.experiments import fitting

    prepared, run = prepare(run)
    settled = fitting.settle(prepared, run)
    assert facts["strengths"] == {key: settled.get(key) for key in facts["strengths"]}
    assert sum(isinstance(block, Picture) for block in after(card)) == 8
    assert any(isinstance(block, Table) for block in after(card))


def test_settings_of_the_user_are_kept(photos):
    facts = gradatim.audit(photos, augment="fit", settings={"data.rotation": 40}).facts
    assert facts["augmentation"]["strengths"]["data.rotation"] == 40
    facts = gradatim.audit(photos, augment="fit", settings={"model.name": "linear"}).facts
    assert facts["augmentation"]["strengths"]["data.flip"] == 0


def test_a_flip_that_exchanges_classes_is_an_alarm_whatever_their_names(photos):
    card = gradatim.audit(photos, augment="flip")
    mirrored = card.facts["augmentation"]["mirrored"]
    assert mirrored["right"] == mirrored["judged"] == 53 and mirrored["right_mirrored"] == 0
    assert mirrored["with_copies_less"]["high"] < 0
    alarms = [b for b in after(card) if isinstance(b, Text) and b.level == "alarm"]
    assert "Mirrored copies make classes harder to tell apart" in alarms[0].text
    assert "port for starboard" in alarms[0].text


def test_digits_are_warned_of_by_their_names_and_the_neighbours_are_told_of():
    card = gradatim.audit("digits", augment="flip")
    assert "likely to change the class: the classes are named like digits" in texts(card)
    assert "The samples face one way" in texts(card)
    assert "gradatim compare digits --over data.flip=0,0.5" in texts(card)


def test_without_a_flip_nothing_is_alarming():
    card = gradatim.audit("digits", augment="fit")
    assert not [b for b in after(card) if isinstance(b, Text) and b.level != "plain"]
    assert "Nothing is changed" in texts(card)
    assert not any(isinstance(block, Picture) for block in after(card))


def test_the_card_without_a_sheet_is_as_it_was():
    card = gradatim.audit("digits")
    assert "augmentation" not in card.facts
