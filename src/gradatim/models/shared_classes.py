"""Which classes of a new task an old classifier knows already, by their names.

Two names are the same when they are equal but for case, the sign between words and a plural;
or when a line of the synonyms holds both. An ImageNet class goes by its WordNet number, too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

from gradatim.errors import UsageError

IMAGENET = "imagenet"
IMAGENET_CLASSES = 1000
_TABLE = "imagenet.txt"
# Endings of English plurals, with what takes their place; the first that fits counts.
_PLURALS = (
    (re.compile(r"(?<=.)(ch|sh|ss|x|zz)es$"), r"\1"),
    (re.compile(r"(?<=..)ies$"), "y"),
    (re.compile(r"(wol|shel|lea|hal|cal)ves$"), r"\1f"),
    (re.compile(r"(?<=[^su])s$"), ""),
)


@dataclass(frozen=True)
class Shared:
    """What two lists of classes have in common.

    Attributes:
        pairs: index of the new class -> index of the old one.
        unclear: new classes whose name fits more than one old class, with these.
    """

    pairs: Mapping[int, int]
    unclear: Mapping[str, tuple[str, ...]]


def match(
    new: Sequence[str], old: Sequence[Iterable[str]], synonyms: Iterable[Sequence[str]] = ()
) -> Shared:
    """Return which new classes are among the old ones.

    A name that is equal letter by letter goes before one that is equal but for case and plural,
    and that before a synonym. Old classes of the same name are told apart by nothing, so a new
    class that fits two of them is left out.

    Args:
        new: names of the new classes.
        old: for each old class, the names it goes by.
        synonyms: groups of names of one class.
    """
    groups: dict[str, set[str]] = {}
    for group in synonyms:
        names = {normal(name) for name in group}
        for name in names:
            groups[name] = groups.get(name, set()) | names
    exact: dict[str, list[int]] = {}
    alike: dict[str, list[int]] = {}
    for index, names_of_one in enumerate(old):
        for name in dict.fromkeys(names_of_one):
            exact.setdefault(name, []).append(index)
        for name in dict.fromkeys(normal(name) for name in names_of_one):
            alike.setdefault(name, []).append(index)
    pairs: dict[int, int] = {}
    unclear: dict[str, tuple[str, ...]] = {}
    for index, name in enumerate(new):
        by_synonym = {i for other in groups.get(normal(name), ()) for i in alike.get(other, ())}
        for found in (exact.get(name, []), alike.get(normal(name), []), sorted(by_synonym)):
            if len(found) == 1:
                pairs[index] = found[0]
            elif found:
                unclear[name] = tuple(next(iter(old[i]), str(i)) for i in found)
            if found:
                break
    return Shared(pairs, unclear)


def normal(name: str) -> str:
    """Return a name without what does not count: ``T_Shirts`` becomes ``t shirt``."""
    words = re.sub(r"[\s_\-]+", " ", name).strip().lower().split(" ")
    for pattern, replacement in _PLURALS:
        if pattern.search(words[-1]) and len(words[-1]) > 3:
            words[-1] = pattern.sub(replacement, words[-1])
            break
    return " ".join(words)


@cache
def imagenet() -> tuple[tuple[str, ...], ...]:
    """Return the names of the 1,000 classes of ImageNet, in the order of its classifiers.

    The first name of each is its usual short one, the last its WordNet number (``n01440764``).
    """
    text = files("gradatim.models").joinpath(_TABLE).read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    rows = [line.split("\t") for line in lines]
    return tuple((*names.split(", "), number) for number, names in rows)


def read_classes(place: str) -> tuple[tuple[str, ...], ...]:
    """Return the names of old classes: of ``imagenet``, or of a file with a class a line.

    Names of one class are parted by commas.

    Raises:
        UsageError: the file cannot be read.
    """
    return imagenet() if place == IMAGENET else tuple(tuple(row) for row in read_names(place))


def read_names(place: str) -> list[list[str]]:
    """Return the lines of a file of names, parted at commas; empty lines are left out.

    Raises:
        UsageError: the file cannot be read.
    """
    try:
        text = Path(place).expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"the file of names cannot be read ({error})",
            given=place,
            next_step="give a text file with a class a line, its names parted by commas",
        ) from error
    rows = [[name.strip() for name in line.split(",")] for line in text.splitlines()]
    return [[name for name in row if name] for row in rows if any(row)]
