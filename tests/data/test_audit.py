import json

import pytest

from gradatim.data.audit import (
    Audit,
    ChannelFacts,
    Conflict,
    FeatureFacts,
    LabelError,
    Rejection,
    SizeFacts,
    Treatment,
    class_warnings,
    count_classes,
    duplicate_facts,
    printable,
)


def full_audit(**changes):
    values = {
        "source": "photos",
        "kind": "image",
        "samples": 8,
        "found": 10,
        "classes": ("cat", "dog"),
        "class_counts": {"train": {"cat": 5, "dog": 1}, "test": {"cat": 2, "dog": 0}},
        "target": FeatureFacts("age", "number", mean=3.5, std=1.0, min=1.0, max=9.0),
        "features": (FeatureFacts("colour", "category", 2, 3, common=(("red", 4), ("blue", 1))),),
        "sizes": SizeFacts(2, (10, 20, 30), (5, 6, 7), (1.0, 1.5, 2.0), ((10, 5, 6), (30, 7, 2))),
        "channels": (ChannelFacts("grey", 100.0, 20.0, 0.0, 255.0),),
        "shape": (32, 32, 1),
        "choices": {"data.size": "because"},
        "rejected": (Rejection("<b>.jpg", "empty file"), Rejection("b.jpg", "truncated JPEG: x")),
        "unused": (Rejection("README.md", "hidden"),),
        "treated": (Treatment("turned", 3, ("a.jpg", "c.jpg")),),
        "duplicates": (("a.jpg", "c.jpg"),),
        "duplicates_across_parts": 1,
        "conflicts": (Conflict(("a.jpg", "c.jpg"), ("cat", "dog")),),
        "warnings": ("Odd.",),
        "notes": ("Noted.",),
        "label_errors": (LabelError("a.jpg", "cat", "dog", 0.9),),
        "seconds": 1.5,
    }
    return Audit(**{**values, **changes})


def test_an_audit_goes_through_json_unchanged():
    audit = full_audit()
    assert Audit.from_dict(json.loads(json.dumps(audit.to_dict(), allow_nan=False))) == audit
    small = Audit("x", "vector", 1, 1)
    assert Audit.from_dict(json.loads(json.dumps(small.to_dict()))) == small


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("cat/1.jpg", "cat/1.jpg"),
        ("größe 猫.jpg", "größe 猫.jpg"),
        ("caf\udce9.jpg", "caf\\xe9.jpg"),
        ("a\nb\tc\x1b[0m", "a\\nb\\tc\\x1b[0m"),
        ("a\\nb", "a\\\\nb"),
        ("<script>", "<script>"),
        ("\u202eright", "\\u202eright"),
        ("\ud800", "\\ud800"),
    ],
)
def test_names_become_printable(name, expected):
    assert printable(name) == expected
    assert printable(name).isprintable()
    json.dumps(printable(name)).encode()
    printable(name).encode()


def test_equal_samples():
    facts = duplicate_facts(
        [b"x", b"y", b"x", b"z", b"y", b"x"],
        list("abcdef"),
        ["1", "1", "1", "1", "2", "1"],
        ["train", "train", "test", "train", "train", "train"],
    )
    assert facts["duplicates"] == (("a", "c", "f"), ("b", "e"))
    assert facts["duplicates_across_parts"] == 1
    assert facts["conflicts"] == (Conflict(("b", "e"), ("1", "2")),)


def test_every_class_is_counted_in_every_part():
    counts = count_classes(["a", "b", "a"], ["test", "train", "train"], ["a", "b", "c"])
    assert counts == {"train": {"a": 1, "b": 1, "c": 0}, "test": {"a": 1, "b": 0, "c": 0}}
    assert list(counts) == ["train", "test"]
    assert count_classes(["a"], [None], ["a"]) == {"all": {"a": 1}}


def test_what_is_odd_about_class_counts():
    assert class_warnings({"train": {"a": 10, "b": 9}, "test": {"a": 1, "b": 2}}) == []
    (warning,) = class_warnings({"train": {"a": 1000, "b": 100}})
    assert "a has 1,000 samples, b 100 (10 times fewer)" in warning
    assert class_warnings({"train": {"a": 1000, "b": 101}}) == []
    (warning,) = class_warnings({"train": {"a": 2, "b": 2}, "validation": {"a": 1, "b": 0}})
    assert warning == "No sample in the part validation of: b."
