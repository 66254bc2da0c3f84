"""What one pass over files learns of each: hashed, decoded, fitted, and its facts noted."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import numpy as np

from gradatim.data.decode import (
    FORMATS,
    TREATMENTS,
    VERSION,
    Decoded,
    Policy,
    decode,
    fit_to,
    to_channels,
)
from gradatim.data.reading import Rejected, read_bytes

DIGEST_BYTES = 16
"""128 bits: among a billion files the chance of one accidental equality is below 1e-20."""

_TREATMENT_BITS = {name: 1 << bit for bit, name in enumerate(TREATMENTS)}
_FORMAT_NUMBERS = {name: number for number, name in enumerate(FORMATS, start=1)}


@dataclass(frozen=True)
class Facts:
    """What is known of each file, in the order given; does not depend on what it is fitted to.

    Attributes:
        content: ``N x 16`` uint8, hash of each file's bytes.
        pixels: ``N x 16`` uint8, hash of each upright decoded picture with its size.
        sizes: ``N x 2`` int32, width and height of the upright picture; 0 where rejected.
        grey: ``N`` bool, whether the picture holds no colour.
        format: ``N`` uint8, 1 + position in ``FORMATS``; 0 where rejected.
        treated: ``N`` uint32, bit ``i`` is the i-th name of ``TREATMENTS``.
        reasons: row -> why the file is rejected.
    """

    content: np.ndarray
    pixels: np.ndarray
    sizes: np.ndarray
    grey: np.ndarray
    format: np.ndarray
    treated: np.ndarray
    reasons: dict[int, str]

    def __len__(self) -> int:
        return len(self.content)

    @property
    def kept(self) -> np.ndarray:
        """Rows of the files that are used, int64, ascending."""
        return np.flatnonzero(self.sizes[:, 0])

    @property
    def key(self) -> str:
        """Fingerprint of the content of all files in their order."""
        return content_key(self.content)

    def treatment(self, name: str) -> np.ndarray:
        """Return the rows of the files that had the treatment."""
        return np.flatnonzero(self.treated & _TREATMENT_BITS[name])

    @classmethod
    def joined(cls, facts: Sequence[Facts]) -> Facts:
        """Return the facts of files one after the other."""
        reasons: dict[int, str] = {}
        start = 0
        for some in facts:
            reasons |= {start + row: reason for row, reason in some.reasons.items()}
            start += len(some)
        arrays = {name: np.concatenate([getattr(f, name) for f in facts]) for name in _ARRAYS}
        return cls(**arrays, reasons=reasons)

    def to_bytes(self) -> bytes:
        """Return an ``.npz`` file."""
        content = io.BytesIO()
        reasons = np.frombuffer(json.dumps(self.reasons).encode(), dtype=np.uint8)
        np.savez(content, reasons=reasons, **{name: getattr(self, name) for name in _ARRAYS})
        return content.getvalue()

    @classmethod
    def read(cls, file: Path | io.BytesIO) -> Facts:
        """Read what ``to_bytes`` made, from a file or from memory."""
        with np.load(file, allow_pickle=False) as arrays:
            reasons = json.loads(arrays["reasons"].tobytes())
            columns = {name: arrays[name] for name in _ARRAYS}
        return cls(**columns, reasons={int(row): reason for row, reason in reasons.items()})


_ARRAYS = ("content", "pixels", "sizes", "grey", "format", "treated")


def content_of(path: str) -> tuple[bytes | Rejected, bytes]:
    """Return a file's bytes, or why there are none, and the hash of either."""
    content = _read(path)
    told = f"rejected {content}".encode() if isinstance(content, Rejected) else content
    return content, blake2b(told, digest_size=DIGEST_BYTES).digest()


def _read(path: str) -> bytes | Rejected:
    try:
        return read_bytes(path)
    except Rejected as fate:
        return fate


def read_chunk(
    paths: Sequence[str], policy: Policy, *, hashed: bool = True
) -> tuple[Facts, np.ndarray]:
    """Read, hash, decode and fit some files; return their facts and the pixels of the usable.

    Args:
        paths: of the files.
        policy: what the pictures are fitted to.
        hashed: else both hashes are zeros, for one who will not look for equal files.
    """
    count = len(paths)
    content, digests = bytearray(), bytearray()
    sizes = np.zeros((count, 2), dtype=np.int32)
    grey, treated = np.zeros(count, dtype=bool), np.zeros(count, dtype=np.uint32)
    form = np.zeros(count, dtype=np.uint8)
    reasons: dict[int, str] = {}
    pixels = np.empty((count, policy.size, policy.size, policy.channels), dtype=np.uint8)
    used = 0
    for row, path in enumerate(paths):
        read, digest = content_of(path) if hashed else (_read(path), bytes(DIGEST_BYTES))
        content += digest
        try:
            if isinstance(read, Rejected):
                raise read
            picture = decode(read, policy.reduced_side)
        except Rejected as fate:
            reasons[row] = fate.reason
            digests += bytes(DIGEST_BYTES)
            continue
        fitted = to_channels(picture.pixels, policy.channels)
        pixels[used] = fit_to(fitted, policy.size, policy.shape, policy.interpolation)
        used += 1
        digests += _picture_digest(picture) if hashed else bytes(DIGEST_BYTES)
        sizes[row] = picture.width, picture.height
        grey[row] = picture.grey
        form[row] = _FORMAT_NUMBERS[picture.format]
        treated[row] = sum(_TREATMENT_BITS[name] for name in picture.treatments)
    facts = Facts(
        np.frombuffer(content, dtype=np.uint8).reshape(count, DIGEST_BYTES),
        np.frombuffer(digests, dtype=np.uint8).reshape(count, DIGEST_BYTES),
        sizes,
        grey,
        form,
        treated,
        reasons,
    )
    return facts, pixels[:used]


def _picture_digest(picture: Decoded) -> bytes:
    """Hash the pixels with their arrangement, so that 2 x 8 and 4 x 4 pictures differ."""
    shape = f"{picture.width} {picture.height} {picture.pixels.shape}".encode()
    digest = blake2b(shape, digest_size=DIGEST_BYTES)
    digest.update(np.ascontiguousarray(picture.pixels).data)
    return digest.digest()


def content_key(content: np.ndarray) -> str:
    """Return the fingerprint of files by the hashes of their content, ``N x 16`` uint8."""
    return short_hash(f"{VERSION} {len(content)} ".encode() + content.tobytes())


def short_hash(content: bytes) -> str:
    """Return the fingerprint of any content as text."""
    return blake2b(content, digest_size=DIGEST_BYTES).hexdigest()
