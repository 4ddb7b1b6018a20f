"""Pictures over HTTP: listed, edited, put into entries, and taken away."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from liveserver.domain.errors import MediaUnavailable
from tests.support.api.pictures import MEDIA, PICTURE, send, sent
from tests.support.api.site import BASE, ENTRIES, bad_fields, database_away, problem, started
from tests.support.images import opened

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from liveserver.settings import Settings
    from tests.support.api.site import Site
    from tests.support.s3 import Service


async def test_it_needs_a_key_that_may_publish(site: Site) -> None:
    """Before anything of the file is read. Also reading the list: what isn't published is nobody's business."""
    manager = await site.client(await site.key("Chef", ["manage"]))
    picture = await sent(site)
    one = f"{MEDIA}/{picture['id']}"
    for client, status in ((site.reader, 401), (manager, 403)):
        problem(await client.post(MEDIA, files={"file": ("a.jpg", PICTURE)}, data={"alt": "a"}), status)
        problem(await client.get(MEDIA), status)
        problem(await client.get(one), status)
        problem(await client.patch(one, json={"alt": "b"}, headers={"If-Match": "*"}), status)
        problem(await client.delete(one), status)


async def test_the_list(site: Site) -> None:
    """Newest first, for the desk's picker."""
    ids = [(await sent(site, alt=f"{number}"))["id"] for number in range(3)]
    page = await site.editor.get(MEDIA, params={"limit": 2})
    assert [item["id"] for item in page.json()["items"]] == [ids[2], ids[1]]
    assert 'rel="next"' in page.headers["link"]
    rest = await site.editor.get(MEDIA, params={"limit": 2, "cursor": page.json()["next_cursor"]})
    assert [item["id"] for item in rest.json()["items"]] == [ids[0]]
    assert rest.json()["next_cursor"] is None
    assert set(bad_fields(await site.editor.get(MEDIA, params={"limit": 0, "cursor": "x"}))) == {"?limit", "?cursor"}
    assert set(bad_fields(await site.editor.get(MEDIA, params={"cursor": "x"}))) == {"?cursor"}


async def test_words_are_edited(site: Site) -> None:
    """With the version that was read, as everywhere."""
    picture = await sent(site, credit="© A")
    one = f"{MEDIA}/{picture['id']}"
    problem(await site.editor.patch(one, json={"alt": "b"}), 428)
    response = await site.editor.patch(one, json={"alt": "Le port", "credit": None}, headers={"If-Match": '"1"'})
    edited = response.json()
    assert (edited["alt"], edited["credit"], edited["version"], edited["url"]) == ("Le port", None, 2, picture["url"])
    assert "Le port" in edited["html"]
    assert re.fullmatch(r'"[0-9a-f]{11}-2"', response.headers["etag"])
    late = problem(await site.editor.patch(one, json={"alt": "c"}, headers={"If-Match": '"1"'}), 412)
    assert late["current"] == edited
    problem(await site.editor.delete(one, headers={"If-Match": '"1"'}), 412)
    assert bad_fields(await site.editor.patch(one, json={"alt": "", "url": "x"}, headers={"If-Match": "*"})).keys() == {
        "/alt",
        "/url",
    }
    assert (await site.editor.get(one)).json() == edited
    unchanged = await site.editor.patch(one, json={"alt": "Le port"}, headers={"If-Match": "*"})
    assert unchanged.json() == edited


async def test_a_deleted_picture_is_gone(site: Site, tmp_path: Path) -> None:
    """From the API, from the disk, and for readers, also those who had it a moment ago."""
    picture = await sent(site)
    one = f"{MEDIA}/{picture['id']}"
    assert (await site.reader.get(picture["url"])).status_code == 200
    assert len(list((tmp_path / "media").iterdir())) == 3
    assert (await site.editor.delete(one, headers={"If-Match": '"1"'})).status_code == 204
    assert list((tmp_path / "media").iterdir()) == []
    for rendition in picture["srcset"]:
        problem(await site.reader.get(rendition["url"]), 410)
    problem(await site.editor.get(one), 410)
    problem(await site.editor.delete(one), 410)
    problem(await site.editor.patch(one, json={"alt": "b"}, headers={"If-Match": "*"}), 410)
    assert (await site.editor.get(MEDIA)).json()["items"] == []


async def test_unknown_pictures(site: Site) -> None:
    for media_id in ("x", "01930000-0000-7000-8000-000000000000"):
        problem(await site.editor.get(f"{MEDIA}/{media_id}"), 404)
        problem(await site.editor.delete(f"{MEDIA}/{media_id}"), 404)
    for name in ("x.jpg", f"{'a' * 32}-1x1.jpg", f"..%2F{'a' * 32}-1x1.jpg", "..%2Flive.db", "%00"):
        response = problem(await site.reader.get(f"/media/{name}"), 404)
        assert response["status"] == 404


async def test_a_picture_in_an_entry(site: Site) -> None:
    """The snippet goes in as it is; the body keeps the name, readers get all there is to it."""
    picture = await sent(site, credit="© A & B", alt='« La mer » "haute"')
    entry = await site.publish(f"<p>Avant</p>{picture['html']}")
    name = picture["url"].rpartition("/")[2]
    assert entry["body"] == (
        f'<p>Avant</p><figure><img src="/media/{name}" alt="« La mer » &quot;haute&quot;">'
        "<figcaption><small>© A &amp; B</small></figcaption></figure>"
    )
    assert f"<p>Avant</p>{picture['html']}" in entry["html"]
    assert (await site.edit(entry, body=entry["body"]))["version"] == 1
    page = await site.reader.get("/live/marees")
    assert picture["html"] in page.text


async def test_an_entry_may_be_a_picture_alone(site: Site) -> None:
    """Its title is what the picture shows."""
    picture = await sent(site)
    entry = await site.publish(picture["html"])
    assert 'data-title="La mer"' in entry["html"]
    markdown = await site.publish(f"![Le port]({picture['url']})", format="markdown")
    assert 'alt="Le port"' in markdown["html"]
    response = await site.editor.post(
        "/api/v1/liveblogs/marees/entries", json={"body": '<img src="https://evil.example/a.jpg">'}
    )
    assert bad_fields(response) == {"/body": "has neither text nor picture left after sanitising"}


async def test_an_embed_in_an_entry(site: Site) -> None:
    """An address alone is a card in the live blog's language, and stays an address in the body."""
    entry = await site.publish("Voici :\n\nhttps://youtu.be/dQw4w9WgXcQ", format="markdown")
    assert "<p>https://youtu.be/dQw4w9WgXcQ</p>" in entry["body"]
    assert 'data-embed="youtube"' in entry["html"]
    assert "Vidéo sur YouTube" in entry["html"]
    assert "<iframe" not in entry["html"]
    assert (await site.edit(entry, body=entry["body"]))["version"] == 1


async def test_the_servers_name_may_change(site: Site) -> None:
    """A body that was written under an old one shows its pictures under the new one."""
    picture = await sent(site)
    name = picture["url"].rpartition("/")[2]
    entry = await site.publish(picture["html"].replace(BASE, "https://old.example/live"))
    assert f'src="{BASE}/media/{name}"' in entry["html"]
    assert "old.example" not in entry["body"] + entry["html"]


async def test_pictures_may_come_from_a_cdn(settings: Settings) -> None:
    """The address is the operator's to change, also for entries that are published already."""
    async with started(settings) as site:
        picture = await sent(site)
        entry = await site.publish(picture["html"])
    cdn = settings.model_copy(update={"media_public_url": "https://cdn.example/p"})
    async with started(cdn, again=True) as site:
        again = (await site.reader.get(f"{ENTRIES}/{entry['id']}")).json()
        assert again["body"] == entry["body"]
        assert again["html"] == entry["html"].replace(f"{BASE}/media/", "https://cdn.example/p/")
        shown = (await site.editor.get(f"{MEDIA}/{picture['id']}")).json()
        assert shown["url"] == picture["url"].replace(f"{BASE}/media/", "https://cdn.example/p/")
        assert (await site.reader.get(picture["url"])).status_code == 200, "the CDN has to get it from somewhere"


async def test_pictures_in_a_bucket(settings: Settings, s3: Service) -> None:
    """Readers see no difference."""
    given = {
        "media_url": f"s3://{s3.bucket}/live",
        "media_endpoint": s3.access.endpoint,
        "media_region": s3.access.region,
        "media_access_key": s3.access.access_key,
        "media_secret_key": s3.access.secret_key,
    }
    async with started(settings.model_copy(update=given)) as site:
        picture = await sent(site)
        for rendition in picture["srcset"]:
            response = await site.reader.get(rendition["url"])
            assert response.headers["content-type"] == "image/jpeg"
            assert opened(response.content).size == (rendition["width"], rendition["height"])
        assert not settings.media_directory.exists()
        assert (await site.editor.delete(f"{MEDIA}/{picture['id']}")).status_code == 204
        problem(await site.reader.get(picture["url"]), 410)


async def test_when_the_database_is_away(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Readers have their pictures; nothing is taken in or away."""
    picture = await sent(site)
    one = f"{MEDIA}/{picture['id']}"
    with database_away(monkeypatch):
        assert (await site.reader.get(picture["url"])).status_code == 200
        problem(await site.editor.delete(one), 503)
        problem(await send(site), 503)
    assert (await site.editor.delete(one)).status_code == 204


async def test_when_the_files_are_away(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is said to be kept, or gone, that isn't; and the same request works later."""
    picture = await sent(site)
    one = f"{MEDIA}/{picture['id']}"
    files = site.parts.library._files

    async def refuse(*_: object) -> None:
        raise MediaUnavailable("the directory of pictures can't be used: No space left on device")

    with monkeypatch.context() as patch:
        for name in ("write", "remove"):
            patch.setattr(files, name, refuse)
        patch.setattr(site.parts.library._file_cache, "_read", refuse)
        for response in (
            await send(site),
            await site.editor.delete(one),
            await site.reader.get(picture["url"]),
        ):
            assert problem(response, 503)["detail"].endswith("No space left on device")
            assert response.headers["retry-after"] == "2"
    assert (await site.editor.get(MEDIA)).json()["items"] == [picture]
    assert (await site.reader.get(picture["url"])).status_code == 200
    assert (await site.editor.delete(one)).status_code == 204


async def test_half_a_deletion_can_be_finished(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some files are gone, and the rest isn't: until it is, nobody is told that it is done."""
    picture = await sent(site)
    one = f"{MEDIA}/{picture['id']}"
    files = site.parts.library._files
    remove = files.remove
    removed: list[str] = []

    async def once(name: str) -> None:
        if removed:
            raise MediaUnavailable("the bucket doesn't answer")
        removed.append(name)
        await remove(name)

    with monkeypatch.context() as patch:
        patch.setattr(files, "remove", once)
        problem(await site.editor.delete(one), 503)
    assert (await site.editor.get(one)).status_code == 200
    assert (await site.editor.delete(one)).status_code == 204
    for rendition in picture["srcset"]:
        problem(await site.reader.get(rendition["url"]), 410)
