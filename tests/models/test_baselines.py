"""Models that are solved: majority, nearest neighbours, linear regression."""

import math

import numpy as np
import pytest
import torch
from sklearn.datasets import load_diabetes, load_digits
from sklearn.linear_model import LinearRegression
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor

from gradatim.core.spec import Spec
from gradatim.errors import ValueRefusedError
from gradatim.models import build, knn
from gradatim.models.knn import NearestNeighbours
from gradatim.models.linear import Linear
from gradatim.models.majority import Majority
from gradatim.models.weights import load_weights, save_weights

ROW = Spec("classification", "vector", (4,), ("a", "b", "c"))
NUMBER = Spec("regression", "vector", (4,))


def batches(x, y, size=100):
    x, y = torch.as_tensor(x), torch.as_tensor(y)
    return [(x[i : i + size], y[i : i + size]) for i in range(0, len(x), size)]


@pytest.fixture(scope="module")
def digits():
    x, y = load_digits(return_X_y=True)
    x = x.astype(np.float32) / 16
    order = np.random.default_rng(0).permutation(len(x))
    x, y = x[order], y[order]
    return (x[:1200], y[:1200]), (x[1200:], y[1200:])


# --- majority -----------------------------------------------------------------------------------


def test_majority_answers_the_shares():
    module = Majority.for_spec(ROW)
    facts = module.solve([(torch.zeros(3, 4), torch.tensor([0, 0, 1])), (None, torch.tensor([0]))])
    shares = module(torch.randn(5, 4)).softmax(dim=1)
    assert facts == {"samples": 4.0, "largest_share": pytest.approx(3 / 4.5)}
    assert torch.allclose(shares, torch.tensor([3.0, 1.0, 0.5]) / 4.5)
    loss = torch.nn.functional.cross_entropy(module(torch.zeros(4, 4)), torch.tensor([0, 0, 1, 0]))
    assert float(loss) == pytest.approx(-(3 * math.log(3 / 4.5) + math.log(1 / 4.5)) / 4)


def test_majority_of_a_number_is_its_mean():
    module = Majority.for_spec(NUMBER)
    module.solve([(torch.zeros(2, 4), torch.tensor([1.0, 2.0])), (None, torch.tensor([6.0]))])
    assert torch.equal(module(torch.randn(2, 4)), torch.full((2, 1), 3.0))


# --- nearest neighbours -------------------------------------------------------------------------


@pytest.mark.parametrize("metric", ["l1", "l2", "cosine"])
def test_neighbours_are_those_of_scikit_learn(digits, metric):
    (x, y), (queries, _) = digits
    name = {"l1": "manhattan", "l2": "euclidean", "cosine": "cosine"}[metric]
    theirs = KNeighborsClassifier(7, metric=name, algorithm="brute").fit(x.astype(np.float64), y)
    distances, _ = theirs.kneighbors(queries.astype(np.float64))
    spec = Spec("classification", "image", (1, 8, 8), tuple("0123456789"))
    module = build("knn", spec, {"k": 7, "metric": metric})
    module.solve(batches(x.reshape(-1, 1, 8, 8), y))
    mine, indices = module.nearest(torch.from_numpy(queries).reshape(-1, 1, 8, 8), 7)
    # Samples at equal distance may come in any order, so distances are compared.
    assert np.allclose(mine, distances, rtol=1e-4, atol=1e-6)
    direct = np.abs(x[indices[3]] - queries[3]).sum(1)
    if metric == "l1":
        assert np.allclose(direct, mine[3], rtol=1e-5)
    shares = module(torch.from_numpy(queries).reshape(-1, 1, 8, 8)).softmax(dim=1).numpy()
    agree = (shares.argmax(1) == theirs.predict(queries)).mean()
    assert agree > 0.99
    assert (
        np.abs(shares - theirs.predict_proba(queries)).max() < 0.16
    )  # one vote, at equal distances
    assert np.median(np.abs(shares - theirs.predict_proba(queries))) < 0.003


def test_blocks_do_not_change_the_answer(digits, monkeypatch):
    (x, y), (queries, _) = digits
    spec = Spec("classification", "vector", (64,), tuple("0123456789"))
    module = NearestNeighbours.for_spec(spec, k=5)
    module.solve(batches(x, y))
    whole = module.nearest(torch.from_numpy(queries), 5)
    monkeypatch.setattr(knn, "BLOCK", 37 * 64)
    monkeypatch.setattr(knn, "QUERIES", 11)
    parts = module.nearest(torch.from_numpy(queries), 5)
    assert torch.allclose(whole[0], parts[0], atol=1e-6)


def test_close_samples_far_from_zero_are_told_apart():
    """The product form alone loses these distances: 1 against norms of 10^8."""
    torch.manual_seed(0)
    far = torch.full((1, 50), 10_000.0)
    x = far + torch.randn(6, 50) * torch.tensor([6.0, 5.0, 4.0, 3.0, 2.0, 1.0])[:, None]
    spec = Spec("classification", "vector", (50,), tuple("abcdef"))
    module = NearestNeighbours.for_spec(spec, k=3)
    module.solve([(x, torch.arange(6))])
    truth = (x.double() - far.double()).norm(dim=1)
    distances, indices = module.nearest(far, 3)
    assert indices[0].tolist() == truth.argsort()[:3].tolist()
    assert torch.allclose(distances[0].double(), truth.sort().values[:3], rtol=1e-6)


def test_k_is_chosen_on_the_validation_samples(digits):
    (x, y), (queries, truth) = digits
    spec = Spec("classification", "vector", (64,), tuple("0123456789"))
    module = NearestNeighbours.for_spec(spec)
    facts = module.solve(batches(x, y), batches(queries, truth))
    accuracy = {k: KNeighborsClassifier(k).fit(x, y).score(queries, truth) for k in knn.CANDIDATES}
    assert facts["k"] == float(module.k)
    assert facts["accuracy"] == pytest.approx(max(accuracy.values()), abs=0.004)
    assert accuracy[int(module.k)] == pytest.approx(max(accuracy.values()), abs=0.004)
    assert facts["accuracy"] > 0.97


def test_a_given_k_stays():
    module = NearestNeighbours.for_spec(ROW, k=2)
    pair = (torch.randn(9, 4), torch.arange(9) % 3)
    assert module.solve([pair], [pair]) == {"samples": 9.0, "k": 2.0}


def test_the_vote_flips_between_three_and_five():
    x = torch.tensor([[1.0, 0, 0, 0], [2, 0, 0, 0], [3, 0, 0, 0], [4, 0, 0, 0], [5, 0, 0, 0]])
    y = torch.tensor([0, 0, 1, 1, 1])
    for k, label in [(3, 0), (5, 1)]:
        module = NearestNeighbours.for_spec(ROW, k=k)
        module.solve([(x, y)])
        assert int(module(torch.zeros(1, 4)).argmax()) == label


def test_a_tie_goes_to_the_nearer_class():
    x = torch.tensor([[1.0, 0, 0, 0], [2, 0, 0, 0], [3, 0, 0, 0], [4, 0, 0, 0]])
    module = NearestNeighbours.for_spec(ROW, k=4)
    module.solve([(x, torch.tensor([2, 0, 0, 2]))])
    assert int(module(torch.zeros(1, 4)).argmax()) == 2


def test_neighbours_of_a_number():
    x, y = load_diabetes(return_X_y=True)
    x, y = x.astype(np.float32), y.astype(np.float32)
    module = NearestNeighbours.for_spec(Spec("regression", "vector", (10,)), k=9)
    module.solve(batches(x[:300], y[:300]))
    theirs = KNeighborsRegressor(9).fit(x[:300], y[:300]).predict(x[300:])
    assert np.allclose(module(torch.from_numpy(x[300:]))[:, 0], theirs, rtol=1e-4)
    free = NearestNeighbours.for_spec(Spec("regression", "vector", (10,)))
    facts = free.solve(batches(x[:300], y[:300]), batches(x[300:], y[300:]))
    assert facts["error"] <= float(((theirs - y[300:]) ** 2).mean()) * 1.0001


def test_without_samples_nothing_is_preferred():
    module = NearestNeighbours.for_spec(ROW)
    assert torch.allclose(module(torch.randn(2, 4)).softmax(1), torch.full((2, 3), 1 / 3))


def test_k_and_samples_come_back_from_the_file(tmp_path):
    pair = (torch.randn(40, 4), torch.arange(40) % 3)
    module = NearestNeighbours.for_spec(ROW)
    module.solve([pair], [pair])  # each sample is its own neighbour: k = 1 is never wrong
    assert int(module.k) == 1
    assert module.options == {"metric": "l2", "k": 1}
    save_weights(module, tmp_path / "w.safetensors")
    other = NearestNeighbours.for_spec(ROW)
    load_weights(other, tmp_path / "w.safetensors")
    assert int(other.k) == 1
    assert torch.equal(other(pair[0]), module(pair[0]))


# --- linear -------------------------------------------------------------------------------------


@pytest.mark.parametrize("solver", ["normal-equation", "lstsq"])
def test_linear_regression_is_that_of_scikit_learn(solver):
    x, y = load_diabetes(return_X_y=True)
    theirs = LinearRegression().fit(x, y)
    module = Linear.for_spec(Spec("regression", "vector", (10,)), solver=solver)
    assert module.solved
    facts = module.solve(batches(x.astype(np.float32), y.astype(np.float32), 64))
    assert np.allclose(module.linear.weight.detach()[0], theirs.coef_, rtol=1e-3)
    assert float(module.linear.bias.detach()[0]) == pytest.approx(theirs.intercept_, rel=1e-5)
    assert facts["rank"] == 11
    assert facts["loss"] == pytest.approx(((theirs.predict(x) - y) ** 2).mean(), rel=1e-5)


@pytest.mark.parametrize("solver", ["normal-equation", "lstsq"])
def test_features_that_repeat_each_other_share_the_weight(solver):
    torch.manual_seed(0)
    x = torch.randn(50, 2)
    x = torch.cat([x, x], dim=1)
    y = 3 * x[:, 0] - 2 * x[:, 1] + 1
    module = Linear.for_spec(NUMBER, solver=solver)
    facts = module.solve([(x, y)])
    assert facts["rank"] == 3
    assert facts["loss"] < 1e-10
    assert torch.allclose(module.linear.weight, torch.tensor([[1.5, -1.0, 1.5, -1.0]]), atol=1e-4)


def test_descent_reaches_the_normal_equation():
    torch.manual_seed(0)
    x = torch.randn(200, 4)
    y = x @ torch.tensor([1.0, -2.0, 0.5, 0.0]) + 3 + 0.1 * torch.randn(200)
    solved = Linear.for_spec(NUMBER, solver="normal-equation")
    solved.solve([(x, y)])
    descended = Linear.for_spec(NUMBER)
    assert not descended.solved
    optimiser = torch.optim.SGD(descended.parameters(), lr=0.1)
    for _ in range(300):
        optimiser.zero_grad()
        (descended(x)[:, 0] - y).square().mean().backward()
        optimiser.step()
    assert torch.allclose(descended.linear.weight, solved.linear.weight, atol=1e-4)
    assert torch.allclose(descended.linear.bias, solved.linear.bias, atol=1e-4)


def test_softmax_regression_has_no_closed_form():
    with pytest.raises(ValueRefusedError, match="no solution in closed form"):
        Linear.for_spec(ROW, solver="normal-equation")


def test_the_first_loss_is_that_of_guessing_and_templates_have_the_image_shape():
    spec = Spec("classification", "image", (3, 32, 32), tuple("0123456789"))
    module = Linear.for_spec(spec)
    assert sum(p.numel() for p in module.parameters()) == 10 * 3072 + 10
    loss = torch.nn.functional.cross_entropy(module(torch.randn(8, 3, 32, 32)), torch.arange(8))
    assert float(loss.detach()) == pytest.approx(math.log(10), abs=1e-6)
    assert module.templates(spec).shape == (10, 3, 32, 32)
