"""The linear model: one weight for each input and output, f(x) = W x + b.

Softmax regression for classes, linear regression for a number. Its weights for a class, shaped as
the image, are that class's template.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from gradatim.core.spec import Kind, Spec
from gradatim.errors import ValueRefusedError
from gradatim.models.blocks import flatten
from gradatim.models.initialisation import initialise
from gradatim.models.network import Network


class Linear(Network):
    """Scores ``W x + b`` of the flattened input.

    Options:
        solver: ``descent`` (trained as any network) or, for regression, the least squares
            solution in one go: ``normal-equation`` solves (A^T A) w = A^T y with A = [x 1]
            (memory D^2, one pass), ``lstsq`` decomposes A itself (memory N x D; accurate where
            the normal equation squares a bad condition).
        initialisation: see ``models/initialisation.py``. The loss is convex, so the start decides
            nothing but the first steps; from zeros the first loss of K classes is exactly ln K.
    """

    kinds: ClassVar[tuple[Kind, ...]] = ("image", "vector", "sequence")
    full_input = (3, 32, 32)
    full_outputs = 10

    def __init__(
        self,
        spec: Spec,
        *,
        solver: Literal["descent", "normal-equation", "lstsq"] = "descent",
        initialisation: str = "zeros",
    ) -> None:
        super().__init__()
        if solver != "descent" and spec.task != "regression":
            raise ValueRefusedError(
                "softmax regression has no solution in closed form",
                given=solver,
                allowed="descent",
                next_step="leave the option solver out, or predict a number instead of a class",
            )
        self.solver = solver
        self.flatten = flatten(spec)
        self.linear = nn.Linear(spec.size, spec.outputs)
        initialise(self, initialisation)

    @property
    def solved(self) -> bool:
        """Whether a closed solution was asked for."""
        return self.solver != "descent"

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the scores, ``B x outputs``."""
        scores: Tensor = self.linear(self.flatten(inputs))
        return scores

    def templates(self, spec: Spec) -> Tensor:
        """Return the weights of each output in the shape of the input, ``outputs x shape``."""
        return self.linear.weight.detach().reshape(spec.outputs, *spec.shape)

    def solve(self, batches: Iterable[Any]) -> dict[str, float]:
        """Set the weights to the least squares solution, computed in double precision.

        Of several solutions (features that repeat each other) the one of least norm is taken.

        Returns:
            ``samples``, ``rank`` of [x 1], and ``loss``, the mean squared error on the batches.
        """
        solver = _by_decomposition if self.solver == "lstsq" else _by_normal_equation
        pairs = (
            (_with_ones(self.flatten(batch[0])), torch.as_tensor(batch[1]).double().reshape(-1, 1))
            for batch in batches
        )
        solution, facts = solver(pairs)
        with torch.no_grad():
            self.linear.weight.copy_(solution[:-1].T)
            self.linear.bias.copy_(solution[-1])
        return facts


def _with_ones(x_ND: Tensor) -> Tensor:
    """Return [x 1] in double precision: the last column stands for the bias."""
    return torch.cat([x_ND.double(), torch.ones(len(x_ND), 1, dtype=torch.float64)], dim=1)


def _by_normal_equation(pairs: Iterable[tuple[Tensor, Tensor]]) -> tuple[Tensor, dict[str, float]]:
    """Solve (A^T A) w = A^T y from sums over batches."""
    gram = moment = squares = torch.zeros(())
    samples = 0
    for a_ND, y_N1 in pairs:
        gram = gram + a_ND.T @ a_ND
        moment = moment + a_ND.T @ y_N1
        squares = squares + (y_N1**2).sum()
        samples += len(a_ND)
    values, vectors = torch.linalg.eigh(gram)
    # Eigenvalues below the rounding error of the largest are taken as zero, as numpy's pinv does.
    kept = values > values[-1] * len(values) * torch.finfo(torch.float64).eps
    coordinates = vectors.T @ moment
    coordinates[kept] /= values[kept, None]
    coordinates[~kept] = 0.0
    solution = vectors @ coordinates
    # |A w - y|^2 = y^T y - 2 w^T A^T y + w^T A^T A w
    error = squares - 2 * (solution.T @ moment).sum() + (solution.T @ gram @ solution).sum()
    loss = max(float(error), 0.0) / samples
    return solution, {"samples": float(samples), "rank": float(kept.sum()), "loss": loss}


def _by_decomposition(pairs: Iterable[tuple[Tensor, Tensor]]) -> tuple[Tensor, dict[str, float]]:
    """Solve min |A w - y| through the singular values of A."""
    a, y = zip(*pairs, strict=True)
    a_ND, y_N1 = torch.cat(a), torch.cat(y)
    result = torch.linalg.lstsq(a_ND, y_N1, driver="gelsd")
    loss = float(((a_ND @ result.solution - y_N1) ** 2).mean())
    facts = {"samples": float(len(a_ND)), "rank": float(result.rank), "loss": loss}
    return result.solution, facts
