"""The matrix of roles: which verb each request to the API needs, and whose requests are therefore answered.

`RIGHTS` repeats the design's table on purpose: nothing here comes from the code that checks the rights. `LINES` has one
line for each request; a new operation needs a line. `python -m tests.support.role_matrix` writes docs/roles.md.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

from liveserver.access.people.signed_state import Purpose
from tests.support.checkout import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = ROOT / "docs" / "roles.md"

ROLES = ("owner", "editor", "reporter", "viewer")

RIGHTS = {
    "see": "owner editor reporter viewer",
    "figures": "owner editor reporter viewer",
    "write": "owner editor reporter",
    "publish": "owner editor",
    "open": "owner editor",
    "manage": "owner",
    "partners": "owner",
    "administer": "owner",
}
"""The roles that allow each verb."""
OF_THE_SITE = ("open", "partners", "administer")
"""The verbs for which no membership counts."""
SCOPES = {
    "see": "publish",
    "figures": "manage",
    "write": "publish",
    "publish": "publish",
    "open": "manage",
    "manage": "manage",
    "partners": "manage",
    "administer": None,
}
"""The scope that allows an API key each verb."""

MEANINGS = {
    "anyone": "Read what is published",
    "signed-in": "One’s own session",
    "see": "See drafts, scheduled entries, revisions, pictures and takedowns",
    "figures": "See how many read a live blog",
    "write": "Write drafts, edit and delete one’s own drafts and entries in review, send pictures",
    "publish": "Publish, schedule, edit, correct, pin, verify and delete entries",
    "open": "Open a live blog",
    "manage": "Change a live blog’s settings, members, source, and the partners that show this live blog alone",
    "partners": "Add partners that show every live blog",
    "administer": "Users, API keys and the audit log",
}


class Place(StrEnum):
    """Where a right must be held."""

    LIVEBLOG = "liveblog"
    """On the live blog of the request."""
    SITE = "site"
    """On the whole site: a membership doesn't count, nor does a key that is limited to live blogs."""
    ANYWHERE = "anywhere"
    """On any live blog."""
    MANAGED = "managed"
    """On any live blog; but a key may not be limited."""


class Line(NamedTuple):
    """One request, and the verb that it needs. Whoever may not send it is answered 401 or 403."""

    method: str
    path: str
    """Below `/api/v1` or `/desk/api/v1`, as the router writes it."""
    verb: str
    place: Place = Place.LIVEBLOG
    body: Any = None
    headers: dict[str, str] = {}  # noqa: RUF012
    query: str = ""
    thing: str = ""
    """Which of the things that the test makes `{id}` stands for: `draft`, `own draft`, `picture` … Empty: `entry`."""
    note: str = ""
    """What docs/roles.md says beside the request."""
    hidden: bool = False
    """True if whoever may not see the thing is answered 404, as if there were none."""
    optional_key: bool = False
    """True if a key isn't needed, but one that isn't valid is refused."""
    desk: bool = False
    """True if only the desk has the request."""


STALE = {"If-Match": '"999"'}
"""Whoever may change the thing is answered 412, so that it is there for the next one."""
DRAFT = {"body": "<p>Brouillon.</p>", "status": "draft"}
BELOW = "no role above one’s own"
BLOG, ENTRIES = "/liveblogs/{slug}", "/liveblogs/{slug}/entries"

LINES = (
    Line("GET", "/liveblogs", "anyone"),
    Line("GET", BLOG, "anyone"),
    Line("GET", f"{BLOG}/embed", "anyone"),
    Line("GET", f"{BLOG}/snapshot", "anyone"),
    Line("GET", f"{BLOG}/changes", "anyone", query="?after=x-1"),
    Line("GET", ENTRIES, "anyone", optional_key=True),
    Line("GET", ENTRIES + "/{id}", "anyone"),
    Line("POST", f"{BLOG}/gone", "anyone", body={}),
    Line("GET", ENTRIES, "see", query="?status=draft", note="drafts, scheduled entries"),
    Line("GET", ENTRIES + "/{id}", "see", thing="draft", note="a draft", hidden=True),
    Line("GET", ENTRIES + "/{id}/revisions", "see"),
    Line("GET", f"{BLOG}/takedowns/{{id}}", "see"),
    Line("GET", "/media", "see", Place.ANYWHERE, note="a role on any live blog is enough"),
    Line("GET", "/media/{id}", "see", Place.ANYWHERE, thing="picture", note="a role on any live blog is enough"),
    Line("GET", f"{BLOG}/reach", "figures"),
    Line("POST", ENTRIES, "write", body=DRAFT, note="a draft"),
    Line("PATCH", ENTRIES + "/{id}", "write", body={}, headers=STALE, thing="own draft", note="one’s own draft"),
    Line("DELETE", ENTRIES + "/{id}", "write", headers=STALE, thing="own draft", note="one’s own draft"),
    Line("POST", "/media", "write", Place.ANYWHERE, note="a role on any live blog is enough"),
    Line("PATCH", "/media/{id}", "write", Place.SITE, {}, STALE, thing="own picture", note="one’s own picture"),
    Line("DELETE", "/media/{id}", "write", Place.SITE, headers=STALE, thing="own picture", note="one’s own picture"),
    Line("POST", ENTRIES, "publish", body={"body": "<p>Publié.</p>"}, note="published at once or scheduled"),
    Line("PATCH", ENTRIES + "/{id}", "publish", body={}, headers=STALE, note="a published one"),
    Line("PATCH", ENTRIES + "/{id}", "publish", body={}, headers=STALE, thing="draft", note="somebody else’s draft"),
    Line("DELETE", ENTRIES + "/{id}", "publish", headers=STALE, note="a published one"),
    Line("DELETE", ENTRIES + "/{id}", "publish", headers=STALE, thing="draft", note="somebody else’s draft"),
    Line("PATCH", "/media/{id}", "publish", Place.SITE, {}, STALE, thing="picture", note="somebody else’s picture"),
    Line(
        "DELETE", "/media/{id}", "publish", Place.SITE, headers=STALE, thing="picture", note="somebody else’s picture"
    ),
    Line("GET", f"{BLOG}/board", "see", desk=True),
    Line("GET", ENTRIES + "/{id}/notes", "see", desk=True),
    Line("POST", ENTRIES + "/{id}/notes", "write", body={}, desk=True),
    Line("DELETE", ENTRIES + "/{id}/notes/{note_id}", "write", note="one’s own; others’ with `publish`", desk=True),
    Line("POST", f"{BLOG}/preview", "write", body={}, desk=True),
    Line("POST", ENTRIES + "/{id}/submit", "write", body={}, headers=STALE, thing="own draft", note="one’s own draft"),
    Line("POST", ENTRIES + "/{id}/submit", "publish", body={}, headers=STALE, thing="draft", note="somebody else’s"),
    Line("POST", ENTRIES + "/{id}/approve", "publish", headers=STALE),
    Line("POST", ENTRIES + "/{id}/return", "publish", body={}),
    Line("POST", ENTRIES + "/{id}/withdraw", "write", headers=STALE, thing="own draft", note="one’s own, in review"),
    Line("POST", ENTRIES + "/{id}/withdraw", "publish", headers=STALE, note="a published one"),
    Line("POST", ENTRIES + "/{id}/erase", "publish", body={}, note="confirmed", desk=True),
    Line("POST", "/liveblogs", "open", Place.SITE, body={}),
    Line(
        "PATCH",
        BLOG,
        "manage",
        body={},
        headers={"If-Match": "*"},
        note="to take a rule out of `two_persons`: an owner of the site, at the desk, confirmed",
    ),
    Line("POST", f"{BLOG}/reach/links", "manage", body={}),
    Line("GET", f"{BLOG}/source", "manage"),
    Line("POST", f"{BLOG}/source", "manage", body={}),
    Line("DELETE", f"{BLOG}/source", "manage"),
    Line("GET", f"{BLOG}/members", "manage", desk=True),
    Line("POST", f"{BLOG}/members", "manage", body={}, note=f"confirmed; {BELOW}", desk=True),
    Line("PUT", f"{BLOG}/members/{{user_id}}", "manage", body={}, note=f"confirmed; {BELOW}", desk=True),
    Line("DELETE", f"{BLOG}/members/{{user_id}}", "manage", note=f"confirmed; {BELOW}", desk=True),
    Line("GET", "/partners", "manage", Place.MANAGED, note="those whose every live blog one manages"),
    Line("POST", "/partners", "manage", body={"name": "P", "liveblogs": ["marees"]}, note="of this live blog alone"),
    Line("GET", "/partners/{id}", "manage", thing="partner", note="of this live blog alone"),
    Line("PATCH", "/partners/{id}", "manage", body={}, headers=STALE, thing="partner", note="of this live blog alone"),
    Line("DELETE", "/partners/{id}", "manage", headers=STALE, thing="partner", note="of this live blog alone"),
    Line("POST", "/partners", "partners", Place.SITE, body={"name": "P"}),
    Line("GET", "/partners/{id}", "partners", Place.SITE, thing="partner of all"),
    Line("PATCH", "/partners/{id}", "partners", Place.SITE, {}, STALE, thing="partner of all"),
    Line("DELETE", "/partners/{id}", "partners", Place.SITE, headers=STALE, thing="partner of all"),
    Line("GET", "/users", "administer", Place.SITE, desk=True),
    Line("GET", "/users/{user_id}", "administer", Place.SITE, desk=True),
    Line("PATCH", "/users/{user_id}", "administer", Place.SITE, {}, STALE, note="confirmed", desk=True),
    Line("POST", "/users/{user_id}/reset", "administer", Place.SITE, note="confirmed", desk=True),
    Line("POST", "/invitations", "administer", Place.SITE, body={}, note="confirmed", desk=True),
    Line("GET", "/keys", "administer", Place.SITE, desk=True),
    Line("POST", "/keys", "administer", Place.SITE, body={}, note="confirmed", desk=True),
    Line("DELETE", "/keys/{key_id}", "administer", Place.SITE, note="confirmed", desk=True),
    Line("GET", "/audit", "administer", Place.SITE, desk=True),
    Line("GET", "/session", "signed-in", desk=True),
    Line("POST", "/session/confirm", "signed-in", body={}, desk=True),
    Line("GET", "/sessions", "signed-in", desk=True),
    Line("DELETE", "/sessions", "signed-in", desk=True),
    Line("DELETE", "/sessions/{session_id}", "signed-in", desk=True),
    Line("GET", "/identities", "signed-in", desk=True),
    Line("DELETE", "/identities/{identity_id}", "signed-in", note="confirmed", desk=True),
    # The last one: it ends the session of whoever sends it.
    Line("DELETE", "/session", "signed-in", desk=True),
)

ELSEWHERE: frozenset[tuple[str, str]] = frozenset(
    {
        *(("POST", f"/desk/signin/passkey/{purpose}{ending}") for purpose in Purpose for ending in ("", "/options")),
        ("POST", "/desk/signin/provider"),
        ("POST", "/desk/account/identities"),
        ("POST", "/desk/account/passkeys"),
        ("POST", "/desk/account/password"),
        ("POST", "/desk/account/sessions"),
        ("POST", "/desk/confirm"),
        ("POST", "/desk/join"),
        ("POST", "/desk/signin"),
        ("POST", "/desk/signout"),
    }
)
"""Methods and paths of unsafe requests outside of both APIs. Each has tests of its own."""


class Sender(NamedTuple):
    """Somebody who sends requests. `marees` is the live blog in question; `elsewhere` is another one."""

    name: str
    site: str | None = None
    """The role on the whole site."""
    here: str | None = None
    """The role by membership on the live blog in question."""
    elsewhere: str | None = None
    """The role by membership on the other live blog."""
    opened: bool = False
    """True if the sender opened the live blog in question."""
    scopes: str = ""
    """The scopes of an API key; empty for a person."""
    limited: bool = False
    """True for a key that is limited to the other live blog."""
    void: bool = False
    """True if nothing counts: the session has ended, the user was disabled, the key was revoked, or there is none."""
    foreign: bool = False
    """True if a page of another site makes the browser send the request."""


SENDERS = (
    *(Sender(role, site=role) for role in ROLES),
    Sender("no role"),
    Sender("opened it", site="editor", opened=True),
    *(Sender(f"{role} here", here=role) for role in ROLES),
    *(Sender(f"{role} elsewhere", elsewhere=role) for role in ROLES),
    Sender("viewer, editor here", site="viewer", here="editor"),
    Sender("disabled owner", site="owner", void=True),
    Sender("owner, session ended", site="owner", void=True),
    Sender("owner, cross-site page", site="owner", foreign=True),
    Sender("owner, foreign origin", site="owner", foreign=True),
    Sender("owner, no header", site="owner", foreign=True),
    Sender("key publish", scopes="publish"),
    Sender("key manage", scopes="manage"),
    Sender("key both", scopes="publish manage"),
    Sender("key elsewhere", scopes="publish manage", limited=True),
    Sender("key revoked", scopes="publish manage", void=True),
    Sender("nobody", void=True),
)


def may(line: Line, sender: Sender, *, at_desk: bool) -> bool:
    """Whether the design lets the sender's request through, to the desk's API or to the public one."""
    if not at_desk:
        if line.verb == "anyone":
            return not (line.optional_key and sender.void and sender.scopes)
        return not sender.void and _key_may(line, sender)
    if sender.void or sender.scopes:
        return False
    if sender.foreign and line.method != "GET":
        return False
    return line.verb in {"anyone", "signed-in"} or _person_may(line, sender)


def _key_may(line: Line, sender: Sender) -> bool:
    if SCOPES[line.verb] not in sender.scopes.split():
        return False
    return not sender.limited or line.place is Place.ANYWHERE


def _person_may(line: Line, sender: Sender) -> bool:
    wide = line.place in {Place.ANYWHERE, Place.MANAGED}
    held = {sender.site}
    if line.verb not in OF_THE_SITE and line.place is not Place.SITE:
        held |= {sender.here, sender.elsewhere if wide else None}
    if held & set(RIGHTS[line.verb].split()):
        return True
    return line.verb == "manage" and sender.opened


def _mark(yes: bool) -> str:
    return "✓" if yes else ""


def _rows() -> Iterator[str]:
    yield "| verb | what it is | owner | editor | reporter | viewer | key with the scope |"
    yield "|---|---|---|---|---|---|---|"
    for verb, roles in RIGHTS.items():
        marks = [_mark(role in roles.split()) for role in ROLES]
        if verb == "manage":
            marks[1] = "✓ [^opened]"
        scope = SCOPES[verb]
        yield f"| `{verb}` | {MEANINGS[verb]} | {' | '.join(marks)} | {f'`{scope}`' if scope else ''} |"


def _requests(verb: str) -> Iterator[str]:
    yield "| request | |"
    yield "|---|---|"
    for line in LINES:
        if line.verb == verb:
            notes = [line.note] if line.note else []
            if line.desk:
                notes.append("at the desk only")
            yield f"| `{line.method} {line.path}` | {'; '.join(notes)} |"


INTRODUCTION = """\
# Roles

<!-- Made by `python -m tests.support.role_matrix`. Change the table in tests/support/role_matrix.py. -->

Every act needs a verb, and a user’s role allows some verbs. A role is for the whole site. A membership adds a role on a
single live blog; the higher of both counts there. API keys have scopes, which allow the same verbs. The rights are
checked again in the transaction that writes: if a session is ended, a role lowered or a key revoked while a request is
under way, the request is refused.

{rows}

[^opened]: The live blogs that the editor opened.

No membership counts for `open`, `partners` and `administer`. Pictures belong to no live blog: to change or delete one
needs a role on the whole site, and somebody else’s picture needs `publish`.

## What each request needs

Paths are below `/api/v1` for keys, and below `/desk/api/v1` for people who are signed in. A session counts at the desk
only, a key in the public API only. `tests/unit/http/desk/test_role_matrix.py` takes all requests that change something
from the running router, and tries each as every sender below. *Confirmed*: the user has proved in the last ten
minutes who they are ([api.md](api.md#the-desks-api)).
"""


def page() -> str:
    """The text of docs/roles.md."""
    parts = [INTRODUCTION.format(rows="\n".join(_rows()))]
    for verb, meaning in MEANINGS.items():
        parts.append(f"### `{verb}`: {meaning[0].lower()}{meaning[1:]}\n" if verb in RIGHTS else f"### {meaning}\n")
        if verb == "anyone":
            parts.append("Anybody; at the desk, anybody who is signed in.\n")
        if verb == "signed-in":
            parts.append("Anybody who is signed in, whatever the role.\n")
        parts.append("\n".join(_requests(verb)) + "\n")
    told = [f"| {sender.name} | {_told(sender)} |" for sender in SENDERS]
    parts += ["## Who was tried\n", "| sender | what it is |\n|---|---|", *told]
    return "\n".join(parts) + "\n"


def _told(sender: Sender) -> str:
    if sender.scopes:
        words = " and ".join(f"`{scope}`" for scope in sender.scopes.split())
        told = f"an API key with {words}" + (", limited to another live blog" if sender.limited else "")
        return told + (", revoked: is refused everything but reading" if sender.void else "")
    if sender.void:
        return "may only read, at the public API" if sender.site is None else "is refused everything at the desk"
    if sender.foreign:
        return "a page of another site, or a program without a browser’s headers: may change nothing"
    told = f"{sender.site or 'no role'} on the whole site"
    for role, where in ((sender.here, "this live blog"), (sender.elsewhere, "another live blog alone")):
        told += f", {role} on {where}" if role else ""
    return told + (", and opened the live blog" if sender.opened else "")


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
