"""What is chosen where the user does not."""

import pytest

from gradatim.core.recipe import Recipe
from gradatim.core.spec import Spec
from gradatim.experiments.defaults import settle

SMALL = Spec("classification", "image", (3, 32, 32), tuple("abc"))


@pytest.mark.parametrize(
    ("samples", "batch", "rate"),
    [(45_000, 128, 0.25), (12_800, 128, 0.25), (6_400, 64, 0.125), (1_000, 32, 0.0625)],
)
def test_the_rate_follows_the_batch_size_where_it_was_measured_for_one(samples, batch, rate):
    chosen = settle(Recipe(), SMALL, samples, "resnet9")
    assert chosen.data.batch_size == batch
    assert chosen.training.learning_rate == pytest.approx(rate)


def test_what_is_given_stays():
    given = Recipe().with_values({"training.learning_rate": 0.3, "data.batch_size": 16})
    chosen = settle(given, SMALL, 45_000, "resnet9")
    assert (chosen.training.learning_rate, chosen.data.batch_size) == (0.3, 16)
    large = Recipe().with_values({"data.batch_size": 1024})
    assert settle(large, SMALL, 45_000, "resnet9").training.learning_rate == 0.25


def test_other_models_keep_their_batches():
    assert settle(Recipe(), SMALL, 45_000, "resnet18").data.batch_size == 64
    assert settle(Recipe(), SMALL, 60_000, "lenet").data.batch_size == 128
