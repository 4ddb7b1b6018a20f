"""The groups of people: users and their roles, how they sign in, their sessions, their rights, and the audit log."""

from __future__ import annotations

from liveserver.store.groups.queries import QueryGroup, Read, Write
from liveserver.store.repositories.people import acts, credentials, permissions, secrets, sessions, users


class Users(QueryGroup):
    """The queries of users and their roles. Each change is recorded in the audit log.

    Each change raises Unauthorized or Forbidden if the principal `by` may not make it now.
    """

    invite = Write(users.invite)
    """Insert a user who hasn't joined yet, with the memberships, and the link by which the user joins. Return the user.

    Raises Conflict if there is a user of this name already, or if there are too many users, or too many members of
    a live blog. Raises NotFound if the live blog of a membership doesn't exist.
    """

    find = Read(users.find)
    """Return the user with this id, with the memberships. Raises NotFound if there is none."""

    find_by_name = Read(users.find_by_name)
    """Return the user with this name, with the memberships. Raises NotFound if there is none."""

    page = Read(users.page)
    """Return a page of users with their memberships, newest first, and the next page's cursor (None: the last page).

    Raises InvalidInput for a bad cursor.
    """

    all = Read(users.every)
    """Return all users with their memberships, oldest first."""

    edit = Write(users.edit)
    """Change a user's name or role, or disable or enable the user. Return the user, and the sessions that ended.

    Raises NotFound if there is no such user, VersionConflict if `version` isn't the user's version, and Conflict if the
    name is taken or no owner would be left.
    """

    set_membership = Write(users.set_membership)
    """Give a user a role on a live blog (None: take it away), and return the user.

    Raises NotFound if there is no such user or live blog, or no membership to take away. Raises Conflict if the user
    would have too many memberships.
    """

    members = Read(users.members)
    """Return the members of a live blog with their roles there, by name. Raises NotFound."""


class Credentials(QueryGroup):
    """The queries by which users sign in. The store has only hashes of passwords and of links' tokens.

    Each change is recorded in the audit log.
    """

    password_of = Read(credentials.password_of)
    """Return the id and the password's hash of the user with this name.

    Returns None if there is no such user, or if the user has no password.
    """

    link = Read(credentials.link)
    """Return the link whose token has this hash, and the link's user.

    Raises Unauthorized if the link is unknown, has expired or was used.
    """

    join = Write(credentials.join)
    """Use a link: set the credential, let an invited user join, and begin a session. Return the user.

    The credential is a password, a passkey or an identity. It may be None only if the link is for signing in. Raises
    Unauthorized if it is None for another link, if the link is unknown, has expired or was used, or if the user was
    disabled. Raises Conflict if the passkey or identity belongs to somebody already, or if there are too many passkeys.
    """

    sign_in = Write(credentials.sign_in)
    """Begin a session of a user who has proved to be who they are. Return the user.

    Raises Unauthorized if the user was disabled, or hasn't joined.
    """

    reset = Write(credentials.reset)
    """Remove a user's password and passkeys, end the user's sessions, and insert a link for a new credential.

    Returns the user, and the sessions that ended. Raises NotFound if there is no such user, and Conflict if the user is
    disabled.
    """

    offer_sign_in = Write(credentials.offer_sign_in)
    """Insert a link that signs in without a password, and return the user. Password, passkeys and sessions stay.

    Raises NotFound if there is no such user, and Forbidden unless the principal is a part of the server.
    """

    change = Write(credentials.change)
    """Set the acting user's own password, or add a passkey or an identity. Return the other sessions, if they ended.

    Raises Unauthorized if the session has ended, and Conflict if the passkey or identity belongs to somebody already,
    or if there are too many passkeys.
    """

    passkeys = Read(credentials.passkeys)
    """Return a user's passkeys, oldest first."""

    passkey = Read(credentials.passkey)
    """Return the passkey with this id; None if there is none."""

    used_passkey = Write(credentials.used_passkey)
    """Note that a passkey was used at a moment, and its new signature counter.

    Raises Unauthorized if the passkey was removed meanwhile, or if its counter doesn't go up.
    """

    remove_passkey = Write(credentials.remove_passkey)
    """Remove one of the acting user's own passkeys.

    Raises NotFound, Conflict if the user could not sign in any more, and Unauthorized if the session has ended.
    """

    user_of_identity = Read(credentials.user_of_identity)
    """Return the id of the user whom a provider knows by this subject; None if there is none."""

    admit = Write(credentials.admit)
    """Insert a user whom nobody invited, but whom a provider knows, and begin a session. Return the user.

    Raises Conflict if the identity belongs to a user, if the name was taken at this very moment, or if there are too
    many users.
    """


class Sessions(QueryGroup):
    """The queries of sessions. The store has hashes of their tokens."""

    find = Read(sessions.find)
    """Return the session whose token has this hash; None if there is none, or it is over."""

    alive = Read(sessions.alive)
    """Return those of the given hashes of tokens that belong to sessions that aren't over."""

    seen = Write(sessions.seen)
    """Note that the session was used at a moment."""

    confirmed = Write(sessions.confirmed)
    """Note that the session's user has proved again, at a moment, to be who they are."""

    of_user = Read(sessions.of_user)
    """Return a user's sessions that aren't over. The one that was used last comes first."""

    last_seen = Read(sessions.last_seen)
    """Return the times when the users were last seen, by user id. A user who was never seen is left out."""

    end = Write(sessions.end)
    """End one session of a user. Raises NotFound if the user has no such session."""

    end_all = Write(sessions.end_all_by)
    """End all sessions of a user, except the one whose token has the hash `but`, and return the ended ones."""


class Permissions(QueryGroup):
    """The queries of rights. A transaction that writes checks the rights itself; these are for requests that read."""

    confirm = Read(permissions.confirm_unlocked)
    """Return a principal's rights as far as a live blog is concerned, if they allow a verb.

    Raises Unauthorized or Forbidden if the principal may not do this now.
    """

    of_session = Read(permissions.of_session)
    """Return the session whose token has this hash, and its user's rights as far as a live blog is concerned.

    Returns None if there is no such session, or it is over, or the user was disabled.
    """

    seeing = Read(permissions.seeing)
    """Return whether the users of many sessions may see the unpublished work of one live blog each.

    The argument has pairs of the hash of a session's token and a slug. A pair is left out of the result if its session
    has ended, or the user was disabled.
    """

    rights_on = Read(permissions.rights_on)
    """Return a user's rights on each of several live blogs, by slug. Raises Unauthorized if the user was disabled."""

    of_principal = Read(permissions.of_principal)
    """Return the rights of a user or an API key, as far as a live blog is concerned.

    Raises Unauthorized if the user was disabled, or the API key is unknown, revoked or expired.
    """


class Acts(QueryGroup):
    """The queries of the audit log. The acts themselves are recorded by the transactions that write."""

    page = Read(acts.page)
    """Return a page of acts, the last one first, and the cursor of the next page (None: this is the last one).

    Raises InvalidInput for a bad cursor.
    """


class Secrets(QueryGroup):
    """The queries of the secrets that all processes of the site share."""

    get = Write(secrets.get)
    """Return the secret with this name. The first call makes it."""
