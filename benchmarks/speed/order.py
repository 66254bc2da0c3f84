"""Batches from a store larger than memory: shuffled, and shuffled in blocks.

    python benchmarks/speed/order.py FOLDER --gigabytes 4 --batches 400

Writes a store of random pictures of 64 x 64 into FOLDER, takes it out of the page cache, and goes
through the first batches of an epoch in either order, in turn. The process has to be kept from
holding the store in memory, e.g. by ``systemd-run --scope -p MemoryMax=1G``, or, as root with version 1
of control groups::

    mkdir /sys/fs/cgroup/memory/small && echo 1G > /sys/fs/cgroup/memory/small/memory.limit_in_bytes
    sh -c 'echo $$ > /sys/fs/cgroup/memory/small/tasks && exec python benchmarks/speed/order.py FOLDER'
"""

import argparse
import itertools
import os
import time
from pathlib import Path
from statistics import median

import numpy as np
from memory import prepared_of

SIDE, BATCH = 64, 128


def store(folder, gigabytes):
    """Return a memory-mapped store of random bytes, written where it is not there."""
    count = int(gigabytes * 1e9) // (SIDE * SIDE * 3)
    place = Path(folder) / f"{count}.npy"
    if not place.exists():
        rng = np.random.default_rng(0)
        pixels = np.lib.format.open_memmap(place, "w+", np.uint8, (count, SIDE, SIDE, 3))
        for start in range(0, count, 4096):
            part = pixels[start : start + 4096]
            part[:] = rng.integers(0, 256, part.shape, np.uint8)
        pixels.flush()
        del pixels
    return place


def forget(place):
    """Take a file out of the page cache."""
    with open(place, "rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def read_bytes():
    """Return what this process has had read from the disk."""
    lines = Path("/proc/self/io").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("read_bytes")).split()[1])


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--gigabytes", type=float, default=4.0)
    parser.add_argument("--batches", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()

    from gradatim.data.augment import Augmentation
    from gradatim.data.batches import Batches

    place = store(options.folder, options.gigabytes)
    rates, read = {"shuffled": [], "blocks": []}, {}
    for number in range(options.rounds):
        for order, found in rates.items():
            forget(place)
            data = prepared_of(np.load(place, mmap_mode="r"))
            batches = Batches(
                data, "train", batch_size=BATCH, augmentation=Augmentation(flip=0.5),
                shuffle=True, order=order,
            )  # fmt: skip
            before, began = read_bytes(), time.perf_counter()
            for _ in itertools.islice(batches.epoch(number), options.batches):
                pass
            found.append(options.batches * BATCH / (time.perf_counter() - began))
            read[order] = (read_bytes() - before) / (options.batches * BATCH * SIDE * SIDE * 3)
    for order, found in rates.items():
        print(f"{order}: {median(found):,.0f} samples/s ({min(found):,.0f} to {max(found):,.0f}), "
              f"{read[order]:.2f} bytes read for each byte used")  # fmt: skip


if __name__ == "__main__":
    main()
