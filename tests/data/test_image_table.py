import polars as pl
import pytest
from tests.data.hostile import encoded, picture

from gradatim.data.images import prepare_images
from gradatim.data.sources import Request, find
from gradatim.data.sources.image_table import looks_like_image_table, read
from gradatim.errors import ColumnError, EmptySourceError, SourceNotFoundError


@pytest.fixture
def table(tmp_path):
    def make(text, *files, name="list.csv"):
        for number, file in enumerate(files):
            (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / file).write_bytes(encoded(picture(seed=number), "PNG"))
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return Request(str(path))

    return make


def test_paths_and_labels(table, tmp_path):
    request = table("path,label\na.png,cat\nsub/b.png,dog\n", "a.png", "sub/b.png")
    raw = read(request)
    assert list(raw.files) == [tmp_path / "a.png", tmp_path / "sub" / "b.png"]
    assert list(raw.labels) == ["cat", "dog"] and list(raw.parts) == [None, None]
    assert raw.target == "label" and raw.name == "list"
    assert find(request.source) is read


def test_a_column_of_parts(table):
    raw = read(table("file,split,class\na.jpg,Train,x\nb.jpg,val,y\nc.jpg,test,x\nd.jpg,,x\n"))
    assert list(raw.parts) == ["train", "validation", "test", None]
    assert any("'split'" in note for note in raw.notes)


def test_paths_relative_to_a_folder_beside_the_table(table, tmp_path):
    raw = read(table("path,label\na.png,cat\nb.png,dog\n", "images/a.png", "images/b.png"))
    assert raw.root == tmp_path / "images" and all(path.exists() for path in raw.files)
    assert any("relative to the folder images" in note for note in raw.notes)


def test_paths_written_on_windows(table, tmp_path):
    raw = read(table("path,label\nsub\\a.png,cat\n", "sub/a.png"))
    assert raw.files[0].exists()


def test_missing_files_are_listed_with_the_reason(table, tmp_path):
    rows = "a.png,cat\nb.png,dog\ngone.png,dog\n"
    raw = read(table(f"path,label\n{rows}", "a.png", "b.png"))
    images = prepare_images(raw, cache=tmp_path / "cache")
    assert images.names == ["a.png", "b.png"]
    assert [(row.name, row.reason) for row in images.audit.rejected] == [
        ("gone.png", "no such file")
    ]


def test_rows_without_a_path_or_label_are_listed(table):
    raw = read(table("path,label\na.png,cat\nb.png,\n,dog\n"))
    assert len(raw.files) == 1
    assert list(raw.unused) == [
        ("b.png", "no label in the column label"),
        ("row 3", "no path in path"),
    ]


def test_numbers_as_targets(table, tmp_path):
    raw = read(table("path,age\na.png,1.5\nb.png,3\n", "a.png", "b.png"))
    images = prepare_images(raw, task="regression", cache=tmp_path / "cache")
    assert images.labels == ["1.5", "3"] and images.classes == ()
    assert images.audit.class_counts == {"all": {"samples": 2}}


def test_parquet(tmp_path):
    frame = pl.DataFrame({"picture": ["a.jpg", "b.jpg"], "age": [3, 4]})
    frame.write_parquet(tmp_path / "list.parquet")
    raw = read(Request(str(tmp_path / "list.parquet")))
    assert list(raw.labels) == ["3", "4"]


def test_what_looks_like_a_table_of_pictures(tmp_path):
    paths = ["a.jpg", "b.PNG", None, "c.tiff"]
    frame = pl.DataFrame({"n": [1, 2, 3, 4], "text": list("abcd"), "path": paths})
    assert looks_like_image_table(frame) == "path"
    assert looks_like_image_table(frame.drop("path")) is None
    assert looks_like_image_table(pl.DataFrame({"path": [None, None]})) is None
    # Of two such columns, the one whose paths lead somewhere.
    (tmp_path / "b.jpg").write_bytes(b"")
    two = pl.DataFrame({"old": ["z.jpg"], "new": ["b.jpg"]})
    assert looks_like_image_table(two, tmp_path) == "new"
    assert looks_like_image_table(pl.DataFrame({"long": ["l" * 5000 + ".jpg"]}), tmp_path) == "long"


def test_no_column_of_labels(table):
    request = table("path\na.jpg\nb.jpg\n")
    with pytest.raises(ColumnError, match="no column holds labels"):
        read(request)


def test_which_column_of_labels(table):
    request = table("path,colour,kind\na.jpg,red,x\nb.jpg,blue,y\n")
    with pytest.raises(ColumnError, match="must be said") as caught:
        read(request)
    assert "--target kind" in str(caught.value)
    assert list(read(Request(request.source, target="colour")).labels) == ["red", "blue"]
    with pytest.raises(ColumnError) as caught:
        read(Request(request.source, target="color"))
    assert "did you mean 'colour'?" in str(caught.value)


def test_nothing_there(table, tmp_path):
    with pytest.raises(SourceNotFoundError):
        read(Request(str(tmp_path / "lost.csv")))
    with pytest.raises(EmptySourceError, match="no row has both"):
        read(table("path,label\na.jpg,\nb.jpg,\n"))
