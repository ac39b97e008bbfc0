"""Errors in logs: what kind and where, never what they say; a message may quote a row or an argument."""

import sys
import traceback
from collections.abc import MutableMapping
from types import TracebackType
from typing import Any

import asyncpg


def describe(error: BaseException) -> str:
    """The kind of an error, with the SQLSTATE of a database's."""
    name = type(error).__name__
    state = getattr(error, "sqlstate", None) if isinstance(error, asyncpg.PostgresError) else None
    return f"{name} {state}" if state else name


def frames_only(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog processor: `exc_info` becomes kinds and frames, without any message."""
    info = event.pop("exc_info", None)
    if not info:
        return event
    if info is True:
        info = sys.exc_info()
    error = info[1] if isinstance(info, tuple) else info
    if isinstance(error, BaseException):
        event["exception"] = _told(error)
    return event


def _told(error: BaseException) -> list[str]:
    told = [describe(error), *_frames(error.__traceback__)]
    for each in error.exceptions if isinstance(error, BaseExceptionGroup) else ():
        told += ["of which", *_told(each)]
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return [*told, "because of", *_told(cause)] if cause is not None else told


def _frames(trace: TracebackType | None) -> list[str]:
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(trace)]
