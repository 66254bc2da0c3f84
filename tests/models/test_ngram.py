import math
from collections import Counter

import numpy as np
import pytest
import torch

from gradatim.core.spec import Spec
from gradatim.errors import UsageError, ValueRefusedError
from gradatim.models import build
from gradatim.models.ngram import FALLBACK, discounts

TEXT = "the cat sat on the mat; the rat sat on the cat, and the cat ran. a man sat at a map. " * 3
LETTERS = sorted(set(TEXT))
TOKENS = [LETTERS.index(letter) + 2 for letter in TEXT]
VOCABULARY = len(LETTERS) + 2
SPEC = Spec("next-token", "text", (16,), vocabulary=VOCABULARY)


def counted(order, tokens=TOKENS, rows=4):
    """Return a model that has counted the text, handed over in rows out of order."""
    model = build("ngram", SPEC, {"order": order}).eval()
    width = (len(tokens) - 1) // rows
    used = torch.tensor(tokens[: rows * width + 1])
    windows, after = used[:-1].reshape(rows, width), used[1:].reshape(rows, width)
    mixed = torch.tensor([2, 0, 3, 1])[:rows]
    facts = model.solve([(windows[mixed], after[mixed], mixed)])
    return model, used.tolist(), facts


class ByHand:
    """The formula written out with dictionaries, one probability at a time."""

    def __init__(self, tokens, order):
        self.order = order
        grams = {
            n: Counter(tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1))
            for n in range(1, order + 1)
        }
        self.counts = {order: grams[order]}
        for n in range(1, order):  # after how many different tokens
            self.counts[n] = Counter(gram[1:] for gram in set(grams[n + 1]))
        self.discounts = {
            n: (0.0, *discounts(np.array(list(counts.values()))))
            for n, counts in self.counts.items()
        }

    def probability(self, context, token):
        n = len(context) + 1
        shorter = self.probability(context[1:], token) if n > 1 else 1 / VOCABULARY
        after = {g[-1]: c for g, c in self.counts[n].items() if g[:-1] == tuple(context)}
        if not after:
            return shorter
        total = sum(after.values())
        taken = {w: self.discounts[n][min(c, 3)] for w, c in after.items()}
        own = (after.get(token, 0) - taken.get(token, 0.0)) / total
        return own + sum(taken.values()) / total * shorter


@pytest.mark.parametrize("order", [1, 2, 3, 5])
def test_probabilities_are_those_of_the_formula(order):
    model, used, facts = counted(order)
    hand = ByHand(used, order)
    other = [2, 5, 3, 3, 9, 4, 7, 2, 2, 11]
    read = torch.tensor([used[40:50], other])
    with torch.inference_mode():
        log_shares = model(read)
    assert torch.allclose(log_shares.exp().sum(dim=2), torch.ones(2, 10), atol=1e-5)
    for row in range(2):
        for step in (0, 1, 3, 9):
            known = read[row, : step + 1].tolist()[-(order - 1) :] if order > 1 else []
            for token in (0, 2, 3, 7, VOCABULARY - 1):
                found = float(log_shares[row, step, token].exp())
                assert found == pytest.approx(hand.probability(known, token), rel=1e-4)
    assert facts["tokens"] == len(used)
    different = {tuple(used[i : i + order]) for i in range(len(used) - order + 1)}
    assert facts["ngrams"] == len(different)


def test_a_text_in_pieces_is_the_text_in_one():
    model, used, _ = counted(4)
    tokens = torch.tensor([used[:20], used[30:50]])
    whole = model(tokens)
    state, pieces = None, []
    for piece in tokens.split(3, dim=1):
        scores, state = model.continue_from(piece, state)
        pieces.append(scores)
    assert torch.equal(torch.cat(pieces, dim=1), whole)


def test_longer_contexts_know_more_of_the_text_they_counted():
    def bits(order):
        model, used, _ = counted(order)
        tokens = torch.tensor([used])
        scores = model(tokens[:, :-1])
        loss = torch.nn.functional.cross_entropy(scores[0], tokens[0, 1:])
        return float(loss) / math.log(2)

    assert bits(1) > bits(2) > bits(3) > bits(5) > 0


def test_discounts_of_chen_and_goodman():
    counts = np.repeat([1, 2, 3, 4, 7], [100, 40, 20, 10, 5])
    y = 100 / 180
    expected = (1 - 2 * y * 40 / 100, 2 - 3 * y * 20 / 40, 3 - 4 * y * 10 / 20)
    assert discounts(counts) == pytest.approx(expected)
    assert discounts(np.array([5, 6, 7])) == FALLBACK
    assert discounts(np.repeat([1, 2, 3, 4], [1, 1, 1, 100])) == FALLBACK


def test_sampling_and_what_is_refused():
    model, used, _ = counted(5)
    first = model.sample(used[:5], 40, seed=1)
    assert first == model.sample(used[:5], 40, seed=1)
    assert first != model.sample(used[:5], 40, seed=2)
    assert model.sample(used[:4], 3, temperature=0) == used[4:7]
    with pytest.raises(UsageError, match="at least one token"):
        model.sample([], 3)
    with pytest.raises(ValueRefusedError, match="too many to count 5 together"):
        build("ngram", Spec("next-token", "text", (4,), vocabulary=10_000))
