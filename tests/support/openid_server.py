"""A small OpenID provider on a free port, which signs people in at once, and errs where a test wants it to."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import secrets
import socket
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlencode

import uvicorn
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, RSAKey
from starlette.applications import Starlette
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from joserfc.jwk import Key
    from starlette.requests import Request

CLIENT_ID, CLIENT_SECRET = "liveserver", "geheim: 100 %"


@dataclass
class OpenIdServer:
    """The provider. Whatever it tells can be changed while it runs."""

    port: int
    subject: str = "4711"
    claims: dict[str, Any] = field(default_factory=lambda: {"name": "Ada Lovelace"})
    """Further claims of tokens, which replace those that would be right. None leaves a claim out."""
    metadata: dict[str, Any] = field(default_factory=dict)
    """Members of the provider's metadata that replace the right ones."""
    algorithm: str = "ES256"
    key: ECKey | RSAKey = field(default_factory=lambda: ECKey.generate_key("P-256", {"kid": "first"}))
    """The key of tokens. Only `published` keys are in the provider's list."""
    published: list[Key] = field(default_factory=list)
    public_client: bool = False
    """True if the client has no secret."""
    forged: bytes | None = None
    """The secret of tokens that are signed by HMAC (`HS256`), or not at all (`none`); None for honest ones."""
    refuses: str = ""
    """The error with which the provider sends people back; empty if it signs them in."""
    status: int = 200
    """The status of all answers that are no pages."""
    padding: int = 0
    """Bytes of nothing in each answer that is no page."""
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    """Answers that are no pages wait for it."""
    asked: list[str] = field(default_factory=list)
    """The paths that were asked for."""
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    """The queries for which codes were given that aren't used yet."""

    def __post_init__(self) -> None:
        self.published = self.published or [self.key]
        self.gate.set()

    @property
    def issuer(self) -> str:
        """The provider's name."""
        return f"http://localhost:{self.port}"

    def rotate(self) -> None:
        """Sign with a new key from now on, and publish it alone."""
        self.key = RSAKey.generate_key(2048, {"kid": "second"})
        self.published, self.algorithm = [self.key], "RS256"

    def token(self, query: dict[str, str]) -> str:
        """The ID token for somebody who came with this query."""
        at = int(time.time())
        claims = {
            "iss": self.issuer,
            "aud": CLIENT_ID,
            "sub": self.subject,
            "iat": at,
            "exp": at + 300,
            "nonce": query["nonce"],
            **({"auth_time": at} if "max_age" in query else {}),
            **self.claims,
        }
        header = {"alg": self.algorithm, "kid": self.key.kid}
        content = {name: value for name, value in claims.items() if value is not None}
        if self.forged is None:
            return jwt.encode(header, content, self.key, algorithms=[self.algorithm])
        # By hand: no library signs like that.
        signed = b".".join(_base64(json.dumps(part).encode()) for part in (header, content))
        signature = _base64(hmac.digest(self.forged, signed, "sha256")) if self.algorithm == "HS256" else b""
        return (signed + b"." + signature).decode()

    async def _configuration(self, request: Request) -> Response:
        return await self._answer(
            request,
            {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/keys",
                "response_types_supported": ["code"],
                "id_token_signing_alg_values_supported": ["RS256", "ES256"],
                **self.metadata,
            },
        )

    async def _keys(self, request: Request) -> Response:
        return await self._answer(request, {**KeySet(self.published).as_dict(private=False)})

    async def _authorize(self, request: Request) -> Response:
        query = dict(request.query_params)
        self.asked.append(request.url.path)
        if (query["client_id"], query["response_type"]) != (CLIENT_ID, "code") or "openid" not in query["scope"]:
            return PlainTextResponse("this client isn't known", 400)
        answer = {"state": query["state"]}
        if self.refuses:
            answer |= {"error": self.refuses, "error_description": "<b>Call 555 0100 to unlock your account</b>"}
        else:
            code = secrets.token_urlsafe(16)
            self.codes[code] = query
            answer |= {"code": code, "iss": self.issuer}
        return RedirectResponse(f"{query['redirect_uri']}?{urlencode(answer)}")

    async def _exchange(self, request: Request) -> Response:
        form = {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()}
        query = self.codes.pop(form.get("code", ""), None)
        if not self._is_client(request, form):
            return await self._answer(request, {"error": "invalid_client"}, 401)
        if query is None or form["redirect_uri"] != query["redirect_uri"] or not _proves(form, query):
            return await self._answer(request, {"error": "invalid_grant"}, 400)
        token = self.token(query)
        return await self._answer(request, {"access_token": "x", "token_type": "Bearer", "id_token": token})

    def _is_client(self, request: Request, form: dict[str, str]) -> bool:
        if self.public_client:
            return form.get("client_id") == CLIENT_ID and "client_secret" not in form
        if "client_secret_post" in self.metadata.get("token_endpoint_auth_methods_supported", ()):
            return (form.get("client_id"), form.get("client_secret")) == (CLIENT_ID, CLIENT_SECRET)
        kind, _, pair = request.headers.get("authorization", "").partition(" ")
        parts = base64.b64decode(pair).decode().split(":")
        return kind == "Basic" and [unquote(part) for part in parts] == [CLIENT_ID, CLIENT_SECRET]

    async def _answer(self, request: Request, content: dict[str, Any], status: int = 200) -> Response:
        self.asked.append(request.url.path)
        await self.gate.wait()
        if self.padding:
            content["padding"] = " " * self.padding
        chosen = self.status if status == 200 else status
        return JSONResponse(content, chosen, {"Location": f"{self.issuer}/elsewhere"} if 300 <= chosen < 400 else {})

    @property
    def app(self) -> Starlette:
        """The provider as an ASGI application."""
        return Starlette(
            routes=[
                Route("/.well-known/openid-configuration", self._configuration),
                Route("/keys", self._keys),
                Route("/authorize", self._authorize),
                Route("/token", self._exchange, methods=["POST"]),
            ]
        )


def _base64(raw: bytes) -> bytes:
    return base64.urlsafe_b64encode(raw).rstrip(b"=")


def _proves(form: dict[str, str], query: dict[str, str]) -> bool:
    """Whether the verifier belongs to the challenge (RFC 7636)."""
    digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
    challenge = _base64(digest).decode()
    return query["code_challenge_method"] == "S256" and query["code_challenge"] == challenge


@asynccontextmanager
async def openid_server() -> AsyncIterator[OpenIdServer]:
    """A provider that runs."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(32)
        provider = OpenIdServer(listener.getsockname()[1])
        config = uvicorn.Config(provider.app, lifespan="off", log_config=None, timeout_graceful_shutdown=1)
        config.load()
        server = uvicorn.Server(config)
        server.lifespan = config.lifespan_class(config)
        # Without `serve`, which looks only ten times a second whether it shall end.
        await server.startup([listener])
        try:
            yield provider
        finally:
            provider.gate.set()
            # The server knows a connection that was just accepted only some turns of the event loop later.
            for _ in range(10):
                await asyncio.sleep(0)
            await server.shutdown([listener])
