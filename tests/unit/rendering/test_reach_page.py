"""The page of reach, whole, without a server."""

from __future__ import annotations

from datetime import UTC, date, datetime

from liveserver.domain.audience import ReachHour
from liveserver.domain.reach_report import PartnerReach, ReachDay, ReachReport
from liveserver.rendering import reach_page
from tests.support.documents import Document
from tests.support.store_samples import a_liveblog

HOURS = [ReachHour("", datetime(2026, 11, 22, hour, tzinfo=UTC), 1_000 * hour, 3_600 * hour, hour) for hour in (9, 10)]
DAYS = [ReachDay(date(2026, 11, 21), 1, 1_800, 2), ReachDay(date(2026, 11, 22), 19_000, 68_400, 10)]


def a_report(*partners: PartnerReach) -> ReachReport:
    liveblog = a_liveblog(title='Le "match" <b>')
    return ReachReport(liveblog, date(2026, 11, 21), date(2026, 11, 22), list(partners))


def test_figures_of_each_partner() -> None:
    document = Document(reach_page.page(a_report(PartnerReach("", 1_234, HOURS, DAYS), PartnerReach("p_1", 1, [], []))))
    assert document.all("title")[0].text == document.one("h1").text == 'Reach of Le "match" <b>'
    assert [section["aria-label"] for section in document.all("section")] == ["no partner", "p_1"]
    assert [figure.text for figure in document.all("dd")] == ["1,234", "10", "19,000", "19.0", "1", "0", "0", "0.0"]
    rows = [row for row in document.all("tr") if any(parent.tag == "tbody" for parent in row.parents)]
    assert [row.text for row in rows] == ["2026-11-221019,00019.0", "2026-11-21210.5"]
    assert len(document.all("svg")) == 2


def test_a_bar_for_each_hour_and_a_label_for_each_day() -> None:
    page = reach_page.page(a_report(PartnerReach("", 0, HOURS, DAYS)))
    for css in ("one", "two", "three"):
        assert page.count(f'class="fill-{css}"') == len(HOURS)
    assert ">21 Nov<" in page
    assert ">22 Nov<" in page


def test_names_are_escaped() -> None:
    """Also in the plot, which is put together by hand."""
    page = reach_page.page(a_report(PartnerReach("<script>", 0, HOURS, DAYS)))
    assert "<script" not in page
    assert "<b>" not in page


def test_nobody() -> None:
    document = Document(reach_page.page(a_report()))
    assert document.all("section") == []
    assert [paragraph.text for paragraph in document.all("p")][-1] == "Nobody has read it in this time."
    assert document.all("p")[0].text.startswith("2026-11-21 to 2026-11-22, Europe/Paris.")


def test_refusal() -> None:
    document = Document(reach_page.refusal("it's <over>"))
    assert document.one("h1").text == "This link isn’t good (any more)"
    assert document.one("p").text == "it's <over>."
