"""The JSON objects about people in the desk's API: users, members, sessions and acts. They contain no secrets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from liveserver.protocol.json_encoding import timestamp

if TYPE_CHECKING:
    from liveserver.domain.people.act import Act
    from liveserver.domain.people.rights import Role
    from liveserver.domain.people.user import Session, User, UserIdentity
    from liveserver.protocol.json_encoding import JSON


def user_object(user: User) -> JSON:
    """Return a user as owners see it: with the role on the whole site, and with all memberships."""
    return {
        "id": user.id,
        "name": user.name,
        "role": user.role,
        "state": user.state,
        "memberships": membership_objects(user),
        "created_at": timestamp(user.created_at),
        "updated_at": timestamp(user.updated_at),
        "version": user.version,
    }


def member_object(user: User, role: Role) -> JSON:
    """Return a member of a live blog: the user's id, name and `UserState`, and `role`, the role on this live blog."""
    return {"id": user.id, "name": user.name, "state": user.state, "role": role}


def session_object(session: Session, *, current: bool) -> JSON:
    """Return a session as its user sees it. `current`: True if the request came from this session."""
    return {
        "id": session.id,
        "created_at": timestamp(session.created_at),
        "seen_at": timestamp(session.seen_at),
        "address": session.address,
        "agent": session.agent,
        "current": current,
    }


def identity_object(identity: UserIdentity, provider: str) -> JSON:
    """Return an identity as its user sees it. `provider`: the provider's name."""
    return {
        "id": identity.id,
        "provider": provider,
        "issuer": identity.issuer,
        "subject": identity.subject,
        "created_at": timestamp(identity.created_at),
        "used_at": None if identity.used_at is None else timestamp(identity.used_at),
    }


def act_object(act: Act) -> JSON:
    """Return a row of the audit log."""
    return {
        "id": act.id,
        "at": timestamp(act.at),
        "by": {"kind": act.kind, "id": act.principal_id, "name": act.name},
        "action": act.action,
        "liveblog": act.liveblog,
        "entry": act.entry_id,
        "version": act.version,
        "details": dict(act.details),
    }


def membership_objects(user: User) -> list[JSON]:
    """Return a user's memberships."""
    return [{"liveblog": slug, "role": role} for slug, role in user.memberships]
