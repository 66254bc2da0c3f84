"""Classes or a number: decided from the values, overridden by the task."""

import datetime

import numpy as np
import polars as pl
import pytest

from gradatim.data.targets import decide
from gradatim.errors import ColumnError


def column(values):
    return pl.Series("y", values)


@pytest.mark.parametrize(
    ("values", "task", "classes"),
    [
        (["dog", "cat"] * 20, "classification", ("cat", "dog")),
        ([True, False] * 20, "classification", ("false", "true")),
        (["True", "False"] * 20, "classification", ("False", "True")),
        ([3, 1, 2] * 20, "classification", ("1", "2", "3")),
        ([2.0, 10.0] * 20, "classification", ("2", "10")),
        (["2", "10"] * 20, "classification", ("2", "10")),
        (["01", "10"] * 20, "classification", ("01", "10")),
        ([0.5, 1.5] * 20, "regression", ()),
        (list(range(40)), "regression", ()),
        (["1,234", "2,345.5"] * 20, "regression", ()),
        ([1, 2, 3, 4] * 2, "regression", ()),  # too few samples a value to be classes
    ],
)
def test_decided_from_the_values(values, task, classes):
    found = decide(column(values))
    assert (found.task, found.classes) == (task, classes)
    assert "'y'" in found.reason


def test_indices_follow_the_class_names():
    found = decide(column(["dog", "cat", None, "dog", "n/a"] * 5))
    np.testing.assert_array_equal(found.values[:5], [1, 0, -1, 1, -1])
    np.testing.assert_array_equal(found.missing[:5], [False, False, True, False, True])
    assert found.values.dtype == np.int64


def test_none_can_be_a_class():
    assert decide(column(["none", "mild"] * 10)).classes == ("mild", "none")


def test_missing_numbers_are_nan():
    found = decide(column(["1.5", None, "2.5", "x"] + ["3.5"] * 96))
    assert found.task == "regression"
    np.testing.assert_array_equal(found.missing[:5], [False, True, False, True, False])
    assert found.values.dtype == np.float32


def test_the_task_overrides():
    assert decide(column([0.5, 1.5] * 20), "classification").classes == ("0.5", "1.5")
    found = decide(column([3, 1, 2] * 20), "regression")
    np.testing.assert_array_equal(found.values[:3], [3, 1, 2])
    assert "as asked for" in found.reason


@pytest.mark.parametrize(
    ("values", "task", "said"),
    [
        (["a", "b"] * 10, "regression", "needs a column of numbers"),
        ([f"name {i}" for i in range(40)], None, "40 different values in 40 rows"),
        ([i / 3 for i in range(40)], "classification", "too many for classes"),
        ([datetime.date(2020, 1, 1)] * 20, None, "type Date cannot be predicted"),
        ([[1]] * 20, None, "cannot be predicted"),
    ],
)
def test_refused_with_the_reason(values, task, said):
    with pytest.raises(ColumnError, match=said):
        decide(column(values), task)


def test_few_rows_are_enough_to_measure():
    assert decide(column([f"name {i}" for i in range(12)]), lone=True).task == "classification"


def test_classes_that_differ_in_case_are_said():
    assert "Cat, cat" in decide(column(["Cat", "cat", "dog"] * 10)).notes[0]
