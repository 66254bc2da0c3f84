"""Small data sets for the programs, offline: scikit-learn, Fashion-MNIST where installed, made ones."""

import gzip
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits

FASHION = Path("/usr/share/datasets/fashion-mnist")


def digits():
    x, y = load_digits(return_X_y=True)
    order = np.random.RandomState(0).permutation(len(x))
    return (x[order] / 16).astype("float32"), y[order].astype("int64")


def idx(name, count, header):
    with gzip.open(FASHION / name) as file:
        return np.frombuffer(file.read(count + header), np.uint8, offset=header)


def fashion(train=2000, test=600):
    """Grey pictures of ten classes, 28 x 28 uint8; digits enlarged where Fashion-MNIST is absent."""
    if FASHION.is_dir():
        pictures = idx("train-images-idx3-ubyte.gz", (train + test) * 784, 16).reshape(-1, 28, 28)
        labels = idx("train-labels-idx1-ubyte.gz", train + test, 8).astype("int64")
    else:
        pictures, labels = digits()
        pictures = np.kron(pictures.reshape(-1, 8, 8), np.ones((1, 3, 3)))
        pictures = (np.pad(pictures, ((0, 0), (2, 2), (2, 2))) * 255).astype("uint8")
        test = len(pictures) // 4
        train = len(pictures) - test
    x, y = torch.tensor(pictures[:, None].copy()), torch.tensor(labels)
    return x[:train], y[:train], x[train : train + test], y[train : train + test]


def shapes(count, seed=0):
    """Colour pictures N x H x W x C in [0, 1]: a disc, a square or a cross, of any colour."""
    draw = np.random.RandomState(seed)
    x = np.ones((count, 20, 20, 3), "float32") * draw.rand(count, 1, 1, 3) * 0.4
    y = draw.randint(0, 3, count)
    rows, columns = np.mgrid[:20, :20]
    for picture, kind in zip(x, y, strict=True):
        r, c, size = draw.randint(6, 14), draw.randint(6, 14), draw.randint(3, 6)
        down, across = abs(rows - r), abs(columns - c)
        mask = (
            down**2 + across**2 <= size**2,
            np.maximum(down, across) <= size * 0.9,
            (np.minimum(down, across) <= 1) & (np.maximum(down, across) <= size),
        )[kind]
        picture[mask] = 0.4 + 0.6 * draw.rand(3)
    return x.astype("float32"), y.astype("int64")


def adding(count, length, seed=0):
    """Sequences of numbers and marks; the target is the sum of the two marked numbers."""
    draw = np.random.RandomState(seed)
    x = np.zeros((count, length, 2), "float32")
    x[:, :, 0] = draw.rand(count, length)
    for row in x:
        a, b = draw.choice(length, 2, replace=False)
        row[a, 1] = row[b, 1] = 1
    return x, (x[:, :, 0] * x[:, :, 1]).sum(1)


TEXT = """
Call me Ishmael. Some years ago, never mind how long precisely, having little or no money in my
purse, and nothing particular to interest me on shore, I thought I would sail about a little and
see the watery part of the world. It is a way I have of driving off the spleen and regulating the
circulation. Whenever I find myself growing grim about the mouth; whenever it is a damp, drizzly
November in my soul; whenever I find myself involuntarily pausing before coffin warehouses, and
bringing up the rear of every funeral I meet; and especially whenever my hypos get such an upper
hand of me, that it requires a strong moral principle to prevent me from deliberately stepping into
the street, and methodically knocking people's hats off, then, I account it high time to get to sea
as soon as I can. This is my substitute for pistol and ball. With a philosophical flourish Cato
throws himself upon his sword; I quietly take to the ship. There is nothing surprising in this. If
they but knew it, almost all men in their degree, some time or other, cherish very nearly the same
feelings towards the ocean with me.
"""


def text():
    letters = sorted(set(TEXT))
    return torch.tensor([letters.index(letter) for letter in TEXT * 3]), len(letters)
