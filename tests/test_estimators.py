import _thread
import pickle
import threading

import numpy as np
import polars as pl
import pytest
import torch
from scipy import sparse
from sklearn import datasets
from sklearn.base import clone
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from gradatim.errors import UnknownNameError, UsageError, ValueRefusedError
from gradatim.estimators import Classifier, Regressor


@parametrize_with_checks([Classifier(), Regressor()])
def test_scikit_learns_own_checks(estimator, check):
    check(estimator)


def parts(name):
    X, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    return train_test_split(X, y, random_state=0, test_size=0.3)


@pytest.mark.parametrize(("name", "least"), [("iris", 0.9), ("wine", 0.94), ("digits", 0.96)])
def test_a_classifier_learns_with_its_defaults(name, least):
    X, X_test, y, y_test = parts(name)
    assert Classifier(random_state=0).fit(X, y).score(X_test, y_test) >= least


def test_a_regressor_learns_with_its_defaults():
    X, X_test, y, y_test = parts("diabetes")
    assert Regressor(random_state=0).fit(X, y).score(X_test, y_test) >= 0.3
    # the mean of a standardised target is not what is predicted
    assert abs(Regressor(random_state=0).fit(X, y).predict(X_test).mean() - y.mean()) < 20


def test_a_model_of_images_takes_flat_pixels_with_their_shape():
    X, X_test, y, y_test = parts("digits")
    fitted = Classifier("lenet", shape=(1, 8, 8), epochs=12, random_state=0).fit(X, y)
    assert fitted.score(X_test, y_test) > 0.93
    assert any(isinstance(module, torch.nn.Conv2d) for module in fitted.module_.modules())


def test_pixels_are_standardised_by_channel():
    random = np.random.default_rng(0)
    X = np.concatenate([random.normal(5, 2, (50, 16)), random.normal(-1, 9, (50, 16))], axis=1)
    fitted = Classifier("majority", shape=(2, 4, 4)).fit(X, random.integers(0, 2, 50))
    standardised = fitted._standardise(X).reshape(50, 2, 16)
    np.testing.assert_allclose(standardised.mean(axis=(0, 2)), 0, atol=1e-6)
    np.testing.assert_allclose(standardised.std(axis=(0, 2)), 1, atol=1e-6)


def test_nearest_neighbours_are_those_of_scikit_learn():
    X, X_test, y, _ = parts("wine")
    found = Classifier("knn", options={"k": 5}, validation_share=0).fit(X, y).predict(X_test)
    witness = make_pipeline(StandardScaler(), KNeighborsClassifier(5, weights="uniform"))
    assert (found == witness.fit(X, y).predict(X_test)).mean() > 0.98  # ties are broken otherwise


def test_the_normal_equation_is_scikit_learns_linear_regression():
    X, X_test, y, _ = parts("diabetes")
    settings = {"options": {"solver": "normal-equation"}, "validation_share": 0}
    found = Regressor("linear", **settings).fit(X, y).predict(X_test)
    np.testing.assert_allclose(found, LinearRegression().fit(X, y).predict(X_test), rtol=1e-4)


def test_the_majority_is_scikit_learns_dummy():
    X, X_test, y, _ = parts("wine")
    found = Classifier("majority", validation_share=0).fit(X, y)
    witness = DummyClassifier(strategy="prior").fit(X, y)
    np.testing.assert_array_equal(found.predict(X_test), witness.predict(X_test))
    np.testing.assert_allclose(
        found.predict_proba(X_test), witness.predict_proba(X_test), rtol=1e-5
    )
    mean = Regressor("majority", validation_share=0).fit(X, y).predict(X_test)
    np.testing.assert_allclose(mean, DummyRegressor().fit(X, y).predict(X_test), atol=1e-6)


def small():
    return datasets.make_classification(120, 6, n_informative=4, random_state=0)


def quick(**settings):
    return Classifier(options={"hidden": [16]}, **{"epochs": 5, "random_state": 0, **settings})


def test_the_same_random_state_gives_the_same_bits_and_another_does_not():
    X, y = small()
    once, again, other = (quick(random_state=seed).fit(X, y).predict_proba(X) for seed in (1, 1, 2))
    assert np.array_equal(once, again)
    assert not np.array_equal(once, other)


def test_fitting_leaves_global_random_numbers_and_threads_alone():
    X, y = small()
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    numpy_state = np.random.get_state()[1].copy()
    quick().fit(X, y)
    assert torch.equal(state, torch.get_rng_state()) and threads == torch.get_num_threads()
    assert np.array_equal(numpy_state, np.random.get_state()[1])


def test_a_copy_from_a_file_predicts_the_same():
    X, y = small()
    fitted = quick().fit(X, y)
    copied = pickle.loads(pickle.dumps(fitted))
    assert np.array_equal(copied.predict_proba(X), fitted.predict_proba(X))


def test_labels_can_be_words_and_columns_can_have_names():
    X, y = small()
    names = [f"feature {i}" for i in range(6)]
    frame = pl.DataFrame(X, schema=names)
    words = np.array(["no", "yes"])[y]
    fitted = quick(epochs=30, learning_rate=0.03).fit(frame, words)
    assert fitted.feature_names_in_.tolist() == names and fitted.n_features_in_ == 6
    assert fitted.classes_.tolist() == ["no", "yes"]
    assert set(fitted.predict(frame)) == {"no", "yes"} and fitted.score(frame, words) > 0.8
    with pytest.raises(ValueError, match="feature names"):
        fitted.predict(frame.rename({"feature 0": "other"}))


def test_it_takes_part_in_pipelines_and_searches():
    X, y = small()
    pipeline = make_pipeline(MinMaxScaler(), quick())
    grid = {"classifier__learning_rate": [1e-6, 3e-3], "classifier__epochs": [20]}
    search = GridSearchCV(pipeline, grid, cv=2).fit(X, y)
    assert search.best_params_["classifier__learning_rate"] == 3e-3
    assert clone(search.best_estimator_[-1]).get_params()["epochs"] == 20


def test_parameters_reach_the_recipe():
    X, y = small()
    fitted = quick(
        batch_size=10,
        optimiser="nesterov",
        learning_rate=0.02,
        weight_decay=0.001,
        settings={"label_smoothing": 0.1, "class_weights": "balanced"},
    ).fit(X, y)
    chosen, data = fitted.recipe_.training, fitted.recipe_.data
    assert (chosen.optimiser, chosen.learning_rate, chosen.weight_decay) == (
        "nesterov",
        0.02,
        0.001,
    )
    assert (chosen.label_smoothing, chosen.class_weights) == (0.1, "balanced")
    assert (chosen.epochs, data.batch_size, fitted.n_iter_) == (5, 10, 5)
    assert fitted.recipe_.model.options == {"hidden": [16]}


def test_the_number_of_epochs_follows_from_the_number_of_samples():
    X, y = small()
    assert quick(epochs=None, batch_size=12, validation_share=0).fit(X, y).n_iter_ == 50
    assert quick(epochs=None, batch_size=1, validation_share=0).fit(X, y).n_iter_ == 10
    assert quick(epochs=None, batch_size=120, validation_share=0).fit(X, y).n_iter_ == 100


def test_early_stopping_ends_before_the_last_epoch():
    X, _ = small()
    noise = np.random.default_rng(0).integers(0, 2, len(X))
    settings = {"epochs": 300, "validation_share": 0.3, "early_stopping": 3}
    assert quick(**settings).fit(X, noise).n_iter_ < 100


def test_sparse_input_is_refused_in_words():
    X, y = small()
    with pytest.raises(TypeError, match="dense data is required"):
        quick().fit(sparse.csr_matrix(X), y)


@pytest.mark.parametrize(
    ("settings", "error", "text"),
    [
        ({"model": "mpl"}, UnknownNameError, "did you mean 'mlp'"),
        ({"settings": {"momentun": 0.9}}, UnknownNameError, "training.momentum"),
        ({"options": {"width": 3}}, UnknownNameError, "width"),
        ({"shape": (3, 2, 2)}, ValueRefusedError, "with 6 values together"),
        ({"model": "lenet"}, ValueRefusedError, "does not take this kind of sample"),
        ({"validation_share": 1.0}, ValueRefusedError, "validation_share is out of range"),
        ({"batch_size": 0}, ValueRefusedError, "data.batch_size is out of range"),
        ({"learning_rate": 1e30, "optimiser": "sgd"}, UsageError, "no longer a finite number"),
    ],
)
def test_wrong_parameters_are_said_in_words(settings, error, text):
    X, y = small()
    with pytest.raises(error) as raised:
        Classifier(**{"epochs": 5, "validation_share": 0, **settings}).fit(X, y)
    assert text in str(raised.value)


def test_a_stopped_fit_stops_what_it_is_part_of():
    X, y = small()
    timer = threading.Timer(0.5, _thread.interrupt_main)
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        quick(epochs=100_000).fit(X, y)
    timer.join()
