"""Pictures: sent, put into entries, served, and taken away."""

from __future__ import annotations

import asyncio
import encodings
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from liveserver.access.body_budget import UPLOADS_PER_KEY
from liveserver.content.media.picture import Picture
from liveserver.domain.errors import Busy, MediaUnavailable, StoreUnavailable
from liveserver.domain.ids import now
from liveserver.http.api.uploads import IN_MEMORY
from liveserver.utils.limits.refusals import Reason, refusals
from tests.support.api.site import BASE, ENTRIES, bad_fields, database_away, problem, started
from tests.support.images import SECRET, located, noise, opened, png, quarters, saved

if TYPE_CHECKING:
    import httpx2

    from liveserver.settings import Settings
    from tests.support.api.site import JSON, Site
    from tests.support.s3 import Service

MEDIA = "/api/v1/media"
PICTURE = saved(quarters(1000, 500), "JPEG", exif=located(), quality=95)


async def send(site: Site, data: bytes = PICTURE, **fields: Any) -> httpx2.Response:
    """A picture in a form."""
    fields = {"alt": "La mer", **fields}
    return await site.editor.post(MEDIA, files={"file": ("photo.jpg", data, "image/jpeg")}, data=fields)


async def sent(site: Site, data: bytes = PICTURE, **fields: Any) -> JSON:
    """The picture that was made of it."""
    response = await send(site, data, **fields)
    assert response.status_code == 201, response.text
    picture: JSON = response.json()
    return picture


async def test_a_picture_is_sent(site: Site) -> None:
    response = await send(site, credit="© A. Martin")
    picture = response.json()
    assert response.status_code == 201
    assert response.headers["location"] == f"{BASE}{MEDIA}/{picture['id']}"
    assert re.fullmatch(r'"[0-9a-f]{11}-1"', response.headers["etag"])
    assert response.headers["cache-control"] == "private, no-store"
    assert (picture["alt"], picture["credit"], picture["actor"]) == ("La mer", "© A. Martin", "Rédaction")
    assert (picture["width"], picture["height"], picture["type"]) == (1000, 500, "image/jpeg")
    assert [(r["width"], r["height"]) for r in picture["srcset"]] == [(480, 240), (960, 480), (1000, 500)]
    assert picture["srcset"][-1]["url"] == picture["url"]
    assert re.fullmatch(rf"{BASE}/media/[0-9a-f]{{32}}-1000x500\.jpg", picture["url"])
    assert (await site.editor.get(f"{MEDIA}/{picture['id']}")).json() == picture


async def test_its_files_are_served(site: Site) -> None:
    """Each in its width, to anybody, for ever; without what its metadata told."""
    picture = await sent(site)
    for rendition in picture["srcset"]:
        response = await site.reader.get(rendition["url"])
        assert response.status_code == 200
        assert response.headers["content-type"] == "image/jpeg"
        assert response.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["access-control-allow-origin"] == "*"
        assert response.headers["cross-origin-resource-policy"] == "cross-origin"
        assert "sandbox" in response.headers["content-security-policy"]
        assert opened(response.content).size == (rendition["width"], rendition["height"])
        assert SECRET not in response.content
    assert len(response.content) == picture["size"]


async def test_a_picture_may_be_the_body(site: Site) -> None:
    """Which is all that a shell script needs."""
    for media_type in ("image/png", "application/octet-stream", "image/jpeg; charset=x"):
        response = await site.editor.post(
            MEDIA, params={"alt": "L’été & la mer", "_": "x"}, content=PICTURE, headers={"Content-Type": media_type}
        )
        assert response.status_code == 201, response.text
        assert response.json()["alt"] == "L’été & la mer"
        assert response.json()["type"] == "image/jpeg", "what it is, not what it is called"


async def test_a_picture_that_comes_in_pieces_has_its_end(site: Site) -> None:
    """Also where the last piece is so small that it waits in a buffer before it is written to the disk."""
    picture = saved(noise(400, 300), "PNG")

    async def pieces() -> Any:
        yield picture[:-100]
        yield picture[-100:]

    assert len(picture) > IN_MEMORY
    headers = {"Content-Type": "image/png"}
    response = await site.editor.post(MEDIA, params={"alt": "a"}, content=pieces(), headers=headers)
    assert response.status_code == 201, response.text


@pytest.mark.parametrize("size", [1_000, 2 * IN_MEMORY], ids=["in memory", "on the disk"])
async def test_a_full_disk_is_told_of(site: Site, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one for temporary files, where a picture waits for its decoder. Once there is room, pictures are taken in."""
    data = PICTURE.ljust(size, b"\0")[:size]
    headers = {"Content-Type": "image/jpeg"}
    with monkeypatch.context() as patch:
        patch.setattr(tempfile, "TemporaryFile", lambda **_: Path("/dev/full").open("r+b"))  # noqa: SIM115
        for _ in range(3):
            for response in (
                await send(site, data),
                await site.editor.post(MEDIA, params={"alt": "a"}, content=data, headers=headers),
            ):
                assert problem(response, 503)["detail"].endswith(": No space left on device")
                assert response.headers["retry-after"] == "2"
    assert site.parts.uploads.held == 0
    assert (await send(site)).status_code == 201


async def test_the_same_file_twice_is_two_pictures(site: Site) -> None:
    """Each with files of its own, that go when it goes."""
    one, other = await sent(site), await sent(site)
    assert one["url"] != other["url"]
    assert (await site.editor.delete(f"{MEDIA}/{one['id']}")).status_code == 204
    assert (await site.reader.get(other["url"])).status_code == 200


async def test_what_is_missing_is_named(site: Site) -> None:
    async def form(files: Any = None, **fields: str) -> dict[str, str]:
        # A form with nothing in it isn't sent as one.
        return bad_fields(await site.editor.post(MEDIA, files=files or {"x": (None, "y")}, data=fields))

    a_file = {"file": ("a.jpg", PICTURE)}
    assert await form(alt="a") == {
        "/file": "field required",
        "/x": "is not a field here; there are file, alt, credit",
    }
    assert set(await form()) == {"/alt", "/file", "/x"}
    assert set(await form(a_file)) == {"/alt"}
    assert set(await form(a_file, alt=" ")) == {"/alt"}
    assert set(await form(a_file, alt="a\nb", credit="\x07", colour="red")) == {"/alt", "/credit", "/colour"}
    assert set(await form(a_file, alt="a" * 1001)) == {"/alt"}
    assert await form({"file": (None, "text")}, alt="a") == {
        "/file": "must be a file: its part of the form needs a filename"
    }
    response = await site.editor.post(MEDIA, content=PICTURE, headers={"Content-Type": "image/jpeg"})
    assert set(bad_fields(response)) == {"?alt"}
    response = await site.editor.post(f"{MEDIA}?alt=a&file=b", content=PICTURE, headers={"Content-Type": "image/jpeg"})
    assert "file, alt" not in response.text


async def test_an_empty_credit_of_a_form_is_none(site: Site) -> None:
    assert (await sent(site, credit=""))["credit"] is None


async def test_what_is_no_picture_is_refused_with_the_reason(site: Site) -> None:
    svg = b'<svg xmlns="http://www.w3.org/2000/svg"/>'
    for data, why in (
        (svg, "is an SVG image, which can carry scripts and load from elsewhere: export it as PNG"),
        (b"", "is empty"),
        (png(50_000, 50_000), "has 50000 × 50000 pixels, 2500 million in all: at most 64 million are decoded"),
        (PICTURE[:2000], "is damaged: it can't be decoded"),
    ):
        assert bad_fields(await send(site, data)) == {"/file": why}
    response = await site.editor.post(MEDIA, params={"alt": "a"}, content=svg, headers={"Content-Type": "image/png"})
    assert set(bad_fields(response)) == {"/file"}


async def test_what_is_too_large_is_refused(site: Site) -> None:
    """By what it says of its size, or once it is."""
    limit = site.parts.settings.media_max_size
    large = b"\xff\xd8\xff" + b"x" * limit

    taken = 0

    async def in_pieces() -> Any:
        nonlocal taken
        for _ in range(100):
            taken += 1
            yield b"x" * 1_000_000

    said = "a picture has at most 20971520 bytes (LIVESERVER_MEDIA_MAX_SIZE)"
    assert problem(await send(site, large), 413)["detail"] == said
    headers = {"Content-Type": "image/jpeg"}
    for content in (large, in_pieces()):
        response = await site.editor.post(MEDIA, params={"alt": "a"}, content=content, headers=headers)
        assert problem(response, 413)["detail"] == said
    assert taken <= limit // 1_000_000 + 2, "what comes after the limit isn't read"
    # A form has room for its fields beside the file, and no more.
    assert bad_fields(await send(site, PICTURE, alt="a" * 20_000)) == {
        "": "the form can't be read: Part exceeded maximum size of 16KB."
    }


@pytest.mark.parametrize("media_type", ["application/json", "text/plain", "", "multipart/mixed; boundary=x"])
async def test_what_it_takes(site: Site, media_type: str) -> None:
    response = await site.editor.post(MEDIA, content=b"{}", headers={"Content-Type": media_type})
    assert "multipart/form-data" in problem(response, 415)["detail"]


@pytest.mark.parametrize("form", ["multipart/form-data", "multipart/form-data; boundary=x"])
async def test_a_broken_form(site: Site, form: str) -> None:
    response = await site.editor.post(MEDIA, content=b"--y\r\nfoo", headers={"Content-Type": form})
    assert set(bad_fields(response)) <= {"", "/file", "/alt"}


@pytest.mark.parametrize(
    "charset", ["punycode", "undefined", "idna", "utf-16", "latin-1", "x-no-such-codec", "x" * 9_000]
)
async def test_a_form_is_utf_8_whatever_it_says(site: Site, charset: str) -> None:
    """No codec is looked for: Python keeps every name that it was asked for, also of those that there aren't."""
    parts = (b'name="alt"\r\n\r\nL\xe2\x80\x99\xc3\xa9t\xc3\xa9', b'name="file"; filename="\xff.jpg"\r\n\r\n' + PICTURE)
    body = b"".join(b"--x\r\nContent-Disposition: form-data; %b\r\n" % part for part in parts) + b"--x--\r\n"
    known = set(vars(encodings)["_cache"])
    response = await site.editor.post(
        MEDIA, content=body, headers={"Content-Type": f"multipart/form-data; charset={charset}; boundary=x"}
    )
    assert response.status_code == 201, response.text
    assert response.json()["alt"] == "L’été"
    assert set(vars(encodings)["_cache"]) <= known | {"utf_8", "ascii", "latin_1"}


@pytest.mark.parametrize("boundary", ['""', "x" * 71, '"a\\"b"', "\xe9"])
async def test_a_boundary_that_is_none(site: Site, boundary: str) -> None:
    headers = {b"Content-Type": f"multipart/form-data; boundary={boundary}".encode("latin-1")}
    response = await site.editor.post(MEDIA, content=b"--x--\r\n", headers=headers)
    assert set(bad_fields(response)) == {""}


async def test_a_boundary_with_all_that_it_may_have(site: Site) -> None:
    boundary = "A z09'()+_,-./:=?;"
    body = f'--{boundary}\r\nContent-Disposition: form-data; name="alt"\r\n\r\na\r\n--{boundary}--\r\n'.encode()
    headers = {"Content-Type": f'multipart/form-data; boundary="{boundary}"'}
    assert set(bad_fields(await site.editor.post(MEDIA, content=body, headers=headers))) == {"/file"}


@pytest.mark.slow
@pytest.mark.parametrize("form", [True, False])
async def test_uploads_on_their_way_are_bounded(site: Site, form: bool) -> None:
    """Of one key, before anything of one more is read. A client that waits for the others has their place."""
    begun, go_on, asked = asyncio.Semaphore(0), asyncio.Event(), 0
    head, tail = b"", b""
    if form:
        head = b'--x\r\nContent-Disposition: form-data; name="alt"\r\n\r\na\r\n'
        head += b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        tail = b"\r\n--x--\r\n"

    async def slowly() -> Any:
        nonlocal asked
        asked += 1
        yield head + PICTURE[:100]
        begun.release()
        await go_on.wait()
        yield PICTURE[100:] + tail

    async def upload(client: httpx2.AsyncClient) -> httpx2.Response:
        headers = {"Content-Type": "multipart/form-data; boundary=x" if form else "image/jpeg"}
        return await client.post(MEDIA, params={} if form else {"alt": "a"}, content=slowly(), headers=headers)

    other = await site.client(await site.key("Sport", ["publish"]))
    under_way = [asyncio.create_task(upload(client)) for client in (site.editor, other) for _ in range(UPLOADS_PER_KEY)]
    for _ in under_way:
        await begun.acquire()
    before = refusals.counts[Reason.BODIES]
    response = await upload(site.editor)
    assert "as much at once as it may" in problem(response, 429)["detail"]
    assert response.headers["retry-after"] == "5"
    assert response.headers["ratelimit-policy"] == f'"uploads-held";q={8 * 20 * 1024 * 1024};qu="content-bytes"'
    assert asked == len(under_way)
    assert refusals.counts[Reason.BODIES] == before + 1
    go_on.set()
    assert {response.status_code for response in await asyncio.gather(*under_way)} == {201}
    assert site.parts.uploads.held == len(site.parts.uploads) == 0
    assert (await upload(site.editor)).status_code == 201


async def test_small_pictures_count_half(site: Site) -> None:
    """By what is said of their size; the largest is the most that one can be."""
    largest = site.parts.settings.media_max_size
    for headers, counts in (
        ({b"Content-Length": b"10"}, largest // 2),
        ({b"Content-Length": b"%d" % largest}, largest),
        ({b"Content-Length": b"\xb2"}, largest),
        ({}, largest),
    ):
        seen = 0

        async def body() -> Any:
            nonlocal seen
            seen = site.parts.uploads.held
            yield b"x" * 10

        content = body()
        response = await site.editor.post(
            MEDIA, params={"alt": "a"}, content=content, headers={b"Content-Type": b"image/png", **headers}
        )
        assert (response.status_code, seen) == (422, counts)


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


async def test_parts_of_a_file(site: Site) -> None:
    """RFC 9110, 14."""
    url = (await sent(site))["url"]
    whole = (await site.reader.get(url)).content
    size = len(whole)

    async def part(wanted: str, **headers: str) -> httpx2.Response:
        return await site.reader.get(url, headers={"Range": wanted, **headers})

    for wanted, start, end in (
        ("bytes=0-9", 0, 10),
        ("bytes=10-", 10, size),
        ("bytes=-7", size - 7, size),
        (f"bytes={size - 1}-{size * 2}", size - 1, size),
        (f"bytes=-{size * 2}", 0, size),
        ("Bytes = 0-0", 0, 1),
    ):
        response = await part(wanted)
        assert response.status_code == 206, wanted
        assert response.headers["content-range"] == f"bytes {start}-{end - 1}/{size}"
        assert response.headers["content-length"] == str(end - start)
        assert response.content == whole[start:end]
    for wanted in (f"bytes={size}-", f"bytes={size}-{size + 1}", "bytes=-0"):
        response = await part(wanted)
        assert response.status_code == 416
        assert response.headers["content-range"] == f"bytes */{size}"
    for wanted in ("bytes=9-0", "bytes=-", "bytes=0-1,3-4", "lines=1-2", "x"):
        response = await part(wanted)
        assert (response.status_code, response.content) == (200, whole), wanted
    tag = (await site.reader.get(url)).headers["etag"]
    assert (await part("bytes=0-9", **{"If-Range": tag})).status_code == 206
    assert (await part("bytes=0-9", **{"If-Range": '"other"'})).status_code == 200
    head = await site.reader.head(url, headers={"Range": "bytes=0-9"})
    assert (head.status_code, head.headers["content-length"]) == (200, str(size))


async def test_what_a_reader_has_is_not_sent_again(site: Site) -> None:
    url = (await sent(site))["url"]
    tag = (await site.reader.get(url)).headers["etag"]
    response = await site.reader.get(url, headers={"If-None-Match": tag})
    assert (response.status_code, response.content) == (304, b"")
    assert response.headers["cache-control"] == "public, max-age=31536000, immutable"


async def test_many_readers_are_one_read(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """When a picture is published, all have it at once."""
    url = (await sent(site))["url"]
    files = site.parts.library._files
    reads: list[str] = []
    read = files.read

    async def counted(name: str) -> bytes | None:
        reads.append(name)
        return await read(name)

    monkeypatch.setattr(site.parts.library._file_cache, "_read", counted)
    responses = await asyncio.gather(*(site.reader.get(url) for _ in range(50)))
    assert {response.status_code for response in responses} == {200}
    assert reads == [url.rpartition("/")[2]]


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


def files_of(site: Site) -> list[str]:
    """The names of all files that are kept."""
    directory = site.parts.settings.media_directory
    return sorted(file.name for file in directory.iterdir()) if directory.exists() else []


async def test_an_upload_that_fails_leaves_no_files(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither where one of several can't be written, nor where the key was revoked meanwhile."""
    files = site.parts.library._files
    write = files.write
    written: list[str] = []

    async def twice(name: str, content: bytes) -> None:
        if len(written) == 2:
            raise MediaUnavailable("the directory of pictures can't be used: No space left on device")
        written.append(name)
        await write(name, content)

    with monkeypatch.context() as patch:
        patch.setattr(files, "write", twice)
        problem(await send(site), 503)
    assert len(written) == 2
    assert files_of(site) == []
    assert (await site.editor.get(MEDIA)).json()["items"] == []


async def test_a_key_that_is_revoked_meanwhile_sends_nothing(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """While its picture was developed, which takes as long as others' do."""
    shown = await site.key("Agence", ["publish"])
    pool = site.parts.library._transcoder_pool
    develop = pool.develop

    async def slowly(file: Any, *, owner: str) -> Any:
        developed = await develop(file, owner=owner)
        await site.parts.store.keys.revoke(shown.split("_")[1], now())
        return developed

    monkeypatch.setattr(pool, "develop", slowly)
    client = await site.client(shown)
    response = await client.post(MEDIA, params={"alt": "a"}, content=PICTURE, headers={"Content-Type": "image/jpeg"})
    assert "was revoked" in problem(response, 401)["detail"]
    assert files_of(site) == []
    assert (await site.editor.get(MEDIA)).json()["items"] == []


async def test_files_stay_where_nobody_knows_whether_the_picture_is_there(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer of the database may have been lost alone."""
    add = site.parts.store.media.add

    async def lost(*args: Any, **kwargs: Any) -> None:
        await add(*args, **kwargs)
        raise StoreUnavailable("the connection was lost")

    with monkeypatch.context() as patch:
        patch.setattr(site.parts.store.media, "add", lost)
        problem(await send(site), 503)
    (picture,) = (await site.editor.get(MEDIA)).json()["items"]
    for rendition in picture["srcset"]:
        assert (await site.reader.get(rendition["url"])).status_code == 200


@pytest.mark.parametrize(
    ("bound", "status", "said"),
    [
        ({"media_free": 2**62}, 503, "the disk is so full"),
        ({"media_total": 1}, 503, "LIVESERVER_MEDIA_TOTAL"),
        ({"media_daily": 1}, 429, "as many pictures today as it may"),
    ],
)
async def test_where_there_is_no_room(settings: Settings, bound: JSON, status: int, said: str) -> None:
    """Nothing of a picture is read; entries are published all the same."""
    async with started(settings.model_copy(update=bound)) as site:
        if "media_free" not in bound:
            assert (await send(site)).status_code == 201
            # As if a minute had gone by.
            site.parts.library._quota._counted_until = 0.0
        read = 0

        async def body() -> Any:
            nonlocal read
            read += 1
            yield PICTURE

        async def upload(client: httpx2.AsyncClient) -> httpx2.Response:
            headers = {"Content-Type": "image/jpeg"}
            return await client.post(MEDIA, params={"alt": "a"}, content=body(), headers=headers)

        response = await upload(site.editor)
        assert said in problem(response, status)["detail"]
        assert int(response.headers["retry-after"]) >= 1
        assert read == 0
        await site.publish()
        other = await upload(await site.client(await site.key("Sport", ["publish"])))
        assert other.status_code == (201 if status == 429 else 503)


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


async def test_too_many_at_a_time(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(*_: object, owner: str) -> None:
        raise Busy("too many pictures are being developed already")

    monkeypatch.setattr(site.parts.library._transcoder_pool, "develop", refuse)
    response = await send(site)
    assert problem(response, 503)["detail"] == "too many pictures are being developed already"
    assert response.headers["retry-after"] == "2"


@pytest.mark.slow
async def test_a_large_photograph(site: Site) -> None:
    """Of more than ten megabytes, and sent as browsers send it."""
    data = saved(noise(4000, 3000), "JPEG", quality=95)
    assert 10_000_000 < len(data) < 20_000_000
    picture = await sent(site, data)
    assert [r["width"] for r in picture["srcset"]] == [480, 960, 1600]
    assert Picture.parse(picture["url"].rpartition("/")[2])
