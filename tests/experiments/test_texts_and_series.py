"""One command from texts and series to a measured, packaged, reported model."""

import json

import numpy as np
import polars as pl
import pytest

import gradatim
from gradatim.core.record import Record
from gradatim.errors import UsageError
from gradatim.pages import to_html
from gradatim.pages.evaluation import page as evaluation_page
from gradatim.pages.predictions import page as predictions_page
from gradatim.pages.predictions import write_csv

RNG = np.random.default_rng(0)
VERSE = "The cat sat on the mat, and the rat ran to the hat of the man. "


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("texts")


@pytest.fixture(scope="module")
def reviews(folder):
    words = np.array(["film", "plot", "music", "the", "a", "was", "with", "and", "long"])
    rows = []
    for number in range(240):
        text = [*RNG.choice(words, RNG.integers(4, 12)), ("awful", "superb")[number % 2]]
        rows.append((" ".join(RNG.permutation(text)), ("bad", "good")[number % 2]))
    path = folder / "reviews.csv"
    pl.DataFrame(rows, schema=["review", "label"], orient="row").write_csv(path)
    run = gradatim.fit(path, model="gru", epochs=12, out=folder / "reviews-run",
                       settings={"model.hidden": 16, "model.embedding": 8})  # fmt: skip
    return path, run


@pytest.fixture(scope="module")
def waves(folder):
    rows = []
    for number in range(120):
        steps, rate = RNG.integers(10, 20), (0.3, 1.2)[number % 2]
        wave = np.sin(rate * np.arange(steps) + RNG.uniform(0, 6)) + RNG.normal(0, 0.1, steps)
        rows += [(f"w{number}", step, value, rate) for step, value in enumerate(wave)]
    path = folder / "waves.csv"
    pl.DataFrame(rows, schema=["series", "time", "wave", "y"], orient="row").write_csv(path)
    run = gradatim.fit(path, model="gru", epochs=20, out=folder / "waves-run",
                       settings={"model.hidden": 16, "data.task": "regression",
                                 "training.learning_rate": 0.01})  # fmt: skip
    return path, run


@pytest.fixture(scope="module")
def poem(folder):
    path = folder / "poem.txt"
    path.write_text(VERSE * 80)
    settings = {"data.length": 16, "model.hidden": 24}
    run = gradatim.fit(path, model="lstm", epochs=6, out=folder / "poem-run", settings=settings)
    return path, run


def test_texts_are_told_apart(reviews):
    path, run = reviews
    assert run.test["value"] > 0.9
    assert gradatim.evaluate(run.folder)["value"] == pytest.approx(run.test["value"])
    assert gradatim.evaluate(run.folder, path)["value"] > 0.9
    answers = gradatim.predict(
        run.folder, "the awful plot was long", "Music was SUPERB with a film", path
    )
    assert [answer["label"] for answer in answers[:2]] == ["bad", "good"]
    assert answers[2]["input"] == f"{path} row 1"
    assert len(answers) == 242
    model = gradatim.load(run.folder)
    assert model.predict("the awful plot was long").label == "bad"
    assert [p.label for p in model.predict(["the film was awful", "the film was superb"])] == [
        "bad",
        "good",
    ]
    assert model.predict({"review": "superb film and music"}).label == "good"
    with pytest.raises(UsageError, match="does not continue texts"):
        model.continue_text("awful")
    with pytest.raises(UsageError, match="does not continue texts"):
        gradatim.predict(run.folder, "awful", length=5)


def test_series_become_numbers(waves, folder):
    path, run = waves
    assert run.test["metric"] == "r2"
    assert run.test["value"] > 0.5
    answers = gradatim.predict(run.folder, path)
    assert [answer["input"] for answer in answers[:2]] == [f"{path} series w0", f"{path} series w1"]
    assert len(answers) == 120
    model = gradatim.load(run.folder)
    one = pl.read_csv(path).filter(pl.col("series") == "w3")["wave"].to_numpy()
    assert model.predict(one).value == pytest.approx(answers[3]["value"], abs=1e-5)
    assert model.predict(one[:, None]).value == pytest.approx(answers[3]["value"], abs=1e-5)
    np.savez(folder / "some.npz", x=np.stack([one[:9], one[1:10]])[..., None])
    found = gradatim.predict(run.folder, folder / "some.npz")
    assert [answer["input"].split()[-1] for answer in found] == ["1", "2"]


def test_a_text_is_continued(poem, folder):
    path, run = poem
    test = run.test
    assert test["metric"] == "bits-per-character"
    assert test["low"] < test["value"] < test["high"] < test["baseline"]
    assert test["language"]["perplexity"] == pytest.approx(2 ** test["value"])
    again = gradatim.evaluate(run.folder)
    assert again["value"] == pytest.approx(test["value"], abs=1e-6)
    assert gradatim.evaluate(run.folder, path)["value"] < test["baseline"]
    first = gradatim.predict(run.folder, "The cat", length=30, seed=1)
    assert first == gradatim.predict(run.folder, "The cat", length=30, seed=1)
    assert first != gradatim.predict(run.folder, "The cat", length=30, seed=2)
    assert len(first[0]["text"]) == 30
    (folder / "start.txt").write_text("The rat")
    told = gradatim.predict(run.folder, folder / "start.txt", length=4, temperature=0)
    assert told[0]["prompt"] == "The rat"
    model = gradatim.load(run.folder)
    assert model.continue_text("The rat", 4, temperature=0) == told[0]["text"]
    assert model.predict("The rat").text == model.continue_text("The rat")
    with pytest.raises(UsageError, match="continues it"):
        model.predict_scores(np.zeros((1, 4), np.int32))
    assert "The rat" in to_html(predictions_page(told))
    write_csv(told, folder / "told.csv")
    assert (folder / "told.csv").read_text().startswith("input,prompt,text,error")


def test_the_reports_tell_what_fits(reviews, waves, poem):
    texts = [(run.folder / "report.html").read_text() for _, run in (reviews, waves, poem)]
    assert "names" in texts[0]
    assert "words, at most" in texts[0]
    assert "predict(&#34;One text&#34;)" in texts[0] or 'predict("One text")' in texts[0]
    assert "continue_text" in texts[2]
    assert "rows.csv" not in texts[0] + texts[2]
    assert "1 numbers, at most" in texts[1]
    assert "bits per character" in texts[2]
    assert "Perplexity" in texts[2]
    record = Record.read(poem[1].folder)
    continued = record.of("continuation")
    assert [event["temperature"] for event in continued] == [0.5, 1.0]
    assert continued[0]["text"].splitlines()[0][:20] in texts[2]
    assert "bits per character" in to_html(evaluation_page(gradatim.evaluate(poem[1].folder)))
    assert "continue" in (poem[1].folder / "model" / "card.md").read_text()


def test_the_vocabulary_is_pinned_in_the_package(poem):
    content = json.loads((poem[1].folder / "model" / "package.json").read_text())
    kept = content["preprocessing"]["vocabulary"]
    assert kept == {"unit": "characters", "tokens": "".join(sorted(set(VERSE)))}


def test_the_ladder_of_a_text_counts_bits_downwards(folder, monkeypatch):
    from gradatim.experiments import defaults

    rungs = ("majority", "ngram", "gru")
    monkeypatch.setitem(defaults.RUNGS, ("text", "next-token"), rungs)
    path = folder / "ladder.txt"
    path.write_text(VERSE * 60)
    run = gradatim.fit(path, epochs=1, out=folder / "ladder", settings={"data.length": 16})
    climbed = Record.read(run.folder).of("rung")
    assert [rung["model"] for rung in climbed] == list(rungs)
    bits = [rung["validation"]["value"] for rung in climbed]
    assert run.model == rungs[bits.index(min(bits))]
    assert climbed[1]["bought"]["difference"] == pytest.approx(bits[0] - bits[1])
    assert (
        "fewest validation bits per character" in Record.read(run.folder).last("winner")["reason"]
    )
    page = (run.folder / "report.html").read_text()
    assert "fewer to the right" in page
