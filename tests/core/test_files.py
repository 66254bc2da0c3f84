import errno
import os

import pytest

from gradatim.core import files
from gradatim.errors import DiskError


def test_a_file_is_replaced_whole(tmp_path):
    files.write_text(tmp_path / "sub" / "a.txt", "one")
    files.write_text(tmp_path / "sub" / "a.txt", "two")
    assert (tmp_path / "sub" / "a.txt").read_text() == "two"
    assert os.listdir(tmp_path / "sub") == ["a.txt"]


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_crash_at_any_call_leaves_the_old_file(tmp_path, monkeypatch, call):
    files.write_text(tmp_path / "a.txt", "old")

    def crash(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, call, crash)
    with pytest.raises(KeyboardInterrupt):
        files.write_text(tmp_path / "a.txt", "new")
    assert (tmp_path / "a.txt").read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


@pytest.mark.parametrize(
    ("code", "words"),
    [(errno.ENOSPC, "the disk is full"), (errno.EACCES, "cannot be written")],
)
def test_what_the_system_refuses_is_said(tmp_path, monkeypatch, code, words):
    def refuse(*arguments):
        raise OSError(code, "refused")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(DiskError, match=words):
        files.write_text(tmp_path / "a.txt", "new")
    assert os.listdir(tmp_path) == []


def test_other_system_errors_pass(tmp_path):
    with pytest.raises(OSError, match="something else"), files.disk_errors(tmp_path):
        raise OSError(errno.EIO, "something else")
