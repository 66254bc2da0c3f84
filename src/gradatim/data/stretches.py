"""Texts as tokens: the vocabulary of the training part, and the stretches of one long text."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gradatim.core.recipe import DataRecipe
from gradatim.data.dataset import Split
from gradatim.data.gathered import Gathered
from gradatim.data.preprocessing import Preprocessing
from gradatim.data.vocabulary import PADDING, RESERVED, UNKNOWN, Vocabulary
from gradatim.errors import ValueRefusedError


def preprocess_text(gathered: Gathered, split: Split) -> tuple[Preprocessing, np.ndarray, Gathered]:
    """Learn the vocabulary from the training part, and write the texts as its tokens.

    Returns:
        the preprocessing, the tokens ``N x length``, and what was gathered with tokens and audit.
    """
    if gathered.stream:
        assert gathered.inputs is not None
        vocabulary = learn_characters(gathered.inputs[split.train])
    else:
        assert gathered.texts is not None
        learnt = [gathered.texts[row] for row in split.train]
        vocabulary = Vocabulary.learn(gathered.tokens, learnt, gathered.most_tokens)
    preprocessing = Preprocessing(
        "text",
        (),
        (),
        length=gathered.length,
        vocabulary=vocabulary,
        text_column=gathered.text_column,
    )
    gathered = with_tokens(gathered, vocabulary)
    inputs = gathered.inputs
    assert inputs is not None
    tested = inputs[split.test]
    unknown = (tested == UNKNOWN).sum() / max((tested != PADDING).sum(), 1)
    note = f"Vocabulary: {len(vocabulary.tokens):,} {vocabulary.unit} of the training part"
    note += f"; {unknown:.2%} of the test part are unknown." if unknown else "."
    audit = replace(gathered.audit, notes=(*gathered.audit.notes, note))
    return preprocessing, inputs, replace(gathered, audit=audit)


def stretches(gathered: Gathered, data: DataRecipe) -> Split:
    """Return the parts of one long text, with at most ``data.limit`` windows to train on.

    Raises:
        ValueRefusedError: a share is not between 0 and 1, or nothing is left of a part.
    """
    split = by_position(len(gathered.names), data.validation_share, data.test_share)
    if data.limit is not None and data.limit < len(split.train):
        origin = f"{split.origin}; the first {data.limit:,} passages are trained on"
        split = replace(split, train=split.train[: data.limit], origin=origin)
    return split


def by_position(count: int, validation_share: float, test_share: float) -> Split:
    """Return the parts of one long text: three stretches in its order, training first.

    Raises:
        ValueRefusedError: a share is not between 0 and 1, or nothing is left of a part.
    """
    test, validation = round(count * test_share), round(count * validation_share)
    train = count - validation - test
    if min(train, validation, test) < 1:
        raise ValueRefusedError(
            "the shares leave a part of the text empty",
            given=f"validation {validation_share:g}, test {test_share:g}",
            allowed="above 0, together below 1",
        )
    order = np.arange(count)
    return Split(
        train=order[:train],
        validation=order[train : train + validation],
        test=order[train + validation :],
        origin=f"by position: the last {test_share:.0%} are test, the {validation_share:.0%} "
        "before them validation",
    )


def learn_characters(windows: np.ndarray) -> Vocabulary:
    """Return the vocabulary of the characters (code points) that occur in windows."""
    return Vocabulary("characters", tuple(chr(code) for code in np.unique(windows)))


def encode_characters(vocabulary: Vocabulary, windows: np.ndarray) -> np.ndarray:
    """Return windows of code points as tokens, int32; unknown ones as such."""
    known = np.array([ord(token) for token in vocabulary.tokens], np.int64)
    places = np.searchsorted(known, windows).clip(max=len(known) - 1)
    found = known[places] == windows
    return np.where(found, places + RESERVED, 1).astype(np.int32)


def with_tokens(gathered: Gathered, vocabulary: Vocabulary) -> Gathered:
    """Return what was gathered with its texts as tokens, and its targets where it is one text."""
    if gathered.stream:
        assert gathered.inputs is not None
        return replace(
            gathered,
            inputs=encode_characters(vocabulary, gathered.inputs),
            targets=encode_characters(vocabulary, gathered.targets).astype(np.int64),
        )
    assert gathered.texts is not None
    return replace(gathered, inputs=vocabulary.encode_all(gathered.texts, gathered.length))
