import re
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradatim.core.recipe import (
    Recipe,
    describe_keys,
    fingerprint,
    keys,
    parse_settings,
)
from gradatim.data.sources import SOURCES
from gradatim.errors import UnknownNameError, UsageError, ValueRefusedError
from gradatim.models import MODELS


def test_toml_both_ways():
    recipe = Recipe().with_values(
        {
            "seed": 3,
            "data.source": 'a "quoted" folder\nname',
            "data.flip": 0.5,
            "model.name": "mlp",
            "model.hidden": [64, 32],
            "training.plan": [[0, 0.0], [120, 1.0]],
        },
        reason="because",
    )
    again = Recipe.from_toml(recipe.to_toml())
    assert again == recipe
    assert again.training.plan == ((0, 0.0), (120, 1.0))
    assert again.reasons["model.hidden"] == "because"


def test_rungs_are_kept():
    recipe = Recipe(rungs=({"model.name": "linear", "training.epochs": 2},))
    assert Recipe.from_toml(recipe.to_toml()) == recipe


@given(st.floats(allow_nan=False, allow_infinity=False), st.integers(0, 2**62), st.text())
def test_every_number_and_text_survives(number, seed, text):
    recipe = Recipe().with_values(
        {"training.learning_rate": number, "seed": seed, "data.source": text}
    )
    assert Recipe.from_toml(recipe.to_toml()) == recipe


def test_settings_are_read_as_the_type_of_the_key():
    recipe = Recipe().with_values(
        parse_settings(
            ["training.learning_rate=5e-2", "training.epochs = 4", "model.hidden=[8, 8]",
             "model.activation=tanh", "data.crop=none", "data.size=auto"]
        )
    )  # fmt: skip
    assert recipe.training.learning_rate == 0.05
    assert recipe.training.epochs == 4
    assert recipe.model.options == {"hidden": [8, 8], "activation": "tanh"}
    assert recipe.data.crop == "none"
    assert recipe.data.size is None


@pytest.mark.parametrize(
    ("key", "like"),
    [
        ("training.learning_rat", "training.learning_rate"),
        ("trainin.epochs", "training.epochs"),
        ("sede", "seed"),
        ("data.sizes", "data.size"),
    ],
)
def test_unknown_key_names_the_closest(key, like):
    with pytest.raises(UnknownNameError) as caught:
        Recipe().with_values({key: 1})
    assert f"did you mean {like!r}" in str(caught.value)
    assert "gradatim names recipe" in str(caught.value)


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("training.epochs", "many", "training.epochs takes a whole number: 'many'"),
        ("training.epochs", 1.5, "takes a whole number"),
        ("training.learning_rate", True, "takes a number"),
        ("data.crop", "middle", "allowed: padded, resized, none"),
        ("training.plan", "soon", "takes a list of points"),
        ("seed", "x", "seed takes a whole number"),
    ],
)
def test_wrong_value_is_refused_in_words(key, value, words):
    with pytest.raises(ValueRefusedError) as caught:
        Recipe().with_values({key: value})
    assert words in str(caught.value)


def test_setting_without_sign_is_refused():
    with pytest.raises(UsageError, match="--set takes key=value: 'clip'"):
        parse_settings(["clip"])


def test_filled_takes_only_open_choices_and_keeps_the_reason():
    recipe = Recipe().with_values({"training.epochs": 2})
    filled = recipe.filled({"training.epochs": 9, "training.clip": 1.0}, "default")
    assert (filled.training.epochs, filled.training.clip) == (2, 1.0)
    assert dict(filled.reasons) == {"training.clip": "default"}


def test_file_errors(tmp_path):
    with pytest.raises(UsageError, match="cannot be read"):
        Recipe.read(tmp_path / "none.toml")
    (tmp_path / "bad.toml").write_text("seed = = 1")
    with pytest.raises(UsageError, match="is not TOML"):
        Recipe.read(tmp_path / "bad.toml")
    (tmp_path / "new.toml").write_text("version = 99")
    with pytest.raises(ValueRefusedError, match="version of a recipe"):
        Recipe.read(tmp_path / "new.toml")
    (tmp_path / "key.toml").write_text("[traning]\nepochs = 1")
    with pytest.raises(UnknownNameError, match=r"did you mean 'training\.epochs'"):
        Recipe.read(tmp_path / "key.toml")


def test_every_key_is_described():
    described = describe_keys()
    assert set(described) == set(keys())
    assert all(len(text) > 10 for text in described.values())


def test_fingerprint_ignores_what_changes_no_bit():
    one = Recipe().with_values({"training.checkpoint_seconds": 1.0}, "a reason")
    assert fingerprint(one) == fingerprint(Recipe())
    assert fingerprint(one.with_values({"seed": 1})) != fingerprint(one)


def test_toml_is_plain():
    values = tomllib.loads(Recipe().with_values({"seed": 5}).to_toml())
    assert values["seed"] == 5
    assert values["version"] == 1


RECIPES = sorted((Path(__file__).parents[2] / "recipes").glob("*.toml"))


@pytest.mark.parametrize("file", RECIPES, ids=lambda file: file.stem)
def test_a_known_good_recipe_says_what_it_reached(file):
    text = file.read_text(encoding="utf-8")
    assert re.search(r"^# seed 0: [\w-]+, test accuracy 0\.\d{4} \(95 % interval", text, re.M)
    recipe = Recipe.read(file)
    assert recipe.data.source in SOURCES
    assert recipe.model.name is None or recipe.model.name in MODELS
    assert recipe.training.epochs or recipe.training.budget
