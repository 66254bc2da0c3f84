"""Deep learning, step by step.

Every verb of the command line is a function here, loaded when first used, so that
``import gradatim`` loads no torch::

    run = gradatim.fit("photos/", budget="10m")
    gradatim.load(run.folder).predict("cat.jpg")
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_PLACES = {
    "GradatimError": "gradatim.errors",
    "Recipe": "gradatim.core.recipe",
    "Record": "gradatim.core.record",
    "Spec": "gradatim.core.spec",
    "Classifier": "gradatim.estimators",
    "Regressor": "gradatim.estimators",
    "audit": "gradatim.verbs",
    "cache": "gradatim.verbs",
    "compare": "gradatim.verbs",
    "diagnose": "gradatim.verbs",
    "evaluate": "gradatim.verbs",
    "explain": "gradatim.verbs",
    "tune": "gradatim.verbs",
    "fit": "gradatim.verbs",
    "load": "gradatim.verbs",
    "names": "gradatim.verbs",
    "predict": "gradatim.verbs",
    "report": "gradatim.verbs",
    "resume": "gradatim.verbs",
    "train": "gradatim.training",
    "watch": "gradatim.verbs",
}

__all__ = ["__version__", *_PLACES]

if TYPE_CHECKING:
    from gradatim.core.recipe import Recipe as Recipe
    from gradatim.core.record import Record as Record
    from gradatim.core.spec import Spec as Spec
    from gradatim.errors import GradatimError as GradatimError
    from gradatim.estimators import Classifier as Classifier
    from gradatim.estimators import Regressor as Regressor
    from gradatim.training import train as train
    from gradatim.verbs import audit as audit
    from gradatim.verbs import cache as cache
    from gradatim.verbs import compare as compare
    from gradatim.verbs import diagnose as diagnose
    from gradatim.verbs import evaluate as evaluate
    from gradatim.verbs import explain as explain
    from gradatim.verbs import fit as fit
    from gradatim.verbs import load as load
    from gradatim.verbs import names as names
    from gradatim.verbs import predict as predict
    from gradatim.verbs import report as report
    from gradatim.verbs import resume as resume
    from gradatim.verbs import tune as tune
    from gradatim.verbs import watch as watch


def __getattr__(name: str) -> Any:
    place = _PLACES.get(name)
    if place is None:
        raise AttributeError(f"module 'gradatim' has no attribute {name!r}")
    return getattr(import_module(place), name)


def __dir__() -> list[str]:
    return sorted(__all__)
