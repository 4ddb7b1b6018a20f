"""The configuration of our logs and of the logs of libraries: readable text at a terminal, lines of JSON elsewhere."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from structlog.typing import Processor

    from liveserver.settings import Settings


def configure(settings: Settings) -> None:
    """Write all logs of this process to standard error, in the format `settings.log_format`.

    With the format "auto", the logs are text if standard error is a terminal, and JSON otherwise.
    """
    as_json = settings.log_format == "json" or (settings.log_format == "auto" and not sys.stderr.isatty())
    common: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if as_json:
        last: list[Processor] = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    else:
        last = [
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(),
                # structlog's default shows the variables of every frame of a traceback. API keys may be among them.
                exception_formatter=structlog.dev.plain_traceback,
            )
        ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *common,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=common,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level.upper())
    # We log the server's start and end ourselves, so that we need only uvicorn's warnings.
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    # This library warns about every malformed form that a client sends.
    logging.getLogger("python_multipart").setLevel(logging.ERROR)
    for chatty in ("httpx2", "httpcore2", "asyncio", "alembic"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
