"""`/v1/claims:review-selection` and `:approve-selection`: decisions on up to 100,000 claims, as long work.   (B-17)

The work is carried out as the person who asked: each claim is decided as a request of that person alone would be, by
the same rules and under the same signature, and what became of each is at `/v1/operations/{id}/results`.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Annotated, Any
from uuid import UUID

import msgspec
from fastapi import Request
from fastapi.responses import Response
from pydantic import ConfigDict, Field

from services.subsidy.api.claims import (
    APPROVERS,
    REVIEWERS,
    Approval,
    Review,
    approving,
    ensure_reasons,
    reviewing,
)
from services.subsidy.api.submission import Programme
from shared.eventstore.calls import Context
from shared.eventstore.decider import Rejection
from shared.eventstore.interruptions import AskLater
from shared.eventstore.listing import shows_what_is_there
from shared.eventstore.needs import IdempotencyKey, Needs
from shared.eventstore.store import Store
from shared.eventstore.work import Answer, Handler
from shared.runtime.items import Counts, Items, Outcome, carry_out_each
from shared.runtime.long_work import LongWork, Progress
from shared.runtime.long_work_routes import ShownOperation, accepted
from shared.values.ids import parse_id
from shared.values.rejected import Invalid
from shared.web.answers import gives
from shared.web.body import declares, parsed_body
from shared.web.caller import Caller, allow, caller_of
from shared.web.fields import ClaimRef, District
from shared.web.problem import Problem, invalid_field, of_rejection
from shared.web.routes import accepts_up_to, router

api = router("申请")

REVIEW_SELECTION = "claims-review"
APPROVE_SELECTION = "claims-approval"
MOST = 100_000
MOST_BYTES = 8 * 1024 * 1024
CHECKED_AT_ONCE = 2000
LISTED_WITHIN = 30.0

Chosen = Annotated[tuple[ClaimRef, ...], Field(min_length=1, max_length=MOST)]


EXAMPLE: Any = {"claim_ids": ["clm_0195c8f0-7a1e-7c3b-9d42-5b6f0e1a2c3d"], "decision": "approve", "reasons": []}


class ReviewSelection(Review):
    """`claim_ids`, or else all claims of the reviewer's districts that wait for review.

    `programme` and `district` narrow the latter.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    claim_ids: Chosen | None = None
    programme: Programme | None = None
    district: District | None = None


class ApprovalSelection(Approval):
    """`claim_ids`, or else all claims of the approver's districts that wait for approval.

    `programme` and `district` narrow the latter.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    claim_ids: Chosen | None = None
    programme: Programme | None = None
    district: District | None = None


class DecisionsAsked(msgspec.Struct, frozen=True):
    """What is to be decided, and by whom: `caller` as he was when he asked. No `claim_ids`: what the lists show."""

    caller: Caller
    decision: str
    reasons: tuple[str, ...]
    claim_ids: tuple[str, ...] | None
    programme: str | None
    districts: tuple[str, ...]


@api.post(
    "/claims:review-selection",
    status_code=202,
    summary="批量审核至多 10 万件，逐件给出结果",
    description="指明 `claim_ids`，或按区和项目选取全部待审核的申请；逐件结果见 `/v1/operations/{id}/results`。",
    openapi_extra=declares(ReviewSelection),
)
@allow(REVIEWERS)
@accepts_up_to(MOST_BYTES)
@gives(ShownOperation, headers=("Location", "Retry-After"), keyed=True)
async def review_selection(request: Request) -> Response:
    """Each claim is decided as `/v1/claims/{id}/review` would decide it."""
    return await _asked(request, ReviewSelection, "reviewer", REVIEW_SELECTION)


@api.post(
    "/claims:approve-selection",
    status_code=202,
    summary="批量批准至多 10 万件，逐件给出结果：由审核人以外的另一人作出",
    description="指明 `claim_ids`，或按区和项目选取全部待批准的申请；逐件结果见 `/v1/operations/{id}/results`。",
    openapi_extra=declares(ApprovalSelection),
)
@allow(APPROVERS)
@accepts_up_to(MOST_BYTES)
@gives(ShownOperation, headers=("Location", "Retry-After"), keyed=True)
async def approve_selection(request: Request) -> Response:
    """Each claim is decided as `/v1/claims/{id}/approval` would decide it."""
    return await _asked(request, ApprovalSelection, "approver", APPROVE_SELECTION)


async def _asked(
    request: Request, model: type[ReviewSelection] | type[ApprovalSelection], role: str, kind: str
) -> Response:
    caller = caller_of(request)
    caller.person  # noqa: B018  a person decides
    ids, body = await _selection(request, model)
    ensure_reasons(body)
    if ids is not None and (body.programme, body.district) != (None, None):
        raise invalid_field("/claim_ids", "not_used", "已指明申请的，不能再按区或项目选取")
    own = tuple(code for code in dict.fromkeys(caller.named("district")) if caller.holds(f"district:{code}/{role}"))
    if body.district is not None and body.district not in own:
        raise Problem(403, "not_your_district", "只能选取本区审核的申请")
    districts = own if body.district is None else (body.district,)
    asked = DecisionsAsked(caller, body.decision, body.reasons, ids, body.programme, districts)
    return await accepted(request, request.app.state.parts.operations, kind, asked)


async def _selection(request: Request, model: Any) -> tuple[tuple[str, ...] | None, Any]:
    """The ids, checked a piece at a time so that nobody waits for all of them, and the rest of the body."""
    raw = await request.body()
    try:
        document = msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        document = None
    ids = document.get("claim_ids") if isinstance(document, dict) else None
    if not isinstance(ids, list) or not 1 <= len(ids) <= MOST:
        return None, parsed_body(raw, model)
    seen: set[object] = set()
    for start in range(0, len(ids), CHECKED_AT_ONCE):
        for number, id in enumerate(ids[start : start + CHECKED_AT_ONCE], start):
            if isinstance(found := parse_id("clm", id), Invalid):
                raise invalid_field(f"/claim_ids/{number}", found.code, found.message)
            if id in seen:
                raise invalid_field(f"/claim_ids/{number}", "repeated", "同一编号在一次请求中只能出现一次")
            seen.add(id)
        await asyncio.sleep(0)
    rest = msgspec.json.encode({**document, "claim_ids": ids[:1]})
    return tuple(ids), parsed_body(rest, model)


# -- the work ---------------------------------------------------------------------------------------------------------


HELD = Problem(409, "held", "申请已暂缓，未能作出决定，原因见申请的 holds")

Deciding = Callable[[Caller, str, Any], Handler]


def decisions(store: Store) -> dict[str, LongWork]:
    """The kinds of long work that decide on claims."""
    return {
        REVIEW_SELECTION: partial(_decide_all, store, "submitted", Review, reviewing),
        APPROVE_SELECTION: partial(_decide_all, store, "under_review", Approval, approving),
    }


async def _decide_all(
    store: Store, status: str, model: type[Review | Approval], deciding: Deciding, input: bytes, progress: Progress
) -> Counts:
    """Decide each claim of the selection once. Begun again, it goes on with those that have no result."""
    asked = msgspec.json.decode(input, type=DecisionsAsked)
    items = Items(store.pool, progress.operation)
    if not await items.chosen():
        await _choose(store, items, asked, status)
    body = model.model_validate({"decision": asked.decision, "reasons": asked.reasons})
    context = Context(actor=asked.caller.actor(), correlation_id=UUID(progress.operation.partition("_")[2]))

    async def one(claim_id: str) -> Outcome:
        key = IdempotencyKey(f"operation:{progress.operation}", claim_id, b"")
        handle = deciding(asked.caller, claim_id, body)
        try:
            outcome = (await store.carry_out(Needs(streams=(claim_id,)), handle, context, key)).outcome
        except Problem as problem:
            return _refused(problem, claim_id)
        if isinstance(outcome, Rejection):
            return _refused(of_rejection(outcome), claim_id)
        return _refused(HELD, claim_id) if _still(status, outcome) else Outcome(outcome.status)

    return await carry_out_each(items, one, progress)


class _Status(msgspec.Struct):
    status: str


def _still(status: str, outcome: Answer) -> bool:
    """Whether a claim stands where it stood: the decision did no more than to put it on hold."""
    return msgspec.json.decode(outcome.body, type=_Status).status == status


def _refused(problem: Problem, claim_id: str) -> Outcome:
    return Outcome(problem.status, bytes(problem.response(f"/v1/claims/{claim_id}").body))


async def _choose(store: Store, items: Items, asked: DecisionsAsked, status: str) -> None:
    if asked.claim_ids is not None:
        await items.choose(asked.claim_ids)
        return
    if not await shows_what_is_there(store.pool, LISTED_WITHIN):
        raise AskLater("the list of claims has not caught up")
    facets = [f"status:{status}"] + ([f"programme:{asked.programme}"] if asked.programme else [])
    await items.choose_listed("claim", facets, [f"district:{code}" for code in asked.districts], MOST)
