"""The widget, which shows a live blog on other sites.

It is sent in four forms: a shell that the widget's script fills, a page for frames, a fragment of HTML for a CMS, and
an oEmbed answer.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any, NamedTuple

from liveserver.content.translations import text_direction, texts_for
from liveserver.domain.errors import NotFound
from liveserver.rendering.assets import WidgetAssets
from liveserver.rendering.structured_data import liveblog_posting
from liveserver.rendering.template import json_block

if TYPE_CHECKING:
    from liveserver.content.translations import Translations
    from liveserver.domain.liveblog import Liveblog
    from liveserver.domain.partner import Attribution
    from liveserver.rendering.page_models import PageView
    from liveserver.rendering.page_renderer import PageRenderer
    from liveserver.rendering.urls import Urls

THEMES = ("auto", "light", "dark")
LIMIT = 20
"""The number of entries that a widget shows at first, unless the page with the widget names another number."""
WIDTH, HEIGHT = 600, 600
"""The width and height in pixels of the frame in an oEmbed answer, unless the consumer asks for a smaller frame."""
NARROWEST, LOWEST = 220, 200
"""The least width and height in pixels of the frame in an oEmbed answer, even if the consumer asks for less."""
CACHE_AGE = 86_400
"""How long, in seconds, an oEmbed consumer may keep the answer. This time can be long, as the answer has the live
blog's address, but no entries."""


class WidgetOptions(NamedTuple):
    """The options that determine how a widget looks. Some are set by the page with the widget, some by the partner."""

    theme: str | None = None
    """One of `THEMES`; None for the partner's colour scheme. If the partner has none, the reader's system chooses."""
    limit: int = LIMIT
    """The number of newest entries that the widget shows at first. It also shows all older pinned entries."""
    language: str | None = None
    """The language of the widget's own texts, such as its buttons; None for the live blog's language."""
    partner: str | None = None
    """The partner's id; None if no partner shows the widget."""
    attribution: Attribution | None = None
    """The line that says whose live blog the widget shows; None for no such line."""
    colours: tuple[tuple[str, str], ...] = ()
    """The colours and the font of the partner's theme, as pairs of name and value, such as `accent` and `#ad1220`."""

    @property
    def variant(self) -> tuple[str | int | None, ...]:
        """The values of all options, for the key of the widget in a cache. Different options give different values."""
        return (self.theme, self.limit, self.language, self.partner, self.style, *(self.attribution or ()))

    @property
    def style(self) -> str:
        """A style sheet that sets `colours`, so that no script is needed; empty if there are no colours."""
        rules = ";".join(f"--own-{name}:{value}" for name, value in self.colours)
        return f".lv{{{rules}}}" if rules else ""

    @property
    def attributes(self) -> dict[str, str]:
        """The attributes of `<live-blog>` for theme, limit, language and partner. A default needs no attribute."""
        values = {
            "theme": self.theme,
            "limit": str(self.limit),
            "lang": self.language,
            "partner": self.partner,
        }
        usual = {"limit": str(LIMIT)}
        return {name: value for name, value in values.items() if value is not None and value != usual.get(name)}


@dataclass(frozen=True, slots=True)
class WidgetRenderer:
    """Renders the widget. Entries have the same HTML as on pages. It does no I/O, and only one thread may use it."""

    pages: PageRenderer
    assets: WidgetAssets = field(default_factory=WidgetAssets.built)

    @property
    def urls(self) -> Urls:
        """The site's addresses."""
        return self.pages.urls

    def shell(self, liveblog: Liveblog, language: str | None) -> dict[str, Any]:
        """Return the widget's HTML without entries, and the texts that the widget's script needs, as a JSON object.

        `language`: the language of the widget's own texts, such as its buttons; None for the live blog's language.
        """
        texts = texts_for(language or liveblog.language)
        return {
            "html": self.pages.fill("embed_shell.html", liveblog.language, **self._shell(liveblog, texts)),
            "locale": texts.language,
            "days": texts_for(liveblog.language).attributes,
            "status": texts.tables["status"],
            "new_entries": texts.tables["reader"]["new_entries"],
            "text": {
                "connecting": texts.text("reader.reconnecting"),
                "offline": texts.text("widget.offline"),
                "closed": texts.text("reader.closed"),
                **{f"empty_{status}": texts.text(f"page.empty_{status}") for status in texts.tables["status"]},
            },
        }

    def page(self, view: PageView, options: WidgetOptions) -> str:
        """Return the HTML of `/embed/{slug}`, the widget's page for frames. It shows entries even without a script."""
        liveblog = view.liveblog
        texts = texts_for(options.language or liveblog.language)
        return self.pages.fill(
            "embed_page.html",
            liveblog.language,
            **(self._shell(liveblog, texts) | self._articles(view) | self._option_values(options)),
            attributes={"src": self.urls.liveblog(liveblog.slug), **options.attributes},
            script_url=self.urls.widget_script,
            style=options.style,
            frame_script=self.urls.static(self.assets.frame),
            frame_styles=[self.urls.static(style) for style in self.assets.styles],
        )

    def fragment(self, view: PageView, options: WidgetOptions) -> str:
        """Return HTML that a partner's CMS puts into its own page.

        It has the current entries, the script that keeps them up to date, and structured data.
        """
        liveblog = view.liveblog
        entries = [*view.pinned, *(entry for entry in view.entries if not entry.pinned)]
        posting = liveblog_posting(
            liveblog,
            entries,
            self.pages.entries,
            key_events=view.key_events,
            began_at=view.began_at,
            changed_at=view.changed_at,
        )
        return self.pages.fill(
            "embed_fragment.html",
            liveblog.language,
            liveblog=liveblog,
            url=self.urls.liveblog(liveblog.slug),
            text_direction=text_direction,
            **self._articles(view),
            attribution=options.attribution,
            attributes={"src": self.urls.liveblog(liveblog.slug), **options.attributes},
            script_url=self.urls.widget_script,
            json_ld=json_block(posting),
        )

    def preview(self, liveblog: Liveblog, partner: str | None) -> str:
        """Return the HTML of `/embed/preview/{slug}`: the widget, its options, and lines of HTML for a partner to copy.

        `partner`: the partner's id; None without a partner. The lines to copy have this site's public address. The page
        itself names its files by their paths only: it may be served by a host whose name isn't the public one.
        """
        url, path_of = self.urls.liveblog(liveblog.slug), self.urls.path_of
        return self.pages.fill(
            "embed_preview.html",
            texts_for(liveblog.language).language,
            liveblog=liveblog,
            url=url,
            here=path_of(url),
            partner=partner,
            embed_url=self.urls.widget(liveblog.slug, WidgetOptions(partner=partner).attributes),
            script_url=self.urls.widget_script,
            script_here=path_of(self.urls.widget_script),
            pinned_url=self.urls.pinned_widget_script(self.assets.pinned_hash),
            integrity=self.assets.integrity,
            themes=THEMES,
            usual_limit=LIMIT,
            preview_script=path_of(self.urls.static(self.assets.preview)),
            preview_styles=[path_of(self.urls.static(style)) for style in self.assets.preview_styles],
        )

    def oembed(self, liveblog: Liveblog, *, max_width: int | None, max_height: int | None) -> dict[str, Any]:
        """Return the answer of `/oembed` (https://oembed.com, 2.3.4.4), as a JSON object.

        `max_width`, `max_height`: the greatest size in pixels that the consumer permits for the frame; None for no
        limit. Raises NotFound if nobody may embed the live blog.

        From the answer's HTML, WordPress keeps only `a`, `blockquote` and `iframe`, and it needs an `iframe`.

        The answer is the same for all sites, as a request doesn't name the site. If only some sites may embed the live
        blog, the headers of the page in the frame tell the browser which sites these are.

        The frame has a width of 100 %, as a frame of 600 pixels would be wider than the screen of a phone. Editors that
        need a number of pixels find it in the answer's `width`.
        """
        if liveblog.embedding.mode == "nobody":
            # In oEmbed (2.3.3), 404 means that there is no answer for this address, and 401 that the page is private.
            raise NotFound("this live blog is not for other sites: link to it")
        width = max(NARROWEST, min(WIDTH, max_width or WIDTH))
        height = max(LOWEST, min(HEIGHT, max_height or HEIGHT))
        url, title = self.urls.liveblog(liveblog.slug), escape(liveblog.title)
        return {
            "version": "1.0",
            "type": "rich",
            "title": liveblog.title,
            "author_name": self.pages.entries.site_name,
            "author_url": self.urls.home,
            "provider_name": self.pages.entries.site_name,
            "provider_url": self.urls.home,
            "cache_age": CACHE_AGE,
            "thumbnail_url": self.pages.cards.liveblog_url(liveblog),
            "thumbnail_width": 1200,
            "thumbnail_height": 630,
            "width": width,
            "height": height,
            "html": (
                f'<blockquote><a href="{escape(url)}">{title}</a></blockquote>'
                f'<iframe src="{escape(self.urls.widget(liveblog.slug))}" title="{title}" width="100%" '
                f'height="{height}" frameborder="0"></iframe>'
            ),
        }

    def _shell(self, liveblog: Liveblog, texts: Translations) -> dict[str, Any]:
        same = texts.language.split("-")[0].lower() == liveblog.language.split("-")[0].lower()
        ours = {} if same else {"lang": texts.language, "dir": text_direction(texts.language)}
        return {
            "liveblog": liveblog,
            "url": self.urls.liveblog(liveblog.slug),
            "texts": texts,
            "ours": ours,
            "scheme": "auto",
            "attribution": None,
            "pinned": [],
            "articles": [],
        }

    @staticmethod
    def _option_values(options: WidgetOptions) -> dict[str, Any]:
        return {"scheme": options.theme or "auto", "attribution": options.attribution}

    def _articles(self, view: PageView) -> dict[str, Any]:
        return {
            "pinned": self.pages.entries.articles(view.liveblog, view.pinned),
            "articles": self.pages.entries.articles(
                view.liveblog, [entry for entry in view.entries if not entry.pinned]
            ),
        }
