"""Entity tags of what can be edited: they name the history too, so that a restored backup brings no edit of another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from liveserver.domain.ids import FORMER, EntityVersion
from liveserver.http.responses.entity_tags import parse_version_tag, version_tag
from liveserver.store.backup.dump import backup
from liveserver.store.backup.restore import restore
from tests.support.api.site import ENTRIES, LIVEBLOG, problem
from tests.support.images import quarters, saved

if TYPE_CHECKING:
    from pathlib import Path

    from liveserver.settings import Settings
    from tests.support.api.site import JSON, Site


@pytest.mark.parametrize(
    ("tag", "version"),
    [
        ('"k3f9x2ab-42"', EntityVersion(42, "k3f9x2ab")),
        ('"k3f9x2ab-42-0badcafe"', EntityVersion(42, "k3f9x2ab")),
        ('"22222222-3-12345678"', EntityVersion(3, "22222222")),
        ('W/"k3f9x2ab-42"', EntityVersion(42, "k3f9x2ab")),
        ('"42"', EntityVersion(42)),
        ('"42-0badcafe"', EntityVersion(42, FORMER)),
        ('"3-12345678"', EntityVersion(3, FORMER)),
        ('W/"3-12345678"', EntityVersion(3, FORMER)),
        ('"3-1"', None),
        ('"k3f9x2a-42"', None),
        ('W/"42"', EntityVersion(42)),
        ('"k3f9x2ab"', None),
        ('"k3f9x2ab-"', None),
        ('"K3F9X2AB-42"', None),
        ('"k3f9x2ab-42-0badcafe-1"', None),
        ("k3f9x2ab-42", None),
        (f'"{"9" * 5000}"', None),
        (f'"k3f9x2ab-{"9" * 5000}"', None),
        ('"k3f9x2ab-٣"', None),
    ],
)
def test_what_a_tag_names(tag: str, version: EntityVersion | None) -> None:
    assert parse_version_tag(tag) == version


def test_a_tag_names_what_it_was_made_of() -> None:
    version = EntityVersion(7, "k3f9x2ab")
    assert version_tag(version) == '"k3f9x2ab-7"'
    assert parse_version_tag(version_tag(version)) == parse_version_tag(version_tag(version, b"x")) == version
    assert version_tag(version, b"x") != version_tag(version, b"y")


async def _entry(site: Site) -> tuple[str, JSON, JSON]:
    entry = await site.publish()
    return f"{ENTRIES}/{entry['id']}", {"heading": "Un"}, {"heading": "Deux"}


async def _liveblog(site: Site) -> tuple[str, JSON, JSON]:
    return LIVEBLOG, {"title": "Un"}, {"title": "Deux"}


async def _picture(site: Site) -> tuple[str, JSON, JSON]:
    sending: dict[str, Any] = {"content": saved(quarters(), "JPEG"), "headers": {"Content-Type": "image/jpeg"}}
    answer = await site.editor.post("/api/v1/media?alt=x", **sending)
    return f"/api/v1/media/{answer.json()['id']}", {"alt": "Un"}, {"alt": "Deux"}


async def _partner(site: Site) -> tuple[str, JSON, JSON]:
    answer = await site.editor.post("/api/v1/partners", json={"name": "Le Phare"})
    return f"/api/v1/partners/{answer.json()['id']}", {"name": "Un"}, {"name": "Deux"}


@pytest.mark.parametrize("make", [_entry, _liveblog, _picture, _partner])
async def test_a_version_of_a_history_that_was_replaced(
    site: Site, settings: Settings, tmp_path: Path, make: Any
) -> None:
    """Version 2 that an editor read isn't the version 2 that somebody made of what the backup brought back."""
    url, one, two = await make(site)
    with (tmp_path / "backup.zip").open("wb") as file:
        await backup(settings.database_url, file)
    read = await site.editor.patch(url, json=one, headers={"If-Match": "*"})
    await restore(settings.database_url, tmp_path / "backup.zip", replace=True)
    made = await site.editor.patch(url, json=two, headers={"If-Match": "*"})
    assert read.json()["version"] == made.json()["version"] == 2
    stale = {"If-Match": read.headers["etag"]}
    refused = await site.editor.patch(url, json=one, headers=stale)
    assert "a backup was restored" in problem(refused, 412)["detail"]
    assert refused.json()["current"] == made.json()
    assert refused.headers["etag"] == made.headers["etag"]
    if url != LIVEBLOG:
        problem(await site.editor.delete(url, headers=stale), 412)
    # The version alone is of whichever history, as it always was.
    assert (await site.editor.patch(url, json=one, headers={"If-Match": '"2"'})).status_code == 200
    problem(await site.editor.patch(url, json=two, headers={"If-Match": made.headers["etag"]}), 412)


@pytest.mark.parametrize("looks", ["12345678", "0badcafe"])
async def test_a_tag_of_an_earlier_release(site: Site, looks: str) -> None:
    """It named the version and what that looked like, which may be digits alone: it holds no more, and that is said."""
    entry = await site.publish()
    url, former = f"{ENTRIES}/{entry['id']}", {"If-Match": f'"1-{looks}"'}
    refused = await site.editor.patch(url, json={"heading": "Un"}, headers=former)
    assert "read it again" in problem(refused, 412)["detail"]
    assert refused.json()["current"]["version"] == 1
    assert "read it again" in problem(await site.editor.delete(url, headers=former), 412)["detail"]
    again = {"If-Match": refused.headers["etag"]}
    assert (await site.editor.patch(url, json={"heading": "Un"}, headers=again)).status_code == 200


async def test_a_tag_made_of_what_lists_give(site: Site) -> None:
    """The `epoch` of a list, and the entry's `version`."""
    await site.publish()
    found = (await site.editor.get(ENTRIES)).json()
    [entry] = found["items"]
    url, tag = f"{ENTRIES}/{entry['id']}", f'"{found["epoch"]}-{entry["version"]}"'
    assert (await site.editor.patch(url, json={"heading": "Un"}, headers={"If-Match": tag})).status_code == 200
    problem(await site.editor.delete(url, headers={"If-Match": tag}), 412)


@pytest.mark.parametrize("tag", ["3", "k3f9x2ab-3"])
async def test_a_tag_without_its_quotation_marks(site: Site, tag: str) -> None:
    """Somebody has typed it, or a shell has taken the marks away: the answer shows both forms that are good."""
    refused = await site.editor.patch(LIVEBLOG, json={"title": "Un"}, headers={"If-Match": tag})
    [error] = problem(refused, 422)["errors"]
    assert error["pointer"] == "If-Match"
    assert '"3"' in error["detail"]
    assert '"k3f9x2ab-3"' in error["detail"]
