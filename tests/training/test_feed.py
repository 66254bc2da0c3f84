import torch
from torch.utils.data import DataLoader, TensorDataset

from gradatim.training.feed import Feed


def loader(generator=None):
    return DataLoader(
        TensorDataset(torch.arange(20.0)), batch_size=4, shuffle=True, generator=generator
    )


def values(batches):
    return [batch[0].tolist() for batch in batches]


def test_a_shuffling_loader_has_an_order_by_seed_and_epoch():
    feed = Feed(loader(), seed=3)
    with torch.random.fork_rng():
        first = values(feed.epoch(0))
        torch.rand(7)
        assert values(feed.epoch(0)) == first
        assert values(feed.epoch(1)) != first
        assert values(Feed(loader(), seed=4).epoch(0)) != first
        assert sorted(value for batch in first for value in batch) == list(range(20))


def test_an_epoch_goes_on_from_any_batch():
    feed = Feed(loader(), seed=3)
    with torch.random.fork_rng():
        whole = values(feed.epoch(2))
        for start in range(6):
            torch.rand(3)
            assert values(feed.epoch(2, start)) == whole[start:]


def test_a_loader_with_its_own_generator_too():
    with torch.random.fork_rng():
        whole = values(Feed(loader(torch.Generator().manual_seed(5)), seed=3).epoch(1))
        again = values(Feed(loader(torch.Generator().manual_seed(6)), seed=3).epoch(1, 2))
    assert again == whole[2:]


def test_sizes():
    assert Feed(loader(), 0).steps == 5
    assert Feed(loader(), 0).samples == 20
    assert Feed([(1, 2)], 0).samples is None


def test_a_feed_that_is_dropped_closes_its_source(epochs_of):
    closed = []

    class Source(epochs_of):
        def epoch(self, number, start=0):
            try:
                yield from super().epoch(number, start)
            finally:
                closed.append(number)

    for _ in Feed(Source([(torch.zeros(1), 0)] * 3), 0).epoch(7):
        break
    assert closed == [7]
