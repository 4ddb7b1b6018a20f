"""A pool of processes that transcode pictures, a few at a time.

A picture is the one thing that a stranger's tool makes and native code takes apart here. A file that crashes its
decoder, or never ends, costs that file alone; and the work is the kernel's to put behind the server's own.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

import liveserver
from liveserver.content.media.transcoder import TranscodedPicture, Unreadable
from liveserver.content.media.transcoder_queue import TranscoderQueue
from liveserver.domain.errors import Busy, FieldError, InvalidInput

if TYPE_CHECKING:
    from collections.abc import Hashable
    from typing import BinaryIO

AT_ONCE = 2
WAITING_MAX = 40
"""Pictures that wait, beside those that are developed. One key or source has half of the places at most, and sends
sixteen at once (`access/body_budget.py`)."""
PATIENCE = 60.0
"""Seconds, by the clock; the process itself gets fewer of the processor's."""

# What the interpreter and its libraries need. Nothing else: settings have passwords in them.
_VARIABLES = ("PATH", "LD_LIBRARY_PATH", "LANG", "LC_ALL", "TMPDIR")

log = structlog.get_logger(__name__)


class TranscoderPool:
    """Develops pictures. `at_once` is how many processes run; `waiting_max` more callers wait, and no others.

    Those who send them take turns (`content/media/transcoder_queue.py`).
    """

    def __init__(
        self,
        *,
        max_pixels: int,
        at_once: int = AT_ONCE,
        waiting_max: int = WAITING_MAX,
        patience: float = PATIENCE,
    ) -> None:
        self._max_pixels = max_pixels
        self._patience = patience
        self._queue = TranscoderQueue(at_once=at_once, places=at_once + waiting_max)
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix="darkroom")
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()
        self._closed = False

    async def develop(self, file: BinaryIO, *, owner: Hashable) -> TranscodedPicture:
        """The picture in a file that is open for reading, from its beginning.

        `owner`: whose it is, of those who take turns: a key, or a source. Raises InvalidInput, naming `/file`, if it
        can't be served; Busy if too many wait already, of the owner or of all.
        """
        await self._queue.enter(owner)
        began = time.monotonic()
        # A descriptor of its own: whoever waits may be cancelled, and the file be closed, while the thread goes on.
        job = asyncio.get_running_loop().run_in_executor(self._threads, self._run, os.dup(file.fileno()))
        job.add_done_callback(partial(self._done, owner, began))
        try:
            return await asyncio.shield(job)
        except Unreadable as refusal:
            raise InvalidInput([FieldError("/file", str(refusal))]) from None

    async def close(self) -> None:
        """End what runs."""
        with self._lock:
            self._closed = True
            for process in self._running:
                process.kill()
        await asyncio.to_thread(self._threads.shutdown)

    def _done(self, owner: Hashable, began: float, job: asyncio.Future[TranscodedPicture]) -> None:
        self._queue.leave(owner, time.monotonic() - began)
        if not job.cancelled():
            # Whoever waited may be gone: nobody else asks how it ended.
            job.exception()

    def _run(self, descriptor: int) -> TranscodedPicture:
        try:
            os.lseek(descriptor, 0, os.SEEK_SET)
            process = self._start(descriptor)
        finally:
            os.close(descriptor)
        try:
            output, complaint = process.communicate(timeout=self._patience)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            log.warning("picture.too_slow", seconds=self._patience)
            raise Unreadable("takes too long to be decoded: send it smaller") from None
        finally:
            with self._lock:
                self._running.discard(process)
        if process.returncode != 0:
            if self._closed:
                raise Busy("the server is stopping")
            log.warning("picture.decoder_failed", status=process.returncode, error=complaint.decode(errors="replace"))
            if process.returncode == -signal.SIGXCPU:
                raise Unreadable("takes too long to be decoded: send it smaller")
            raise Unreadable("can't be decoded: it broke the decoder")
        return TranscodedPicture.loads(output)

    def _start(self, descriptor: int) -> subprocess.Popen[bytes]:
        environment = {name: os.environ[name] for name in _VARIABLES if name in os.environ}
        environment["PYTHONPATH"] = str(Path(liveserver.__file__).parents[1])
        with self._lock:
            if self._closed:
                raise Busy("the server is stopping")
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "liveserver.content.media.transcoder", str(self._max_pixels)],
                stdin=descriptor,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=environment,
                cwd="/",
                # Ctrl+C at the terminal is for the server, which lets requests under way finish.
                start_new_session=True,
            )
            self._running.add(process)
        return process
