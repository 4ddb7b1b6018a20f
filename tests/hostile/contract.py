"""`python -m tests.hostile.contract`: schemathesis against `/openapi.json` of a server with a live blog and entries.

Every answer is held to the document: statuses, media types, headers and shapes; no 5xx, and no way around the key.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import sys
from pathlib import Path

from liveserver.client import Client
from tests.acceptance.serving import LiveServer, serving
from tests.acceptance.site import Site
from tests.acceptance.surroundings import ROOT
from tests.faults.setups import DEFECTS, a_directory

SLUG = "grandes-marees"
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "unsupported_method",
    "ignored_auth",
)
PROGRAM = Path(sys.executable).with_name("schemathesis")


async def run(directory: Path, examples: int, seed: int) -> int:
    """The status with which it ended, or 1 if the server logged a defect."""
    async with serving(directory, log_format="json") as server, Client(server.url, await server.key()) as newsroom:
        site = Site(server, newsroom)
        ids = await site.liveblog(SLUG, 3)
        partner = await site.partner()
        known = {"slug": SLUG, "entries": ids[0], "partners": partner}
        command = ["run", f"{server.url}/openapi.json", "--checks", ",".join(CHECKS), "--seed", str(seed)]
        command += ["--max-examples", str(examples), "--continue-on-failure", "--generation-database", "none"]
        command += ["--header", f"Authorization: Bearer {await server.key()}", "--no-color"]
        process = await asyncio.create_subprocess_exec(
            PROGRAM,
            *command,
            cwd=ROOT,
            env={
                **os.environ,
                "PYTHONPATH": str(ROOT),
                "SCHEMATHESIS_HOOKS": "tests.hostile.contract_hooks",
                **{f"KNOWN_{name.upper()}": value for name, value in known.items()},
            },
        )
        status = await process.wait()
        return status or _defects(server)


def _defects(server: LiveServer) -> int:
    found = [line for event in DEFECTS for line in server.log(event)]
    for line in found:
        print(line)
    return int(bool(found))


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.hostile.contract", description=__doc__)
    parser.add_argument("--examples", type=int, default=100, help="for each operation")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="what chance begins from")
    arguments = parser.parse_args()
    with a_directory() as directory:
        sys.exit(asyncio.run(run(directory, arguments.examples, arguments.seed)))


if __name__ == "__main__":
    main()
