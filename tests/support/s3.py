"""A real S3 interface for the tests: moto's server, told to check signatures, as a child of the test session.

With LIVESERVER_TEST_S3=http://key:secret@host:port/bucket the tests use that bucket instead.
"""

from __future__ import annotations

import os
import re
import sys
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlencode, urlsplit

import pytest

from liveserver.content.media.s3_storage import Access
from tests.support.services import Server, free_port, required

if TYPE_CHECKING:
    from collections.abc import Iterator

REGION = "eu-west-3"
POLICY = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}'


class Service(NamedTuple):
    """A bucket and how it is reached."""

    bucket: str
    access: Access


class S3Server(Server):
    """moto's server: it keeps what it holds in memory, and a start begins with an empty bucket."""

    bucket = "pictures"
    # Making the user, its rights, its key, and the bucket; what comes after these is checked.
    _before = 4

    def __init__(self, directory: Path) -> None:
        port = free_port()
        beside = Path(sys.executable).with_name("moto_server")
        program = beside if beside.exists() else required("moto_server")
        command = ["env", f"INITIAL_NO_AUTH_ACTION_COUNT={self._before}", str(program), "-p", str(port)]
        super().__init__(command, port, directory, self._answers)

    def start(self) -> None:
        """Start it, and make the bucket and a key for it."""
        super().start()
        self._iam("CreateUser")
        self._iam("PutUserPolicy", PolicyName="all", PolicyDocument=POLICY)
        key = self._iam("CreateAccessKey")
        self.access = Access(
            endpoint=f"http://127.0.0.1:{self.port}",
            region=REGION,
            access_key=_element(key, "AccessKeyId"),
            secret_key=_element(key, "SecretAccessKey"),
        )
        self._ask("s3", f"/{self.bucket}", "PUT", b"", {"x-amz-acl": "private"})

    def _iam(self, action: str, **parameters: str) -> str:
        query = {"Action": action, "Version": "2010-05-08", "UserName": "liveserver", **parameters}
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return self._ask("iam", "/", "POST", urlencode(query).encode(), headers)

    def _ask(self, service: str, path: str, method: str, body: bytes, headers: dict[str, str]) -> str:
        # Not checked yet; it only tells the server which service is meant.
        scope = f"AWS4-HMAC-SHA256 Credential=none/20260101/us-east-1/{service}/aws4_request"
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data=body, method=method)
        for name, value in {**headers, "Authorization": scope}.items():
            request.add_header(name, value)
        with urllib.request.urlopen(request, timeout=10) as response:
            answer: bytes = response.read()
            return answer.decode()

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/moto-api/", timeout=5):
                return True
        except OSError:
            return False


def _element(xml: str, name: str) -> str:
    match = re.search(rf"<{name}>([^<]+)</{name}>", xml)
    assert match, xml
    return match[1]


@pytest.fixture(scope="session")
def s3(service_directory: Path) -> Iterator[Service]:
    """The session's bucket."""
    given = os.environ.get("LIVESERVER_TEST_S3")
    if given:
        parts = urlsplit(given)
        endpoint = f"{parts.scheme}://{parts.hostname}:{parts.port}"
        yield Service(parts.path.strip("/"), Access(endpoint, "us-east-1", parts.username, parts.password))
        return
    server = S3Server(service_directory / "s3")
    server.start()
    yield Service(server.bucket, server.access)
    server.stop()


@pytest.fixture
def own_s3(service_directory: Path) -> Iterator[S3Server]:
    """A server of the test's own, that it may stop, kill and pause."""
    server = S3Server(service_directory / f"s3-{os.urandom(4).hex()}")
    server.start()
    yield server
    server.kill()
