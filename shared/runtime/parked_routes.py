"""`/v1/parked`: messages that could not be handled, and what people do about them."""

import re
from datetime import datetime
from hashlib import sha256
from uuid import UUID

import msgspec
from fastapi import APIRouter, Request
from fastapi.responses import Response

from shared.eventstore.record import parse
from shared.messaging.inbox import Retried
from shared.runtime.parked import NotRetriable, ParkedMessage
from shared.runtime.parts import Parts
from shared.web.answers import RawObject, gives, lists
from shared.web.caller import allow, caller_of
from shared.web.fields import StaffText
from shared.web.lists import cursor_for, cursor_of, limit_of, paged
from shared.web.problem import Problem
from shared.web.routes import Body, GuardedRoute

WATCHERS = ("ops", "auditor")


class ShownParked(msgspec.Struct, frozen=True):
    """A parked message; `position` in the log of `source`, null for a timer. What is no message at all has no `log_id`,
    and `position` is what its header says.

    `behind`: how many earlier ones of its stream are parked too. `size` in bytes, `sha256` hexadecimal.
    """

    id: str
    consumer: str
    source: str
    stream: str
    log_id: UUID | None
    position: int | None
    type: str | None
    reason: str
    parked_at: datetime
    attempts: int
    behind: int
    retriable: bool
    size: int
    sha256: str


class ParkedDetail(ShownParked, frozen=True):
    """The same with its record as it was written, personal fields sealed; null for what is no record."""

    record: RawObject | None


class Dropping(Body):
    reason: StaffText


class RetriedMessages(msgspec.Struct, frozen=True):
    """How many messages of the stream were served or handed to the worker, how many are left, and why."""

    served: int
    left: int
    reason: str | None


class DroppedMessage(msgspec.Struct, frozen=True):
    id: str
    stream: str
    dropped_by: str
    reason: str


def shown(message: ParkedMessage) -> ShownParked:
    return ShownParked(
        str(message.id), message.consumer, message.source, message.stream, message.log_id, message.position,
        _type_of(message), message.reason, message.parked_at, message.attempts, message.behind, message.retriable,
        len(message.record), sha256(message.record).hexdigest(),
    )  # fmt: skip


def _type_of(message: ParkedMessage) -> str | None:
    return parse(message.record).type if message.is_event else None


def parked(parts: Parts) -> APIRouter:
    router = APIRouter(prefix="/v1/parked", tags=["运行"], route_class=GuardedRoute)

    @router.get("", summary="搁置的消息", operation_id="listParkedMessages")
    @allow(*WATCHERS)
    @lists(ShownParked)
    async def parked_list(request: Request) -> Response:
        """Oldest first. A stream's first is what the others wait for."""
        limit = limit_of(request.query_params.get("limit"))
        after = cursor_of(request.query_params.get("cursor")) or "0"
        if not re.fullmatch("[0-9]{1,18}", after):
            raise Problem(400, "cursor_invalid", "cursor 无效，请从第一页重新开始")
        found = await parts.parked.page(int(after), limit + 1)
        items = [msgspec.json.encode(shown(message)) for message in found[:limit]]
        return paged(request, items, cursor_for(str(found[limit - 1].id) if len(found) > limit else None))

    @router.get("/{parked_id}", summary="一条搁置的消息", operation_id="readParkedMessage")
    @allow(*WATCHERS)
    @gives(ParkedDetail, refuses=(404,))
    async def read(parked_id: str) -> Response:
        """With its record, unless it is none: what that holds is not known, so only its digest is shown."""
        message = await theirs(parked_id)
        record = msgspec.Raw(message.record) if message.is_event else None
        detail = ParkedDetail(**msgspec.structs.asdict(shown(message)), record=record)
        return Response(msgspec.json.encode(detail), media_type="application/json")

    @router.post("/{parked_id}:retry", summary="重试同一事件流搁置的消息", operation_id="retryParkedMessages")
    @allow("ops")
    @gives(RetriedMessages, refuses=(404, 409))
    async def retry(parked_id: str) -> Response:
        """All of its stream, in order, until one fails again; nothing of it is done twice."""
        try:
            retried: Retried = await parts.parked.retry(await theirs(parked_id))
        except NotRetriable:
            raise Problem(409, "not_retriable", "无法读取的内容不能重试，只能丢弃") from None
        return Response(msgspec.json.encode(RetriedMessages(*retried)), media_type="application/json")

    @router.post("/{parked_id}:drop", summary="丢弃一条搁置的消息，注明原因", operation_id="dropParkedMessage")
    @allow("ops")
    @gives(DroppedMessage, refuses=(404,))
    async def drop(request: Request, parked_id: str, body: Dropping) -> Response:
        """A person's decision, on record: its effect will never come about."""
        message, person = await theirs(parked_id), caller_of(request).person
        await parts.parked.drop(message, person, body.reason)
        dropped = DroppedMessage(str(message.id), message.stream, person, body.reason)
        return Response(msgspec.json.encode(dropped), media_type="application/json")

    async def theirs(parked_id: str) -> ParkedMessage:
        found = await parts.parked.find(int(parked_id)) if re.fullmatch("[0-9]{1,18}", parked_id) else None
        if found is None:
            raise Problem(404, "not_found", "没有找到这条搁置的消息")
        return found

    return router
