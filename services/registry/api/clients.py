"""`/v1/clients`: partners' systems and their keys, each let in by two persons."""

from typing import Annotated

import msgspec
from fastapi import Query, Request
from fastapi.responses import Response
from pydantic import AfterValidator, Field

from services.registry.api.fields import ClientPath, facets
from services.registry.domain.client import (
    CLIENT,
    CLIENT_ID,
    CREDENTIALS,
    ApproveClient,
    ApproveKey,
    Client,
    ClientCommand,
    KeyUse,
    RequestClient,
    RequestResumption,
    ResumeClient,
    RevokeKey,
    Status,
    SubmitKey,
    SuspendClient,
    decide,
)
from services.registry.projections.lists import ClientShown
from services.registry.projections.lists import client as shown
from services.registry.public_keys import PublicKey
from shared.eventstore.decider import Rejection
from shared.eventstore.needs import Needs
from shared.eventstore.work import Answer, Work
from shared.values.ids import new_id, uuid7
from shared.web.answers import carries_out, gives, lists, shows
from shared.web.caller import allow, caller_of
from shared.web.command import answer, command, current, store_of, unknown
from shared.web.fields import Name, StaffText
from shared.web.lists import page
from shared.web.problem import FieldValueError, of_rejection
from shared.web.routes import Body, router

api = router("客户端")

STAFF = ("city", "ops")
READERS = (*STAFF, "auditor")

ClientName = Annotated[
    str,
    Field(pattern=r"^(app|(bank|carrier|institution|evaluator|service):[a-z0-9][a-z0-9-]{0,31})$"),
]
"""A client_id, and a scope: the roles that systems may hold. Persons' roles are not among them."""


def _once(scopes: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(scopes)) != len(scopes):
        raise FieldValueError("scopes.repeated", "同一权限不能重复")
    return scopes


class NewClient(Body):
    """`scopes` are the roles that its tokens may carry."""

    client_id: Annotated[ClientName, Field(examples=["bank:demo-a"])]
    name: Name
    scopes: Annotated[tuple[ClientName, ...], Field(min_length=1, max_length=20), AfterValidator(_once)]


class NewKey(Body):
    """`token`: signs for access tokens. `signature`: signs messages that are exchanged."""

    use: KeyUse
    public_key: PublicKey


class Suspension(Body):
    reason: StaffText


class Resumption(Body):
    """`reason`: why the client may be let in again."""

    reason: StaffText


class SignatureKey(msgspec.Struct, frozen=True):
    """`public_key` is a JWK."""

    kid: str
    public_key: dict[str, str]


class SignatureKeys(msgspec.Struct, frozen=True):
    """The keys with which the client may sign messages now: none while it is suspended."""

    client_id: str
    keys: tuple[SignatureKey, ...]


@api.post("/clients", status_code=201, summary="申请登记客户端")
@allow(*STAFF)
@carries_out(ClientShown)
async def request_client(request: Request, body: NewClient) -> Response:
    person = caller_of(request).person
    id = new_id(CLIENT.prefix, uuid7())

    def handle(work: Work) -> Answer | Rejection:
        holder = work.holder(CLIENT_ID, body.client_id)
        decision = decide(RequestClient(body.client_id, body.name, body.scopes, person, holder), work.state(CLIENT, id))
        if isinstance(decision, Rejection):
            return decision
        return answer(work, id, shown(id, work.append(CLIENT, id, decision)), 201)

    return await command(request, Needs(unique=((CLIENT_ID, body.client_id),)), handle, location="/v1/clients/{id}")


async def _carry_out(request: Request, id: str, chosen: ClientCommand, status: int = 200) -> Response:
    def handle(work: Work) -> Answer | Rejection:
        decision = decide(chosen, work.state(CLIENT, id))
        if isinstance(decision, Rejection):
            return decision
        return answer(work, id, shown(id, work.append(CLIENT, id, decision)), status)

    return await command(request, Needs(streams=(id,)), handle)


@api.post("/clients/{client_id}/keys", status_code=201, summary="提交客户端公钥", operation_id="submitClientKey")
@allow(*STAFF)
@carries_out(ClientShown)
async def submit_key(request: Request, client_id: ClientPath, body: NewKey) -> Response:
    person, key = caller_of(request).person, body.public_key.checked("/public_key")
    chosen = SubmitKey(key.kid, body.use, key.algorithm, key.jwk(), person)
    return await _carry_out(request, client_id, chosen, 201)


@api.post("/clients/{client_id}:approve", summary="批准客户端（须由另一人）")
@allow(*STAFF)
@carries_out(ClientShown)
async def approve(request: Request, client_id: ClientPath) -> Response:
    return await _carry_out(request, client_id, ApproveClient(caller_of(request).person))


@api.post("/clients/{client_id}/keys/{kid}:approve", summary="批准公钥（须由另一人）")
@allow(*STAFF)
@carries_out(ClientShown)
async def approve_key(request: Request, client_id: ClientPath, kid: str) -> Response:
    return await _carry_out(request, client_id, ApproveKey(kid, caller_of(request).person))


@api.post("/clients/{client_id}/keys/{kid}:revoke", summary="吊销公钥")
@allow(*STAFF)
@carries_out(ClientShown)
async def revoke_key(request: Request, client_id: ClientPath, kid: str) -> Response:
    return await _carry_out(request, client_id, RevokeKey(kid, caller_of(request).person))


@api.post("/clients/{client_id}:suspend", summary="停用客户端")
@allow(*STAFF)
@carries_out(ClientShown)
async def suspend(request: Request, client_id: ClientPath, body: Suspension) -> Response:
    return await _carry_out(request, client_id, SuspendClient(caller_of(request).person, body.reason))


@api.post(
    "/clients/{client_id}:request-resumption", summary="申请恢复已停用的客户端", operation_id="requestClientResumption"
)
@allow(*STAFF)
@carries_out(ClientShown)
async def request_resumption(request: Request, client_id: ClientPath, body: Resumption) -> Response:
    return await _carry_out(request, client_id, RequestResumption(caller_of(request).person, body.reason))


@api.post("/clients/{client_id}:resume", summary="批准恢复客户端（须由申请恢复者以外的另一人）")
@allow(*STAFF)
@carries_out(ClientShown)
async def resume(request: Request, client_id: ClientPath) -> Response:
    return await _carry_out(request, client_id, ResumeClient(caller_of(request).person))


@api.get("/clients", summary="客户端列表")
@allow(*READERS)
@lists(ClientShown)
async def listed(
    request: Request, status: Status | None = None, client_id: Annotated[ClientName | None, Query()] = None
) -> Response:
    return await page(request, "client", facets(status=status, client_id=client_id))


@api.get("/clients/{client_id}", summary="客户端")
@allow(*READERS)
@shows(ClientShown)
async def read(request: Request, client_id: ClientPath) -> Response:
    work = await store_of(request).look(Needs(streams=(client_id,)))
    if not work.exists(client_id):
        raise of_rejection(unknown("客户端"))
    found = answer(work, client_id, shown(client_id, work.state(CLIENT, client_id)))
    return current(request, found)


@api.get("/client-keys/{client}", summary="客户端当前可用的报文签名公钥", operation_id="getClientKeys")
@allow("service:loans")
@gives(SignatureKeys, refuses=(404,))
async def signature_keys(request: Request, client: str) -> Response:
    """As of now, for who has not heard of a key yet; by `client_id`."""
    known = (await store_of(request).look(Needs(rows=((CREDENTIALS, client),)))).row(CREDENTIALS, client, Client)
    if known is None:
        raise of_rejection(unknown("客户端"))
    keys = tuple(SignatureKey(key.kid, key.public_key) for key in known.signature_keys())
    return Response(msgspec.json.encode(SignatureKeys(client, keys)), media_type="application/json")
