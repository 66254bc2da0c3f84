"""The scikit-learn face: the house's models and its loop as estimators.

    from gradatim import Classifier
    Classifier("mlp", random_state=0).fit(X, y).score(X_test, y_test)

They take part in everything scikit-learn offers: pipelines, cross-validation, searches over
parameters. Features are standardised inside.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import nn

from gradatim import models, training
from gradatim.core.recipe import Recipe
from gradatim.core.spec import Spec, Task
from gradatim.data.audit import Audit
from gradatim.data.batches import Batches
from gradatim.data.dataset import Prepared, Split
from gradatim.data.preprocessing import Preprocessing
from gradatim.errors import UsageError, ValueRefusedError
from gradatim.experiments import defaults

STEPS = 500
"""Optimiser steps aimed at when the number of epochs is not given ..."""
LEAST_EPOCHS, MOST_EPOCHS = 10, 100
"""... within these bounds."""

VALIDATION_SHARE, LEAST_HELD_OUT = 0.1, 10
"""Held out when the share is not given, and the fewest samples it is done with."""

PREDICTED_AT_ONCE = 1024
"""Samples."""


class _Estimator(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """What classifier and regressor share: the parameters, and fitting a module to arrays."""

    def __init__(
        self,
        model: str = "mlp",
        *,
        options: Mapping[str, Any] | None = None,
        shape: Sequence[int] | None = None,
        epochs: int | None = None,
        batch_size: int | None = None,
        optimiser: str | None = None,
        learning_rate: float | None = None,
        weight_decay: float | None = None,
        validation_share: float | None = None,
        early_stopping: int = 0,
        settings: Mapping[str, Any] | None = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.model = model
        self.options = options
        self.shape = shape
        self.epochs = epochs
        self.batch_size = batch_size
        self.optimiser = optimiser
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.validation_share = validation_share
        self.early_stopping = early_stopping
        self.settings = settings
        self.random_state = random_state

    def _fit(self, X: np.ndarray, targets: np.ndarray, task: Task, classes: Sequence[str]) -> Self:
        """Fit to samples ``N x D`` and class indices, or standardised values."""
        shape = self._input_shape(X.shape[1])
        self._centre, self._spread = _statistics(X, channels=shape[0] if self.shape else None)
        seed = int(check_random_state(self.random_state).randint(2**31))
        spec = Spec(task, "image" if self.shape else "vector", shape, tuple(classes))
        prepared = self._prepare(self._standardise(X), targets, spec, seed)
        samples = len(prepared.split.train)
        recipe = defaults.settle(self._recipe(samples, seed), spec, samples, self.model)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = models.build(self.model, spec, recipe.model.options)
        module = nn.Sequential(nn.Unflatten(1, shape), network) if self.shape else network
        batch_size = int(recipe.get("data.batch_size"))
        batches = Batches(prepared, "train", batch_size=batch_size, seed=seed, shuffle=True)
        validation = Batches(prepared, "validation", batch_size=batch_size, shuffle=False)
        if getattr(network, "solved", False):
            self._solve(network, batches, validation)
            self.n_iter_, self.recipe_ = 1, recipe
        else:
            self._descend(module, batches, validation, recipe, spec)
        self.module_ = module.cpu().eval()
        if next(module.parameters(), None) is not None:
            # in double precision an answer does not depend on which samples are asked together
            module.double()
        return self

    def _input_shape(self, features: int) -> tuple[int, ...]:
        if self.shape is None:
            return (features,)
        shape = tuple(int(size) for size in self.shape)
        if len(shape) != 3 or math.prod(shape) != features:
            raise ValueRefusedError(
                "the shape does not fit the features",
                given=shape,
                allowed=f"(channels, height, width) with {features} values together",
            )
        return shape

    def _prepare(self, X: np.ndarray, targets: np.ndarray, spec: Spec, seed: int) -> Prepared:
        features = X.shape[1]
        train, validation = np.arange(len(X)), np.arange(0)
        held_out = self._held_out(len(X))
        if held_out:
            stratify = spec.classes and held_out >= len(spec.classes) <= np.bincount(targets).min()
            train, validation = train_test_split(
                train,
                test_size=held_out,
                random_state=seed,
                stratify=targets if stratify else None,
            )
        return Prepared(
            # the arrays stay flat; the module gives images their shape
            spec=Spec(spec.task, "vector", (features,), spec.classes),
            inputs=X,
            targets=targets,
            names=range(len(X)),  # type: ignore[arg-type]  # nobody asks for them
            split=Split(np.sort(train), np.sort(validation), np.arange(0)),
            preprocessing=Preprocessing("vector", (0.0,) * features, (1.0,) * features),
            audit=Audit("arrays", "vector", len(X), len(X)),
            key="",
        )

    def _held_out(self, samples: int) -> int:
        """Return the number of samples the best epoch is chosen on."""
        if self.validation_share is None:
            held_out = round(VALIDATION_SHARE * samples)
            return held_out if held_out >= LEAST_HELD_OUT else 0
        held_out = round(self.validation_share * samples)
        if not 0 <= held_out < samples:
            raise ValueRefusedError(
                "validation_share is out of range", given=self.validation_share, allowed="[0, 1)"
            )
        return held_out

    def _recipe(self, samples: int, seed: int) -> Recipe:
        """Return what the parameters say; what they leave open is None."""
        recipe = Recipe(seed=seed).with_values(
            {f"training.{key}": value for key, value in (self.settings or {}).items()}
        )
        recipe = recipe.with_values(
            {f"model.{key}": value for key, value in (self.options or {}).items()}
        )
        given = {
            "model.name": self.model,
            "data.batch_size": self.batch_size,
            "training.epochs": self.epochs,
            "training.optimiser": self.optimiser,
            "training.learning_rate": self.learning_rate,
            "training.weight_decay": self.weight_decay,
            "training.early_stopping": self.early_stopping or None,
        }
        recipe = recipe.with_values({k: v for k, v in given.items() if v is not None})
        steps = math.ceil(
            samples / (recipe.data.batch_size or defaults.batch_size(samples, self.model))
        )
        epochs = min(max(math.ceil(STEPS / steps), LEAST_EPOCHS), MOST_EPOCHS)
        return recipe.filled({"training.epochs": epochs}, f"about {STEPS} steps")

    def _solve(self, network: Any, batches: Batches, validation: Batches) -> None:
        if self.model == "knn" and validation.samples:
            network.solve(batches, validation)
        else:
            network.solve(batches)

    def _descend(
        self, module: nn.Module, batches: Batches, validation: Batches, recipe: Recipe, spec: Spec
    ) -> None:
        trained = training.train(
            module,
            batches,
            validation=validation if validation.samples else None,
            recipe=recipe,
            spec=spec,
        )
        if trained.reason == "interrupted":
            raise KeyboardInterrupt
        if trained.reason == "non-finite" and not trained.best_epoch:
            raise UsageError(
                "the loss was no longer a finite number",
                given=f"learning rate {trained.recipe.training.learning_rate}",
                next_step="give a smaller learning_rate, or settings={'clip': 1.0}",
            )
        self.n_iter_, self.recipe_ = trained.epoch, trained.recipe

    def _standardise(self, X: np.ndarray) -> np.ndarray:
        standardised: np.ndarray = ((X - self._centre) / self._spread).astype(np.float32)
        return standardised

    def _scores(self, X: ArrayLike) -> torch.Tensor:
        """Return the module's answers, ``N x outputs`` float64."""
        check_is_fitted(self)
        checked = validate_data(self, X, reset=False, dtype=(np.float64, np.float32))
        weights = next(self.module_.parameters(), torch.empty(0))
        parts = np.array_split(checked, -(-len(checked) // PREDICTED_AT_ONCE))
        with torch.inference_mode():
            inputs = (torch.from_numpy(self._standardise(part)).to(weights) for part in parts)
            return torch.cat([self.module_(part) for part in inputs]).double()


class Classifier(ClassifierMixin, _Estimator):  # type: ignore[misc]
    """A classifier of scikit-learn over the models and the loop of this package.

    Args:
        model: name in ``gradatim.models.MODELS``.
        options: of the model, e.g. ``{"hidden": [64, 64]}``.
        shape: ``(channels, height, width)`` where the features are the pixels of images in this
            order; models for images need it.
        epochs: passes over the samples; when None, so many that about 500 steps are made, at
            least 10 and at most 100.
        batch_size: samples in a step; chosen by the number of samples when None.
        optimiser: name in ``gradatim.training.OPTIMISERS``; that of the model when None.
        learning_rate: the largest of the schedule; that of the model when None.
        weight_decay: that of the model when None.
        validation_share: share of the samples that is held out to choose the best epoch (and the
            number of neighbours of ``knn``); 0 trains on all and takes the last epoch. When None,
            0.1 where that is at least 10 samples, else 0.
        early_stopping: epochs without a better validation metric before stopping; 0 is off.
        settings: further keys of ``TrainingRecipe``, e.g. ``{"label_smoothing": 0.1}``.
        random_state: seed of the first weights, the order and the held-out samples.

    Attributes:
        classes_: the labels, sorted.
        module_: the trained ``torch.nn.Module`` (double precision, evaluation mode); it takes
            standardised features ``B x D``.
        recipe_: every choice made, each with its reason.
        n_iter_: epochs trained.
        n_features_in_: number of features.
        feature_names_in_: their names, where they were given as columns of a data frame.
    """

    classes_: np.ndarray

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Fit to samples ``N x D`` and N labels.

        Raises:
            ValueError: X or y cannot be used (scikit-learn's own checks).
            UnknownNameError, ValueRefusedError: a parameter that cannot be used.
            UsageError: the loss diverged.
        """
        inputs, labels = validate_data(self, X, y, dtype=(np.float64, np.float32))
        check_classification_targets(labels)
        self.classes_, indices = np.unique(labels, return_inverse=True)
        return self._fit(inputs, indices, "classification", [str(name) for name in self.classes_])

    def predict_proba(self, X: ArrayLike) -> np.ndarray:
        """Return the probabilities of the classes, ``N x K`` float64, in the order of classes_."""
        probabilities: np.ndarray = self._scores(X).softmax(dim=1).numpy()
        return probabilities

    def predict(self, X: ArrayLike) -> np.ndarray:
        """Return N labels."""
        most_probable = self.predict_proba(X).argmax(axis=1)
        labels: np.ndarray = self.classes_[most_probable]
        return labels


class Regressor(RegressorMixin, _Estimator):  # type: ignore[misc]
    """A regressor of scikit-learn over the models and the loop of this package.

    Targets are standardised inside. Args and attributes are those of ``Classifier``, without
    classes; ``score`` is the coefficient of determination.
    """

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Fit to samples ``N x D`` and N values.

        Raises:
            ValueError: X or y cannot be used (scikit-learn's own checks).
            UnknownNameError, ValueRefusedError: a parameter that cannot be used.
            UsageError: the loss diverged.
        """
        inputs, targets = validate_data(self, X, y, dtype=(np.float64, np.float32), y_numeric=True)
        values = np.asarray(targets, np.float64)
        self._target_mean, self._target_spread = float(values.mean()), float(values.std()) or 1.0
        standardised = ((values - self._target_mean) / self._target_spread).astype(np.float32)
        return self._fit(inputs, standardised, "regression", ())

    def predict(self, X: ArrayLike) -> np.ndarray:
        """Return N values, float64."""
        scores: np.ndarray = self._scores(X).reshape(-1).numpy()
        return scores * self._target_spread + self._target_mean


def _statistics(X: np.ndarray, channels: int | None) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and standard deviation of every feature, or of its channel; 1 for constants."""
    values = X.astype(np.float64)
    if channels is None:
        mean, std = values.mean(axis=0), values.std(axis=0)
    else:
        by_channel = values.reshape(len(X), channels, -1)
        pixels = by_channel.shape[2]
        mean = np.repeat(by_channel.mean(axis=(0, 2)), pixels)
        std = np.repeat(by_channel.std(axis=(0, 2)), pixels)
    return mean, np.where(std > 0, std, 1.0)
