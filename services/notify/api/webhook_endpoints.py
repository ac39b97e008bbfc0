"""`/v1/webhook-endpoints`: where a system wants to hear of messages.   (Standard Webhooks)"""

from datetime import UTC, datetime
from typing import Annotated, Final

import msgspec
from fastapi import Request
from fastapi.responses import Response
from pydantic import AfterValidator, Field, field_validator

from services.notify.domain.webhook_attempt import type_of
from services.notify.domain.webhook_endpoint import (
    ADDRESS,
    MOST_ENDPOINTS,
    PLACE,
    UNKNOWN,
    WEBHOOK_ENDPOINT,
    ChooseTypes,
    DisableEndpoint,
    EnableEndpoint,
    RegisterEndpoint,
    RemoveEndpoint,
    RequestTest,
    RotateSecret,
    Signature,
    Status,
    WebhookEndpoint,
    WebhookEndpointCommand,
    address_of,
    decide,
)
from services.notify.projections.lists import ShownEndpoint
from services.notify.projections.lists import endpoint as shown
from services.notify.projections.webhooks import standing
from services.notify.templates import catalogue
from shared.eventstore.decider import Rejection
from shared.eventstore.needs import Needs
from shared.eventstore.work import Answer, Work
from shared.values.ids import new_id, parse_id, uuid7
from shared.values.personal import Clear
from shared.values.rejected import Invalid
from shared.web.answers import carries_out, lists, shows
from shared.web.caller import allow, caller_of
from shared.web.command import answer, command, current, store_of
from shared.web.lists import page
from shared.web.outside import wrong_with
from shared.web.problem import FieldValueError, invalid_field, of_rejection
from shared.web.routes import Body, router
from shared.web.webhook_signing import new_secret, public_key_of

api = router("回调")

OWNERS: Final = ("app",)
READERS: Final = ("app", "ops", "auditor")


def _endpoint_id(text: str) -> str:
    if isinstance(parse_id("whe", text), Invalid):
        raise of_rejection(UNKNOWN)
    return text


# An id in a path that is of another kind leads nowhere: 404, before any stream of another kind is folded.
EndpointPath = Annotated[str, AfterValidator(_endpoint_id)]

TYPES: Final = frozenset(type_of(item.name, item.subject_kind) for item in catalogue().templates.values())
"""What can be wanted: a type for each template, whatever its version."""
MessageType = Annotated[str, Field(json_schema_extra={"enum": sorted(TYPES)}, examples=["claim.paid"])]


def _known_once(types: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(types)) != len(types):
        raise FieldValueError("types.repeated", "同一类型不能重复")
    if not TYPES.issuperset(types):
        raise FieldValueError("types.unknown", "没有这个消息类型，可选类型见接口文档")
    return types


Types = Annotated[tuple[MessageType, ...], Field(max_length=100), AfterValidator(_known_once)]


class NewEndpoint(Body):
    """`types`: those of the messages that are wanted, such as `claim.paid`; all when empty.

    `signature`: `v1` is HMAC-SHA256 with a shared secret, `v1a` Ed25519 with a public key.
    """

    url: Annotated[str, Field(min_length=1, max_length=2000, examples=["https://app.example.sh.cn/webhooks"])]
    types: Types = ()
    signature: Signature = "v1"

    @field_validator("url")
    @classmethod
    def _no_blanks(cls, url: str) -> str:
        if url != url.strip():
            raise FieldValueError("url.form", "首尾不能有空格")
        return url


class ChosenTypes(Body):
    """Counts for messages from now on; all when empty."""

    types: Types


class EndpointStanding(ShownEndpoint, frozen=True):
    """`waiting`: messages that are owed and not delivered yet; `given_up`: those that are not tried any more."""

    waiting: int
    given_up: int


class EndpointSecret(ShownEndpoint, frozen=True):
    """`secret` is told here and never again; null for `v1a`, which `public_key` verifies."""

    secret: str | None


def _told(id: str, state: WebhookEndpoint, secret: str) -> EndpointSecret:
    told = secret if state.signature == "v1" else None
    return EndpointSecret(**msgspec.structs.asdict(shown(id, state)), secret=told)


@api.post("/webhook-endpoints", status_code=201, summary="登记回调地址")
@allow(*OWNERS)
@carries_out(EndpointSecret)
async def register(request: Request, body: NewEndpoint) -> Response:
    """The secret is in this answer alone; `:rotate-secret` makes another."""
    client = caller_of(request).client
    is_local = request.app.state.settings.profile == "local"
    if (wrong := wrong_with(body.url, loopback=is_local)) is not None:
        raise invalid_field("/url", wrong.code, wrong.message)
    id, secret = new_id(WEBHOOK_ENDPOINT.prefix, uuid7()), new_secret(body.signature)
    address = (ADDRESS, address_of(client, body.url))
    places = tuple((PLACE, f"{client}/{place}") for place in range(1, MOST_ENDPOINTS + 1))

    def handle(work: Work) -> Answer | Rejection:
        chosen = RegisterEndpoint(
            id, client, body.url, body.types, body.signature, Clear(id, secret), public_key_of(secret),
            work.holder(*address), len(work.holders(PLACE, client, MOST_ENDPOINTS)),
        )  # fmt: skip
        decision = decide(chosen, work.state(WEBHOOK_ENDPOINT, id))
        if isinstance(decision, Rejection):
            return decision
        return answer(work, id, _told(id, work.append(WEBHOOK_ENDPOINT, id, decision), secret), 201)

    needs = Needs(streams=(id,), unique=(address, *places), subjects=(id,))
    return await command(request, needs, handle, location="/v1/webhook-endpoints/{id}")


def _theirs(request: Request, endpoint: WebhookEndpoint) -> bool:
    caller = caller_of(request)
    return endpoint.id is not None and (not caller.holds("app") or endpoint.client == caller.client)


async def _carry_out(request: Request, id: str, chosen: WebhookEndpointCommand) -> Response:
    def handle(work: Work) -> Answer | Rejection:
        state = work.state(WEBHOOK_ENDPOINT, id)
        decision = decide(chosen, state) if _theirs(request, state) else UNKNOWN
        if isinstance(decision, Rejection):
            return decision
        return answer(work, id, shown(id, work.append(WEBHOOK_ENDPOINT, id, decision)))

    return await command(request, Needs(streams=(id,)), handle)


@api.post("/webhook-endpoints/{endpoint_id}:choose-types", summary="改选消息类型", operation_id="chooseWebhookTypes")
@allow(*OWNERS)
@carries_out(ShownEndpoint)
async def choose_types(request: Request, endpoint_id: EndpointPath, body: ChosenTypes) -> Response:
    return await _carry_out(request, endpoint_id, ChooseTypes(body.types))


@api.post("/webhook-endpoints/{endpoint_id}:rotate-secret", summary="更换密钥", operation_id="rotateWebhookSecret")
@allow(*OWNERS)
@carries_out(EndpointSecret)
async def rotate_secret(request: Request, endpoint_id: EndpointPath) -> Response:
    """For a day each webhook carries the signatures of both."""
    known = (await store_of(request).look(Needs(streams=(endpoint_id,)))).state(WEBHOOK_ENDPOINT, endpoint_id)
    secret = new_secret(known.signature)
    chosen = RotateSecret(Clear(endpoint_id, secret), public_key_of(secret), datetime.now(UTC))

    def handle(work: Work) -> Answer | Rejection:
        state = work.state(WEBHOOK_ENDPOINT, endpoint_id)
        decision = decide(chosen, state) if _theirs(request, state) else UNKNOWN
        if isinstance(decision, Rejection):
            return decision
        told = _told(endpoint_id, work.append(WEBHOOK_ENDPOINT, endpoint_id, decision), secret)
        return answer(work, endpoint_id, told)

    return await command(request, Needs(streams=(endpoint_id,), subjects=(endpoint_id,)), handle)


@api.post("/webhook-endpoints/{endpoint_id}:test", summary="发送测试回调")
@allow(*OWNERS)
@carries_out(ShownEndpoint)
async def test(request: Request, endpoint_id: EndpointPath) -> Response:
    """A webhook of the type `webhook.test`; `/v1/webhook-attempts` tells what came of it."""
    return await _carry_out(request, endpoint_id, RequestTest(new_id("tst", uuid7())))


@api.post("/webhook-endpoints/{endpoint_id}:disable", summary="停用回调地址")
@allow(*OWNERS, "ops")
@carries_out(ShownEndpoint)
async def disable(request: Request, endpoint_id: EndpointPath) -> Response:
    """What is owed waits."""
    return await _carry_out(request, endpoint_id, DisableEndpoint("asked"))


@api.post("/webhook-endpoints/{endpoint_id}:enable", summary="启用回调地址")
@allow(*OWNERS, "ops")
@carries_out(ShownEndpoint)
async def enable(request: Request, endpoint_id: EndpointPath) -> Response:
    """All that is owed is sent, also what had been given up."""
    return await _carry_out(request, endpoint_id, EnableEndpoint())


@api.post("/webhook-endpoints/{endpoint_id}:remove", summary="移除回调地址")
@allow(*OWNERS)
@carries_out(ShownEndpoint)
async def remove(request: Request, endpoint_id: EndpointPath) -> Response:
    """What is owed is owed no more."""
    return await _carry_out(request, endpoint_id, RemoveEndpoint())


@api.get("/webhook-endpoints", summary="回调地址列表")
@allow(*READERS)
@lists(ShownEndpoint)
async def listed(request: Request, status: Status | None = None) -> Response:
    caller = caller_of(request)
    facets = [f"client:{caller.client}"] if caller.holds("app") else []
    return await page(request, "webhook_endpoint", [*facets, *([f"status:{status}"] if status else [])])


@api.get("/webhook-endpoints/{endpoint_id}", summary="回调地址")
@allow(*READERS)
@shows(EndpointStanding, changes_by_day=True)
async def read(request: Request, endpoint_id: EndpointPath) -> Response:
    store = store_of(request)
    work = await store.look(Needs(streams=(endpoint_id,)))
    state = work.state(WEBHOOK_ENDPOINT, endpoint_id)
    if not _theirs(request, state):
        raise of_rejection(UNKNOWN)
    counts = (await standing(store.pool, endpoint_id))._asdict()
    told = EndpointStanding(**msgspec.structs.asdict(shown(endpoint_id, state)), **counts)
    return current(request, answer(work, endpoint_id, told), changes_by_day=True)
