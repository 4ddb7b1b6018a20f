"""Pictures that an editor sends to a site."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.support.images import located, quarters, saved

if TYPE_CHECKING:
    import httpx2

    from tests.support.api.site import JSON, Site

MEDIA = "/api/v1/media"
PICTURE = saved(quarters(1000, 500), "JPEG", exif=located(), quality=95)


async def send(site: Site, data: bytes = PICTURE, **fields: Any) -> httpx2.Response:
    """A picture in a form."""
    fields = {"alt": "La mer", **fields}
    return await site.editor.post(MEDIA, files={"file": ("photo.jpg", data, "image/jpeg")}, data=fields)


async def sent(site: Site, data: bytes = PICTURE, **fields: Any) -> JSON:
    """The picture that was made of it."""
    response = await send(site, data, **fields)
    assert response.status_code == 201, response.text
    picture: JSON = response.json()
    return picture
