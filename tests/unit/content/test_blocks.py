"""Typed blocks come to one form each, from whatever form they are sent or pasted in."""

from __future__ import annotations

import pytest

from liveserver.content.sanitiser import sanitise

REL = ' rel="noopener noreferrer"'
NAMES = [f"{digit * 32}-1200x800.jpg" for digit in "abc"]
IMGS = [f'<img src="/media/{name}" alt="{name[0]}">' for name in NAMES]
A, B, C = IMGS


@pytest.mark.parametrize(
    ("body", "kept"),
    [
        # Pictures, with their address on any host and whatever else the HTML says of loading them.
        (
            f'<figure><img src="https://live.example/media/{NAMES[0]}" srcset="x 1w" sizes="x" width="9" height="9" '
            'loading="lazy" decoding="async" alt="a"><figcaption>c</figcaption></figure>',
            f"<figure>{A}<figcaption>c</figcaption></figure>",
        ),
        (f'<img alt="a" src="https://cdn.example/a/b/{NAMES[0]}?v=2#x">', A),
        (f"<p>{A}</p>", f"<figure>{A}</figure>"),
        (f"<p>{A}{B}</p>", f"<p>{A}{B}</p>"),
        (f"<p>text {A}</p>", f"<p>text {A}</p>"),
        (f'<img src="/media/{NAMES[0]}">', '<img src="/media/' + NAMES[0] + '" alt="">'),
        (f'<figure>\n<a href="https://x.example">{A}</a>\n<p></p></figure>', f"<figure>{A}</figure>"),
        (f"<figure><div>{A}</div><div>text</div></figure>", f"<figure>{A}</figure><p></p><p>text</p>"),
        (
            f"<figure>{A}<figcaption><p>a <em>b</em></p><ul><li>c</li></ul></figcaption></figure>",
            f"<figure>{A}<figcaption>a <em>b</em>   c</figcaption></figure>",
        ),
        (f"<figure>{A}<figcaption>\u00a0</figcaption></figure>", f"<figure>{A}</figure>"),
        # Galleries, by their class or by what they hold.
        (
            f'<figure class="wp gallery"><figure>{A}<figcaption>1</figcaption></figure>'
            f"<figure><figcaption>2</figcaption>{B}</figure><figcaption>3</figcaption></figure>",
            f'<figure class="gallery"><figure>{A}<figcaption>1</figcaption></figure>'
            f"<figure>{B}<figcaption>2</figcaption></figure><figcaption>3</figcaption></figure>",
        ),
        (
            f"<figure>{A}<div>{B}</div><ul><li>{C}</li></ul></figure>",
            f'<figure class="gallery"><figure>{A}</figure><figure>{B}</figure><figure>{C}</figure></figure>',
        ),
        (
            f'<figure class="gallery"><figure>{A}<figcaption>1</figcaption></figure>'
            "<figcaption>2</figcaption></figure>",
            f"<figure>{A}<figcaption>1 2</figcaption></figure>",
        ),
        (
            f"<figure><figure><img src='https://evil.example/x.jpg'><figcaption>1</figcaption></figure>{A}</figure>",
            f"<figure>{A}<figcaption>1</figcaption></figure>",
        ),
        # Quotations.
        (
            '<figure><blockquote cite="https://x.example"><p>a</p></blockquote><figcaption>— b</figcaption></figure>',
            '<figure class="quote"><blockquote cite="https://x.example"><p>a</p></blockquote>'
            "<figcaption>— b</figcaption></figure>",
        ),
        ("<figure><blockquote>a</blockquote></figure>", "<blockquote>a</blockquote>"),
        (f"<figure><blockquote>a<figure>{A}</figure></blockquote></figure>", "<blockquote>a</blockquote>"),
        # Embeds: known or not, they are links.
        (
            '<figure class="embed"><p><a href="https://youtu.be/x?a=1&b=2"><em>Le</em> titre</a></p></figure>',
            f'<figure class="embed"><a href="https://youtu.be/x?a=1&amp;b=2"{REL}>Le titre</a></figure>',
        ),
        (
            '<figure class="embed"><a href="https://youtu.be/x"></a>b<figcaption>c</figcaption></figure>',
            f'<figure class="embed"><a href="https://youtu.be/x"{REL}>https://youtu.be/x</a>'
            "<figcaption>c</figcaption></figure>b",
        ),
        ('<figure class="embed"><a href="mailto:a@x.example">b</a></figure>',
         f'<a href="mailto:a@x.example"{REL}>b</a>'),
        ('<figure class="embed">b</figure>', "b"),
        # Anything else: what people wrote stays.
        ("<figure><table><tr><td>a</td></tr></table><figcaption>b</figcaption></figure>", "<p>a</p><p>b</p>"),
        ("<figure>a<figcaption></figcaption></figure>", "a"),
        ("a<figcaption>b</figcaption>", "a<p>b</p>"),
        ("<figure><figure><figure>a</figure></figure></figure>", "a"),
        ("a<figure>12</figure><figure>34</figure>b", "a<p>12</p>34<p>b</p>"),
        ("12<p><img src='https://evil.example/x.jpg'></p>34", "12<p>34</p>"),
        (f"<figure><figcaption>{A}a</figcaption></figure>", "<p>a</p>"),
    ],
)  # fmt: skip
def test_the_forms(body: str, kept: str) -> None:
    kept = kept.replace("<p></p>", "")
    assert sanitise(body) == kept
    assert sanitise(kept) == kept
