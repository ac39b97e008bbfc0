"""`/v1/operations/{id}`: how far an accepted operation is; and those operations that every service has."""

import re
from datetime import datetime
from typing import Literal

import msgspec
from fastapi import APIRouter, Request
from fastapi.responses import Response

from shared.eventstore.store import KeyReused
from shared.runtime.items import Noted, read_items
from shared.runtime.long_work import Operation, Operations
from shared.runtime.parts import Parts
from shared.runtime.vault import ROTATION
from shared.web.answers import RawObject, RawProblem, gives, lists
from shared.web.caller import EVERYONE, allow, caller_of
from shared.web.command import idempotency_key, key_reused
from shared.web.lists import cursor_for, cursor_of, limit_of, paged
from shared.web.problem import Problem
from shared.web.routes import GuardedRoute
from shared.web.signing.declared import signed, unsigned


class ShownOperation(msgspec.Struct, frozen=True):
    """`total` is null while it is not known; `problem` is a problem document."""

    id: str
    kind: str
    status: str
    done: int
    total: int | None
    requested_at: datetime
    finished_at: datetime | None
    result: RawObject | None
    problem: RawProblem | None


ItemOutcome = Literal["succeeded", "failed", "waiting"]


class OperationItem(msgspec.Struct, frozen=True):
    """One item of long work, in its order, and what became of it; `status` as HTTP's, null while it is waiting."""

    number: int
    id: str
    status: int | None
    problem: RawProblem | None


def _shown_item(item: Noted) -> OperationItem:
    return OperationItem(
        item.number, item.item, item.status, None if item.problem is None else msgspec.Raw(item.problem)
    )


SEES_ALL = ("ops", "auditor")


def long_work(parts: Parts) -> APIRouter:
    router = APIRouter(prefix="/v1", tags=["长时操作"], route_class=GuardedRoute)
    of_banks = unsigned("这个服务与银行没有签名往来") if parts.definition.signing is None else signed

    @router.get("/operations/{operation_id}", summary="长时操作的进度与结果")
    @allow(*EVERYONE)
    @of_banks
    @gives(ShownOperation, headers=("Retry-After",))
    async def read(request: Request, operation_id: str) -> Response:
        """Its own operations, for whoever asked for them; all of them, for operations and audit."""
        found = await theirs(request, operation_id)
        headers = {} if found.finished_at else {"Retry-After": "1"}
        return Response(msgspec.json.encode(shown(found)), media_type="application/json", headers=headers)

    @router.get("/operations/{operation_id}/results", summary="长时操作逐件的结果")
    @allow(*EVERYONE)
    @of_banks
    @lists(OperationItem, refuses=(404,))
    async def results(request: Request, operation_id: str, outcome: ItemOutcome | None = None) -> Response:
        """Item by item, in the order of the work; `outcome` chooses those that succeeded, failed or are waiting."""
        found = await theirs(request, operation_id)
        limit = limit_of(request.query_params.get("limit"))
        after = cursor_of(request.query_params.get("cursor")) or "0"
        if not re.fullmatch("[0-9]{1,9}", after):
            raise Problem(400, "cursor_invalid", "cursor 无效，请从第一页重新开始")
        items = await read_items(parts.pool, found.id, int(after), limit + 1, outcome)
        shown_items = [msgspec.json.encode(_shown_item(item)) for item in items[:limit]]
        return paged(request, shown_items, cursor_for(str(items[limit - 1].number) if len(items) > limit else None))

    async def theirs(request: Request, operation_id: str) -> Operation:
        caller = caller_of(request)
        found = await parts.operations.find(operation_id)
        if found is None or (found.client != caller.key_space and not any(map(caller.holds, SEES_ALL))):
            raise Problem(404, "not_found", "没有找到这个操作")
        return found

    @router.post("/vault/master-key:rotate", summary="轮换主密钥并重新封装所有密钥", status_code=202)
    @allow("ops")
    @gives(ShownOperation, headers=("Location", "Retry-After"), keyed=True)
    async def rotate(request: Request) -> Response:
        """Replaced keys are kept for 35 days, for copies of the database that may have to be restored."""
        caller_of(request).person  # noqa: B018  a person decides
        return await accepted(request, parts.operations, ROTATION, parts.vault.rotation())

    return router


async def accepted(request: Request, operations: Operations, kind: str, input: object) -> Response:
    """Accept long work for the caller: 202 with where to look."""
    key = await idempotency_key(request)
    try:
        operation, repeated = await operations.accept(kind, caller_of(request).key_space, input, key)
    except KeyReused:
        raise key_reused() from None
    headers = {"Location": f"/v1/operations/{operation.id}", "Retry-After": "1"}
    if repeated:
        headers["Idempotent-Replayed"] = "true"
    return Response(msgspec.json.encode(shown(operation)), 202, media_type="application/json", headers=headers)


def shown(operation: Operation) -> ShownOperation:
    return ShownOperation(
        operation.id,
        operation.kind,
        operation.status,
        operation.done,
        operation.total,
        operation.requested_at,
        operation.finished_at,
        None if operation.result is None else msgspec.Raw(operation.result),
        None if operation.problem is None else msgspec.Raw(operation.problem),
    )
