"""What columns of a table are taken for, and the features they become."""

import datetime
import json

import numpy as np
import polars as pl
import pytest

from gradatim.data.cells import decimal_sign, numbers
from gradatim.data.columns import MOST_CATEGORIES, Column, encode, learn
from gradatim.data.describing import describe
from gradatim.errors import ColumnError

N = 40


class Heard:
    def __init__(self):
        self.warnings = []

    def warn(self, text):
        self.warnings.append(text)


def described(values, name="c"):
    return describe(pl.DataFrame({name: values}))


@pytest.mark.parametrize(
    ("texts", "sign", "values"),
    [
        (["1", "2.5", "-3e2", ".5"], ".", [1, 2.5, -300, 0.5]),
        (["1,234", "12,345,678.5"], ".", [1234, 12345678.5]),
        (["3,14", "2,5", "1.000,25"], ",", [3.14, 2.5, 1000.25]),
        (["$1,200", "€5", "30%"], ".", [1200, 5, 30]),
        (["1 234", "1'234", "1\u00a0234"], ".", [1234, 1234, 1234]),
        (["1 234.5", "10 20", "1 2 3"], ".", [1234.5, None, None]),
        (["True", "false", "TRUE"], ".", [1, 0, 1]),
        (["1", "n/a", "", "?", "NaN", "-"], ".", [1, None, None, None, None, None]),
        (["1", "inf", "1e999", "abc"], ".", [1, None, None, None]),
        (["+5", "1.", "1..2", "1,23"], ".", [5, 1, None, None]),
    ],
)
def test_numbers_written_as_text(texts, sign, values):
    series = pl.Series("c", texts)
    assert decimal_sign(series.filter(~series.is_in(["inf", "abc"])))[0] == sign
    assert numbers(series, sign).to_list() == values


def test_numbers_of_other_types():
    assert numbers(pl.Series([1.0, float("nan"), float("inf"), None])).to_list() == [
        1.0,
        None,
        None,
        None,
    ]
    assert numbers(pl.Series([True, False])).to_list() == [1.0, 0.0]
    assert numbers(pl.Series([datetime.timedelta(minutes=2)])).to_list() == [120.0]
    assert numbers(pl.Series([datetime.time(1, 0)])).to_list() == [3600.0]


def test_dirty_numbers_are_numbers_and_said():
    found = described(["1.5"] * 38 + ["broken", "n/a"])
    assert found.columns[0].kind == "number"
    assert "1 of 40 values are not numbers ('broken')" in found.notes[0]


def test_infinity_in_training_is_said():
    found = described([1.0, float("inf"), float("nan"), 2.0] * 10)
    assert found.notes == ("column 'c': 10 values are infinite and count as missing",)


def test_mostly_numbers_with_many_values_are_numbers():
    found = described([str(i) for i in range(80)] + [f"text {i}" for i in range(60)])
    assert found.columns[0].kind == "number"
    assert "60 of 140 values are not numbers" in found.notes[0]


def test_few_mixed_values_are_a_category():
    assert described(["1", "2", "low", "high"] * 10).columns[0].kind == "category"


def test_decimal_comma_is_said():
    found = described(["3,14", "2,5"] * 20)
    assert found.columns[0].decimal == ","
    assert "the comma is the decimal sign" in found.notes[0]


def test_codes_with_leading_zeros_are_a_category():
    found = described(["00123", "04567"] * 20)
    assert found.columns[0].kind == "category"
    assert "leading zeros" in found.notes[0]


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ([f"user-{i}" for i in range(N)], "an identifier: every value is different"),
        ([f"a long text {i % 70}" for i in range(100)], "free text or an identifier: 70 values"),
        ([None] * N, "has no values"),
        (["n/a", ""] * 20, "has no values"),
        ([[1, 2]] * N, "holds values of type List"),
        ([b"x"] * N, "holds values of type Binary"),
    ],
)
def test_columns_left_out_with_the_reason(values, why):
    found = described(values)
    assert found.columns == ()
    assert why in found.left_out[0][1]


@pytest.mark.parametrize(
    "name", ["id", "ID", "PassengerId", "customer_id", "", "Unnamed: 0", "row"]
)
def test_row_numbers_are_left_out(name):
    values = np.random.default_rng(0).permutation(N)
    assert "row number" in described(values, name).left_out[0][1]
    assert "row number" in described([str(value) for value in values], name).left_out[0][1]


@pytest.mark.parametrize("name", ["year", "grid", "paid", "x"])
def test_counting_columns_of_other_names_stay(name):
    assert described(range(N), name).columns[0].kind == "number"


def test_numbers_become_themselves_with_median_and_mark():
    frame = pl.DataFrame({"a": ["1", None, "3", "10"] * 10})
    columns, left_out = learn(describe(frame).columns, frame)
    assert left_out == ()
    assert columns[0].features == ("a", "a missing")
    features = encode(columns, frame)
    np.testing.assert_array_equal(features[:4], [[1, 0], [3, 1], [3, 0], [10, 0]])
    assert features.dtype == np.float32


def test_medians_come_from_the_training_rows_only():
    frame = pl.DataFrame({"a": [1.0, 2.0, 3.0, 1000.0, None]})
    columns, _ = learn(describe(frame).columns, frame.head(3))
    assert columns[0].fill == 2.0
    assert columns[0].flag is False, "nothing was missing in training"
    np.testing.assert_array_equal(encode(columns, frame)[:, 0], [1, 2, 3, 1000, 2])


def test_categories_become_one_feature_each_most_frequent_first():
    frame = pl.DataFrame({"c": ["b", "a", "b", None, "c", "a", "b"]})
    columns, _ = learn(describe(frame).columns, frame)
    assert columns[0].features == ("c = b", "c = a", "c = c", "c missing")
    expected = [[1, 0, 0, 0], [0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1], [0, 0, 1, 0]]
    np.testing.assert_array_equal(encode(columns, frame)[:5], expected)


def test_equally_frequent_categories_are_ordered_by_name():
    frame = pl.DataFrame({"rows": ["z", "y", "x"] * 5})
    columns, _ = learn(describe(frame).columns, frame)
    assert columns[0].categories == ("x", "y", "z")


def test_rare_categories_share_a_feature():
    values = [f"c{i}" for i in range(MOST_CATEGORIES + 10)] * 3
    frame = pl.DataFrame({"c": values})
    columns, _ = learn(describe(frame).columns, frame)
    assert len(columns[0].features) == MOST_CATEGORIES + 1
    features = encode(columns, pl.DataFrame({"c": ["never seen", values[0]]}))
    assert features[0].tolist() == [0] * MOST_CATEGORIES + [1]
    assert features[1].sum() == 1


def test_unknown_category_is_said():
    frame = pl.DataFrame({"c": ["a", "b"] * 5})
    columns, _ = learn(describe(frame).columns, frame)
    heard = Heard()
    features = encode(columns, pl.DataFrame({"c": ["a", "new", None]}), heard)
    np.testing.assert_array_equal(features, [[1, 0], [0, 0], [0, 0]])
    assert any("never seen in training ('new')" in text for text in heard.warnings)
    assert any("1 values are missing" in text for text in heard.warnings)


def test_values_that_cannot_be_read_are_said():
    frame = pl.DataFrame(
        {"a": [1.0, 2.0, 4.0], "d": [datetime.date(2020, 1, 1 + i) for i in range(3)]}
    )
    columns, _ = learn(describe(frame).columns, frame)
    heard = Heard()
    other = pl.DataFrame({"a": ["3", "12:30", None], "d": ["2020-01-02", "soon", "2020-01-03"]})
    features = encode(columns, other, heard)
    assert features[:, 0].tolist() == [3, 2, 2]
    assert "column 'a': 1 values cannot be read as a number ('12:30')" in heard.warnings[0]
    assert "2 values are missing, which never happened" in heard.warnings[1]
    assert "cannot be read as a date ('soon')" in heard.warnings[2]


def test_infinity_is_said_and_nan_is_missing():
    column = Column("a", "number", fill=7.0, flag=True)
    heard = Heard()
    frame = pl.DataFrame({"a": [1.0, float("nan"), float("inf")]})
    np.testing.assert_array_equal(encode([column], frame, heard), [[1, 0], [7, 1], [7, 1]])
    assert len(heard.warnings) == 1
    assert "1 values cannot be read as a number (inf)" in heard.warnings[0]


def test_constant_in_training_is_left_out():
    frame = pl.DataFrame({"a": [1, 1, 1, 2], "b": ["x", None, "x", "x"], "c": ["u", "u", "u", "v"]})
    columns, left_out = learn(describe(frame).columns, frame.head(3))
    assert [column.name for column in columns] == ["b"]
    assert [name for name, _ in left_out] == ["a", "c"]
    assert all("constant" in why for _, why in left_out)


@pytest.mark.parametrize(
    "texts",
    [
        ["2021-03-04", "2020-12-31"],
        ["04.03.2021", "31.12.2020"],
        ["2021/03/04", "2020/12/31"],
        ["03/04/2021", "12/31/2020"],
        ["2021-03-04 00:00:00", "2020-12-31 00:00:00"],
        ["2021-03-04T00:00:00Z", "2020-12-31T00:00:00Z"],
        ["2021-03-04 02:00:00+0200", "2020-12-31 02:00:00+0200"],
    ],
)
def test_dates_become_day_month_and_weekday(texts):
    frame = pl.DataFrame({"d": [*texts, None] * 10})
    columns, _ = learn(describe(frame).columns, frame)
    features = encode(columns, frame)
    day = datetime.date(2021, 3, 4)
    since_1970 = (day - datetime.date(1970, 1, 1)).days
    assert features[0, :3].tolist() == [since_1970, 3, day.isoweekday()]
    assert features[1, 1] == 12
    assert columns[0].features[:3] == ("d day", "d month", "d weekday")
    assert columns[0].features[-1] == "d missing"
    np.testing.assert_array_equal(features[:3, -1], [0, 0, 1])


def test_day_first_dates_are_found_from_the_values():
    found = described(["25/12/2020", "01/02/2021"] * 10)
    assert found.columns[0].format == "%d/%m/%Y"
    assert found.notes == ()


def test_ambiguous_dates_are_said():
    found = described(["03/04/2021", "05/06/2020"] * 10)
    assert found.columns[0].format == "%m/%d/%Y"
    assert "the month is taken to be first" in found.notes[0]


def test_time_of_day_becomes_hours():
    frame = pl.DataFrame({"t": [datetime.datetime(2020, 1, 1, 18, 30), None] * 10})
    columns, _ = learn(describe(frame).columns, frame)
    assert columns[0].features == ("t day", "t month", "t weekday", "t hour", "t missing")
    assert encode(columns, frame)[0, 3] == 18.5


def test_every_hour_is_exact():
    times = [datetime.datetime(2021, 7, 3, hour, 15) for hour in range(24)]
    column = Column("t", "date", clock=True)
    features = encode([column], pl.DataFrame({"t": times}))
    np.testing.assert_allclose(features[:, 3], np.arange(24) + 0.25)
    assert set(features[:, 2]) == {6.0}


def test_dates_of_a_frame_and_of_a_file_are_alike():
    times = [datetime.datetime(2021, 7, 3, hour, tzinfo=datetime.UTC) for hour in (1, 12)]
    frame = pl.DataFrame({"t": times * 10})
    columns, _ = learn(describe(frame).columns, frame)
    text = pl.DataFrame({"t": ["2021-07-03T01:00:00+0000", "2021-07-03T12:00:00+0000"]})
    np.testing.assert_array_equal(encode(columns, text), encode(columns, frame.head(2)))
    unread = encode(columns, pl.DataFrame({"t": ["soon", None]}))
    np.testing.assert_array_equal(unread[0], unread[1])


def test_missing_dates_take_the_median_day():
    frame = pl.DataFrame({"t": [datetime.date(2021, 7, day) for day in (1, 5, 9)]})
    columns, _ = learn(describe(frame).columns, frame)
    features = encode(columns, pl.DataFrame({"t": [None]}, schema={"t": pl.Date}))
    assert features[0].tolist() == [
        (datetime.date(2021, 7, 5) - datetime.date(1970, 1, 1)).days,
        7,
        1,
    ]


def test_truth_values_of_files_and_frames_are_alike():
    text = pl.DataFrame({"b": ["True", "False", None] * 10})
    native = pl.DataFrame({"b": [True, False, None] * 10})
    columns, _ = learn(describe(text).columns, text)
    assert columns[0].features == ("b", "b missing")
    np.testing.assert_array_equal(encode(columns, text), encode(columns, native))


def test_text_and_native_columns_are_read_alike():
    native = pl.DataFrame(
        {"a": [1.5, None, 2.0], "c": ["x", "y", None], "d": [datetime.date(2020, 1, 2)] * 3}
    )
    text = pl.DataFrame({"a": ["1.5", "", "2.0"], "c": ["x", " y", "NA"], "d": ["2020-01-02"] * 3})
    columns = (
        Column("a", "number", fill=7, flag=True),
        Column("c", "category", categories=("x", "y"), flag=True),
        Column("d", "date", fill=0.0, format="%Y-%m-%d"),
    )
    np.testing.assert_array_equal(encode(columns, native), encode(columns, text))


def test_absent_columns_are_named():
    columns = (Column("age", "number"), Column("city", "category", categories=("x",)))
    with pytest.raises(ColumnError) as caught:
        encode(columns, pl.DataFrame({"Age": [1], "city": ["x"]}))
    assert "did you mean 'Age'?" in str(caught.value)
    with pytest.raises(ColumnError, match="lacks columns the model needs: 'age, city'"):
        encode(columns, pl.DataFrame({"z": [1]}))


def test_columns_survive_json():
    frame = pl.DataFrame(
        {"a": ["1,5", "2,5"] * 20, "c": ["x", None] * 20, "d": ["01.02.2020"] * 40}
    )
    columns = tuple(
        column
        for column in (*learn(describe(frame).columns, frame)[0], Column("e", "date", clock=True))
    )
    again = tuple(Column.from_dict(json.loads(json.dumps(c.to_dict()))) for c in columns)
    assert again == columns
