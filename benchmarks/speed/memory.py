"""Anonymous memory while training from a store of decoded pictures that is larger than it.

    python benchmarks/speed/memory.py                 a store of 8 GB, 40 steps
    prlimit --data=3000000000 python benchmarks/speed/memory.py

The store is a sparse file, memory-mapped as Gradatim's own: its pages are read, and can be dropped,
like any other file's, but it takes no room on the disk. Printed are the anonymous memory (RssAnon) before the first
step, its peak afterwards, and that of the same steps on a store of 64 MB: their difference is what the
size of the data costs. ``prlimit --data`` ends the process should it take more.
"""

import argparse
import json
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

SIDE = 32


def anonymous():
    """Return the anonymous memory of this process in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon"):
            return int(line.split()[1]) * 1024
    raise SystemExit("RssAnon is told by Linux only")


class Peak:
    """The largest anonymous memory within a with statement, looked at every 10 ms."""

    def __enter__(self):
        self.bytes, self._over = anonymous(), threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def _watch(self):
        while not self._over.wait(0.01):
            self.bytes = max(self.bytes, anonymous())

    def __exit__(self, *_):
        self._over.set()
        self._thread.join()


def prepared(folder, size):
    """Return a data set of zeros of this many bytes in a sparse memory map."""
    count = size // (SIDE * SIDE * 3)
    place = Path(folder) / f"{size}.npy"
    np.lib.format.open_memmap(place, "w+", np.uint8, (count, SIDE, SIDE, 3)).flush()
    return prepared_of(np.load(place, mmap_mode="r"))


def prepared_of(pixels):
    """Return a data set of these pictures, ``N x side x side x 3``, all of them for training."""
    from gradatim.core.spec import Spec
    from gradatim.data.audit import Audit
    from gradatim.data.dataset import Prepared, Split
    from gradatim.data.preprocessing import Preprocessing

    count, side = pixels.shape[:2]
    none = np.empty(0, np.int64)
    return Prepared(
        spec=Spec("classification", "image", (3, side, side), tuple("abcdefghij")),
        inputs=pixels,
        targets=np.arange(count) % 10,
        names=range(count),
        split=Split(np.arange(count), none, none, origin="made up"),
        preprocessing=Preprocessing("image", (0.5,) * 3, (0.25,) * 3, size=side, channels=3),
        audit=Audit(source="made up", kind="image", samples=count, found=count),
        key=f"made-up-{count}",
    )


def measure(folder, size, steps):
    """Train LeNet for some steps on a store of this size; return what it took."""
    from gradatim import models, training
    from gradatim.data.augment import Augmentation
    from gradatim.data.batches import Batches

    data = prepared(folder, size)
    model = models.build("lenet", data.spec, {})
    before = anonymous()
    with Peak() as peak:
        batches = Batches(
            data,
            "train",
            batch_size=128,
            augmentation=Augmentation(flip=0.5, crop="padded", crop_padding=4),
            shuffle=True,
        )

        class Some:
            """The first steps of an epoch over everything."""

            samples = 128 * steps

            def __len__(self):
                return steps

            def epoch(self, number, start):
                whole = batches.epoch(number, start)
                for _ in range(steps - start):
                    yield next(whole)
                whole.close()

        began = time.perf_counter()
        training.train(model, Some(), spec=data.spec, epochs=1)
        seconds = time.perf_counter() - began
    return {"store": data.inputs.nbytes, "before": before, "peak": peak.bytes, "seconds": seconds}


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--gigabytes", type=float, default=8.0)
    parser.add_argument("--steps", type=int, default=40)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        measure(folder, 64 * 10**6, 5)  # kernels, threads and allocator are warm
        small = measure(folder, 64 * 10**6, options.steps)
        large = measure(folder, int(options.gigabytes * 1e9), options.steps)
    print(json.dumps({"small": small, "large": large}))
    for name, found in (("64 MB", small), (f"{options.gigabytes:g} GB", large)):
        rise = (found["peak"] - found["before"]) / 2**20
        print(f"store of {name}: {rise:,.0f} MiB of anonymous memory above the start")


if __name__ == "__main__":
    main()
