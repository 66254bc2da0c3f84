"""Images per second of one core that `gradatim.data.batches` makes, from a warm memory map.

    OMP_NUM_THREADS=1 python benchmarks/batches.py

Each figure is the best of five epochs by processor time, without prefetching.
"""

import tempfile
import time
from pathlib import Path

import numpy as np

from gradatim.core.spec import Spec
from gradatim.data.augment import Augmentation
from gradatim.data.batches import Batches
from gradatim.data.dataset import Prepared, Split
from gradatim.data.preprocessing import Preprocessing

SHIFT = {"flip": 0.5, "crop": "padded"}
AUGMENTATIONS = {
    "none": lambda side: Augmentation(),
    "flip + padded crop": lambda side: Augmentation(**SHIFT, crop_padding=side // 8),
    "flip + resized crop": lambda side: Augmentation(flip=0.5, crop="resized"),
    "... + jitter": lambda side: Augmentation(**SHIFT, crop_padding=side // 8, jitter=0.3),
    "... + erasing": lambda side: Augmentation(**SHIFT, crop_padding=side // 8, erasing=0.5),
    "... + mix-up": lambda side: Augmentation(**SHIFT, crop_padding=side // 8, mixup=0.2),
    "... + cut-mix": lambda side: Augmentation(**SHIFT, crop_padding=side // 8, cutmix=1.0),
}


def stored(folder, count, side, channels):
    random = np.random.default_rng(0)
    path = Path(folder) / "store.npy"
    np.save(path, random.integers(0, 256, (count, side, side, channels), dtype=np.uint8))
    inputs = np.load(path, mmap_mode="r")
    none = np.array([], np.int64)
    return Prepared(
        spec=Spec("classification", "image", (channels, side, side), tuple("abcdefghij")),
        inputs=inputs,
        targets=random.integers(0, 10, count),
        names=[],
        split=Split(np.arange(count), none, none),
        preprocessing=Preprocessing("image", (0.5,) * channels, (0.25,) * channels),
        audit=None,
        key="",
    )


def rate(prepared, augmentation, layout):
    batches = Batches(
        prepared,
        "train",
        batch_size=128,
        augmentation=augmentation,
        shuffle=True,
        prefetch=0,
        layout=layout,
    )
    seconds = []
    for epoch in range(5):
        began = time.process_time()
        for _ in batches.epoch(epoch):
            pass
        seconds.append(time.process_time() - began)
    return batches.samples / min(seconds)


def main():
    print(f"{'images':>12}  {'augmentation':<20} {'channels-last':>14} {'contiguous':>12}")
    for count, side, channels in [(20_000, 28, 1), (20_000, 32, 3), (5_000, 64, 3), (500, 224, 3)]:
        with tempfile.TemporaryDirectory() as folder:
            prepared = stored(folder, count, side, channels)
            for name, augmentation in AUGMENTATIONS.items():
                rates = [
                    rate(prepared, augmentation(side), layout)
                    for layout in ("channels-last", "contiguous")
                ]
                shape = f"{side}x{side}x{channels}"
                print(f"{shape:>12}  {name:<20} {rates[0]:>12,.0f}/s {rates[1]:>10,.0f}/s")


if __name__ == "__main__":
    main()
