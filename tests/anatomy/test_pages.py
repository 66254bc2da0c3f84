"""The page, the river, MathML, the chain that can be changed, and what others say."""

import itertools
import json
import re
import shutil
import subprocess
from dataclasses import asdict, replace
from html import unescape
from xml.etree import ElementTree

import pytest
import torch
from torch import nn

from gradatim import models
from gradatim.anatomy import explain, whatif
from gradatim.anatomy.mathml import to_mathml
from gradatim.anatomy.page import page
from gradatim.anatomy.river import MOST, places, river
from gradatim.core.page import Arithmetic, Fold, Picture, Table
from gradatim.pages import to_html


def full(name, options=None):
    with torch.device("meta"):
        module = models.full_size(name, options)
    return explain(module.eval(), module.full_input, name=name, witnesses=False)


@pytest.fixture(scope="module")
def deepest():
    return full("resnet152")


@pytest.fixture(scope="module")
def alexnet():
    return full("alexnet")


def blocks_of(blocks, kind):
    for block in blocks:
        if isinstance(block, kind):
            yield block
        if isinstance(block, Fold):
            yield from blocks_of(block.blocks, kind)


def test_repeated_blocks_are_folded(deepest):
    folded = [(child.name, child.count) for block in deepest.blocks for child in block.children]
    assert folded == [
        *(("layer1.0", 1), ("layer1.1 to layer1.2", 2)),
        *(("layer2.0", 1), ("layer2.1 to layer2.7", 7)),
        *(("layer3.0", 1), ("layer3.1 to layer3.35", 35)),
        *(("layer4.0", 1), ("layer4.1 to layer4.2", 2)),
    ]
    indices = [index for block in deepest.blocks for index in block.layers]
    assert indices == list(range(len(deepest.layers)))


def test_a_flat_stack_folds_by_its_period():
    pairs = [(nn.Linear(8, 8), nn.ReLU()) for _ in range(36)]
    anatomy = explain(nn.Sequential(nn.Linear(4, 8), *itertools.chain(*pairs)), (4,))
    first, run = anatomy.blocks
    assert (first.name, run.count, run.name) == ("0", 36, "1 to 72")
    assert [child.kind for child in run.children] == ["Linear", "ReLU"]


def test_runs_that_differ_in_one_number_are_not_folded():
    layers = [nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 8, bias=False)]
    anatomy = explain(nn.Sequential(*layers), (8,))
    assert [block.count for block in anatomy.blocks] == [2, 1]


def test_the_page_of_the_deepest_network(deepest):
    from gradatim.pages.html import to_html

    made = page(deepest)
    html = to_html(made)
    assert len(html.encode()) < 500_000
    table = next(blocks_of(made.blocks, Table))
    runs = [row for row in table.rows if row[2]]
    assert [row[2] for row in runs] == [f"x {n}, identical" for n in (2, 7, 35, 2)]
    assert sum(row[4] or 0 for row in table.rows if not row[0].startswith("·")) == 60_192_808
    assert sum(row[5] or 0 for row in table.rows if not row[0].startswith("·")) == 11_513_626_624
    assert "http://" not in html.replace("http://www.w3.org", "")


def test_why_55_is_one_click_away(alexnet):
    made = page(alexnet)
    fold = next(block for block in made.blocks if isinstance(block, Fold))
    assert fold.summary == "features.0, convolution: 64x55x55, why 55?"
    lines = next(blocks_of(fold.blocks, Arithmetic)).lines
    assert ("height and width", "(224 - 11 + 2*2)/4 + 1 = 55.25 -> 55") in lines
    assert ("note", "position 227 of the 228 padded ones is never read (only padding)") in lines
    assert ("receptive field, height and width", "1 + (11 - 1)*1 = 11") in lines
    assert ("weights", "64*3*11*11 = 23,232") in lines


def test_every_line_of_arithmetic_is_right(deepest, alexnet):
    """Both sides of every plain equality of a page, worked out."""
    checked = 0
    for anatomy in (deepest, alexnet, full("googlenet"), full("lenet")):
        for block in blocks_of(page(anatomy).blocks, Arithmetic):
            for _, text in block.lines:
                sides = [side.replace(",", "") for side in text.split(" -> ")[0].split(" = ")]
                if len(sides) < 2 or not all(re.fullmatch(r"[-+*/() .\d]+", s) for s in sides):
                    continue
                numbers = [worked_out(side) for side in sides]
                assert all(n == pytest.approx(numbers[0], abs=0.0051) for n in numbers), text
                checked += 1
    assert checked > 500


def worked_out(text):
    """The value of sums, products and quotients, by the syntax tree."""
    import ast
    import operator

    signs = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul}
    signs[ast.Div] = operator.truediv

    def value(node):
        if isinstance(node, ast.BinOp):
            return signs[type(node.op)](value(node.left), value(node.right))
        if isinstance(node, ast.UnaryOp):
            return -value(node.operand)
        return node.value

    return value(ast.parse(text.strip(), mode="eval").body)


def test_the_river_fits_on_one_page(deepest):
    shown = places(deepest)
    assert len(shown) <= MOST
    assert sum(place.parameters for place in shown) <= deepest.totals.parameters.value
    assert (shown[0].name, shown[0].channels, shown[0].size) == ("conv1", 64, 112)
    run = next(place for place in shown if place.count == 35)
    assert run.macs == 35 * 218_365_952
    svg = river(deepest)
    root = ElementTree.fromstring(svg)
    assert root.tag.endswith("svg")
    assert len(svg) < 60_000
    assert "layer3.1 to layer3.35 x 35, identical" in svg.decode()
    picture = next(blocks_of(page(deepest).blocks, Picture))
    assert "Most parameters" in picture.alternative


@pytest.mark.parametrize("name", ["lenet", "googlenet", "lstm", "mlp", "vgg19_bn", "resnet20"])
def test_a_river_for_every_kind_of_network(name):
    anatomy = full(name)
    ElementTree.fromstring(river(anatomy))
    assert page(anatomy).title == f"Anatomy of {name}"


def test_a_network_that_does_nothing_has_a_page():
    anatomy = explain(nn.Identity(), (3,))
    assert page(anatomy).blocks[0].statement == "0 parameters, 0 MACs"
    ElementTree.fromstring(river(anatomy))


def test_formulas_become_mathml():
    found = to_mathml("(224 - 11 + 2*2)/4 + 1 = 55.25 -> 55")
    root = ElementTree.fromstring(found)
    assert root.tag == "{http://www.w3.org/1998/Math/MathML}math"
    fraction = root.find("{*}mfrac")
    above, below = ("".join(part.itertext()) for part in fraction)
    assert (above, below) == ("224−11+2×2", "4")
    assert "".join(root.itertext()).endswith("+1=55.25→55")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("64*3*11*11 = 23,232", "64×3×11×11=23,232"),
        ("-5 - 1*4 = -9", "−5−1×4=−9"),
        (
            "max(0, 5.1 - 3.2 + 1) = max(0, 2.9) = 2.9",
            "max\u2061(0,5.1−3.2+1)=max\u2061(0,2.9)=2.9",
        ),
        ("all 7 -> 1", "all 7→1"),
        (
            "2*8 = 16 (each kernel reads 1 of 8 channels)",
            "2×8=16\xa0(each kernel reads 1 of 8 channels)",
        ),
        ("one addition for each output: 2*3 = 6", "one addition for each output: 2×3=6"),
        ("scores 2*3 = 6; weighted sum 2*3 = 6", "scores 2×3=6; weighted sum 2×3=6"),
    ],
)
def test_mathml_keeps_what_the_text_says(text, shown):
    found = to_mathml(text)
    assert "<math" in found
    assert unescape(re.sub(r"<[^>]+>", "", found)) == shown


@pytest.mark.parametrize(
    "text", ["the whole input", "in place: no new memory", "<script>x</script>"]
)
def test_what_is_no_formula_stays_text(text):
    found = to_mathml(text)
    assert "<math" not in found and "<script" not in found
    assert unescape(found) == text


def test_every_derivation_of_the_zoo_is_drawn(deepest, alexnet):
    for anatomy in (deepest, alexnet):
        for block in blocks_of(page(anatomy).blocks, Arithmetic):
            for _, text in block.lines:
                ElementTree.fromstring(f"<p>{to_mathml(text)}</p>")
                if re.match(r"[\d(].* = [\d,]+$", text):
                    assert "<math" in to_mathml(text), text


@pytest.mark.parametrize("name", ["alexnet", "lenet", "vgg16_bn", "nin", "mlp"])
def test_the_chain_gives_the_numbers_of_the_network(name):
    anatomy = full(name)
    steps = whatif.chain(anatomy)
    rows = whatif.compute(steps, anatomy.inputs[0][1:])
    assert sum(row.parameters for row in rows) == anatomy.totals.parameters.value
    assert sum(row.macs for row in rows) == anatomy.totals.macs.value
    for row, layer in zip(rows, anatomy.layers, strict=True):
        assert row.shape == layer.output_shapes[0][1:]
        if layer.fields and layer.fields[0].jump is not None:
            assert (row.field, str(row.jump)) == (layer.fields[0].size, layer.fields[0].jump)


def test_networks_with_branches_have_no_chain(deepest):
    assert whatif.chain(deepest) is None
    assert whatif.fragment(deepest) is None
    assert whatif.chain(full("lstm")) is None


def changed(steps, index, **values):
    return (*steps[:index], replace(steps[index], **values), *steps[index + 1 :])


def test_impossible_values_explain_themselves(alexnet):
    steps, shape = whatif.chain(alexnet), alexnet.inputs[0][1:]

    def problem(index, **values):
        rows = whatif.compute(changed(steps, index, **values), shape)
        assert rows[index + 1].problem == "depends on the step above"
        return rows[index].problem

    reason = "does not fit into a padded input of 228"
    assert problem(0, kernel=(300, 300)) == f"a kernel that reaches 300 positions {reason}"
    assert "stride of a sliding window must be at least 1" in problem(0, stride=(0, 0))
    assert "padding of a sliding window must be at least 0" in problem(3, padding=(-1, -1))
    assert problem(3, groups=5) == "5 groups do not divide 64 and 192 channels"
    assert problem(2, padding=(2, 2)) == "maximum pooling takes padding up to half its kernel"
    wider = whatif.compute(changed(steps, 0, output=96), shape)
    assert (wider[0].parameters, wider[3].parameters) == (34_944, 192 * 96 * 25 + 192)


def test_the_fragment_holds_the_right_numbers_without_its_script(alexnet):
    html = whatif.fragment(alexnet)
    root = ElementTree.fromstring(html)
    rows = {row.find("th").text: row for row in root.iter("tr") if row.get("data-step")}
    assert "".join(rows["features.0"].find("td[@class='size']").itertext()) == "64 x 55 x 55"
    named = {i.get("aria-label") for i in root.iter("input")}
    assert {"kernel of features.0", "channels of features.0", "stride of features.2"} <= named
    assert "61,100,840" in html
    assert json.loads(root.get("data-chain"))["shape"] == [3, 224, 224]


@pytest.mark.skipif(shutil.which("node") is None, reason="no node to run the page's script with")
def test_the_script_computes_what_python_computes(alexnet, tmp_path):
    steps, shape = whatif.chain(alexnet), list(alexnet.inputs[0][1:])
    chains = [steps]
    for index, step in enumerate(steps):
        if step.kind in ("conv", "pool"):
            for k, s, p in itertools.product((1, 3, 7, 40), (1, 2, 3), (0, 1, 3)):
                chains.append(changed(steps, index, kernel=(k, k), stride=(s, s), padding=(p, p)))
            chains.append(changed(steps, index, dilation=(2, 3), ceil_mode=True))
            chains.append(changed(steps, index, output=50, groups=3))
        if step.kind == "linear":
            chains.append(changed(steps, index, output=7, bias=False))
    given = [{"shape": shape, "steps": [asdict(step) for step in chain]} for chain in chains]
    (tmp_path / "whatif.js").write_text(whatif.script())
    (tmp_path / "chains.json").write_text(json.dumps(given))
    program = (
        "const w = require('./whatif.js');"
        "const chains = JSON.parse(require('fs').readFileSync('chains.json'));"
        "console.log(JSON.stringify(chains.map(w.compute)));"
    )
    ran = subprocess.run(
        ["node", "-e", program], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    for chain, answers in zip(chains, json.loads(ran.stdout), strict=True):
        for row, answer in zip(whatif.compute(chain, shape), answers, strict=True):
            assert row.problem == answer.get("problem", "")
            if not row.problem:
                assert list(row.shape) == answer["shape"]
                assert (row.parameters, row.macs) == (answer["parameters"], answer["macs"])
                assert (row.field, row.jump) == (answer["field"], answer["jump"])
                assert row.formula == answer["formula"]


def test_the_papers_stride_explains_the_difference():
    anatomy = full("resnet50")
    stride = next(item for item in anatomy.others if item.who == "the paper's stride")
    assert stride.value == 3_857_973_248
    assert [item.value for item in stride.differences] == [-77_070_336] * 3
    assert stride.value == full("resnet50", {"stride_on": "1x1"}).totals.macs.value
    paper = next(item for item in anatomy.others if item.who == "the paper")
    assert (paper.value, paper.computed) == (3_800_000_000, False)
    assert all(item.closes for item in anatomy.others)


@pytest.mark.parametrize(
    ("name", "total"),
    # Totals that torchinfo 1.8.0 itself answered for these networks.
    [
        ("resnet18", 1_814_083_944),
        ("alexnet", 714_682_664),
        ("vgg16", 15_483_821_032),
        ("googlenet", 1_498_391_752),
    ],
)
def test_torchinfos_convention(name, total):
    opinion = next(item for item in full(name).others if item.who.startswith("torchinfo"))
    assert opinion.closes
    assert opinion.value == total


@pytest.mark.parametrize(
    ("name", "total"),
    # Totals that fvcore 0.1.5 itself answered for these networks.
    [("resnet18", 1_819_065_856), ("vgg19", 19_632_087_552), ("resnet152", 11_558_835_200)],
)
def test_fvcores_convention(name, total):
    opinion = next(item for item in full(name).others if item.who.startswith("fvcore"))
    assert opinion.closes
    assert opinion.value == total


def test_the_first_size_that_was_rounded_stands_open():
    html = to_html(page(full("alexnet")))
    assert html.count("<details open") == 1
    opened = html.partition("<details open")[2].partition("</details>")[0]
    assert "why 55?" in opened
    assert "55.25" in opened
    even = to_html(page(full("lenet")))
    assert "<details open" not in even
