"""The models: one row a name, one readable file a network, resolved when used.

Importing this room loads no torch, so that the names can be listed at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from gradatim.core.registry import resolve
from gradatim.errors import UnknownNameError

if TYPE_CHECKING:
    from torch import nn

    from gradatim.core.spec import Spec

MODELS: dict[str, str] = {
    "majority": "gradatim.models.majority:Majority",
    "knn": "gradatim.models.knn:NearestNeighbours",
    "linear": "gradatim.models.linear:Linear",
    "perceptron": "gradatim.models.perceptron:Perceptron",
    "mlp": "gradatim.models.mlp:MLP",
    "lenet": "gradatim.models.lenet:LeNet",
    "alexnet": "gradatim.models.alexnet:AlexNet",
    "vgg11": "gradatim.models.vgg:VGG11",
    "vgg13": "gradatim.models.vgg:VGG13",
    "vgg16": "gradatim.models.vgg:VGG16",
    "vgg19": "gradatim.models.vgg:VGG19",
    "vgg11_bn": "gradatim.models.vgg:VGG11BN",
    "vgg13_bn": "gradatim.models.vgg:VGG13BN",
    "vgg16_bn": "gradatim.models.vgg:VGG16BN",
    "vgg19_bn": "gradatim.models.vgg:VGG19BN",
    "nin": "gradatim.models.nin:NiN",
    "googlenet": "gradatim.models.googlenet:GoogLeNet",
    "resnet18": "gradatim.models.resnet:ResNet18",
    "resnet34": "gradatim.models.resnet:ResNet34",
    "resnet50": "gradatim.models.resnet:ResNet50",
    "resnet101": "gradatim.models.resnet:ResNet101",
    "resnet152": "gradatim.models.resnet:ResNet152",
    "resnet9": "gradatim.models.resnet9:ResNet9",
    "resnet20": "gradatim.models.resnet_cifar:ResNet20",
    "resnet32": "gradatim.models.resnet_cifar:ResNet32",
    "resnet44": "gradatim.models.resnet_cifar:ResNet44",
    "resnet56": "gradatim.models.resnet_cifar:ResNet56",
    "resnet110": "gradatim.models.resnet_cifar:ResNet110",
    "bag": "gradatim.models.bag:BagOfTokens",
    "ngram": "gradatim.models.ngram:NGram",
    "rnn": "gradatim.models.rnn:RNN",
    "lstm": "gradatim.models.lstm:LSTM",
    "gru": "gradatim.models.gru:GRU",
}


def check_name(name: str) -> None:
    """Refuse a name that no model has, without loading torch.

    A name with a colon stands for a model from elsewhere; whether that is there shows when it is
    built.

    Raises:
        UnknownNameError: no such model; the closest one is named.
    """
    library, colon, model = name.partition(":")
    if name in MODELS or (colon and library and model):
        return
    raise UnknownNameError(
        "there is no model of this name",
        given=name,
        allowed=list(MODELS),
        next_step="`gradatim names models` lists them; torchvision:NAME, timm:NAME and "
        "package.module:factory name models from elsewhere",
    )


def build(name: str, spec: Spec, options: Mapping[str, Any] | None = None) -> nn.Module:
    """Build a model fitted to what enters and leaves it.

    Args:
        name: a row of ``MODELS``, or ``torchvision:NAME``, ``timm:NAME`` or
            ``package.module:factory`` (see ``models/external.py``).
        spec: shape of the input, kind of task, classes.
        options: options of the model's own; what is left out takes its default.

    Returns:
        A plain module that takes ``B x spec.shape`` and answers ``B x spec.outputs`` raw scores;
        ``.options`` holds every option as resolved.

    Raises:
        UnknownNameError: no such model, or the model has no such option.
        ValueRefusedError: a value is refused, or the model does not suit the data.
    """
    check_name(name)
    if ":" in name:
        from gradatim.models.external import build_external

        return build_external(name, spec, options or {})
    module: nn.Module = resolve(MODELS, name, "model").for_spec(spec, **(options or {}))
    return module


def full_size(name: str, options: Mapping[str, Any] | None = None) -> nn.Module:
    """Build a network as published, e.g. for 3 x 224 x 224 pixels and 1000 classes.

    The shape of its input is ``module.full_input``. Build it under ``torch.device("meta")`` where
    only its arithmetic is wanted: no memory is used then.

    Raises:
        UnknownNameError, ValueRefusedError: as ``build``.
    """
    check_name(name)
    if ":" in name:
        from gradatim.models.external import build_external

        return build_external(name, None, options or {})
    module: nn.Module = resolve(MODELS, name, "model").full_size(**(options or {}))
    return module
