"""The text of share cards, and their addresses."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from liveserver.domain.entry import Verification
from liveserver.domain.liveblog import Liveblog, LiveblogStatus
from liveserver.rendering import share_card
from liveserver.rendering.entry_renderer import EntryRenderer
from liveserver.rendering.share_card import Card, ShareCards, writable
from liveserver.rendering.urls import Urls
from tests.support.documents import LIVEBLOG, NOON, PAGES, SITE, URLS, an_entry

NAMED = ShareCards(EntryRenderer(Urls(SITE), site_name="Le Courrier"))


def of_entry(liveblog: Liveblog = LIVEBLOG, **fields: Any) -> Card:
    return NAMED.entry(liveblog, an_entry(**fields))


def test_a_live_blogs_card() -> None:
    assert NAMED.liveblog(LIVEBLOG) == Card(
        site="Le Courrier",
        label="En direct",
        tone="accent",
        kicker="",
        title="Le match : France – Brésil",
        text="Suivez la finale <en direct>.",
        note="",
    )
    ended = NAMED.liveblog(replace(LIVEBLOG, status=LiveblogStatus.ENDED))
    assert (ended.label, ended.tone) == ("Direct terminé", "quiet")


def test_an_entrys_card() -> None:
    assert of_entry(heading="Un but", body="<p>De la <b>tête</b>.</p>") == Card(
        site="Le Courrier",
        label="",
        tone="accent",
        kicker="Le match : France – Brésil",
        title="Un but",
        text="De la tête.",
        note="22\u00a0nov. à 13\u00a0h\u00a007",
    )


def test_without_a_heading_the_text_is_the_title() -> None:
    card = of_entry(body=f"<p>{'mot ' * 99}</p>")
    assert card.title == ("mot " * 40).strip() + "…"
    assert card.text == ""


@pytest.mark.parametrize(
    ("fields", "label", "tone"),
    [
        ({"breaking": True}, "Urgent", "accent"),
        ({"verification": Verification.DENIED, "source": "Kiev", "breaking": True}, "Démenti\u00a0: Kiev", "accent"),
        ({"verification": Verification.UNVERIFIED}, "Non vérifié", "doubt"),
        ({"verification": Verification.CONFIRMED}, "Confirmé", "good"),
        ({"verification": Verification.CLAIMED, "source": "الجيش"}, "Affirmation non confirmée", "doubt"),
    ],
)
def test_labels(fields: dict[str, Any], label: str, tone: str) -> None:
    """The picture labels a claim as the page does: pictures travel alone."""
    card = of_entry(**fields)
    assert (card.label, card.tone) == (label, tone)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("« L’été\u202f» ; œuvre – 9\u00a0h\u00a040…", "« L’été\u202f» ; œuvre – 9\u00a0h\u00a040…"),
        ("Việt Nam, Łódź, Reykjavík, İstanbul", "Việt Nam, Łódź, Reykjavík, İstanbul"),
        ("Ελλάδα, Київ, Москва", "Ελλάδα, Київ, Москва"),
        ("e\u0301te\u0301", "été"),
        ("Les pompiers 👩🏽\u200d🚒 arrivent ⚽️ !", "Les pompiers arrivent !"),
        ("une\nligne\u2028et l’autre ", "une ligne et l’autre"),
        ("مباشر", ""),
        ("Tokyo 東京", ""),
        ("👍", ""),
        ("« … »", ""),
        ("", ""),
    ],
)
def test_what_can_be_written(text: str, written: str) -> None:
    """Emoji are left out; a text in another script is not written at all, rather than with boxes."""
    assert writable(text) == written


def test_another_script_leaves_a_plain_card() -> None:
    card = of_entry(replace(LIVEBLOG, language="ar", title="مباشر"), heading="خبر", body="<p>نص</p>")
    assert (card.kicker, card.title, card.text, card.site) == ("", "", "", "Le Courrier")


def test_the_address_changes_with_what_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """A site that keeps pictures by their address fetches a changed one; what isn't on it doesn't matter."""
    entry = an_entry(heading="Un but")
    url = NAMED.entry_url(LIVEBLOG, entry)
    assert re.fullmatch(re.escape(URLS.entry("match", entry.id)) + "/card-[0-9a-f]{16}\\.png", url)
    for changed in (
        {"heading": "Deux buts"},
        {"body": "<p>Autre</p>"},
        {"verification": Verification.DENIED},
        {"breaking": True},
        {"published_at": NOON + timedelta(minutes=1)},
    ):
        assert NAMED.entry_url(LIVEBLOG, replace(entry, **changed)) != url, changed
    assert NAMED.entry_url(replace(LIVEBLOG, title="Autre"), entry) != url
    assert NAMED.entry_url(replace(LIVEBLOG, seq=99), replace(entry, tags=("but",), version=9)) == url
    assert PAGES.cards.entry_url(LIVEBLOG, entry) != url
    of_liveblog = NAMED.liveblog_url(LIVEBLOG)
    assert re.fullmatch(re.escape(f"{SITE}/live/match/card-") + "[0-9a-f]{16}\\.png", of_liveblog)
    assert NAMED.liveblog_url(replace(LIVEBLOG, seq=99, updated_at=NOON)) == of_liveblog
    monkeypatch.setattr(share_card, "DESIGN", 2)
    assert NAMED.liveblog_url(LIVEBLOG) != of_liveblog


def test_a_long_text_is_not_read_to_its_end() -> None:
    """There is no room for it."""
    card = of_entry(heading="Un but", body=f"<p>{'mot ' * 9999}</p>")
    assert len(card.text) <= share_card.TEXT_LENGTH
