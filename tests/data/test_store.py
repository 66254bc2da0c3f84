import os
import shutil
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from hashlib import blake2b

import numpy as np
import pytest
from PIL import Image
from tests.data.hostile import encoded, picture

from gradatim.core.talk import SILENCE
from gradatim.data import decoders
from gradatim.data import facts as facts_module
from gradatim.data import store as store_module
from gradatim.data.decode import Policy, fit_to
from gradatim.data.facts import Facts
from gradatim.data.store import fingerprints, open_or_build
from gradatim.errors import DiskError

POLICY = Policy(24, "crop", 3)


class Counting:
    """A talk that notes which work was done."""

    def __init__(self):
        self.bars = []

    def say(self, text): ...

    def warn(self, text): ...

    def board(self, table): ...

    @contextmanager
    def track(self, what, total, unit=""):
        updates = []
        self.bars.append((what, total, updates))
        yield type("Bar", (), {"update": lambda _, done, **facts: updates.append((done, facts))})()


@pytest.fixture
def photos(tmp_path):
    root = tmp_path / "photos"
    root.mkdir()
    files = []
    for number in range(10):
        files.append(root / f"{number}.png")
        files[-1].write_bytes(encoded(picture(40 + number, 30, seed=number), "PNG"))
    settle(files)
    return files


def settle(files):
    """Wait out the time in which a changed file is not trusted to have changed for good."""
    for file in files:
        os.utime(file, (1_000_000_000, 1_000_000_000))


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    """A file's inner change time cannot be set back, so shorten the wait instead."""
    monkeypatch.setattr(store_module, "SETTLED_SECONDS", -3600.0)


def build(files, tmp_path, policy=POLICY, talk=SILENCE, choose=None):
    root = tmp_path / "photos"
    chosen = choose or (lambda sizes, grey: policy)
    return open_or_build(files, root, "photos", chosen, tmp_path / "cache", talk)


def test_rows_are_the_fitted_pictures_in_order(photos, tmp_path):
    store = build(photos, tmp_path)
    assert isinstance(store.pixels, np.memmap) and store.pixels.shape == (10, 24, 24, 3)
    for row, file in enumerate(photos):
        expected = fit_to(np.asarray(Image.open(file)), 24, "crop")
        assert (store.pixels[row] == expected).all()
    assert store.facts.sizes.tolist() == [[40 + number, 30] for number in range(10)]
    assert store.seconds > 0


def test_the_file_is_a_plain_npy(photos, tmp_path):
    store = build(photos, tmp_path)
    (path,) = (tmp_path / "cache" / "images").glob("*/*.npy")
    assert (np.load(path, allow_pickle=False) == store.pixels).all()


def test_the_histogram_counts_every_stored_value(photos, tmp_path):
    store = build(photos, tmp_path)
    for channel in range(3):
        expected, _ = np.histogram(store.pixels[..., channel], bins=256, range=(0, 256))
        assert (store.histogram[channel] == expected).all()


def test_rejected_files_leave_no_row(photos, tmp_path):
    photos[0].write_bytes(b"")
    photos[4].write_bytes(b"text")
    photos[9].unlink()
    store = build(photos, tmp_path)
    assert store.facts.kept.tolist() == [1, 2, 3, 5, 6, 7, 8]
    assert len(store.pixels) == 7
    assert store.facts.reasons == {
        0: "empty file",
        4: "a text file, not a picture",
        9: "no such file",
    }
    assert (store.pixels[3] == fit_to(np.asarray(Image.open(photos[5])), 24, "crop")).all()


def test_no_usable_file_gives_an_empty_store_twice(photos, tmp_path):
    for file in photos:
        file.write_bytes(b"")
    for _ in range(2):
        assert build(photos, tmp_path).pixels.shape == (0, 24, 24, 3)


# --- what is there already ----------------------------------------------------------------------


def test_the_second_time_no_file_is_opened(photos, tmp_path, monkeypatch):
    first = build(photos, tmp_path)
    monkeypatch.setattr(store_module, "read_bytes", None)  # would raise
    talk = Counting()
    second = build(photos, tmp_path, talk=talk)
    assert talk.bars == [] and second.seconds == 0 and second.key == first.key
    assert (second.pixels == first.pixels).all()
    assert (second.histogram == first.histogram).all()
    assert second.facts.reasons == first.facts.reasons


def test_progress_ends_at_the_total_and_tells_rejected_files(photos, tmp_path):
    photos[0].write_bytes(b"")
    talk = Counting()
    build(photos, tmp_path, talk=talk)
    ((what, total, updates),) = talk.bars
    assert (what, total) == ("decode", 10)
    assert updates[-1] == (10, {"rejected": "1"})


def test_a_moved_folder_finds_its_pictures_again(photos, tmp_path):
    first = build(photos, tmp_path)
    (tmp_path / "photos").rename(tmp_path / "moved")
    files = [tmp_path / "moved" / file.name for file in photos]
    second = open_or_build(
        files, tmp_path / "moved", "moved", lambda *_: POLICY, tmp_path / "cache", SILENCE
    )
    assert second.key == first.key
    assert len(list((tmp_path / "cache" / "images").iterdir())) == 1


def test_only_what_changed_is_read_again(photos, tmp_path, monkeypatch):
    build(photos, tmp_path)
    os.utime(photos[3], (1_100_000_000, 1_100_000_000))  # touched, the content is the same
    read = []
    original = facts_module.read_bytes
    monkeypatch.setattr(
        facts_module, "read_bytes", lambda path: read.append(path) or original(path)
    )
    talk = Counting()
    build(photos, tmp_path, talk=talk)
    assert read == [str(photos[3])]
    assert [bar[:2] for bar in talk.bars] == [("look for changes", 1)]


def test_changed_content_is_never_missed(photos, tmp_path):
    first = build(photos, tmp_path)
    photos[3].write_bytes(encoded(picture(43, 30, seed=99), "PNG"))
    second = build(photos, tmp_path)
    assert second.key != first.key
    assert (second.pixels[3] != first.pixels[3]).any()


def test_a_change_within_the_clocks_tick_is_not_missed(photos, tmp_path, monkeypatch):
    """Same size, same times, same file: what was hashed just after a change is not trusted."""
    monkeypatch.setattr(store_module, "SETTLED_SECONDS", 2.0)
    first = build(photos, tmp_path)
    content = bytearray(photos[3].read_bytes())
    content[-20] ^= 1  # inside the check sum: the picture is damaged now
    frozen = photos[3].stat()
    photos[3].write_bytes(content)
    os.utime(photos[3], ns=(frozen.st_atime_ns, frozen.st_mtime_ns))
    prints = fingerprints([str(file) for file in photos])
    prints[3, 2] = frozen.st_ctime_ns
    monkeypatch.setattr(store_module, "fingerprints", lambda paths: prints)
    second = build(photos, tmp_path)
    assert second.key != first.key and 3 in second.facts.reasons


def test_added_and_removed_files(photos, tmp_path):
    first = build(photos[:8], tmp_path)
    talk = Counting()
    more = build(photos, tmp_path, talk=talk)
    assert len(more.pixels) == 10 and more.key != first.key
    assert talk.bars[0][:2] == ("look for changes", 2)
    fewer = build(photos[:8], tmp_path)
    assert fewer.key == first.key and fewer.seconds == 0


def test_another_policy_shares_the_facts(photos, tmp_path):
    first = build(photos, tmp_path)
    second = build(photos, tmp_path, Policy(16, "letterbox", 1))
    assert second.pixels.shape == (10, 16, 16, 1)
    assert (second.facts.pixels == first.facts.pixels).all()
    again = build(photos, tmp_path)
    assert again.seconds == 0 and again.key == first.key
    assert build(photos, tmp_path, Policy(300)).pixels.shape == (10, 300, 300, 3)
    assert build(photos, tmp_path, Policy(300)).seconds == 0


def test_the_policy_goes_by_all_files_not_by_a_sample(photos, tmp_path, monkeypatch):
    monkeypatch.setattr(store_module, "SAMPLED_HEADERS", 1)
    asked = []

    def choose(sizes, grey):
        asked.append(len(sizes))
        return Policy(int(sizes[:, 0].max()) if len(sizes) else 8)

    store = build(photos, tmp_path, choose=choose)
    assert store.policy.size == 49  # the widest of all
    assert asked == [1, 10, 10]  # a sample, then all, then all again after the second pass


@pytest.mark.parametrize("damage", ["cut", "empty", "gone", "noise"])
@pytest.mark.parametrize(
    "pattern", ["images/*/*.npy", "images/*/*.json", "images/*/*.npz", "files/*/*.npz"]
)
def test_a_damaged_cache_is_built_again(photos, tmp_path, pattern, damage):
    first = build(photos, tmp_path)
    expected = np.array(first.pixels)
    del first
    cache = tmp_path / "cache"
    found = (
        cache.glob("files/*/memory.npz") if pattern == "memory" else cache.glob(f"images/{pattern}")
    )
    for path in found:
        if path.name == "about.json":
            continue
        content = path.read_bytes()
        if damage == "gone":
            path.unlink()
        else:
            noise = {"cut": content[:-7], "empty": b"", "noise": b"\x93NUMPY" + bytes(90)}
            path.write_bytes(noise[damage])
    again = build(photos, tmp_path)
    assert (again.pixels == expected).all()
    assert build(photos, tmp_path).seconds == 0


# --- two processes, kills, full disks -----------------------------------------------------------


def leftovers(tmp_path):
    return list((tmp_path / "cache" / "building").iterdir())


def test_a_full_disk_leaves_nothing_behind(photos, tmp_path, monkeypatch):
    header = store_module._header

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store_module, "_header", full)  # after the pixels, before the move
    with pytest.raises(DiskError, match="No space left") as caught:
        build(photos, tmp_path)
    assert "GRADATIM_CACHE" in str(caught.value)
    assert leftovers(tmp_path) == []
    assert list((tmp_path / "cache" / "images").glob("*/*.npy")) == []
    monkeypatch.setattr(store_module, "_header", header)
    assert len(build(photos, tmp_path).pixels) == 10


def test_what_cannot_fit_is_refused_before_it_is_decoded(photos, tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(store_module.shutil, "disk_usage", lambda path: usage)
    with pytest.raises(DiskError, match=r"need 0 MiB and only 0 MiB are free"):
        build(photos, tmp_path)


def test_an_interruption_leaves_nothing_behind(photos, tmp_path, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(facts_module, "to_channels", interrupted)
    with pytest.raises(KeyboardInterrupt):
        build(photos, tmp_path)
    assert leftovers(tmp_path) == []


def test_threads_give_the_same_as_one(photos, tmp_path, monkeypatch):
    one = np.array(build(photos, tmp_path).pixels)
    monkeypatch.setattr(store_module, "SMALL_FILE_BYTES", 0)
    monkeypatch.setattr(store_module, "CHUNK_FILES", 2)
    monkeypatch.setattr(store_module, "cores", lambda: 3)
    shutil.rmtree(tmp_path / "cache")
    assert (build(photos, tmp_path).pixels == one).all()


@pytest.fixture
def thumbnails(tmp_path, monkeypatch):
    """Small pictures, one of them damaged, that count as many."""
    root = tmp_path / "photos"
    root.mkdir()
    files = [root / f"{number:02}.png" for number in range(23)]
    for number, file in enumerate(files):
        file.write_bytes(encoded(picture(20 + number, 16, seed=number), "PNG"))
    files[11].write_bytes(b"no picture")
    settle(files)
    monkeypatch.setattr(store_module, "CHUNK_FILES", 3)
    monkeypatch.setattr(store_module, "cores", lambda: 3)
    return files


def test_processes_give_the_same_as_one(thumbnails, tmp_path, monkeypatch):
    one = build(thumbnails, tmp_path)
    pixels = np.array(one.pixels)
    shutil.rmtree(tmp_path / "cache")
    monkeypatch.setattr(decoders, "LEAST_FILES", 20)
    here = []
    monkeypatch.setattr(decoders, "read_chunk", lambda *given: here.append(given))
    shared = build(thumbnails, tmp_path)
    assert not here
    assert (shared.pixels == pixels).all()
    assert shared.key == one.key
    assert (shared.histogram == one.histogram).all()
    assert shared.facts.reasons == one.facts.reasons == {11: one.facts.reasons[11]}
    for name in ("content", "pixels", "sizes", "grey", "format", "treated"):
        assert (getattr(shared.facts, name) == getattr(one.facts, name)).all()


@pytest.mark.parametrize("fate", ["cannot start", "ends at once", "ends on the way", "lies"])
def test_what_a_process_leaves_undone_is_done_here(thumbnails, tmp_path, monkeypatch, fate):
    one = np.array(build(thumbnails, tmp_path).pixels)
    shutil.rmtree(tmp_path / "cache")
    monkeypatch.setattr(decoders, "LEAST_FILES", 20)
    if fate == "cannot start":
        monkeypatch.setattr(sys, "executable", str(tmp_path / "no-python"))
    else:
        program = {
            "ends at once": "raise SystemExit(3)",
            "ends on the way": "from gradatim.data import decoders as d, facts as f\n"
            "n = [0]\n"
            "def twice(*given):\n"
            "    n[0] += 1\n"
            "    return f.read_chunk(*given) if n[0] < 3 else exit(3)\n"
            "d.read_chunk = twice\n"
            "d.serve()",
            "lies": "import sys; sys.stdout.buffer.write(bytes([9] * 100_000))",
        }[fate]
        monkeypatch.setattr(decoders, "_PROGRAM", program)
    assert (build(thumbnails, tmp_path).pixels == one).all()
    assert leftovers(tmp_path) == []


def test_an_error_in_a_thread_ends_the_pass(photos, tmp_path, monkeypatch):
    monkeypatch.setattr(store_module, "SMALL_FILE_BYTES", 0)
    monkeypatch.setattr(store_module, "CHUNK_FILES", 1)

    def broken(*_):
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(facts_module, "fit_to", broken)
    before = threading.active_count()
    with pytest.raises(RuntimeError, match="a fault of ours"):
        build(photos, tmp_path)
    assert threading.active_count() == before and leftovers(tmp_path) == []


SCRIPT = """
import sys
from pathlib import Path
from gradatim.core.talk import SILENCE
from gradatim.data.decode import Policy
from gradatim.data.store import open_or_build
root, cache = map(Path, sys.argv[1:])
print("ready", flush=True)
sys.stdin.readline()
store = open_or_build(sorted(root.iterdir()), root, "photos", lambda *_: Policy(24), cache, SILENCE)
print(store.key, int(store.pixels.sum(dtype="int64")))
assert "torch" not in sys.modules
"""


def start(tmp_path):
    command = [sys.executable, "-c", SCRIPT, tmp_path / "photos", tmp_path / "cache"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    return process


def test_two_processes_build_at_once(photos, tmp_path):
    processes = [start(tmp_path) for _ in range(2)]
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    answers = {process.communicate(timeout=60)[0] for process in processes}
    assert len(answers) == 1 and all(process.returncode == 0 for process in processes)
    expected = build(photos, tmp_path)
    assert answers == {f"{expected.key} {expected.pixels.sum(dtype=np.int64)}\n"}
    assert leftovers(tmp_path) == []


def test_killed_at_any_instant_the_next_builds_it(photos, tmp_path):
    for number in range(10, 400):
        (tmp_path / "photos" / f"{number}.png").write_bytes(encoded(picture(seed=number), "PNG"))
    files = sorted((tmp_path / "photos").iterdir())
    for delay in (0.005, 0.03, 0.06, 0.1):
        process = start(tmp_path)
        process.stdin.write("\n")
        process.stdin.flush()
        time.sleep(delay)
        process.kill()
        process.communicate()
    store = build(files, tmp_path)
    assert len(store.pixels) == 400
    assert (store.pixels[7] == fit_to(np.asarray(Image.open(files[7])), 24, "crop")).all()


# --- facts --------------------------------------------------------------------------------------


def test_facts_are_read_as_written(photos, tmp_path):
    photos[2].write_bytes(b"")
    facts = build(photos, tmp_path).facts
    (tmp_path / "facts.npz").write_bytes(facts.to_bytes())
    read = Facts.read(tmp_path / "facts.npz")
    assert read.key == facts.key and read.reasons == facts.reasons
    for name in ("content", "pixels", "sizes", "grey", "format", "treated"):
        assert (getattr(read, name) == getattr(facts, name)).all()


def test_content_is_hashed_by_its_bytes(photos, tmp_path):
    facts = build(photos, tmp_path).facts
    expected = blake2b(photos[0].read_bytes(), digest_size=16).digest()
    assert facts.content[0].tobytes() == expected


def test_equal_pixels_have_equal_hashes_whatever_the_format(photos, tmp_path):
    image = picture(40, 30, seed=0)
    photos[1].write_bytes(encoded(image, "BMP"))
    photos[2].write_bytes(encoded(image.transpose(Image.Transpose.ROTATE_90), "PNG"))
    flat = Image.fromarray(np.asarray(image).reshape(40, 30, 3))  # the same bytes, another shape
    photos[3].write_bytes(encoded(flat, "PNG"))
    digests = [digest.tobytes() for digest in build(photos, tmp_path).facts.pixels]
    assert digests[0] == digests[1]
    assert len(set(digests)) == 9
