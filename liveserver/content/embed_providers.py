"""Providers of embeds: sites whose videos, posts and sounds we recognise by their addresses and show in a frame.

The authors of entries write these addresses, so we parse them strictly: the host must be exactly one of the provider's
hosts. Only ids, names and start times of a known form are copied from an author's address to the frame's address.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import parse_qs, quote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from urllib.parse import SplitResult

MASTODON_HOSTS = (
    *("mastodon.social", "mastodon.online", "mstdn.social", "mas.to", "mastodon.world", "fosstodon.org"),
    *("piaille.fr", "mamot.fr", "framapiaf.org", "journa.host", "newsie.social", "social.network.europa.eu"),
)
"""The hosts of Mastodon servers that are known without a setting. The list is needed, as a path like `/@name/123`
proves nothing: any site could have such a path."""

LANDSCAPE = "16 / 9"
PORTRAIT = "9 / 16"

_ADDRESS = re.compile(r"https?://[\x21-\x5b\x5d-\x7e]{1,480}", re.ASCII | re.IGNORECASE)
"""A pattern of HTTP(S) addresses that have at most 480 characters after `://`, all of them visible ASCII characters.
The backslash isn't allowed, as browsers read it as a slash."""
_HOST = re.compile(r"[a-z0-9]+(?:[.-][a-z0-9]+)*(?::443)?", re.ASCII)


class EmbedFrame(NamedTuple):
    """The frame that shows an embed, and the page of the provider that has the same content."""

    kind: str
    """The kind of content that the frame shows: `video`, `post` or `audio`."""
    url: str
    """The address of the provider's page, without parameters that track readers."""
    src: str
    """The address of the frame. If the provider serves frames from several hosts, this address is on the host that
    learns least about the reader."""
    ratio: str | None = None
    """The ratio of the width to the height of the frame, as CSS writes it; None if `height` is given."""
    height: int | None = None
    """The initial height of the frame in pixels; None if `ratio` is given."""


class Embed(NamedTuple):
    """An embed: content of another site that can be shown in a frame."""

    provider: str
    """The key of the provider: `youtube`, `bluesky` …"""
    provider_name: str
    frame: EmbedFrame


class Provider(NamedTuple):
    """A provider of embeds. `frames`: the origin of the provider's frames. `read`: returns the frame for an address on
    one of `hosts`; None if the address leads to nothing that can be shown."""

    key: str
    name: str
    hosts: tuple[str, ...]
    frames: str
    read: Callable[[SplitResult], EmbedFrame | None]


class EmbedProviders:
    """All providers that we recognise. `mastodon_hosts`: the hosts of Mastodon servers that the settings add to
    MASTODON_HOSTS."""

    def __init__(self, mastodon_hosts: Collection[str] = ()) -> None:
        self._mastodon = frozenset({*MASTODON_HOSTS, *mastodon_hosts})

    def recognise(self, address: str) -> Embed | None:
        """Return the embed for an address. None if the address isn't on a known provider's host, or leads to nothing
        that can be shown."""
        if not _ADDRESS.fullmatch(address):
            return None
        try:
            parts = urlsplit(address)
        except ValueError:
            return None
        # The part between `//` and the path must be a host only: no user, no port other than 443, no dot at the end.
        host = parts.netloc.lower()
        if not _HOST.fullmatch(host):
            return None
        host = host.removesuffix(":443")
        if host in self._mastodon:
            frame = _mastodon(host, parts)
            return Embed("mastodon", "Mastodon", frame) if frame else None
        provider = _BY_HOST.get(host)
        frame = provider.read(parts) if provider else None
        return Embed(provider.key, provider.name, frame) if provider and frame else None

    @property
    def frame_sources(self) -> list[str]:
        """The origins of all providers' frames, sorted, for `frame-src` of a Content-Security-Policy."""
        return sorted({*(p.frames for p in PROVIDERS), *(f"https://{host}" for host in self._mastodon)})


def _match(pattern: str, parts: SplitResult) -> re.Match[str] | None:
    """Match the whole path of an address with a pattern, and return the match; None if the path doesn't match.

    A slash at the end of the path is optional.
    """
    return re.fullmatch(pattern + "/?", parts.path, re.ASCII)


def _query(parts: SplitResult, name: str, pattern: str) -> str | None:
    """Return the value of a query parameter. None if the parameter doesn't occur exactly once, if the pattern doesn't
    match the whole value, or if the address has more than 30 parameters."""
    try:
        values = parse_qs(parts.query, max_num_fields=30).get(name, [])
    except ValueError:
        return None
    return values[0] if len(values) == 1 and re.fullmatch(pattern, values[0], re.ASCII) else None


def _seconds(text: str | None) -> int:
    """Return how many seconds a text like `90`, `90s`, `1m30s` or `1h2m3s` means; 0 if the text has another form."""
    match = re.fullmatch(r"(?:(\d{1,2})h)?(?:(\d{1,3})m)?(?:(\d{1,5})s?)?", text or "", re.ASCII)
    if not match:
        return 0
    hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return hours * 3600 + minutes * 60 + seconds


_YOUTUBE_ID = r"[A-Za-z0-9_-]{11}"


def _youtube(parts: SplitResult) -> EmbedFrame | None:
    short = parts.netloc.lower().startswith("youtu.be")
    if short:
        match = _match(rf"/({_YOUTUBE_ID})", parts)
    elif _match("/watch", parts):
        match = re.fullmatch(rf"({_YOUTUBE_ID})", _query(parts, "v", _YOUTUBE_ID) or "", re.ASCII)
    else:
        match = _match(rf"/(?:shorts|live|embed|v)/({_YOUTUBE_ID})", parts)
    if match is None:
        return None
    video = match[1]
    start = _seconds(_query(parts, "t", r"[0-9hms]{1,12}") or _query(parts, "start", r"[0-9]{1,6}"))
    portrait = parts.path.startswith("/shorts/")
    url = f"https://www.youtube.com/shorts/{video}" if portrait else f"https://www.youtube.com/watch?v={video}"
    frame = f"https://www.youtube-nocookie.com/embed/{video}?autoplay=1&playsinline=1"
    if start:
        url, frame = f"{url}{'?' if portrait else '&'}t={start}", f"{frame}&start={start}"
    return EmbedFrame("video", url, frame, ratio=PORTRAIT if portrait else LANDSCAPE)


def _vimeo(parts: SplitResult) -> EmbedFrame | None:
    pattern = r"(?:/video|/channels/[\w-]{1,60}|/groups/[\w-]{1,60}/videos)?/(\d{4,12})(?:/([0-9a-f]{6,20}))?"
    match = _match(pattern, parts)
    if match is None:
        return None
    # Vimeo shows an unlisted video only if the request has this hash.
    unlisted_hash = match[2] or _query(parts, "h", "[0-9a-f]{6,20}")
    frame = f"https://player.vimeo.com/video/{match[1]}?dnt=1&autoplay=1"
    url = f"https://vimeo.com/{match[1]}"
    if unlisted_hash:
        url, frame = f"{url}/{unlisted_hash}", f"{frame}&h={unlisted_hash}"
    return EmbedFrame("video", url, frame, ratio=LANDSCAPE)


def _dailymotion(parts: SplitResult) -> EmbedFrame | None:
    short = parts.netloc.lower().startswith("dai.ly")
    match = _match(r"/([A-Za-z0-9]{5,20})" if short else r"/(?:embed/)?video/([A-Za-z0-9]{5,20})(?:_[^/]*)?", parts)
    if match is None:
        return None
    return EmbedFrame(
        "video",
        f"https://www.dailymotion.com/video/{match[1]}",
        f"https://geo.dailymotion.com/player.html?video={match[1]}",
        ratio=LANDSCAPE,
    )


def _x(parts: SplitResult) -> EmbedFrame | None:
    match = _match(r"/(\w{1,20}|i/web)/status(?:es)?/(\d{1,20})(?:/(?:photo|video)/\d)?", parts)
    if match is None:
        return None
    return EmbedFrame(
        "post",
        f"https://x.com/{match[1]}/status/{match[2]}",
        f"https://platform.twitter.com/embed/Tweet.html?id={match[2]}&dnt=true",
        height=550,
    )


def _bluesky(parts: SplitResult) -> EmbedFrame | None:
    actor = r"did:(?:plc|web):[A-Za-z0-9.:-]{3,100}|[A-Za-z0-9][A-Za-z0-9.-]{2,252}"
    match = _match(rf"/profile/({actor})/post/([a-z0-9]{{8,20}})", parts)
    if match is None:
        return None
    return EmbedFrame(
        "post",
        f"https://bsky.app/profile/{match[1]}/post/{match[2]}",
        f"https://embed.bsky.app/embed/{match[1]}/app.bsky.feed.post/{match[2]}",
        height=450,
    )


def _mastodon(host: str, parts: SplitResult) -> EmbedFrame | None:
    match = _match(r"/(@\w{1,60}(?:@[a-z0-9.-]{3,253})?)/(\d{1,20})(?:/embed)?", parts)
    if match is None:
        return None
    url = f"https://{host}/{match[1]}/{match[2]}"
    return EmbedFrame("post", url, f"{url}/embed", height=450)


def _instagram(parts: SplitResult) -> EmbedFrame | None:
    match = _match(r"(?:/[\w.]{1,40})?/(p|reel|reels|tv)/([A-Za-z0-9_-]{5,40})(?:/embed(?:/captioned)?)?", parts)
    if match is None:
        return None
    url = f"https://www.instagram.com/{match[1].replace('reels', 'reel')}/{match[2]}/"
    return EmbedFrame("post", url, f"{url}embed/captioned/", height=700)


def _tiktok(parts: SplitResult) -> EmbedFrame | None:
    match = _match(r"/(@[\w.]{1,60})/video/(\d{5,25})", parts)
    if match is None:
        return None
    return EmbedFrame(
        "video",
        f"https://www.tiktok.com/{match[1]}/video/{match[2]}",
        f"https://www.tiktok.com/player/v1/{match[2]}?rel=0",
        ratio=PORTRAIT,
    )


def _facebook(parts: SplitResult) -> EmbedFrame | None:
    if _match("/watch", parts):
        video = _query(parts, "v", r"\d{5,25}")
        return _facebook_video(f"https://www.facebook.com/watch/?v={video}") if video else None
    if match := _match(r"/(\w[\w.-]{0,79})/videos/(?:[\w.-]{1,120}/)?(\d{5,25})", parts):
        return _facebook_video(f"https://www.facebook.com/{match[1]}/videos/{match[2]}")
    if match := _match(r"/reel/(\d{5,25})", parts):
        return _facebook_video(f"https://www.facebook.com/reel/{match[1]}", PORTRAIT)
    if match := _match(r"/(\w[\w.-]{0,79})/posts/(?:[\w.-]{1,120}/)?(\d{5,25}|pfbid[A-Za-z0-9]{10,100})", parts):
        url = f"https://www.facebook.com/{match[1]}/posts/{match[2]}"
        frame = f"https://www.facebook.com/plugins/post.php?href={quote(url, safe='')}&show_text=true"
        return EmbedFrame("post", url, frame, height=600)
    return None


def _facebook_video(url: str, ratio: str = LANDSCAPE) -> EmbedFrame:
    frame = f"https://www.facebook.com/plugins/video.php?href={quote(url, safe='')}&show_text=false"
    return EmbedFrame("video", url, frame, ratio=ratio)


def _spotify(parts: SplitResult) -> EmbedFrame | None:
    match = _match(
        r"(?:/intl-[a-z]{2})?(?:/embed)?/(track|album|playlist|artist|episode|show)/([A-Za-z0-9]{22})", parts
    )
    if match is None:
        return None
    path = f"{match[1]}/{match[2]}"
    return EmbedFrame(
        "audio",
        f"https://open.spotify.com/{path}",
        f"https://open.spotify.com/embed/{path}",
        height=352 if match[1] in {"album", "playlist", "artist"} else 152,
    )


_NO_SOUND = r"(?!(?:discover|stream|search|you|upload|settings|pages|charts|tags)/)"


def _soundcloud(parts: SplitResult) -> EmbedFrame | None:
    match = _match(rf"/{_NO_SOUND}([a-z0-9_-]{{1,60}})/((?:sets/)?[a-z0-9_-]{{1,120}})", parts)
    if match is None or match[2] in {"sets", "tracks", "albums", "likes", "reposts", "followers", "following"}:
        return None
    url = f"https://soundcloud.com/{match[1]}/{match[2]}"
    frame = f"https://w.soundcloud.com/player/?url={quote(url, safe='')}&auto_play=true"
    return EmbedFrame("audio", url, frame, height=450 if "sets/" in match[2] else 166)


PROVIDERS = (
    Provider(
        "youtube",
        "YouTube",
        (
            *("youtube.com", "www.youtube.com", "m.youtube.com", "music.youtube.com", "youtu.be"),
            *("youtube-nocookie.com", "www.youtube-nocookie.com"),
        ),
        "https://www.youtube-nocookie.com",
        _youtube,
    ),
    Provider("vimeo", "Vimeo", ("vimeo.com", "www.vimeo.com", "player.vimeo.com"), "https://player.vimeo.com", _vimeo),
    Provider(
        "dailymotion",
        "Dailymotion",
        ("dailymotion.com", "www.dailymotion.com", "dai.ly"),
        "https://geo.dailymotion.com",
        _dailymotion,
    ),
    Provider(
        "x",
        "X",
        ("x.com", "www.x.com", "twitter.com", "www.twitter.com", "mobile.twitter.com"),
        "https://platform.twitter.com",
        _x,
    ),
    Provider("bluesky", "Bluesky", ("bsky.app", "www.bsky.app"), "https://embed.bsky.app", _bluesky),
    Provider("instagram", "Instagram", ("instagram.com", "www.instagram.com"), "https://www.instagram.com", _instagram),
    Provider("tiktok", "TikTok", ("tiktok.com", "www.tiktok.com"), "https://www.tiktok.com", _tiktok),
    Provider(
        "facebook",
        "Facebook",
        ("facebook.com", "www.facebook.com", "m.facebook.com"),
        "https://www.facebook.com",
        _facebook,
    ),
    Provider("spotify", "Spotify", ("open.spotify.com",), "https://open.spotify.com", _spotify),
    Provider(
        "soundcloud",
        "SoundCloud",
        ("soundcloud.com", "www.soundcloud.com", "m.soundcloud.com"),
        "https://w.soundcloud.com",
        _soundcloud,
    ),
)
_BY_HOST = {host: provider for provider in PROVIDERS for host in provider.hosts}
