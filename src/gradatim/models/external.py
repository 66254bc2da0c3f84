"""Models from elsewhere by name: ``torchvision:NAME``, ``timm:NAME``, ``package.module:factory``.

The first two take a model of the library's own list, without weights. The third imports a module
and calls a function of it: code that the user names to be run. It gets the spec, where it has a
parameter of that name, and the options as keywords, and returns a ``torch.nn.Module``. Of a module
that was not built for the spec, an output layer of another size is made anew.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from types import ModuleType
from typing import Any

from torch import nn

from gradatim.core.spec import Spec
from gradatim.errors import UnknownNameError, UsageError, ValueRefusedError, closest
from gradatim.models.head import fit_outputs

LIBRARIES = ("torchvision", "timm")
FULL_INPUT = (3, 224, 224)
INTERPOLATIONS = ("bicubic", "bilinear")
WITH_HEADS = ("googlenet", "inception_v3")


def is_external(name: str) -> bool:
    """Return whether a model is named by where it comes from."""
    return ":" in name


def runs_code(name: str) -> bool:
    """Return whether building the model runs code outside of known libraries."""
    return is_external(name) and name.partition(":")[0] not in LIBRARIES


def build_external(name: str, spec: Spec | None, options: Mapping[str, Any]) -> nn.Module:
    """Build a model of a library or of the user's own.

    Args:
        name: ``library:model`` or ``package.module:factory``.
        spec: what enters and leaves it; None builds the library's own full size.
        options: keywords for the library's or the user's function.

    Raises:
        UsageError: the library is not installed, or the code cannot be imported or fails.
        UnknownNameError: the library has no such model, the module no such function.
        ValueRefusedError: an option is refused, or the model does not suit the data.
    """
    library, _, model = name.partition(":")
    if library == "torchvision":
        module = _from_torchvision(model, spec, dict(options))
    elif library == "timm":
        module = _from_timm(model, spec, dict(options))
    else:
        module = _from_code(name, library, model, spec, options)
    module.options = dict(options)  # type: ignore[assignment]
    return module


@dataclass(frozen=True)
class Look:
    """How the images were prepared that weights were made with.

    Attributes:
        settings: keys of the recipe, each a value and its reason; empty where nothing says it.
        classes: names of the outputs, in order; empty where they are not known.
        remarks: what the house does in another way, in sentences.
    """

    settings: Mapping[str, tuple[Any, str]] = field(default_factory=dict)
    classes: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


def pretrained_external(name: str, options: Mapping[str, Any]) -> tuple[nn.Module, Look]:
    """Return a model with the weights it comes with, and how its images were prepared.

    The libraries download and keep the weights themselves: of torchvision its default ones, of
    timm those of the name. The images of a function's module are prepared as a mapping
    ``pretrained_cfg`` or ``default_cfg`` of it says, as timm's are: ``input_size`` (channels,
    height, width), ``mean``, ``std`` and, where it is known, ``interpolation``.

    Raises:
        UsageError, UnknownNameError, ValueRefusedError: as ``build_external``; or the weights
            could not be downloaded.
    """
    library, _, model = name.partition(":")
    if library == "torchvision":
        models = _library("torchvision.models")
        _check_known(model, models.list_models(module=models), "torchvision")
        kept = _call(name, models.get_model_weights, model).DEFAULT
        module: nn.Module = _call(name, models.get_model, model, weights=kept, **options)
        transforms = kept.transforms()
        mean, std = tuple(transforms.mean), tuple(transforms.std)
        reason = f"torchvision's for {kept}"
        look = _look(3, transforms.crop_size[0], mean, std, reason)
        said = getattr(transforms.interpolation, "value", None)
        filtered, remarks = _interpolation(said, reason)
        look |= filtered
        return module, Look(look, tuple(kept.meta.get("categories", ())), remarks)
    if library == "timm":
        timm = _library("timm")
        _check_known(model.partition(".")[0], timm.list_models(), "timm")
        module = _call(name, timm.create_model, model, pretrained=True, **options)
    else:
        module = _from_code(name, library, model, None, options, weights=True)
    said = getattr(module, "pretrained_cfg", None) or getattr(module, "default_cfg", None)
    if not isinstance(said, Mapping) or not {"input_size", "mean", "std"} <= said.keys():
        return module, Look()
    channels, size = said["input_size"][0], said["input_size"][-1]
    mean, std = tuple(said["mean"]), tuple(said["std"])
    reason = f"{name} says so"
    filtered, remarks = _interpolation(said.get("interpolation"), reason)
    return module, Look(_look(channels, size, mean, std, reason) | filtered, (), remarks)


def _look(
    channels: int, size: int, mean: tuple[float, ...], std: tuple[float, ...], reason: str
) -> dict[str, tuple[Any, str]]:
    values = {"size": size, "channels": channels, "mean": mean, "std": std}
    return {f"data.{key}": (value, reason) for key, value in values.items()}


def _interpolation(said: Any, reason: str) -> tuple[dict[str, tuple[Any, str]], tuple[str, ...]]:
    """Return the setting for the filter of the weights, or the remark that it is not known here."""
    if said in INTERPOLATIONS:
        return {"data.interpolation": (said, reason)}, ()
    if said is None:
        return {}, ()
    return {}, (f"images are resized by the bicubic filter; the weights were made with {said}",)


def _from_torchvision(model: str, spec: Spec | None, options: dict[str, Any]) -> nn.Module:
    models = _library("torchvision.models")
    # Those of its other modules, for detection and segmentation, answer more than scores.
    names = models.list_models(module=models if spec is not None else None)
    _check_known(model, names, "torchvision")
    if "weights_backbone" in _parameters(models.get_model_builder(model)):
        options.setdefault("weights_backbone", None)  # otherwise it is fetched
    if spec is not None:
        _check_image(spec, channels=3)
        options.setdefault("num_classes", spec.outputs)
        if model in WITH_HEADS:  # they answer a tuple in training otherwise
            options.setdefault("aux_logits", False)
    module: nn.Module = _call(
        f"torchvision:{model}", models.get_model, model, weights=None, **options
    )
    vars(module)["full_input"] = FULL_INPUT
    return module


def _from_timm(model: str, spec: Spec | None, options: dict[str, Any]) -> nn.Module:
    timm = _library("timm")
    _check_known(model.partition(".")[0], timm.list_models(), "timm")
    if spec is not None:
        _check_image(spec)
        options = {"num_classes": spec.outputs, "in_chans": spec.shape[0], **options}
    module: nn.Module = _call(
        f"timm:{model}", timm.create_model, model, pretrained=False, **options
    )
    settings = getattr(module, "pretrained_cfg", None) or {}
    vars(module)["full_input"] = tuple(settings.get("input_size", FULL_INPUT))
    return module


def _from_code(
    name: str,
    module_name: str,
    factory_name: str,
    spec: Spec | None,
    options: Mapping[str, Any],
    *,
    weights: bool = False,
) -> nn.Module:
    try:
        module = import_module(module_name)
    except ModuleNotFoundError as error:
        raise UsageError(
            f"the module of the model cannot be imported ({error})",
            given=name,
            next_step="name it as package.module:factory, from a folder on the Python path",
        ) from error
    except Exception as error:  # whatever the user's own code raises
        raise UsageError(
            f"importing the module failed ({type(error).__name__}: {error})",
            given=name,
            next_step=f"correct it until `python -c 'import {module_name}'` works",
        ) from error
    factory = getattr(module, factory_name, None)
    if not callable(factory):
        functions = [
            key for key, value in vars(module).items() if callable(value) and key[0] != "_"
        ]
        raise UnknownNameError(
            f"the module {module_name} has no function or class of this name",
            given=factory_name,
            allowed=functions,
        )
    keywords = dict(options)
    takes_spec = "spec" in _parameters(factory)
    if weights and takes_spec and _required(factory, "spec"):
        raise UsageError(
            "a factory that brings weights is called without a spec, for the network as its "
            "weights were made; this one cannot do without",
            given=name,
            next_step=f"write `def {factory_name}(spec=None)` and return the network with its old "
            "output layer where spec is None; the new one is made for you",
        )
    if spec is not None and takes_spec:
        keywords["spec"] = spec
    built = _call(name, factory, **keywords)
    if not isinstance(built, nn.Module):
        raise UsageError(
            f"{name} returned something else than a torch.nn.Module",
            given=type(built).__name__,
        )
    if spec is not None and not takes_spec:
        fit_outputs(built, spec.shape, spec.outputs)
    return built


def _library(name: str) -> ModuleType:
    try:
        return import_module(name)
    except ImportError as error:
        package = name.partition(".")[0]
        raise UsageError(
            f"{package} is not installed",
            given=f"{package}:…",
            next_step=f"pip install 'gradatim[zoo]' or pip install {package}",
        ) from error


def _check_known(model: str, names: list[str], library: str) -> None:
    if model not in names:
        likely = closest(model, names)
        hint = f"did you mean {likely!r}? " if likely else ""
        listing = "timm" if library == "timm" else "torchvision.models"
        raise UnknownNameError(
            f"{library} has no model of this name",
            given=model,
            next_step=f"{hint}{listing}.list_models() lists all {len(names)}",
        )


def _check_image(spec: Spec, channels: int | None = None) -> None:
    if spec.kind != "image" or spec.task == "next-token":
        raise ValueRefusedError(
            "models of this library take images", given=f"{spec.kind} for {spec.task}"
        )
    if channels is not None and spec.shape[0] != channels:
        raise ValueRefusedError(
            "models of this library take colour images",
            given=f"{spec.shape[0]} channel",
            next_step="set data.channels=3",
        )


def _call(name: str, function: Callable[..., Any], *positional: Any, **keywords: Any) -> Any:
    """Call a library's or the user's function; what it raises becomes one message."""
    try:
        return function(*positional, **keywords)
    except Exception as error:
        raise ValueRefusedError(
            f"{name} cannot be built ({type(error).__name__}: {error})",
            given=", ".join(f"{key}={value!r}" for key, value in keywords.items() if key != "spec")
            or None,
            next_step="see its own documentation for the options it takes",
        ) from error


def _required(factory: Callable[..., Any], name: str) -> bool:
    return inspect.signature(factory).parameters[name].default is inspect.Parameter.empty


def _parameters(factory: Callable[..., Any]) -> frozenset[str]:
    try:
        return frozenset(inspect.signature(factory).parameters)
    except (TypeError, ValueError):
        return frozenset()
