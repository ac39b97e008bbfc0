"""`/v1/messages`: what a person has been told."""

from typing import Annotated

from fastapi import Query, Request
from fastapi.responses import Response
from pydantic import AfterValidator

from services.notify.domain.message import MESSAGE, ReadMessage, Status, decide
from services.notify.projections.lists import ShownMessage
from services.notify.projections.lists import message as shown
from shared.eventstore.decider import Rejection
from shared.eventstore.needs import Needs
from shared.eventstore.work import Answer, Work
from shared.values.calendar import shanghai_date
from shared.values.ids import parse_id
from shared.values.rejected import Invalid
from shared.web.answers import carries_out, lists, shows
from shared.web.behalf import OnBehalfOf, not_theirs
from shared.web.caller import allow, caller_of
from shared.web.command import answer, command, current, store_of, unknown
from shared.web.fields import PersonRef
from shared.web.lists import page
from shared.web.problem import Problem, of_rejection
from shared.web.routes import router

api = router("消息")

READERS = ("app", "auditor")


def _message_id(text: str) -> str:
    if isinstance(parse_id("msg", text), Invalid):
        raise of_rejection(unknown("消息"))
    return text


# An id in a path that is of another kind leads nowhere: 404, before any stream of another kind is folded.
MessagePath = Annotated[str, AfterValidator(_message_id)]


def _must_be_theirs(request: Request, behalf: str | None, person_id: str) -> None:
    if (refusal := not_theirs(request, behalf, person_id)) is not None:
        raise of_rejection(refusal)


@api.get("/messages", summary="消息列表，新的在前")
@allow(*READERS)
@lists(ShownMessage)
async def listed(
    request: Request,
    person_id: PersonRef | None = None,
    subject_id: Annotated[str | None, Query(pattern=r"^[a-z]{3}_[0-9a-f-]{36}$")] = None,
    status: Status | None = None,
    behalf: OnBehalfOf = None,
) -> Response:
    if caller_of(request).holds("app") and person_id is None:
        raise Problem(400, "person_id_required", "请用 person_id 指明为谁查询")
    _must_be_theirs(request, behalf, person_id or "")
    chosen = (("person", person_id), ("subject", subject_id), ("status", status))
    facets = [f"{name}:{value}" for name, value in chosen if value is not None]
    return await page(request, "message", facets, newest_first=True)


@api.get("/messages/{message_id}", summary="消息")
@allow(*READERS)
@shows(ShownMessage)
async def one(request: Request, message_id: MessagePath, behalf: OnBehalfOf = None) -> Response:
    work = await store_of(request).look(Needs(streams=(message_id,)))
    message = work.state(MESSAGE, message_id)
    if message.sent is None:
        raise of_rejection(unknown("消息"))
    _must_be_theirs(request, behalf, message.sent.person_id)
    found = answer(work, message_id, shown(message_id, message))
    return current(request, found)


@api.post("/messages/{message_id}:read", summary="标为已读")
@allow("app")
@carries_out(ShownMessage)
async def read(request: Request, message_id: MessagePath, behalf: OnBehalfOf = None) -> Response:
    sent = (await store_of(request).look(Needs(streams=(message_id,)))).state(MESSAGE, message_id).sent
    if sent is None:
        raise of_rejection(unknown("消息"))
    _must_be_theirs(request, behalf, sent.person_id)

    def handle(work: Work) -> Answer | Rejection:
        decision = decide(ReadMessage(shanghai_date(work.now)), work.state(MESSAGE, message_id))
        if isinstance(decision, Rejection):
            return decision
        return answer(work, message_id, shown(message_id, work.append(MESSAGE, message_id, decision)))

    return await command(request, Needs(streams=(message_id,)), handle, on_behalf_of=sent.person_id)
