"""The HTML of a page: whole in one file, safe, well formed, readable by everyone."""

import base64
import hashlib
import io
import re
from html.parser import HTMLParser

import pytest
from PIL import Image

from gradatim.charts import theme
from gradatim.core import page as blocks
from gradatim.core.page import Page
from gradatim.pages import to_html
from gradatim.pages.html import CONTENTS_FROM
from gradatim.pages.report import report, reports

VOID = {"meta", "img", "br", "hr", "input", "link", "path", "line", "rect", "circle"}
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>\udcff\x1b[31m\u202e"


def png():
    content = io.BytesIO()
    Image.new("L", (8, 8), 128).save(content, "PNG")
    return content.getvalue()


def chart(title="Loss"):
    values = [{"x": 0, "y": 1.0, "name": HOSTILE}, {"x": 1, "y": float("nan"), "name": "b"}]
    layer = theme.layer(
        "line",
        values,
        {
            "x": theme.quantity("x", "epoch"),
            "y": theme.quantity("y", "loss (nats)"),
            "color": {"field": "name", "type": "nominal"},
        },
        clip=True,
    )
    return blocks.Chart(
        title, theme.specification([layer], height=200), f"{HOSTILE} from 1 to 2.", HOSTILE, [1, 2]
    )


def every_block():
    """One of each kind, every text hostile."""
    picture = blocks.Picture(png(), "image/png", HOSTILE, HOSTILE, pixelated=True)
    inner = [blocks.Heading(HOSTILE), blocks.Text(HOSTILE), chart()]
    return [
        blocks.Verdict(HOSTILE, HOSTILE, "alarm"),
        blocks.Heading(HOSTILE, HOSTILE),
        blocks.Text(HOSTILE, "note"),
        blocks.Facts([(HOSTILE, HOSTILE)]),
        blocks.Table([HOSTILE, "n"], [[HOSTILE, 1], [None, 2.5]], HOSTILE, emphasis=[0]),
        chart(),
        chart(),
        picture,
        blocks.Gallery([picture, picture], HOSTILE),
        blocks.Arithmetic([(HOSTILE, HOSTILE)], HOSTILE),
        blocks.Code(HOSTILE, "shell"),
        blocks.Fold(HOSTILE, inner),
        blocks.Heading(HOSTILE),
        blocks.Verdict(HOSTILE),
    ]


class Reader(HTMLParser):
    """Reads a page and keeps what the tests ask for; complains where tags do not match."""

    def __init__(self, text):
        super().__init__()
        self.open, self.ids, self.headings, self.elements = [], [], [], []
        self.text = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        assert len(values) == len(attributes), f"an attribute twice in <{tag}>"
        self.elements.append((tag, values, list(self.open)))
        if "id" in values:
            self.ids.append(values["id"])
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        if tag in VOID:
            return
        assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-1:]}"
        self.open.pop()

    def handle_data(self, data):
        if not self.open or self.open[-1] != "style":
            self.text.append(data)

    def of(self, tag):
        return [values for name, values, _ in self.elements if name == tag]


@pytest.fixture(scope="module")
def pages(runs):
    written = {name: to_html(report(folder)) for name, folder in runs.items()}
    written["several"] = to_html(reports(list(runs.values())))
    written["every block"] = to_html(Page(HOSTILE, every_block(), HOSTILE))
    written["empty"] = to_html(Page("Nothing", []))
    return written


@pytest.fixture(
    params=["digits", "photos", "moons", "houses", "interrupted", "several", "every block", "empty"]
)
def html(request, pages):
    return pages[request.param]


def test_page_is_well_formed(html):
    reader = Reader(html)
    assert html.startswith("<!DOCTYPE html>")
    assert reader.of("html")[0]["lang"] == "en"
    assert len(reader.ids) == len(set(reader.ids))
    assert len(html.encode()) < 3_000_000


def test_page_refers_to_nothing_outside(html):
    reader = Reader(html)
    for _, values, _ in reader.elements:
        for name in ("src", "href", "xlink:href", "action", "data", "poster"):
            address = values.get(name, "#")
            assert address.startswith(("#", "data:image/")), address
        assert not [name for name in values if name.startswith("on")]
    assert not {"script", "iframe", "object", "embed", "link", "base", "form"} & {
        tag for tag, *_ in reader.elements
    }
    style = html[html.index("<style>") : html.index("</style>")]
    assert "@import" not in style and "url(" not in style
    policy = next(values for values in reader.of("meta") if "http-equiv" in values)["content"]
    assert "default-src 'none'" in policy and "script" not in policy


def test_page_can_be_heard(html):
    reader = Reader(html)
    assert all(values.get("alt") for values in reader.of("img"))
    drawings = [values for _, values, _ in reader.elements if values.get("role") == "img"]
    assert all(values["aria-label"] for values in drawings)
    assert all(values.get("aria-hidden") == "true" for values in reader.of("svg"))
    assert all(values.get("scope") in ("col", "row") for values in reader.of("th"))
    assert reader.headings[0] == 1 and reader.headings.count(1) == 1
    steps = zip(reader.headings, reader.headings[1:], strict=False)
    assert all(after <= before + 1 for before, after in steps)
    first_link = reader.of("a")[0]
    assert first_link["class"] == "skip" and first_link["href"].removeprefix("#") in reader.ids


def test_every_address_inside_the_page_is_there(html):
    reader = Reader(html)
    assert all(link["href"].removeprefix("#") in reader.ids for link in reader.of("a"))
    for _, values, _ in reader.elements:
        for value in values.values():
            for name in re.findall(r"url\(#([^)]+)\)", value or ""):
                assert name in reader.ids
        assert values.get("aria-labelledby", "title") in [*reader.ids, "title"]


def test_hostile_text_is_shown_and_never_obeyed(pages):
    html = pages["every block"]
    reader = Reader(html)
    assert "<script" not in html and not any("onerror" in v for _, v, _ in reader.elements)
    assert all(ord(character) >= 32 or character == "\n" for character in html)
    assert "\u202e" not in html
    html.encode()
    shown = "".join(reader.text)
    for part in ("<script>alert(1)</script>", "\\xff", "\\x1b[31m", "\\u202e"):
        assert part in shown


def test_names_of_files_are_shown_as_they_are(pages):
    shown = "".join(Reader(pages["photos"]).text)
    assert "train/hat/<img src=x onerror=alert(1)>.jpg" in shown
    assert "train/hat/na\\xefve\\x1b[31m.png" in shown


def test_long_pages_have_contents_and_short_ones_have_not(pages):
    assert Reader(pages["digits"]).of("nav")
    few = [blocks.Heading(str(index)) for index in range(CONTENTS_FROM - 1)]
    assert not Reader(to_html(Page("Short", few))).of("nav")


def test_every_kind_of_block_is_shown(pages):
    tags = {tag for tag, *_ in Reader(pages["every block"]).elements}
    assert {"dl", "table", "caption", "svg", "img", "figure", "pre", "details", "summary"} <= tags


def test_charts_are_drawn_for_wide_pages_and_for_phones():
    reader = Reader(to_html(Page("Charts", [chart()])))
    widths = [int(float(values["width"])) for values in reader.of("svg")]
    assert widths == [theme.WIDTH, 350]


def luminance(colour):
    """Relative luminance of the Web Content Accessibility Guidelines 2.2."""
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def style_variables(html, after):
    start = html.index("{", html.index(after)) + 1
    return dict(re.findall(r"--([\w-]+):(#[0-9a-f]{6})", html[start : html.index("}", start)]))


@pytest.mark.parametrize("mode", [":root{", ":root{ "])
def test_contrast_meets_level_aa_in_both_modes(pages, mode):
    html = pages["empty"]
    colours = style_variables(html, mode)
    assert len(colours) == len(theme.COLOURS) + len(theme.CLASSES)
    for ground in ("paper", "tint"):
        for text in ("ink", "muted", "accent", "good", "note", "alarm"):
            assert contrast(colours[text], colours[ground]) >= 4.5, (text, ground)
    for index in range(len(theme.CLASSES)):  # marks need 3 to 1
        assert contrast(colours[f"class-{index}"], colours["paper"]) >= 3


def test_light_and_dark_differ_and_print_is_light(pages):
    html = pages["empty"]
    light, dark = style_variables(html, ":root{"), style_variables(html, ":root{ ")
    assert light["paper"] != dark["paper"]
    printed = style_variables(html, "@media print{:root{")
    assert printed["ink"] == light["ink"]


def test_every_colour_of_charts_is_mapped(pages):
    html = pages["digits"]
    style = html[html.index("<style>") : html.index("</style>")]
    used = set(re.findall(r'(?:fill|stroke)="(#[0-9a-f]{6})"', html.replace(style, "")))
    mapped = set(re.findall(r'\[(?:fill|stroke)="(#[0-9a-f]{6})"\]', style))
    assert used and used <= mapped


def test_only_the_scripts_of_fragments_may_run():
    script = "document.title = 'ran';"
    fragment = blocks.Fragment("<p id='f'>here</p>", "elsewhere", script)
    html = to_html(Page("Controls", [fragment, blocks.Fold("more", [fragment])]))
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}';" in html
    assert html.count(f"<script>{script}</script>") == 1
    assert "script-src" not in to_html(Page("Plain", [blocks.Text("here")]))


def test_formulas_are_mathml_and_words_are_not():
    lines = [("size", "(7 - 3)/2 + 1 = 3"), ("why", "<b>not a formula</b>")]
    html = to_html(Page("Sums", [blocks.Arithmetic(lines)]))
    assert "<mfrac>" in html
    assert "&lt;b&gt;not a formula&lt;/b&gt;" in html
