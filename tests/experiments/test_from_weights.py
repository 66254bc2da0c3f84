"""``fit --from``: features, fine-tuning, rows of shared classes, and what can go wrong."""

from contextlib import contextmanager

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.numpy import load_file
from sklearn.datasets import load_digits

import gradatim
from gradatim.cli import main
from gradatim.core.recipe import Recipe
from gradatim.core.talk import SILENCE, Silence
from gradatim.data import prepare
from gradatim.errors import GradatimError, UsageError, ValueRefusedError, WeightsError
from gradatim.experiments import features, fitting, logistic, starting
from gradatim.models import build, pretrained
from gradatim.models.weights import save_weights
from gradatim.training import machine

NAMES = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]


def photos(folder, digits, each, names=NAMES):
    """Write so many pictures of each digit into a folder a class."""
    data = load_digits()
    for digit in digits:
        place = folder / names[digit]
        place.mkdir(parents=True)
        for number, row in enumerate(np.flatnonzero(data.target == digit)[:each]):
            pixels = (data.images[row] / 16 * 255).astype(np.uint8)
            Image.fromarray(pixels).save(place / f"{number}.png")
    return folder


@pytest.fixture(scope="module", autouse=True)
def own_cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADATIM_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("transfer")


@pytest.fixture(scope="module")
def old(place):
    """A net that knows zero to five."""
    source = photos(place / "low", range(6), 60)
    return gradatim.fit(source, model="lenet", epochs=6, out=place / "old").folder


@pytest.fixture(scope="module")
def source(place):
    """Four to nine, few of each; ``Fives`` is written in another way."""
    return photos(place / "high", range(4, 10), 24, [*NAMES[:5], "Fives", *NAMES[6:]])


@pytest.fixture(scope="module")
def run(place, old, source):
    return gradatim.fit(source, weights=old, epochs=3, out=place / "new")


def weights(folder):
    return load_file(folder / "model" / "weights.safetensors")


def test_the_ladder_from_weights(run):
    record = gradatim.Record.read(run.folder)
    assert [rung["model"] for rung in record.of("rung")] == ["majority", "features", "fine-tuned"]
    assert record.of("rung")[2]["bought"]["against"] == "features"
    assert run.recipe.start.digest
    assert run.recipe.data.size == 8
    assert run.test["samples"] > 0


def test_the_body_of_the_features_rung_is_the_old_one(run, old):
    record = gradatim.Record.read(run.folder / "rungs" / "02-features")
    start = record.of("run")[0]["start"]
    assert start["layer"] == "classifier.output"
    assert start["rows"] == {"four": "four", "Fives": "five"}
    assert start["features"]["features"] == 84
    assert 0 < start["features"]["neighbours"] <= 1


def test_the_look_of_the_old_run_is_kept_in_the_new_package(run, old):
    one, other = gradatim.load(run.folder), gradatim.load(old)
    assert one.preprocessing.mean == other.preprocessing.mean
    assert one.preprocessing.std == other.preprocessing.std
    assert one.classes != other.classes
    assert one.name == "lenet"


def test_the_features_rung_alone_ships_one_plain_network(place, old, source):
    only = gradatim.fit(
        source, weights=old, settings={"start.method": "features"}, out=place / "only"
    )
    assert only.model == "lenet"
    new, before = weights(only.folder), weights(old)
    body = {name for name in new if not name.startswith("classifier.output")}
    assert all(np.array_equal(new[name], before[name]) for name in body)
    answer = gradatim.load(only.folder).predict(source / "seven" / "0.png")
    assert answer.label in gradatim.load(only.folder).classes
    assert gradatim.evaluate(only.folder)["value"] == only.test["value"]


def test_the_recipe_makes_the_same_run_again(run, place):
    again = gradatim.fit(recipe=run.recipe, out=place / "again")
    one, other = weights(run.folder), weights(again.folder)
    assert all(one[name].tobytes() == other[name].tobytes() for name in one)


def begun(recipe, **values):
    """Return data, settled recipe, model and start as a run has them before it is fitted."""
    recipe = starting.settle(recipe.with_values(values), SILENCE)
    prepared, recipe = prepare(recipe)
    recipe = fitting.settle(prepared, recipe.with_values({"start.method": "fine-tuning"}))
    model = fitting.build(prepared, recipe)
    return prepared, machine.resolve(recipe, model), model


@pytest.fixture
def recipe(old, source):
    return Recipe().with_values({"data.source": str(source), "start.weights": str(old)})


def test_rows_of_shared_classes_are_copied_by_name(recipe, old):
    prepared, resolved, model = begun(recipe)
    start = starting.begin(model, prepared.spec, resolved, SILENCE)
    before, classes = weights(old), gradatim.load(old).classes
    for new, name in (("four", "four"), ("Fives", "five")):
        row = model.classifier.output.weight[prepared.spec.classes.index(new)]
        assert np.array_equal(row.detach(), before["classifier.output.weight"][classes.index(name)])
    assert len(start.rows) == 2
    fresh = fitting.build(prepared, resolved)
    nine = prepared.spec.classes.index("nine")
    assert torch.equal(model.classifier.output.weight[nine], fresh.classifier.output.weight[nine])


def test_what_the_weights_bought_is_told_beside_scratch(place, old, source):
    values = {"start.scratch": True}
    run = gradatim.fit(source, weights=old, epochs=2, settings=values, out=place / "scratch")
    rungs = {rung["model"]: rung for rung in gradatim.Record.read(run.folder).of("rung")}
    assert list(rungs) == ["majority", "from scratch", "features", "fine-tuned"]
    assert "weights_bought" not in rungs["from scratch"]
    gain = rungs["fine-tuned"]["weights_bought"]
    values = [rungs[name]["validation"]["value"] for name in ("fine-tuned", "from scratch")]
    assert gain["difference"] == pytest.approx(values[0] - values[1])
    assert gain["low"] < gain["difference"] < gain["high"]
    note = rungs["fine-tuned"]["note"]
    assert "rows of the old output layer copied by name: Fives = five, four; " in note
    assert " validation samples right (" in note and " nats), without them " in note
    html = (run.folder / "report.html").read_text()
    assert "What the weights bought, beside the same network from scratch" in html


def test_rows_can_be_left_and_synonyms_given(recipe, tmp_path):
    prepared, resolved, model = begun(recipe, **{"start.rows": "none"})
    assert not starting.begin(model, prepared.spec, resolved, SILENCE).rows
    names = tmp_path / "synonyms.txt"
    names.write_text("nine, zero\n")
    prepared, resolved, model = begun(recipe, **{"start.synonyms": str(names)})
    start = starting.begin(model, prepared.spec, resolved, SILENCE)
    assert start.facts["rows"]["nine"] == "zero"


def test_a_network_that_forgets_begins_anew_and_can_follow_its_statistics():
    net = torch.nn.Sequential(
        torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4, momentum=0.01),
        torch.nn.BatchNorm1d(4, momentum=0.3), torch.nn.BatchNorm1d(4, momentum=None),
    )  # fmt: skip
    before = net[0].weight.detach().clone()
    net(5 + torch.randn(20, 3))
    net[1].weight.data.fill_(7.0)
    starting.forget(net, 1)
    assert [layer.momentum for layer in net[1:]] == [0.1, 0.3, None]
    assert torch.equal(net[1].weight, torch.ones(4))
    assert torch.equal(net[1].running_mean, torch.zeros(4))
    first = net[0].weight.detach().clone()
    assert not torch.equal(first, before)
    starting.forget(net, 1)
    assert torch.equal(net[0].weight, first)


def test_no_shared_class(recipe, place):
    other = photos(place / "other", [7, 8], 12)
    values = {"data.source": str(other), "start.rows": "names"}
    prepared, resolved, model = begun(recipe, **values)
    with pytest.raises(ValueRefusedError, match="no row can be copied") as error:
        starting.begin(model, prepared.spec, resolved, SILENCE)
    assert "start.synonyms" in error.value.message()
    prepared, resolved, model = begun(recipe, **{"data.source": str(other)})
    assert not starting.begin(model, prepared.spec, resolved, SILENCE).rows  # said, and goes on


def fitted(recipe, folder, **values):
    prepared, resolved, model = begun(recipe, **values)
    start = starting.begin(model, prepared.spec, resolved, SILENCE)
    body = features.Body(prepared, resolved, model, start.head.name, SILENCE, folder)
    return features.fit(body, start.rows)


def test_kept_features_are_found_again_and_never_stale(recipe, old, source, tmp_path):
    cache = tmp_path / "cache"
    first = fitted(recipe, cache)
    again = fitted(recipe, cache)
    samples = first.facts["samples"] + again.facts["cached"] - first.facts["samples"]
    assert first.facts["cached"] == 0 < again.facts["cached"] == samples
    assert torch.equal(first.weight, again.weight)
    assert fitted(recipe, cache, **{"data.size": 8, "data.mean": "0.1"}).facts["cached"] == 0
    taken = begun(recipe)[1].machine.precision
    other = {"machine.precision": "bf16" if taken == "fp32" else "fp32"}
    assert fitted(recipe, cache, **other).facts["cached"] == 0

    # another weight, in its last bit
    state = gradatim.load(old).module
    with torch.no_grad():
        state.features[0].weight[0, 0, 0, 0] = (
            state.features[0].weight[0, 0, 0, 0].nextafter(torch.tensor(9.0))
        )
    save_weights(state, tmp_path / "changed.safetensors")
    changed = {
        "start.weights": str(tmp_path / "changed.safetensors"),
        "model.name": "lenet", "model.padding": 2, "data.size": 8, "data.channels": 1,
        "data.mean": "0.3", "data.std": "0.4", "start.rows": "none",
    }  # fmt: skip
    same = {**changed, "start.weights": str(tmp_path / "same.safetensors")}
    save_weights(gradatim.load(old).module, tmp_path / "same.safetensors")
    assert fitted(recipe, cache, **same).facts["cached"] == 0
    assert fitted(recipe, cache, **same).facts["cached"] > 0
    assert fitted(recipe, cache, **changed).facts["cached"] == 0

    # another photo under the same name
    Image.fromarray(np.full((8, 8), 77, np.uint8)).save(source / "nine" / "0.png")
    assert fitted(recipe, cache).facts["cached"] == 0


@pytest.fixture
def three_classes():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(90, 5, generator=generator)
    return x, (x[:, 0] > 0).long() + (x[:, 1] > 0.5).long()


def test_the_solution_is_a_minimum_and_known_rows_pull(three_classes):
    x, y = three_classes
    known = logistic.Known([0, 2], torch.tensor([[1.0] * 5, [-2.0] * 5]), torch.zeros(2))
    weight, bias = logistic.solve(x, y, 0.1, torch.zeros(3, 5), torch.zeros(3), known)
    weight.requires_grad_(), bias.requires_grad_()
    # of two rows d and e, |d - m|^2 + |e - m|^2 = |d - e|^2 / 2, where m is their mean
    d, e = weight[0] - 1, weight[2] + 2
    far = weight[1] @ weight[1] + d @ d + e @ e + (logistic.HOLD - 1) * (d - e) @ (d - e) / 2
    value = torch.nn.functional.cross_entropy(x @ weight.T + bias, y) + 0.05 * far
    gradient = torch.autograd.grad(value, (weight, bias))
    assert max(float(part.abs().max()) for part in gradient) < 1e-4
    strong, _ = logistic.solve(x, y, 1e4, torch.zeros(3, 5), torch.zeros(3), known)
    assert torch.allclose(strong[known.rows], known.weight, atol=1e-3)
    assert not torch.allclose(weight[known.rows], known.weight, atol=0.1)


def test_what_known_rows_share_is_held_no_harder_than_other_rows():
    one = logistic.Known([1, 2], torch.ones(2, 4), torch.zeros(2))
    moved, other = torch.zeros(3, 4), torch.zeros(3, 4)
    moved[1:], other[1:] = 3.0, torch.tensor([[3.0], [-1.0]])
    assert float(logistic.distance(moved, one)) == 2 * 4 * 2**2
    assert float(logistic.distance(other, one)) == logistic.HOLD * 2 * 4 * 2**2
    free = torch.ones(1, 4) * 2
    assert float(logistic.distance(torch.cat([free, one.weight]), one)) == 4 * 2**2


def test_known_rows_are_those_of_the_features_as_they_are_given(three_classes):
    x, y = three_classes
    x = 3 + 2 * x
    known = logistic.Known([0, 1, 2], torch.randn(3, 5), torch.tensor([0.5, 0.0, -1.0]))
    held = logistic.choose(x, y, 3, x, y, known, strengths=[1e5])
    # Held so hard only the bias is fitted: the scores are theirs but for a constant a class.
    moved = x @ held.weight.T - x @ known.weight.T
    assert float(moved.std(0).max()) < 1e-3


def test_rows_are_left_out_where_they_mislead(recipe, tmp_path):
    prepared, resolved, model = begun(recipe)
    start = starting.begin(model, prepared.spec, resolved, SILENCE)
    body = features.Body(prepared, resolved, model, start.head.name, SILENCE, tmp_path)
    told = features.fit(body, start.rows)
    losses = [told.facts[key]["loss"] for key in ("with_rows", "without_rows")]
    none = features.fit(body, {})
    assert torch.equal(told.weight, none.weight) == (losses[1] < losses[0])
    rows = sorted(start.rows)
    with torch.no_grad():  # each says loudly what the other knows
        model.classifier.output.weight[rows] = 30 * model.classifier.output.weight[rows[::-1]]
    wrong = features.fit(body, start.rows)
    assert wrong.facts["without_rows"]["loss"] == losses[1] < wrong.facts["with_rows"]["loss"]
    assert torch.equal(wrong.weight, none.weight)
    assert "with_rows" not in none.facts
    assert "so they were left out" in fitting._said_of_rows(start.facts, wrong.facts)


def test_rows_that_are_only_copied_are_brought_to_the_length_of_fresh_ones():
    layer = torch.nn.Linear(6, 4)
    with torch.no_grad():
        layer.weight[[0, 2]] *= 30
    before, x = layer.weight.detach().clone(), torch.randn(50, 6)
    answers = layer(x)[:, [0, 2]].argmax(1)
    factor = pretrained.level_rows(layer, {0: 7, 2: 1})
    lengths = np.linalg.norm(layer.weight.detach(), axis=1)
    assert lengths[[0, 2]].mean() == pytest.approx(lengths[[1, 3]].mean())
    assert factor < 0.2
    assert torch.equal(layer.weight[[1, 3]], before[[1, 3]])
    assert torch.equal(layer(x)[:, [0, 2]].argmax(1), answers)
    assert pretrained.level_rows(layer, {}) == pretrained.level_rows(layer, range(4)) == 1.0


def test_the_layer_agrees_with_scikit_learn():
    from sklearn.linear_model import LogisticRegression

    generator = torch.Generator().manual_seed(1)
    x = 3 + 2 * torch.randn(120, 4, generator=generator)
    y = (x[:, 0] - x[:, 2] + torch.randn(120, generator=generator) > 0).long()
    found = logistic.choose(x, y, 2)
    scaled = (x - x.mean(0)) / x.std(0, correction=0)
    # theirs adds the squares once for two classes: w = w1 - w0, so half as much
    theirs = LogisticRegression(C=2 / (found.strength * len(x)), tol=1e-8).fit(scaled, y)
    ours = (x @ found.weight.T + found.bias).softmax(1)[:, 1]
    assert np.abs(ours.numpy() - theirs.predict_proba(scaled)[:, 1]).max() < 1e-3


def test_a_number_is_least_squares():
    generator = torch.Generator().manual_seed(2)
    x = torch.randn(80, 3, generator=generator)
    y = x @ torch.tensor([1.0, -2.0, 0.5]) + 4
    found = logistic.choose(x, y, 1, x, y)
    assert found.strength == logistic.STRENGTHS[-1]
    assert torch.allclose(found.weight, torch.tensor([[1.0, -2.0, 0.5]]), atol=1e-2)


def test_a_weight_file_with_the_name_of_its_network(old, source, place):
    path = place / "bare.pth"
    torch.save(gradatim.load(old).module.state_dict(), path)
    look = {"data.size": 8, "data.channels": 1, "data.mean": "0.3", "data.std": "0.4",
            "start.method": "features"}  # fmt: skip
    found = gradatim.fit(source, weights=path, model="lenet", settings=look, out=place / "bare")
    assert found.model == "lenet"


def refused(match, source, **arguments):
    with pytest.raises(GradatimError, match=match) as error:
        gradatim.fit(source, **arguments)
    return error.value


def test_each_wrong_start_has_one_message(old, source, place, tmp_path):
    out = tmp_path / "never"
    bare = place / "other.safetensors"
    save_weights(build("resnet20", gradatim.load(old).spec, {"width": 4}), bare)
    error = refused("do not fit the network", source, weights=bare, model="lenet", out=out,
                    settings={"data.size": 8, "data.channels": 1,
                              "data.mean": "0.3", "data.std": "0.4"})  # fmt: skip
    assert isinstance(error, WeightsError)
    assert "not in the file: " in error.message()
    error = refused("belong to another network", source, weights=old, model="mlp", out=out)
    assert "lenet" in error.message()
    # LeNet's dense layers hold the size of the image
    error = refused("do not fit the network", source, weights=old, out=out,
                    settings={"data.size": 28})  # fmt: skip
    assert "of another shape: classifier.dense0.weight" in error.message() or "classifier" in (
        error.message()
    )
    refused("not there", source, weights=tmp_path / "typo", out=out)
    refused("for images", "iris", weights=old, out=out)
    refused("no share", source, weights=old, out=out, epochs=1,
            settings={"start.method": "fine-tuning", "start.frozen": "layer9"})  # fmt: skip
    assert not out.exists() or not any(out.iterdir()) or (out / "recipe.toml").exists()


def test_other_weights_than_the_run_began_with_are_refused(run, old):
    recipe = run.recipe.with_values({"start.digest": "0" * 32})
    with pytest.raises(WeightsError, match="not the weights the run began with"):
        starting.read(recipe)


def test_the_command_line_says_it_in_one_message(source, tmp_path, capsys):
    place = tmp_path / "w.pth"
    with pytest.raises(SystemExit) as left:
        main(["fit", str(source), "--from", str(place), "--out", str(tmp_path / "o")])
    told = capsys.readouterr().err
    assert left.value.code == 2
    assert "there is no weight file" in told
    assert "Traceback" not in told


def test_weights_of_a_table_are_refused(place):
    table = gradatim.fit("iris", model="linear", epochs=1, out=place / "iris").folder
    with pytest.raises(UsageError, match="for images"):
        gradatim.fit("digits", weights=table, out=place / "none")


def test_the_learning_curve_of_the_features_is_told(run):
    record = gradatim.Record.read(run.folder / "rungs" / "02-features")
    curve = record.of("run")[0]["start"]["features"]["curve"]
    rung = gradatim.Record.read(run.folder).of("rung")[1]["validation"]
    assert [point["each"] for point in curve][:4] == [1, 2, 5, 10]
    assert curve[-1]["right"] / curve[-1]["n"] == rung["value"]  # all samples: the rung itself
    assert curve[-1]["n"] == rung["n"]
    assert "More samples of each class" in (run.folder / "report.html").read_text()


class Hours(features.Body):
    """A body whose images take a second each."""

    def seconds_per_image(self, indices):
        return 1.0


@pytest.mark.parametrize(
    ("seconds", "views", "samples"), [(None, None, None), (1e6, None, 120), (260, 1, 100)]
)
def test_features_keep_within_their_time(recipe, tmp_path, monkeypatch, seconds, views, samples):
    monkeypatch.setattr(features, "LEAST", 20)
    prepared, resolved, model = begun(recipe)
    train, held = len(prepared.split.train), len(prepared.split.validation)
    head = starting.begin(model, prepared.spec, resolved, SILENCE).head
    body = Hours(prepared, resolved, model, head.name, SILENCE, tmp_path)
    if seconds == 260:
        seconds = (train - 10 + held + 0.5) / (1 - features.SOLVING)
        body.recipe = resolved.filled({"start.views": 2}, "a choice of the house")
    start = features.within(body, seconds).start
    wanted = {None: None, 120: train, 100: train - 10}[samples]
    assert (start.views, start.samples) == (views, wanted)
    # what was decided stands, and is what the layer is fitted on
    body.recipe = body.recipe.with_values({"start.samples": 50})
    assert features.within(body, 0.1).start.samples == 50
    assert features.fit(body, {}).facts["samples"] == 50


def test_a_factory_that_cannot_do_without_a_spec(source, tmp_path, monkeypatch):
    (tmp_path / "my_nets.py").write_text(
        "from torch import nn\n\ndef net(spec):\n    return nn.Linear(spec.size, spec.outputs)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    error = refused("called without a spec", source, weights="my_nets:net", out=tmp_path / "o")
    assert "def net(spec=None)" in error.message()


def test_a_wrong_number_of_views_is_refused_before_anything_is_read(source, old, tmp_path):
    error = refused("start.views is out of range", source, weights=old, out=tmp_path / "o",
                    settings={"start.method": "features", "start.views": 3})  # fmt: skip
    assert "1 or 2" in error.message()
    assert not (tmp_path / "o").exists()


def test_the_filter_of_the_weights_is_kept_in_the_package(tmp_path):
    rng = np.random.default_rng(5)
    for name in ("dark", "light"):
        place = tmp_path / "large" / name
        place.mkdir(parents=True)
        for number in range(12):
            pixels = rng.integers(0, 120, (40, 40, 3), dtype=np.uint8) + 130 * (name == "light")
            Image.fromarray(pixels.astype(np.uint8)).save(place / f"{number}.png")
    source, settings = tmp_path / "large", {"data.size": 16, "data.interpolation": "bilinear"}
    first = gradatim.fit(source, model="lenet", epochs=1, settings=settings, out=tmp_path / "one")
    usual = gradatim.fit(source, model="lenet", epochs=1, settings={"data.size": 16},
                         out=tmp_path / "two")  # fmt: skip
    again = gradatim.fit(source, weights=first.folder, settings={"start.method": "features"},
                         out=tmp_path / "three")  # fmt: skip
    assert again.recipe.data.interpolation == "bilinear"
    one, two = gradatim.load(again.folder).preprocessing, gradatim.load(usual.folder).preprocessing
    assert (one.interpolation, two.interpolation) == ("bilinear", "bicubic")
    assert "interpolation" not in two.to_dict()  # packages of earlier versions say nothing
    picture = source / "dark" / "3.png"
    expected = np.asarray(Image.open(picture).resize((16, 16), Image.Resampling.BILINEAR))
    assert (one.read_files([picture])[0][0] == expected).all()
    assert (two.read_files([picture])[0][0] != expected).any()
    assert gradatim.evaluate(again.folder, source)["samples"] == 24


def test_weights_at_hand_are_taken_for_folders_of_images(old, source, tmp_path, monkeypatch):
    monkeypatch.setenv("GRADATIM_WEIGHTS", str(old))
    run = gradatim.fit(source, epochs=1, out=tmp_path / "photos")
    assert run.recipe.start.weights == str(old)
    assert run.recipe.reasons["start.weights"] == "GRADATIM_WEIGHTS names them"
    models = [rung["model"] for rung in gradatim.Record.read(run.folder).of("rung")]
    assert models == ["majority", "features", "fine-tuned"]
    plain = gradatim.fit(source, model="linear", epochs=1, out=tmp_path / "linear")
    assert plain.recipe.start.weights is None
    assert gradatim.fit("iris", epochs=1, out=tmp_path / "iris").recipe.start.weights is None


class Counted(Silence):
    """Keeps how far each bar came."""

    def __init__(self):
        self.reached = {}

    @contextmanager
    def track(self, what, total, unit=""):
        talk = self

        class Told:
            def update(self, done, **rest):
                talk.reached[what] = done

        yield Told()


def test_the_progress_of_features_ends_at_all_images(recipe, tmp_path):
    prepared, resolved, model = begun(recipe)
    head, talk = starting.begin(model, prepared.spec, resolved, SILENCE).head, Counted()
    body = features.Body(prepared, resolved, model, head.name, talk, tmp_path)
    count = len(prepared.split.train)
    body.features(prepared.split.train, "plain")
    assert talk.reached == {f"features of {count:,} images": count}
