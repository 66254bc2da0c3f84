"""The facts of a Record, put in order for the rules."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cached_property
from itertools import pairwise
from statistics import fmean, median, pvariance
from typing import Any

from gradatim.core.record import Record, number

Event = dict[str, Any]
BASELINES = ("cross_entropy", "nll_loss", "binary_cross_entropy", "mse_loss")


def entropy(counts: Sequence[float]) -> float:
    """Return the entropy in nats of a distribution given as counts."""
    total = sum(counts)
    shares = [count / total for count in counts if count > 0] if total else []
    return -sum(share * math.log(share) for share in shares)


def added(rows: Iterable[Sequence[int]]) -> list[int]:
    """Return the sum of lists of counts."""
    total: list[int] = []
    for row in rows:
        if len(row) > len(total):
            total += [0] * (len(row) - len(total))
        for index, count in enumerate(row):
            total[index] += count
    return total


def _numbers(value: Any) -> Any:
    """Return events with the texts for what is not finite turned back into numbers."""
    if isinstance(value, dict):
        return {key: _numbers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_numbers(item) for item in value]
    return float(value) if value in ("nan", "inf", "-inf") else value


def _last_names(models: list[Event]) -> dict[str, str]:
    """Return the last name of what was known under other names before.

    A part that is called alone first, and later inside a model, is named by its place in the model.
    """
    last: dict[str, str] = {}
    for event in models:
        for item in [*event["modules"], *event["parameters"]]:
            if (was := item.get("was")) is not None:
                last = {old: item["name"] if new == was else new for old, new in last.items()}
                last[was] = item["name"]
    return last


def _renamed(value: Any, last: dict[str, str]) -> Any:
    """Return an event that calls everything by its last name."""
    if isinstance(value, dict):
        return {last.get(key, key): _renamed(item, last) for key, item in value.items()}
    if isinstance(value, list):
        return [_renamed(item, last) for item in value]
    return last.get(value, value) if isinstance(value, str) else value


class Facts:
    """What a Record says, by kind, with what follows from it.

    Args:
        record: what the probes wrote.
        trials: the Records of the same script run again with one treatment, by its name.
        finished: False while the script still runs, so that nothing is judged by how it ends.
    """

    def __init__(
        self, record: Record, trials: dict[str, Facts] | None = None, *, finished: bool = True
    ) -> None:
        self.record = record
        self.trials = trials or {}
        self.finished = finished and record.last("unwatched") is not None
        self._last = _last_names(record.of("model"))
        self._described = self._events("model")
        self.models: dict[str, Event] = {e["model"]: e for e in self._described}
        self.optimisers: dict[int, Event] = {}
        for event in self._events("optimiser"):
            self.optimisers[event["optimiser"]] = event
        self.forwards: list[Event] = _numbers(self._events("forward"))
        self.backwards: list[Event] = _numbers(self._events("backward"))
        self.updates: list[Event] = _numbers(self._events("update"))
        self.evaluations: list[Event] = _numbers(self._events("evaluation"))
        self.loaders = record.of("loader")
        self.schedulers = record.of("scheduler")
        self.troubles = record.of("trouble")
        self.end: Event = record.last("unwatched") or {}

    def _events(self, kind: str) -> list[Event]:
        events = self.record.of(kind)
        return [_renamed(event, self._last) for event in events] if self._last else events

    # -- the loop

    @cached_property
    def rows(self) -> list[tuple[int, int, float, float | None, int]]:
        """Step, optimiser, loss, learning rate, backward passes: one row per step seen."""
        return [
            (row[0], row[1], number(row[2]), row[3], row[4])
            for event in self.record.of("losses")
            for row in event["rows"]
        ]

    @property
    def steps(self) -> int:
        """How many steps were made, as far as is known."""
        return int(self.end.get("step", self.rows[-1][0] if self.rows else 0))

    @cached_property
    def parameters(self) -> dict[str, Event]:
        """All parameters of all models and optimisers by name, as first described."""
        found: dict[str, Event] = {}
        for event in [*self._described, *self.optimisers.values()]:
            for item in event["parameters"]:
                found.setdefault(item["name"], item)
        return found

    @cached_property
    def modules(self) -> dict[str, Event]:
        """All modules of all models by name."""
        return {item["name"]: item for event in self.models.values() for item in event["modules"]}

    def by_parameter(self, key: str, early: bool = False) -> dict[str, float]:
        """Return the median over the steps looked at of a parameter's gradient, weight or update.

        Args:
            key: ``gradient``, ``weight`` or ``update`` (root mean squares).
            early: only the first eight steps; else all after them, where there are any.
        """
        events = [e for e in self.updates if (e["step"] <= 8) == early] or self.updates
        values: dict[str, list[float]] = {}
        for event in events:
            for name, item in event.get("parameters", {}).items():
                values.setdefault(name, []).append(number(item[key]))
        return {name: median(found) for name, found in values.items()}

    @cached_property
    def owned(self) -> set[str]:
        """Names of all parameters that some optimiser owns."""
        return {item["name"] for e in self.optimisers.values() for item in e["parameters"]}

    @cached_property
    def reached(self) -> set[str]:
        """Names of all parameters that some loss reached or some step changed."""
        found = {name for event in self.backwards for name in event["reached"]}
        for event in self.updates:
            for name, item in event.get("parameters", {}).items():
                if number(item["gradient"]) != 0:
                    found.add(name)
        return found

    # -- the loss

    @cached_property
    def refused(self) -> bool:
        """Whether the script ended as binary cross-entropy, or a distribution, refused no number.

        PyTorch says of scores what it says of NaN; but here probabilities had been given before.
        """
        message = str(self.end.get("message", ""))
        if "found invalid values" in message and "nan" in message:
            return True
        if "between 0 and 1" not in message:
            return False
        given = [c for c in self.criteria if c["name"] == "binary_cross_entropy"]
        last = [chain[0]["name"] if (chain := c.get("chain")) else "" for c in given]
        return bool(last) and all(name in ("Sigmoid", "Softmax") for name in last)

    @cached_property
    def criteria(self) -> list[Event]:
        """Every reading of a loss that was trained on, in order, each with its step."""
        return [{**loss, "step": e["step"]} for e in self.backwards for loss in e["losses"]]

    @cached_property
    def criterion(self) -> str | None:
        """The loss trained on, when it is one."""
        names = Counter(item["name"] for item in self.criteria)
        if not names or ((self._mixed or self._several_terms) and not self._explained):
            return None  # only a part of what is minimised: it tells nothing of the rest
        name, count = names.most_common(1)[0]
        return name if count >= 0.8 * sum(names.values()) else None

    @cached_property
    def labels(self) -> list[tuple[int, list[int]]]:
        """Label counts of each training batch seen, with its step."""
        found = [(e["step"], e["counts"]) for e in self.record.of("labels")]
        found += [(c["step"], c["labels"]) for c in self.criteria if c.get("labels")]
        return sorted(found, key=lambda item: item[0])

    @cached_property
    def several_players(self) -> bool:
        """Whether models are trained against one another, or on targets that move.

        Several optimisers that each follow a backward pass of their own, or forward passes without
        gradients inside the very steps that train, make the loss no measure of progress (GANs,
        reinforcement learning, teachers).
        """
        stepping = {e["optimiser"] for e in self.updates if "backward" in e["calls"]}
        trained = {e["model"] for e in self.forwards if e["training"]}
        inside = {
            e["step"]
            for e in self.evaluations
            if e["step"] <= 8
            and "loss" not in e
            and "paired" not in e
            and (e["training"] or e["model"] not in trained)
        }
        dense = min(8, self.steps)
        several = len(stepping) > 1 and not self.several_runs
        return several or (dense >= 4 and len(inside) >= 0.7 * dense)

    @cached_property
    def several_runs(self) -> bool:
        """Whether optimisers of one kind and rate follow one another: folds, or seeds.

        Each ends before the next begins, so they do not play against one another, and the loss
        tells of each of them. Rates that differ are a search, whose last run need not be good.
        """
        spans: dict[int, list[int]] = {}
        for event in self.updates:
            if "backward" in event["calls"]:
                spans.setdefault(event["optimiser"], []).append(event["step"])
        ordered = sorted((min(steps), max(steps)) for steps in spans.values())
        made = [self.optimisers[index] for index in spans if index in self.optimisers]
        settings = {
            (event["kind"], tuple(group.get("lr") for group in event["groups"])) for event in made
        }
        apart = all(one[1] < other[0] for one, other in pairwise(ordered))
        return len(spans) > 1 and apart and len(made) == len(spans) and len(settings) == 1

    @cached_property
    def baseline(self) -> float | None:
        """The loss of knowing only how often each class occurs, or the mean; None if unknown."""
        if self.several_players:
            return None
        if self._sum is not None:
            return self._of_a_sum(self._sum)
        name = self.criterion
        classes = any(c.get("labels") for c in self.criteria)
        if name in ("cross_entropy", "nll_loss") and classes:
            return self._entropy_of(added(counts for _, counts in self.labels))
        if name in ("binary_cross_entropy", "binary_cross_entropy_with_logits") and classes:
            counts = added(c["labels"] for c in self.criteria if c.get("labels"))
            weight = next((c["positive"] for c in self.criteria if c.get("positive")), None)
            if weight is None or sum(counts) == 0:
                return self._entropy_of(counts)
            weighed = [counts[0], counts[1] * weight]
            return float(entropy(weighed) * sum(weighed) / sum(counts))
        return self._of_a_constant() if name is not None else None

    @cached_property
    def _sum(self) -> list[list[Event]] | None:
        """The readings of each of several criteria of different kinds whose sum is the loss.

        Only where all are known, with what they are multiplied by, and make up what is minimised.
        """
        kinds = Counter(tuple(c["name"] for c in e["losses"]) for e in self.backwards)
        if self.criterion is not None or not kinds:
            return None
        kind, count = kinds.most_common(1)[0]
        if len(kind) < 2 or count < 0.8 * len(self.backwards):
            return None
        same = [e for e in self.backwards if tuple(c["name"] for c in e["losses"]) == kind]
        shares = []
        for event in same:
            known = [c for c in event["losses"] if c.get("factor") and c.get("value") is not None]
            whole = abs(number(event["value"])) if event["value"] else 0.0
            if len(known) == len(kind) and whole:
                shares.append(sum(c["factor"] * number(c["value"]) for c in known) / whole)
        if sum(0.8 <= share <= 1.25 for share in shares) < 0.75 * len(same):
            return None
        return [list(readings) for readings in zip(*(e["losses"] for e in same), strict=True)]

    @cached_property
    def part(self) -> float | None:
        """Late value / baseline of the one classifying criterion in a loss of unknown terms.

        A hint of how well the run fits where the whole loss has no yardstick. None for criteria
        of numbers: critics and reconstructions are often but a part of what is wanted.
        """
        called = [c for c in self.criteria if not c.get("by_hand")]
        kinds = {(c["name"], c.get("line")) for c in called}
        classifying = all("entropy" in c["name"] for c in called)
        if len(kinds) != 1 or not classifying or self.several_players or self.targets_move:
            return None
        labelled = [c["labels"] for c in called if c.get("labels")]
        name = called[0]["name"]
        base = self._entropy_of(added(labelled)) if labelled else self._pooled(called, name)
        values = [value for c in called if (value := self._per_sample(c)) is not None]
        late = self._mean(values[-max(5, len(values) // 4) :])
        return late / base if late is not None and base else None

    def _of_a_sum(self, parts: list[list[Event]]) -> float | None:
        """Return the sum of what each criterion is for an answer that ignores the input."""
        total = 0.0
        for readings in parts:
            name, factor = readings[0]["name"], median(c["factor"] for c in readings)
            labelled = [c["labels"] for c in readings if c.get("labels")]
            base = self._entropy_of(added(labelled)) if labelled else self._pooled(readings, name)
            if base is None:
                return None
            total += factor * base
        return total or None

    @cached_property
    def targets_move(self) -> bool:
        """Whether the targets' spread, or where they lie, differs much between begin and end.

        As where they are computed from the model: what it learns changes what it is to learn.
        """
        seen = [c for c in self.criteria if c.get("constant") is not None and c.get("target")]
        quarter = len(seen) // 4
        if quarter < 2:
            return False
        early = median(number(c["constant"]) for c in seen[:quarter])
        late = median(number(c["constant"]) for c in seen[-quarter:])
        if not early / 3 <= late <= early * 3:
            return True
        known = [c["target"] for c in seen if {"mean", "std"} <= set(c["target"])]
        quarter = len(known) // 4
        if quarter < 2 or min(int(target["shape"][0]) for target in known) < 8:
            return False
        means = [number(target["mean"]) for target in known]
        moved = abs(median(means[-quarter:]) - median(means[:quarter]))
        return moved > median(number(target["std"]) for target in known)

    def _of_a_constant(self) -> float | None:
        """Return the loss of the best constant answer, from the targets of the batches seen.

        That of one batch is too low by about (n - 1) / n; tiny batches are pooled by their means.
        """
        return self._pooled(self.criteria, self.criterion)

    def _pooled(self, readings: list[Event], name: str | None) -> float | None:
        seen = [c for c in readings if c.get("constant") is not None and c.get("target")]
        if not seen:
            return None
        if self.targets_move:
            return None  # the answer to be beaten moves with them
        counts = [int(c["target"]["shape"][0]) for c in seen]
        count = median(counts)
        if count >= 8:
            return median(number(c["constant"]) for c in seen) * count / (count - 1) or None
        if name != "mse_loss" or len(seen) < 8:
            return None
        means = [number(c["target"]["mean"]) for c in seen if "mean" in c["target"]]
        if len(means) < 8:
            return None
        inside = fmean(number(c["target"]["std"]) ** 2 for c in seen if "std" in c["target"])
        return inside + pvariance(means) or None

    def _entropy_of(self, counts: Sequence[float]) -> float | None:
        """Return the entropy of labels, with the class weights and the smoothing of the loss."""
        if sum(counts) == 0:
            return None
        weights = next((c["weights"] for c in self.criteria if c.get("weights")), None)
        if weights is not None and len(weights) == len(counts):
            counts = [count * weight for count, weight in zip(counts, weights, strict=True)]
        smoothing = next((c["smoothing"] for c in self.criteria if c.get("smoothing")), 0.0)
        share = smoothing * sum(counts) / len(counts)
        return entropy([(1 - smoothing) * count + share for count in counts]) or None

    @cached_property
    def curve(self) -> list[tuple[int, float]]:
        """Step and training loss per sample, one point per step seen.

        The loss handed to ``backward`` may be a sum or a share; where the criterion's own value is
        known, the curve is brought to its scale. Where the two are not proportional (a penalty or
        another term is added), the curve is the criterion's own, at the steps looked at closely.
        """
        if self._mixed and self.criterion is not None:
            return self._own
        scale = median(self._ratios) if self._ratios and self._sum is None else 1.0
        return [(row[0], row[2] * scale) for row in self.rows]

    @cached_property
    def _mixed(self) -> bool:
        """Whether something is added to the criterion: the two are not proportional."""
        ratios = sorted(self._ratios)
        if len(ratios) < 8:
            return False
        low, high = ratios[len(ratios) // 8], ratios[-1 - len(ratios) // 8]
        return low <= 0 or high > 1.25 * low

    @cached_property
    def _explained(self) -> bool:
        """Whether the criteria of a step make up most of what is handed to ``backward``.

        True with a penalty added; not for a critic beside a policy, or a fit beside a divergence.
        Beside another term that depends on the model's output, they must do so at most steps.
        """
        if any(item.get("by_hand") for item in self.criteria):
            return False  # not the loss it looks like
        total = {row[0]: row[2] for row in self.rows}
        parts: dict[int, float] = {}
        for item in self.criteria:
            if item.get("value") is not None:
                parts[item["step"]] = parts.get(item["step"], 0.0) + number(item["value"])
        shares = [part / total[step] for step, part in parts.items() if total.get(step)]
        if not shares:
            return False
        if not self._several_terms:
            return 0.8 <= median(shares) <= 1.25
        return sum(0.8 <= share <= 1.25 for share in shares) >= 0.75 * len(shares)

    @cached_property
    def _several_terms(self) -> bool:
        """Whether the loss depends on the model's output in ways that are not its criteria."""
        flags = [bool(event.get("several_terms")) for event in self.backwards]
        return 2 * sum(flags) > len(flags)

    @cached_property
    def _own(self) -> list[tuple[int, float]]:
        """Step and value of the criterion itself, per sample."""
        values: dict[int, list[float]] = {}
        for item in self.criteria:
            if item["name"] == self.criterion and (value := self._per_sample(item)) is not None:
                values.setdefault(item["step"], []).append(value)
        return [(step, fmean(found)) for step, found in values.items()]

    @staticmethod
    def _per_sample(item: Event) -> float | None:
        if item.get("value") is None:
            return None
        value = number(item["value"])
        if item.get("reduction") == "sum":
            value /= max(1, item.get("elements") or item.get("samples") or 1)
        return value

    @cached_property
    def _ratios(self) -> list[float]:
        """The criterion's own value divided by that handed to ``backward``, at steps seen both.

        Of a step that accumulates, the mean of its passes: so is what is known of the step.
        """
        by_step = {row[0]: row for row in self.rows}
        values: dict[int, list[float]] = {}
        for item in self.criteria:
            if (value := self._per_sample(item)) is not None:
                values.setdefault(item["step"], []).append(value)
        ratios = []
        for step, found in values.items():
            row = by_step.get(step)
            if row is None or not row[2] or not math.isfinite(row[2]):
                continue
            if 1 < row[4] == len(found):
                found = [fmean(found)]
            ratios += [value / row[2] for value in found if math.isfinite(value)]
        return ratios

    def _mean(self, part: list[float]) -> float | None:
        finite = [value for value in part if math.isfinite(value)]
        return fmean(finite) if len(finite) > len(part) / 2 else None

    @cached_property
    def first_loss(self) -> float | None:
        """The loss before any step."""
        return self.curve[0][1] if self.curve and self.curve[0][0] == 1 else None

    @cached_property
    def late_loss(self) -> float | None:
        """The mean training loss over the last tenth of the run (at least 10 steps)."""
        count = max(10, len(self.curve) // 10)
        return self._mean([value for _, value in self.curve[-count:]]) if self.curve else None

    @cached_property
    def windows(self) -> list[float]:
        """The mean training loss of twenty equal parts of the run."""
        values = [value for _, value in self.curve]
        size = max(1, len(values) // 20)
        means = [self._mean(values[i : i + size]) for i in range(0, len(values) - size + 1, size)]
        return [value for value in means if value is not None]

    @cached_property
    def evaluated(self) -> list[tuple[int, float]]:
        """Step and loss of each evaluation that called the loss trained on."""
        found = []
        for event in self.evaluations:
            loss = event.get("loss")
            if loss and loss.get("value") is not None and loss["name"] == self.criterion:
                found.append((event["step"], number(loss["value"])))
        return found or self._validations("loss")

    def _validations(self, name: str) -> list[tuple[int, float]]:
        """Return step and figure of each validation of a run of ours, which measures by itself."""
        return [
            (event["step"], number(event["validation"][name]))
            for event in self.record.of("epoch")
            if (event.get("validation") or {}).get(name) is not None
        ]

    @cached_property
    def accuracies(self) -> list[tuple[int, float]]:
        """Step and accuracy of each evaluation in which labels could be matched."""
        found = []
        for event in self.evaluations:
            counted = event.get("loss") if (event.get("loss") or {}).get("labels") else None
            counted = counted or event.get("paired")
            if counted and counted.get("labels") and sum(counted["labels"]):
                found.append((event["step"], sum(counted["right"]) / sum(counted["labels"])))
        return found or self._validations("accuracy")

    @cached_property
    def evaluated_samples(self) -> list[int]:
        """How many samples each of the evaluations in ``accuracies`` rests on."""
        found = []
        for event in self.evaluations:
            counted = event.get("loss") if (event.get("loss") or {}).get("labels") else None
            counted = counted or event.get("paired")
            if counted and counted.get("labels") and sum(counted["labels"]):
                found.append(sum(counted["labels"]))
        return found

    @cached_property
    def training_accuracy(self) -> float | None:
        """Accuracy over the training batches looked at in the last quarter of the run.

        Or in its second half, where looks have become so rare that there is none later.
        """
        counted = [c for c in self.criteria if c.get("right") and c.get("labels")]
        late = [c for c in counted if c["step"] > 0.75 * self.steps]
        late = late or [c for c in counted if c["step"] > 0.5 * self.steps]
        total = sum(sum(c["labels"]) for c in late)
        return sum(sum(c["right"]) for c in late) / total if total else None

    # -- data

    def inputs(self) -> list[Event]:
        """Return the statistics of the input of each training pass looked at."""
        passes = [*self.forwards, *self.backwards]
        return [e["inputs"][0] for e in passes if e.get("inputs")]


_VIEWS = {"View", "UnsafeView", "ReshapeAlias", "Squeeze", "Unsqueeze", "Transpose", "T"}
_VIEWS |= {"Permute", "Clone", "ToCopy", "Expand", "Slice", "Select"}


def operations(event: Event) -> list[str]:
    """Return the names of the operations before a loss, nearest first, changes of view left out."""
    return [item["name"] for item in event["tail"] if item["name"] not in _VIEWS]
