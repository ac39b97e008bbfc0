"""Logs: one JSON object a line on stdout. No personal data: log ids, types and codes only.

A full disk takes lines away, and nothing else.
"""

import logging
import re
from typing import Any, TextIO, cast

import structlog

from shared.telemetry.errors import frames_only
from shared.telemetry.lines import Lines

STDOUT = 1


def configure_logs(service: str, descriptor: int = STDOUT) -> None:
    """JSON lines for structlog and for the libraries' own loggers."""
    lines = Lines(descriptor)
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[
            *shared,
            frames_only,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        logger_factory=structlog.WriteLoggerFactory(cast(TextIO, lines)),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(service=service)
    handler = logging.StreamHandler(lines)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
            processors=[
                frames_only,
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(ensure_ascii=False),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.INFO)
    logging.getLogger("asyncio").addFilter(first_words_only)
    logging.getLogger("aiokafka").setLevel(logging.ERROR)
    logging.getLogger("uvicorn.access").disabled = True
    logging.getLogger("httpx").setLevel(logging.WARNING)


def first_words_only(record: logging.LogRecord) -> bool:
    """A filter for asyncio's logger, which goes on to quote what a task has failed with, or a callback was given."""
    words = re.match(r"[\w ,'.]*", record.getMessage())
    record.msg, record.args = words.group() if words else "", ()
    return True
