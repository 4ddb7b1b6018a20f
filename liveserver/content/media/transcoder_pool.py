"""A pool of processes that transcode pictures, a few at a time.

The decoders of pictures are native code, and the files come from unknown tools. If a file crashes its decoder, or if
decoding never ends, only that file is lost. And the kernel can give the server's own work priority.
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
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

import liveserver
from liveserver.content.media.transcoder import TranscodedPicture, Unreadable
from liveserver.content.media.transcoder_queue import TranscoderQueue
from liveserver.domain.errors import Busy, FieldError, InvalidInput, MediaUnavailable

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator
    from typing import BinaryIO

AT_ONCE = 2
WAITING_MAX = 40
"""How many pictures may wait, besides the pictures that are being transcoded. One owner (an API key, or a source) can
have at most half of the places for pictures that wait or are being transcoded. An API key can send at most sixteen
pictures at once (`access/body_budget.py`)."""
PATIENCE = 60.0
"""The seconds of real time after which the process of a picture is killed. The process's limit of processor time is
lower (`CPU_SECONDS` in `content/media/transcoder.py`)."""

# The variables that the interpreter and its libraries need. No others are passed on: settings may contain passwords.
_VARIABLES = ("PATH", "LD_LIBRARY_PATH", "LANG", "LC_ALL", "TMPDIR")

log = structlog.get_logger(__name__)


class TranscoderPool:
    """The pool of transcoding processes: at most `at_once` processes run, and at most `waiting_max` more callers wait.

    The processes are given to the owners of pictures in turn (`content/media/transcoder_queue.py`).
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
        """Transcode the picture in a file that is open for reading. The file is read from its beginning.

        `owner`: the key or source that sends the picture. Raises InvalidInput, with the field `/file`, if the picture
        can't be served. Raises Busy if too many pictures wait already, of all owners together or of this owner. Also
        raises Busy if the server is stopping. Raises MediaUnavailable if the disk is full, if no more files can be
        opened, or if no process can be started.
        """
        await self._queue.enter(owner)
        start = time.monotonic()
        try:
            job = self._submit(file)
        except BaseException:
            self._queue.leave(owner, 0.0)
            raise
        job.add_done_callback(partial(self._done, owner, start))
        try:
            with _failures():
                return await asyncio.shield(job)
        except Unreadable as refusal:
            raise InvalidInput([FieldError("/file", str(refusal))]) from None

    async def close(self) -> None:
        """Kill the running processes, and wait for their threads. All callers of `develop` get Busy, even if their
        pictures still wait for a process."""
        with self._lock:
            self._closed = True
            for process in self._running:
                process.kill()
        await asyncio.to_thread(self._threads.shutdown)

    def _submit(self, file: BinaryIO) -> asyncio.Future[TranscodedPicture]:
        """Have a thread transcode the file, and return a future for the result. Raises Busy if the server is stopping.
        Raises MediaUnavailable if the disk is full or no more files can be opened."""
        if self._closed:
            raise Busy("the server is stopping")
        with _failures():
            # A file that was in memory is written to the disk here.
            original = file.fileno()
            # What was written last may still be in the file's buffer, where no other descriptor sees it.
            file.flush()
            # A descriptor of its own: the caller may be cancelled and close the file while the thread goes on.
            descriptor = os.dup(original)
        return asyncio.get_running_loop().run_in_executor(self._threads, self._run, descriptor)

    def _done(self, owner: Hashable, start: float, job: asyncio.Future[TranscodedPicture]) -> None:
        self._queue.leave(owner, time.monotonic() - start)
        if not job.cancelled():
            # Retrieve the exception: the caller may be gone, and asyncio would log that nobody did.
            job.exception()

    def _run(self, descriptor: int) -> TranscodedPicture:
        try:
            os.lseek(descriptor, 0, os.SEEK_SET)
            process = self._start(descriptor)
        finally:
            os.close(descriptor)
        try:
            output, stderr = process.communicate(timeout=self._patience)
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
            log.warning("picture.decoder_failed", status=process.returncode, error=stderr.decode(errors="replace"))
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


@contextmanager
def _failures() -> Iterator[None]:
    """Raise MediaUnavailable in place of an OSError that is raised in this context.

    Such an OSError means that the disk is full, that no more files can be opened, or that no process can be started.
    """
    try:
        yield
    except OSError as error:
        log.warning("picture.not_begun", error=str(error))
        raise MediaUnavailable(f"the picture can't be developed now: {error.strerror}") from error
