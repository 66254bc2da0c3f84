"""What random resized crops cost: milliseconds a picture, and the seconds of a larger store.

    OMP_NUM_THREADS=1 python benchmarks/crops.py
    python benchmarks/crops.py --photos FOLDER --size 224

Every second picture is flipped. The first form compares with Pillow's `resize` of the same boxes; the
second builds both stores of a folder in a cache of its own.
"""

import argparse
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np
import torch
from PIL import Image

from gradatim.core.recipe import Recipe
from gradatim.data import prepare
from gradatim.data.augment import _crop_boxes, flip, resized_crop
from gradatim.data.larger import settle
from gradatim.data.randomness import Draws

SIDES = [(379, 224), (224, 224), (108, 64), (64, 64), (32, 32)]  # of the pictures, of the crops
PICTURES, ROUNDS = 64, 9


def by_pillow(images, boxes, size):
    """Return what `resized_crop` does, one picture at a time."""
    cropped = np.empty((len(images), *size, 3), np.uint8)
    for row, (top, left, height, width) in enumerate(zip(*boxes, strict=True)):
        box = (left, top, left + width, top + height)
        picture = Image.fromarray(images[row])
        cropped[row] = picture.resize(size, Image.Resampling.BILINEAR, box=box)
    return cropped


def milliseconds(crop, images, side):
    """Return the median time of a picture over some rounds, each with boxes of its own."""
    flips, times = np.arange(len(images)) % 2 == 0, []
    for number in range(ROUNDS):
        boxes = _crop_boxes(images.shape, Draws(0, number, 0, len(images), len(images)))
        began = time.perf_counter()
        flip(crop(images, boxes, (side, side)), flips)
        times.append(time.perf_counter() - began)
    return 1000 * median(times) / len(images)


def compare():
    """Print how long a picture takes."""
    random = np.random.default_rng(0)
    torch.set_num_threads(1)
    for stored, side in SIDES:
        images = random.integers(0, 256, (PICTURES, stored, stored, 3), dtype=np.uint8)
        told = [f"{milliseconds(way, images, side):.3f}" for way in (resized_crop, by_pillow)]
        print(f"{stored} to {side}: {told[0]} ms, Pillow {told[1]}")


def build(folder, size):
    """Print how long both stores take, and how large they are."""
    values = {"data.source": folder, "data.size": size, "data.crop": "resized"}
    with tempfile.TemporaryDirectory() as cache:
        prepared, recipe = prepare(Recipe().with_values(values), cache=Path(cache))
        print(f"{size} px: {prepared.audit.seconds:.1f} s, {prepared.inputs.nbytes / 1e6:,.0f} MB")
        recipe = settle(recipe, prepared)
        began = time.perf_counter()
        pixels = prepared.larger.at(recipe.data.crop_from)
        seconds = time.perf_counter() - began
        print(f"{recipe.data.crop_from} px: {seconds:.1f} s, {pixels.nbytes / 1e6:,.0f} MB")
        print(recipe.reasons["data.crop_from"])


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--photos", help="a folder of which both stores are built")
    parser.add_argument("--size", type=int, default=224)
    options = parser.parse_args()
    if options.photos:
        build(options.photos, options.size)
    else:
        compare()


if __name__ == "__main__":
    main()
