"""Every hostile or odd file meets its fate: no crash, no hang, nothing printed, nothing lost."""

import json
import threading
import time
import warnings

import pytest
from tests.data import hostile

from gradatim.core.files import write_json
from gradatim.data.audit import Audit, printable
from gradatim.data.card import card, contact_sheet
from gradatim.data.images import prepare_images
from gradatim.data.sources import Request, folder

SECONDS = 60.0


@pytest.fixture(scope="module")
def audited(tmp_path_factory):
    root = tmp_path_factory.mktemp("hostile") / "files"
    root.mkdir()
    kinds = hostile.make(root)
    answer = {}

    def work():
        raw = folder.read(Request(str(root)))
        cache = root.parent / "cache"
        answer["images"] = prepare_images(raw, size=32, channels=3, cache=cache)
        answer["again"] = prepare_images(raw, size=32, channels=3, cache=cache)

    begun = time.perf_counter()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        thread.join(SECONDS)
    assert not thread.is_alive(), f"still not done after {SECONDS} s"
    assert "images" in answer, "the audit raised"
    answer["seconds"] = time.perf_counter() - begun
    answer["warnings"] = [str(warning.message) for warning in caught]
    return answer, kinds


def fates(audit: Audit, names: list[str]) -> dict[str, list[tuple[str, str]]]:
    found: dict[str, list[tuple[str, str]]] = {}
    for name in names:
        found.setdefault(name, []).append(("used", ""))
    for fate, rows in (("rejected", audit.rejected), ("unused", audit.unused)):
        for row in rows:
            found.setdefault(row.name, []).append((fate, row.reason))
    return found


def test_most_kinds_can_be_made_here(audited):
    _, kinds = audited
    assert len(kinds) >= 60


@pytest.mark.parametrize("kind", hostile.KINDS, ids=lambda kind: printable(kind.name)[:40])
def test_each_file_meets_its_fate(audited, kind):
    answer, kinds = audited
    made = {one.name: one for one in kinds}
    if kind.name not in made:
        pytest.skip("this system cannot make it")
    kind = made[kind.name]
    images = answer["images"]
    name = printable(f"odd/{kind.name}")
    found = fates(images.audit, images.names)[name]
    assert len(found) == 1, f"more than one fate: {found}"
    assert found[0][0] == kind.fate, found
    if kind.fate != "used":
        assert kind.says in found[0][1]
    elif kind.says:
        rows = [row.count for row in images.audit.treated if kind.says in row.treatment]
        assert rows, f"no treatment says {kind.says!r}"


def test_every_file_there_is_listed_once(audited, tmp_path):
    answer, kinds = audited
    images = answer["images"]
    listed = fates(images.audit, images.names)
    assert all(len(found) == 1 for found in listed.values())
    assert images.audit.samples + len(images.audit.rejected) == images.audit.found
    # 4 plain pictures; the circle of links is two files
    expected = {printable(f"odd/{kind.name}") for kind in kinds} | {"odd/round-b.jpg"}
    assert set(listed) == expected | {f"plain/{n}.png" for n in range(4)}


def test_nothing_is_printed_or_warned(audited, capfd, tmp_path):
    answer, _ = audited
    assert answer["warnings"] == []
    hostile.make(tmp_path / "files")
    raw = folder.read(Request(str(tmp_path / "files")))
    capfd.readouterr()
    prepare_images(raw, size=16, cache=tmp_path / "cache")
    assert capfd.readouterr() == ("", "")


def test_the_second_look_finds_the_same(audited):
    answer, _ = audited
    first, second = answer["images"], answer["again"]
    assert first.key == second.key
    assert second.audit.seconds == 0
    assert (first.inputs == second.inputs).all()
    assert first.audit.rejected == second.audit.rejected
    assert first.audit.treated == second.audit.treated


def test_the_audit_is_plain_printable_json(audited, tmp_path):
    audit = audited[0]["images"].audit
    write_json(tmp_path / "audit.json", audit.to_dict())
    read = json.loads((tmp_path / "audit.json").read_text(encoding="utf-8"))
    assert Audit.from_dict(read) == audit
    for row in (*audit.rejected, *audit.unused):
        assert row.name.isprintable() and row.reason.isprintable()
    assert any("caf\\xe9" in name for name in audited[0]["images"].names)


def test_the_card_lists_every_rejected_file_as_text(audited):
    images = audited[0]["images"]
    page = card(images.audit, contact_sheet(images.inputs, images.labels, images.classes))
    text = repr(page)
    assert all(repr(row.name)[1:-1] in text for row in images.audit.rejected)
    from gradatim.pages.html import to_html

    html = to_html(page)
    assert "<script>alert" not in html
    assert "&lt;script&gt;alert" in html
