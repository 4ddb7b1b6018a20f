"""What follows a write at the desk is done also if the client leaves while it is written."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from liveserver.domain.people.rights import Role
from tests.support.api.desk import DESK, seat
from tests.support.api.site import ENTRIES, settled
from tests.support.transaction_pause import Pause

if TYPE_CHECKING:
    from collections.abc import Coroutine

    import httpx2

    from tests.support.api.site import Site


async def leaves(site: Site, request: Coroutine[None, None, httpx2.Response]) -> None:
    """Send a request whose write has to wait for another one, go away meanwhile, and return once it is written."""
    pause, commit = Pause(), site.parts.after_commit
    other = asyncio.create_task(site.parts.store.users._database.write(pause.here))
    await pause.reached.wait()
    client = asyncio.create_task(request)

    async def is_writing() -> bool:
        return len(commit._under_way) == 1

    try:
        await settled(is_writing)
        [writing] = commit._under_way
        client.cancel()
        # The write can't have ended: only the request has.
        await asyncio.wait([client])
    finally:
        pause.end()
    await asyncio.gather(other, writing)
    # The follow-up is called by the loop, after the write.
    await asyncio.sleep(0)


@pytest.mark.parametrize("event", ["user.changed", "user.invited", "user.reset"])
async def test_the_audit_log_has_what_was_changed(site: Site, event: str) -> None:
    """With the person who did it."""
    by, olive = await seat(site, "Olive")
    ada, _ = await seat(site, "Ada", Role.REPORTER)
    requests = {
        "user.changed": ("PATCH", f"/users/{ada.id}", {"role": "viewer"}),
        "user.invited": ("POST", "/invitations", {"name": "Ada II", "role": "viewer"}),
        "user.reset": ("POST", f"/users/{ada.id}/reset", None),
    }
    method, path, body = requests[event]
    with capture_logs() as lines:
        await leaves(site, olive.request(method, DESK + path, json=body, headers={"If-Match": "*"}))
    [line] = [line for line in lines if line["event"] == event]
    assert (line["by"]["principal"], line["name"]) == (by.ref, "Ada II" if body and "name" in body else "Ada")


async def test_others_are_told_of_a_note(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = await site.publish()
    _, olive = await seat(site, "Olive")
    told: list[tuple[object, ...]] = []
    monkeypatch.setattr(site.parts.publisher.hints, "note_added", lambda *note: told.append(note))
    await leaves(site, olive.post(f"/desk{ENTRIES}/{entry['id']}/notes", json={"text": "Deux sources ?"}))
    [note] = await site.parts.store.notes.of_entry("marees", entry["id"])
    assert [(slug, entry_id, note_id) for slug, entry_id, note_id, _ in told] == [("marees", entry["id"], note.id)]
