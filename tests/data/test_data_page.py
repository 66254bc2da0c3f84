"""The numbers on docs/data.md are those of the code."""

from pathlib import Path

from gradatim.core.recipe import DataRecipe
from gradatim.data import cells, columns, label_errors, split, targets
from gradatim.data.sources import SOURCES, table

TEXT = " ".join((Path(__file__).parents[2] / "docs" / "data.md").read_text("utf-8").split())


def test_numbers_of_the_page():
    said = [
        f"most {targets.MOST_CLASSES} different whole numbers (with {targets.LEAST_PER_CLASS} rows",
        f"the {columns.MOST_CATEGORIES} most frequent ones",
        f"more than {columns.MOST_CATEGORIES} values",
        f"when {cells.READABLE_SHARE:.0%} of".replace("%", " %"),
        f"{DataRecipe.test_share:.0%} for the test part".replace("%", " %"),
        f"{DataRecipe.validation_share:.0%} for validation".replace("%", " %"),
        f"at most {label_errors.MOST_SAMPLES:,} samples",
        f"class with {label_errors.SURE:.0%} or more".replace("%", " %"),
        f"label {label_errors.DOUBTED:.0%} or less".replace("%", " %"),
        f"less than {label_errors.WEAKEST:.0%} of".replace("%", " %"),
    ]
    assert [text for text in said if text not in TEXT] == []
    assert label_errors.NEIGHBOURS == 10
    assert "ten nearest neighbours" in TEXT
    assert split.MOST_BINS == 10
    assert "ten quantile bins" in TEXT


def test_names_of_the_page():
    for name in (*table.TARGET_NAMES, "mnist", "fashion-mnist", "cifar10"):
        assert f"`{name}`" in TEXT
    assert {"mnist", "fashion-mnist", "cifar10"} <= set(SOURCES)
