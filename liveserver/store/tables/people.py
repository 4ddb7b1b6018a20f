"""The tables of users, how they sign in, their sessions and roles, and the record of everybody's acts."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
)

from liveserver.store.tables.columns import DOCUMENT, UTCDateTime, metadata, name

users = Table(
    "users",
    metadata,
    Column("id", name(64), primary_key=True),
    Column("name", Text, nullable=False),
    # The name in the form by which names are compared (`login_of`).
    Column("login", name(255), nullable=False),
    # None: the user has memberships only.
    Column("role", String(16)),
    # The password's hash, with its algorithm and parameters (PHC string format); None: no password.
    Column("password", Text),
    # None: the user was invited, and hasn't joined yet.
    Column("joined_at", UTCDateTime),
    Column("disabled_at", UTCDateTime),
    Column("created_at", UTCDateTime, nullable=False),
    Column("updated_at", UTCDateTime, nullable=False),
    Column("version", Integer, nullable=False),
    Index("ix_users_login", "login", unique=True),
    Index("ix_users_created_at", "created_at", "id"),
)

memberships = Table(
    "memberships",
    metadata,
    Column("user_id", ForeignKey("users.id"), nullable=False),
    Column("liveblog_id", ForeignKey("liveblogs.id"), nullable=False),
    Column("role", String(16), nullable=False),
    PrimaryKeyConstraint("user_id", "liveblog_id"),
    Index("ix_memberships_liveblog_id", "liveblog_id"),
)

passkeys = Table(
    "passkeys",
    metadata,
    # The credential's id and public key (WebAuthn), in base64url.
    Column("id", name(1400), primary_key=True),
    Column("user_id", ForeignKey("users.id"), nullable=False),
    Column("public_key", Text, nullable=False),
    Column("sign_count", BigInteger, nullable=False),
    Column("label", Text, nullable=False),
    Column("created_at", UTCDateTime, nullable=False),
    Column("used_at", UTCDateTime),
    Index("ix_passkeys_user_id", "user_id"),
)

# Users as OpenID providers know them.
identities = Table(
    "identities",
    metadata,
    Column("issuer", name(255), nullable=False),
    Column("subject", name(255), nullable=False),
    Column("user_id", ForeignKey("users.id"), nullable=False),
    Column("created_at", UTCDateTime, nullable=False),
    # None: not known. The identity was last used before the server noted it.
    Column("used_at", UTCDateTime),
    PrimaryKeyConstraint("issuer", "subject"),
    Index("ix_identities_user_id", "user_id"),
)

# A session that has ended has no row.
sessions = Table(
    "sessions",
    metadata,
    # The SHA-256 of the token in the session's cookie.
    Column("digest", String(64), primary_key=True),
    Column("id", name(16), nullable=False),
    Column("user_id", ForeignKey("users.id"), nullable=False),
    Column("created_at", UTCDateTime, nullable=False),
    Column("seen_at", UTCDateTime, nullable=False),
    Column("confirmed_at", UTCDateTime, nullable=False),
    Column("address", Text),
    Column("agent", Text, nullable=False),
    Index("ix_sessions_id", "id", unique=True),
    Index("ix_sessions_user_id", "user_id"),
)

# Links by which a user joins, or gets a new password. A link that was used has no row.
join_links = Table(
    "join_links",
    metadata,
    # The SHA-256 of the token in the link.
    Column("digest", String(64), primary_key=True),
    Column("user_id", ForeignKey("users.id"), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("created_at", UTCDateTime, nullable=False),
    Column("expires_at", UTCDateTime, nullable=False),
    Index("ix_join_links_user_id", "user_id"),
)

# The audit log. Rows are only ever inserted.
acts = Table(
    "acts",
    metadata,
    Column("id", name(36), primary_key=True),
    Column("at", UTCDateTime, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("principal_id", name(64), nullable=False),
    Column("name", Text, nullable=False),
    Column("action", String(40), nullable=False),
    # The slug, not the internal id: a live blog of a restored backup may have another internal id.
    Column("liveblog", name(100)),
    Column("entry_id", name(36)),
    Column("version", Integer),
    Column("details", DOCUMENT),
    # One for each filter of the audit log, in the order of its pages: see `repositories/people/acts.py: page`.
    Index("ix_acts_at", "at", "id"),
    Index("ix_acts_principal_id", "principal_id", "at", "id"),
    Index("ix_acts_liveblog", "liveblog", "at", "id"),
    Index("ix_acts_liveblog_principal_id", "liveblog", "principal_id", "at", "id"),
    Index("ix_acts_entry_id", "entry_id", "at", "id"),
)

# Secrets that all processes of the site share, such as the one that signs challenges. Never part of a backup.
secrets = Table(
    "secrets",
    metadata,
    Column("name", name(32), primary_key=True),
    Column("value", Text, nullable=False),
    Column("created_at", UTCDateTime, nullable=False),
)
