"""Tables from files: dialects, encodings, target columns, and what is wrong with them."""

import polars as pl
import pytest

from gradatim.data.sources import Request, find
from gradatim.data.sources.table import image_column, read_frame
from gradatim.errors import ColumnError, DataError, EmptySourceError


def read(tmp_path, content, target=None, name="t.csv"):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return find(str(path))(Request(str(path), target=target))


@pytest.mark.parametrize(
    "content",
    [
        "a,b,y\n1.5,u,0\n2.5,v,1\n",
        "a;b;y\n1.5;u;0\n2.5;v;1\n",
        "a\tb\ty\n1.5\tu\t0\n2.5\tv\t1\n",
        "a|b|y\n1.5|u|0\n2.5|v|1\n",
        "a,b,y\r\n1.5,u,0\r\n2.5,v,1\r\n",
        '"a","b","y"\n"1.5","u","0"\n"2.5","v","1"\n',
        "\ufeffa,b,y\n1.5,u,0\n2.5,v,1\n",
        " a , b ,y\n1.5,u,0\n2.5,v,1",
    ],
)
def test_dialects_give_the_same_table(tmp_path, content):
    raw = read(tmp_path, content)
    assert raw.frame.to_dict(as_series=False) == {
        "a": ["1.5", "2.5"],
        "b": ["u", "v"],
        "y": ["0", "1"],
    }
    assert raw.target == "y"
    assert "because of its name" in raw.target_reason


def test_commas_inside_values_do_not_mislead(tmp_path):
    raw = read(tmp_path, "a;b;y\n1,5;u, v;0\n2,5;w, x;1\n")
    assert raw.frame["b"].to_list() == ["u, v", "w, x"]


@pytest.mark.parametrize(
    ("encoding", "note"),
    [("utf-8", None), ("cp1252", "Windows-1252"), ("utf-16", "UTF-16")],
)
def test_encodings(tmp_path, encoding, note):
    raw = read(tmp_path, "a,y\nMünchen,é\nKöln,ö\n".encode(encoding))
    assert raw.frame["a"].to_list() == ["München", "Köln"]
    assert [text for text in raw.notes if "UTF" in text or "Windows" in text] == (
        [raw.notes[0]] if note else []
    )
    assert note is None or note in raw.notes[0]


def test_parquet_keeps_its_types(tmp_path):
    frame = pl.DataFrame({"a": [1, None], "label": ["x", "y"]})
    frame.write_parquet(tmp_path / "t.parquet")
    raw = find(str(tmp_path / "t.parquet"))(Request(str(tmp_path / "t.parquet")))
    assert raw.frame.equals(frame)
    assert raw.target == "label"


def test_wrong_target_offers_the_closest(tmp_path):
    with pytest.raises(ColumnError) as caught:
        read(tmp_path, "height,price\n1,2\n", target="prise")
    assert "did you mean 'price'?" in str(caught.value)
    assert "--target" in str(caught.value)


def test_no_obvious_target_lists_the_columns(tmp_path):
    with pytest.raises(ColumnError) as caught:
        read(tmp_path, "height,price\n1,2\n")
    assert "one of height, price" in str(caught.value)
    assert "--target 'price'" in str(caught.value)


def test_two_obvious_targets_are_not_chosen_from(tmp_path):
    with pytest.raises(ColumnError, match="several have the name of a target: 'Class, y'"):
        read(tmp_path, "Class,y\n1,2\n")


def test_target_named_by_the_user_wins(tmp_path):
    raw = read(tmp_path, "label,price\n1,2\n", target="price")
    assert (raw.target, raw.target_reason) == ("price", "")


def test_parts_column(tmp_path):
    raw = read(tmp_path, "a,Split,y\n1,train,0\n2,Test,1\n3,dev,1\n4,,1\n")
    assert raw.parts.tolist() == ["train", "test", "validation", None]
    assert raw.frame.columns == ["a", "y"]
    assert any("'Split'" in note for note in raw.notes)


def test_a_column_named_split_with_other_values_is_a_feature(tmp_path):
    raw = read(tmp_path, "a,split,y\n1,left,0\n2,right,1\n")
    assert raw.parts is None
    assert "split" in raw.frame.columns


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("a,y\n1,2\n3,4,5\n6,7\n", "line 3 has 3 fields, the header has 2"),
        ('a,y\n1,2\n"3,4\n5,6\n', "line 4 cannot be read"),
        (b"a,y\n\x00\x01,2\n", "binary data"),
        (b"PAR1\x00\x00", "binary data"),
    ],
)
def test_damaged_files_are_refused_with_the_place(tmp_path, content, said):
    with pytest.raises(DataError, match=said) as caught:
        read(tmp_path, content)
    assert str(tmp_path / "t.csv") in str(caught.value)


@pytest.mark.parametrize("content", ["", "\n\n", "a,y\n"])
def test_empty_files(tmp_path, content):
    with pytest.raises(EmptySourceError):
        read(tmp_path, content)


def test_damaged_parquet(tmp_path):
    with pytest.raises(DataError, match="not a whole table"):
        read(tmp_path, b"PAR1 and then nothing", name="t.parquet")


def test_one_column_is_not_enough(tmp_path):
    with pytest.raises(ColumnError, match="the table has one column"):
        read(tmp_path, "y\n1\n2\n")


def test_header_of_numbers_is_said(tmp_path):
    _, notes = read_frame_of(tmp_path, "5.1,3.5,0\n4.9,3.0,1\n")
    assert any("first line is taken for the header" in note for note in notes)


def read_frame_of(tmp_path, content):
    (tmp_path / "t.csv").write_text(content)
    return read_frame(tmp_path / "t.csv")


def test_image_column_is_found_from_the_first_rows(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("label,file\n" + "".join(f"cat,{i}.jpeg\n" for i in range(20_000)))
    assert image_column(path) == "file"
    path.write_text("label,file\n" + "".join(f"cat,{i}.txt\n" for i in range(20)))
    assert image_column(path) is None
    path.write_bytes(b"\x00\x01")
    assert image_column(path) is None


def test_long_text_that_is_cut_inside_a_character(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("file,label\n" + "é.png,café\n" * 9000, encoding="utf-8")
    assert image_column(path) == "file"
