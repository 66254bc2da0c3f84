"""Texts: vocabulary, tables of texts, one long text in windows and streams."""

import json
from itertools import pairwise

import numpy as np
import polars as pl
import pytest
import torch

from gradatim.core.recipe import Recipe
from gradatim.data import prepare, prepare_for
from gradatim.data.batches import Batches
from gradatim.data.streams import Streams
from gradatim.data.vocabulary import PADDING, UNKNOWN, Vocabulary, choose_unit
from gradatim.errors import (
    ColumnError,
    DataError,
    EmptySourceError,
    UsageError,
    ValueRefusedError,
)

VERSE = "Tell me not, in mournful numbers, life is but an empty dream! "


def recipe(path, **values):
    settings = {f"data.{key}": value for key, value in values.items()}
    return Recipe().with_values({"data.source": str(path), **settings})


def reviews(folder, rows=60, **columns):
    rng = np.random.default_rng(0)
    words = ["good", "bad", "film", "plot", "music", "the", "a", "and", "was", "slow"]
    texts = [" ".join(rng.choice(words, rng.integers(5, 30))) for _ in range(rows)]
    labels = [("no", "yes")[i % 2] for i in range(rows)]
    frame = pl.DataFrame({"review": texts, **columns, "label": labels})
    frame.write_csv(folder / "reviews.csv")
    return folder / "reviews.csv"


def test_a_vocabulary_is_sorted_pinned_and_plain():
    made = Vocabulary.learn("words", ["The cat, the dog.", "A cat; the end.", "cat"])
    assert made.tokens == (".", "cat", "the")
    assert made.encode("The dog, the CAT!").tolist() == [4, UNKNOWN, UNKNOWN, 4, 3, UNKNOWN]
    assert Vocabulary.from_dict(json.loads(json.dumps(made.to_dict()))) == made
    assert made.decode([4, 3, PADDING, UNKNOWN]).split(" ") == ["the", "cat", "", "\ufffd"]
    letters = Vocabulary.learn("characters", ["abca", "d\n"])
    assert letters.tokens == ("\n", "a", "b", "c", "d")
    assert letters.decode(letters.encode("bad cab\n")) == "bad\ufffdcab\n"
    assert Vocabulary.from_dict(json.loads(json.dumps(letters.to_dict()))) == letters
    assert len(letters) == 7


def test_the_most_frequent_tokens_are_kept():
    made = Vocabulary.learn("characters", ["aaabbc"], most=2)
    assert made.tokens == ("a", "b")
    assert made.encode_all(["ccab", "a"], 3).tolist() == [[1, 1, 2], [2, 0, 0]]


@pytest.mark.parametrize(
    ("texts", "unit"),
    [
        (["the film was good and long"] * 3, "words"),
        (["Anna", "Bert", "Chloe Smith"], "characters"),
        (["这部电影非常好看我很喜欢" * 4] * 3, "characters"),
    ],
)
def test_what_texts_are_cut_into(texts, unit):
    assert choose_unit(texts)[0] == unit


def test_a_table_of_texts_is_found_and_told(tmp_path):
    prepared, resolved = prepare(recipe(reviews(tmp_path, row=range(60))))
    assert (prepared.spec.kind, prepared.spec.task) == ("text", "classification")
    assert prepared.spec.classes == ("no", "yes")
    assert resolved.data.text == "review"
    assert resolved.data.tokens == "words"
    assert "only column" in resolved.reasons["data.text"]
    words = prepared.preprocessing.vocabulary
    frame = pl.read_csv(tmp_path / "reviews.csv")
    for index in (0, 17):
        assert prepared.names[index] == f"row {index + 1}"
        read = words.decode(prepared.inputs[index]).strip()
        assert read == frame["review"][index]


def test_a_table_of_features_stays_one_unless_the_column_is_named(tmp_path):
    path = reviews(tmp_path, length=np.random.default_rng(1).normal(size=60))
    assert prepare(recipe(path))[0].spec.kind == "vector"
    prepared, _ = prepare(recipe(path, text="review", tokens="characters", length=20))
    assert (prepared.spec.kind, prepared.spec.shape) == ("text", (20,))
    assert any("cut at 20 characters" in text for text in prepared.audit.warnings)
    assert any("not used: length" in text for text in prepared.audit.notes)
    with pytest.raises(ColumnError, match="no such column besides the target"):
        prepare(recipe(path, text="reviews"))


def test_rows_without_text_are_left_out_and_equal_texts_stay_together(tmp_path):
    texts = [f"{VERSE} {i % 40} more" for i in range(80)]
    texts[5] = "  "
    labels = [("a", "b")[i % 2] for i in range(80)]
    pl.DataFrame({"text": texts, "label": labels}).write_csv(tmp_path / "t.csv")
    prepared, _ = prepare(recipe(tmp_path / "t.csv"))
    assert [(r.name, r.reason) for r in prepared.audit.rejected][:1] == [("row 6", "no text")]
    assert len(prepared.audit.duplicates) == 39
    part = {
        row: name for name in ("train", "validation", "test") for row in prepared.split.part(name)
    }
    for one, other in prepared.audit.duplicates:
        rows = [prepared.names.index(name) for name in (one, other)]
        assert part[rows[0]] == part[rows[1]]


def test_batches_of_texts_are_cut_at_their_longest_and_go_by_length(tmp_path):
    prepared, _ = prepare(recipe(reviews(tmp_path, rows=400)))
    batches = Batches(prepared, "train", batch_size=16, seed=3, shuffle=True)
    first, again = list(batches.epoch(0)), list(batches.epoch(0, start=4))
    assert [b.indices.tolist() for b in first[4:]] == [b.indices.tolist() for b in again]
    seen = torch.cat([batch.indices for batch in first])
    assert sorted(seen.tolist()) == prepared.split.train.tolist()
    other = torch.cat([batch.indices for batch in batches.epoch(1)])
    assert not torch.equal(seen, other)
    filled = 0
    for batch in first:
        assert batch.inputs.dtype == torch.int64
        assert (batch.inputs != PADDING).any(dim=0)[-1]
        stored = prepared.inputs[batch.indices.numpy()][:, : batch.inputs.shape[1]]
        np.testing.assert_array_equal(batch.inputs.numpy(), stored)
        filled += int((batch.inputs == PADDING).sum())
    unsorted = Batches(prepared, np.sort(seen.numpy()), batch_size=16, shuffle=False)
    assert filled < 0.25 * sum(int((b.inputs == PADDING).sum()) for b in unsorted)


def test_texts_are_not_mixed(tmp_path):
    from gradatim.data.augment import Augmentation

    prepared, _ = prepare(recipe(reviews(tmp_path)))
    with pytest.raises(ValueRefusedError, match="cannot be mixed"):
        Batches(prepared, "train", batch_size=8, shuffle=True, augmentation=Augmentation(mixup=0.2))


@pytest.fixture
def poem(tmp_path):
    path = tmp_path / "poem.txt"
    path.write_bytes(("\ufeff" + (VERSE + "\r\n") * 60 + "Ω" * 40).encode())
    return path


def test_a_long_text_is_cut_by_position(poem):
    prepared, resolved = prepare(recipe(poem, length=20))
    text = (VERSE + "\n") * 60 + "Ω" * 40
    assert (prepared.spec.task, prepared.spec.kind) == ("next-token", "text")
    assert resolved.data.task == "next-token"
    letters = prepared.preprocessing.vocabulary
    assert "Ω" not in letters.tokens, "the vocabulary is that of the training part"
    read = "".join(letters.decode(row) for row in prepared.inputs)
    assert read == text[: len(read)].replace("Ω", "\ufffd")
    after = "".join(letters.decode(row) for row in prepared.targets)
    assert after == text[1 : len(read) + 1].replace("Ω", "\ufffd")
    split = prepared.split
    order = np.concatenate([split.train, split.validation, split.test])
    np.testing.assert_array_equal(order, np.arange(len(prepared)))
    assert any("unknown" in note for note in prepared.audit.notes)
    limited, _ = prepare(recipe(poem, length=20, limit=30))
    np.testing.assert_array_equal(limited.split.train, np.arange(30))


@pytest.mark.parametrize("streams", [1, 4, 7, 500])
def test_streams_go_on_row_by_row(poem, streams):
    prepared, _ = prepare(recipe(poem, length=16))
    batches = Streams(prepared, "train", batch_size=streams)
    count = len(prepared.split.train)
    assert batches.samples == count
    steps = list(batches.epoch(0))
    assert len(steps) == len(batches) == -(-count // min(streams, count))
    seen = np.concatenate([batch.indices.numpy() for batch in steps])
    assert sorted(seen.tolist()) == list(range(count))
    for one, two in pairwise(steps):
        rows = len(two.inputs)
        assert rows in (len(one.inputs), len(one.inputs) - 1)
        assert torch.equal(two.indices, one.indices[:rows] + 1)
        assert torch.equal(two.inputs[:, 0], one.targets[:rows, -1])
    later = list(batches.epoch(5, start=1))
    assert [b.indices.tolist() for b in later] == [b.indices.tolist() for b in steps[1:]]


def test_another_text_in_the_vocabulary_of_the_first(poem, tmp_path):
    prepared, _ = prepare(recipe(poem, length=16))
    (tmp_path / "other.txt").write_text("life is not an empty dream? " * 40)
    other = prepare_for(prepared.spec, prepared.preprocessing, recipe(tmp_path / "other.txt"))
    read = "".join(prepared.preprocessing.vocabulary.decode(row) for row in other.inputs)
    assert read == ("life is not an empty dream\ufffd " * 40)[: len(read)]
    assert len(other.split.test) == len(other)
    path = reviews(tmp_path)
    texts, _ = prepare(recipe(path))
    same = prepare_for(texts.spec, texts.preprocessing, recipe(path))
    np.testing.assert_array_equal(same.inputs, texts.inputs)
    with pytest.raises(DataError, match=r"a next-token.*a classification"):
        prepare_for(prepared.spec, prepared.preprocessing, recipe(path))


@pytest.mark.parametrize(
    ("content", "values", "error", "said"),
    [
        (b"", {}, EmptySourceError, "empty"),
        (b"too short", {}, DataError, "too short: 9 characters"),
        (b"\x00\x01\x02", {}, DataError, "binary"),
        (VERSE.encode() * 40, {"target": "label"}, UsageError, "no targets"),
        (VERSE.encode() * 40, {"task": "classification"}, UsageError, "next character"),
        (VERSE.encode() * 40, {"tokens": "words"}, ValueRefusedError, "is a character"),
        (VERSE.encode() * 40, {"length": 0}, ValueRefusedError, "out of range"),
        (VERSE.encode() * 40, {"size": 32}, UsageError, "for images"),
        (VERSE.encode() * 40, {"test_share": 0.95}, ValueRefusedError, "empty"),
    ],
)
def test_wrong_texts_and_wishes(tmp_path, content, values, error, said):
    (tmp_path / "t.txt").write_bytes(content)
    with pytest.raises(error, match=said):
        prepare(recipe(tmp_path / "t.txt", **values))
