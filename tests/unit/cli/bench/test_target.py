"""Where the server is."""

from __future__ import annotations

import pytest

from liveserver.cli.bench.errors import Refused
from liveserver.cli.bench.target import Target


async def test_urls() -> None:
    """Ports, paths and names are taken from the URL; localhost is looked for in IPv4 first."""
    plain = await Target.find("http://localhost:8000/")
    assert plain == Target("http://localhost:8000", "localhost:8000", "", ("127.0.0.1", 8000), None)
    secure = await Target.find("https://127.0.0.1/live")
    assert (secure.address, secure.tls_name, secure.prefix) == (("127.0.0.1", 443), "127.0.0.1", "/live")
    assert (await Target.find("http://[::1]:81")).address == ("::1", 81)


@pytest.mark.parametrize(
    "url",
    ["", "localhost:8000", "ftp://localhost", "http://", "http://localhost:x", "http://me@localhost", "http://h/?a=b"],
)
async def test_not_a_url(url: str) -> None:
    with pytest.raises(Refused, match="not a server's URL"):
        await Target.find(url)


async def test_an_unknown_host() -> None:
    with pytest.raises(Refused, match=r"can't find nowhere\.invalid"):
        await Target.find("http://nowhere.invalid")
