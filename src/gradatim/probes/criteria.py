"""Losses: what went into them, which labels they saw, how many they got right."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from gradatim.probes.graph import Graph, Node, addends, chain, tail
from gradatim.probes.measure import Numbers, few, plain, summary

CLASSIFICATION = {"cross_entropy", "nll_loss"}
BINARY = {"binary_cross_entropy", "binary_cross_entropy_with_logits"}
REGRESSION = {"mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss"}
OTHERS = {"kl_div", "poisson_nll_loss", "gaussian_nll_loss", "ctc_loss", "hinge_embedding_loss"}
OTHERS |= {"soft_margin_loss", "multi_margin_loss", "multilabel_soft_margin_loss"}
OTHERS |= {"cosine_embedding_loss", "margin_ranking_loss", "triplet_margin_loss"}
WATCHED = sorted(CLASSIFICATION | BINARY | REGRESSION | OTHERS)
MOST_CLASSES = 256


def probabilities(values: Tensor) -> Numbers:
    """Return whether rows or columns are distributions, and how many units never vary."""
    values = few(values).float()
    if values.dim() != 2 or not bool(torch.isfinite(values).all()):
        return {}
    inside = bool((values >= 0).all()) and bool((values <= 1 + 1e-5).all())
    rows, columns = values.sum(1), values.sum(0)
    logs = values.logsumexp(1)
    return {
        "inside": inside,
        "rows_sum_to_one": inside and bool(((rows - 1).abs() < 1e-3).all()),
        "columns_sum_to_one": inside and bool(((columns - 1).abs() < 1e-3).all()),
        "rows_are_log": bool((logs.abs() < 1e-3).all()),
        "columns_are_log": bool((values.logsumexp(0).abs() < 1e-3).all()),
        "spread": float(values.std(0, correction=0).max()) if len(values) > 1 else None,
        "dead": [int(i) for i in ((values == 0).all(0)).nonzero().flatten()[:20]],
    }


def counts(labels: Tensor, classes: int) -> list[int] | None:
    """Return how often each class occurs, or None where that cannot be told."""
    if not 1 < classes <= MOST_CLASSES or labels.numel() == 0:
        return None
    flat = labels.detach().flatten().long()
    flat = flat[(flat >= 0) & (flat < classes)]
    found: list[int] = torch.bincount(flat, minlength=classes).tolist()
    return found


def outcome(name: str, given: Tensor, target: Tensor) -> Numbers:
    """Return label counts and right answers per class, for losses that have classes."""
    if name in CLASSIFICATION and given.dim() >= 2 and not target.is_floating_point():
        classes = given.shape[1]
        right = given.detach().argmax(1) == target
        labels = counts(target, classes)
        if labels is None:
            return {"classes": classes, "samples": int(target.numel())}
        return {
            "classes": classes,
            "samples": int(target.numel()),
            "labels": labels,
            "right": counts(target[right], classes) or [0] * classes,
        }
    if name in BINARY and given.shape == target.shape:
        limit = 0.0 if name.endswith("logits") else 0.5
        hard = target.detach()
        if bool(((hard == 0) | (hard == 1)).all()) and (hard.dim() < 2 or hard.shape[-1] == 1):
            right = (given.detach() > limit) == (hard > 0.5)
            return {
                "classes": 2,
                "samples": int(hard.numel()),
                "labels": counts(hard, 2),
                "right": counts(hard[right], 2) or [0, 0],
            }
    return {"samples": int(target.shape[0]) if target.dim() else 1}


def call(name: str, arguments: tuple[Any, ...], options: dict[str, Any], value: Any) -> Numbers:
    """Return what one call of a loss function got and gave."""
    given = arguments[0] if arguments else options.get("input")
    target = arguments[1] if len(arguments) > 1 else options.get("target")
    numbers: Numbers = {"name": name, "reduction": options.get("reduction", "mean")}
    if plain(value) and value.numel() == 1:
        numbers["value"] = float(value.detach())
    if not (plain(given) and plain(target)):
        return numbers
    numbers["input"] = summary(given)
    numbers["target"] = summary(target)
    numbers["constant"] = constant(name, target, options)
    numbers["input"].update(probabilities(given))
    if name != "ctc_loss":
        numbers.update(outcome(name, given, target))
    numbers.update(_options(options))
    if target.is_floating_point():
        numbers["elements"] = int(max(target.numel(), given.numel()))
    if name in REGRESSION and given.dim() >= 1 and target.numel():
        numbers["targets_outside"] = _outside(given, target)
        if target.dim() == 2 and target.shape[1] > 1:
            rows = few(target).float()
            marks = bool(((rows == 0) | (rows == 1)).all()) and bool((rows.sum(1) == 1).all())
            numbers["target"]["one_hot"] = marks
    return numbers


def constant(name: str, target: Tensor, options: dict[str, Any]) -> float | None:
    """Return the mean loss of the best answer that is the same for all samples of this batch.

    For targets that are numbers, or zeros and ones, per output: the mean for squared errors, mean
    or median for absolute and mixed ones, the shares for cross-entropies. Classes given as indices
    are counted instead (``labels``). None where it is not known.
    """
    if not target.is_floating_point() or target.dim() == 0 or len(target) < 2:
        return None
    values = few(target).float()
    mean = values.mean(0, keepdim=True)
    with torch.no_grad():
        if name == "mse_loss":
            return float((values - mean).pow(2).mean())
        if name in REGRESSION:
            errors = [(values - center).abs() for center in (mean, values.median(0, True).values)]
            limit = float(options.get("beta" if name == "smooth_l1_loss" else "delta", 1.0))
            if name != "l1_loss" and limit > 0:
                inside = 0.5 if name == "huber_loss" else 0.5 / limit
                slope = limit if name == "huber_loss" else 1.0
                errors = [
                    torch.where(e < limit, inside * e.pow(2), slope * (e - limit / 2))
                    for e in errors
                ]
            return min(float(error.mean()) for error in errors)
        if not bool(((values == 0) | (values == 1)).all()):
            return None  # the loss of a perfect answer is not zero
        if name in BINARY:
            both = torch.xlogy(mean, mean) + torch.xlogy(1 - mean, 1 - mean)
            return -float(both.mean())
        if name == "cross_entropy" and values.dim() >= 2:
            return -float(torch.xlogy(mean, mean).sum(1).mean())
    return None


def _options(options: dict[str, Any]) -> Numbers:
    """Return what changes the loss of knowing nothing: class weights, and label smoothing."""
    numbers: Numbers = {}
    weights, positive = options.get("weight"), options.get("pos_weight")
    if plain(weights) and weights.dim() == 1 and weights.numel() <= MOST_CLASSES:
        numbers["weights"] = weights.detach().tolist()
    if plain(positive) and positive.numel() == 1:
        numbers["positive"] = float(positive)
    if options.get("label_smoothing"):
        numbers["smoothing"] = float(options["label_smoothing"])
    return numbers


def _outside(given: Tensor, target: Tensor) -> Numbers:
    """Return the share of targets below 0, above 1, and outside -1 to 1."""
    values = few(target).float()
    return {
        "below_0": float((values < -1e-6).float().mean()),
        "above_1": float((values > 1 + 1e-6).float().mean()),
        "outside_1": float((values.abs() > 1 + 1e-6).float().mean()),
    }


def revealing(inputs: Tensor, labels: Tensor) -> Numbers | None:
    """Return the feature that varies least within a class, as a share of its whole variance."""
    labels = labels.detach()
    if labels.dim() == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.dim() != 1 or len(inputs) != len(labels):
        return None
    if labels.is_floating_point() and not bool(((labels == 0) | (labels == 1)).all()):
        return None  # numbers, not classes
    rows = few(inputs).float().flatten(1)
    if len(rows) < 16 or rows.shape[1] > 4096 or not bool(torch.isfinite(rows).all()):
        return None
    index = labels[: len(rows)].long()
    classes = int(index.max()) + 1 if len(index) else 0
    if int(index.min()) < 0 or not 2 <= classes <= MOST_CLASSES:
        return None
    hot = torch.nn.functional.one_hot(index, classes).float()
    means = (hot.t() @ rows) / hot.sum(0).clamp_min(1).unsqueeze(1)
    within = (rows - means[index]).pow(2).mean(0)
    whole = rows.var(0, correction=0)
    share = torch.where(whole > 1e-12, within / whole.clamp_min(1e-12), torch.ones_like(whole))
    feature = int(share.argmin())
    return {"feature": feature, "within": float(share[feature])}


def describe(nodes: list[Node]) -> list[Numbers]:
    """Return operations as plain values: name, shapes of result and inputs, axis if there is one.

    ``inputs`` lists what has a history: a number, or data, is not among them.
    """
    found = []
    for node in nodes:
        numbers: Numbers = {"name": node.operation, "shape": node.shape}
        if node.shape is not None and len(node.shape) == 2:
            numbers["inputs"] = [item.shape for item in node.inputs]
        if "Softmax" in node.name and node.shape is not None:
            axis = node.saved("dim")
            if isinstance(axis, int):
                numbers["axis"] = axis if axis < 64 else axis - (1 << 64) + len(node.shape)
                if numbers["axis"] < 0:
                    numbers["axis"] += len(node.shape)
        found.append(numbers)
    return found


def by_hand(
    graph: Graph, outputs: list[tuple[int, Tensor]], *, alone: bool = True
) -> list[Numbers]:
    """Return the readings of a loss written with plain operations, one for each of its terms.

    ``factor`` is what a term is multiplied by in the sum, so that readings can be held against it.

    Args:
        graph: what is behind the loss.
        outputs: what the models gave, each with its execution number.
        alone: that is one model, whose first output is compared where it cannot be told which.
    """
    parts = addends(graph)
    if len(parts) < 2:
        below = tail(graph.root)
        output = _near(below, outputs)
        if output is None and alone and outputs:
            output = outputs[0][1]
        single = hand_written(below, output)
        return [single] if single is not None else []
    found = []
    for node, factor in parts:
        below = tail(node)
        reading = hand_written(below, _near(below, outputs))
        if reading is not None:
            summed = node.operation == "Sum" and node.inputs and node.inputs[0].shape
            count = math.prod(node.inputs[0].shape or ()) if summed else 1
            found.append({**reading, "factor": abs(factor) * count})
    return found


def _near(nodes: list[Node], outputs: list[tuple[int, Tensor]]) -> Tensor | None:
    """Return the one output that goes into these operations."""
    orders = {item.order for node in nodes for item in (node, *node.inputs)}
    fitting = [output for order, output in outputs if order in orders]
    return fitting[0] if len(fitting) == 1 else None


def hand_written(nodes: list[Node], output: Tensor | None = None) -> Numbers | None:
    """Return what operations compute that end in one term of a loss, where the graph tells it.

    Known forms: log-softmax picked by index or ``gather``; logarithms of probabilities multiplied
    by zeros and ones; squares and absolute values of differences. Targets are read from what the
    operations keep; those of differences follow from the model's output.
    """
    picked = next((n for n in nodes if n.name in ("GatherBackward0", "IndexBackward0")), None)
    logs = next((n for n in nodes if n.name in ("LogSoftmaxBackward0", "LogsumexpBackward0")), None)
    if logs is None:
        log = next((n for n in nodes if n.name == "LogBackward0"), None)
        if log is not None and any(n.name == "SoftmaxBackward0" for n in chain(log)):
            logs = log
    if logs is not None:
        return None if picked is not None and _weighed(picked) else _classes_by_hand(logs, picked)
    two = next((reading for n in nodes if (reading := _two_classes_by_hand(n))), None)
    if two is not None:
        return two
    square = next((n for n in nodes if _is_square(n)), None)
    if square is not None:
        numbers: Numbers = {
            "name": "mse_loss",
            "by_hand": True,
            "samples": (square.shape or (1,))[0],
        }
        numbers.update(_difference(square, output))
        return numbers
    if any(n.name == "AbsBackward0" and _below_is_difference(n) for n in nodes):
        return {"name": "l1_loss", "by_hand": True}
    return None


def _weighed(picked: Node) -> bool:
    """Say whether picked log-probabilities are weighed one by one: actions, not labels.

    Policy gradients multiply them by returns, or collect them from the steps of an episode; zeros
    and ones are a mask, and one number for the whole batch is a scale.
    """
    node = picked
    for _ in range(12):
        if len(node.outputs) != 1:
            break
        node = node.outputs[0]
        if node.name in ("CatBackward0", "StackBackward0", "ExpBackward0"):
            return True
        if node.name == "MulBackward0":
            kept = [item for item in (node.saved("self"), node.saved("other")) if plain(item)]
            single = picked.shape is not None and math.prod(picked.shape) == 1
            if single or any(not bool(((w == 0) | (w == w.max())).all()) for w in kept):
                return True
    return False


def _classes_by_hand(logs: Node, picked: Node | None) -> Numbers:
    """Return labels and right answers of log-probabilities picked by index."""
    numbers: Numbers = {"name": "cross_entropy", "by_hand": True}
    labels = _picked(picked)
    if labels is None or picked is None:
        return numbers
    result = logs.saved("result")
    if logs.name == "LogsumexpBackward0" and plain(scores := logs.saved("self")):
        result = scores.detach().log_softmax(-1)
    shape = picked.inputs[0].shape if picked.inputs else None
    classes = shape[-1] if shape and len(shape) == 2 else 0
    numbers["target"] = summary(labels)
    if classes:
        numbers["classes"] = classes
        numbers["samples"] = int(labels.numel())
        numbers["labels"] = counts(labels, classes)
    if plain(result) and classes and result.shape == (len(labels), classes):
        numbers["value"] = -float(result.detach().gather(1, labels.unsqueeze(1)).mean())
        right = result.argmax(1) == labels
        numbers["right"] = counts(labels[right], classes) or [0] * classes
    return numbers


def _two_classes_by_hand(node: Node) -> Numbers | None:
    """Return labels of ``y * log(p)``: a product of zeros and ones with a logarithm."""
    if (
        node.name != "MulBackward0"
        or len(node.inputs) != 1
        or node.inputs[0].name != "LogBackward0"
    ):
        return None
    target, p = node.saved("self"), node.inputs[0].saved("self")
    if not plain(target):
        target = node.saved("other")
    if not plain(target) or not plain(p) or target.shape != p.shape or target.dim() == 0:
        return None
    if not bool(((target == 0) | (target == 1)).all()):
        return None
    reading = outcome("binary_cross_entropy", p, target)
    y, p = target.detach().float(), p.detach().float()
    reading["value"] = -float((torch.xlogy(y, p) + torch.xlogy(1 - y, 1 - p)).mean())
    return {"name": "binary_cross_entropy", "by_hand": True, "target": summary(target), **reading}


def _below_is_difference(node: Node) -> bool:
    return any(item.name in ("SubBackward0", "RsubBackward1") for item in node.inputs)


def _difference(square: Node, output: Tensor | None) -> Numbers:
    """Return the targets of a squared difference, which is the output less what is squared."""
    difference = square.saved("self")
    if not plain(difference):
        return {}
    value = float(few(difference).float().pow(2).mean())
    if output is None or difference.numel() != output.numel():
        return {"value": value}
    first = square.inputs[0].handle.next_functions[0][0] is not None  # the output stands first
    output = output.view_as(difference).float()
    target = output - difference.detach() if first else output + difference.detach()
    below = square.inputs[0].inputs
    return {
        "target": summary(target),
        "value": value,
        "constant": constant("mse_loss", target, {}),
        "targets_outside": _outside(output, target),
        "chain": describe(chain(below[0])) if len(below) == 1 else [],
    }


def _is_square(node: Node) -> bool:
    if not node.shape or not _below_is_difference(node):
        return False
    if node.name == "PowBackward0":
        return bool(node.saved("exponent") == 2)
    if node.name == "MulBackward0":
        one, other = node.saved("self"), node.saved("other")
        return plain(one) and plain(other) and one.data_ptr() == other.data_ptr()
    return False


def _picked(node: Node | None) -> Tensor | None:
    """Return the labels by which a row's value was picked."""
    if node is None:
        return None
    if node.name == "GatherBackward0":
        index = node.saved("index")
        return index.flatten() if plain(index) and index.shape[-1] == 1 else None
    indices = node.saved("indices")
    if isinstance(indices, list | tuple) and len(indices) == 2 and plain(indices[1]):
        labels: Tensor = indices[1]
        return labels if labels.dim() == 1 and labels.dtype == torch.int64 else None
    return None


def sign_and_scale(graph: Graph, nodes: list[Node]) -> Numbers:
    """Return the sign, and the number the loss was divided by, between criterion and ``backward``.

    Follows the loss down while there is one input: negations, products and quotients with numbers.
    """
    sign, divided, summed, averaged = 1, 1.0, False, False
    node = graph.root
    steps = 0
    while node is not None and not node.product and steps < 20:
        steps += 1
        if node.name == "NegBackward0":
            sign = -sign
        elif node.name in ("DivBackward0", "MulBackward0"):
            other = node.saved("other")
            if plain(other) and other.numel() == 1:
                number = float(other)
                if number < 0:
                    sign = -sign
                if number and math.isfinite(number):
                    divided *= abs(number) if node.name[0] == "D" else 1 / abs(number)
        elif node.name.startswith("Mean"):
            averaged = True
        elif node.name.startswith("Sum"):
            summed = True
        elif node.shape:  # no longer a single number
            break
        if len(node.inputs) != 1:
            break
        node = node.inputs[0]
    return {"sign": sign, "divided": divided, "summed": summed, "averaged": averaged}
