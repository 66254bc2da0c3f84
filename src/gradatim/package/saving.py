"""Writing a package: whole, or not at all."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import nn

from gradatim.core.files import disk_errors, write_json, write_text
from gradatim.core.spec import Spec
from gradatim.data.preprocessing import Preprocessing
from gradatim.errors import PackageError
from gradatim.models.weights import save_weights
from gradatim.package.card import model_card
from gradatim.package.manifest import CARD, MANIFEST, SCHEMA, WEIGHTS, digest

FACTS = ("source", "samples", "metrics", "notes")


def save(
    folder: Path,
    model: nn.Module,
    name: str,
    options: Mapping[str, Any],
    spec: Spec,
    preprocessing: Preprocessing,
    facts: Mapping[str, Any] | None = None,
) -> Path:
    """Write a package: weights, architecture, preprocessing, class names and model card.

    The folder is built beside its place and then renamed, so that a crash leaves the old package
    or the new one. A package that is there already is replaced.

    Args:
        folder: where to write, e.g. ``runs/NAME/model``.
        model: the trained module.
        name: its name in ``MODELS``, or as given by the user.
        options: its options as resolved (``model.options``).
        spec: what enters and leaves it.
        preprocessing: turns a raw input into a model input.
        facts: what the card and ``package.json`` tell besides: ``source`` (text), ``samples``
            (part: count), ``metrics`` (a list of ``{name, part, value, low, high, samples,
            baseline}``) and ``notes`` (sentences); any other key is kept in ``package.json``.

    Returns:
        The folder.

    Raises:
        PackageError: a folder with other content is at this place.
        DiskError: the disk is full or the place cannot be written.
    """
    folder = Path(folder)
    if folder.exists() and not (folder / MANIFEST).is_file() and any(folder.iterdir()):
        raise PackageError(
            "a folder that is no package is at this place; it is left alone",
            given=folder,
            next_step="choose another folder",
        )
    manifest = {
        **(facts or {}),
        "schema": SCHEMA,
        "gradatim": version("gradatim"),
        "torch": torch.__version__,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "model": {
            "name": name,
            "options": dict(options),
            "parameters": sum(parameter.numel() for parameter in model.parameters()),
        },
        "spec": spec.to_dict(),
        "preprocessing": preprocessing.to_dict(),
    }
    with disk_errors(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        built = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".tmp", dir=folder.parent))
        try:
            save_weights(model, built / WEIGHTS)
            manifest["files"] = {WEIGHTS: digest(built / WEIGHTS)}
            write_text(built / CARD, model_card(manifest))
            write_json(built / MANIFEST, manifest)
            built.chmod(0o755)  # mkdtemp makes folders for their owner only
            _put(built, folder)
        except BaseException:
            shutil.rmtree(built, ignore_errors=True)
            raise
    return folder


def _put(built: Path, folder: Path) -> None:
    """Rename the folder to its place; what was there steps aside first and is then removed."""
    old = set_aside(folder)
    if folder.exists():
        shutil.rmtree(old, ignore_errors=True)
        folder.replace(old)
    built.replace(folder)
    shutil.rmtree(old, ignore_errors=True)


def set_aside(folder: Path) -> Path:
    """Return where a package steps aside to while a new one takes its place.

    A crash between the two renames leaves the package there, and ``load`` finds it.
    """
    return folder.parent / f".{folder.name}.old"
