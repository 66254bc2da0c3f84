"""The package: a folder that holds a trained model with all it needs to be used.

``save(folder, …)`` writes it, ``load(folder)`` reads it back as a ``Model`` with ``.predict``.
Names are loaded when first used, so that importing the room loads no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

_PLACES = {
    "Model": "gradatim.package.model",
    "Prediction": "gradatim.package.prediction",
    "load": "gradatim.package.loading",
    "save": "gradatim.package.saving",
}

__all__ = list(_PLACES)

if TYPE_CHECKING:
    from gradatim.package.loading import load as load
    from gradatim.package.model import Model as Model
    from gradatim.package.prediction import Prediction as Prediction
    from gradatim.package.saving import save as save


def __getattr__(name: str) -> Any:
    place = _PLACES.get(name)
    if place is None:
        raise AttributeError(f"module 'gradatim.package' has no attribute {name!r}")
    return getattr(import_module(place), name)


def __dir__() -> list[str]:
    return sorted(__all__)
