"""Which addresses are embeds, and what becomes of them; and which only look like it."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liveserver.content.embed_providers import MASTODON_HOSTS, PROVIDERS, EmbedProviders

EMBEDS = EmbedProviders(["social.example.org"])

YOUTUBE = "https://www.youtube.com/watch?v=dQw4w9WgXcQ"
YOUTUBE_FRAME = "https://www.youtube-nocookie.com/embed/dQw4w9WgXcQ?autoplay=1&playsinline=1"
VIMEO_FRAME = "https://player.vimeo.com/video/76979871?dnt=1&autoplay=1"
DAILYMOTION = ("https://www.dailymotion.com/video/x84sh87", "https://geo.dailymotion.com/player.html?video=x84sh87")
X_FRAME = "https://platform.twitter.com/embed/Tweet.html?id=1791000000000000001&dnt=true"
BLUESKY = "https://bsky.app/profile/lemonde.fr/post/3lbb32nb4322g"
INSTAGRAM = "https://www.instagram.com/p/C1a-b_2/"
TIKTOK = "https://www.tiktok.com/@le.monde_fr/video/7000000000000000001"
SPOTIFY = "https://open.spotify.com/episode/4rOoJ6Egrf8K2IrywzwOMk"

KNOWN = [
    ("https://www.youtube.com/watch?v=dQw4w9WgXcQ", "youtube", YOUTUBE, YOUTUBE_FRAME),
    ("http://youtube.com/watch?feature=share&v=dQw4w9WgXcQ&si=follow", "youtube", YOUTUBE, YOUTUBE_FRAME),
    ("https://youtu.be/dQw4w9WgXcQ?si=follow", "youtube", YOUTUBE, YOUTUBE_FRAME),
    ("https://YouTu.be:443/dQw4w9WgXcQ", "youtube", YOUTUBE, YOUTUBE_FRAME),
    ("https://m.youtube.com/live/dQw4w9WgXcQ/", "youtube", YOUTUBE, YOUTUBE_FRAME),
    ("https://www.youtube-nocookie.com/embed/dQw4w9WgXcQ", "youtube", YOUTUBE, YOUTUBE_FRAME),
    ("https://youtu.be/dQw4w9WgXcQ?t=1m30s", "youtube", f"{YOUTUBE}&t=90", f"{YOUTUBE_FRAME}&start=90"),
    ("https://youtu.be/dQw4w9WgXcQ?t=90", "youtube", f"{YOUTUBE}&t=90", f"{YOUTUBE_FRAME}&start=90"),
    ("https://www.youtube.com/shorts/dQw4w9WgXcQ", "youtube", "https://www.youtube.com/shorts/dQw4w9WgXcQ",
     YOUTUBE_FRAME),
    ("https://vimeo.com/76979871", "vimeo", "https://vimeo.com/76979871", VIMEO_FRAME),
    ("https://vimeo.com/76979871/ab12cd34ef", "vimeo", "https://vimeo.com/76979871/ab12cd34ef",
     f"{VIMEO_FRAME}&h=ab12cd34ef"),
    ("https://player.vimeo.com/video/76979871?h=ab12cd34ef&badge=0", "vimeo", "https://vimeo.com/76979871/ab12cd34ef",
     f"{VIMEO_FRAME}&h=ab12cd34ef"),
    ("https://vimeo.com/channels/staffpicks/76979871", "vimeo", "https://vimeo.com/76979871", VIMEO_FRAME),
    ("https://www.dailymotion.com/video/x84sh87?playlist=x5", "dailymotion", *DAILYMOTION),
    ("https://www.dailymotion.com/video/x84sh87_le-titre_news", "dailymotion", *DAILYMOTION),
    ("https://dai.ly/x84sh87", "dailymotion", *DAILYMOTION),
    ("https://twitter.com/lemondefr/status/1791000000000000001?s=20&t=follow", "x",
     "https://x.com/lemondefr/status/1791000000000000001", X_FRAME),
    ("https://x.com/i/web/status/1791000000000000001/photo/1", "x",
     "https://x.com/i/web/status/1791000000000000001", X_FRAME),
    (BLUESKY, "bluesky", BLUESKY, "https://embed.bsky.app/embed/lemonde.fr/app.bsky.feed.post/3lbb32nb4322g"),
    ("https://bsky.app/profile/did:plc:z72i7hdynmk6r22z27h6tvur/post/3lbb32nb4322g", "bluesky",
     "https://bsky.app/profile/did:plc:z72i7hdynmk6r22z27h6tvur/post/3lbb32nb4322g",
     "https://embed.bsky.app/embed/did:plc:z72i7hdynmk6r22z27h6tvur/app.bsky.feed.post/3lbb32nb4322g"),
    ("https://mastodon.social/@Gargron/100254678717223630", "mastodon",
     "https://mastodon.social/@Gargron/100254678717223630", "https://mastodon.social/@Gargron/100254678717223630/embed"),
    ("https://social.example.org/@desk@other.example/1", "mastodon", "https://social.example.org/@desk@other.example/1",
     "https://social.example.org/@desk@other.example/1/embed"),
    ("https://instagram.com/p/C1a-b_2/?igsh=follow", "instagram", INSTAGRAM, f"{INSTAGRAM}embed/captioned/"),
    ("https://www.instagram.com/lemonde/reel/C1a-b_2", "instagram", "https://www.instagram.com/reel/C1a-b_2/",
     "https://www.instagram.com/reel/C1a-b_2/embed/captioned/"),
    (f"{TIKTOK}?lang=fr", "tiktok", TIKTOK, "https://www.tiktok.com/player/v1/7000000000000000001?rel=0"),
    ("https://m.facebook.com/lemonde.fr/posts/10157000000000000", "facebook",
     "https://www.facebook.com/lemonde.fr/posts/10157000000000000",
     "https://www.facebook.com/plugins/post.php"
     "?href=https%3A%2F%2Fwww.facebook.com%2Flemonde.fr%2Fposts%2F10157000000000000&show_text=true"),
    ("https://www.facebook.com/watch/?v=1015700000", "facebook", "https://www.facebook.com/watch/?v=1015700000",
     "https://www.facebook.com/plugins/video.php"
     "?href=https%3A%2F%2Fwww.facebook.com%2Fwatch%2F%3Fv%3D1015700000&show_text=false"),
    ("https://www.facebook.com/lemonde.fr/videos/un-titre/1015700000", "facebook",
     "https://www.facebook.com/lemonde.fr/videos/1015700000",
     "https://www.facebook.com/plugins/video.php"
     "?href=https%3A%2F%2Fwww.facebook.com%2Flemonde.fr%2Fvideos%2F1015700000&show_text=false"),
    ("https://www.facebook.com/reel/1015700000", "facebook", "https://www.facebook.com/reel/1015700000",
     "https://www.facebook.com/plugins/video.php"
     "?href=https%3A%2F%2Fwww.facebook.com%2Freel%2F1015700000&show_text=false"),
    ("https://open.spotify.com/intl-fr/episode/4rOoJ6Egrf8K2IrywzwOMk?si=follow", "spotify", SPOTIFY,
     SPOTIFY.replace(".com/", ".com/embed/")),
    ("https://soundcloud.com/arteradio/la-mer", "soundcloud", "https://soundcloud.com/arteradio/la-mer",
     "https://w.soundcloud.com/player/?url=https%3A%2F%2Fsoundcloud.com%2Farteradio%2Fla-mer&auto_play=true"),
]  # fmt: skip


@pytest.mark.parametrize(("address", "provider", "url", "src"), KNOWN)
def test_what_is_known(address: str, provider: str, url: str, src: str) -> None:
    found = EMBEDS.recognise(address)
    assert found is not None
    assert (found.provider, found.frame.url, found.frame.src) == (provider, url, src)
    assert (found.frame.ratio is None) != (found.frame.height is None)
    assert found.frame.kind in {"video", "post", "audio"}
    assert "follow" not in found.frame.url + found.frame.src


@pytest.mark.parametrize(("url", "src"), [(url, src) for _, _, url, src in KNOWN])
def test_an_address_of_ours_is_its_own(url: str, src: str) -> None:
    """So that an entry can be edited and published again."""
    found = EMBEDS.recognise(url)
    assert found is not None
    assert (found.frame.url, found.frame.src) == (url, src)


def test_every_provider_is_tried() -> None:
    assert {provider for _, provider, _, _ in KNOWN} == {p.key for p in PROVIDERS} | {"mastodon"}


@pytest.mark.parametrize(
    "address",
    [
        "",
        "youtube.com/watch?v=dQw4w9WgXcQ",
        "//youtube.com/watch?v=dQw4w9WgXcQ",
        "javascript://youtube.com/watch?v=dQw4w9WgXcQ",
        "ftp://youtube.com/watch?v=dQw4w9WgXcQ",
        # Hosts that only look like one.
        "https://youtube.com.evil.example/watch?v=dQw4w9WgXcQ",
        "https://evilyoutube.com/watch?v=dQw4w9WgXcQ",
        "https://youtube.com@evil.example/watch?v=dQw4w9WgXcQ",
        "https://user:word@youtube.com/watch?v=dQw4w9WgXcQ",
        "https://youtube.com:8443/watch?v=dQw4w9WgXcQ",
        "https://youtube.com:/watch?v=dQw4w9WgXcQ",
        "https://youtube.com./watch?v=dQw4w9WgXcQ",
        "https://youtube.com\\@evil.example/watch?v=dQw4w9WgXcQ",
        "https://evil.example\\@youtube.com/watch?v=dQw4w9WgXcQ",
        "https://evil.example#@youtube.com/watch?v=dQw4w9WgXcQ",
        "https://evil.example/https://youtube.com/watch?v=dQw4w9WgXcQ",
        "https://youtubе.com/watch?v=dQw4w9WgXcQ",
        "https://ｙoutube.com/watch?v=dQw4w9WgXcQ",
        "https://youtube。com/watch?v=dQw4w9WgXcQ",
        "https://xn--youtub-2of.com/watch?v=dQw4w9WgXcQ",
        "https://youtu%62e.com/watch?v=dQw4w9WgXcQ",
        "https://[::1]/watch?v=dQw4w9WgXcQ",
        "https://[youtube.com/watch?v=dQw4w9WgXcQ",
        "https://mastodon.social.evil.example/@a/1",
        "https://elsewhere.example/@a/1",
        # Ids that aren't.
        "https://youtube.com/watch?v=dQw4w9WgXcQ\n",
        " https://youtube.com/watch?v=dQw4w9WgXcQ",
        "https://youtube.com/watch?v=dQw4w9WgXc",
        "https://youtube.com/watch?v=dQw4w9WgXcQ%0a",
        'https://youtube.com/watch?v="><script>a',
        "https://youtube.com/watch?v=dQw4w9WgXcQ&v=aaaaaaaaaaa",
        "https://youtube.com/watch/../dQw4w9WgXcQ",
        "https://youtu.be/dQw4w9WgXcQ/../../x",
        "https://youtu.be/dQw4w9WgXcＱ",
        "https://youtube.com/@channel",
        "https://youtube.com/",
        "https://vimeo.com/about",
        "https://vimeo.com/76979871/javascript",
        "https://x.com/lemondefr",
        "https://x.com/lemondefr/status/1791000000000000001x",
        "https://bsky.app/profile/lemonde.fr",
        "https://bsky.app/profile/../post/3lbb32nb4322g/x",
        "https://mastodon.social/@Gargron",
        "https://mastodon.social/@Gargron/1/../../evil",
        "https://www.instagram.com/lemonde/",
        "https://www.tiktok.com/@lemonde",
        "https://www.facebook.com/lemonde.fr",
        "https://www.facebook.com/../posts/10157000000000000",
        "https://www.facebook.com/plugins/post.php?href=https://evil.example",
        "https://open.spotify.com/user/x",
        "https://soundcloud.com/arteradio",
        "https://soundcloud.com/arteradio/sets",
        "https://soundcloud.com/discover/sets/x",
        f"https://youtube.com/watch?v=dQw4w9WgXcQ&x={'a' * 500}",
        f"https://youtube.com/watch?v=dQw4w9WgXcQ{'&a=b' * 60}",
    ],
)
def test_what_is_not(address: str) -> None:
    assert EMBEDS.recognise(address) is None


SPOILING = [*"/?#&=@:.%\\\"'<>[]\n\t \x00é｡＠", "..", "//", "evil.example"]


@given(
    st.sampled_from([url for url, *_ in KNOWN]),
    st.lists(
        st.tuples(st.integers(0, 120), st.sampled_from(SPOILING)),
        max_size=4,
    ),
)
def test_whatever_comes_in_a_frame_is_the_providers(address: str, changes: list[tuple[int, str]]) -> None:
    """Known addresses with something put into them."""
    for place, text in changes:
        address = address[:place] + text + address[place:]
    found = EMBEDS.recognise(address)
    if found is None:
        return
    frame = urlsplit(found.frame.src)
    assert f"{frame.scheme}://{frame.netloc}" in EMBEDS.frame_sources
    for made in (found.frame.src, found.frame.url):
        assert re.fullmatch(r"https://[a-z0-9.-]+/[A-Za-z0-9_.~/?&=%@:+-]*", made, re.ASCII)
        assert ".." not in urlsplit(made).path.split("/")


def test_frame_sources() -> None:
    """One origin each, for the page's policy; the newsroom's own servers among them."""
    sources = EMBEDS.frame_sources
    assert "https://social.example.org" in sources
    assert {f"https://{host}" for host in MASTODON_HOSTS} < set(sources)
    assert {provider.frames for provider in PROVIDERS} < set(sources)
    assert all(re.fullmatch(r"https://[a-z0-9.-]+", source) for source in sources)
    assert "https://social.example.org" not in EmbedProviders().frame_sources
