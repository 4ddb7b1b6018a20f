"""Odd times, days and lengths, and what is said of each. Odd requests to every route: `tests/hostile/test_fuzz.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from liveserver.domain.inputs.models import EntryInput
from liveserver.domain.inputs.parsing import parse
from tests.hostile.oddities import TEXTS
from tests.support.api.site import ENTRIES, LIVEBLOG, SLUG, bad_fields
from tests.support.effort import examples

if TYPE_CHECKING:
    from tests.support.api.site import Site

FUZZING = settings(
    max_examples=examples(120),
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@FUZZING
@given(publish_at=st.one_of(TEXTS, st.datetimes(timezones=st.timezones()).map(lambda moment: moment.isoformat())))
async def test_times(site: Site, publish_at: str) -> None:
    """A time that is accepted can be stored, shown and sorted."""
    answer = await site.editor.post(ENTRIES, json={"body": "x", "publish_at": publish_at})
    assert answer.status_code in {201, 422}, answer.text
    if answer.status_code == 201:
        assert parse(EntryInput, {"body": "x", "publish_at": publish_at}).publish_at is not None
        assert (await site.reader.get(f"/live/{SLUG}")).status_code == 200


@pytest.mark.parametrize(
    "day", ["0", "1764000000", "2026-11-22T00:00:00", "2026-11-22Z", "2026-1-2", "٢٠٢٦-11-22", "-1"]
)
async def test_what_is_no_day(site: Site, day: str) -> None:
    """Least of all one in 1970."""
    for name in ("from", "to"):
        found = bad_fields(await site.editor.get(f"{LIVEBLOG}/reach", params={name: day}))
        assert found == {f"?{name}": "must be a day, for example 2026-11-22"}


@pytest.mark.parametrize("day", ["9999-12-31", "9999-01-01", "0001-01-01", "1969-12-31"])
async def test_days_at_the_ends_of_time(site: Site, day: str) -> None:
    for name in ("from", "to"):
        found = bad_fields(await site.editor.get(f"{LIVEBLOG}/reach", params={name: day}))
        assert found == {f"?{name}": "must lie between the years 1970 and 9998"}


@pytest.mark.parametrize("day", ["1970-01-01", "9998-12-31"])
async def test_the_first_and_the_last_day(site: Site, day: str) -> None:
    """In every time zone."""
    for number, zone in enumerate(("Pacific/Kiritimati", "Pacific/Pago_Pago")):
        await site.open_liveblog(f"zone-{number}", timezone=zone)
        answer = await site.editor.get(f"/api/v1/liveblogs/zone-{number}/reach", params={"from": day, "to": day})
        assert (answer.status_code, answer.json()["to"]) == (200, day)


async def test_a_partner_that_no_database_can_look_for(site: Site) -> None:
    """PostgreSQL takes no NUL."""
    answer = await site.editor.get(f"{LIVEBLOG}/reach?partner=%00")
    assert bad_fields(answer) == {"?partner": "has a control character (U+0000)"}


@pytest.mark.parametrize("length", [b"\xb2", b"9" * 5_000, b"-1", b"x", b"1e9"])
async def test_a_length_that_is_none(site: Site, length: bytes) -> None:
    """Servers before us refuse it; it breaks nothing here."""
    headers = httpx2.Headers([(b"Content-Length", length)])
    answer = await site.editor.post(ENTRIES, content=b'{"body": "x"}', headers=headers)
    assert answer.status_code == (413 if length.isdigit() else 201)
