import os
import sys
import time
from pathlib import Path

import pytest

from gradatim.data.cache import (
    LEFTOVER_SECONDS,
    building,
    cache_folder,
    claim,
    clear,
    entries,
    sweep,
)
from gradatim.errors import DiskError, UnknownNameError


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


def test_the_place_is_read_when_asked_for(monkeypatch, tmp_path):
    monkeypatch.setenv("GRADATIM_CACHE", str(tmp_path / "here"))
    assert cache_folder() == tmp_path / "here"
    monkeypatch.setenv("GRADATIM_CACHE", "~/there")
    assert cache_folder() == Path.home() / "there"


@pytest.mark.parametrize(
    ("platform", "expected"),
    [
        ("linux", ".cache/gradatim"),
        ("darwin", "Library/Caches/gradatim"),
        ("win32", "AppData/Local/gradatim/cache"),
    ],
)
def test_the_place_by_platform(monkeypatch, tmp_path, platform, expected):
    for name in ("GRADATIM_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    assert cache_folder() == tmp_path / expected


def test_xdg_is_followed_when_absolute(monkeypatch, tmp_path):
    monkeypatch.delenv("GRADATIM_CACHE", raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "gradatim"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert cache_folder() == tmp_path / ".cache" / "gradatim"


def test_entries_tell_kind_bytes_and_use(cache):
    assert entries(cache) == []
    first = claim(cache, "images", "aa", "photos")
    (first / "x.npy").write_bytes(bytes(1000))
    claim(cache, "downloads", "mnist", "https://example.org")
    os.utime(first / "about.json", (1, 1))
    found = entries(cache)
    assert [(entry.kind, entry.name, entry.source) for entry in found] == [
        ("downloads", "mnist", "https://example.org"),
        ("images", "aa", "photos"),
    ]
    assert found[1].bytes == 1000 + (first / "about.json").stat().st_size
    claim(cache, "images", "aa", "photos")  # used again
    assert entries(cache)[0].name == "aa"
    assert abs(entries(cache)[0].used - time.time()) < 60
    assert found[0].to_dict()["used"][:2] == "20"


def test_clear_deletes_what_is_ours_and_nothing_else(cache, tmp_path):
    ours = claim(cache, "images", "aa", "photos")
    (ours / "x.npy").write_bytes(b"1")
    (ours / "deep").mkdir()
    (ours / "deep" / "y").write_bytes(b"2")
    theirs = cache / "images" / "holiday"
    theirs.mkdir()
    (theirs / "x.npy").write_bytes(b"3")
    foreign = cache / "images" / "other-program"
    foreign.mkdir()
    (foreign / "about.json").write_text('{"name": "other"}')
    (cache / "notes.txt").write_text("mine")
    assert [entry.name for entry in clear(cache)] == ["aa"]
    assert not ours.exists()
    assert (theirs / "x.npy").exists() and (foreign / "about.json").exists()
    assert (cache / "notes.txt").read_text() == "mine"
    assert clear(cache) == []


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights on Windows")
def test_clear_follows_no_links(cache, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_bytes(b"1")
    ours = claim(cache, "images", "aa", "photos")
    (ours / "link").symlink_to(outside)
    clear(cache)
    assert (outside / "precious").exists() and not ours.exists()


def test_clear_by_kind_and_age(cache):
    claim(cache, "downloads", "mnist", "")
    old = claim(cache, "images", "old", "")
    claim(cache, "images", "new", "")
    os.utime(old / "about.json", (1, 1))
    assert [entry.name for entry in clear(cache, kinds=["images"], unused_for=3600)] == ["old"]
    assert [entry.name for entry in clear(cache, kinds=["images"])] == ["new"]
    assert [entry.name for entry in entries(cache)] == ["mnist"]
    with pytest.raises(UnknownNameError, match="did you mean 'images'"):
        clear(cache, kinds=["image"])


def test_the_folder_is_tagged_for_backup_programs(cache):
    claim(cache, "images", "aa", "")
    assert (cache / "CACHEDIR.TAG").read_text().startswith("Signature: 8a477f597d28d172789f0688")


def test_what_is_not_moved_away_is_deleted(cache):
    with pytest.raises(KeyboardInterrupt), building(cache, ".npy") as file:
        file.write(b"half")
        raise KeyboardInterrupt
    assert list((cache / "building").iterdir()) == []


def test_leftovers_are_swept_and_files_being_written_are_not(cache):
    with building(cache, ".npy") as file:
        file.write(b"alive")
        file.flush()
        leftover = cache / "building" / "gradatim-dead.npy"
        leftover.write_bytes(b"dead")
        fresh = cache / "building" / "gradatim-fresh.npy"
        fresh.write_bytes(b"just begun")
        stranger = cache / "building" / "notes.txt"
        stranger.write_bytes(b"not ours")
        past = time.time() - LEFTOVER_SECONDS - 10
        for path in (leftover, stranger, Path(file.name)):
            os.utime(path, (past, past))
        assert sweep(cache) == 1
        assert not leftover.exists()
        assert fresh.exists() and stranger.exists() and Path(file.name).exists()


def test_a_cache_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DiskError, match="GRADATIM_CACHE"):
        claim(tmp_path / "file" / "cache", "images", "aa", "")
