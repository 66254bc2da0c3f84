"""Forward passes without gradients, gathered from one step of the optimiser to the next."""

from __future__ import annotations

import torch
from torch import Tensor

from gradatim.probes import criteria
from gradatim.probes.forwards import Forward
from gradatim.probes.measure import Numbers

MOST_FINGERPRINTS = 20_000
MOST_GUESSES = 1000
LONGEST_GAP = 64


class Evaluations:
    """What was evaluated since the last step, per model."""

    def __init__(self) -> None:
        self.passes = 0
        self._found: dict[str, Numbers] = {}
        self._latest: Numbers | None = None
        self._guesses: list[list[Tensor]] = []  # of each pass: the classes its scores may mean
        self._classes = 0
        self._fingerprints = 0
        self._last = -LONGEST_GAP
        self._gap = 1

    def worth(self, step: int) -> bool:
        """Say whether to look, now that gradients are switched off after so many steps.

        A script that switches them off in every step is looked at ever more rarely.
        """
        since = step - self._last
        if since < self._gap:
            return False
        self._gap = min(LONGEST_GAP, self._gap * 2) if since < 2 * self._gap + 2 else 1
        self._last = step
        return True

    def forward(self, forward: Forward, step: int, target: Tensor | None) -> None:
        """Add one pass."""
        self.passes += 1
        numbers = forward.numbers
        prints = numbers.pop("fingerprints", [])
        name = str(numbers["model"])
        found = self._found.get(name)
        if found is None:
            found = self._found[name] = {
                "step": step,
                **numbers,
                "calls": forward.calls,
                "passes": 0,
                "samples": 0,
                "fingerprints": [],
            }
        found["passes"] += 1
        found["samples"] += int(numbers.get("samples", 0))
        if self._fingerprints + len(prints) <= MOST_FINGERPRINTS:
            found["fingerprints"] += prints
            self._fingerprints += len(prints)
        self._latest = found
        if target is not None and forward.results and forward.results[0][1].dim() == 2:
            paired = criteria.outcome("cross_entropy", forward.results[0][1], target)
            if paired.get("labels"):
                self._count(found.setdefault("paired", {"seen": 0}), paired)
        elif forward.results and len(self._guesses) < MOST_GUESSES:
            self._guess(forward.results[0][1])
        forward.results = []

    def _guess(self, scores: Tensor) -> None:
        """Remember the classes that the scores of a pass may mean."""
        classes = scores.shape[1] if scores.dim() == 2 else 1
        if scores.dim() > 2 or not scores.is_floating_point() or scores.numel() == 0:
            return
        if self._guesses and max(2, classes) != self._classes:
            self._guesses.clear()
        self._classes = max(2, classes)
        flat = scores.detach().flatten()
        alike = [scores.argmax(1)] if classes > 1 else [flat > 0, flat > 0.5]
        self._guesses.append([guess.float() for guess in alike])

    def compared(self, one: Tensor, other: Tensor) -> None:
        """Count right answers when a script compares the classes predicted with the true ones.

        Of the last pass, or of all since the last step.
        """
        if self._latest is None or not self._guesses or one.shape != other.shape:
            return
        sides = [one.detach().flatten().float(), other.detach().flatten().float()]
        for predicted, true in (sides, sides[::-1]):
            for group in (self._guesses[-1:], self._guesses):
                if sum(len(guess[0]) for guess in group) != len(predicted):
                    continue
                alike = [torch.cat(parts) for parts in zip(*group, strict=True)]
                if any(torch.equal(predicted, guess) for guess in alike):
                    right = criteria.counts(true[predicted == true], self._classes)
                    labels = criteria.counts(true, self._classes)
                    if labels and sum(labels) == len(true):
                        found = self._latest.setdefault("paired", {"seen": 0})
                        numbers = {"samples": len(true), "labels": labels}
                        self._count(found, {**numbers, "right": right or [0] * self._classes})
                        self._guesses.clear()
                        return

    def loss(self, numbers: Numbers) -> None:
        """Add one call of a loss function to the pass it followed."""
        if self._latest is None:
            return
        found = self._latest.setdefault("loss", {**numbers, "total": 0.0, "seen": 0})
        if found["name"] != numbers["name"]:
            return
        self._count(found, numbers)

    @staticmethod
    def _count(found: Numbers, numbers: Numbers) -> None:
        samples = int(numbers.get("samples", 1))
        if "value" in numbers:
            summed = numbers.get("reduction") == "sum"
            found["total"] += numbers["value"] * (1 if summed else samples)
        for key in ("labels", "right"):
            if numbers.get(key) and found["seen"]:
                found[key] = [a + b for a, b in zip(found[key], numbers[key], strict=False)]
            elif numbers.get(key):
                found[key] = numbers[key]
        found["seen"] += samples

    def take(self) -> list[Numbers]:
        """Return what was gathered and begin anew."""
        found = list(self._found.values())
        self._found, self._latest, self.passes = {}, None, 0
        self._guesses.clear()
        for numbers in found:
            loss = numbers.get("loss")
            if loss and loss["seen"]:
                loss["value"] = loss.pop("total") / loss["seen"]
            if self._fingerprints >= MOST_FINGERPRINTS and not numbers["fingerprints"]:
                numbers.pop("fingerprints")
        return found
