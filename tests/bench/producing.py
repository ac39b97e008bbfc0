"""A service of the stack with one more route, that appends events at a steady rate in the service's own process.

As it is served otherwise: its edge, its store, its sequencer, its relay, all in one process; only its processes are
left out, so that the log holds what was asked for and no more. Which service it is stands in BENCH_SERVICE. The load
is open: each command is carried out when it is due, whether or not earlier ones have been answered.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any, NamedTuple
from uuid import uuid4

from fastapi import Request
from fastapi.responses import StreamingResponse

from deploy.local import settings
from services.registry.domain.person import PERSON
from services.registry.wiring import DEFINITION as REGISTRY
from services.subsidy.wiring import DEFINITION as SUBSIDY
from shared.eventstore.decider import Rejection
from shared.eventstore.needs import IdempotencyKey, Needs
from shared.eventstore.record import Actor
from shared.eventstore.store import Store, new_context
from shared.eventstore.work import Answer, Work, fingerprint
from shared.runtime.serve import build
from shared.telemetry.logs import configure_logs
from shared.values.ids import PersonId, new_id, uuid7
from tests.bench.city import registered
from tests.bench.commands import claims_by_app
from tests.bench.endpoints import Asked

SERVICE = "BENCH_SERVICE"
LATE_SECONDS = 0.5
DEFINITIONS = {"registry": REGISTRY, "subsidy": SUBSIDY}


class Load(NamedTuple):
    """Commands of `events` events each, together `per_s` events a second for some time."""

    commands: list[Asked]
    events: int
    per_s: int


configure_logs(os.environ[SERVICE])
app = build(replace(DEFINITIONS[os.environ[SERVICE]], processes=()), settings.read(), "all")


@app.post("/bench/load")
async def load(request: Request, per_s: int, seconds: int) -> StreamingResponse:
    """Append `per_s` events a second; answers a line for each command that was accepted: the stream it wrote."""
    store: Store = request.app.state.store
    if os.environ[SERVICE] == "registry":
        asked = Load([_registration() for _ in range(per_s * seconds)], 1, per_s)
    else:
        database = request.app.state.settings.databases["subsidy"]
        asked = Load(await claims_by_app(database, store.keyring, per_s * seconds // 2), 2, per_s)
    return StreamingResponse(_carried_out(store, asked), media_type="text/plain")


async def _carried_out(store: Store, asked: Load) -> AsyncIterator[str]:
    """The streams written, as soon as they are. A line that begins with `!` says that something went wrong."""
    accepted: asyncio.Queue[str] = asyncio.Queue()

    async def one(command: Asked) -> None:
        carried: Any = (await store.carry_out(*command)).outcome
        accepted.put_nowait(f"!{carried}" if isinstance(carried, Rejection) else str(carried.stream))

    async def all_when_due() -> None:
        interval = asked.events / asked.per_s
        began = time.perf_counter()
        async with asyncio.TaskGroup() as tasks:
            for number, command in enumerate(asked.commands):
                while (early := began + number * interval - time.perf_counter()) > 0:
                    await asyncio.sleep(early)
                tasks.create_task(one(command))
        late = time.perf_counter() - began - len(asked.commands) * interval
        accepted.put_nowait(f"!{late:.1f} s late" if late > LATE_SECONDS else "")

    sending = asyncio.create_task(all_when_due())
    while line := await accepted.get():
        yield f"{line}\n"
    await sending


def _registration() -> Asked:
    """A person is registered: one event with three sealed fields, under an idempotency key."""
    person = PersonId(new_id("per", uuid7()))

    def handle(work: Work) -> Answer:
        work.append(PERSON, person, [registered(person)])
        return Answer(201, b'{"id":"%s"}' % person.encode(), person, work.version(person))

    key = IdempotencyKey("app", str(uuid4()), fingerprint(person.encode()))
    return Asked(Needs(streams=(person,), subjects=(person,)), handle, new_context(Actor("app")), key)
