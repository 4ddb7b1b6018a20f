"""Page, structured data, feeds, snapshot, API and stream tell the same entries, whatever was done to them."""

from __future__ import annotations

import asyncio
import json
import random
import re
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from websockets.asyncio.client import connect

from liveserver.content.plain_text import plain_text
from liveserver.rendering.urls import FEEDS
from tests.support.api.site import ENTRIES, LIVEBLOG, SLUG, TYPOGRAPHY
from tests.support.documents import Document
from tests.support.feed_rules import ITEMS, Item, moment, reader_items
from tests.support.viewers import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.support.api.site import JSON, LiveSite

PAGE = f"/live/{SLUG}"
BODIES = (
    "<p>La mer monte.</p>",
    f"<p>{TYPOGRAPHY}</p>",
    "<p>1 &lt; 2 &amp;amp; <b>3</b></p><ul><li>un</li><li>deux</li></ul>",
    "Un texte sans balise, plus long que ce qu’un titre peut porter : la mer a passé la première marche du quai.",
    '<p><a href="/plan?a=1&amp;b=2">Le plan</a>]]&gt;</p>',
)
HEADINGS = (None, None, "L’eau <monte> & « passe »\u202f!", 'Un "but"', "</script>]]>")


def some_fields(chance: random.Random) -> JSON:
    return {
        "body": chance.choice(BODIES),
        "heading": chance.choice(HEADINGS),
        "authors": chance.sample(["Ada", "La rédaction", "<Eve>"], chance.randrange(3)),
        "tags": chance.sample(["quai", "marée & côte"], chance.randrange(3)),
        "key_event": chance.random() < 0.3,
        "breaking": chance.random() < 0.2,
        "verification": chance.choice([None, None, "denied", "claimed"]),
        "source": chance.choice([None, "mairie"]),
    }


async def newsroom_day(site: LiveSite, seed: int) -> None:
    """Publish, backdate, draft, edit, correct, pin, unpin, delete, in any order; end with some of each left."""
    chance = random.Random(seed)
    entries: list[JSON] = []
    for step in range(40):
        action = chance.choice([*["publish"] * 3, "backdate", "draft", "edit", "correct", "pin", "delete"])
        if action in {"publish", "backdate"} or not entries:
            dated = {"publish_at": f"2026-01-0{1 + step % 9}T10:00:00+01:00"} if action == "backdate" else {}
            entries.append(await site.publish(**some_fields(chance), **dated))
        elif action == "draft":
            await site.publish(**some_fields(chance), status="draft")
        else:
            place = chance.randrange(len(entries))
            if action == "edit":
                entries[place] = await site.edit(entries[place], **some_fields(chance))
            elif action == "correct":
                entries[place] = await site.edit(entries[place], correction="8 et non <12> & pas 9.")
            elif action == "pin":
                pinned = sum(entry["pinned"] for entry in entries)
                entries[place] = await site.edit(entries[place], pinned=not entries[place]["pinned"] and pinned < 9)
            else:
                await site.delete(entries.pop(place))
    while len(entries) > 18:
        await site.delete(entries.pop(chance.randrange(len(entries))))


def title_of(entry: JSON) -> str:
    """As the entry's own HTML names it."""
    return str(Document(entry["html"]).one("article")["data-title"])


def of_api(entries: Iterable[JSON]) -> list[Item]:
    """Entries as the API, the snapshot and the stream show them."""
    return [
        Item(
            entry["id"],
            title_of(entry),
            moment(entry["published_at"]),
            moment(entry["updated_at"]),
            plain_text(entry["body"]),
        )
        for entry in entries
    ]


def of_page(html: str, list_name: str) -> list[Item]:
    """The articles of one list of a page."""
    articles = Document(html).all("article")
    # No body has a `div`: the sanitiser makes paragraphs of them.
    bodies = re.findall(r'<div class="entry-body">(.*?)</div>', html, re.DOTALL)
    return [
        Item(
            str(article["data-id"]),
            str(article["data-title"]),
            moment(str(article["data-published-at"])),
            moment(str(article["data-updated-at"])),
            plain_text(body),
        )
        for article, body in zip(articles, bodies, strict=True)
        if any(parent.attributes.get("data-list") == list_name for parent in article.parents)
    ]


def of_structured_data(html: str) -> list[Item]:
    """The updates of the LiveBlogPosting, without the labels that their texts begin with."""
    posting = json.loads(Document(html).one("script", type="application/ld+json").text)
    return [
        Item(
            update["url"].rpartition("/")[2],
            update["headline"],
            moment(update["datePublished"]),
            moment(update["dateModified"]),
            update["articleBody"].removeprefix(update["about"]["description"] + " – ")
            if "about" in update
            else update["articleBody"],
        )
        for update in posting["liveBlogUpdate"]
    ]


class Follower:
    """A viewer's state by the stream: insert or replace, take away."""

    def __init__(self) -> None:
        self.entries: dict[str, JSON] = {}
        self.seq = 0

    def apply(self, message: JSON) -> None:
        if message["type"] == "entry":
            self.entries[message["entry"]["id"]] = message["entry"]
        elif message["type"] == "delete":
            self.entries.pop(message["id"], None)
        if message["type"] in {"entry", "delete", "liveblog"}:
            assert message["seq"] == self.seq + 1
            self.seq = message["seq"]

    def newest_first(self) -> list[JSON]:
        return sorted(self.entries.values(), key=lambda e: (e["published_at"], e["id"]), reverse=True)


def folded(text: str) -> str:
    """White space aside, which HTML's readers fold each in their own way."""
    return re.sub(r"\s+", " ", text).strip()


def plainly(items: Iterable[Item]) -> list[Item]:
    return [item._replace(title=folded(item.title), text=folded(item.text)) for item in items]


@pytest.mark.parametrize("seed", range(4))
async def test_every_surface_tells_the_same(live_site: LiveSite, seed: int) -> None:
    """Ids, titles, times and texts, in the same order; only a pinned entry has another place on the page."""
    start = (await live_site.position()).partition("-")[0] + "-0"
    follower = Follower()
    async with connect(live_site.url(f"{LIVEBLOG}/ws?after={start}", "ws")) as stream:
        await newsroom_day(live_site, seed)
        last = int((await live_site.position()).rpartition("-")[2])
        async with asyncio.timeout(PATIENCE):
            while follower.seq < last:
                follower.apply(orjson.loads(await stream.recv()))

    listed = (await live_site.reader.get(f"{ENTRIES}?limit=100")).json()["items"]
    truth = plainly(of_api(listed))
    assert len(truth) == len({item.id for item in truth}) > 5
    assert plainly(of_api(follower.newest_first())) == truth

    snapshot = (await live_site.reader.get(f"{LIVEBLOG}/snapshot?limit=100")).json()
    assert plainly(of_api(snapshot["entries"])) == truth
    pinned = {entry["id"] for entry in listed if entry["pinned"]}
    assert plainly(of_api(snapshot["pinned"])) == [item for item in truth if item.id in pinned]

    html = (await live_site.reader.get(PAGE)).text
    assert plainly(of_page(html, "pinned")) == [item for item in truth if item.id in pinned]
    assert plainly(of_page(html, "entries")) == [item for item in truth if item.id not in pinned]
    assert plainly(of_structured_data(html)) == truth

    bare = {entry["id"] for entry in listed if not (entry["verification"] or entry["source"] or entry["corrections"])}
    for kind in FEEDS:
        body = (await live_site.reader.get(f"{PAGE}/feed.{kind}")).content
        items = plainly(ITEMS[kind](body))
        assert_the_same(items, truth, bare)
        if kind != "json":
            # The feed reader treats titles in its own way: it takes RSS's for HTML.
            told = [item._replace(title=own.title) for item, own in zip(reader_items(body), items, strict=True)]
            assert plainly(told) == items


def assert_the_same(items: list[Item], truth: list[Item], bare: set[str]) -> None:
    """The items of a feed, whose text has the entry's label, source and corrections around its own."""
    without_text: dict[str, Any] = {"text": ""}
    assert [item._replace(**without_text) for item in items] == [item._replace(**without_text) for item in truth]
    for item, true in zip(items, truth, strict=True):
        assert true.text in item.text
        assert (item.text == true.text) == (item.id in bare)
