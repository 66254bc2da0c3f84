"""The data card with what augmentation will make of the samples, before anything is trained."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from gradatim import stats
from gradatim.core.page import Block, Cell, Heading, Table, Text
from gradatim.core.recipe import Recipe
from gradatim.core.talk import SILENCE, Talk
from gradatim.data import larger
from gradatim.data.augment import Augmentation
from gradatim.data.augmented import EPOCHS, sheet
from gradatim.data.card import Card
from gradatim.data.dataset import Prepared, Split
from gradatim.data.mirrors import Mirrored, judge
from gradatim.data.preparation import audit_card, prepare
from gradatim.data.suggestion import asked, suggest
from gradatim.errors import UsageError
from gradatim.experiments import defaults
from gradatim.stats import Interval

AS_FIT = "fit"
"""The augmentation that ``fit`` would choose."""


def audit(recipe: Recipe, augment: str, talk: Talk) -> Card:
    """Return the data card with a sheet of augmented samples.

    Args:
        recipe: names the source; the strengths it sets itself are kept.
        augment: ``fit``, or augmentations such as ``flip,crop,colour=0.3``.
        talk: where progress goes.

    Raises:
        UsageError: the samples are no images, or an augmentation is not known.
        DataError: the source cannot be used at all.
    """
    card = audit_card(recipe, talk=talk)
    if card.facts["kind"] != "image":
        raise UsageError(
            "only images are augmented; these samples are not images",
            given=recipe.data.source,
            next_step="leave --augment out",
        )
    everything, none = np.arange(card.facts["samples"]), np.empty(0, np.int64)
    whole = Split(everything, none, none, "all samples")
    prepared, recipe = prepare(recipe, talk=SILENCE, split=whole)
    recipe, whose = _chosen(recipe, prepared, augment)
    augmentation = Augmentation.from_recipe(recipe.data)
    keys = list(suggest(prepared.spec))
    if augmentation.crop == "resized":
        keys.insert(keys.index("data.crop_padding"), "data.crop_from")
    facts: dict[str, Any] = {
        "chosen_by": whose,
        "strengths": {key: recipe.get(key) for key in keys},
        "reasons": {key: recipe.reasons[key] for key in keys if key in recipe.reasons},
    }
    changes = augmentation != Augmentation()
    blocks: list[Block] = [Heading("Augmentation", "augmentation"), _said(changes, whose)]
    if changes:
        blocks += sheet(prepared, augmentation, recipe.seed)
    judged = _judged(prepared, recipe.seed)
    if judged is not None:
        facts["mirrored"] = _mirror_facts(judged, prepared)
        blocks += _mirror_words(
            facts["mirrored"], augmentation.flip, suggest(prepared.spec), recipe.data.source
        )
    blocks.append(_strengths(recipe, keys))
    page = replace(card.page, blocks=_after_contact_sheet(card.page.blocks, blocks))
    return Card({**card.facts, "augmentation": facts}, page)


def _chosen(recipe: Recipe, prepared: Prepared, augment: str) -> tuple[Recipe, str]:
    """Return the recipe with every augmentation decided, and who decided."""
    if augment != AS_FIT:
        recipe = recipe.with_values(asked(augment, prepared.spec), "asked for")
        return larger.settle(recipe, prepared), "asked for"
    model = recipe.model.name or defaults.rungs(prepared.spec)[-1]
    recipe = larger.imply(recipe)
    for key, (value, reason) in defaults.augmentation(prepared.spec, model).items():
        recipe = recipe.filled({key: value}, reason)
    return larger.settle(recipe, prepared), f"what fit does for {model}"


def _said(changes: bool, whose: str) -> Text:
    if not changes:
        return Text(f"Nothing is changed ({whose}): training sees the samples as they are.")
    return Text(
        f"Each strip: a sample as it is, then in {EPOCHS} passes of the training ({whose}). "
        "A sample that a person no longer recognises teaches nothing."
    )


def _strengths(recipe: Recipe, keys: list[str]) -> Table:
    rows: list[list[Cell]] = [
        [key, str(recipe.get(key)), recipe.reasons.get(key, "set")] for key in keys
    ]
    return Table(["key", "strength", "why"], rows, caption="Strengths: --set changes each of them")


def _judged(prepared: Prepared, seed: int) -> Mirrored | None:
    if not prepared.spec.classes:
        return None
    return judge(prepared.inputs, prepared.targets, len(prepared.spec.classes), seed)


def _mirror_facts(judged: Mirrored, prepared: Prepared) -> dict[str, Any]:
    right = judged.answers == judged.truth
    mirrored, copies = judged.mirrored == judged.truth, judged.with_copies == judged.truth
    classes = prepared.spec.classes
    return {
        "judged": len(right),
        "neighbours": judged.neighbours,
        "right": int(right.sum()),
        "right_mirrored": int(mirrored.sum()),
        "right_with_copies": int(copies.sum()),
        "mirrored_less": stats.paired_difference(mirrored, right).to_dict(),
        "with_copies_less": stats.paired_difference(copies, right).to_dict(),
        "taken_for": [[classes[a], classes[b], count] for a, b, count in judged.confusions()[:5]],
    }


def _mirror_words(
    facts: dict[str, Any], flip: float, suggested: dict[str, tuple[Any, str]], source: str
) -> list[Block]:
    """Say what a flip does: by the names of the classes, and by neighbours."""
    value, reason = suggested["data.flip"]
    blocks: list[Block] = []
    if flip > 0 and value == 0:
        blocks.append(Text(f"A flip is likely to change the class: {reason}.", "alarm"))
    count = facts["judged"]
    numbers = (
        f"Of {count:,} samples, nearest neighbours recognise {facts['right']:,} as they are and "
        f"{facts['right_mirrored']:,} mirrored; with mirrored copies among the neighbours, "
        f"{facts['right_with_copies']:,} as they are."
    )
    less = Interval.from_dict(facts["mirrored_less"])
    hurt = Interval.from_dict(facts["with_copies_less"])
    taken = "; ".join(f"{a} for {b} ({n})" for a, b, n in facts["taken_for"][:3])
    if hurt.verdict == "worse":
        words = f"Mirrored copies make classes harder to tell apart: {hurt.text()}. Taken: {taken}."
        blocks.append(Text(f"{words} {numbers}", "alarm" if flip > 0 else "note"))
    elif less.verdict == "worse":
        words = (
            f"The samples face one way: mirrored ones look less like their class. Taken: {taken}."
        )
        then = (
            "Neighbours cannot say whether a person would see another class. Measure it: "
            f"gradatim compare {source} --over data.flip=0,0.5"
        )
        blocks.append(Text(f"{words} {numbers} {then}", "note" if flip > 0 else "plain"))
    else:
        blocks.append(Text(f"Neighbours see no harm in a flip. {numbers}"))
    return blocks


def _after_contact_sheet(blocks: Any, added: list[Block]) -> list[Block]:
    """Put blocks before the section that follows the contact sheet."""
    headings = [place for place, block in enumerate(blocks) if isinstance(block, Heading)]
    later = [place for place in headings if blocks[place].anchor not in ("classes", "sheet")]
    place = later[0] if later else len(blocks)
    return [*blocks[:place], *added, *blocks[place:]]
