"""Uploads of pictures: which are taken, which are refused, and what is left of them."""

from __future__ import annotations

import asyncio
import encodings
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from liveserver.access.body_budget import UPLOADS_PER_SENDER
from liveserver.content.media.picture import Picture
from liveserver.domain.errors import Busy, MediaUnavailable, StoreUnavailable
from liveserver.domain.ids import now
from liveserver.http.api.uploads import IN_MEMORY
from liveserver.utils.limits.refusals import Reason, refusals
from tests.support.api.pictures import MEDIA, PICTURE, send, sent
from tests.support.api.site import BASE, bad_fields, problem, started
from tests.support.images import noise, png, quarters, saved
from tests.support.principals import NEWSROOM

if TYPE_CHECKING:
    import httpx2

    from liveserver.settings import Settings
    from tests.support.api.site import JSON, Site


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
    under_way = [
        asyncio.create_task(upload(client)) for client in (site.editor, other) for _ in range(UPLOADS_PER_SENDER)
    ]
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
        await site.parts.store.keys.revoke(shown.split("_")[1], now(), NEWSROOM)
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


async def test_an_upload_whose_answer_was_lost(site: Site, tmp_path: Path) -> None:
    """Repeated, it adds no second picture, and leaves no second files."""
    fields, file = {"alt": "La mer"}, {"file": ("photo.jpg", PICTURE, "image/jpeg")}
    key = {"Idempotency-Key": "photo-1"}

    async def post(**words: str) -> httpx2.Response:
        return await site.editor.post(MEDIA, files=file, data={**fields, **words}, headers=key)

    def files() -> list[str]:
        return sorted(path.name for path in (tmp_path / "media").rglob("*") if path.is_file())

    first = await post()
    before = files()
    second = await post()
    assert (first.status_code, second.status_code, second.json()) == (201, 201, first.json())
    assert files() == before
    assert len((await site.editor.get(MEDIA)).json()["items"]) == 1
    assert problem(await post(alt="Le port"), 422)["type"].endswith("idempotency-key-reused")
    other = saved(quarters(600, 300), "JPEG")
    answer = await site.editor.post(f"{MEDIA}?alt=x", content=other, headers={**key, "Content-Type": "image/jpeg"})
    problem(answer, 422)
    assert files() == before
    await site.editor.delete(f"{MEDIA}/{first.json()['id']}")
    problem(await post(), 410)
    assert files() == []
