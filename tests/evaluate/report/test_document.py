from __future__ import annotations

import re
from base64 import b64decode
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest

from cape_fed.evaluate.report import words
from cape_fed.evaluate.results import Estimate, MethodResults
from tests.evaluate.conftest import Evaluated
from tests.evaluate.fake import make_store
from tests.evaluate.test_run import evaluate

VOID = {"meta", "img", "br", "link", "hr"}


class Page(HTMLParser):
    """Text, images, addresses and identifiers of a document; fails on tags that are not closed in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text: list[str] = []
        self.images: list[dict[str, str | None]] = []
        self.addresses: list[str] = []
        self.ids: list[str] = []
        self.open: list[str] = []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag not in {"script", "link", "iframe"}
        named = dict(attrs)
        if tag not in VOID:
            self.open.append(tag)
        if tag == "img":
            self.images.append(named)
        self.addresses += [named[name] or "" for name in ("src", "href") if name in named]
        self.ids += [named["id"] or ""] if "id" in named else []

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] != ["style"]:
            self.text.append(data)

    @property
    def words(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.text))


@pytest.fixture(scope="module", params=["good", "compared"])
def html(request, evaluated: Evaluated) -> str:
    return (evaluated.folder / request.param / "report.html").read_text()


def numbers_of(results: MethodResults) -> list[Estimate]:
    """Every estimate of one method's tables."""
    sides = [side for task in results.tasks.values() for side in (task.id, task.ood) if side]
    cells = [cell for side in sides for both in side.cohorts.values() for cell in (both.transfer, both.within)]
    values = [value for summary in results.summary.values() for value in (summary.id, summary.ood, summary.worst)]
    seconds = [cell.second for cell in cells if cell.second]
    return [entry for entry in [*sides, *cells, *seconds, *values] if entry is not None and entry.point is not None]


def test_nothing_outside_the_file_is_asked_for(html: str) -> None:
    page = Page(html)
    assert all(address.startswith(("data:", "#")) for address in page.addresses)
    assert {address[1:] for address in page.addresses if address.startswith("#")} <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))
    assert not re.search(r"url\(|@import|https?://", html)
    assert len(html) < 5_000_000


def test_pictures_are_whole_described_and_self_contained(html: str) -> None:
    images = Page(html).images
    assert len(images) >= 8
    for image in images:
        assert image["alt"]
        head, _, data = (image["src"] or "").partition(",")
        content = b64decode(data, validate=True)
        if "svg" in head:
            root = ElementTree.fromstring(content)
            assert root.tag == "{http://www.w3.org/2000/svg}svg"
            links = [value for node in root.iter() for key, value in node.attrib.items() if key.endswith("href")]
            assert all(link.startswith(("#", "data:")) for link in links)
        else:
            assert content.startswith(b"\x89PNG")


def test_every_number_stands_in_a_table(evaluated: Evaluated) -> None:
    for folder, methods in (("good", evaluated.good.methods()), ("compared", evaluated.comparison.methods)):
        text = Page((evaluated.folder / folder / "report.html").read_text()).words
        for results in methods.values():
            for entry in numbers_of(results):
                assert f"{words.number(entry.point, entry.metric)} {words.interval(entry)}" in text
        for cohort in ("north", "south", "east"):
            assert cohort in text


def test_id_ood_and_worst_are_in_the_headline(evaluated: Evaluated) -> None:
    text = Page((evaluated.folder / "good" / "report.html").read_text()).words
    summary = evaluated.good.summary["auroc"]
    first = text[text.index("In cohorts that took no part") : text.index("Cohorts Cohort")]
    for value in (summary.id, summary.ood, summary.worst):
        assert words.number(value.point, "auroc") in first
    assert "above random-init" in first


def test_compared_methods_are_set_against_the_reference(evaluated: Evaluated) -> None:
    text = Page((evaluated.folder / "compared" / "report.html").read_text()).words
    summary = evaluated.comparison.methods["good"].summary["auroc"].ood
    value = f"{words.number(summary.point, 'auroc')} ({words.interval(summary)})"
    assert f"In cohorts that took no part in training, good has the highest mean AUROC over 2 tasks, {value}" in text
    assert "above poor" in text
    assert "ID, on the same patients, poor is" in text
    assert "poor − good" in text


def test_records_and_patients_are_not_named(evaluated: Evaluated) -> None:
    html = (evaluated.folder / "good" / "report.html").read_text()
    for store in (*evaluated.train, *evaluated.others):
        assert not any(name in html for name in [*store.records[:50], *store.patient_keys[:50]])


def test_names_are_escaped(tmp_path) -> None:
    hostile = '<script>alert("x")</script>&'
    store = make_store(tmp_path / "a", hostile, seed=0, patients=150)
    evaluate([store], [], tmp_path / "out", method="<img src=http://x>")
    page = Page((tmp_path / "out" / "report.html").read_text())
    assert hostile in page.words
    assert not [address for address in page.addresses if address.startswith("http")]


def test_names_with_dollars_are_no_formulas(evaluated: Evaluated, tmp_path) -> None:
    name = "cost$\\of$ x"
    evaluate(evaluated.train, evaluated.others, tmp_path, method=name)
    addresses = Page((tmp_path / "report.html").read_text()).addresses
    figures = [b64decode(address.partition(",")[2]).decode() for address in addresses if "svg" in address]
    assert any(name in figure for figure in figures)


def test_a_cohort_is_not_pooled_for_its_name(evaluated: Evaluated, tmp_path) -> None:
    other = make_store(tmp_path / "all-pooled", "all-pooled", seed=7, patients=60)
    evaluate(evaluated.train, [other], tmp_path / "out")
    assert '<span class="range">pooled</span>' not in (tmp_path / "out" / "report.html").read_text()
