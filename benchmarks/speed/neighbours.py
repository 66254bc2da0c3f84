"""One contestant on k nearest neighbours: Fashion-MNIST's 10,000 test against its 60,000 training images.

    python benchmarks/speed/neighbours.py gradatim|scikit-learn|faiss [--queries 10000]

All find the five nearest by exact Euclidean distance on the same fp32 pixels.
"""

import argparse

import numpy as np
from clock import Clock

K = 5


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("contestant", choices=["gradatim", "scikit-learn", "faiss"])
    parser.add_argument("--queries", type=int, default=10_000)
    parser.add_argument("--epochs", type=int, default=2, help="times the search is done")
    options = parser.parse_args()

    from gradatim.core.recipe import Recipe
    from gradatim.data.preparation import prepare

    prepared, _ = prepare(Recipe().with_values({"data.source": "fashion-mnist"}))
    split = prepared.split
    pixels = prepared.inputs.reshape(len(prepared.inputs), -1)
    known = np.concatenate([split.train, split.validation])
    samples = pixels[known].astype(np.float32) / 255
    queries = pixels[split.test[: options.queries]].astype(np.float32) / 255
    if options.contestant == "gradatim":
        import torch

        from gradatim.models import build

        model = build("knn", prepared.spec, {"k": K})
        model.solve([(torch.from_numpy(samples), torch.from_numpy(prepared.targets[known]))])
        given = torch.from_numpy(queries)
        search = lambda: model.nearest(given, K)[1].numpy()  # noqa: E731
    elif options.contestant == "scikit-learn":
        from sklearn.neighbors import NearestNeighbors

        model = NearestNeighbors(n_neighbors=K, algorithm="brute").fit(samples)
        search = lambda: model.kneighbors(queries, return_distance=False)  # noqa: E731
    else:
        import faiss

        index = faiss.IndexFlatL2(samples.shape[1])
        index.add(samples)
        search = lambda: index.search(queries, K)[1]  # noqa: E731
    clock = Clock()
    for _ in range(options.epochs):
        clock.restart()
        found = search()
        clock.lap("search", len(queries))
    clock.laps = clock.laps[-1:]
    clock.tell(contestant=options.contestant, sum=int(found.sum()))


if __name__ == "__main__":
    main()
