"""Reading a package: every version that was ever written stays readable."""

from __future__ import annotations

from pathlib import Path

from gradatim.core.spec import Spec
from gradatim.data.preprocessing import Preprocessing
from gradatim.errors import PackageError, UsageError, WeightsError
from gradatim.models import build
from gradatim.models.external import runs_code
from gradatim.models.weights import load_weights
from gradatim.package.manifest import MANIFEST, WEIGHTS, damaged, read_manifest
from gradatim.package.model import Model
from gradatim.package.saving import set_aside


def load(folder: Path | str, *, run_code: bool = False) -> Model:
    """Read a package back as a model in eval mode, on the processor.

    Nothing of the package is run: the model is built by this version from its name and options.
    A model of the user's own (``package.module:factory``) has no other name than its code, so
    that code has to be allowed.

    Args:
        folder: a package, or a run folder with its package in ``model/``.
        run_code: import the module that the package names and call its function.

    Raises:
        PackageError: no package is there, it is damaged, it is newer than this version, or it
            names code and ``run_code`` is False.
    """
    folder = find(Path(folder))
    manifest = read_manifest(folder)
    try:
        spec = Spec.from_dict(manifest["spec"])
        preprocessing = Preprocessing.from_dict(manifest["preprocessing"])
        name, options = manifest["model"]["name"], manifest["model"]["options"]
    except (KeyError, TypeError, ValueError) as error:
        raise damaged(folder, f"{MANIFEST} does not describe a model ({error!r})") from error
    if runs_code(name) and not run_code:
        raise PackageError(
            f"the model of this package is built by code of your own: {name}",
            given=folder,
            next_step="where you trust it, gradatim.package.load(folder, run_code=True)",
        )
    try:
        module = build(name, spec, options)
        load_weights(module, folder / WEIGHTS)
    except UsageError as error:
        raise PackageError(
            f"this version cannot build the model of the package: {error.message()}",
            given=folder,
            next_step="use the version of gradatim that is named in package.json",
        ) from error
    except WeightsError as error:
        raise damaged(folder, error.message()) from error
    return Model(module.eval(), name, spec, preprocessing, manifest)


def find(folder: Path) -> Path:
    """Return the package itself, given it or the run folder around it.

    Raises:
        PackageError: neither is there.
    """
    inner = folder / "model"
    for candidate in (folder, inner, set_aside(folder), set_aside(inner)):
        if (candidate / MANIFEST).is_file():
            return candidate
    if not folder.is_dir():
        raise PackageError(
            "no folder is there", given=folder, next_step="give a run folder or a model package"
        )
    raise PackageError(
        f"this is no model package: it has no {MANIFEST}",
        given=folder,
        next_step="give a run folder that finished, or the folder model/ inside one",
    )
