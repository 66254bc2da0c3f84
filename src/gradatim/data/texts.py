"""From texts to audited samples: rows of a table with a class or a number, or one long text.

What the tokens are is learnt later, from the training part.
"""

from __future__ import annotations

from collections import Counter
from typing import cast

import numpy as np
import polars as pl

from gradatim.core.recipe import DataRecipe
from gradatim.data.arrays import equality_warnings, refuse_image_keys
from gradatim.data.audit import (
    Audit,
    FeatureFacts,
    Rejection,
    class_warnings,
    count_classes,
    duplicate_facts,
)
from gradatim.data.cells import text_of
from gradatim.data.describing import describe
from gradatim.data.gathered import (
    Gathered,
    counted_parts,
    fingerprint,
    group_numbers,
    sentence,
    value_facts,
)
from gradatim.data.raw import RawTable, RawText
from gradatim.data.sequences import choose_length
from gradatim.data.targets import decide
from gradatim.data.vocabulary import Unit, choose_unit, split
from gradatim.errors import ColumnError, DataError, EmptySourceError, ValueRefusedError

SHORTEST_TEXT = 8
"""Free text has more characters a row than this on average; what is shorter is a code."""
SENTENCE = 5
"""A category's name has fewer words on average."""
COMMON = 5
"""So many of the most frequent tokens are shown."""
WINDOW = 128
"""Characters a model of the next character is trained through at once ..."""
LEAST_WINDOWS = 100
"""... unless the text would give fewer windows than this; then they are shorter ..."""
SHORTEST_WINDOW = 16
"""... down to this, and a text of fewer than ``FEWEST`` of these is refused."""
FEWEST = 20


def find_text(raw: RawTable, data: DataRecipe) -> str | None:
    """Return the column of texts to learn from; None where the table is one of features.

    It is the column the recipe names, or else the only column that is not a row number, where it
    holds free text.

    Raises:
        ColumnError: the table lacks the column the recipe names.
    """
    others = raw.frame.drop(raw.target)
    if data.text is not None:
        if data.text not in others.columns:
            raise ColumnError(
                "the table has no such column besides the target",
                given=data.text,
                allowed=others.columns,
                next_step="name the column of texts with --set data.text=COLUMN",
            )
        return data.text
    described = describe(others)
    repeated = [column.name for column in described.columns if _is_sentences(others[column.name])]
    free = [name for name, _ in described.left_out if _is_free_text(others[name])] + repeated
    alone = len(described.columns) == len(repeated)
    return free[0] if len(free) == 1 and alone else None


def _is_free_text(series: pl.Series) -> bool:
    if series.dtype not in (pl.String, pl.Categorical, pl.Enum):
        return False
    text = text_of(series).drop_nulls()
    if text.len() == 0:
        return False
    length = cast(float, text.str.len_chars().mean())
    spaced = cast(float, text.str.contains(r"\s").mean())
    signs = cast(float, text.str.contains(r"[\p{L}]{2}").mean())
    return length > SHORTEST_TEXT and signs > 0.5 and (spaced > 0.5 or length > 2 * SHORTEST_TEXT)


def _is_sentences(series: pl.Series) -> bool:
    """Whether texts that repeat are too long for the names of categories."""
    if not _is_free_text(series):
        return False
    words = text_of(series).drop_nulls().str.split(" ").list.len().mean()
    return cast(float, words) >= SENTENCE


def gather_texts(
    raw: RawTable, column: str, reason: str, data: DataRecipe, *, lone: bool = False
) -> Gathered:
    """Audit a table with a column of texts and a target.

    Args:
        raw: the table.
        column: of the texts.
        reason: why it is this column.
        data: of the recipe.
        lone: whether few rows are enough: a model is to be measured on them.

    Raises:
        ColumnError: the target cannot be predicted.
        EmptySourceError: no row has a text and a target.
        UsageError: the recipe asks for what only images can have.
    """
    refuse_image_keys(raw.name, "texts", data)
    decided = decide(raw.frame[raw.target], data.task, lone=lone)
    texts = raw.frame[column].cast(pl.String).fill_null("").to_list()
    empty = np.array([not text.strip() for text in texts])
    kept = np.flatnonzero(~decided.missing & ~empty)
    rejected = [
        Rejection(f"row {row + 1}", "no text" if empty[row] else "no usable target")
        for row in np.flatnonzero(decided.missing | empty)
    ]
    if len(kept) == 0:
        raise EmptySourceError("no row has a text and a target", given=raw.name)
    chosen = [texts[row] for row in kept]
    names = [f"row {row + 1}" for row in kept]
    parts = np.full(len(kept), None, dtype=object) if raw.parts is None else raw.parts[kept]
    targets = decided.values[kept]
    unit, why = (data.tokens, "as asked for") if data.tokens else choose_unit(chosen)
    lengths = np.array([len(split(text, unit)) for text in chosen])
    length, why_length = choose_length(lengths, data.length, unit)
    cut = int((lengths > length).sum())
    labels, label_parts, columns = counted_parts(targets, decided.classes, parts)
    counts = count_classes(labels, label_parts, columns)
    hashes = [text.encode("utf-8", "replace") for text in chosen]
    told = labels if decided.classes else [repr(float(value)) for value in targets]
    equal = duplicate_facts(hashes, names, told, label_parts)
    unused = [name for name in raw.frame.columns if name not in (column, raw.target)]
    audit = Audit(
        source=raw.name,
        kind="text",
        samples=len(kept),
        found=raw.frame.height,
        task=decided.task,
        classes=decided.classes,
        class_counts=counts,
        target=None if decided.classes else value_facts(raw.target, targets),
        features=(_token_facts(Counter(t for text in chosen for t in split(text, unit)), unit),),
        shape=(length,),
        choices={"data.task": decided.reason, "data.tokens": why}
        | ({"data.target": raw.target_reason} if raw.target_reason else {}),
        rejected=tuple(rejected),
        warnings=(
            *(class_warnings(counts) if decided.classes else ()),
            *([f"{cut:,} texts are cut at {length:,} {unit}."] if cut else []),
            *equality_warnings(equal),
        ),
        notes=tuple(
            sentence(note)
            for note in (
                *raw.notes,
                *decided.notes,
                f"a text has {lengths.min():,} to {lengths.max():,} {unit}, "
                f"{np.median(lengths):,.0f} in the middle",
                *([f"columns that are not used: {', '.join(unused)}"] if unused else []),
                "likely label errors are not looked for in texts",
            )
        ),
        **equal,
    )
    return Gathered(
        name=raw.name,
        kind="text",
        targets=targets,
        classes=decided.classes,
        names=names,
        groups=group_numbers(hashes),
        parts=parts,
        audit=audit,
        key=fingerprint(targets, *decided.classes, *(part or "" for part in parts), *chosen),
        texts=chosen,
        text_column=column,
        tokens=unit,
        most_tokens=data.vocabulary,
        length=length,
        target=raw.target,
        choices={
            "data.target": (raw.target, raw.target_reason),
            "data.text": (column, reason),
            "data.task": (decided.task, decided.reason),
            "data.tokens": (unit, why),
            "data.length": (length, why_length),
        },
    )


def gather_stream(raw: RawText, data: DataRecipe, length: int | None = None) -> Gathered:
    """Audit one long text and cut it into windows.

    The targets of a window are its characters shifted by one: the character after each.

    Args:
        raw: the text.
        data: of the recipe.
        length: characters of a window; that of the recipe, or a fitting one, when None.

    Raises:
        UsageError: the recipe asks for words, or for what only images can have.
        DataError: the text is too short.
    """
    refuse_image_keys(raw.name, "a text", data)
    if data.tokens == "words":
        raise ValueRefusedError(
            "the next token of a text file is a character",
            given="data.tokens=words",
            next_step="leave data.tokens out",
        )
    signs = np.frombuffer(raw.text.encode("utf-32-le", "surrogatepass"), np.uint32)
    length = length or data.length
    reason = "as asked for"
    if length is None:
        length = int(np.clip(len(signs) // LEAST_WINDOWS, SHORTEST_WINDOW, WINDOW))
        reason = "far enough back for words and their order"
    if length < 1:
        raise ValueRefusedError("data.length is out of range", given=length, allowed="1 or more")
    count = (len(signs) - 1) // length
    if count < FEWEST:
        raise DataError(
            f"the text is too short: {len(signs):,} characters",
            given=raw.name,
            allowed=f"at least {FEWEST * length + 1:,} with windows of {length} characters",
            next_step="give a longer text, or a smaller data.length",
        )
    used = signs[: count * length + 1].astype(np.int64)
    common = Counter(
        {chr(code): int(n) for code, n in zip(*np.unique(used, return_counts=True), strict=True)}
    )
    parts = np.full(count, None, dtype=object)
    labels, label_parts, columns = counted_parts(parts, (), parts)
    audit = Audit(
        source=raw.name,
        kind="text",
        samples=count,
        found=count,
        task="next-token",
        class_counts=count_classes(labels, label_parts, columns),
        features=(_token_facts(common, "characters"),),
        shape=(length,),
        choices={"data.task": "a text file", "data.length": reason},
        notes=(
            *map(sentence, raw.notes),
            f"{len(signs):,} characters in {count:,} passages of {length}, in their order; the "
            f"last {len(signs) - len(used):,} are left over.",
        ),
    )
    return Gathered(
        name=raw.name,
        kind="text",
        targets=used[1:].reshape(count, length),
        classes=(),
        names=[
            f"characters {row * length + 1:,} to {(row + 1) * length:,}" for row in range(count)
        ],
        groups=np.arange(count),
        parts=parts,
        audit=audit,
        key=fingerprint(used, str(length)),
        inputs=used[:-1].reshape(count, length),
        stream=True,
        length=length,
        target="next character",
        choices={
            "data.task": ("next-token", "a text file is continued"),
            "data.tokens": ("characters", "a text file is continued character by character"),
            "data.length": (length, reason),
        },
    )


def _token_facts(counts: Counter[str], unit: Unit) -> FeatureFacts:
    """Describe the tokens of all texts together."""
    shown = {" ": "space", "\n": "line end", "\t": "tab"}
    common = [(shown.get(token, token), n) for token, n in counts.most_common(COMMON)]
    return FeatureFacts(
        unit,
        "text",
        distinct=len(counts),
        common=tuple(common),
        note=f"{sum(counts.values()):,} in all",
    )
