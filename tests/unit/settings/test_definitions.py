"""The values that each setting may have, and those that follow from several."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from liveserver.domain.errors import SettingsError
from liveserver.settings import Settings, load
from tests.support.checkout import ROOT


def test_settings_do_not_change() -> None:
    settings = load()
    with pytest.raises(ValidationError):
        settings.port = 1


@pytest.mark.parametrize("name", ["redis_url", "public_url", "site_name", "media_url", "media_public_url", "media_dir"])
def test_an_empty_text_is_none(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(f"LIVESERVER_{name.upper()}", "")
    assert getattr(load(), name) is None


def test_more_than_one_worker_needs_redis() -> None:
    with pytest.raises(SettingsError, match="2 workers need Redis") as caught:
        load(workers=2)
    assert not str(caught.value).startswith("LIVESERVER_"), "no single setting is wrong"
    assert load(workers=2, redis_url="redis://localhost").workers == 2


@pytest.mark.parametrize("url", ["redis://h:6379/0", "rediss://u:p@h", "unix:///run/redis.sock", "redis://[::1]:6379"])
def test_addresses_of_redis(url: str) -> None:
    assert load(redis_url=url).redis_url == url


@pytest.mark.parametrize(
    ("flags", "base"),
    [
        ({}, "http://localhost:8000"),
        ({"host": "0.0.0.0", "port": 80}, "http://localhost:80"),
        ({"host": "::"}, "http://localhost:8000"),
        ({"host": "::1"}, "http://[::1]:8000"),
        ({"host": "192.0.2.1"}, "http://192.0.2.1:8000"),
        ({"tls_certificate": "c.pem", "tls_key": "k.pem"}, "https://localhost:8000"),
        ({"tls_certificate": "c.pem", "tls_key": "k.pem", "host": "::1"}, "https://[::1]:8000"),
        ({"public_url": "https://live.example.org/"}, "https://live.example.org"),
        ({"public_url": "https://example.org/live/"}, "https://example.org/live"),
    ],
)
def test_the_base_url(flags: dict[str, Any], base: str) -> None:
    assert load(**flags).base_url == base


@pytest.mark.parametrize(
    ("flags", "directory"),
    [
        ({}, "media"),
        ({"database_url": "sqlite:///data/live.db"}, "data/media"),
        ({"database_url": "sqlite:////var/lib/live.db"}, "/var/lib/media"),
        ({"database_url": "postgresql://h/db"}, "media"),
        ({"database_url": "sqlite:///data/live.db", "media_dir": "/srv/pictures"}, "/srv/pictures"),
    ],
)
def test_the_directory_of_pictures(flags: dict[str, Any], directory: str) -> None:
    assert str(load(**flags).media_directory) == directory


def test_mastodon_servers() -> None:
    assert load(mastodon_hosts=" Social.Example.org , b.example,").mastodon_hosts == "social.example.org,b.example"


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ("", ""),
        ("*", "*"),
        (" 127.0.0.1 , ::1,", "127.0.0.1,::1"),
        # Our server's proxy middleware takes no network with bits beyond its mask.
        ("172.30.81.9/24, 2001:DB8::1/32", "172.30.81.0/24,2001:db8::/32"),
        ("*,172.30.81.0/24", "172.30.81.0/24,*"),
    ],
)
def test_proxies(given: str, taken: str) -> None:
    """Addresses and networks, as all who read the setting understand them; or any address."""
    assert load(forwarded_allow_ips=given).forwarded_allow_ips == taken


def test_a_proxy_s_name_is_answered_with_what_to_give_instead() -> None:
    with pytest.raises(SettingsError, match=r"the name of a host or a container isn't possible: give .* the network"):
        load(forwarded_allow_ips="nginx")


def test_hosts() -> None:
    assert load().hosts == frozenset()
    named = load(allowed_hosts="Live.example, node_1,", public_url="https://[2001:db8::1]:8443")
    assert named.hosts == {"live.example", "node_1", "localhost", "2001:db8::1"}


def test_a_bucket() -> None:
    assert load(media_url="s3://pictures.example/a/b/").media_url == "s3://pictures.example/a/b"
    assert load(media_url="s3://pictures").media_url == "s3://pictures"


def test_the_reference_is_what_there_is() -> None:
    """Every setting has its row, with the default, a unit and a reason; and there is no row of anything else."""
    rows = [
        [cell.strip() for cell in line.strip("|\n").split("|")]
        for line in (ROOT / "docs" / "settings.md").read_text("utf-8").splitlines()
        if line.startswith("| `LIVESERVER_")
    ]
    defaults = {
        f"`LIVESERVER_{name.upper()}`": "none" if field.default in {None, ""} else f"`{field.default}`"
        for name, field in Settings.model_fields.items()
    }
    assert [(variable, default) for variable, default, _, _ in rows] == list(defaults.items())
    assert all(unit and reason for _, _, unit, reason in rows)
