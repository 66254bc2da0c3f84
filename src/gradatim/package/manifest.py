"""``package.json``: what a package says about itself, and whether this version can read it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from gradatim.errors import PackageError

SCHEMA = 1
MANIFEST = "package.json"
WEIGHTS = "weights.safetensors"
CARD = "card.md"

NEEDED = {"model": dict, "spec": dict, "preprocessing": dict, "files": dict}


def digest(path: Path) -> dict[str, Any]:
    """Return the size in bytes and the SHA-256 of a file."""
    with open(path, "rb") as file:
        return {
            "bytes": path.stat().st_size,
            "sha256": hashlib.file_digest(file, "sha256").hexdigest(),
        }


def read_manifest(folder: Path) -> dict[str, Any]:
    """Return what ``package.json`` says, checked to be whole and of a known schema.

    Raises:
        PackageError: the folder is no package, or a newer one, or a part of it is damaged.
    """
    path = folder / MANIFEST
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise PackageError(
            f"this is no model package: it has no {MANIFEST}",
            given=folder,
            next_step="give a run folder, or the folder model/ inside one",
        ) from error
    except (OSError, ValueError) as error:
        raise damaged(folder, f"{MANIFEST} cannot be read ({error})") from error
    if not isinstance(content, dict) or not isinstance(content.get("schema"), int):
        raise PackageError(
            f"this is no model package: {MANIFEST} is of another kind",
            given=folder,
            next_step="give a run folder, or the folder model/ inside one",
        )
    if content["schema"] > SCHEMA:
        raise PackageError(
            f"this package was written by a newer version ({content.get('gradatim', 'unknown')})",
            given=f"schema {content['schema']}",
            allowed=f"schema {SCHEMA} and older",
            next_step="update gradatim",
        )
    for name, kind in NEEDED.items():
        if not isinstance(content.get(name), kind):
            raise damaged(folder, f"{MANIFEST} lacks {name}")
    _check_files(folder, content["files"])
    return content


def _check_files(folder: Path, files: dict[str, Any]) -> None:
    """Compare size and checksum of every file the package names."""
    if WEIGHTS not in files:
        raise damaged(folder, f"{MANIFEST} does not name {WEIGHTS}")
    for name, expected in files.items():
        path = folder / name
        if Path(name).name != name or not path.is_file():
            raise damaged(folder, f"{name} is missing")
        if digest(path) != expected:
            raise damaged(folder, f"{name} is not as it was written (size or checksum differ)")


def damaged(folder: Path, why: str) -> PackageError:
    """Return the error for a package that cannot be used any more."""
    return PackageError(
        f"the package is damaged: {why}",
        given=folder,
        next_step="copy the whole folder again from where it was made",
    )
