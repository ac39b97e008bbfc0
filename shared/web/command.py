"""From a request to a command and back: one way for every POST."""

import re
from typing import Any, TypeVar
from uuid import UUID

import msgspec
from fastapi import Request
from fastapi.responses import Response
from opentelemetry import trace

from shared.eventstore.calls import Context
from shared.eventstore.decider import FieldError, Rejection
from shared.eventstore.interruptions import Contended, TwinStillRunning
from shared.eventstore.needs import IdempotencyKey, Needs
from shared.eventstore.store import KeyReused, Store
from shared.eventstore.work import Answer, Handler, View, Work
from shared.telemetry.traces import traceparent_of
from shared.values.ids import uuid7
from shared.web.caller import caller_of
from shared.web.problem import Problem, of_rejection

KEY_LENGTH = 255
BULK_ITEM = "bulk_item"
"""Under which name the scope of an item of a bulk request holds the item's id."""

_KEY = re.compile(rf"[\x20-\x7e]{{1,{KEY_LENGTH}}}")

S = TypeVar("S")


def store_of(request: Request) -> Store:
    store: Store = request.app.state.store
    return store


async def command(
    request: Request, needs: Needs, handler: Handler, *, on_behalf_of: str | None = None, location: str | None = None
) -> Response:
    """Carry out a command for the caller of `request` and answer with what came of it.

    `location`, with `{id}` for the stream, becomes the `Location` header of a 201.
    """
    caller = caller_of(request)
    span = trace.get_current_span().get_span_context()
    context = Context(
        actor=caller.actor(on_behalf_of),
        correlation_id=correlation_of(request),
        traceparent=traceparent_of(span) if span.is_valid else None,
    )
    key = await idempotency_key(request)
    if (held := request.headers.get("if-match")) is not None:
        handler = _unless_changed(handler, held)
    try:
        carried = await store_of(request).carry_out(needs, handler, context, key)
    except KeyReused:
        raise key_reused() from None
    except TwinStillRunning:
        raise _later(409, "request_in_progress", "同一 Idempotency-Key 的请求仍在处理，请稍后重试") from None
    except Contended:
        raise _later(503, "contended", "同时处理的请求过多，请稍后重试") from None
    if isinstance(carried.outcome, Rejection):
        raise of_rejection(carried.outcome)
    return _response(carried.outcome, repeated=carried.repeated, location=location)


def key_reused() -> Problem:
    return Problem(422, "idempotency_key_reused", "这个 Idempotency-Key 已用于另一份请求，请换一个")


def current(request: Request, found: Answer, *, changes_by_day: bool = False) -> Response:
    """The answer to a GET: 304 for who has this version already (RFC 9110 section 13.1.2).

    What is shown of one version may change with the day: that is told in full each time.
    """
    tag = f'"{found.version}"'
    held = None if changes_by_day else request.headers.get("if-none-match")
    if held is not None and (held.strip() == "*" or tag in _tags(held)):
        return Response(status_code=304, headers={"ETag": tag})
    return Response(found.body, media_type="application/json", headers={"ETag": tag})


def _tags(header: str) -> set[str]:
    return {tag.strip().removeprefix("W/") for tag in header.split(",")}


def _unless_changed(handler: Handler, held: str) -> Handler:
    """The handler, for a caller who decides on a version that he has seen: another one is refused.   (RFC 9110)"""
    tags = _tags(held)

    def handle(work: Work) -> Answer | Rejection:
        outcome = handler(work)
        if isinstance(outcome, Answer) and outcome.stream is not None and "*" not in tags:
            before = work.loaded_version(outcome.stream)
            if f'"{before}"' not in tags:
                return Rejection(
                    code="precondition_failed",
                    detail="您所依据的版本已不是最新，请重新读取后再提交",
                    status=412,
                    extensions={"version": before},
                )
        return outcome

    return handle


def _later(status: int, code: str, detail: str) -> Problem:
    return Problem(status, code, detail, headers={"Retry-After": "1"})


def _response(answer: Answer, *, repeated: bool, location: str | None) -> Response:
    headers: dict[str, str] = {}
    if repeated:
        headers["Idempotent-Replayed"] = "true"
    if answer.stream is not None:
        headers["ETag"] = f'"{answer.version}"'
        headers["Consistency-Token"] = f"{answer.stream}@{answer.version}"
        if location is not None and answer.status == 201:
            headers["Location"] = location.format(id=answer.stream)
    return Response(answer.body, answer.status, media_type="application/json", headers=headers)


def correlation_of(request: Request) -> UUID:
    """The request's correlation id: its own if it is a UUID, else a new one."""
    given: UUID | None = request.scope.get("correlation")
    return given or uuid7()


async def idempotency_key(request: Request) -> IdempotencyKey | None:
    """The caller's own key: people who share a client do not share keys. The body's fingerprint is keyed."""
    key = given_key(request)
    if key is None:
        return None
    parts = [request.method.encode(), request.scope["path"].encode(), await request.body()]
    if (behalf := request.headers.get("on-behalf-of")) is not None:
        parts.append(behalf.encode())
    return IdempotencyKey(caller_of(request).key_space, key, store_of(request).keyring.fingerprint(*parts))


def given_key(request: Request) -> str | None:
    """The `Idempotency-Key` of a request; that of an item of a bulk request ends with the item's id.

    Raises a 400 for one that is empty, too long, not in printable ASCII, or given twice.
    """
    given = request.headers.getlist("idempotency-key")
    if not given:
        return None
    if len(given) > 1 or _KEY.fullmatch(given[0]) is None:
        raise Problem(
            400,
            "idempotency_key_invalid",
            f"Idempotency-Key 须为 1 至 {KEY_LENGTH} 个可打印的 ASCII 字符，且只能给出一个",
        )
    item = request.scope.get(BULK_ITEM)
    return given[0] if item is None else f"{given[0]}/{item}"


def answer(work: Work, stream: str, body: Any, status: int = 200) -> Answer:
    """An answer about a stream, with its version for the ETag and the consistency token."""
    return Answer(status, msgspec.json.encode(body), stream, work.version(stream))


def viewed(work: Work, view: View[S], stream: str, status: int = 200) -> Answer:
    """The answer that shows a stream as the command leaves it; nothing of it need be kept."""
    return view.of(stream, work.state(view.aggregate, stream), work.version(stream), status)


def unknown(what: str, pointer: str | None = None) -> Rejection:
    """The rejection of an id that leads nowhere: 404, or 422 when the id stood in a field of the body."""
    if pointer is None:
        return Rejection(code="not_found", detail=f"没有找到这个{what}", status=404)
    return Rejection(
        code="invalid_request",
        detail="请求内容有误，请按提示修改",
        status=422,
        fields=(FieldError(pointer, "unknown_id", f"没有找到这个{what}"),),
    )
