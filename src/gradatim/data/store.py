"""Pictures decoded once: hashed, decoded, fitted and written to one memory-mapped file.

One pass over the files does it all: each file is read once, its content hashed, decoded, its facts
noted, fitted and appended to the store. What a picture is fitted to depends on all sizes, which
are only known after the pass; so the pass starts with what a sample of headers suggests and is
repeated in the rare case that all sizes together suggest something else.

What is kept, and under which key (see ``data/cache.py`` for the places)::

    files/<folder>/     path, size, times, inode -> content hash: what is unchanged is not read
    images/<content>/   facts-*.npz: what the audit needs, whatever the pictures are fitted to
                        <policy>.npy, <policy>.json: the pixels, and their histogram

Files are written beside and moved into place when whole, so that a killed process leaves nothing
half done, and of two processes that build the same the later simply replaces equal by equal.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import stat
import time
import zipfile
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.lib import format as npy
from PIL import Image

from gradatim.core.cores import cores
from gradatim.core.files import write_bytes, write_json
from gradatim.core.talk import Bar, Talk
from gradatim.data import decoders
from gradatim.data.cache import building, cache_errors, claim
from gradatim.data.decode import OPENED, Policy
from gradatim.data.facts import (
    DIGEST_BYTES,
    Facts,
    content_key,
    content_of,
    read_chunk,
    short_hash,
)
from gradatim.data.quiet import quiet
from gradatim.data.reading import read_bytes
from gradatim.data.statistics import value_counts
from gradatim.errors import DiskError

SAMPLED_HEADERS = 512
HEADER_BYTES = 2**16
"""Read of each sampled file; enough for the size of nearly all, and the rest says nothing yet."""

CHUNK_FILES = 1024
SMALL_FILE_BYTES = 8_192
"""Below this mean size decoding is mostly Python, and threads only get into each other's way, so
many such files are shared by processes. Measured, pictures a second in one thread and in two:
32 x 32 JPEGs of 0.9 kB, then through Pillow, 10,200 and 7,700; photos of 28 kB 610 and 890
(2 cores, Python 3.11, Pillow 13)."""

SETTLED_SECONDS = 2.0
"""A file changed less than this before it was hashed may change again within the same tick of the
file system's clock, so its hash is not remembered."""

CHUNK_BYTES = 4 * 2**20
_NPY_HEADER_BYTES = 128
_Result = TypeVar("_Result")


@dataclass(frozen=True)
class Store:
    """Decoded pictures.

    Attributes:
        pixels: ``K x size x size x channels`` uint8, memory-mapped, one row a file that is used.
        histogram: ``channels x 256`` int64, how often each value occurs in ``pixels``.
        facts: of all files.
        policy: what the pictures were fitted to.
        key: fingerprint of content and policy.
        seconds: how long building took; 0 when everything was there.
    """

    pixels: np.ndarray
    histogram: np.ndarray
    facts: Facts
    policy: Policy
    key: str
    seconds: float = 0.0


def read_each(paths: Sequence[str], policy: Policy) -> Generator[np.ndarray | str, None, None]:
    """Yield every picture as a store would hold it, or why it cannot be used, in order.

    They are decoded as a store is, by as many threads or processes, but nothing is kept.

    Args:
        paths: of files.
        policy: what the pictures are fitted to.
    """
    each = policy.size**2 * policy.channels
    chunks, workers, small = _chunks(paths, fingerprints(paths), each)
    with quiet(), closing(_decoded(chunks, policy, workers, small, hashed=False)) as results:
        for facts, pixels in results:
            rows = iter(pixels)
            for row in range(len(facts)):
                yield facts.reasons[row] if row in facts.reasons else next(rows)


Choose = Callable[[np.ndarray, np.ndarray], Policy]
"""From the sizes (``K x 2``) and greyness (``K``) of the usable pictures to the policy: a pure
function, which takes no pictures (``K = 0``) as well."""


def open_or_build(
    files: Sequence[Path], root: Path, source: str, choose: Choose, cache: Path, talk: Talk
) -> Store:
    """Return the store of these files, built where it is not there yet.

    Args:
        files: in the order of the store's rows.
        root: the folder under which the hashes of files are remembered.
        source: name of the data set, for ``cache show``.
        choose: what the pictures are fitted to.
        cache: the cache folder.
        talk: where progress goes.

    Raises:
        DiskError: the cache cannot be written, e.g. because the disk is full. Nothing is left.
    """
    begun = time.perf_counter()
    paths = [os.fspath(file) for file in files]
    prints = fingerprints(paths)
    folder = claim(cache, "files", short_hash(os.fsencode(root.resolve())), source)
    memory = folder / "memory.npz"

    content = _recall(memory, paths, prints, talk)
    policy = None
    if content is not None:
        place = cache / "images" / content_key(content)
        for name in _FACTS:
            known = _facts(place, name)
            if known is None:
                continue
            policy = choose(known.sizes[known.kept], known.grey[known.kept])
            store = _open(place, known, policy) if name == _facts_name(policy) else None
            if store is not None:
                claim(cache, "images", place.name, source)  # marked as used now
                return store
    policy = policy or _suggest(paths, choose)
    while True:
        hashed_at = time.time_ns()
        with talk.track("decode", len(paths), "images") as bar:
            facts, place = _build(paths, prints, policy, source, cache, bar)
        _remember(memory, paths, prints, facts.content, hashed_at)
        wanted = choose(facts.sizes[facts.kept], facts.grey[facts.kept])
        if wanted == policy:
            break
        policy = wanted
    store = _open(place, facts, policy)
    if store is None:
        raise DiskError(
            "the cache was changed while it was written",
            given=place,
            next_step="run the same command again",
        )
    return replace(store, seconds=time.perf_counter() - begun)


def _suggest(paths: Sequence[str], choose: Choose) -> Policy:
    """Choose from the headers of a sample of files, evenly spread."""
    sizes, greys = [], []
    with quiet():
        for path in paths[:: max(1, len(paths) // SAMPLED_HEADERS)]:
            # What is wrong with a file is told by the pass that decodes it.
            with suppress(Exception):
                head = read_bytes(path, HEADER_BYTES)
                picture = Image.open(io.BytesIO(head), formats=OPENED)
                sizes.append(picture.size)
                greys.append(picture.mode in ("1", "L", "LA", "I;16"))
    return choose(np.array(sizes, dtype=np.int32).reshape(-1, 2), np.array(greys, dtype=bool))


# --- what is there already ----------------------------------------------------------------------


def _facts_name(policy: Policy) -> str:
    return "facts-full" if policy.reduced_side is None else "facts-reduced"


_FACTS = ("facts-reduced", "facts-full")


def _facts(place: Path, name: str) -> Facts | None:
    try:
        return Facts.read(place / f"{name}.npz")
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None  # not there, or damaged: built again


def _policy_name(policy: Policy) -> str:
    name = f"{policy.size}-{policy.shape}-{policy.channels}"
    if policy.interpolation != "bicubic":
        name += f"-{policy.interpolation}"
    usual = replace(policy, spare=Policy.spare).reduced_side
    return name if policy.reduced_side == usual else f"{name}-reduced"


def is_stored(cache: Path, content: str, policy: Policy) -> bool:
    """Return whether the pictures of this content (``Facts.key``) were stored so before."""
    return (cache / "images" / content / f"{_policy_name(policy)}.json").is_file()


def _open(place: Path, facts: Facts, policy: Policy) -> Store | None:
    """Return a store that is there and whole, else None."""
    name = _policy_name(policy)
    shape = (len(facts.kept), policy.size, policy.size, policy.channels)
    pixels: np.ndarray
    try:
        histogram = np.array(json.loads((place / f"{name}.json").read_text()), dtype=np.int64)
        if shape[0] == 0:
            pixels = np.empty(shape, dtype=np.uint8)
        else:
            pixels = np.load(place / f"{name}.npy", mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    whole = pixels.shape == shape and pixels.dtype == np.uint8
    if not whole or histogram.shape != (policy.channels, 256):
        return None
    return Store(pixels, histogram, facts, policy, f"{place.name}-{name}")


def fingerprints(paths: Sequence[str]) -> np.ndarray:
    """Return what tells an unchanged file, ``N x 4`` int64: size, two times, number of the file.

    A row of what is not a regular file is -1.
    """
    rows = np.full((len(paths), 4), -1, dtype=np.int64)
    for row, path in enumerate(paths):
        with suppress(OSError, ValueError):
            status = os.stat(path)  # noqa: PTH116 - tens of thousands of them
            if stat.S_ISREG(status.st_mode):
                number = status.st_ino & 0x7FFF_FFFF_FFFF_FFFF  # 128 bits on some file systems
                rows[row] = status.st_size, status.st_mtime_ns, status.st_ctime_ns, number
    return rows


def _recall(
    memory: Path, paths: Sequence[str], prints: np.ndarray, talk: Talk
) -> np.ndarray | None:
    """Return the content hashes, read anew only for changed files; None when nothing is known."""
    try:
        with np.load(memory, allow_pickle=False) as arrays:
            names, old_prints, old = (arrays[name] for name in ("names", "prints", "content"))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    rows = _rows_of(names.tobytes(), paths)
    if len(old) != len(old_prints) or rows.max(initial=-1) >= len(old):
        return None
    content = np.zeros((len(paths), DIGEST_BYTES), dtype=np.uint8)
    known = (rows >= 0) & (prints[:, 0] >= 0)
    known[known] = (old_prints[rows[known]] == prints[known]).all(axis=1)
    content[known] = old[rows[known]]
    changed = np.flatnonzero(~known)
    if len(changed):
        again = [paths[row] for row in changed.tolist()]
        content[changed] = _hash_anew(again, prints[changed], talk)
    return content


def _hash_anew(paths: Sequence[str], prints: np.ndarray, talk: Talk) -> np.ndarray:
    """Return the content hashes of files, ``N x 16`` uint8."""
    digests = bytearray()
    with talk.track("look for changes", len(paths), "files") as bar:
        for some in _in_order(_hash_chunk, *_chunks(paths, prints)[:2]):
            digests += some
            bar.update(len(digests) // DIGEST_BYTES)
    return np.frombuffer(digests, dtype=np.uint8).reshape(-1, DIGEST_BYTES)


def _hash_chunk(paths: Sequence[str]) -> bytes:
    return b"".join(content_of(path)[1] for path in paths)


def _rows_of(names: bytes, paths: Sequence[str]) -> np.ndarray:
    """Return the row at which each path is remembered, -1 where it is not."""
    if names == _joined(paths):
        return np.arange(len(paths))
    rows = {name: row for row, name in enumerate(names.split(b"\0"))}
    return np.array([rows.get(os.fsencode(path), -1) for path in paths], dtype=np.int64)


def _joined(paths: Sequence[str]) -> bytes:
    return os.fsencode("\0".join(paths))


def _remember(
    memory: Path, paths: Sequence[str], prints: np.ndarray, content: np.ndarray, hashed_at: int
) -> None:
    """Keep the content hashes of the files that had settled when they were hashed."""
    settled = prints[:, 1:3].max(axis=1, initial=-1) < hashed_at - int(SETTLED_SECONDS * 1e9)
    written = io.BytesIO()
    np.savez(
        written,
        names=np.frombuffer(_joined(paths), dtype=np.uint8),
        prints=np.where(settled[:, None], prints, -1),
        content=content,
    )
    with cache_errors(memory.parent.parent.parent):
        write_bytes(memory, written.getvalue())


# --- the pass -----------------------------------------------------------------------------------


def _build(
    paths: Sequence[str], prints: np.ndarray, policy: Policy, source: str, cache: Path, bar: Bar
) -> tuple[Facts, Path]:
    """Go over all files once; return the facts and the folder of the store."""
    each = policy.size**2 * policy.channels
    check_space(cache, len(paths) * each, "choose smaller pictures with --set data.size=32")
    chunks, workers, small = _chunks(paths, prints, each)

    every: list[Facts] = []
    histogram = np.zeros((policy.channels, 256), dtype=np.int64)
    done = rejected = 0
    with quiet(), building(cache, ".npy") as file:
        file.write(bytes(_NPY_HEADER_BYTES))
        with closing(_decoded(chunks, policy, workers, small)) as results:
            for facts, pixels in results:
                file.write(pixels.tobytes())
                histogram += value_counts(pixels)
                every.append(facts)
                done, rejected = done + len(facts), rejected + len(facts.reasons)
                bar.update(done, **({"rejected": f"{rejected:,}"} if rejected else {}))
        facts = Facts.joined(every or [read_chunk([], policy)[0]])
        place = claim(cache, "images", facts.key, source)
        shape = (len(facts.kept), policy.size, policy.size, policy.channels)
        file.seek(0)
        file.write(_header(shape))
        file.flush()
        os.fsync(file.fileno())
        file.close()  # Windows moves no open file
        _move(Path(file.name), place / f"{_policy_name(policy)}.npy")
        write_bytes(place / f"{_facts_name(policy)}.npz", facts.to_bytes())
        write_json(place / f"{_policy_name(policy)}.json", histogram.tolist())  # last: now whole
    return facts, place


def _chunks(
    paths: Sequence[str], prints: np.ndarray, each: int = 0
) -> tuple[list[Sequence[str]], int, bool]:
    """Cut the files into pieces of work; say how many threads are to work, and if they are small.

    Args:
        paths: of the files.
        prints: their sizes and times.
        each: bytes of what comes of a file.
    """
    mean_bytes = prints[:, 0].clip(min=0).mean() if len(prints) else 0.0
    small = bool(mean_bytes < SMALL_FILE_BYTES)
    size = int(np.clip(CHUNK_BYTES / max(mean_bytes, each, 1.0), 1, CHUNK_FILES))
    chunks = [paths[start : start + size] for start in range(0, len(paths), size)]
    return chunks, 1 if small else cores(), small


def _decoded(
    chunks: Sequence[Sequence[str]],
    policy: Policy,
    workers: int,
    small: bool,
    *,
    hashed: bool = True,
) -> Generator[tuple[Facts, np.ndarray], None, None]:
    """Yield what comes of every chunk in order, by threads, processes or here."""
    many = sum(map(len, chunks)) >= decoders.LEAST_FILES
    if small and many and cores() > 1:
        return decoders.decoded(chunks, policy, cores())
    return _in_order(partial(read_chunk, policy=policy, hashed=hashed), chunks, workers)


def _in_order(
    work: Callable[[Sequence[str]], _Result], chunks: Sequence[Sequence[str]], workers: int
) -> Generator[_Result, None, None]:
    """Yield the results in the order of the chunks, worked on by threads a little ahead."""
    if workers == 1:
        yield from map(work, chunks)
        return
    pool = ThreadPoolExecutor(workers, thread_name_prefix="gradatim-decode")
    try:
        waiting: deque[Future[_Result]] = deque()
        for chunk in chunks:
            waiting.append(pool.submit(work, chunk))
            if len(waiting) > 2 * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def free_bytes(cache: Path) -> int:
    """Return how much may still be written into the cache."""
    with cache_errors(cache):
        return shutil.disk_usage(cache).free


def check_space(cache: Path, needed: int, instead: str) -> None:
    """Refuse at once what cannot fit, rather than after an hour.

    Args:
        cache: the cache folder.
        needed: bytes.
        instead: what can be done with less.

    Raises:
        DiskError: less than that is free.
    """
    free = free_bytes(cache)
    if free < needed:
        raise DiskError(
            f"the decoded pictures need {needed / 2**20:,.0f} MiB and only "
            f"{free / 2**20:,.0f} MiB are free",
            given=cache,
            next_step="free some space, set GRADATIM_CACHE to a folder on a larger disk, or "
            f"{instead}",
        )


def _header(shape: tuple[int, ...]) -> bytes:
    """Return the header of an ``.npy`` file; room is left in it, so its length never changes."""
    header = io.BytesIO()
    fields = {"descr": "|u1", "fortran_order": False, "shape": shape}
    npy.write_array_header_1_0(header, fields)
    if len(header.getvalue()) != _NPY_HEADER_BYTES:
        raise RuntimeError("numpy writes a header of another length")
    return header.getvalue()


def _move(built: Path, place: Path) -> None:
    """Move a file into place; an equal one that is in use there is as good (Windows)."""
    try:
        os.replace(built, place)
    except PermissionError:
        if not place.exists() or place.stat().st_size != built.stat().st_size:
            raise
