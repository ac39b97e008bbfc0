"""The application frame of every service: one pure ASGI middleware, health, metrics, problem documents."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any
from uuid import UUID

import asyncpg
import structlog
from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.eventstore.work import ErasedSubject, NoSuchStream, OversizedEvent
from shared.telemetry.errors import describe
from shared.telemetry.metrics import CONTENT_TYPE, Metrics
from shared.telemetry.traces import request_span
from shared.values.ids import uuid7
from shared.web.document.build import document
from shared.web.problem import Problem, of_validation, on_problem
from shared.web.rates import ALLOWANCE, Rates
from shared.web.signing.own_keys import NoKeyNow

MAX_BODY = 1024 * 1024
OPEN_ALWAYS = frozenset({"/healthz", "/readyz", "/metrics", "/openapi.json", "/docs"})
"""What says nothing of what the database holds."""

log = structlog.get_logger(__name__)

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


class Documented(FastAPI):
    """Its OpenAPI document is made once, from what its endpoints declare."""

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            self.openapi_schema = document(self)
        return self.openapi_schema


def create_app(
    service: str,
    title: str,
    routers: Sequence[APIRouter],
    lifespan: Lifespan,
    metrics: Metrics,
    restored: Callable[[], bool] = lambda: False,
) -> FastAPI:
    """A service's application; its routes are those of `routers`, which are guarded.

    While `restored` says so they answer nothing: what they would show is older than what others have seen.
    """
    app = Documented(
        title=f"沪创 · {title}",
        version="1",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        swagger_ui_oauth2_redirect_url=None,
        separate_input_output_schemas=False,
        telemetry={"tracing": False, "metrics": False},
    )
    app.state.service = service
    app.state.metrics = metrics
    app.state.rates = Rates()
    for router in routers:
        # As they are: an included router is asked twice whether it has the route, and adds nothing to these.
        app.router.routes.extend(router.routes)
    app.add_exception_handler(Problem, on_problem)
    app.add_exception_handler(RequestValidationError, _on_validation)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(asyncpg.CharacterNotInRepertoireError, _on_nul)
    app.add_exception_handler(NoSuchStream, _on_no_such_stream)
    app.add_exception_handler(OversizedEvent, _on_oversized)
    app.add_exception_handler(ErasedSubject, _on_erased)
    app.add_exception_handler(asyncpg.DataError, _on_bad_data)
    app.add_exception_handler(asyncpg.PostgresError, _on_database)
    app.add_exception_handler(asyncpg.InterfaceError, _on_database)
    app.add_exception_handler(asyncpg.InternalClientError, _on_database)
    app.add_exception_handler(OSError, _on_database)
    app.add_exception_handler(NoKeyNow, _on_no_key)
    app.add_middleware(Edge, metrics=metrics, largest=_largest(routers), restored=partial(_restored, service, restored))
    return app


def _largest(routers: Sequence[APIRouter]) -> dict[str, int]:
    """The paths that take larger bodies than others do, with how many bytes; see `accepts_up_to`."""
    routes = [route for router in routers for route in router.routes if isinstance(route, APIRoute)]
    sizes = {route.path: getattr(route.endpoint, "__most_bytes__", None) for route in routes}
    return {path: size for path, size in sizes.items() if size is not None}


async def _on_validation(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return of_validation(error.errors()).response(request.url.path)


async def _on_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    codes = {
        404: ("not_found", "没有这个地址"),
        405: ("method_not_allowed", "这个地址不支持此方法"),
        413: ("too_large", f"请求内容不能超过 {error.detail} MiB"),
    }
    code, detail = codes.get(error.status_code, ("invalid_request", "请求无法处理"))
    headers = dict(error.headers or {})
    return Problem(error.status_code, code, detail, headers=headers).response(request.url.path)


async def _on_nul(request: Request, error: Exception) -> Response:
    """PostgreSQL's text cannot hold U+0000; in a path or query it is the caller's mistake, not the database's."""
    return Problem(422, "invalid_request", "请求中不能含 NUL 字符").response(request.url.path)


async def _on_no_such_stream(request: Request, error: Exception) -> Response:
    return Problem(404, "not_found", "没有找到这个编号").response(request.url.path)


async def _on_oversized(request: Request, error: Exception) -> Response:
    problem = Problem(413, "event_too_large", "这份请求一次登记的内容过多，请分成几份提交")
    return problem.response(request.url.path)


async def _on_erased(request: Request, error: Exception) -> Response:
    problem = Problem(409, "person_erased", "该人员的个人信息已删除，不能再登记其个人信息")
    return problem.response(request.url.path)


async def _on_bad_data(request: Request, error: Exception) -> Response:
    return Problem(422, "invalid_request", "请求中有超出范围的数值").response(request.url.path)


async def _on_database(request: Request, error: Exception) -> Response:
    log.error("database_unavailable", error=describe(error))
    problem = Problem(503, "temporarily_unavailable", "服务暂时不可用，请稍后重试", headers={"Retry-After": "2"})
    return problem.response(request.url.path)


def _restored(service: str, restored: Callable[[], bool], path: str) -> Problem | None:
    """Why nothing is answered at this path, after a restore."""
    if not restored() or path in OPEN_ALWAYS:
        return None
    return Problem(
        503,
        "restored_unreconciled",
        f"数据库由备份恢复，其后的事件尚未补回；请运维人员运行 huchuang reconcile {service}",
        headers={"Retry-After": "60"},
    )


async def _on_no_key(request: Request, error: Exception) -> Response:
    log.error("no_signing_key_now", algorithm=str(error))
    problem = Problem(503, "temporarily_unavailable", "服务暂时不可用，请稍后重试", headers={"Retry-After": "2"})
    return problem.response(request.url.path)


class _TooLarge(HTTPException):
    """An HTTPException, because FastAPI turns whatever else happens while it reads a body into a 400."""

    def __init__(self, most: int) -> None:
        super().__init__(413, str(most // MAX_BODY))


class Edge:
    """Correlation, size limit, span, metrics and the last resort for errors, without a task or a queue per request."""

    def __init__(
        self,
        app: ASGIApp,
        metrics: Metrics,
        largest: Mapping[str, int],
        restored: Callable[[str], Problem | None],
    ) -> None:
        self._app = app
        self._metrics = metrics
        self._largest = largest
        self._restored = restored

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        correlation = scope["correlation"] = _correlation(headers.get(b"x-correlation-id"))
        started = time.perf_counter()
        status = 500
        responding = False

        async def respond(message: Message) -> None:
            nonlocal status, responding
            if message["type"] == "http.response.start":
                responding = True
                status = message["status"]
                told = [(b"x-correlation-id", str(correlation).encode())]
                allowance = scope.get(ALLOWANCE)
                if allowance is not None:
                    told += allowance.headers()
                message["headers"] = [*message["headers"], *told]
            await send(message)

        with request_span(scope["method"], headers.get(b"traceparent")) as span:
            try:
                if (problem := self._restored(scope["path"])) is not None:
                    await _answer(problem, scope, receive, respond)
                else:
                    await self._app(
                        scope, _limited(headers, receive, self._largest.get(scope["path"], MAX_BODY)), respond
                    )
            except Exception as error:
                log.exception("unhandled_error", error=type(error).__name__)
                if responding:
                    raise
                await _answer(Problem(500, "internal_error", "服务内部错误，已记录"), scope, receive, respond)
            route = getattr(scope.get("route"), "path", "unmatched")
            if span is not None:
                span.update_name(f"{scope['method']} {route}")
                span.set_attribute("http.response.status_code", status)
        self._metrics.answered(scope["method"], route, status, time.perf_counter() - started)


async def _answer(problem: Problem, scope: Scope, receive: Receive, send: Send) -> None:
    await problem.response(scope["path"])(scope, receive, send)


def _correlation(value: bytes | None) -> UUID:
    if value is not None:
        try:
            return UUID(value.decode("latin-1"))
        except ValueError:
            pass
    return uuid7()


def _limited(headers: dict[bytes, bytes], receive: Receive, most: int) -> Receive:
    declared = headers.get(b"content-length")
    if declared is not None and declared.isdigit() and int(declared) <= most:
        return receive
    seen = 0

    async def limited() -> Message:
        nonlocal seen
        if declared is not None and (not declared.isdigit() or int(declared) > most):
            raise _TooLarge(most)
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > most:
            raise _TooLarge(most)
        return message

    return limited


def add_operations(app: FastAPI, ready: Callable[[], Any], refresh: Callable[[], Any]) -> None:
    """`/healthz`, `/readyz`, `/metrics`: for machines on the inside, without a token."""

    async def healthz(_: Request) -> Response:
        return Response(b'{"status":"alive"}', media_type="application/json")

    async def readyz(_: Request) -> Response:
        status, body = await ready()
        return Response(body, status, media_type="application/json")

    async def metrics(request: Request) -> Response:
        await refresh()
        return Response(request.app.state.metrics.render(), media_type=CONTENT_TYPE)

    app.add_route("/healthz", healthz)
    app.add_route("/readyz", readyz)
    app.add_route("/metrics", metrics)
