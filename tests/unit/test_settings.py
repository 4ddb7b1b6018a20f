"""Where settings come from, what they refuse, and what they don't show."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError

from liveserver.domain.errors import SettingsError
from liveserver.settings import (
    Settings,
    hide_password,
    key_of,
    load,
    nearest_setting,
    take_client_variables,
    unknown_settings,
    unknown_variables,
    unreadable_lines,
)
from tests.support.checkout import ROOT

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.upper().startswith("LIVESERVER_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


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


def test_settings_do_not_change() -> None:
    settings = load()
    with pytest.raises(ValidationError):
        settings.port = 1


@pytest.mark.parametrize("name", ["redis_url", "public_url", "site_name", "media_url", "media_public_url", "media_dir"])
def test_an_empty_text_is_none(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(f"LIVESERVER_{name.upper()}", "")
    assert getattr(load(), name) is None


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"port": 65536}, "LIVESERVER_PORT: "),
        ({"port": "http"}, "LIVESERVER_PORT: "),
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


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://h:6379/0", "redis://h:6379/0"),
        ("redis://:s3cret@h:6379/0", "redis://:***@h:6379/0"),
        ("postgresql://u:s3@cret@h/db?sslmode=require", "postgresql://u:***@h/db?sslmode=require"),
        ("postgresql://u:@h/db", "postgresql://u:***@h/db"),
        ("postgresql://u@h/db?password=s3cret&x=1", "postgresql://u@h/db?password=***&x=1"),
        ("redis://h?password=s3cret", "redis://h?password=***"),
        ("sqlite:///live.db", "sqlite:///live.db"),
        ("postgresql://u:p#s3cret@h/db", "postgresql://u:***@h/db"),
        ("postgresql://u:p/s3cret?@h/db", "postgresql://u:***@h/db"),
        ("postgresql://u:p[s3cret@h/db", "postgresql://u:***@h/db"),
    ],
)
def test_passwords_are_hidden(url: str, shown: str) -> None:
    assert hide_password(url) == shown


def test_the_redacted_settings_are_all_of_them_without_passwords() -> None:
    shown = load(database_url="postgresql://u:s3cret@h/db", redis_url="redis://:s3cret@h").redacted()
    assert set(shown) == set(Settings.model_fields)
    assert "s3cret" not in str(shown)
    assert shown["redis_url"] == "redis://:***@h"
    assert shown["public_url"] is None
    assert shown["media_secret_key"] is None
    hidden = load(media_access_key="a", media_secret_key="s3cret")
    assert hidden.redacted()["media_secret_key"] == "***"
    assert "s3cret" not in repr(hidden)


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


def test_misspelt_variables_are_found() -> None:
    known = ["LIVESERVER_PORT", "LIVESERVER_KEY", "LIVESERVER_URL", "LIVESERVER_TEST_REQUIRE_SERVICES", "PATH"]
    assert unknown_variables([*known, "LIVESERVER_PROT", "LIVESERVER_"]) == ["LIVESERVER_", "LIVESERVER_PROT"]
    assert unknown_variables(["liveserver_port", "liveserver_prot"]) == ["LIVESERVER_PROT"]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("PROT", "PORT"),
        ("RATE_LIMIT", "LIMIT_PAGES"),
        ("DB_URL", "DATABASE_URL"),
        ("LOGLEVEL", "LOG_LEVEL"),
        ("MAX_BODY", "MAX_BODY_SIZE"),
        ("KEI", "KEY"),
        ("URI", "URL"),
        ("SECRET", None),
        ("", None),
    ],
)
def test_what_a_misspelt_variable_may_mean(written: str, meant: str | None) -> None:
    """Its letters count, and its words in any order."""
    assert nearest_setting(f"LIVESERVER_{written}") == (meant and f"LIVESERVER_{meant}")


@pytest.mark.parametrize(
    ("lines", "environment", "expected"),
    [
        ("LIVESERVER_URL=http://a\nLIVESERVER_KEY=lv_1\n", {}, ("http://a", "lv_1", None)),
        ("LIVESERVER_URL=http://a\n", {"LIVESERVER_URL": "http://b"}, ("http://b", None, None)),
        ("LIVESERVER_KEY=lv_1\n", {"LIVESERVER_KEY_FILE": "f"}, (None, None, "f")),
        ("LIVESERVER_PORT=8001\n", {}, ("http://localhost:8001", None, None)),
        ("LIVESERVER_PORT=8001\n", {"LIVESERVER_PORT": "8002"}, ("http://localhost:8002", None, None)),
        ("LIVESERVER_PORT=8001\nLIVESERVER_TLS_CERTIFICATE=c.pem\n", {}, (None, None, None)),
        (b"\xff", {}, (None, None, None)),
        ("", {}, (None, None, None)),
    ],
)
def test_clients_read_the_file_too(
    lines: str | bytes,
    environment: dict[str, str],
    expected: tuple[str | None, ...],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """The environment comes first; a server that runs in the same folder is there without being named."""
    (tmp_path / ".env").write_bytes(lines if isinstance(lines, bytes) else lines.encode())
    monkeypatch.chdir(tmp_path)
    names = ("LIVESERVER_URL", "LIVESERVER_KEY", "LIVESERVER_KEY_FILE")
    monkeypatch.setattr(os, "environ", dict(environment))
    take_client_variables()
    assert tuple(os.environ.get(name) for name in names) == expected


def test_the_environment_and_the_file_are_looked_through(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("LIVESERVER_PORT=1\nLIVESERVER_URL=http://a.example\nliveserver_drian=3\nOTHER=1\n")
    monkeypatch.setenv("LIVESERVER_LIMIT_PAGE", "7")
    assert unknown_settings() == {
        "LIVESERVER_DRIAN": "LIVESERVER_DRAIN",
        "LIVESERVER_LIMIT_PAGE": "LIVESERVER_LIMIT_PAGES",
    }


def test_lines_that_are_none(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """They are named, with the file; the others count. The library that reads the file says nothing of them."""
    assert unreadable_lines() == []
    (tmp_path / ".env").write_text('# a comment\n\nLIVESERVER_PORT=1\nbroken line "\nexport LIVESERVER_POLL=3\n= x\n')
    settings = load()
    assert (settings.port, settings.poll) == (1, 3)
    assert unknown_settings() == {}
    assert unreadable_lines() == [f"{tmp_path}/.env:4", f"{tmp_path}/.env:6"]
    assert caplog.text == ""


def test_a_file_of_settings_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes("LIVESERVER_SITE_NAME=café".encode("latin-1"))
    with pytest.raises(SettingsError, match=f"^{tmp_path}/.env is no text in UTF-8$"):
        load()


def test_a_file_of_settings_that_can_not_be_read(ordinary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ordinary)
    (ordinary / ".env").touch(0o200)
    with pytest.raises(SettingsError, match=f"^can't read {ordinary}/.env: Permission denied$"):
        load()


def test_passwords_are_not_in_what_a_traceback_shows() -> None:
    assert "s3cret" not in repr(load(database_url="postgresql://u:s3cret@h/db", redis_url="redis://:s3cret@h"))


SECRET = "postgresql://live:s3cret@db/live"


@pytest.mark.parametrize(
    ("name", "value"),
    [("database_url", SECRET), ("redis_url", "redis://:s3cret@cache"), ("media_secret_key", "s3cret ")],
)
def test_a_password_may_be_in_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, value: str) -> None:
    """Its last line's end isn't part of it; what shows the settings shows no more than it ever does."""
    monkeypatch.setenv("LIVESERVER_MEDIA_ACCESS_KEY", "a")
    monkeypatch.setenv("LIVESERVER_MEDIA_SECRET_KEY", "b")
    monkeypatch.delenv(f"LIVESERVER_{name.upper()}", raising=False)
    for ending in ("", "\n", "\r\n"):
        (tmp_path / "secret").write_bytes((value + ending).encode())
        monkeypatch.setenv(f"LIVESERVER_{name.upper()}_FILE", str(tmp_path / "secret"))
        settings = load()
        assert getattr(settings, name) == value
        assert "s3cret" not in str(settings.redacted()) + repr(settings)


def test_a_file_that_the_file_of_settings_names(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(SECRET)
    (tmp_path / ".env").write_text("LIVESERVER_DATABASE_URL_FILE=secret\n")
    assert load().database_url == SECRET


def test_what_wins_over_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What wins over the setting itself: a flag over the environment, that over `.env`. What loses isn't even read."""
    (tmp_path / ".env").write_text("LIVESERVER_DATABASE_URL_FILE=absent\nLIVESERVER_REDIS_URL=redis://file\n")
    monkeypatch.setenv("LIVESERVER_DATABASE_URL", "sqlite:///environment.db")
    assert load().database_url == "sqlite:///environment.db"
    (tmp_path / "redis").write_text("redis://secret")
    monkeypatch.setenv("LIVESERVER_REDIS_URL_FILE", "redis")
    assert load().redis_url == "redis://secret"
    monkeypatch.setenv("LIVESERVER_REDIS_URL_FILE", "absent")
    assert load(redis_url="redis://flag").redis_url == "redis://flag"


def test_an_empty_variable_beside_a_file_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As a compose file sets it, whose own variable isn't set."""
    (tmp_path / "redis").write_text("redis://secret\n")
    monkeypatch.setenv("LIVESERVER_REDIS_URL", "")
    monkeypatch.setenv("LIVESERVER_REDIS_URL_FILE", "redis")
    monkeypatch.setenv("LIVESERVER_DATABASE_URL_FILE", "")
    assert (load().redis_url, load().database_url) == ("redis://secret", "sqlite:///live.db")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "LIVESERVER_REDIS_URL_FILE: can't read secret: No such file or directory"),
        (b"", "LIVESERVER_REDIS_URL_FILE: secret is empty"),
        (b"\n", "LIVESERVER_REDIS_URL_FILE: secret is empty"),
        (b"\xff", "LIVESERVER_REDIS_URL_FILE: secret is no text"),
        (b"s3cret", "LIVESERVER_REDIS_URL: must begin with redis://, rediss:// or unix://"),
    ],
)
def test_a_file_that_is_not_good(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes | None, said: str
) -> None:
    """Is named, and nothing of what is in it."""
    if content is not None:
        (tmp_path / "secret").write_bytes(content)
    monkeypatch.setenv("LIVESERVER_REDIS_URL_FILE", "secret")
    with pytest.raises(SettingsError) as caught:
        load()
    assert str(caught.value) == said


def test_a_secret_and_its_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Which of the two is meant, nobody can tell."""
    (tmp_path / "secret").write_text(SECRET)
    monkeypatch.setenv("LIVESERVER_DATABASE_URL", SECRET)
    monkeypatch.setenv("LIVESERVER_DATABASE_URL_FILE", "secret")
    with pytest.raises(SettingsError, match="LIVESERVER_DATABASE_URL and LIVESERVER_DATABASE_URL_FILE are both set"):
        load()


def test_the_variables_of_files_are_no_misspelt_ones() -> None:
    names = ["LIVESERVER_DATABASE_URL_FILE", "LIVESERVER_REDIS_URL_FILE", "LIVESERVER_MEDIA_SECRET_KEY_FILE"]
    assert unknown_variables([*names, "LIVESERVER_KEY_FILE", "LIVESERVER_PORT_FILE"]) == ["LIVESERVER_PORT_FILE"]


def test_a_client_s_key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """On the command line, in the environment, or in a file that it names."""
    assert (key_of(None), key_of(""), key_of("flag")) == (None, None, "flag")
    (tmp_path / "key").write_text("lv_a_b\n")
    monkeypatch.setenv("LIVESERVER_KEY_FILE", "key")
    assert (key_of(None), key_of("flag")) == ("lv_a_b", "flag")
    monkeypatch.setenv("LIVESERVER_KEY", "lv_c_d")
    assert key_of("flag") == "flag"
    with pytest.raises(SettingsError, match="LIVESERVER_KEY and LIVESERVER_KEY_FILE are both set"):
        key_of("lv_c_d")
    monkeypatch.delenv("LIVESERVER_KEY")
    monkeypatch.setenv("LIVESERVER_KEY_FILE", "absent")
    with pytest.raises(SettingsError, match="LIVESERVER_KEY_FILE: can't read absent"):
        key_of(None)


def test_no_document_shows_a_password_on_a_command_line() -> None:
    """Everybody on the machine can read it there."""
    root = ROOT
    for document in (root / "README.md", *(root / "docs").glob("*.md")):
        for line in document.read_text("utf-8").splitlines():
            assert not re.search(r"--(?:database|redis)\S* +\w+://\w*:\S+@", line), f"{document.name}: {line}"
