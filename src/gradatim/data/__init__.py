"""From a source to batches: sources, audit, store, split, preprocessing, augmentation.

Names are loaded when first used, so that listing sources loads neither torch nor polars.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

_PLACES = {
    "Audit": "gradatim.data.audit",
    "Augmentation": "gradatim.data.augment",
    "Batch": "gradatim.data.batches",
    "Batches": "gradatim.data.batches",
    "Part": "gradatim.data.dataset",
    "Prepared": "gradatim.data.dataset",
    "Preprocessing": "gradatim.data.preprocessing",
    "SOURCES": "gradatim.data.sources",
    "Split": "gradatim.data.dataset",
    "audit_card": "gradatim.data.preparation",
    "audit_source": "gradatim.data.preparation",
    "prepare": "gradatim.data.preparation",
    "prepare_for": "gradatim.data.preparation",
}

__all__ = list(_PLACES)

if TYPE_CHECKING:
    from gradatim.data.audit import Audit as Audit
    from gradatim.data.augment import Augmentation as Augmentation
    from gradatim.data.batches import Batch as Batch
    from gradatim.data.batches import Batches as Batches
    from gradatim.data.dataset import Part as Part
    from gradatim.data.dataset import Prepared as Prepared
    from gradatim.data.dataset import Split as Split
    from gradatim.data.preparation import audit_card as audit_card
    from gradatim.data.preparation import audit_source as audit_source
    from gradatim.data.preparation import prepare as prepare
    from gradatim.data.preparation import prepare_for as prepare_for
    from gradatim.data.preprocessing import Preprocessing as Preprocessing
    from gradatim.data.sources import SOURCES as SOURCES


def __getattr__(name: str) -> Any:
    place = _PLACES.get(name)
    if place is None:
        raise AttributeError(f"module 'gradatim.data' has no attribute {name!r}")
    return getattr(import_module(place), name)


def __dir__() -> list[str]:
    return sorted(__all__)
