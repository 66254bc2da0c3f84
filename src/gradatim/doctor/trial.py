"""What a treatment changed: the same script run again, beside the run itself."""

from __future__ import annotations

from dataclasses import dataclass

from gradatim.doctor.facts import Facts


@dataclass(frozen=True)
class Gain:
    """The last losses of the run and of its treated twin."""

    late: float
    before: float
    base: float
    faster: float
    """How much further the loss fell with the treatment."""

    @property
    def much(self) -> bool:
        """Whether the treatment lowered the loss by more than half, and by much of the baseline."""
        return self.late < 0.5 * self.before and self.before - self.late > 0.25 * self.base

    @property
    def clear(self) -> bool:
        """Whether the loss fell half as far again, or to 70 %, by much beside the baseline.

        Enough where something unusual was seen already and the treatment takes away just that.
        """
        gained = self.before - self.late
        further = self.faster >= 1.5 and gained > 0.15 * self.base
        return self.much or further or (self.late < 0.7 * self.before and gained > 0.1 * self.base)


def better(facts: Facts, treatment: str) -> Gain | None:
    """Return what a treatment gained, or None when it was not tried or cannot be compared."""
    trial = facts.trials.get(treatment)
    if trial is None or trial.late_loss is None:
        return None
    first = facts.first_loss or trial.first_loss
    base = facts.baseline or trial.baseline or first
    if not first or not base or first <= 0 or base <= 0:
        return None  # a loss that may be negative has no ratios
    before = facts.late_loss if facts.late_loss is not None else max(first, base) * 2
    reference = min(first, base)
    fell = max(reference - before, 0.01 * base)
    return Gain(trial.late_loss, before, base, (reference - trial.late_loss) / fell)
