import gc
import threading
import time

import numpy as np
import pytest
import torch

from gradatim.core.spec import Spec
from gradatim.data import ahead as ahead_module
from gradatim.data.ahead import ahead, in_time
from gradatim.data.augment import Augmentation
from gradatim.data.batches import Batches
from gradatim.data.dataset import Prepared, Split
from gradatim.data.preprocessing import Preprocessing
from gradatim.data.randomness import permutation
from gradatim.errors import UnknownNameError, ValueRefusedError

EVERYTHING = Augmentation(
    flip=0.5, crop="padded", crop_padding=3, jitter=0.3, erasing=0.5, mixup=0.4, cutmix=1.0
)


def images(n=330, side=20, channels=3, classes=4, task="classification"):
    random = np.random.default_rng(0)
    inputs = random.integers(0, 256, (n, side, side, channels), dtype=np.uint8)
    classification = task == "classification"
    spec = Spec(
        task=task,
        kind="image",
        shape=(channels, side, side),
        classes=tuple("abcdefgh"[:classes]) if classification else (),
    )
    targets = (
        random.integers(0, classes, n)
        if classification
        else random.normal(20, 5, n).astype(np.float32)
    )
    preprocessing = Preprocessing(
        kind="image",
        mean=(0.4, 0.5, 0.45)[:channels],
        std=(0.2, 0.25, 0.3)[:channels],
        target_mean=0.0 if classification else 20.0,
        target_std=1.0 if classification else 5.0,
    )
    return prepared(spec, inputs, targets, preprocessing)


def vectors(n=50, features=6):
    random = np.random.default_rng(0)
    spec = Spec(task="classification", kind="vector", shape=(features,), classes=("no", "yes"))
    inputs = random.normal(3, 2, (n, features)).astype(np.float32)
    preprocessing = Preprocessing(kind="vector", mean=(3.0,) * features, std=(2.0,) * features)
    return prepared(spec, inputs, random.integers(0, 2, n), preprocessing)


def prepared(spec, inputs, targets, preprocessing):
    n = len(inputs)
    order = np.random.default_rng(1).permutation(n)
    train, validation, test = np.split(order, [n * 7 // 10, n * 9 // 10])
    split = Split(np.sort(train), np.sort(validation), np.sort(test))
    names = [f"row {i}" for i in range(n)]
    return Prepared(spec, inputs, targets, names, split, preprocessing, audit=None, key="")


def collect(batches, epoch=0, start=0):
    parts = list(batches.epoch(epoch, start))
    return [torch.cat([getattr(part, name) for part in parts]) for name in parts[0]._fields]


def same(one, two):
    return all(torch.equal(a, b) for a, b in zip(one, two, strict=True))


def test_without_shuffling_batches_hold_the_part_in_order_normalised():
    data = images()
    batches = Batches(data, "validation", batch_size=32, shuffle=False)
    inputs, targets, indices = collect(batches)
    assert batches.samples == 66 and len(batches) == 3
    assert np.array_equal(indices, data.split.validation)
    assert np.array_equal(targets, data.targets[data.split.validation])
    expected = data.preprocessing.normalise(data.inputs[data.split.validation])
    assert inputs.dtype == torch.float32 and inputs.shape == expected.shape
    np.testing.assert_allclose(inputs, expected, atol=2e-6)


def test_shuffled_batches_follow_the_permutation_of_seed_and_epoch():
    data = images()
    batches = Batches(data, "train", batch_size=50, seed=4, shuffle=True)
    for epoch in (0, 3):
        indices = collect(batches, epoch)[2]
        expected = data.split.train[permutation(4, epoch, batches.samples)]
        assert np.array_equal(indices, expected)


def test_a_part_can_be_given_by_indices():
    data = vectors()
    chosen = np.array([30, 2, 7])
    inputs, _, indices = collect(Batches(data, chosen, batch_size=2, shuffle=False))
    assert np.array_equal(indices, chosen)
    assert np.array_equal(inputs, data.preprocessing.normalise(data.inputs[chosen]))


@pytest.mark.parametrize("augmentation", [EVERYTHING, Augmentation(crop="resized", flip=0.5)])
def test_bits_do_not_depend_on_batch_size_prefetch_or_start(augmentation):
    data = images()

    def made(batch_size, prefetch, start=0):
        batches = Batches(
            data,
            "train",
            batch_size=batch_size,
            seed=9,
            augmentation=augmentation,
            shuffle=True,
            prefetch=prefetch,
        )
        return collect(batches, epoch=2, start=start)

    reference = made(64, 0)
    assert same(reference, made(64, 2))
    assert same(reference, made(77, 1))
    assert same(reference, made(1000, 2))
    assert same([tensor[128:] for tensor in reference], made(64, 2, start=2))


@pytest.mark.parametrize("augmentation", [Augmentation(), Augmentation(mixup=1.0)])
@pytest.mark.parametrize("make", [images, vectors])
def test_bits_do_not_depend_on_how_many_batches_are_made_at_once(make, augmentation, monkeypatch):
    data = make()

    def made(limit, start=0, **settings):
        monkeypatch.setattr("gradatim.data.batches.AT_ONCE_BYTES", limit)
        settings = {"batch_size": 6, "augmentation": augmentation, "shuffle": True, **settings}
        return [tuple(batch) for batch in Batches(data, "train", **settings).epoch(3, start)]

    for settings in ({}, {"drop_last": True}):
        one_by_one = made(0, **settings)
        for limit in (6 * 1200 * 4, 6 * 24 * 3, 2**30):
            for start in (0, 1, len(one_by_one) - 1, len(one_by_one)):
                together = made(limit, start, **settings)
                assert len(together) == len(one_by_one) - start
                assert all(map(same, together, one_by_one[start:]))


def test_bits_do_not_depend_on_the_global_random_state():
    data = images()
    batches = Batches(data, "train", batch_size=64, augmentation=EVERYTHING, shuffle=True)
    np.random.seed(1)
    torch.manual_seed(1)
    before = collect(batches)
    np.random.seed(2)
    torch.manual_seed(2)
    state = torch.get_rng_state()
    assert same(before, collect(batches))
    assert torch.equal(state, torch.get_rng_state())


def test_iterating_is_epoch_0_and_epochs_differ():
    data = images()
    batches = Batches(data, "train", batch_size=64, augmentation=EVERYTHING, shuffle=True)
    first = next(iter(batches))
    assert same(first, next(batches.epoch(0)))
    assert not torch.equal(first.indices, next(batches.epoch(1)).indices)


@pytest.mark.parametrize("channels", [1, 3])
def test_layouts_hold_the_same_values_with_their_own_strides(channels):
    data = images(channels=channels)
    made = {
        layout: next(iter(Batches(data, "train", batch_size=64, shuffle=False, layout=layout)))
        for layout in ("contiguous", "channels-last")
    }
    contiguous, channels_last = made["contiguous"].inputs, made["channels-last"].inputs
    assert torch.equal(contiguous, channels_last)
    assert contiguous.stride() == (channels * 400, 400, 20, 1)
    assert channels_last.stride() == (channels * 400, 1, 20 * channels, channels)


@pytest.mark.parametrize("layout", ["contiguous", "channels-last"])
@pytest.mark.parametrize("augmentation", [None, EVERYTHING, Augmentation(mixup=0.2)])
@pytest.mark.parametrize("make", [images, vectors])
def test_inputs_begin_where_pytorch_begins_its_own(make, augmentation, layout, monkeypatch):
    if make is vectors and augmentation is EVERYTHING:
        augmentation = Augmentation(mixup=1.0)
    settings = {"batch_size": 7, "shuffle": True, "augmentation": augmentation, "layout": layout}
    for limit in (2**30, 0):  # vectors kept, vectors normalised by the batch
        monkeypatch.setattr("gradatim.data.batches.RESIDENT_BYTES", limit)
        for batch in Batches(make(), "train", **settings):
            assert batch.inputs.data_ptr() % 64 == 0


def test_last_batch_is_smaller_or_dropped():
    data = images()  # 231 training samples
    sizes = [
        [len(b.targets) for b in Batches(data, "train", batch_size=100, shuffle=True, drop_last=d)]
        for d in (False, True)
    ]
    assert sizes == [[100, 100, 31], [100, 100]]
    assert len(Batches(data, "train", batch_size=100, shuffle=True, drop_last=True)) == 2


@pytest.mark.parametrize("prefetch", [0, 2])
def test_a_single_sample_left_over_joins_the_batch_before_it(prefetch):
    data = images()  # 231 training samples
    settings = {"batch_size": 115, "prefetch": prefetch}
    sizes = [len(b.targets) for b in Batches(data, "train", shuffle=True, **settings)]
    assert sizes == [115, 116] and len(Batches(data, "train", shuffle=True, **settings)) == 2
    indices = collect(Batches(data, "train", shuffle=True, **settings))[2]
    assert sorted(indices.tolist()) == data.split.train.tolist()
    dropped = Batches(data, "train", shuffle=True, drop_last=True, **settings)
    assert [len(b.targets) for b in dropped] == [115, 115]
    in_order = Batches(data, "train", shuffle=False, **settings)
    assert [len(b.targets) for b in in_order] == [115, 115, 1]
    alone = Batches(data, data.split.train[:1], shuffle=True, **settings)
    assert [len(b.targets) for b in alone] == [1]


def test_a_part_without_samples_has_no_batches():
    batches = Batches(images(), np.array([], dtype=np.int64), batch_size=10, shuffle=True)
    assert len(batches) == 0 and list(batches) == []


def test_regression_targets_are_standardised():
    data = images(task="regression")
    _, targets, indices = collect(Batches(data, "train", batch_size=64, shuffle=True))
    assert targets.dtype == torch.float32
    np.testing.assert_allclose(targets, (data.targets[indices] - 20) / 5, rtol=1e-5, atol=1e-6)


def test_images_can_be_memory_mapped_read_only(tmp_path):
    data = images()
    np.save(tmp_path / "store.npy", data.inputs)
    mapped = np.load(tmp_path / "store.npy", mmap_mode="r")
    on_disk = Prepared(**{**vars(data), "inputs": mapped})
    settings = {"batch_size": 64, "augmentation": EVERYTHING, "shuffle": True}
    assert same(
        collect(Batches(data, "train", **settings)), collect(Batches(on_disk, "train", **settings))
    )


def test_augmentation_leaves_the_store_as_it_is():
    data = images()
    before = data.inputs.copy()
    collect(Batches(data, "train", batch_size=64, augmentation=EVERYTHING, shuffle=True))
    assert np.array_equal(data.inputs, before)


def test_large_sets_of_vectors_are_normalised_by_the_batch(monkeypatch):
    data = vectors()
    resident = collect(Batches(data, "train", batch_size=8, shuffle=True))
    monkeypatch.setattr("gradatim.data.batches.RESIDENT_BYTES", 100)
    assert same(resident, collect(Batches(data, "train", batch_size=8, shuffle=True)))


def test_vectors_can_be_mixed_up():
    data = vectors()
    mixed = Batches(data, "train", batch_size=8, shuffle=True, augmentation=Augmentation(mixup=1.0))
    plain = Batches(data, "train", batch_size=8, shuffle=True)
    inputs, targets, _ = collect(mixed)
    x, y, _ = collect(plain)
    assert targets.shape == (35, 2)
    torch.testing.assert_close(targets.sum(1), torch.ones(35))
    # the share is seen in the inputs: x + (1 - share) (next - x)
    following = x.roll(-1, 0)
    share = 1 - ((inputs - x) * (following - x)).sum(1) / ((following - x) ** 2).sum(1)
    one_hot = torch.nn.functional.one_hot(y, 2)
    expected = share[:, None] * one_hot + (1 - share[:, None]) * one_hot.roll(-1, 0)
    torch.testing.assert_close(targets, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("settings", "error", "text"),
    [
        ({"part": "valid"}, UnknownNameError, "did you mean 'validation'"),
        ({"batch_size": 0}, ValueRefusedError, "allowed: 1 or more"),
        ({"batch_size": 500, "drop_last": True}, ValueRefusedError, "allowed: 1 to 35"),
        (
            {"augmentation": Augmentation(flip=0.5, cutmix=1.0)},
            ValueRefusedError,
            "for images; these samples are vectors: 'data.flip, data.cutmix'",
        ),
    ],
)
def test_what_cannot_be_done_is_said(settings, error, text):
    with pytest.raises(error) as raised:
        Batches(vectors(), **{"part": "train", "batch_size": 5, "shuffle": True, **settings})
    assert text in str(raised.value)


def waiting_threads():
    return [t for t in threading.enumerate() if t.name == "gradatim-ahead"]


def test_the_thread_makes_results_in_order_and_ends():
    assert list(ahead(lambda i: i * i, range(3, 20), 2)) == [i * i for i in range(3, 20)]
    assert not waiting_threads()


def test_the_thread_works_only_so_far_ahead():
    made = []
    results = ahead(made.append, range(50), 3)
    next(results)
    deadline = time.monotonic() + 5
    while len(made) < 4 and time.monotonic() < deadline:
        time.sleep(0.005)
    time.sleep(0.05)
    assert len(made) == 4  # one handed over, three waiting
    results.close()


@pytest.mark.parametrize("how", ["close", "drop", "interrupt"])
def test_the_thread_ends_when_its_results_are_not_wanted_any_more(how):
    results = ahead(lambda i: i, range(1000), 2)
    next(results)
    assert waiting_threads()
    if how == "close":
        results.close()
    elif how == "interrupt":
        with pytest.raises(KeyboardInterrupt):
            results.throw(KeyboardInterrupt())
    else:
        del results
        gc.collect()
    assert not waiting_threads()


def test_an_error_on_the_thread_is_raised_at_its_place():
    def make(number):
        if number == 4:
            raise ValueRefusedError("this one cannot be made")
        return number

    results = ahead(make, range(10), 2)
    assert [next(results) for _ in range(4)] == [0, 1, 2, 3]
    with pytest.raises(ValueRefusedError, match="this one cannot be made"):
        next(results)
    assert not waiting_threads()


def test_more_threads_join_where_results_come_too_late_and_keep_the_order():
    def make(number):
        time.sleep(0.01)  # the consumer takes no time at all
        return number

    most, seen = 0, []
    for number in ahead(make, range(40), 2, most_threads=3):
        seen.append(number)
        most = max(most, len(waiting_threads()))
    assert seen == [*range(40)]
    assert most == 3 and not waiting_threads()
    patient = ahead(make, range(40), 2, most_threads=1)
    assert [*patient] == seen


def test_an_error_on_one_of_many_threads_is_raised_at_its_place():
    def make(number):
        time.sleep(0.002)
        if number == 20:
            raise ValueRefusedError("this one cannot be made")
        return number

    results = ahead(make, range(40), 1, most_threads=4)
    assert [next(results) for _ in range(20)] == [*range(20)]
    with pytest.raises(ValueRefusedError, match="this one cannot be made"):
        next(results)
    assert not waiting_threads()


@pytest.mark.parametrize(("seconds", "threads"), [(0.0, 0), (0.02, 1)])
def test_what_is_made_quickly_is_made_where_it_is_used(seconds, threads):
    def make(number):
        time.sleep(seconds)
        return number

    most, seen = 0, []
    for number in in_time(make, range(5, 30), 2):
        seen.append(number)
        most = max(most, len(waiting_threads()))
        time.sleep(0.01)
    assert seen == [*range(5, 30)]
    assert most == threads and not waiting_threads()


def test_prefetching_leaves_the_threads_of_torch_alone(monkeypatch):
    monkeypatch.setattr(ahead_module, "SHARE", 0.0)
    monkeypatch.setattr(ahead_module, "TRIED", 1)
    monkeypatch.setattr("gradatim.data.batches.AT_ONCE_BYTES", 0)
    before = torch.get_num_threads()
    data = images(n=3000)  # so many batches that the thread has to wait for room
    batches = Batches(data, "train", batch_size=64, augmentation=EVERYTHING, shuffle=True)
    seen, waiting = [], 0
    for _ in batches:
        waiting += len(waiting_threads())
        seen.append(torch.get_num_threads())
    assert waiting
    other = threading.Thread(target=lambda: seen.append(torch.get_num_threads()))
    other.start()
    other.join()
    assert set(seen) == {before}


def test_a_program_that_ends_in_the_middle_of_an_epoch_ends_well():
    import subprocess
    import sys

    program = (
        "from gradatim.data.ahead import ahead\n"
        "import numpy as np\n"
        "results = ahead(lambda i: np.ones((500, 500)) @ np.ones((500, 500)), range(10**6), 4)\n"
        "next(results)\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=30)
    assert (ended.returncode, ended.stderr) == (0, b"")
