"""The data sets that come with scikit-learn: small, real, always there."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn import datasets

from gradatim.data.raw import RawArrays
from gradatim.data.sources import Request


def digits(request: Request) -> RawArrays:
    """1,797 handwritten digits of 8 x 8 pixels (Alpaydin and Kaynak, UCI, 1998)."""
    data = datasets.load_digits()
    pixels = np.rint(data.images * (255.0 / 16.0)).astype(np.uint8)
    return RawArrays(
        name="digits",
        inputs=pixels[..., None],
        targets=data.target.astype(np.int64),
        classes=tuple(str(name) for name in data.target_names),
        notes=["pixels of 17 grey levels, 0 to 16, scaled to 0 to 255"],
        target="digit",
        pixel_range=(0.0, 16.0),
    )


def iris(request: Request) -> RawArrays:
    """150 irises of three species by four measures in cm (Fisher, 1936)."""
    return _classes("iris", datasets.load_iris(), "species")


def wine(request: Request) -> RawArrays:
    """178 wines of three cultivars by thirteen chemical measures (Forina et al., 1991)."""
    return _classes("wine", datasets.load_wine(), "cultivar")


def breast_cancer(request: Request) -> RawArrays:
    """569 tumours, malignant or benign, by thirty measures of cell nuclei (Street et al., 1993)."""
    return _classes("breast-cancer", datasets.load_breast_cancer(), "diagnosis")


def diabetes(request: Request) -> RawArrays:
    """442 patients by ten measures; the progression of their disease (Efron et al., 2004)."""
    data = datasets.load_diabetes(scaled=False)
    return RawArrays(
        name="diabetes",
        inputs=data.data.astype(np.float32),
        targets=data.target.astype(np.float32),
        features=tuple(data.feature_names),
        target="disease progression one year after baseline",
    )


def _classes(name: str, data: Any, target: str) -> RawArrays:
    return RawArrays(
        name=name,
        inputs=data.data.astype(np.float32),
        targets=data.target.astype(np.int64),
        classes=tuple(str(label) for label in data.target_names),
        features=tuple(str(feature) for feature in data.feature_names),
        target=target,
    )
