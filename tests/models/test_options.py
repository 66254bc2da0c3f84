import pytest

from gradatim.core.spec import Spec
from gradatim.errors import UnknownNameError, ValueRefusedError
from gradatim.models.lenet import LeNet
from gradatim.models.mlp import MLP
from gradatim.models.options import Share, Widths, describe, options_of, resolve_options

SPEC = Spec("classification", "vector", (4,), ("a", "b"))


def test_options_are_read_from_the_signature():
    options = options_of(MLP)
    assert list(options) == ["hidden", "activation", "dropout", "batch_norm", "initialisation"]
    assert options["hidden"].default == (256, 128)
    assert options["hidden"].hint == Widths


@pytest.mark.parametrize(
    ("given", "read"),
    [([64, 32], (64, 32)), ((8,), (8,)), (16, (16,)), ("64,32", (64, 32)), ([], ()), ("", ())],
)
def test_widths_as_lists_numbers_and_texts(given, read):
    assert resolve_options(MLP, {"hidden": given})["hidden"] == read


def test_whole_numbers_given_as_floats():
    assert resolve_options(LeNet, {"width": 2.0})["width"] == 2
    assert resolve_options(MLP, {"dropout": 0})["dropout"] == 0.0


@pytest.mark.parametrize(
    ("option", "value", "says"),
    [
        ("dropout", 1.0, "allowed: a number from 0 to below 1"),
        ("dropout", -0.1, "allowed: a number from 0 to below 1"),
        ("dropout", "much", "allowed: a number"),
        ("dropout", True, "allowed: a number"),
        ("batch_norm", 1, "allowed: true or false"),
        ("hidden", [0], "allowed: a list, each a whole number at least 1"),
        ("hidden", [2.5], "allowed: a list"),
        ("hidden", "a,b", "allowed: a list"),
        ("initialisation", 3, "allowed: a text"),
        ("activation", "rleu", "did you mean 'relu'"),
    ],
)
def test_wrong_values_are_refused_with_what_is_allowed(option, value, says):
    with pytest.raises(ValueRefusedError, match="the option") as error:
        resolve_options(MLP, {option: value})
    assert option in error.value.message()
    assert says in error.value.message()


def test_the_closest_option_is_named():
    with pytest.raises(UnknownNameError, match="did you mean 'dropout'"):
        resolve_options(MLP, {"drop_out": 0.5})


def test_for_spec_keeps_what_was_resolved():
    module = MLP.for_spec(SPEC, hidden="5", dropout=0.25)
    assert module.options == {
        "hidden": (5,),
        "activation": "relu",
        "dropout": 0.25,
        "batch_norm": False,
        "initialisation": "auto",
    }


def test_descriptions():
    assert describe(Share) == "a number from 0 to below 1"
    assert describe(int | None) == "a whole number or auto"
