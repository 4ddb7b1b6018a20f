"""The definitions of the settings: their names, types, defaults, descriptions and checks."""

from __future__ import annotations

import re
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from liveserver.settings.redaction import redacted_value
from liveserver.settings.value_sources import DOTENV, SecretFilesSource

if TYPE_CHECKING:
    from collections.abc import Iterable


class Settings(BaseSettings):
    """All settings of the server. Times are in seconds, sizes in bytes."""

    model_config = SettingsConfigDict(
        env_prefix="LIVESERVER_",
        env_file=DOTENV,
        env_file_encoding="utf-8",
        extra="ignore",
        frozen=True,
    )

    host: str = Field("127.0.0.1", description="Address to listen on")
    port: Annotated[int, Field(ge=0, le=65535)] = Field(8000, description="Port to listen on; 0 takes a free one")
    tls_certificate: str | None = Field(
        None, description="File of the certificate to speak HTTPS with, and those that vouch for it (PEM)"
    )
    tls_key: str | None = Field(None, description="File of the certificate's key (PEM, without a password)")
    workers: Annotated[int, Field(ge=1, le=256)] = Field(1, description="Processes; more than one needs Redis")
    database_url: str = Field(
        "sqlite:///live.db", repr=False, description="sqlite:///file.db or postgresql://user:password@host/database"
    )
    database_pool: Annotated[int, Field(ge=1, le=100)] = Field(
        5, description="Connections to PostgreSQL for reading, and as many for writing"
    )
    redis_url: str | None = Field(None, repr=False, description="redis://host:6379/0; without it the bus is in-process")
    redis_prefix: str = Field("liveserver", description="What the names of the Redis channels begin with")
    public_url: str | None = Field(
        None, description="The address that readers use, for example https://live.example.org"
    )
    site_name: str | None = Field(
        None, description="The publication's name, for search engines and feed readers; the host's name without it"
    )
    forwarded_allow_ips: str = Field(
        "127.0.0.1", description="Proxies whose X-Forwarded-* headers are trusted (addresses, networks or *)"
    )
    heartbeat: Annotated[int, Field(ge=1, le=300)] = Field(25, description="Seconds between heartbeats of a stream")
    poll: Annotated[float, Field(gt=0, le=300)] = Field(
        1.5, description="Seconds between reconciling polls of the database while the bus works"
    )
    poll_fast: Annotated[float, Field(gt=0, le=60)] = Field(0.5, description="The same while the bus is down")
    lag_timeout: Annotated[float, Field(gt=0, le=300)] = Field(
        15, description="Seconds a slow viewer has to catch up before it is closed"
    )
    recent_changes: Annotated[int, Field(ge=1, le=10_000)] = Field(
        200, description="Changes of each live blog kept in memory for viewers that come back"
    )
    page_cache: Annotated[int, Field(ge=0, le=64 * 1024 * 1024 * 1024)] = Field(
        64 * 1024 * 1024, description="Memory for rendered pages and answers, in each process; 0 keeps none"
    )
    head_timeout: Annotated[int, Field(ge=1, le=120)] = Field(
        10, description="Seconds from the opening of a connection, or a further request's first byte, to a whole head"
    )
    body_timeout: Annotated[int, Field(ge=1, le=120)] = Field(
        30, description="Seconds to a whole body, and as many again while it comes at 1 KB a second"
    )
    max_connections: Annotated[int, Field(ge=0)] = Field(
        0, description="Connections of each process; 0: as many as the limit of open files (ulimit -n) lets it have"
    )
    max_body_size: Annotated[int, Field(ge=1024, le=64 * 1024 * 1024)] = Field(
        256 * 1024, description="Largest request body in bytes"
    )
    media_dir: str | None = Field(
        None, description="Directory for the pictures' files; without it `media`, beside the database if that is a file"
    )
    media_url: str | None = Field(
        None, description="An S3-compatible bucket for them instead: s3://bucket/prefix (pip install 'liveserver[s3]')"
    )
    media_endpoint: str | None = Field(
        None, description="The bucket's service, if not Amazon's: https://s3.example.org"
    )
    media_region: str | None = Field(None, description="The bucket's region")
    media_access_key: str | None = Field(
        None, description="The bucket's access key; without it, what the AWS tools would find"
    )
    media_secret_key: str | None = Field(None, repr=False, description="The secret that goes with it")
    media_public_url: str | None = Field(
        None, description="Where readers get pictures, if not from this server: the address of a CDN before the files"
    )
    media_max_size: Annotated[int, Field(ge=64 * 1024, le=256 * 1024 * 1024)] = Field(
        20 * 1024 * 1024, description="Largest picture that can be sent, in bytes"
    )
    media_max_pixels: Annotated[int, Field(ge=1_000_000, le=500_000_000)] = Field(
        64_000_000, description="Most pixels of a picture that is decoded"
    )
    media_total: Annotated[int, Field(ge=0)] = Field(
        100 * 1024**3, description="Bytes that all pictures together may take; 0 for no limit"
    )
    media_daily: Annotated[int, Field(ge=0)] = Field(
        2 * 1024**3,
        description="Bytes of pictures that one key, or one source, may send at once, and in a day from then on; 0 for "
        "no limit",
    )
    media_free: Annotated[int, Field(ge=0)] = Field(
        1024**3,
        description="Bytes that have to be free on the pictures' disk for more to be taken in; 0 doesn't look",
    )
    allowed_hosts: str = Field(
        "",
        description="Host names that requests may be for, beside the public URL's, localhost and addresses: "
        "a.example,b.example; without it, any",
    )
    hsts: Annotated[int, Field(ge=0, le=63_072_000)] = Field(
        31_536_000,
        description="Seconds for which browsers that came by HTTPS come to this host by nothing else, where the public "
        "URL is https; 0 doesn't ask them to",
    )
    mastodon_hosts: str = Field(
        "", description="Mastodon servers whose posts can be shown, beside the known ones: a.example,b.example"
    )
    follow_private: bool = Field(
        False, description="Whether live blogs of servers at private addresses may be followed"
    )
    drain: Annotated[float, Field(ge=0, le=600)] = Field(
        10, description="Seconds over which viewers are sent away at the end, each at a moment of its own"
    )
    graceful_timeout: Annotated[float, Field(ge=0, le=600)] = Field(
        10, description="Seconds that requests under way get to finish at the end"
    )
    limit_streams_held: Annotated[int, Field(ge=0, le=1_000_000)] = Field(
        2_000, description="Streams that one address may hold at once, of each process; 0 for no limit"
    )
    limit_streams: Annotated[int, Field(ge=0, le=100_000)] = Field(
        100, description="Streams that one address may open a second, and 20 times as many at once; 0 for no limit"
    )
    limit_reads: Annotated[int, Field(ge=0, le=100_000)] = Field(
        100, description="The same of API requests without a key"
    )
    limit_pages: Annotated[int, Field(ge=0, le=100_000)] = Field(
        100, description="The same of pages, feeds and cards; the live blogs' newest pages aren't counted"
    )
    limit_by_key: Annotated[int, Field(ge=0, le=100_000)] = Field(
        50, description="API requests of one user or key a second, and 20 times as many at once; 0 for no limit"
    )
    limit_failed_keys: Annotated[int, Field(ge=0, le=100_000)] = Field(
        20, description="API keys that aren't good, of one address a minute, until it is 429 instead; 0 for no limit"
    )
    limit_sign_in: Annotated[int, Field(ge=0, le=100_000)] = Field(
        30, description="Tries to sign in that an address may make a minute; 0 for no limit"
    )
    limit_exempt: str = Field(
        "127.0.0.0/8,::1",
        description="Addresses and networks that no limit by address holds for, beside trusted proxies",
    )
    oidc_issuer: str | None = Field(
        None,
        description="An OpenID provider by which people may sign in at the desk, by its issuer's URL "
        "(pip install 'liveserver[oidc]')",
    )
    oidc_client_id: str | None = Field(None, description="The id that this site has at the provider")
    oidc_client_secret: str | None = Field(None, repr=False, description="The secret that goes with it, if it has one")
    oidc_role: Literal["", "viewer", "reporter", "editor"] = Field(
        "", description="Role of people whom only the provider knows; without it, only users of ours may sign in by it"
    )
    oidc_name: str | None = Field(None, description="The provider's name, as the sign-in page has it")
    io_uring: bool = Field(True, description="Write to many viewers in one call (io_uring), where Linux allows it")
    log_format: Literal["auto", "console", "json"] = Field("auto", description="auto: JSON unless at a terminal")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="The least to be logged")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return the places that settings come from, in this order: flags, the environment, `.env`.

        The environment and `.env` may name secret files.
        """
        return (
            init_settings,
            SecretFilesSource(settings_cls, env_settings),
            SecretFilesSource(settings_cls, dotenv_settings),
        )

    @field_validator("public_url", "media_public_url", "media_endpoint")
    @classmethod
    def _absolute(cls, value: str | None) -> str | None:
        if value is None or value == "":
            return None
        parts = urlsplit(value)
        if parts.scheme not in {"http", "https"} or not parts.netloc or parts.query or parts.fragment:
            raise ValueError("must be an absolute http(s) URL without query, for example https://live.example.org")
        return value.rstrip("/")

    @field_validator("site_name")
    @classmethod
    def _named(cls, value: str | None) -> str | None:
        return (value or "").strip() or None

    @field_validator("redis_url")
    @classmethod
    def _redis(cls, value: str | None) -> str | None:
        if value is None or value == "":
            return None
        parts = urlsplit(value)
        if parts.scheme not in {"redis", "rediss", "unix"}:
            raise ValueError("must begin with redis://, rediss:// or unix://")
        try:
            _ = parts.port
        except ValueError:
            raise ValueError("has a port that is no number from 0 to 65535") from None
        return value

    @field_validator("media_url")
    @classmethod
    def _bucket(cls, value: str | None) -> str | None:
        if value is None or value == "":
            return None
        if not re.fullmatch(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](?:/[\w.!*'()/-]*)?", value, re.ASCII):
            raise ValueError("must be like s3://bucket or s3://bucket/prefix")
        return value.rstrip("/")

    @field_validator("oidc_issuer")
    @classmethod
    def _issuer(cls, value: str | None) -> str | None:
        if value is None or value == "":
            return None
        # Not changed in any way: the provider's tokens have the very same text.
        if not is_private_to_others(value) or urlsplit(value).query:
            raise ValueError("must be an https URL without query, as the provider itself writes it")
        return value

    @field_validator(
        *("tls_certificate", "tls_key", "media_dir", "media_region", "media_access_key", "media_secret_key"),
        *("oidc_client_id", "oidc_client_secret", "oidc_name"),
    )
    @classmethod
    def _given(cls, value: str | None) -> str | None:
        return value or None

    @field_validator("limit_exempt")
    @classmethod
    def _networks(cls, value: str) -> str:
        if (networks := _networks(_listed(value))) is None:
            raise ValueError("must be addresses and networks with commas between: 192.0.2.0/24,2001:db8::/32")
        return ",".join(networks)

    @field_validator("forwarded_allow_ips")
    @classmethod
    def _proxies(cls, value: str) -> str:
        # The setting is compared with addresses. A host name would never be equal to one, so no proxy would be trusted,
        # and nobody would be told.
        names = _listed(value)
        if (networks := _networks(name for name in names if name != "*")) is None:
            raise ValueError(
                "must be addresses and networks with commas between, or *: 127.0.0.1,172.30.81.0/24; the name of a "
                "host or a container isn't possible: give its address, or the network that it is on"
            )
        return ",".join([*networks, *({"*"} & set(names))])

    @field_validator("mastodon_hosts")
    @classmethod
    def _hosts(cls, value: str) -> str:
        hosts = [host.lower() for host in _listed(value)]
        for host in hosts:
            # The page's Content-Security-Policy has these hosts in it.
            if not re.fullmatch(r"(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,}", host, re.ASCII):
                raise ValueError("must be host names with commas between, for example social.example.org")
        return ",".join(hosts)

    @field_validator("allowed_hosts")
    @classmethod
    def _names(cls, value: str) -> str:
        hosts = [host.lower() for host in _listed(value)]
        for host in hosts:
            if not re.fullmatch(r"[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?", host, re.ASCII):
                raise ValueError("must be host names without ports, with commas between, for example live.example.org")
        return ",".join(hosts)

    @model_validator(mode="after")
    def _key_and_secret(self) -> Settings:
        if (self.media_access_key is None) != (self.media_secret_key is None):
            raise ValueError("LIVESERVER_MEDIA_ACCESS_KEY and LIVESERVER_MEDIA_SECRET_KEY go together")
        return self

    @model_validator(mode="after")
    def _issuer_and_client(self) -> Settings:
        if (self.oidc_issuer is None) != (self.oidc_client_id is None):
            raise ValueError("LIVESERVER_OIDC_ISSUER and LIVESERVER_OIDC_CLIENT_ID go together")
        return self

    @model_validator(mode="after")
    def _certificate_and_key(self) -> Settings:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("LIVESERVER_TLS_CERTIFICATE and LIVESERVER_TLS_KEY go together")
        return self

    @model_validator(mode="after")
    def _workers_need_redis(self) -> Settings:
        if self.workers > 1 and self.redis_url is None:
            raise ValueError(
                f"{self.workers} workers need Redis to reach each other's readers: set --redis (LIVESERVER_REDIS_URL), "
                "or run one worker"
            )
        return self

    @property
    def base_url(self) -> str:
        """The public URL without a slash at the end. If no public URL is set, the URL is made from host and port."""
        if self.public_url:
            return self.public_url
        host = {"0.0.0.0": "localhost", "::": "localhost", "127.0.0.1": "localhost"}.get(self.host, self.host)  # noqa: S104
        scheme = "https" if self.tls_certificate else "http"
        return f"{scheme}://[{host}]:{self.port}" if ":" in host else f"{scheme}://{host}:{self.port}"

    @property
    def hosts(self) -> frozenset[str]:
        """The host names that a request's Host header may have. Empty if all host names are allowed."""
        if not self.allowed_hosts:
            return frozenset()
        return frozenset({*self.allowed_hosts.split(","), urlsplit(self.base_url).hostname or "", "localhost"})

    @property
    def media_directory(self) -> Path:
        """The directory of the pictures' files. It is used only if no bucket is set (`media_url`)."""
        if self.media_dir is not None:
            return Path(self.media_dir)
        file = self.database_url.removeprefix("sqlite:///")
        return Path(file).parent / "media" if file != self.database_url else Path("media")

    def redacted(self) -> dict[str, Any]:
        """Return the values of all settings, by name, with `***` in place of passwords and other secrets."""
        return {name: redacted_value(name, value) for name, value in self.model_dump().items()}


def is_private_to_others(url: str) -> bool:
    """Return True if `url` is https, or http to this very machine: nobody else can read what is sent there.

    Returns False, too, for a URL with a user name, a fragment, a space or an unprintable character.
    """
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return False
    if "@" in parts.netloc or parts.fragment or not url.isprintable() or " " in url:
        return False
    here = {"localhost", "127.0.0.1", "::1"}
    return bool(parts.hostname) and (parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in here))


def _listed(value: str) -> list[str]:
    return [item.strip() for item in value.split(",") if item.strip()]


def _networks(names: Iterable[str]) -> list[str] | None:
    """Return IP addresses and networks in their normal form. In a network, the host bits are set to zero.

    Returns None if one of `names` is neither an IP address nor a network.
    """
    try:
        return [str(ip_network(name, strict=False)) if "/" in name else str(ip_address(name)) for name in names]
    except ValueError:
        return None
