"""The groups of people: users and their roles, how they sign in, their sessions, their rights, and the audit log."""

from __future__ import annotations

from liveserver.store.groups.queries import QueryGroup, Read, Write
from liveserver.store.repositories.people import acts, credentials, permissions, proofs, secrets, sessions, users
from liveserver.store.repositories.people import identities as known_identities


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

    find_by_name = Read(users.find_by_name)

    page = Read(users.page)

    all = Read(users.every)

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


class Credentials(QueryGroup):
    """The queries by which users sign in. The store has only hashes of passwords and of links' tokens.

    Each change is recorded in the audit log.
    """

    password_of = Read(credentials.password_of)
    """Return the id and the password's hash of the user with this name.

    Returns None if there is no such user, or if the user has no password.
    """

    own_password = Read(credentials.own_password)
    """Return the hash of the password of the user with this id; None if the user has no password."""

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

    Raises ProofOutdated if the verified credential isn't the user's any more. Raises Unauthorized if the user was
    disabled, or hasn't joined.
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
    """Set the acting user's own password, or add a passkey or an identity. Return the sessions that ended.

    A new password ends the user's other sessions; a passkey or an identity ends none. `proof`: the present password,
    if there is one. Raises ProofOutdated if it was changed meanwhile. Raises Unauthorized if the acting session has
    ended. Raises Conflict if a password would be replaced without a proof, if the passkey or identity belongs to a user
    already, or if the user has too many passkeys or identities.
    """

    passkeys = Read(credentials.passkeys)

    passkey = Read(credentials.passkey)

    used_passkey = Write(credentials.used_passkey)
    """Record the use of a passkey: the time of the use, and the new value of the passkey's signature counter.

    Raises Unauthorized if the passkey was removed meanwhile, or if the new value isn't greater than the stored value.
    (A passkey that doesn't count has the value 0 every time.)
    """

    remove_passkey = Write(credentials.remove_passkey)
    """Remove one of the acting user's own passkeys, and end the user's other sessions. Return the ended sessions.

    `offered`: the ways to sign in that the site offers. Raises NotFound if the user has no such passkey, and Conflict
    if the user could not sign in any more. Raises Unauthorized if the acting session has ended.
    """

    identities = Read(known_identities.of_user)
    """Return a user's identities, oldest first."""

    remove_identity = Write(credentials.remove_identity)
    """Remove one of the acting user's own identities, and end the user's other sessions. Return the ended sessions.

    `offered`: the ways to sign in that the site offers. Raises NotFound if the user has no such identity, and Conflict
    if the user could not sign in any more. Raises Unauthorized if the acting session has ended.
    """

    used_identity = Write(known_identities.used)
    """Record the use of an identity (a provider's issuer and subject). Return the id of its user; None if there is
    none."""

    user_of_identity = Read(known_identities.user_of)
    """Return the id of the user who has this identity (a provider's issuer and subject); None if there is none."""

    admit = Write(credentials.admit)
    """Insert a user whom nobody invited, but whom a provider knows, and begin a session. Return the user.

    Raises Conflict if the identity belongs to a user, if another transaction takes the name at the same time, or if
    there are too many users.
    """


class Sessions(QueryGroup):
    """The queries of sessions. The store has the hash of a session's token, never the token."""

    find = Read(sessions.find)
    """Return the session whose token has this hash; None if there is no such session, or it is over."""

    alive = Read(sessions.alive)
    """Filter hashes of tokens: return a hash if its session isn't over, and the session's user isn't disabled."""

    seen = Write(sessions.seen)
    """Set the time of the last use of sessions. Sessions that are over, or were used later, stay as they are."""

    confirmed = Write(proofs.confirmed)
    """Set the time at which the acting session's user last proved who they are, and record it in the audit log.

    Raises ProofOutdated if the verified credential isn't the user's any more, and Unauthorized if the session has ended
    or the user was disabled.
    """

    of_user = Read(sessions.of_user)

    last_seen = Read(sessions.last_seen)
    """Return the times when the users were last seen, by user id. A user who was never seen is left out."""

    end = Write(sessions.end)
    """End one session of the acting user, and return it. Raises NotFound if the user has no such session.

    Raises Unauthorized if the acting session has ended, or the user was disabled.
    """

    end_all = Write(sessions.end_all_by)
    """End all sessions of the acting user, and return the ended sessions.

    `but`: the hash of the token of a session that stays; None to end all. Raises Unauthorized if the acting session has
    ended, or the user was disabled.
    """


class Permissions(QueryGroup):
    """The queries of rights, for requests that only read. A query that writes checks the rights in its transaction."""

    confirm = Read(permissions.confirm_unlocked)
    """Check that a principal's rights allow a verb now, and return the rights.

    The rights are those on the whole site and on one live blog. Raises Unauthorized if the session has ended, the user
    was disabled, or the API key is unknown, revoked or expired. Raises Forbidden if the rights don't allow the verb.
    """

    of_session = Read(permissions.of_session)
    """Return the session whose token has this hash, and its user's rights on the whole site and on one live blog.

    Returns None if there is no such session, if the session is over, or if the user was disabled.
    """

    seeing = Read(permissions.seeing)
    """Check, for many pairs of a session and a live blog, whether the session's user may see unpublished work there.

    The argument has the pairs: the hash of the session's token, and the live blog's slug. Returns True or False by
    pair. A pair is left out if there is no such session, if the session is over, or if its user was disabled.
    """

    rights_on = Read(permissions.rights_on)

    of_principal = Read(permissions.of_principal)
    """Return the rights of a user, on the whole site and on one live blog, or the rights of an API key.

    Raises Unauthorized if the user is unknown or disabled, or the API key is unknown, revoked or expired.
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
