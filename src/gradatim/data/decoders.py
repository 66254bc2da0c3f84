"""Processes that decode many small files: there, threads would wait for Python's own lock.

Each process is this Python anew, without PyTorch. It is told its files once, works on its share in
order and writes the answers into a pipe; nothing is pickled. A process that cannot be started, or
that ends early, costs time only: what is missing is worked on here.
"""

from __future__ import annotations

import io
import json
import os
import struct
import subprocess
import sys
from collections.abc import Generator, Sequence
from contextlib import suppress
from typing import IO
from zipfile import BadZipFile

import numpy as np

from gradatim.data.decode import Policy
from gradatim.data.facts import Facts, read_chunk
from gradatim.data.quiet import quiet

LEAST_FILES = 10_000
"""From here on processes pay: to start one takes as long as to read some 5,000 thumbnails."""

_SIZES = struct.Struct("<QQ")  # bytes of the facts, bytes of the pixels
_PROGRAM = "from gradatim.data.decoders import serve; serve()"

Result = tuple[Facts, np.ndarray]


def decoded(
    chunks: Sequence[Sequence[str]], policy: Policy, processes: int
) -> Generator[Result, None, None]:
    """Yield facts and pixels of every chunk in order, worked on by processes.

    Args:
        chunks: paths of files.
        policy: what the pictures are fitted to.
        processes: each takes every so many-th chunk.
    """
    started = [_start() for _ in range(min(processes, len(chunks)))]
    for first, process in enumerate(started):  # which start side by side meanwhile
        _tell(process, chunks[first :: len(started)], policy)
    try:
        for number, chunk in enumerate(chunks):
            process = started[number % len(started)]
            answer = _answer(process, policy) if process is not None else None
            if answer is None or len(answer[0]) != len(chunk):
                _end(process)
                started[number % len(started)] = None
                answer = read_chunk(chunk, policy)
            yield answer
    finally:
        for process in started:
            _end(process)


def serve() -> None:
    """Work on the files named on standard input; the body of a process."""
    head, _, names = sys.stdin.buffer.read().partition(b"\n")
    told = json.loads(head)
    paths = iter(map(os.fsdecode, names.split(b"\0")))
    policy = Policy.from_dict(told["policy"])
    with quiet(), suppress(BrokenPipeError):
        for count in told["counts"]:
            facts, pixels = read_chunk([next(paths) for _ in range(count)], policy)
            content = facts.to_bytes()
            sys.stdout.buffer.write(_SIZES.pack(len(content), pixels.nbytes))
            sys.stdout.buffer.write(content)
            sys.stdout.buffer.write(np.ascontiguousarray(pixels).data)
            sys.stdout.buffer.flush()


def _start() -> subprocess.Popen[bytes] | None:
    """Start a process; None where it cannot be started."""
    if not sys.executable:
        return None
    where = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    try:
        return subprocess.Popen(
            [sys.executable, "-c", _PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=os.environ | where,
        )
    except OSError:
        return None


def _tell(
    process: subprocess.Popen[bytes] | None, chunks: Sequence[Sequence[str]], policy: Policy
) -> None:
    """Tell a process its files. This waits until it listens: a pipe holds few names."""
    if process is None:
        return
    head = {"policy": policy.to_dict(), "counts": [len(chunk) for chunk in chunks]}
    names = b"\0".join(os.fsencode(path) for chunk in chunks for path in chunk)
    assert process.stdin is not None
    with suppress(OSError), process.stdin as told:
        told.write(json.dumps(head).encode() + b"\n" + names)


def _answer(process: subprocess.Popen[bytes], policy: Policy) -> Result | None:
    """Read the next answer of a process; None where it has ended, or says what it must not."""
    assert process.stdout is not None
    try:
        facts_bytes, pixel_bytes = _SIZES.unpack(_whole(process.stdout, _SIZES.size))
        facts = Facts.read(io.BytesIO(_whole(process.stdout, facts_bytes)))
        pixels = np.frombuffer(_whole(process.stdout, pixel_bytes), np.uint8)
        shape = (len(facts.kept), policy.size, policy.size, policy.channels)
        return facts, pixels.reshape(shape)
    except (OSError, ValueError, KeyError, EOFError, MemoryError, OverflowError, BadZipFile):
        return None


def _whole(pipe: IO[bytes], count: int) -> bytes:
    content = pipe.read(count)
    if len(content) < count:
        raise EOFError
    return content


def _end(process: subprocess.Popen[bytes] | None) -> None:
    """End a process, whatever it is at."""
    if process is None:
        return
    process.kill()
    if process.stdout is not None:
        process.stdout.close()
    process.wait()
