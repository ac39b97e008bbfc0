"""`/v1/webhook-attempts`: what came of each attempt to tell an endpoint of a message."""

from typing import Annotated

from fastapi import Query, Request
from fastapi.responses import Response
from pydantic import AfterValidator

from services.notify.domain.webhook_attempt import (
    WEBHOOK_ATTEMPT,
    Outcome,
    RequestResend,
    WebhookAttempt,
    decide,
)
from services.notify.domain.webhook_endpoint import WEBHOOK_ENDPOINT
from services.notify.projections.lists import ShownAttempt
from services.notify.projections.lists import attempt as shown
from shared.eventstore.decider import Rejection
from shared.eventstore.needs import Needs
from shared.eventstore.work import Answer, Work
from shared.values.ids import parse_id
from shared.values.rejected import Invalid
from shared.web.answers import carries_out, lists, shows
from shared.web.caller import allow, caller_of
from shared.web.command import answer, command, current, store_of, unknown
from shared.web.lists import page
from shared.web.problem import of_rejection
from shared.web.routes import router

api = router("回调")

READERS = ("app", "ops", "auditor")
UNKNOWN = unknown("回调记录")


def _attempt_id(text: str) -> str:
    if isinstance(parse_id("wha", text), Invalid):
        raise of_rejection(UNKNOWN)
    return text


# An id in a path that is of another kind leads nowhere: 404, before any stream of another kind is folded.
AttemptPath = Annotated[str, AfterValidator(_attempt_id)]
EndpointFilter = Annotated[str | None, Query(pattern=r"^whe_[0-9a-f-]{36}$")]
MessageFilter = Annotated[str | None, Query(pattern=r"^(msg|tst)_[0-9a-f-]{36}$")]


def _theirs(request: Request, attempt: WebhookAttempt) -> bool:
    caller = caller_of(request)
    return attempt.made is not None and (not caller.holds("app") or attempt.made.client == caller.client)


@api.get("/webhook-attempts", summary="回调记录列表，按消息排列，新的在前")
@allow(*READERS)
@lists(ShownAttempt)
async def listed(
    request: Request,
    endpoint_id: EndpointFilter = None,
    message_id: MessageFilter = None,
    outcome: Outcome | None = None,
) -> Response:
    caller = caller_of(request)
    client = caller.client if caller.holds("app") else None
    chosen = (("client", client), ("endpoint", endpoint_id), ("message", message_id), ("outcome", outcome))
    facets = [f"{name}:{value}" for name, value in chosen if value is not None]
    return await page(request, "webhook_attempt", facets, newest_first=True)


@api.get("/webhook-attempts/{attempt_id}", summary="回调记录")
@allow(*READERS)
@shows(ShownAttempt)
async def read(request: Request, attempt_id: AttemptPath) -> Response:
    work = await store_of(request).look(Needs(streams=(attempt_id,)))
    state = work.state(WEBHOOK_ATTEMPT, attempt_id)
    if not _theirs(request, state):
        raise of_rejection(UNKNOWN)
    return current(request, answer(work, attempt_id, shown(attempt_id, state)))


@api.post("/webhook-attempts/{attempt_id}:resend", summary="重新发送", operation_id="resendWebhook")
@allow("app", "ops")
@carries_out(ShownAttempt)
async def resend(request: Request, attempt_id: AttemptPath) -> Response:
    """The last attempt of a message is followed by another one, whatever came of it; `webhook-id` stays the same."""
    state = (await store_of(request).look(Needs(streams=(attempt_id,)))).state(WEBHOOK_ATTEMPT, attempt_id)
    made = state.made
    if made is None or not _theirs(request, state):
        raise of_rejection(UNKNOWN)

    def handle(work: Work) -> Answer | Rejection:
        enabled = work.state(WEBHOOK_ENDPOINT, made.endpoint_id).status == "enabled"
        decision = decide(RequestResend(enabled), work.state(WEBHOOK_ATTEMPT, attempt_id))
        if isinstance(decision, Rejection):
            return decision
        return answer(work, attempt_id, shown(attempt_id, work.append(WEBHOOK_ATTEMPT, attempt_id, decision)))

    return await command(request, Needs(streams=(attempt_id, made.endpoint_id)), handle)
