"""What the service's API does with webhook endpoints and messages, and its workers in single steps."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import date
from typing import Any

from services.notify.domain import webhook_endpoint as endpoints
from services.notify.domain.message import MESSAGE, MessageSent
from services.notify.domain.webhook_attempt import (
    WEBHOOK_ATTEMPT,
    RequestResend,
    WebhookAttempted,
    attempt_id,
)
from services.notify.domain.webhook_attempt import decide as decide_attempt
from services.notify.domain.webhook_endpoint import (
    WEBHOOK_ENDPOINT,
    RegisterEndpoint,
    Signature,
    WebhookEndpoint,
    WebhookEndpointCommand,
)
from services.notify.processes.webhooks import Webhooks
from services.notify.projections.webhooks import standing, webhooks
from shared.eventstore.decider import Rejection
from shared.eventstore.follower import read_checkpoint
from shared.eventstore.needs import Needs
from shared.eventstore.projections import follower_of
from shared.eventstore.record import Actor
from shared.eventstore.store import new_context
from shared.eventstore.work import Answer, Work
from shared.values.ids import MessageId, PersonId, new_id, uuid7
from shared.values.personal import Clear
from shared.web.outside import Outside
from shared.web.webhook_signing import new_secret, public_key_of
from tests.integration.places import Place
from tests.receiver import Receiver

CLIENT = "app"
PERSON = PersonId("per_01900000-0000-7000-8000-000000000001")
CLAIM = "clm_01900000-0000-7000-8000-000000000002"


class Desk:
    """What the service's API does with endpoints and messages, and its workers in single steps."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.projection = webhooks(place.store.types)
        self._following = asyncio.Lock()
        self.batch = 7

    async def register(self, url: str, *types: str, signature: Signature = "v1") -> tuple[str, str]:
        """The id of a new endpoint, and what verifies its webhooks."""
        id, secret = new_id("whe", uuid7()), new_secret(signature)
        asked = RegisterEndpoint(id, CLIENT, url, types, signature, Clear(id, secret), public_key_of(secret), None, 0)
        await self.change(id, asked)
        return id, public_key_of(secret) or secret

    async def change(self, id: str, command: WebhookEndpointCommand) -> None:
        def handle(work: Work) -> Answer | Rejection:
            decision = endpoints.decide(command, work.state(WEBHOOK_ENDPOINT, id))
            if isinstance(decision, Rejection):
                return decision
            work.append(WEBHOOK_ENDPOINT, id, decision)
            return Answer(204, b"", id)

        carried = await self.place.store.carry_out(
            Needs(streams=(id,), subjects=(id,)), handle, new_context(Actor("test"))
        )
        assert isinstance(carried.outcome, Answer), carried.outcome
        await self.catch_up()

    async def resend(self, endpoint: str, message: str, number: int) -> None:
        id = attempt_id(message, endpoint, number)

        def handle(work: Work) -> Answer | Rejection:
            decision = decide_attempt(RequestResend(True), work.state(WEBHOOK_ATTEMPT, id))
            assert not isinstance(decision, Rejection), decision.code
            work.append(WEBHOOK_ATTEMPT, id, decision)
            return Answer(204, b"", id)

        await self.place.store.carry_out(Needs(streams=(id,)), handle, new_context(Actor("test")))
        await self.catch_up()

    async def send(self, template: str = "claim_paid.v1") -> str:
        id = MessageId(new_id("msg", uuid7()))

        def handle(work: Work) -> Answer:
            sent = MessageSent(id, PERSON, template, "claim", CLAIM, {"paid_on": "2025-03-03"}, date(2025, 3, 3))
            work.append(MESSAGE, id, [sent])
            return Answer(204, b"", id)

        await self.place.store.carry_out(Needs(streams=(id,)), handle, new_context(Actor("test")))
        await self.catch_up()
        return id

    async def catch_up(self, build: int = 1) -> None:
        async with self._following:
            await self.place.follow(self.projection, build, batch=self.batch)

    async def endpoint(self, id: str) -> WebhookEndpoint:
        return (await self.place.store.look(Needs(streams=(id,)))).state(WEBHOOK_ENDPOINT, id)

    async def attempt(self, message: str, endpoint: str, number: int) -> WebhookAttempted | None:
        id = attempt_id(message, endpoint, number)
        return (await self.place.store.look(Needs(streams=(id,)))).state(WEBHOOK_ATTEMPT, id).made

    async def shown(self) -> int:
        """How far the live read model has come."""
        return await read_checkpoint(self.place.pool, follower_of("webhooks", 1))

    async def made(self, message: str, endpoint: str, number: int) -> bool:
        return await self.attempt(message, endpoint, number) is not None

    async def hurried_to(self, receiver: Receiver, count: int) -> bool:
        """Whether so many have come; until they have, what is owed is due now."""
        await self.hurry()
        return len(receiver.received) >= count

    async def hurried(self, message: str, endpoint: str, number: int) -> bool:
        """Whether an attempt has been made; until it has, it is due now."""
        await self.hurry()
        return await self.made(message, endpoint, number)

    @asynccontextmanager
    async def at_work(self, workers: int = 1) -> AsyncIterator[Sequence[Webhooks]]:
        """Workers that send, while the read model follows the log."""
        made = [Webhooks(self.place.store, Outside(loopback=True)) for _ in range(workers)]
        tasks = [asyncio.create_task(self.follow()), *(asyncio.create_task(worker.run()) for worker in made)]
        try:
            yield made
            assert not any(task.done() for task in tasks), [task.exception() for task in tasks if task.done()]
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def follow(self) -> None:
        while True:
            await self.catch_up()
            await asyncio.sleep(0.01)

    async def rows(self, build: int = 1) -> list[tuple[Any, ...]]:
        """What a build holds, but for its number."""
        tables = {"webhook_target": "endpoint", "webhook_owed": "endpoint, message"}
        found: list[tuple[Any, ...]] = []
        for table, key in tables.items():
            rows = await self.place.pool.fetch(f"select * from {table} where build = $1 order by {key}", build)
            found += [tuple(row)[1:] for row in rows]
        return found

    async def rows_of(self, attempts: int) -> int:
        """How many messages are owed of which so many attempts are shown."""
        query = "select count(*) from webhook_owed where attempts = $1"
        return int(await self.place.pool.fetchval(query, attempts))

    async def hurry(self) -> None:
        """The next attempts are due now: nobody waits for days here."""
        await self.place.pool.execute(
            "with mine as (select build, endpoint, message from webhook_owed where due_at is not null"
            " for update skip locked) update webhook_owed o set due_at = clock_timestamp() from mine m"
            " where (o.build, o.endpoint, o.message) = (m.build, m.endpoint, m.message)"
        )

    async def settled(self, endpoint: str, waiting: int = 0, given_up: int = 0) -> None:
        await until(lambda: standing(self.place.pool, endpoint), (waiting, given_up))


async def until(look: Any, wanted: object) -> None:
    async with asyncio.timeout(30):
        while (await look()) != wanted:
            await asyncio.sleep(0.01)
