"""Findings as plain values."""

import json

from gradatim.core.finding import Evidence, Finding


def test_numbers_that_are_not_finite_can_be_written():
    nan, infinite = float("nan"), float("inf")
    seen = (Evidence("loss", nan, (0.0, nan)), Evidence("norm", infinite), Evidence("rate", 0.1))
    plain = Finding("non-finite", "alarm", evidence=seen).to_dict()
    text = json.dumps(plain, allow_nan=False)
    assert [item["got"] for item in json.loads(text)["evidence"]] == ["nan", "inf", 0.1]
    assert plain["evidence"][0]["healthy"] == [0.0, None]
