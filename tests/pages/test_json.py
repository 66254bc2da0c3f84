"""Pages as JSON."""

import base64
import json

from gradatim.core.page import Fold, Page, Picture, Table, Text
from gradatim.pages import to_json
from gradatim.pages.report import report


def test_every_block_says_what_it_is():
    page = Page(
        "a",
        [
            Fold("more", [Text("b\udcff")]),
            Table(["x"], [[float("nan")], [float("inf")], [1.5]]),
            Picture(b"\x00\xff", "image/png", "nothing"),
        ],
    )
    read = json.loads(to_json(page))
    assert read["block"] == "page" and read["title"] == "a"
    fold, table, picture = read["blocks"]
    assert fold["blocks"][0] == {"block": "text", "text": "b\\udcff", "level": "plain"}
    assert table["rows"] == [["nan"], ["inf"], [1.5]]
    assert base64.b64decode(picture["content"]) == b"\x00\xff"


def test_a_report_is_whole_as_json(runs):
    for folder in runs.values():
        read = json.loads(to_json(report(folder)))
        kinds = {block["block"] for block in read["blocks"]}
        assert {"verdict", "facts", "heading", "chart", "code"} <= kinds
