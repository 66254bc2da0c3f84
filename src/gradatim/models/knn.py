"""k-nearest neighbours: the answer is the vote, or the mean, of the most similar samples.

Nothing is learnt but k: the module holds the training samples themselves and compares each input
with all of them. The comparison is exact. Memory beyond the samples is bounded: inputs and
samples are compared in blocks.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from gradatim.core.spec import Kind, Spec
from gradatim.models.blocks import flatten
from gradatim.models.network import Network
from gradatim.models.options import Positive

Metric = Literal["l1", "l2", "cosine"]

CANDIDATES = (1, 3, 5, 7, 9, 11, 15, 21, 31)
"""Numbers of neighbours tried on the validation samples: odd, so that two classes never tie."""
DEFAULT_K = 5
"""Used where there is no validation sample to choose k on."""
QUERIES = 256
"""Inputs compared at once."""
BLOCK = 2**21
"""Values of a block held at once: 8 MiB in single precision, which stay in the cache."""
SPARE = 8
"""Neighbours beyond k that are compared again exactly (see ``nearest``)."""
SMOOTHING = 0.01
"""Votes, all classes together, that are spread evenly, so that no share is exactly 0."""
TIE = 1e-3
"""Vote of the nearest neighbour beyond its own; halved with each rank. Decides ties only."""


class NearestNeighbours(Network):
    """Logarithms of the vote shares of the k nearest training samples; for a number, their mean.

    Where several classes have most votes, the one with the nearer sample wins.

    Options:
        k: number of neighbours; chosen on the validation samples when auto.
        metric: ``l2`` (Euclidean), ``l1`` (sum of absolute differences) or ``cosine``
            (1 - cosine of the angle), between flattened inputs.
    """

    kinds: ClassVar[tuple[Kind, ...]] = ("image", "vector", "sequence")
    full_input = (3, 32, 32)
    full_outputs = 10
    sized_by_weights = frozenset({"samples", "targets"})
    samples: Tensor
    targets: Tensor
    k: Tensor

    def __init__(self, spec: Spec, *, k: Positive | None = None, metric: Metric = "l2") -> None:
        super().__init__()
        self.metric = metric
        self.flatten = flatten(spec)
        self.classes = spec.outputs if spec.task == "classification" else 0
        self.k_is_given = k is not None
        kind_of_target = torch.int64 if self.classes else torch.float32
        self.register_buffer("samples", torch.zeros(0, spec.size))
        self.register_buffer("targets", torch.zeros(0, dtype=kind_of_target))
        self.register_buffer("k", torch.tensor(k or DEFAULT_K))

    @property
    def solved(self) -> bool:
        """True: the samples are kept and k is chosen."""
        return True

    def solve(
        self, batches: Iterable[Any], validation: Iterable[Any] | None = None
    ) -> dict[str, float]:
        """Keep the samples of the batches ``(inputs, targets, …)`` and choose k.

        Args:
            batches: the training samples, each once.
            validation: the samples k is chosen on, unless the option k is given.

        Returns:
            ``samples``, ``k`` and, where k was chosen, the ``accuracy`` (for a number ``error``,
            the mean squared error) on the validation samples.
        """
        inputs, targets = self._gather(batches)
        self.samples = self._scaled(inputs.to(self.samples.device))
        self.targets = targets.to(self.targets)
        facts: dict[str, float] = {}
        if validation is not None and not self.k_is_given:
            scores = self.choose_k(validation)
            facts["accuracy" if self.classes else "error"] = scores[int(self.k)]
        self.options = {"metric": self.metric, **getattr(self, "options", {}), "k": int(self.k)}
        return {"samples": float(len(self.samples)), "k": float(self.k), **facts}

    def _gather(self, batches: Iterable[Any]) -> tuple[Tensor, Tensor]:
        """Return all inputs, flattened, and all targets of the batches."""
        inputs, targets = [], []
        for batch in batches:
            inputs.append(self.flatten(torch.as_tensor(batch[0])).float())
            targets.append(torch.as_tensor(batch[1]).reshape(-1))
        return torch.cat(inputs), torch.cat(targets)

    @torch.no_grad()
    def choose_k(self, validation: Iterable[Any]) -> dict[int, float]:
        """Set k to the candidate that does best on the validation samples, the least of equals.

        Returns:
            for each candidate its accuracy, or its mean squared error for a number.
        """
        candidates = [k for k in CANDIDATES if k <= len(self.samples)] or [1]
        totals = dict.fromkeys(candidates, 0.0)
        count = 0
        for batch in validation:
            targets = batch[1].to(self.targets)
            indices = self.nearest(batch[0], candidates[-1])[1]
            for k in candidates:
                answers = self._answer(indices[:, :k])
                if self.classes:
                    totals[k] += float((answers.argmax(dim=1) == targets).sum())
                else:
                    totals[k] += float(((answers[:, 0] - targets) ** 2).sum())
            count += len(targets)
        scores = {k: total / max(count, 1) for k, total in totals.items()}
        sign = -1 if self.classes else 1
        self.k.fill_(min(scores, key=lambda k: (sign * scores[k], k)))
        return scores

    def forward(self, inputs: Tensor) -> Tensor:
        """Return log vote shares ``B x classes``, or means ``B x 1``.

        The shares are smoothed by a hundredth of a vote; softmax of the scores gives them.
        """
        k = DEFAULT_K if self.k.is_meta else int(self.k)  # a meta tensor holds no number
        return self._answer(self.nearest(inputs, k)[1])

    @torch.no_grad()
    def nearest(self, inputs: Tensor, k: int) -> tuple[Tensor, Tensor]:
        """Return the distances and the indices of the k nearest samples, nearest first.

        ``l2`` and ``cosine`` first rank all samples by a b - |b|^2 / 2, a matrix product that
        loses digits where the distance is small against the norms, then compute the distance of
        the best k + 8 again from the differences. ``l1`` has no such product.

        Returns:
            two tensors ``B x min(k, samples)``; distances as the metric's name says.
        """
        k = min(k, len(self.samples))
        offsets_N = torch.linalg.vector_norm(self.samples, dim=1).square() / -2
        parts = torch.split(self.flatten(inputs), QUERIES)
        found = [self._nearest(queries, k, offsets_N) for queries in parts]
        distances, indices = zip(*found, strict=True)
        return torch.cat(distances), torch.cat(indices)

    def _nearest(self, inputs: Tensor, k: int, offsets_N: Tensor) -> tuple[Tensor, Tensor]:
        queries = self._scaled(inputs.float())
        kept = min(k + SPARE, len(self.samples))
        best = queries.new_empty(len(queries), 0)
        indices = torch.empty(len(queries), 0, dtype=torch.int64, device=queries.device)
        rows = max(BLOCK // max(len(queries), 1), 1)
        for start in range(0, len(self.samples), rows):
            block = self._closeness(
                queries, self.samples[start : start + rows], offsets_N[start : start + rows]
            )
            closest = block.topk(min(kept, block.shape[1]))
            merged = torch.cat([best, closest.values], dim=1)
            best, order = merged.topk(min(kept, merged.shape[1]))
            indices = torch.cat([indices, closest.indices + start], dim=1).gather(1, order)
        exact = self._exact(queries, indices)
        distances, order = exact.sort(dim=1, stable=True)
        return distances[:, :k], indices.gather(1, order)[:, :k]

    def _scaled(self, vectors: Tensor) -> Tensor:
        """Return the vectors as they are compared: of length 1 for the cosine."""
        return torch.nn.functional.normalize(vectors) if self.metric == "cosine" else vectors

    def _closeness(self, queries_BD: Tensor, samples_ND: Tensor, offsets_N: Tensor) -> Tensor:
        """Return values ``B x N`` that rank the samples of a block: the larger, the nearer."""
        if self.metric == "l1":
            return -torch.cdist(queries_BD, samples_ND, p=1.0)
        return _products(queries_BD, samples_ND, offsets_N)

    def _exact(self, queries_BD: Tensor, indices_BK: Tensor) -> Tensor:
        """Return the distances to the samples of the indices, from their differences."""
        rows = max(BLOCK // max(indices_BK.shape[1] * queries_BD.shape[1], 1), 1)
        parts = []
        blocks = zip(torch.split(queries_BD, rows), torch.split(indices_BK, rows), strict=True)
        for queries, indices in blocks:
            difference_BKD = self.samples[indices] - queries[:, None]
            if self.metric == "l1":
                parts.append(difference_BKD.abs().sum(dim=2))
            elif self.metric == "l2":
                parts.append(difference_BKD.square().sum(dim=2).sqrt())
            else:  # of unit vectors: |a - b|^2 = 2 (1 - cos)
                parts.append(difference_BKD.square().sum(dim=2) / 2)
        return torch.cat(parts)

    def _answer(self, indices_BK: Tensor) -> Tensor:
        """Return what the neighbours say: log vote shares, or the mean of their targets."""
        targets_BK = self.targets[indices_BK]
        count = indices_BK.shape[1]
        if not self.classes:
            return targets_BK.sum(dim=1, keepdim=True) / max(count, 1)
        weights = 1.0 + TIE * 0.5 ** torch.arange(count, dtype=torch.float64)
        votes = torch.full((len(indices_BK), self.classes), SMOOTHING / self.classes).double()
        votes = votes.to(targets_BK.device)
        votes.scatter_add_(1, targets_BK, weights.to(votes.device).expand(len(votes), -1))
        return (votes / votes.sum(dim=1, keepdim=True)).log().float()


def _products(queries_BD: Tensor, samples_ND: Tensor, offsets_N: Tensor) -> Tensor:
    """Return ``a b + offset`` of every query and sample, ``B x N``.

    On processors that are not Intel's, MKL, which PyTorch multiplies fp32 with, holds back: on an
    AMD Zen 5 it reached 87 GFLOP/s a core and oneDNN, as exact, 169 (benchmarks/results/speed.md).
    """
    written_down = torch.compiler.is_compiling()  # for an export: other processors will read it
    fp32_here = queries_BD.device.type == "cpu" and samples_ND.dtype == torch.float32
    usable = fp32_here and not written_down and samples_ND.numel() and queries_BD.numel()
    if usable and torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        multiply = torch.ops.aten.mkldnn_linear
        product: Tensor = multiply(queries_BD.to_mkldnn(), samples_ND, offsets_N).to_dense()
        return product
    return torch.addmm(offsets_N, queries_BD, samples_ND.T)
