"""Errors, durations, registries, spec: the small words all rooms share."""

import pytest

from gradatim.core.duration import read_seconds, write_seconds
from gradatim.core.registry import describe, resolve
from gradatim.core.spec import Spec
from gradatim.core.talk import SILENCE
from gradatim.errors import GradatimError, UnknownNameError, ValueRefusedError, closest


def test_error_says_what_given_allowed_closest_and_next():
    error = GradatimError(
        "there is no model of this name",
        given="lent",
        allowed=["linear", "lenet"],
        next_step="see names",
    )
    assert str(error) == (
        "there is no model of this name: 'lent'\n"
        "  did you mean 'lenet'?\n"
        "  allowed: linear, lenet\n"
        "  next: see names"
    )
    assert error.exit_code == 2


def test_closest_ignores_case_and_gives_up():
    assert closest("LENET", ["lenet"]) == "lenet"
    assert closest("zzz", ["lenet"]) is None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("10m", 600),
        ("1h", 3600),
        ("1h30m", 5400),
        ("45", 45),
        (2.5, 2.5),
        ("1.5m", 90),
    ],
)
def test_times_are_read(text, seconds):
    assert read_seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "10 minutes", "-5s", "0", "1d", "m"])
def test_what_is_not_a_time_is_refused(text):
    with pytest.raises(ValueRefusedError, match="this is not a time"):
        read_seconds(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0008, "800 µs"),
        (0.0123, "12 ms"),
        (4.21, "4.2 s"),
        (185, "3 min 05 s"),
        (3720, "1 h 02 min"),
    ],
)
def test_times_are_written(seconds, text):
    assert write_seconds(seconds) == text


def test_registry_resolves_and_describes():
    table = {"number": "gradatim.core.record:number"}
    assert resolve(table, "number", "thing")("1.5") == 1.5
    assert describe(table)["number"].startswith("Return a number read from a Record")
    with pytest.raises(UnknownNameError, match="there is no thing of this name: 'nummber'"):
        resolve(table, "nummber", "thing")


def test_spec_both_ways():
    spec = Spec("classification", "image", (3, 32, 32), classes=("cat", "dog"))
    assert Spec.from_dict(spec.to_dict()) == spec
    assert (spec.outputs, spec.size) == (2, 3072)
    assert Spec("regression", "vector", (4,)).outputs == 1
    assert spec.with_shape(1, 8, 8).shape == (1, 8, 8)
    with pytest.raises(ValueError, match="names of its classes"):
        Spec("classification", "vector", (4,))
    with pytest.raises(ValueError, match="at least 1"):
        Spec("regression", "vector", (0,))


def test_silence_prints_nothing(capsys):
    SILENCE.say("a")
    SILENCE.warn("b")
    with SILENCE.track("c", 3) as bar:
        bar.update(1, loss="0.1")
    assert capsys.readouterr() == ("", "")
