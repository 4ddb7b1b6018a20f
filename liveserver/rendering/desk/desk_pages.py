"""The pages by which people come to the desk: signing in, joining by a link, the account, and the desk's first page."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC
from typing import TYPE_CHECKING, Any, NamedTuple

from liveserver.content.translations import text_direction, texts_for
from liveserver.domain.people.rights import VERBS_OF_ROLE, Verb
from liveserver.rendering.assets import Assets
from liveserver.rendering.desk.browser_names import browser_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from liveserver.content.translations import Translations
    from liveserver.domain.liveblog import Liveblog
    from liveserver.domain.people.rights import Role
    from liveserver.domain.people.user import LinkKind, Session, User
    from liveserver.rendering.page_renderer import PageRenderer


class Message(NamedTuple):
    """A sentence for the user at the page: the name of a translated text, and the values of its placeholders."""

    text: str
    values: Mapping[str, str] = {}


class PasskeyRow(NamedTuple):
    """A passkey as the account's page lists it."""

    id: str
    label: str
    created_at: datetime
    used_at: datetime | None


class IdentityRow(NamedTuple):
    """An identity at a provider as the account's page lists it."""

    id: str
    provider: str
    """The provider's name."""
    created_at: datetime
    used_at: datetime | None
    """The time of the last use; None if it isn't known."""


class AccountView(NamedTuple):
    """The values that the account's page shows."""

    user: User
    has_password: bool
    passkeys: Sequence[PasskeyRow]
    identities: Sequence[IdentityRow]
    sessions: Sequence[Session]
    """The user's sessions. The one that was used last comes first."""
    current: str
    """The id of the session from which the page was asked for."""


class ConfirmView(NamedTuple):
    """The values that the page for confirming shows: the ways by which the user can prove who they are."""

    user: User
    destination: str
    """The path of the page that follows."""
    by_password: bool
    by_passkey: bool
    by_provider: bool


class HomeView(NamedTuple):
    """The values that the desk's first page shows."""

    user: User
    liveblogs: Sequence[Liveblog]
    next_cursor: str | None
    """The cursor of the page with older live blogs; None on the last page."""


class PasswordLengths(NamedTuple):
    """The least and the greatest length of a password, in characters."""

    least: int
    most: int


@dataclass(frozen=True)
class DeskPages:
    """Renders the desk's pages, each in the language of the person who asks for it. It does no I/O."""

    pages: PageRenderer
    lengths: PasswordLengths
    passkeys: bool = False
    """True if the site offers passkeys."""
    provider: str | None = None
    """The name of the OpenID provider with which people may sign in; None if there is none."""
    assets: Assets = field(default_factory=Assets.of_desk)

    def sign_in(
        self,
        language: str,
        *,
        destination: str,
        name: str = "",
        error: Message | None = None,
    ) -> str:
        """Return the page for signing in.

        `destination`: the path of the page that follows after a sign-in. `name`: the user's name in the form; after a
        failed sign-in, the name that the user typed.
        """
        return self._page("sign_in.html", language, error=error, destination=destination, name=name, user=None)

    def departure(self, language: str, address: str) -> str:
        """Return the page that sends the browser on to the OpenID provider. `address`: the URL at the provider."""
        return self._page("departure.html", language, address=address, user=None)

    def provider_problem(self, language: str, message: Message, back: str) -> str:
        """Return the page that says what went wrong with the provider. `back`: the path of the page to go on with."""
        return self._page("provider_problem.html", language, message=message, back=back, user=None)

    def confirm(self, language: str, view: ConfirmView, *, error: Message | None = None) -> str:
        """Return the page on which a user proves once more who they are. `error`: why the last try failed."""
        return self._page("confirm.html", language, view=view, user=view.user, error=error)

    def link(self, language: str, *, user: User | None = None, error: Message | None = None) -> str:
        """Return the page with the field into which users paste their link for joining.

        `user`: the user who is signed in, and sees the ways to the desk and to the account; None for nobody, who sees
        the way to the page for signing in.
        """
        return self._page("link.html", language, error=error, user=user)

    def join(self, language: str, kind: LinkKind, joining: User, token: str, *, error: Message | None = None) -> str:
        """Return the page on which the owner of a link sets a password, or chooses another way of signing in.

        `joining`: the owner. `token`: the link's token.
        """
        return self._page("join.html", language, error=error, kind=kind.value, joining=joining, token=token, user=None)

    def account(
        self, language: str, view: AccountView, *, done: Message | None = None, error: Message | None = None
    ) -> str:
        """Return the page of a user's account. `done`: the result of a change. `error`: why a change was refused."""
        texts = texts_for(language)
        return self._page(
            "account.html",
            language,
            view=view,
            user=view.user,
            sessions=[(session, _name(texts, session)) for session in view.sessions],
            done=done,
            error=error,
        )

    def home(self, language: str, view: HomeView) -> str:
        """Return the desk's first page, with the user's roles and live blogs."""
        memberships: dict[str, Role] = dict(view.user.memberships)
        liveblogs = [
            (liveblog, self.pages.urls.liveblog(liveblog.slug), memberships.get(liveblog.slug))
            for liveblog in view.liveblogs
        ]
        return self._page(
            "home.html",
            language,
            user=view.user,
            liveblogs=liveblogs,
            opens=view.user.role is not None and Verb.OPEN in VERBS_OF_ROLE[view.user.role],
            next_cursor=view.next_cursor,
        )

    def refused(self, language: str, name: str) -> str:
        """Return the page for a request that isn't served. `name`: `refused` or `too_large`; it selects the texts."""
        return self._page("refused.html", language, name=name, user=None)

    def _page(self, file: str, language: str, /, **values: Any) -> str:
        texts = texts_for(language)

        def tell(message: Message) -> str:
            return texts.text(message.text, **message.values)

        def when(moment: datetime) -> str:
            return texts.text("desk.utc", when=texts.short_date_time(moment.astimezone(UTC)))

        return self.pages.fill(
            f"desk/{file}",
            texts.language,
            assets=self.assets,
            desk=self.pages.urls.desk_path,
            base=self.pages.urls.desk_path.removesuffix("/desk"),
            host=self.pages.urls.host,
            site_name=self.pages.entries.site_name,
            text_direction=text_direction,
            lengths=self.lengths,
            passkeys=self.passkeys,
            provider=self.provider,
            tell=tell,
            when=when,
            **values,
        )


def _name(texts: Translations, session: Session) -> str:
    """Return a name for a session by which its user recognises it: `Firefox on Linux`."""
    browser, system = browser_name(session.agent)
    if browser and system:
        return texts.text("account.browser_on", browser=browser, system=system)
    return browser or system or texts.text("account.unknown_browser")
