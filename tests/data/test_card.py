import io

import numpy as np
import pytest
from PIL import Image
from tests.data.test_audit import full_audit

from gradatim.core.page import Fold, Picture, Table, Verdict
from gradatim.data.audit import Audit, FeatureFacts, LabelError, Rejection
from gradatim.data.card import FOLDED, LISTED, STRIP_PICTURES, Card, card, contact_sheet


def tables(blocks):
    for block in blocks:
        if isinstance(block, Table):
            yield block
        elif isinstance(block, Fold):
            yield from tables(block.blocks)


def cells(page):
    return [cell for table in tables(page.blocks) for row in table.rows for cell in row]


def test_the_verdict_comes_first():
    first = card(full_audit()).blocks[0]
    assert isinstance(first, Verdict)
    assert first.statement == "8 of 10 pictures can be used; 2 classes"
    assert first.detail == (
        "2 rejected; 1 group of equal pictures; 1 of them with different labels; "
        "1 label likely wrong"
    )


@pytest.mark.parametrize(
    ("changes", "level"),
    [
        ({"found": 8, "rejected": (), "warnings": ()}, "good"),
        ({"found": 8, "rejected": ()}, "note"),
        ({"found": 9}, "note"),
        ({"found": 10}, "alarm"),
    ],
)
def test_level_of_the_verdict(changes, level):
    assert card(full_audit(**changes)).blocks[0].level == level


def test_everything_found_is_on_the_page():
    audit = full_audit()
    page = card(audit)
    shown = cells(page)
    for row in (*audit.rejected, *audit.unused):
        assert row.name in shown and row.reason in shown
    assert "turned" in shown and "a.jpg, c.jpg" in shown and "a.jpg (cat), c.jpg (dog)" in shown
    text = repr(page)
    assert "Odd." in text and "Noted." in text and "because" in text


def test_class_counts_add_up():
    (table,) = [table for table in tables(card(full_audit()).blocks) if table.columns[0] == "class"]
    assert list(table.columns) == ["class", "train", "test", "together"]
    assert table.rows[-1] == ["all", 6, 2, 8]
    assert list(table.emphasis) == [2]


def test_many_classes_stand_behind_a_fold():
    counts = {"all": {f"class {n:03}": n for n in range(200)}}
    page = card(full_audit(classes=tuple(counts["all"]), class_counts=counts))
    shown = [table for table in tables(page.blocks) if table.columns[0] == "class"]
    assert [len(table.rows) for table in shown] == [LISTED + 1, 201]
    assert shown[0].rows[-1] == shown[1].rows[-1] == ["all", sum(range(200))]


def test_long_lists_are_folded_and_cut_with_a_word():
    rejected = tuple(Rejection(f"{n}.jpg", "empty file") for n in range(FOLDED + 30))
    page = card(full_audit(rejected=rejected, found=FOLDED + 38))
    shown = cells(page)
    assert "0.jpg" in shown and f"{FOLDED - 1}.jpg" in shown and f"{FOLDED}.jpg" not in shown
    assert "30 more are listed by --json." in repr(page)
    assert ["empty file", FOLDED + 30] in [
        row for table in tables(page.blocks) for row in table.rows
    ]


def test_a_table_of_columns():
    audit = Audit(
        "people",
        "table",
        samples=90,
        found=90,
        task="regression",
        class_counts={"all": {"samples": 90}},
        target=FeatureFacts("income", "number", mean=1.5, std=0.5, min=0.0, max=3.0),
        features=(
            FeatureFacts("age", "number", missing=3, mean=40.0, std=9.0, min=18.0, max=80.0),
            FeatureFacts("town", "category", common=(("Bern", 60), ("Basel", 30))),
        ),
        label_errors=(LabelError("row 3", "1", "2", 0.75),),
    )
    page = card(audit)
    assert page.blocks[0].statement == "All 90 rows can be used; income to be predicted"
    (table,) = [table for table in tables(page.blocks) if "missing" in table.columns]
    assert [row[0] for row in table.rows] == ["age", "town", "income"]
    assert table.rows[1][-1] == "Bern (60), Basel (30)" and table.rows[2][-1] == "target"


def test_a_bare_audit_has_a_page():
    for kind in ("image", "vector", "table"):
        assert card(Audit("x", kind, 3, 3)).blocks[0].statement.startswith("All 3 ")


@pytest.mark.parametrize("side", [8, 32, 100])
@pytest.mark.parametrize("channels", [1, 3])
def test_contact_sheet_shows_the_stored_pictures(side, channels):
    inputs = np.random.default_rng(0).integers(0, 256, (30, side, side, channels), dtype=np.uint8)
    labels = ["b" if n % 3 else "a" for n in range(30)]
    first, second = contact_sheet(inputs, labels, ["a", "b", "none"])
    assert (first.caption, second.caption) == ("a (10)", "b (20)")
    strip = np.asarray(Image.open(io.BytesIO(first.content)))
    assert first.media_type == ("image/png" if side <= 48 else "image/jpeg")
    assert strip.shape[:2] == (64, 640)
    if side <= 48:
        factor = 64 // side
        shown = strip[::factor, ::factor].reshape(side, 10, side, channels)
        assert (shown[:, 0] == inputs[0]).all() and (shown[:, 9] == inputs[27]).all()
    assert Image.open(io.BytesIO(second.content)).size == (64 * STRIP_PICTURES, 64)


def test_contact_sheet_of_numbers_goes_from_small_to_large():
    inputs = np.arange(20, dtype=np.uint8)[:, None, None, None] * np.ones((1, 8, 8, 1), np.uint8)
    (sheet,) = contact_sheet(inputs, [str(-n) for n in range(20)])
    assert sheet.caption == "from -19 to 0"
    assert np.asarray(Image.open(io.BytesIO(sheet.content)))[0, 0] == 19
    assert sheet in card(full_audit(), [sheet]).blocks and isinstance(sheet, Picture)


def test_card_holds_facts_and_page():
    audit = full_audit()
    made = Card.of(audit, np.zeros((2, 8, 8, 1), np.uint8), ["cat", "dog"])
    assert Audit.from_dict(made.facts) == audit
    assert [block.caption for block in made.page.blocks if isinstance(block, Picture)] == [
        "cat (1)",
        "dog (1)",
    ]
    assert Card.of(audit).page == card(audit)
