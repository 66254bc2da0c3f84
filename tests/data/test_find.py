"""A source is found by name or by what is at its path; everything else gets a clear message."""

import subprocess
import sys

import pytest

from gradatim.data.sources import SOURCES, find
from gradatim.errors import DataError, EmptySourceError, SourceNotFoundError


def test_unknown_name_offers_the_closest():
    with pytest.raises(SourceNotFoundError) as caught:
        find("digit")
    assert "did you mean 'digits'?" in str(caught.value)
    assert "a folder of images" in str(caught.value)


def test_empty_folder(tmp_path):
    with pytest.raises(EmptySourceError, match="the folder is empty"):
        find(str(tmp_path))


@pytest.mark.parametrize(
    ("name", "advice"),
    [("photos.zip", "unpack it"), ("notes.docx", "give a folder of images"), ("x.npy", "arrays")],
)
def test_other_files(tmp_path, name, advice):
    (tmp_path / name).write_bytes(b"content")
    with pytest.raises(DataError, match="no reader is known") as caught:
        find(str(tmp_path / name))
    assert advice in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "module"),
    [
        ("a.csv", b"x,y\n1,2\n", "table"),
        ("a.TSV", b"x\ty\n1\t2\n", "table"),
        ("a.csv", b"file,label\ncats/1.jpg,cat\ndogs/2.PNG,dog\n", "image_table"),
        ("a.npz", b"", "arrays"),
    ],
)
def test_files_by_ending_and_content(tmp_path, name, content, module):
    (tmp_path / name).write_bytes(content)
    assert find(str(tmp_path / name)).__module__ == f"gradatim.data.sources.{module}"


@pytest.mark.parametrize(
    ("name", "module"),
    [
        ("train-images-idx3-ubyte.gz", "idx"),
        ("data_batch_1.bin", "cifar"),
        ("cat", "folder"),
    ],
)
def test_folders_by_what_is_in_them(tmp_path, name, module):
    (tmp_path / name).mkdir()
    assert find(str(tmp_path)).__module__ == f"gradatim.data.sources.{module}"


def test_a_name_comes_before_a_folder_of_that_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "digits" / "cat").mkdir(parents=True)
    assert find("digits").__name__ == "digits"
    assert find("./digits").__module__.endswith("folder")


def test_every_row_is_a_function():
    for name in SOURCES:
        assert callable(find(name)), name


def test_listing_sources_loads_nothing_heavy():
    code = (
        "import sys, gradatim.data.sources as s, gradatim.data;"
        "assert gradatim.data.SOURCES is s.SOURCES;"
        "assert not {'torch', 'polars', 'sklearn', 'PIL'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_preparing_a_table_loads_no_torch(tmp_path):
    (tmp_path / "a.csv").write_text("x,y\n" + "".join(f"{i},{i % 2}\n" for i in range(40)))
    code = (
        "import sys; from gradatim.core.recipe import Recipe; from gradatim.data import prepare;"
        "p, _ = prepare(Recipe().with_values({'data.source': 'a.csv'}));"
        "assert len(p) == 40 and 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)
