"""The public addresses of a site's pages and files."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode, urlsplit

from liveserver.content.body_pictures import MEDIA_PATH
from liveserver.domain.errors import NotFound
from liveserver.domain.ids import SLUG_PATTERN
from liveserver.rendering.page_models import EVERY

if TYPE_CHECKING:
    from collections.abc import Mapping

    from liveserver.rendering.page_models import Only, Order

FEEDS = {
    "rss": "application/rss+xml",
    "atom": "application/atom+xml",
    "json": "application/feed+json",
}
"""The media types of the feeds, by the ending of a feed's address (without the dot)."""

_LIVE_PATH = re.compile(rf"/live/({SLUG_PATTERN.strip('^$')})(?:/.*)?")


class Urls:
    """The addresses of one site. Methods and attributes with `path` in the name give paths; the others, absolute URLs.

    `public_url`: the site's address without a slash at the end, for example `https://live.example.org`. `media_url`:
    the address below which the files of pictures are; None if this server serves these files itself.
    """

    def __init__(self, public_url: str, *, media_url: str | None = None) -> None:
        self._public_url = public_url
        self._base_path = urlsplit(public_url).path
        self.host = urlsplit(public_url).hostname or public_url
        self.home = f"{public_url}/"
        self.media = media_url or public_url + MEDIA_PATH
        """The address below which the files of pictures are. It has no slash at the end."""
        self.static_path = f"{self._base_path}/static/"

    def liveblog(self, slug: str) -> str:
        """Return the address of a live blog's page."""
        return f"{self._public_url}/live/{slug}"

    def entries(self, slug: str, *, order: Order = "newest", cursor: str | None = None, only: Only = EVERY) -> str:
        """Return the address of a page that lists a live blog's entries.

        `order`: the page's order. `cursor`: where the page begins; None for the first page. `only`: the page's filter.
        """
        query = {
            "tag": only.tag,
            "key_events": "true" if only.key_events else None,
            "verification": only.verification and only.verification.value,
            "order": None if order == "newest" else order,
            "cursor": cursor,
        }
        encoded = urlencode(
            {name: value for name, value in query.items() if value is not None}, quote_via=quote, safe=""
        )
        return f"{self.liveblog(slug)}?{encoded}" if encoded else self.liveblog(slug)

    def entry(self, slug: str, entry_id: str) -> str:
        """Return an entry's permalink."""
        return f"{self._public_url}/live/{slug}/entries/{entry_id}"

    def feed(self, slug: str, extension: str) -> str:
        """Return the address of a live blog's feed. `extension`: a key of `FEEDS`."""
        return f"{self._public_url}/live/{slug}/feed.{extension}"

    def api_path(self, slug: str) -> str:
        """Return the path of a live blog in the API, without scheme and host."""
        return f"{self._base_path}/api/v1/liveblogs/{slug}"

    def static(self, path: str) -> str:
        """Return the address of a built file of the front end. `path`: the file's path below `/static/`."""
        return f"{self.home}static/{path}"

    def oembed(self, slug: str) -> str:
        """Return the address of the oEmbed answer about a live blog."""
        return f"{self._public_url}/oembed?{urlencode({'url': self.liveblog(slug)})}"

    def widget(self, slug: str, attributes: Mapping[str, str] | None = None) -> str:
        """Return the address of the widget's page for frames.

        `attributes`: attributes of the element `<live-blog>`, which become the address's query; None for no query.
        """
        query = urlencode(attributes) if attributes else ""
        return f"{self.home}embed/{slug}{'?' + query if query else ''}"

    @property
    def widget_script(self) -> str:
        """The address of the widget's script, which a partner's page loads."""
        return f"{self.home}embed/v1.js"

    def pinned_widget_script(self, digest: str) -> str:
        """Return the address of one version of the widget's script. The script at this address never changes.

        `digest`: `WidgetAssets.pinned_hash` of that version.
        """
        return f"{self.home}embed/v1-{digest}.js"

    def path_of(self, url: str) -> str:
        """Return an absolute URL of this site without its scheme and host: the path, and the query if there is one."""
        return urlsplit(self.home).path + url.removeprefix(self.home)

    def slug_of(self, url: str) -> str:
        """Return the slug of the live blog to which a page belongs. `url`: the page's address.

        The page is the live blog's page, or a page below it, such as an entry's page. Raises NotFound if the address
        isn't the address of such a page on this site. The live blog's existence isn't checked.
        """
        home = urlsplit(self.home)
        try:
            split = urlsplit(url)
        except ValueError:
            raise NotFound("the URL is none") from None
        path = split.path.removeprefix(home.path.rstrip("/")) if split.path.startswith(home.path) else ""
        match = _LIVE_PATH.fullmatch(path)
        if match is None or split.netloc.lower() != home.netloc.lower() or split.scheme not in {"http", "https"}:
            raise NotFound("the URL is not that of a live blog here")
        return match[1]
