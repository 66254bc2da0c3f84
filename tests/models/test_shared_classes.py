"""Classes are the same when their names are."""

import pytest

from gradatim.errors import UsageError
from gradatim.models.shared_classes import imagenet, match, normal, read_classes, read_names


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("T-Shirt", "t_shirts"), ("sports car", "Sports-Cars"), ("box", "boxes"),
        ("berry", "berries"), ("watch", "watches"), ("wolf", "wolves"), ("shoe", "Shoes"),
        ("dress", "dresses"), ("cat", "cats"), ("house", "houses"),
    ],
)  # fmt: skip
def test_names_that_are_the_same(one, other):
    assert normal(one) == normal(other)


@pytest.mark.parametrize(
    ("one", "other"), [("cat", "car"), ("bus", "bu"), ("glass", "glas"), ("7", "77"), ("as", "a")]
)
def test_names_that_are_not(one, other):
    assert normal(one) != normal(other)


def test_the_closer_name_goes_first():
    shared = match(["Cat", "dogs", "bird"], [("cat",), ("Cat",), ("dog",), ("fish",)])
    assert shared.pairs == {0: 1, 1: 2}
    assert not shared.unclear


def test_a_name_that_fits_two_is_left_out_and_said():
    shared = match(["cranes"], [("crane", "bird"), ("crane", "machine")])
    assert not shared.pairs
    assert shared.unclear == {"cranes": ("crane", "crane")}


def test_synonyms():
    old = [("automobile",), ("airplane",)]
    groups = [["car", "automobile", "motor car"], ["plane", "aeroplane"], ["plane", "airplane"]]
    assert match(["cars", "Plane"], old, groups).pairs == {0: 0, 1: 1}
    assert not match(["cars", "plane"], old).pairs


def test_imagenet_by_short_name_lemma_and_number():
    names = imagenet()
    assert len(names) == 1000
    assert len({row[-1] for row in names}) == 1000
    assert names[0][0] == "tench"
    assert names[0][-1] == "n01440764"
    assert names[999][0] == "toilet tissue"
    # indices as in every list of the 1,000 classes
    new = ["tench", "n01443537", "giant panda", "Golden_Retrievers", "t-shirt", "sedan"]
    assert match(new, names).pairs == {0: 0, 1: 1, 2: 388, 3: 207, 4: 610}
    assert match(["crane"], names).unclear == {"crane": ("crane bird", "crane")}


def test_a_file_of_names(tmp_path):
    file = tmp_path / "classes.txt"
    file.write_text("cat, kitty\n\ndog\n")
    assert read_classes(str(file)) == (("cat", "kitty"), ("dog",))
    assert read_names(str(file)) == [["cat", "kitty"], ["dog"]]
    assert read_classes("imagenet") is imagenet()
    with pytest.raises(UsageError, match="cannot be read"):
        read_names(str(tmp_path / "none.txt"))
