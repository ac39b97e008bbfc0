"""Commands on the small aggregate, as a service would write them."""

from decimal import Decimal
from uuid import uuid4

from shared.eventstore.decider import Rejection
from shared.eventstore.needs import IdempotencyKey, Needs
from shared.eventstore.record import Actor
from shared.eventstore.store import Carried, Store, new_context
from shared.eventstore.work import Answer, Work, fingerprint
from shared.values.personal import Clear
from tests.integration.eventstore.account import ACCOUNT, Closed, Granted, Moved, Opened, Spent

ACTOR = Actor("test")
PLACES = 3


def key(name: str, body: bytes = b"") -> IdempotencyKey:
    return IdempotencyKey("test", name, fingerprint(body))


async def open_account(
    store: Store, name: str, owner: str = "owner", secret: str = "秘密", idempotency: IdempotencyKey | None = None
) -> Carried:
    stream = f"acc_{uuid4()}"

    def handle(work: Work) -> Answer | Rejection:
        if (holder := work.holder("name", name)) is not None:
            return Rejection(code="name_taken", detail="名称已被占用", extensions={"holder": holder})
        if len(work.holders("owner", owner, PLACES)) >= PLACES:
            return Rejection(code="no_place", detail="已无名额")
        work.append(ACCOUNT, stream, [Opened(name, owner, Clear(owner, secret))])
        return Answer(201, stream.encode(), stream, work.version(stream))

    return await store.carry_out(Needs(subjects=(owner,)), handle, new_context(ACTOR), idempotency)


async def move(store: Store, *streams: str, by: int = 1) -> Carried:
    """Move several accounts on in one command."""

    def handle(work: Work) -> Answer | Rejection:
        for stream in streams:
            work.append(ACCOUNT, stream, [Moved(by)])
        return Answer(200, b"")

    return await store.carry_out(Needs(streams=streams), handle, new_context(ACTOR))


async def close(store: Store, stream: str) -> Carried:
    def handle(work: Work) -> Answer | Rejection:
        work.append(ACCOUNT, stream, [Closed()])
        return Answer(200, b"")

    return await store.carry_out(Needs(streams=(stream,)), handle, new_context(ACTOR))


async def spend(store: Store, line: str, amount: str) -> Carried:
    stream = f"acc_{uuid4()}"

    def handle(work: Work) -> Answer | Rejection:
        if work.left("budget", line) < Decimal(amount):
            return Rejection(code="exhausted", detail="预算不足")
        work.append(ACCOUNT, stream, [Spent(line, Decimal(amount))])
        return Answer(200, stream.encode(), stream)

    return await store.carry_out(Needs(bounded=(("budget", line),)), handle, new_context(ACTOR))


async def set_bound(store: Store, line: str, amount: str) -> None:
    stream = f"acc_{uuid4()}"

    def handle(work: Work) -> Answer:
        work.append(ACCOUNT, stream, [Granted(line, Decimal(amount))])
        return Answer(200, b"")

    await store.carry_out(Needs(), handle, new_context(ACTOR))


def rejected(carried: Carried) -> str | None:
    return carried.outcome.code if isinstance(carried.outcome, Rejection) else None


def stream_of(carried: Carried) -> str:
    assert isinstance(carried.outcome, Answer), carried.outcome
    assert carried.outcome.stream is not None
    return carried.outcome.stream
