"""The supervision of several processes on one listening socket. A process that dies is replaced. All end together."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
import time
from multiprocessing import resource_tracker
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from multiprocessing.context import SpawnProcess
    from types import FrameType

    from liveserver.settings import Settings

    Worker = Callable[[Settings, socket.socket], None]
    """The function that each process runs. It must be picklable."""

OVERTIME = 5.0
"""Seconds that processes get to end, in addition to the setting `drain` or `graceful_timeout`, whichever is longer.

Processes that still run after the sum of both times are killed."""
RESTART_PAUSE = 1.0
"""Seconds before a process that died is replaced. So a process that can't start doesn't flood the log."""

log = structlog.get_logger(__name__)


class Supervisor:
    """The supervisor, which runs in the first process. It starts the other processes, and replaces those that die.

    SIGINT and SIGTERM end them all; with TLS, SIGHUP is passed on. The other processes serve all requests; the first
    process serves none.
    """

    def __init__(self, worker: Worker, settings: Settings, listener: socket.socket) -> None:
        self._worker = worker
        self._settings = settings
        self._listener = listener
        self._context = multiprocessing.get_context("spawn")
        self._processes: list[SpawnProcess] = []
        self._stopping = False
        self._blocked = {signal.SIGINT}
        """The signals that are blocked in each new process when it starts: SIGINT, and with TLS also SIGHUP."""

    def run(self) -> None:
        """Keep the processes running until SIGINT or SIGTERM comes. Returns once all processes have ended."""
        # multiprocessing starts its resource tracker when it is first needed. If the first need came in `_start`, that
        # would undo the blocking of signals there.
        resource_tracker.ensure_running()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._stop)
        signal.signal(signal.SIGALRM, self._kill)
        if self._settings.tls_certificate is not None:
            self._blocked.add(signal.SIGHUP)
            signal.signal(signal.SIGHUP, self._pass_on)
        for _ in range(self._settings.workers):
            self._start()
        while self._processes:
            multiprocessing.connection.wait([process.sentinel for process in self._processes])
            for process in [process for process in self._processes if not process.is_alive()]:
                self._ended(process)

    def _start(self) -> None:
        process = self._context.Process(target=_run, args=(self._worker, self._settings, self._listener))
        # Ctrl+C at a terminal sends SIGINT to every process of the group. Only the first process may act on it; it then
        # sends SIGTERM to the others.
        signal.pthread_sigmask(signal.SIG_BLOCK, self._blocked)
        try:
            process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, self._blocked)
        self._processes.append(process)
        if self._stopping:
            process.terminate()

    def _ended(self, process: SpawnProcess) -> None:
        process.join()
        self._processes.remove(process)
        if not self._stopping:
            log.error("worker.died", pid=process.pid, exit_code=process.exitcode)
            time.sleep(RESTART_PAUSE)
        # The signal to end may have come during the pause.
        if not self._stopping:
            self._start()

    def _stop(self, number: int, frame: FrameType | None) -> None:
        # A second signal is passed on, too, and makes the processes end at once.
        self._stopping = True
        for process in self._processes:
            process.terminate()
        window = max(self._settings.drain, self._settings.graceful_timeout)
        signal.setitimer(signal.ITIMER_REAL, window + OVERTIME)

    def _pass_on(self, number: int, frame: FrameType | None) -> None:
        for process in self._processes:
            if process.pid is not None and process.is_alive():
                os.kill(process.pid, number)

    def _kill(self, number: int, frame: FrameType | None) -> None:
        for process in self._processes:
            log.error("worker.killed", pid=process.pid)
            process.kill()


def _run(worker: Worker, settings: Settings, listener: socket.socket) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    worker(settings, listener)


def _end_with_parent() -> None:
    """Wait until the supervisor's process ends, and then end this process.

    Without this function, this process would keep the port after the supervisor's process was killed.
    """
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)
