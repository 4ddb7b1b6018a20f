"""Commands of liveserver's that each have a process of their own, but share what takes most of their time: importing.

`python -m tests.acceptance.forking` reads `[{"arguments": [...], "directory": "...", "environment": {...}}, …]` from
its standard input, has them all run at once in processes forked from itself, and prints how each of them ended:
`[[status, stdout, stderr], …]`. It is for commands of which only that is of interest; one that goes on, is sent signals
or starts processes itself is started as users start it.
"""

from __future__ import annotations

import gc
import importlib
import os
import sys
import tempfile
from contextlib import ExitStack
from typing import IO, Any

import orjson

from liveserver import cli

USED = ("bench.command", "client", "security.keys", "server", "store")
"""The modules that commands import when they run."""


def main() -> None:
    for name in USED:
        importlib.import_module(f"liveserver.{name}")
    # Else each of the children goes through all that at its end, and copies it by doing so.
    gc.freeze()
    jobs = orjson.loads(sys.stdin.buffer.read())
    with ExitStack() as stack:
        outputs = [
            (stack.enter_context(tempfile.TemporaryFile()), stack.enter_context(tempfile.TemporaryFile())) for _ in jobs
        ]
        running = []
        for job, output in zip(jobs, outputs, strict=True):
            child = os.fork()
            if child == 0:
                # What it raises, `SystemExit` above all, is left to the interpreter, as it is in a command.
                _become(job, output)
                return cli.main()
            running.append(child)
        statuses = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in running]
        ended = [[status, _read(out), _read(err)] for status, (out, err) in zip(statuses, outputs, strict=True)]
    sys.stdout.buffer.write(orjson.dumps(ended))
    return None


def _become(job: dict[str, Any], output: tuple[IO[bytes], IO[bytes]]) -> None:
    os.chdir(job["directory"])
    os.environ.clear()
    os.environ.update(job["environment"])
    sys.argv = ["liveserver", *job["arguments"]]
    nothing = os.open(os.devnull, os.O_RDONLY)
    for number, descriptor in enumerate((nothing, *(file.fileno() for file in output))):
        os.dup2(descriptor, number)


def _read(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode()


if __name__ == "__main__":
    main()
