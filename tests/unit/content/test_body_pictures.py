"""Pictures in bodies: what is written is what is read."""

from __future__ import annotations

import pytest

from liveserver.content.body_pictures import BodyPicture, body_pictures, has_picture, replace_pictures
from liveserver.content.media.picture import Picture
from liveserver.content.sanitiser import sanitise

ONE, TWO = Picture("0" * 32, 1600, 900, "jpg"), Picture("f" * 32, 1, 2, "webp")
ALT = "L’été &quot;ici&quot; &amp; &lt;là&gt;"
BODY = f"<p>a</p><figure>{BodyPicture(ONE, ALT).html}<figcaption>b</figcaption></figure>{BodyPicture(TWO, '').html}"


def test_what_is_written_is_read() -> None:
    assert BodyPicture(TWO, "x").html == f'<img src="/media/{TWO.name}" alt="x">'
    assert list(body_pictures(BODY)) == [BodyPicture(ONE, ALT), BodyPicture(TWO, "")]


def test_it_is_what_the_sanitiser_keeps() -> None:
    """Wherever the picture was said to be, and however its tag was written."""
    html = f"<IMG alt='{ALT}' loading=lazy src='https://there.example/x/{ONE.name}?a#b'>"
    assert list(body_pictures(sanitise(html))) == [BodyPicture(ONE, ALT)]
    assert sanitise(BODY) == BODY


def test_replaced_one_by_one() -> None:
    assert replace_pictures(BODY, lambda kept: kept.html) == BODY
    assert replace_pictures(BODY, lambda kept: f"[{kept.picture.width}]") == (
        "<p>a</p><figure>[1600]<figcaption>b</figcaption></figure>[1]"
    )


@pytest.mark.parametrize("name", ["x.jpg", f"{'0' * 31}-1x1.jpg", "../a", f"{ONE.name}?x"])
def test_a_name_that_is_none_is_left_alone(name: str) -> None:
    body = f'<img src="/media/{name}" alt="x">'
    assert list(body_pictures(body)) == []
    assert replace_pictures(body, lambda _: "") == body


def test_whether_there_is_one() -> None:
    assert has_picture(BODY)
    assert not has_picture("<p>/media/ &lt;img </p>")
