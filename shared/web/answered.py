"""Answers where an error must not go further: the problem document that the application makes of it."""

from collections.abc import Awaitable, Callable

import structlog
from fastapi import Request
from fastapi.responses import Response

from shared.web.problem import Problem

log = structlog.get_logger(__name__)


async def answered(request: Request, handle: Callable[[Request], Awaitable[Response]]) -> Response:
    """What `handle` answers, or the problem document of what it raises; of what nobody foresaw, a 500."""
    try:
        return await handle(request)
    except Exception as error:
        for kind in type(error).__mro__:
            made = request.app.exception_handlers.get(kind)
            if made is not None:
                answer: Response = await made(request, error)
                return answer
        log.exception("unhandled_error", error=type(error).__name__)
        return Problem(500, "internal_error", "服务内部错误，已记录").response(request.url.path)
