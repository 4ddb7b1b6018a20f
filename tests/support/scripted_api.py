"""The API of a server that gives the answers it is told to."""

from __future__ import annotations

from typing import Any

import httpx2


class Api:
    """Answers requests in turn, and keeps them."""

    def __init__(self, *answers: httpx2.Response | httpx2.TransportError) -> None:
        self.requests: list[httpx2.Request] = []
        self._answers = list(answers)

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        answer = self._answers.pop(0)
        if isinstance(answer, httpx2.TransportError):
            raise answer
        return answer

    @property
    def lines(self) -> list[str]:
        return [f"{request.method} {request.url.raw_path.decode()}" for request in self.requests]


def ok(content: Any = None, status: int = 200) -> httpx2.Response:
    return httpx2.Response(status, json=content if content is not None else {"id": "0192"})
