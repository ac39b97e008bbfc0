"""A claim without the edge: FastAPI, the same kernel command, and nothing else.

Nobody signs in, nothing is validated, limited, traced or counted; the body is decoded and believed.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
from fastapi import FastAPI, Request
from fastapi.responses import Response

from deploy.local import settings
from services.subsidy.api.submission import NewClaim, Payee, submission
from services.subsidy.wiring import DEFINITION
from shared.eventstore.needs import IdempotencyKey
from shared.eventstore.record import Actor
from shared.eventstore.store import Store, new_context
from shared.eventstore.work import Answer
from shared.runtime.parts import open_pool
from shared.runtime.serve import spare_the_collector
from shared.values.ids import ClaimId, new_id, uuid7
from shared.vault.keys import Keyring
from shared.vault.master import FileMasterKey

ACTOR = Actor("app")


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    found = settings.read()
    async with await open_pool(found.databases["subsidy"]) as pool:
        keyring = Keyring(FileMasterKey(found.secret("subsidy", "master.key")))
        app.state.store = Store(pool, DEFINITION.aggregates, keyring, views=DEFINITION.views)
        spare_the_collector()
        yield


app = FastAPI(lifespan=lifespan)


@app.post("/v1/claims", status_code=201)
async def submit(request: Request) -> Response:
    given = msgspec.json.decode(await request.body())
    given["payee_account"] = Payee.model_construct(**given["payee_account"])
    needs, handler = submission(ClaimId(new_id("clm", uuid7())), NewClaim.model_construct(**given))
    key = IdempotencyKey("app", request.headers["idempotency-key"], b"")
    carried = await request.app.state.store.carry_out(needs, handler, new_context(ACTOR), key)
    assert isinstance(carried.outcome, Answer)
    return Response(carried.outcome.body, carried.outcome.status, media_type="application/json")
