"""Which source wins, and how bad settings are named."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from liveserver.domain.errors import SettingsError
from liveserver.settings import load

if TYPE_CHECKING:
    from pathlib import Path


def test_without_any_setting_the_embedded_server_runs() -> None:
    settings = load()
    assert (settings.host, settings.port, settings.workers) == ("127.0.0.1", 8000, 1)
    assert (settings.database_url, settings.redis_url, settings.public_url) == ("sqlite:///live.db", None, None)


def test_a_flag_wins_over_the_environment_and_that_over_the_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("LIVESERVER_HOST=file\nLIVESERVER_PORT=1\nLIVESERVER_POLL=9\nOTHER=x\n")
    monkeypatch.setenv("LIVESERVER_HOST", "environment")
    monkeypatch.setenv("LIVESERVER_PORT", "2")
    settings = load(host="flag", port=None)
    assert (settings.host, settings.port, settings.poll) == ("flag", 2, 9.0)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"port": 65536}, "LIVESERVER_PORT: must be less than or equal to 65535"),
        ({"port": "http"}, "LIVESERVER_PORT: must be a whole number"),
        ({"workers": "1.5"}, "LIVESERVER_WORKERS: must be a whole number"),
        ({"drain": "long"}, "LIVESERVER_DRAIN: must be a number"),
        ({"io_uring": "perhaps"}, "LIVESERVER_IO_URING: must be true or false"),
        ({"workers": 0}, "LIVESERVER_WORKERS: "),
        ({"heartbeat": 0}, "LIVESERVER_HEARTBEAT: "),
        ({"poll": 0}, "LIVESERVER_POLL: "),
        ({"poll_fast": -1}, "LIVESERVER_POLL_FAST: "),
        ({"drain": -1}, "LIVESERVER_DRAIN: "),
        ({"lag_timeout": 0}, "LIVESERVER_LAG_TIMEOUT: "),
        ({"recent_changes": 0}, "LIVESERVER_RECENT_CHANGES: "),
        ({"max_body_size": 10}, "LIVESERVER_MAX_BODY_SIZE: "),
        ({"head_timeout": 0}, "LIVESERVER_HEAD_TIMEOUT: "),
        ({"body_timeout": 121}, "LIVESERVER_BODY_TIMEOUT: "),
        ({"max_connections": -1}, "LIVESERVER_MAX_CONNECTIONS: "),
        ({"log_level": "loud"}, "LIVESERVER_LOG_LEVEL: "),
        ({"public_url": "live.example.org"}, "LIVESERVER_PUBLIC_URL: must be an absolute http(s) URL"),
        ({"public_url": "ftp://x.example"}, "LIVESERVER_PUBLIC_URL: "),
        ({"public_url": "https://x.example/?a=b"}, "LIVESERVER_PUBLIC_URL: "),
        ({"public_url": "https://"}, "LIVESERVER_PUBLIC_URL: "),
        ({"public_url": "https://[x"}, "LIVESERVER_PUBLIC_URL: "),
        ({"media_url": "pictures"}, "LIVESERVER_MEDIA_URL: must be like s3://bucket"),
        ({"media_url": "s3://"}, "LIVESERVER_MEDIA_URL: "),
        ({"media_url": "s3://key:s3cret@bucket"}, "LIVESERVER_MEDIA_URL: "),
        ({"media_url": "s3://bucket/a?b"}, "LIVESERVER_MEDIA_URL: "),
        ({"media_endpoint": "s3.example.org"}, "LIVESERVER_MEDIA_ENDPOINT: must be an absolute http(s) URL"),
        ({"media_public_url": "//cdn.example"}, "LIVESERVER_MEDIA_PUBLIC_URL: "),
        ({"media_max_size": 10}, "LIVESERVER_MEDIA_MAX_SIZE: "),
        ({"media_max_pixels": 10}, "LIVESERVER_MEDIA_MAX_PIXELS: "),
        ({"media_access_key": "a"}, "LIVESERVER_MEDIA_ACCESS_KEY and LIVESERVER_MEDIA_SECRET_KEY go together"),
        ({"mastodon_hosts": "a.example; script-src *"}, "LIVESERVER_MASTODON_HOSTS: must be host names"),
        ({"mastodon_hosts": "https://a.example"}, "LIVESERVER_MASTODON_HOSTS: "),
        ({"mastodon_hosts": "localhost"}, "LIVESERVER_MASTODON_HOSTS: "),
        ({"allowed_hosts": "https://live.example"}, "LIVESERVER_ALLOWED_HOSTS: must be host names without ports"),
        ({"allowed_hosts": "live.example:443"}, "LIVESERVER_ALLOWED_HOSTS: "),
        ({"allowed_hosts": "*.example"}, "LIVESERVER_ALLOWED_HOSTS: "),
        (
            {"forwarded_allow_ips": "nginx"},
            "LIVESERVER_FORWARDED_ALLOW_IPS: must be addresses and networks with commas",
        ),
        ({"forwarded_allow_ips": "10.0.0.0/33"}, "LIVESERVER_FORWARDED_ALLOW_IPS: must be addresses and networks"),
        ({"forwarded_allow_ips": "127.0.0.1,nginx:80"}, "LIVESERVER_FORWARDED_ALLOW_IPS: "),
        ({"limit_exempt": "newsroom"}, "LIVESERVER_LIMIT_EXEMPT: must be addresses and networks with commas between"),
        ({"tls_key": "key.pem"}, "LIVESERVER_TLS_CERTIFICATE and LIVESERVER_TLS_KEY go together"),
        ({"tls_certificate": "c.pem", "tls_key": ""}, "LIVESERVER_TLS_CERTIFICATE and LIVESERVER_TLS_KEY go together"),
        ({"hsts": -1}, "LIVESERVER_HSTS: "),
        ({"oidc_issuer": "http://id.example.org"}, "LIVESERVER_OIDC_ISSUER: must be an https URL"),
        ({"oidc_issuer": "https://u:p@id.example.org"}, "LIVESERVER_OIDC_ISSUER: "),
        ({"oidc_issuer": "https://id.example.org?x=1"}, "LIVESERVER_OIDC_ISSUER: "),
        ({"oidc_issuer": "https://id.example.org:x"}, "LIVESERVER_OIDC_ISSUER: "),
        ({"oidc_issuer": "https://id.example.org"}, "LIVESERVER_OIDC_ISSUER and LIVESERVER_OIDC_CLIENT_ID go together"),
        ({"oidc_role": "owner"}, "LIVESERVER_OIDC_ROLE: "),
        ({"redis_url": "localhost:6379"}, "LIVESERVER_REDIS_URL: must begin with redis://"),
        ({"redis_url": "http://x.example"}, "LIVESERVER_REDIS_URL: "),
        ({"redis_url": "redis://localhost:port"}, "LIVESERVER_REDIS_URL: has a port that is no number"),
        ({"redis_url": "redis://localhost:99999"}, "LIVESERVER_REDIS_URL: has a port that is no number"),
    ],
)
def test_a_bad_setting_is_named(monkeypatch: pytest.MonkeyPatch, given: dict[str, Any], said: str) -> None:
    for name, value in given.items():
        monkeypatch.setenv(f"LIVESERVER_{name.upper()}", str(value))
    with pytest.raises(SettingsError) as caught:
        load()
    assert str(caught.value).startswith(said)


def test_a_bad_setting_is_named_as_it_was_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """A flag by the flag, whatever the environment says; what is wrong beside it by its variable."""
    monkeypatch.setenv("LIVESERVER_PORT", "1")
    monkeypatch.setenv("LIVESERVER_HEARTBEAT", "0")
    with pytest.raises(SettingsError) as caught:
        load(port="abc", poll_fast=None, redis_url="http://x.example", max_body_size="1")
    named = [line.partition(": ")[0] for line in str(caught.value).split("; ")]
    assert named == ["--port", "--redis", "LIVESERVER_HEARTBEAT", "--max-body-size"]


def test_all_bad_settings_are_named_on_one_line() -> None:
    with pytest.raises(SettingsError) as caught:
        load(port=-1, heartbeat=0, public_url="x")
    assert "\n" not in str(caught.value)
    for name in ("--port: ", "--heartbeat: ", "--public-url: "):
        assert name in str(caught.value)


def test_a_bad_value_is_not_repeated() -> None:
    with pytest.raises(SettingsError) as caught:
        load(redis_url="s3cret", public_url="s3cret", port="s3cret")
    assert "s3cret" not in str(caught.value)


def test_a_file_of_settings_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes("LIVESERVER_SITE_NAME=café".encode("latin-1"))
    with pytest.raises(SettingsError, match=f"^{tmp_path}/.env is no text in UTF-8$"):
        load()


def test_a_file_of_settings_that_can_not_be_read(ordinary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ordinary)
    (ordinary / ".env").touch(0o200)
    with pytest.raises(SettingsError, match=f"^can't read {ordinary}/.env: Permission denied$"):
        load()
