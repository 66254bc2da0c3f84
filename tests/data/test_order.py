"""A store larger than memory is shuffled in blocks: all samples once, near in the store, well mixed."""

import numpy as np
import pytest
import torch
from torch import nn

from gradatim.core.recipe import Recipe
from gradatim.core.spec import Spec
from gradatim.data import order
from gradatim.data.audit import Audit
from gradatim.data.augment import Augmentation
from gradatim.data.batches import Batches
from gradatim.data.dataset import Prepared, Split
from gradatim.data.order import Blocks, choose_order, memory_bytes, read_ahead
from gradatim.data.preparation import prepare
from gradatim.data.preprocessing import Preprocessing
from gradatim.errors import UsageError
from gradatim.training import train

SAMPLE = 4 * 4 * 3


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    """Blocks of 8 samples, pools of 5 blocks."""
    monkeypatch.setattr(order, "BLOCK_BYTES", 8 * SAMPLE + 1)
    monkeypatch.setattr(order, "POOL_BYTES", 40 * SAMPLE)


def test_every_sample_comes_once_and_a_pool_holds_five_blocks():
    indices = np.random.default_rng(0).permutation(500)[:403]
    blocks = Blocks.of(indices, SAMPLE, seed=1, epoch=2)
    assert blocks.pool == 40
    assert sorted(blocks.order) == list(range(403))
    ranks = np.argsort(np.argsort(indices))
    for start in range(0, 400, 40):
        pool = blocks.order[start : start + 40]
        assert len(set(ranks[pool] // 8)) == 5
    first = ranks[blocks.order[:40]] // 8
    assert (np.diff(first) != 0).mean() > 0.5  # samples of a block do not follow each other


def test_the_order_is_a_function_of_seed_and_epoch():
    indices = np.arange(200)
    one = Blocks.of(indices, SAMPLE, seed=1, epoch=2).order
    assert (one == Blocks.of(indices, SAMPLE, seed=1, epoch=2).order).all()
    for seed, epoch in ((1, 3), (2, 2)):
        assert (one != Blocks.of(indices, SAMPLE, seed=seed, epoch=epoch).order).any()
    pools = {
        tuple(np.sort(Blocks.of(indices, SAMPLE, seed=1, epoch=epoch).order[:40]))
        for epoch in range(4)
    }
    assert len(pools) == 4  # other blocks meet in every epoch


def test_what_is_read_ahead_is_what_comes_next():
    blocks = Blocks.of(np.arange(203), SAMPLE, seed=0, epoch=0)
    read: set[int] = set()
    for number, first in enumerate(range(24, 203, 12)):  # gone on with in the middle
        read |= set(blocks.next_pool(first, 12, begins=number == 0))
        assert read >= set(blocks.order[first : first + 12])
    rows = blocks.next_pool(0, 16, begins=False)
    assert (np.diff(np.sort(rows)) == 1).sum() >= 14  # whole blocks, as they lie in the store


def stored_in(tmp_path, count=100):
    stored = np.lib.format.open_memmap(tmp_path / "s.npy", "w+", np.uint8, (count, 4, 4, 3))
    stored[:] = np.arange(count, dtype=np.uint8)[:, None, None, None]
    stored.flush()
    return np.load(tmp_path / "s.npy", mmap_mode="r")


def data_of(tmp_path):
    stored = stored_in(tmp_path)
    none = np.empty(0, np.int64)
    return Prepared(
        spec=Spec("classification", "image", (3, 4, 4), ("a", "b")),
        inputs=stored,
        targets=np.arange(100) % 2,
        names=range(100),
        split=Split(np.arange(10, 100), none, none, origin="made up"),
        preprocessing=Preprocessing("image", (0.0,) * 3, (1.0,) * 3, size=4, channels=3),
        audit=Audit(source="s", kind="image", samples=100, found=100),
        key="s",
    )


def batches_of(tmp_path):
    return Batches(
        data_of(tmp_path),
        "train",
        batch_size=8,
        seed=3,
        shuffle=True,
        order="blocks",
        augmentation=Augmentation(flip=0.5),
    )


def test_a_run_in_blocks_is_resumed_to_the_same_bits(tmp_path):
    batches = batches_of(tmp_path)

    class Stops(nn.Linear):
        left = 17

        def forward(self, x):
            self.left -= 1
            if self.left == 0:
                raise KeyboardInterrupt
            return super().forward(x.flatten(1))

    def fit(place, left, **options):
        with torch.random.fork_rng():
            torch.manual_seed(0)
            net = Stops(48, 2)
        net.left = left
        train(net, batches, epochs=3, folder=tmp_path / place, checkpoint_seconds=0, **options)
        return net.weight

    through = fit("through", 1000)
    with pytest.raises(KeyboardInterrupt):
        fit("two", 17)
    assert torch.equal(fit("two", 1000, resume=True), through)


def test_batches_in_blocks_go_on_anywhere_with_the_same_samples(tmp_path):
    batches = batches_of(tmp_path)
    whole = list(batches.epoch(1))
    assert sorted(np.concatenate([b.indices for b in whole])) == list(range(10, 100))
    for batch in whole:
        assert (batch.inputs[:, 0, 0, 0] * 255).round().tolist() == batch.indices.tolist()
    rest = list(batches.epoch(1, start=5))
    for one, other in zip(whole[5:], rest, strict=True):
        assert (one.inputs == other.inputs).all() and (one.indices == other.indices).all()
    plain = Batches(data_of(tmp_path), "train", batch_size=8, seed=3, shuffle=False, order="blocks")
    assert next(iter(plain)).indices.tolist() == list(range(10, 18))  # measuring is in order


def test_only_a_store_larger_than_half_of_the_memory_is_read_in_blocks(monkeypatch):
    monkeypatch.setattr(order, "memory_bytes", lambda: 2000)
    assert choose_order(1000) == ("shuffled", "the samples fit into memory")
    chosen, why = choose_order(1001)
    assert chosen == "blocks" and "read from the disk in stretches" in why
    monkeypatch.setattr(order, "memory_bytes", lambda: None)
    assert choose_order(10**15)[0] == "shuffled"


def test_the_memory_is_the_least_of_what_the_system_says(tmp_path, monkeypatch):
    limit = tmp_path / "memory.max"
    limit.write_text("max\n")
    monkeypatch.setattr(order, "_LIMITS", (str(limit), str(tmp_path / "none")))
    whole = memory_bytes()
    limit.write_text("123456789\n")
    assert memory_bytes() == 123456789
    assert whole is None or whole > 123456789


def test_reading_ahead_touches_every_row(tmp_path):
    read_ahead(stored_in(tmp_path), np.arange(100))
    read_ahead(stored_in(tmp_path), np.empty(0, np.int64))


def test_the_order_is_for_pictures_only(tmp_path):
    source = tmp_path / "rows.npz"
    np.savez(source, x=np.zeros((20, 3), np.float32), y=np.arange(20) % 2)
    recipe = Recipe().with_values({"data.source": str(source), "data.order": "blocks"})
    with pytest.raises(UsageError, match=r"data\.order is for images"):
        prepare(recipe, cache=tmp_path / "cache")
